// The page: what is looked at, and what happens when somebody points, slides, drops, draws.

import {asCurl, asPython, toClipboard} from "./copy.js";
import {Grid} from "./grid.js";
import {connect, newest} from "./inference.js";
import {ImageInput} from "./input.js";
import {Interpolation} from "./interpolation.js";
import {LatentPlot} from "./map.js";
import {colourings, legend, marksOf} from "./marks.js";
import {draw, drawError, thumbnails} from "./pixels.js";
import {components, pair} from "./projection.js";
import {Sliders} from "./sliders.js";
import {RowForm} from "./table.js";

const element = (id) => document.getElementById(id);
const on = (id, event, action) => element(id).addEventListener(event, action);

start().catch(trouble);

async function start() {
  const about = await (await fetch("latent_map.json")).json();
  about.server ??= about.inference === "rest" ? location.origin : "http://localhost:8501";
  const model = await connect(about);
  const examples = about.kind === "images" ? await thumbnails(about) : null;
  document.querySelector("main").hidden = false;
  element(about.kind === "images" ? "pictures" : "table").hidden = false;
  element("grid-label").hidden = about.kind !== "images";
  introduce(about, model);
  // In the console, `explorer` shows what the page does.
  globalThis.explorer = new Explorer(about, model, examples);
}

class Explorer {
  constructor(about, model, examples) {
    Object.assign(this, {about, model, examples});
    this.codes = about.codes.map((z) => Float32Array.from(z));
    this.z = new Float32Array(about.latent_dim); // where one is
    this.shown = this.z; // what is decoded: a place that is pointed at, too
    this.reconstruction = null;
    this.x = null; // what went in, unless nothing did
    this.measures = {};
    this.condition = 0;
    this.seed = null; // that z was drawn by
    this.decoding = newest(trouble);
    this.encoding = newest(trouble);
    this.measuring = newest(trouble);
    this.filling = newest(trouble);
    this.makeParts();
    this.chooseAxes();
    this.chooseColours();
    this.listen();
    this.go(this.z, "the middle of the prior");
  }

  makeParts() {
    const {about} = this;
    const input = (x, words) => this.take(x, words);
    this.input = this.examples ? new ImageInput(about, input) : new RowForm(about, input);
    this.sliders = new Sliders(element("sliders"), element("more"), about, (j, value) => {
      const z = Float32Array.from(this.z);
      z[j] = value;
      this.go(z, "set by hand");
    });
    this.plot = new LatentPlot(element("map"), this.codes, marksOf(this.codes), {
      point: (place) => this.point(place),
      leave: () => this.leave(),
      go: (place) => this.go(this.plot.projection.code(this.z, place), "a point on the map"),
      choose: (i, shift) => this.choose(i, shift),
      resized: () => this.fillGrid(),
    });
    this.grid = new Grid(this.plot, this.model);
    this.interpolation = new Interpolation(this.model, {
      here: () => [this.z, this.words],
      condition: () => this.condition,
      onMove: (z, words) => this.go(z, words),
      onEnds: (ends) => {
        this.ends = ends;
        this.markEnds();
      },
      run: newest(trouble),
    });
    this.makeCondition();
  }

  // Conditions are labels: a choice.
  makeCondition() {
    const [name] = this.about.decoder_conditions;
    if (!name) return;
    const label = document.createElement("label"), select = document.createElement("select");
    select.id = "condition";
    this.about.label_names.forEach((value, i) => select.add(new Option(value, i)));
    select.addEventListener("change", () => this.setCondition(Number(select.value)));
    label.append(`${name} `, select);
    element("condition-place").append(label);
  }

  setCondition(condition) {
    this.condition = condition;
    if (element("condition")) element("condition").value = condition;
    this.show(this.z);
    this.measure();
    this.fillGrid();
    this.interpolation.refresh();
  }

  chooseAxes() {
    const {active, principal, latent_dim: size} = this.about;
    const order = [...active, ...Array.from({length: size}, (_, j) => j).filter((j) => !active.includes(j))];
    const [x, y] = [element("axis-x"), element("axis-y")];
    for (const select of [x, y]) {
      for (const j of order) select.add(new Option(`z[${j}]`, `z${j}`));
      if (size < 2) continue;
      principal.components.forEach((_, k) => select.add(new Option(`component ${k + 1}`, `c${k}`)));
      select.addEventListener("change", () => this.project(select));
    }
    element("axis-y-label").hidden = size < 2;
    y.value = `z${order[1] ?? order[0]}`;
    this.project(x);
  }

