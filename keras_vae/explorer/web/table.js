// A row of a table, in place of an image: what goes in, and what is decoded.

const SECONDS = {D: 86400, s: 1};

export class RowForm {
  // `onInput` is given the values of a row and words for what it is.
  constructor(about, onInput) {
    this.columns = columnsOf(about);
    this.cells = this.columns.map((column) => {
      const row = document.querySelector("#form tbody").insertRow();
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = column.name;
      row.append(name);
      const input = field(column);
      input.setAttribute("aria-label", column.name);
      row.insertCell().append(input);
      const decoded = row.insertCell(), error = row.insertCell();
      input.addEventListener("input", () => {
        const values = this.values();
        if (values.every(Number.isFinite)) onInput(values, "your row");
      });
      return {input, decoded, error};
    });
  }

  values() {
    return Float32Array.from(this.columns, (column, i) => read(column, this.cells[i].input));
  }

  show(row) {
    this.columns.forEach((column, i) => write(column, this.cells[i].input, row[i]));
  }

  clear() {
    for (const {input} of this.cells) input.value = "";
  }

  // Shows a decoded row, and how far it is from the one that went in, if there is one.
  showDecoded(decoded, row) {
    this.columns.forEach((column, i) => {
      const cell = this.cells[i];
      cell.decoded.textContent = words(column, decoded[i]);
      cell.error.textContent = row ? difference(column, decoded[i], row[i]) : "";
    });
  }
}

// How the columns of any table are described: a schema's, or names of numbers alone.
export function columnsOf(about) {
  return about.columns ?? Array.from({length: about.data_shape[0]}, (_, i) => (
    {name: about.feature_names?.[i] ?? `x[${i}]`, kind: "number", origin: 0, decimals: null}));
}

function field(column) {
  if (column.values) {
    const select = document.createElement("select");
    select.add(new Option("", ""));
    column.values.forEach((value, i) => select.add(new Option(value ?? "missing", i)));
    return select;
  }
  const input = document.createElement("input");
  if (column.unit) {
    Object.assign(input, column.unit === "D" ? {type: "date"} : {type: "datetime-local", step: 1});
  } else {
    Object.assign(input, {type: "number", step: "any"});
  }
  return input;
}

function read({values, unit, origin}, input) {
  if (input.value === "") return NaN;
  if (values) return Number(input.value);
  return (unit ? Date.parse(`${input.value}Z`) / 1000 / SECONDS[unit] : Number(input.value)) - origin;
}

function write(column, input, value) {
  if (column.values) input.value = place(column, value);
  else if (column.unit) input.value = date(column, value);
  else input.value = number(column, value);
}

// What a value of x is in words.
export function words(column, value) {
  if (column.values) return column.values[place(column, value)] ?? "missing";
  return column.unit ? date(column, value) : number(column, value);
}

function difference(column, decoded, given) {
  if (column.values) return place(column, decoded) === place(column, given) ? "" : "≠";
  const unit = {D: " days", s: " s"}[column.unit] ?? "";
  const text = number({...column, origin: 0, decimals: column.unit ? 0 : column.decimals}, decoded - given);
  return (decoded > given ? `+${text}` : text.replace("-", "−")) + unit;
}

function place({values}, value) {
  return Math.max(0, Math.min(values.length - 1, Math.round(value)));
}

function number({origin, decimals}, value) {
  const sum = value + origin;
  return decimals === null || decimals > 6 ? String(Number(sum.toPrecision(6))) : sum.toFixed(decimals);
}

function date({unit, origin}, value) {
  const time = new Date(Math.round(value + origin) * SECONDS[unit] * 1000);
  if (Number.isNaN(time.getTime())) return "";
  return time.toISOString().slice(0, unit === "D" ? 10 : 19);
}
