// The page: where one is in the latent space, and what happens when somebody points,
// slides, drops, draws.

import {axes, colours, conditions} from "./choices.js";
import {asCurl, asPython, toClipboard} from "./copy.js";
import {Grid} from "./grid.js";
import {connect, newest} from "./inference.js";
import {ImageInput} from "./input.js";
import {Interpolation} from "./interpolation.js";
import {LatentPlot} from "./map.js";
import {draw, drawError, thumbnails} from "./pixels.js";
import {Sliders} from "./sliders.js";
import {RowForm} from "./table.js";
import {facts, nameOf, placeOf, sentence, showMeasures} from "./words.js";

const element = (id) => document.getElementById(id);
const on = (id, event, action) => element(id).addEventListener(event, action);
const KEYS = {0: "reset", r: "random", g: "grid"};
const START = "the middle of the prior";

start().catch(trouble);

async function start() {
  const about = await (await fetch("latent_map.json")).json();
  about.server ??= about.inference === "rest" ? location.origin : "http://localhost:8501";
  const model = await connect(about);
  const examples = about.kind === "images" ? await thumbnails(about) : null;
  document.title = `${about.name}: latent space`;
  element("name").textContent = about.name;
  element("facts").textContent = facts(about, model.side);
  element(examples ? "pictures" : "table").hidden = false;
  element("grid-label").hidden = !examples;
  document.querySelector("main").hidden = false;
  // In the console, `explorer` is what the page does.
  globalThis.explorer = new Explorer(about, model, examples);
}

class Explorer {
  constructor(about, model, examples) {
    Object.assign(this, {about, model, examples});
    this.codes = about.codes.map((z) => Float32Array.from(z));
    this.z = new Float32Array(about.latent_dim); // where one is
    this.shown = this.z; // what is decoded: a place that is pointed at, too
    this.words = START;
    this.seed = null; // that z was drawn by
    this.reconstruction = null;
    this.x = null; // what went in, unless nothing did
    this.measures = {};
    this.condition = 0;
    this.ends = {}; // of the interpolation, codes by name
    this.encoding = newest(trouble);
    this.measuring = newest(trouble);
    this.decoding = newest(trouble);
    this.filling = newest(trouble);
    this.strip = newest(trouble);
    this.makeParts();
    this.listen();
    this.go(this.z, START);
  }

  makeParts() {
    const {about, model} = this;
    const take = (x, words) => this.take(x, words);
    this.input = this.examples ? new ImageInput(about, take) : new RowForm(about, take);
    this.sliders = new Sliders(element("sliders"), element("more"), about, (j, value) => {
      const z = Float32Array.from(this.z);
      z[j] = value;
      this.go(z, "set by hand");
    });
    this.plot = new LatentPlot(element("map"), this.codes, {
      point: (place) => this.point(place),
      leave: () => this.leave(),
      go: (place) => this.go(this.plot.projection.code(this.z, place), "a point on the map"),
      choose: (i, shift) => this.choose(i, shift),
      resized: () => this.fillGrid(),
    });
    this.grid = new Grid(this.plot, model);
    colours(about, this.plot);
    axes(about, (projection) => {
      this.plot.project(projection);
      this.markEnds();
      this.plot.lookAt(projection.place(this.shown));
      if (this.reconstruction) this.showDecoded(this.reconstruction);
    });
    this.showCondition = conditions(about, (condition) => this.setCondition(condition));
    this.interpolation = new Interpolation(model, {
      here: () => [this.z, this.words],
      condition: () => this.condition,
      onMove: (z, words) => this.go(z, words),
      onEnds: (ends) => {
        this.ends = ends;
        this.markEnds();
      },
      run: this.strip,
    });
  }