  // Axes are two dimensions or two components: the other one follows the one that changed.
  project(changed) {
    const [x, y] = [element("axis-x"), element("axis-y")];
    const other = changed === x ? y : x;
    if (x.value[0] !== y.value[0] || (x.value === y.value && this.about.latent_dim > 1)) {
      const same = [...other.options].filter((option) => option.value[0] === changed.value[0]);
      other.value = same.find((option) => option.value !== changed.value)?.value ?? changed.value;
    }
    const [i, j] = [x, y].map((select) => Number(select.value.slice(1)));
    this.plot.project(x.value[0] === "c"
      ? components(this.about.principal, i, j) : pair(i, this.about.latent_dim > 1 ? j : null));
    this.markEnds();
    this.plot.lookAt(this.plot.projection.place(this.shown));
  }

  // Examples are coloured by their labels, those of a table by any column.
  chooseColours() {
    const found = colourings(this.about), select = element("colour");
    found.forEach(({name}, k) => select.add(new Option(name, k)));
    element("colour-label").hidden = found.length < 2;
    const choose = () => {
      const colouring = found[Number(select.value)];
      this.plot.marks = marksOf(this.codes, colouring);
      this.plot.group = null;
      this.plot.refresh();
      legend(element("legend"), colouring, (group) => {
        this.plot.group = group;
        this.plot.refresh();
      });
    };
    select.addEventListener("change", choose);
    choose();
  }

  markEnds() {
    const places = Object.entries(this.ends ?? {}).map(
      ([name, z]) => [name, this.plot.projection.place(z)]);
    this.plot.ends = Object.fromEntries(places);
    this.plot.draw();
  }

  // Goes to a place, and stays there.
  go(z, words, seed = null) {
    Object.assign(this, {z, words, seed});
    element("source").textContent = `${words[0].toUpperCase()}${words.slice(1)}.`;
    element("copy-seed").disabled = seed === null;
    this.show(z);
    this.fillGrid();
    this.speak();
  }

  // Decodes a place and shows it.
  show(z) {
    this.shown = z;
    this.sliders.show(z);
    this.plot.lookAt(this.plot.projection.place(z));
    return this.decoding(async () => this.showDecoded(await this.model.decode(z, this.condition)));
  }

  showDecoded(reconstruction) {
    this.reconstruction = reconstruction;
    if (!this.examples) return this.input.showDecoded(reconstruction, this.x);
    const shape = this.about.data_shape, canvas = element("decoded");
    draw(canvas, reconstruction, shape);
    canvas.ariaLabel = `Decoded image at ${this.words}`;
    this.showError();
  }

