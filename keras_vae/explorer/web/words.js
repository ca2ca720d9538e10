// What the page says in words and numbers.

const MEASURES = {
  elbo: "ELBO", reconstruction_loss: "reconstruction loss", kl_loss: "KL", p_value: "p-value",
};

const minus = (text) => text.replace("-", "−");

// What the page is about, under its name.
export function facts(about, side) {
  const {active, latent_dim: size, codes, split} = about;
  return [
    about.model,
    `${active.length} of ${size} latent dimensions active`,
    `${codes.length} ${split} examples`,
    `computed by ${side.words}`,
  ].join(" · ");
}

export function nameOf({labels, label_names: names, split}, i) {
  return `${split} example ${i}${labels ? `, ${names[labels[i]]}` : ""}`;
}

// A place of the map.
export function placeOf({names}, place) {
  const parts = names.filter(Boolean).map((name, k) => {
    const [short] = name.split(" ("); // without the share of the variance
    return `${short} ${minus(place[k].toFixed(2))}`;
  });
  return parts.join(", ");
}

export function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

// Shows what is known of an input in a list of terms; `level` is that of p-values.
export function showMeasures(list, measures, level) {
  list.replaceChildren(...Object.entries(MEASURES).flatMap(([key, name]) => {
    const value = measures[key];
    if (value === undefined) return [];
    const [row, term, description] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    description.textContent = key === "p_value"
      ? `${value.toPrecision(2)}${value <= level ? ", an anomaly" : ""}`
      : `${minus(value.toFixed(2))} nats`;
    description.dataset.value = value;
    row.append(term, description);
    return [row];
  }));
}
