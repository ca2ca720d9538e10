// What one sees, as code that computes it elsewhere.

export function asPython(about, z, condition) {
  const given = about.decoder_conditions.map((name) => `, ${name}=${condition}`).join("");
  return `import keras_vae
import numpy as np

vae = keras_vae.load(${JSON.stringify(about.path)})
z = np.array([[${numbers(z)}]], "float32")
reconstruction = vae.decode(z${given})  # (1, ${about.data_shape.join(", ")})
`;
}

export function asCurl(about, z, condition) {
  const given = Object.fromEntries(about.decoder_conditions.map((name) => [name, condition]));
  const code = JSON.parse(`[${numbers(z)}]`);
  const instance = about.decoder_conditions.length ? {z: code, ...given} : code;
  const body = JSON.stringify({signature_name: "decode", instances: [instance]});
  return `curl -d '${body}' ${about.server}/v1/models/decoder:predict\n`;
}

// Nine digits give each float32 back.
function numbers(z) {
  return Array.from(z, (value) => Number(value.toPrecision(9))).join(", ");
}

export async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Where a page may not (one from another machine without encryption), the old way.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
