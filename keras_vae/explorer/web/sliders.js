// A slider for each active dimension, the most active first.

const FEW = 12; // more are shown if they are asked for
const REACH = 3.5;

export class Sliders {
  constructor(place, more, about, onChange) {
    this.rows = new Map();
    const {measure, values} = about.activity;
    const most = Math.max(...values, 1e-9);
    const dimensions = about.active.length ? about.active : values.map((_, j) => j);
    const reach = dimensions.map((j) => Math.max(
      REACH, ...about.codes.map((z) => Math.ceil(Math.abs(z[j]) * 2) / 2)));
    dimensions.forEach((j, k) => {
      const row = document.createElement("label");
      row.className = "slider";
      row.title = `z[${j}], ${measure}: ${values[j].toPrecision(3)}`;
      const name = document.createElement("span");
      name.textContent = `z[${j}]`;
      const activity = document.createElement("span");
      activity.className = "activity";
      activity.style.setProperty("--share", values[j] / most);
      const input = document.createElement("input");
      Object.assign(input, {type: "range", min: -reach[k], max: reach[k], step: "any", value: 0});
      const output = document.createElement("output");
      row.append(name, activity, input, output);
      row.hidden = k >= FEW;
      input.addEventListener("input", () => onChange(j, input.valueAsNumber));
      place.append(row);
      this.rows.set(j, {row, input, output});
    });
    const hidden = dimensions.length - FEW;
    more.hidden = hidden <= 0;
    more.textContent = `${hidden} more dimensions`;
    more.addEventListener("click", () => {
      for (const {row} of this.rows.values()) row.hidden = false;
      more.hidden = true;
    });
  }

  show(z) {
    for (const [j, {input, output}] of this.rows) {
      if (input.valueAsNumber !== z[j]) input.value = z[j];
      output.textContent = z[j].toFixed(2).replace("-", "−");
      input.ariaValueText = output.textContent;
    }
  }
}
