// How examples look on the map, by their labels, and the legend.

// Petroff, "Accessible Color Sequences for Data Visualization" (2021), ten colours.
const COLOURS = [
  "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
  "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
];

// {colour, text, group} of each example. More classes than colours are told apart by
// their names, if those are short enough to stand for a point.
export function marksOf({codes, labels, label_names: names}) {
  if (!labels) return codes.map(() => ({colour: COLOURS[0], text: "", group: 0}));
  const named = names.length > COLOURS.length && names.every((name) => name.length <= 2);
  return labels.map((group) => ({
    colour: COLOURS[group % COLOURS.length], text: named ? names[group] : "", group,
  }));
}

// A button for each label, which lets its examples stand out.
export function legend(list, about, onGroup) {
  if (!about.labels) return;
  let chosen = null;
  const buttons = about.label_names.map((name, group) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.ariaPressed = "false";
    button.style.setProperty("--mark", COLOURS[group % COLOURS.length]);
    button.addEventListener("click", () => {
      chosen = chosen === group ? null : group;
      buttons.forEach((other, i) => { other.ariaPressed = String(i === chosen); });
      onGroup(chosen);
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
    return button;
  });
}