  listen() {
    on("reset", "click", () => this.reset());
    on("random", "click", () => this.random());
    on("clear", "click", () => this.clear());
    on("dismiss", "click", () => trouble(null));
    on("grid", "change", () => {
      this.plot.grid = this.grid;
      this.fillGrid();
      this.plot.refresh();
    });
    on("points", "change", () => {
      this.plot.showPoints = element("points").checked;
      this.plot.refresh();
    });
    on("copy-python", "click", () => copy("Python", asPython(this.about, this.z, this.condition)));
    on("copy-curl", "click", () => copy("curl", asCurl(this.about, this.z, this.condition)));
    on("copy-seed", "click", () => copy("Seed", String(this.seed)));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input:not([type=range], [type=checkbox]), select");
      const meant = element(KEYS[event.key.toLowerCase()] ?? "")?.checkVisibility();
      if (!meant || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      element(KEYS[event.key.toLowerCase()]).click();
    });
  }

  // --- Where one is ---

  // Goes to a place, and stays there.
  go(z, words, seed = null) {
    Object.assign(this, {z, words, seed});
    element("source").textContent = sentence(words);
    element("copy-seed").disabled = seed === null;
    this.show(z);
    this.fillGrid();
    this.speak();
  }

  // Decodes a place and shows it.
  show(z) {
    this.shown = z;
    this.sliders.show(z);
    this.plot.lookAt(this.plot.projection.place(z));
    return this.decoding(async () => this.showDecoded(await this.model.decode(z, this.condition)));
  }

  reset() {
    this.clear();
    this.go(new Float32Array(this.about.latent_dim), START);
  }

  // The next seed each time: what is shown can be had again by its number.
  random() {
    const field = element("seed"), seed = field.valueAsNumber || 0;
    this.encoding(async () => {
      const {z} = await this.model.sample(seed, this.condition);
      this.clear();
      this.go(z, `drawn from the prior by seed ${seed}`, seed);
      field.value = seed + 1;
    });
  }

  setCondition(condition) {
    this.condition = condition;
    this.showCondition(condition);
    this.show(this.z);
    this.measure();
    this.fillGrid();
    this.interpolation.refresh();
  }

  // --- On the map ---

  point(place) {
    this.show(this.plot.projection.code(this.z, place));
    this.hover(this.plot.meant(place));
  }

  leave() {
    this.hover(null);
    this.show(this.z);
  }

  // Shows an example beside its point.
  hover(i) {
    const figure = element("hover"), canvas = figure.querySelector("canvas");
    figure.hidden = i === null;
    if (i === null) return;
    canvas.hidden = !this.examples;
    this.examples?.draw(canvas, i);
    figure.querySelector("figcaption").textContent = nameOf(this.about, i);
    const [x, y] = this.plot.toPixels(this.plot.places[i]), {width} = this.plot.view;
    figure.style.left = `${Math.max(4, Math.min(x + 14, width - figure.offsetWidth - 4))}px`;
    figure.style.top = `${Math.max(4, y - figure.offsetHeight - 10)}px`;
  }

  // An example: where one starts from, or with `shift` the end of an interpolation.
  choose(i, shift = false) {
    const words = nameOf(this.about, i);
    if (shift) {
      this.interpolation.set("A", this.z, this.words);
      this.interpolation.set("B", this.codes[i], words);
      return;
    }
    this.x = this.examples ? this.examples.values(i) : Float32Array.from(this.about.x[i]);
    this.input.show(this.x);
    const [given] = Object.values(this.about.given);
    if (given) this.setCondition(given[i]);
    this.go(this.codes[i], words);
    this.measure();
  }

  markEnds() {
    this.plot.ends = Object.fromEntries(Object.entries(this.ends).map(
      ([name, z]) => [name, this.plot.projection.place(z)]));
    this.plot.draw();
  }

  fillGrid() {
    if (!element("grid").checked) return this.grid?.hide();
    const {z, condition} = this;
    this.filling(() => this.grid.show(z, condition));
  }

  // --- What goes in and comes out ---

  // Something of the visitor's own: encoded, and where one is from now on.
  take(x, words) {
    if (!x) return trouble(new Error(words));
    this.x = x;
    return this.encoding(async () => {
      this.go(await this.model.encode(x, this.condition), words);
      this.measure();
    });
  }

  clear() {
    this.x = null;
    this.measures = {};
    this.input.clear();
    showMeasures(element("measures"), {});
    if (this.reconstruction) this.showDecoded(this.reconstruction);
  }

  measure() {
    const {x} = this;
    if (!x) return;
    this.measuring(async () => {
      const measures = await this.model.measure(x, this.condition);
      if (x !== this.x) return; // cleared meanwhile
      this.measures = measures;
      showMeasures(element("measures"), measures, this.about.level);
    });
  }

  showDecoded(reconstruction) {
    this.reconstruction = reconstruction;
    if (!this.examples) return this.input.showDecoded(reconstruction, this.x);
    const shape = this.about.data_shape, [decoded, error] = [element("decoded"), element("error")];
    const place = placeOf(this.plot.projection, this.plot.at);
    draw(decoded, reconstruction, shape);
    decoded.ariaLabel = `Image decoded at ${place}`;
    element("decoded-place").textContent = place;
    if (!this.x) error.getContext("2d").clearRect(0, 0, error.width, error.height);
    const most = this.x && drawError(error, reconstruction, this.x, shape).toFixed(2);
    element("error-scale").textContent = this.x ? `at most ${most}` : "";
    error.ariaLabel = this.x ? `Decoded minus input: differences of at most ${most}` : "No input to compare with";
  }

  // --- For those who do not see it, and for those who wait ---

  // Says where one is, once one has come to rest.
  speak() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      const {plot, z, words} = this, place = plot.projection.place(z);
      const near = nameOf(this.about, plot.nearest(place).example);
      element("spoken").textContent = `${sentence(words)} ${placeOf(plot.projection, place)}. Nearest: ${near}.`;
    }, 500);
  }

  // Fulfilled when all that was asked for is there.
  async settled() {
    for (const queue of ["encoding", "measuring", "decoding", "filling", "strip"]) await this[queue]();
  }
}

function copy(words, text) {
  const done = () => { element("copied").textContent = `${words} copied`; };
  toClipboard(text).then(done, trouble);
}

// What goes wrong is said on the page; null when it goes well again.
function trouble(error) {
  element("trouble").hidden = !error;
  element("trouble-words").textContent = error?.message ?? "";
  if (error) console.warn(error);
}
