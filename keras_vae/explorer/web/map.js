// The map: examples where their codes are, and a place that is looked at.

const REACH = 9; // pixels within which an example is meant
const NO_GRID = {draw() {}, isShown: false};

export class LatentPlot {
  // `codes` are arrays. What happens is told to `tell`: point(place), leave(), go(place),
  // choose(example, shift), resized().
  constructor(canvas, codes, tell) {
    Object.assign(this, {canvas, codes, tell});
    this.marks = []; // how each example is drawn: {colour, text, group}
    this.base = document.createElement("canvas");
    this.grid = NO_GRID;
    this.showPoints = true;
    this.group = null; // of a label that stands out
    this.at = [0, 0]; // the place that is looked at
    this.ends = {}; // of an interpolation: places by name
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  // Shows the codes another way; see projection.js.
  project(projection) {
    this.projection = projection;
    this.places = this.codes.map((z, i) => projection.place(z, i));
    const [low, high] = [0, 1].map((axis) => {
      const sorted = Float64Array.from(this.places, (place) => place[axis]).sort();
      return [sorted[0], sorted.at(-1)];
    });
    // At least the middle of the prior, -2 to 2, and some room around the examples.
    this.box = [low, high].map(([least, most]) => {
      const [from, to] = [Math.min(least, -2), Math.max(most, 2)], room = 0.06 * (to - from);
      return [from - room, to + room];
    });
    this.#resize();
  }

  toPixels([x, y]) {
    const {middle, scale, width, height} = this.view;
    return [width / 2 + (x - middle[0]) * scale, height / 2 - (y - middle[1]) * scale];
  }

  toPlace([px, py]) {
    const {middle, scale, width, height} = this.view;
    return [middle[0] + (px - width / 2) / scale, middle[1] - (py - height / 2) / scale];
  }

  // The example nearest to a place: its number and how many pixels away it is.
  nearest(place) {
    const [px, py] = this.toPixels(place);
    let example = -1, distance = Infinity;
    this.places.forEach((other, i) => {
      const [x, y] = this.toPixels(other), d = Math.hypot(x - px, y - py);
      if (d < distance) [example, distance] = [i, d];
    });
    return {example, distance};
  }

  // The example that is meant by pointing at a place, or null.
  meant(place) {
    const {example, distance} = this.nearest(place);
    return this.showPoints && distance <= REACH ? example : null;
  }

  lookAt(place) {
    this.at = place;
    this.draw();
  }

  // Draws everything anew: what lies below the cross is kept as a picture.
  refresh() {
    if (!this.view?.width) return;
    const {width, height, ratio} = this.view;
    const style = getComputedStyle(this.canvas);
    this.colours = Object.fromEntries(["--line", "--ink", "--paper", "--accent", "--faint"].map(
      (name) => [name.slice(2), style.getPropertyValue(name)]));
    Object.assign(this.base, {width: width * ratio, height: height * ratio});
    const context = this.base.getContext("2d");
    context.scale(ratio, ratio);
    this.grid.draw(context, width, height);
    this.#drawAxes(context);
    if (this.showPoints) this.#drawExamples(context);
    this.draw();
  }

  draw() {
    if (!this.base.width) return;
    const context = this.canvas.getContext("2d"), {ratio} = this.view;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.base, 0, 0);
    context.scale(ratio, ratio);
    const ends = Object.entries(this.ends).map(([name, place]) => [name, this.toPixels(place)]);
    if (ends.length === 2) line(context, ends[0][1], ends[1][1], this.colours.accent, 2);
    for (const [name, place] of ends) this.#drawEnd(context, name, place);
    this.#drawCross(context, this.toPixels(this.at));
  }

