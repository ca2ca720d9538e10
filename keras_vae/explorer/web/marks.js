// How examples look on the map: by their label, or by a column of their table.

import {columnsOf} from "./table.js";

// Petroff, "Accessible Color Sequences for Data Visualization" (2021), ten colours.
const COLOURS = [
  "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
  "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
];
const SHADES = 7; // of numbers, from low to high

// What examples can be coloured by: [{name, groups, names, shaded}], the group of each
// example by its number, and what each group is called.
export function colourings(about) {
  const found = [];
  if (about.labels) found.push({name: "label", groups: about.labels, names: about.label_names});
  if (about.kind !== "table") return found;
  columnsOf(about).forEach((column, j) => {
    const values = about.x.map((row) => row[j]);
    if (column.values) {
      const names = column.values.map((value) => value ?? "missing");
      found.push({name: column.name, groups: values.map(Math.round), names});
      return;
    }
    // Numbers by their rank, so that a few large ones do not leave one shade to the others.
    const sorted = [...values].sort((a, b) => a - b);
    const groups = values.map((value) => Math.min(
      SHADES - 1, Math.floor((SHADES * sorted.findIndex((other) => other >= value)) / values.length)));
    const names = Array.from({length: SHADES}, (_, k) =>
      ["low", ...Array(SHADES - 2).fill(""), "high"][k]);
    found.push({name: column.name, groups, names, shaded: true});
  });
  return found;
}

// {colour, text, group} of each example. More classes than colours are told apart by
// their names, if those are short enough to stand for a point.
export function marksOf(codes, colouring) {
  if (!colouring) return codes.map(() => ({colour: COLOURS[0], text: "", group: 0}));
  const {groups, names} = colouring;
  const named = names.length > COLOURS.length && names.every((name) => name.length <= 2);
  return groups.map((group) => ({
    colour: colourOf(colouring, group), text: named ? names[group] : "", group,
  }));
}

// A button for each group, which lets its examples stand out.
export function legend(list, colouring, onGroup) {
  let chosen = null;
  const buttons = (colouring?.names ?? []).map((name, group) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.ariaLabel = name || `between low and high, ${group + 1} of ${colouring.names.length}`;
    button.ariaPressed = "false";
    button.style.setProperty("--mark", colourOf(colouring, group));
    button.addEventListener("click", () => {
      chosen = chosen === group ? null : group;
      buttons.forEach((other, i) => { other.ariaPressed = String(i === chosen); });
      onGroup(chosen);
    });
    return button;
  });
  list.replaceChildren(...buttons.map((button) => {
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
}

// Classes by the sequence; numbers from blue to orange, in steps of one lightness.
function colourOf({shaded, names}, group) {
  if (!shaded) return COLOURS[group % COLOURS.length];
  return `color-mix(in oklch, #2b6fd6, #e97814 ${(100 * group) / (names.length - 1)}%)`;
}
