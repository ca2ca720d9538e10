// Inference by TensorFlow Serving's REST protocol, from the server that this page came from.

export async function open() {
  return {ask, words: "TF Serving's REST protocol"};
}

async function ask(model, signature, inputs) {
  const body = {signature_name: signature, inputs: {}};
  for (const [name, {values, shape}] of Object.entries(inputs)) {
    body.inputs[name] = nested(values, shape);
  }
  let {outputs} = await answer(`v1/models/${model}:predict`, {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify(body),
  });
  if (Array.isArray(outputs)) outputs = {[await onlyOutput(model, signature)]: outputs};
  return Object.fromEntries(Object.entries(outputs).map(
    ([name, value]) => [name, Float32Array.from(value.flat(Infinity))]));
}

async function answer(path, request) {
  const response = await fetch(path, request).catch(() => {
    throw new Error("The server does not answer any more: has keras-vae explore been ended?");
  });
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return content;
}

// A single output comes without its name, which the metadata of the model have.
const names = {};
async function onlyOutput(model, signature) {
  names[model] ??= answer(`v1/models/${model}/metadata`);
  const {metadata} = await names[model];
  return Object.keys(metadata.signature_def.signature_def[signature].outputs)[0];
}

// Lists of lists of numbers. A float32 is written as its nearest double, which is exact.
function nested(values, shape) {
  if (shape.length === 1) return Array.from(values);
  const size = values.length / shape[0];
  return Array.from({length: shape[0]}, (_, i) =>
    nested(values.subarray(i * size, (i + 1) * size), shape.slice(1)));
}
