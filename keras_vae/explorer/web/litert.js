// Inference in this page: LiteRT.js on the .tflite files that a phone runs.

import {withBatchSize} from "./flatbuffer.js";

// A file is compiled for each size of batches, so there are two sizes alone.
const MANY = 16;

export async function open() {
  const {loadLiteRt, loadAndCompile, Tensor} = await import("./litert/index.js");
  await loadLiteRt(new URL("litert/", import.meta.url).href);
  const files = {}, compiled = {};

  function load(model, size) {
    files[model] ??= fetch(`${model}.tflite`).then((response) => {
      if (!response.ok) throw new Error(`${model}.tflite: HTTP ${response.status}`);
      return response.arrayBuffer();
    });
    compiled[`${model} ${size}`] ??= files[model].then((file) =>
      loadAndCompile(withBatchSize(new Uint8Array(file), size), {accelerator: "wasm"}));
    return compiled[`${model} ${size}`];
  }

  async function run(model, signature, inputs, size) {
    const program = await load(model, size);
    const tensors = Object.fromEntries(Object.entries(inputs).map(
      ([name, {values, shape}]) => [name, new Tensor(values, shape)]));
    const outputs = await program.run(signature, tensors);
    const answer = Object.fromEntries(Object.entries(outputs).map(
      ([name, tensor]) => [name, tensor.toTypedArray().slice()]));
    for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
    return answer;
  }

  async function ask(model, signature, inputs) {
    const n = Object.values(inputs)[0].shape[0];
    if (n === 1) return run(model, signature, inputs, 1);
    const parts = [];
    for (let start = 0; start < n; start += MANY) {
      parts.push(await run(model, signature, rows(inputs, start, MANY), MANY));
    }
    return Object.fromEntries(Object.keys(parts[0]).map((name) => {
      const size = parts[0][name].length / MANY;
      const all = new Float32Array(parts.length * MANY * size);
      parts.forEach((part, i) => all.set(part[name], i * MANY * size));
      return [name, all.subarray(0, n * size)];
    }));
  }

  return {ask, words: "LiteRT.js, in this page"};
}

// Some rows of each input, zeros where there are no more.
function rows(inputs, start, count) {
  return Object.fromEntries(Object.entries(inputs).map(([name, {values, shape}]) => {
    const size = values.length / shape[0];
    const part = new values.constructor(count * size);
    part.set(values.subarray(start * size, (start + count) * size));
    return [name, {values: part, shape: [count, ...shape.slice(1)]}];
  }));
}
