// Asks TensorFlow Serving by REST with fetch: in browsers, and in Node 18 or newer.
//
//     node rest.mjs http://localhost:8501                draws two examples, encodes them
//     node rest.mjs http://localhost:8501 three.png five.jpg   and encodes image files
//
// In a page: import { predict, binary } from "./rest.mjs". A page of another origin than the
// server's needs a server that was started with --rest_api_enable_cors_support=true; better
// is a proxy of the page's own origin, as the server asks nobody who they are.

// Which version answers: the one that models.config calls stable. "" is the newest, and
// "/versions/2" that one. Encoder and decoder should be asked for the same.
const VERSION = "/labels/stable";

// Answers one signature of a model, "encoder" or "decoder". `inputs` has for each input by
// name an array with a value for each example: nested arrays of numbers, or what `binary`
// returns. The outputs come back by name, each with a value for each example; of a
// signature with one output, that output itself.
export async function predict(server, model, signature, inputs) {
  const response = await fetch(`${server}/v1/models/${model}${VERSION}:predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    // "inputs" are columns, an array for each input. The other form, "instances", is rows,
    // an object for each example, and answers "predictions".
    body: JSON.stringify({ signature_name: signature, inputs }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) {
    // Why it was refused is in the body: {"error": "..."}.
    throw new Error(`${model}/${signature}: HTTP ${response.status}: ${text}`);
  }
  return JSON.parse(text).outputs;
}

// A file as TensorFlow Serving has bytes in JSON. Takes a File of a page, or any Blob.
export async function binary(blob) {
  let bytes = "";
  for (const byte of new Uint8Array(await blob.arrayBuffer())) {
    bytes += String.fromCharCode(byte);
  }
  return { b64: btoa(bytes) };
}

// Prints as JSON the codes of two drawn examples, and of the files.
async function main(server = "http://localhost:8501", ...paths) {
  // Two seeds of two integers. The same seeds draw the same examples, on any server.
  const sample = await predict(server, "decoder", "sample", { seed: [[7, 0], [7, 1]] });
  const code = await predict(server, "encoder", "encode", { x: sample.reconstruction });
  const answer = { z: sample.z, z_mean: code.z_mean };
  if (paths.length > 0) {
    // The files as they are: smaller than their pixels as numbers. The server decodes and
    // resizes them, and makes colour grey, or grey colour, as needed.
    const { readFile } = await import("node:fs/promises");
    const files = paths.map(async (path) => binary(new Blob([await readFile(path)])));
    const ofFiles = await predict(server, "encoder", "encode_bytes", {
      image_bytes: await Promise.all(files),
    });
    answer.z_mean_of_files = ofFiles.z_mean;
  }
  console.log(JSON.stringify(answer, null, 2));
}

// Run, and not imported; a browser has no `process`.
if (globalThis.process?.argv[1]?.endsWith("rest.mjs")) {
  const [server, ...paths] = process.argv.slice(2);
  try {
    if (server?.startsWith("-")) throw new Error("usage: node rest.mjs SERVER [FILE ...]");
    await main(server, ...paths);
  } catch (error) {
    // Of a server that does not answer, fetch keeps the reason underneath.
    console.error(`Error: ${error.message} ${error.cause?.code ?? ""}`.trimEnd());
    process.exitCode = 1;
  }
}
