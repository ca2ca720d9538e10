// The way from one place to another: as a strip, step by step, and moving.

import {imageData} from "./pixels.js";

const STEPS = 9;
const SECONDS = 3; // from one end to the other

export class Interpolation {
  // `here` gives the code and words for where one is; `onMove` is given codes on the way,
  // `onEnds` the codes of the ends by name.
  constructor(model, {here, condition, onMove, onEnds, run}) {
    Object.assign(this, {model, here, condition, onMove, onEnds, run});
    const element = (id) => document.getElementById(id);
    this.strip = element("strip");
    this.step = element("step");
    this.playing = element("play");
    this.words = element("ends");
    this.ends = {};
    element("from").addEventListener("click", () => this.set("A", ...here()));
    element("to").addEventListener("click", () => this.set("B", ...here()));
    this.playing.addEventListener("click", () => (this.frame ? this.stop() : this.play()));
    this.step.addEventListener("input", () => {
      this.stop();
      this.#move(this.step.valueAsNumber);
    });
    this.strip.addEventListener("click", (event) => {
      const k = Math.floor((event.offsetX / this.strip.clientWidth) * STEPS);
      this.stop();
      this.#move(Math.min(k, STEPS - 1) / (STEPS - 1));
    });
  }

  // Makes a place the beginning, "A", or the end, "B".
  set(name, z, words) {
    this.ends[name] = {z, words};
    const {A, B} = this.ends, complete = Boolean(A && B);
    this.words.textContent = `From ${A?.words ?? "…"} to ${B?.words ?? "…"}.`;
    this.playing.disabled = this.step.hidden = !complete;
    this.onEnds(Object.fromEntries(Object.entries(this.ends).map(([key, end]) => [key, end.z])));
    if (complete) this.refresh();
  }

  // The code a share t of the way along: (1 - t) z_A + t z_B.
  code(t) {
    const {A, B} = this.ends;
    return Float32Array.from(A.z, (value, d) => (1 - t) * value + t * B.z[d]);
  }

  refresh() {
    const [height, width, channels] = this.model.about.data_shape;
    if (!this.ends.A || !this.ends.B || this.model.about.kind !== "images") return;
    this.run(async () => {
      const codes = Array.from({length: STEPS}, (_, k) => [...this.code(k / (STEPS - 1))]);
      const decoded = await this.model.decode(Float32Array.from(codes.flat()), this.condition());
      Object.assign(this.strip, {width: STEPS * width, height, hidden: false});
      const context = this.strip.getContext("2d"), size = this.model.dataSize;
      for (let k = 0; k < STEPS; k++) {
        const image = decoded.subarray(k * size, (k + 1) * size);
        context.putImageData(imageData(image, height, width, channels), k * width, 0);
      }
      this.strip.ariaLabel = `Interpolation in ${STEPS} steps. ${this.words.textContent}`;
    });
  }

  play() {
    const begin = performance.now() - 1000 * SECONDS * this.step.valueAsNumber;
    this.playing.textContent = "Stop";
    const next = (now) => {
      const there = ((now - begin) / 1000 / SECONDS) % 2; // there and back
      this.#move(Math.max(0, there > 1 ? 2 - there : there));
      this.frame = requestAnimationFrame(next);
    };
    this.frame = requestAnimationFrame(next);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.playing.textContent = "Play";
  }

  #move(t) {
    this.step.value = t;
    this.onMove(this.code(t), `${Math.round(100 * t)} % of the way`);
  }
}
