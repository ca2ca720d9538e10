// What the page asks of a model, whoever computes it.
//
// A side of inference has one method,
//
//     ask(model, signature, inputs) -> {name: Float32Array}
//
// where inputs are {name: {values, shape}} with the batch as the first axis. There are
// two: rest.js asks a server, litert.js computes here.

export async function connect(about) {
  const {open} = await import(about.inference === "litert" ? "./litert.js" : "./rest.js");
  return new Model(about, await open(about));
}

export class Model {
  constructor(about, side) {
    this.about = about;
    this.side = side;
    this.dataSize = about.data_shape.reduce((a, b) => a * b, 1);
    this.latentDim = about.latent_dim;
    this.decodings = 0; // for whoever wants to know how many there are in a second
  }

  // Means of p(x|z) of codes one after another in `z`, so too in the answer.
  async decode(z, condition) {
    const n = z.length / this.latentDim;
    const inputs = {z: {values: z, shape: [n, this.latentDim]}};
    const answer = await this.side.ask(
      "decoder", "decode", {...inputs, ...this.#given(this.about.decoder_conditions, condition, n)});
    this.decodings += n;
    return answer.reconstruction;
  }

  // The code of one example: the mean of its posterior.
  async encode(x, condition) {
    const answer = await this.side.ask(
      "encoder", "encode", {...this.#data(x), ...this.#given(this.about.encoder_conditions, condition)});
    // With a flow the code is made of the mean; an autoencoder knows z alone.
    return answer.code ?? answer.z ?? answer.z_mean;
  }

  // z of the prior and its decoding: what vae.sample(1, seed=seed) is made of.
  async sample(seed, condition) {
    return this.side.ask(
      "decoder", "sample", {...this.#seed(seed), ...this.#given(this.about.decoder_conditions, condition)});
  }

  // What is known of one example beside its code: elbo and its parts, p_value.
  async measure(x, condition) {
    const given = {...this.#data(x), ...this.#given(Object.keys(this.about.conditions), condition)};
    const [bound, score] = await Promise.all([
      this.side.ask("bound", "elbo", {...given, ...this.#seed(0)}),
      this.about.models.includes("scorer") ? this.side.ask("scorer", "score", given) : {},
    ]);
    const numbers = {...bound, ...score};
    return Object.fromEntries(Object.entries(numbers).map(([name, [value]]) => [name, value]));
  }

  #data(x) {
    return {x: {values: x, shape: [1, ...this.about.data_shape]}};
  }

  #seed(seed) {
    return {seed: {values: Int32Array.of(seed, 0), shape: [1, 2]}};
  }

  #given(names, condition, n = 1) {
    return Object.fromEntries(
      names.map((name) => [name, {values: new Int32Array(n).fill(condition), shape: [n]}]));
  }
}

// Runs the newest of the jobs that it is given, one at a time, and forgets those between:
// an answer that comes late is of no use to a mouse that has moved on. What it returns
// is fulfilled when no job is left. `onTrouble` is given the error of a job, and null when
// one goes well after that.
export function newest(onTrouble) {
  let next = null, working = null, failed = false;
  async function work() {
    await null; // so that `working` is set before it is done
    while (next) {
      const job = next;
      next = null;
      try {
        await job();
        if (failed) onTrouble(null);
        failed = false;
      } catch (error) {
        failed = true;
        onTrouble(error);
      }
    }
    working = null;
  }
  return (job) => {
    next = job ?? next;
    if (next) working ??= work();
    return working ?? Promise.resolve();
  };
}
