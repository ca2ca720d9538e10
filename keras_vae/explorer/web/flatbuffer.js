// The one thing that has to be changed in a .tflite file before a browser runs it.

// LiteRT.js wants fixed shapes, and the files leave the size of a batch open: -1 in the
// first place of `shape_signature`. In a copy of the file it becomes a number, and `shape`
// with it. The format is that of schema.fbs: Model.subgraphs is field 2,
// SubGraph.tensors field 0, Tensor.shape field 0, Tensor.shape_signature field 7.
export function withBatchSize(file, size) {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  for (const graph of tables(view, vector(view, at(view, 0), 2))) {
    for (const tensor of tables(view, vector(view, graph, 0))) {
      const shape = vector(view, tensor, 0), signature = vector(view, tensor, 7);
      if (signature?.length && view.getInt32(signature.start, true) === -1) {
        view.setInt32(signature.start, size, true);
        view.setInt32(shape.start, size, true);
      }
    }
  }
  return bytes;
}

// Where an offset that stands at a place leads.
function at(view, place) {
  return place + view.getUint32(place, true);
}

// A vector in a field of a table: how long it is and where it begins.
function vector(view, table, field) {
  const fields = table - view.getInt32(table, true);
  const entry = 4 + 2 * field;
  const offset = entry < view.getUint16(fields, true) ? view.getUint16(fields + entry, true) : 0;
  if (!offset) return null;
  const start = at(view, table + offset);
  return {length: view.getUint32(start, true), start: start + 4};
}

function tables(view, {length, start}) {
  return Array.from({length}, (_, i) => at(view, start + 4 * i));
}