  showError() {
    const canvas = element("error"), words = element("error-scale");
    if (!this.x) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      canvas.ariaLabel = "No input to compare with";
      words.textContent = "";
      return;
    }
    const most = drawError(canvas, this.reconstruction, this.x, this.about.data_shape);
    words.textContent = `at most ${most.toFixed(2)}`;
    canvas.ariaLabel = `Decoded minus input: differences of at most ${most.toFixed(2)}`;
  }

  point(place) {
    this.show(this.plot.projection.code(this.z, place));
    this.hover(this.plot.meant(place));
  }

  leave() {
    this.hover(null);
    this.show(this.z);
  }

  // Shows an example beside its point.
  hover(i) {
    const figure = element("hover");
    figure.hidden = i === null;
    if (i === null) return;
    if (this.examples) this.examples.draw(figure.querySelector("canvas"), i);
    figure.querySelector("canvas").hidden = !this.examples;
    figure.querySelector("figcaption").textContent = this.nameOf(i);
    const [x, y] = this.plot.toPixels(this.plot.places[i]);
    const {width} = this.plot.view;
    figure.style.left = `${Math.min(x + 14, width - figure.offsetWidth - 4)}px`;
    figure.style.top = `${Math.max(4, y - figure.offsetHeight - 10)}px`;
  }

  nameOf(i) {
    const {labels, label_names: names, split} = this.about;
    return `${split} example ${i}${labels ? `, ${names[labels[i]]}` : ""}`;
  }

  // An example: where one starts from, or with `shift` the end of an interpolation.
  choose(i, shift = false) {
    if (shift) {
      this.interpolation.set("A", this.z, this.words);
      this.interpolation.set("B", this.codes[i], this.nameOf(i));
      return;
    }
    this.x = this.examples ? this.examples.values(i) : Float32Array.from(this.about.x[i]);
    this.input.show(this.x);
    const [given] = Object.values(this.about.given);
    if (given) this.setCondition(given[i]);
    this.go(this.codes[i], this.nameOf(i));
    this.measure();
  }

  // Something of the visitor's own: encoded, and where one is from now on.
  take(x, words) {
    if (!x) return trouble(new Error(words));
    this.x = x;
    return this.encoding(async () => {
      this.go(await this.model.encode(x, this.condition), words);
      this.measure();
    });
  }

  clear() {
    this.x = null;
    this.measures = {};
    this.input.clear();
    this.showMeasures();
    this.showDecoded(this.reconstruction);
  }

  measure() {
    const {x} = this;
    if (!x) return;
    this.measuring(async () => {
      this.measures = await this.model.measure(x, this.condition);
      this.showMeasures();
    });
  }

  showMeasures() {
    const names = {
      elbo: "ELBO", reconstruction_loss: "reconstruction loss", kl_loss: "KL", p_value: "p-value",
    };
    element("measures").replaceChildren(...Object.entries(names).flatMap(([key, name]) => {
      const value = this.measures[key];
      if (value === undefined) return [];
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      description.textContent = key === "p_value"
        ? `${value.toPrecision(2)}${value <= this.about.level ? ", an anomaly" : ""}`
        : `${value.toFixed(2).replace("-", "−")} nats`;
      description.dataset.value = value;
      const pair = document.createElement("div");
      pair.append(term, description);
      return [pair];
    }));
  }

  reset() {
    this.clear();
    this.go(new Float32Array(this.about.latent_dim), "the middle of the prior");
  }

  // The next seed each time: what is shown can be had again by its number.
  random() {
    const field = element("seed"), seed = field.valueAsNumber || 0;
    this.encoding(async () => {
      const {z} = await this.model.sample(seed, this.condition);
      this.clear();
      this.go(z, `drawn from the prior by seed ${seed}`, seed);
      field.value = seed + 1;
    });
  }

  fillGrid() {
    if (!this.grid) return;
    if (element("grid").checked) {
      const {z, condition} = this;
      this.filling(() => this.grid.show(z, condition));
    } else {
      this.grid.hide();
    }
  }

  // Fulfilled when all that was asked for is there.
  async settled() {
    for (const queue of ["encoding", "measuring", "decoding", "filling"]) await this[queue]();
    await this.interpolation.run();
  }

  // Says where one is, once one has come to rest.
  speak() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      const {plot, z} = this, place = plot.projection.place(z);
      const where = plot.projection.names.map((name, k) => name && `${name} ${place[k].toFixed(2)}`);
      const near = this.nameOf(plot.nearest(place).example);
      element("spoken").textContent = `${this.words}. ${where.filter(Boolean).join(", ")}. Nearest: ${near}.`;
    }, 500);
  }

  listen() {
    on("reset", "click", () => this.reset());
    on("random", "click", () => this.random());
    on("clear", "click", () => this.clear());
    on("dismiss", "click", () => trouble(null));
    on("grid", "change", () => {
      this.plot.grid = this.grid;
      this.fillGrid();
      this.plot.refresh();
    });
    on("points", "change", () => {
      this.plot.showPoints = element("points").checked;
      this.plot.refresh();
    });
    const copied = async (words, text) => {
      await toClipboard(text);
      element("copied").textContent = `${words} copied`;
    };
    on("copy-python", "click", () => copied("Python", asPython(this.about, this.z, this.condition)));
    on("copy-curl", "click", () => copied("curl", asCurl(this.about, this.z, this.condition)));
    on("copy-seed", "click", () => copied("Seed", String(this.seed)));
    const keys = {0: "reset", r: "random", g: "grid"};
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input:not([type=range], [type=checkbox]), select");
      const id = keys[event.key.toLowerCase()];
      if (id && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) element(id).click();
    });
  }
}

function introduce(about, model) {
  document.title = `${about.name}: latent space`;
  element("name").textContent = about.name;
  const {active, latent_dim: size, codes, split} = about;
  element("facts").textContent = [
    about.model,
    `${active.length} of ${size} latent dimensions active`,
    `${codes.length} ${split} examples`,
    `computed by ${model.side.words}`,
  ].join(" · ");
}

// What goes wrong is said on the page; null when it goes well again.
function trouble(error) {
  element("trouble").hidden = !error;
  element("trouble-words").textContent = error?.message ?? "";
  if (error) console.warn(error);
}
