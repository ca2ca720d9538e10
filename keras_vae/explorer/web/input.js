// An image of the visitor's own: drawn with the mouse, dropped, or from a file.

import {draw, values} from "./pixels.js";

export class ImageInput {
  // `onInput` is given the values of an image and words for what it is.
  constructor(about, onInput) {
    this.shape = about.data_shape;
    this.binarized = about.binarized;
    this.onInput = onInput;
    this.canvas = document.getElementById("input");
    this.context = this.canvas.getContext("2d", {willReadFrequently: true});
    this.ink = document.getElementById("ink");
    document.getElementById("ink-label").hidden = this.shape[2] === 1;
    this.clear();
    this.#listenToMouse();
    this.#listenToFiles();
    document.getElementById("invert").addEventListener("click", () => this.#invert());
  }

  show(image) {
    draw(this.canvas, image, this.shape);
  }

  clear() {
    const [height, width] = this.shape;
    Object.assign(this.canvas, {width, height});
    this.context.fillRect(0, 0, width, height);
  }

  #give(words) {
    const [height, width, channels] = this.shape;
    let image = values(this.context.getImageData(0, 0, width, height), channels);
    if (this.binarized) {
      image = image.map((value) => (value > 0.5 ? 1 : 0));
      this.show(image);
    }
    this.onInput(image, words);
  }

  #invert() {
    const [height, width] = this.shape;
    const pixels = this.context.getImageData(0, 0, width, height);
    pixels.data.forEach((value, i) => { if (i % 4 < 3) pixels.data[i] = 255 - value; });
    this.context.putImageData(pixels, 0, 0);
    this.#give("your image");
  }

  #listenToMouse() {
    const {canvas, context} = this;
    let last = null; // where the pen was, unless it is up
    const place = (event) => [
      (event.offsetX / canvas.clientWidth) * canvas.width,
      (event.offsetY / canvas.clientHeight) * canvas.height,
    ];
    const stroke = (event) => {
      const next = place(event);
      const erase = event.shiftKey || event.buttons === 2;
      context.strokeStyle = erase ? "#000" : this.ink.value;
      context.lineWidth = Math.max(1.5, canvas.height / 14) * (erase ? 2 : 1);
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(...last);
      context.lineTo(...next);
      context.stroke();
      last = next;
      this.#give("your drawing");
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = place(event);
      stroke(event);
    });
    canvas.addEventListener("pointermove", (event) => { if (last) stroke(event); });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => { last = null; });
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #listenToFiles() {
    const file = document.getElementById("file");
    document.getElementById("open").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files[0]) this.read(file.files[0]);
      file.value = ""; // the same file may be opened again
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.read(event.dataTransfer.files[0]);
    });
  }

  // Fits an image file into the size that the model takes.
  async read(file) {
    const asStored = {colorSpaceConversion: "none", premultiplyAlpha: "none"};
    const image = await createImageBitmap(file, asStored).catch(() => null);
    if (!image) return this.onInput(null, `${file.name} is no image that this browser reads.`);
    this.clear();
    const {width, height} = this.canvas;
    const scale = Math.min(width / image.width, height / image.height);
    const [w, h] = [image.width * scale, image.height * scale];
    this.context.imageSmoothingEnabled = scale !== 1;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
    this.#give(file.name);
  }
}
