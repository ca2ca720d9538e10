// From codes to places on the map and back.

// Two latent dimensions as they are; of a code with one dimension there is no second, and
// examples are spread so that they do not hide one another.
export function pair(i, j) {
  return {
    names: [`z[${i}]`, j === null ? "" : `z[${j}]`],
    place: (z, number = 0) => [z[i], j === null ? ((number * 0.618034) % 1) * 4 - 2 : z[j]],
    // The code at a place, other dimensions as in `z`.
    code(z, [x, y]) {
      const found = Float32Array.from(z);
      found[i] = x;
      if (j !== null) found[j] = y;
      return found;
    },
  };
}

// Two principal components: what is at right angles to them stays as in `z`.
export function components({mean, components, shares}, i, j) {
  const along = (z, k) => components[k].reduce((sum, c, d) => sum + c * (z[d] - mean[d]), 0);
  const name = (k) => `component ${k + 1} (${Math.round(100 * shares[k])} % of the variance)`;
  return {
    names: [name(i), name(j)],
    place: (z) => [along(z, i), along(z, j)],
    code(z, [x, y]) {
      const dx = x - along(z, i), dy = y - along(z, j);
      return Float32Array.from(z, (v, d) => v + dx * components[i][d] + dy * components[j][d]);
    },
  };
}
