// What there is to choose: the map's axes, the examples' colours, the condition.

import {colourings, legend, marksOf} from "./marks.js";
import {components, pair} from "./projection.js";

const element = (id) => document.getElementById(id);

// Axes are two dimensions, the most active ones first, or two components: the other axis
// follows the one that is changed. `onChoice` is given a projection.
export function axes(about, onChoice) {
  const {active, principal, latent_dim: size} = about, [x, y] = [element("axis-x"), element("axis-y")];
  const inactive = Array.from({length: size}, (_, j) => j).filter((j) => !active.includes(j));
  const order = [...active, ...inactive];
  const number = (select) => Number(select.value.slice(1));

  function choose(changed, other) {
    if (x.value[0] !== y.value[0] || x.value === y.value) {
      const others = [...other.options].filter(
        ({value}) => value[0] === changed.value[0] && value !== changed.value);
      other.value = (others[0] ?? changed).value;
    }
    onChoice(x.value[0] === "c" ? components(principal, number(x), number(y))
      : pair(number(x), size > 1 ? number(y) : null));
  }

  for (const [select, other] of [[x, y], [y, x]]) {
    for (const j of order) select.add(new Option(`z[${j}]`, `z${j}`));
    if (size > 1) {
      principal.components.forEach((_, k) => select.add(new Option(`component ${k + 1}`, `c${k}`)));
    }
    select.addEventListener("change", () => choose(select, other));
  }
  element("axis-y-label").hidden = size < 2;
  choose(x, y);
}

// Examples are coloured by their labels, those of a table by any column.
export function colours(about, plot) {
  const found = colourings(about), select = element("colour");
  found.forEach(({name}, k) => select.add(new Option(name, k)));
  element("colour-label").hidden = found.length < 2;

  function stand(group) {
    plot.group = group;
    plot.refresh();
  }

  function choose() {
    const colouring = found[Number(select.value)];
    plot.marks = marksOf(plot.codes, colouring);
    legend(element("legend"), colouring, stand);
    stand(null);
  }

  select.addEventListener("change", choose);
  choose();
}

// Conditions are labels. Returns a function that shows one as chosen.
export function conditions(about, onChoice) {
  const [name] = about.decoder_conditions;
  if (!name) return () => {};
  const label = document.createElement("label"), select = document.createElement("select");
  select.id = "condition";
  about.label_names.forEach((value, i) => select.add(new Option(value, i)));
  select.addEventListener("change", () => onChoice(Number(select.value)));
  label.append(`${name} `, select);
  element("condition-place").append(label);
  return (condition) => { select.value = condition; };
}