  #resize() {
    const {clientWidth: width, clientHeight: height} = this.canvas;
    if (!this.box || !width) return;
    const ratio = devicePixelRatio;
    Object.assign(this.canvas, {width: width * ratio, height: height * ratio});
    const sizes = this.box.map(([low, high]) => high - low);
    this.view = {
      width, height, ratio,
      middle: this.box.map(([low, high]) => (low + high) / 2),
      scale: Math.min(width / sizes[0], height / sizes[1]),
    };
    this.refresh();
    this.tell.resized();
  }

  #drawAxes(context) {
    const {width, height, scale} = this.view, [x, y] = this.toPixels([0, 0]);
    line(context, [x, 0], [x, height], this.colours.line, 1);
    line(context, [0, y], [width, y], this.colours.line, 1);
    // Standard deviations of a standard normal prior.
    for (const radius of [1, 2, 3]) {
      context.beginPath();
      context.arc(x, y, radius * scale, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = this.colours.faint;
    context.font = "12px system-ui";
    context.textAlign = "right";
    this.#write(context, this.projection.names[0], width - 8, Math.min(height - 8, Math.max(14, y - 6)));
    context.textAlign = "left";
    this.#write(context, this.projection.names[1], Math.min(width - 60, Math.max(8, x + 6)), 16);
  }

  // Text that is read on whatever lies below it.
  #write(context, text, x, y, room = 4) {
    Object.assign(context, {strokeStyle: this.colours.paper, lineWidth: room, lineJoin: "round"});
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }

  #drawExamples(context) {
    const radius = this.places.length > 800 ? 2.5 : 3.5;
    Object.assign(context, {strokeStyle: this.colours.paper, lineWidth: 2});
    context.font = "600 10px system-ui";
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.places.forEach((place, i) => {
      const [x, y] = this.toPixels(place), {colour, text, group} = this.marks[i];
      const meant = this.group === null || this.group === group;
      context.globalAlpha = meant ? 0.85 : 0.08;
      context.fillStyle = colour;
      if (text) {
        if (meant && this.grid.isShown) this.#write(context, text, x, y, 3);
        else context.fillText(text, x, y);
      } else {
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        if (meant && this.grid.isShown) context.stroke();
        context.fill();
      }
    });
    context.globalAlpha = 1;
    context.textBaseline = "alphabetic";
  }

  #drawEnd(context, name, [x, y]) {
    context.fillStyle = this.colours.accent;
    context.beginPath();
    context.arc(x, y, 9, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = this.colours.paper;
    context.font = "600 11px system-ui";
    context.textAlign = "center";
    context.fillText(name, x, y + 4);
  }

  #drawCross(context, [x, y]) {
    for (const [colour, width] of [[this.colours.paper, 5], [this.colours.accent, 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, 7, 0, 2 * Math.PI);
      context.stroke();
    }
    context.lineWidth = 1;
  }

  #listen() {
    const {canvas, tell} = this;
    let down = null; // where a press began, unless nothing is pressed
    const pixels = (event) => [event.offsetX, event.offsetY];
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return; // not the first one
      down = {at: pixels(event), dragged: false};
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = this.toPlace(pixels(event));
      if (!down) return tell.point(place);
      const [dx, dy] = [event.offsetX - down.at[0], event.offsetY - down.at[1]];
      down.dragged ||= Math.hypot(dx, dy) > 4;
      if (down.dragged) tell.go(place);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (down && !down.dragged) this.#click(this.toPlace(pixels(event)), event.shiftKey);
      down = null;
    });
    canvas.addEventListener("pointercancel", () => { down = null; });
    canvas.addEventListener("pointerleave", () => { if (!down) tell.leave(); });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #click(place, shift) {
    const example = this.meant(place);
    if (example === null) this.tell.go(place);
    else this.tell.choose(example, shift);
  }

  #key(event) {
    const step = (event.shiftKey ? 40 : 8) / this.view.scale;
    const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
    const way = ways[event.key];
    if (way) this.tell.go(this.at.map((value, axis) => value + step * way[axis]));
    else if (event.key === "Enter") this.tell.choose(this.nearest(this.at).example, event.shiftKey);
    else return;
    event.preventDefault();
  }
}

function line(context, [x0, y0], [x1, y1], colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.lineWidth = 1;
}
