// Decodings under the map, one for each cell of a grid.

import {imageData} from "./pixels.js";

// In pixels of the page: a cell, about, and what is left free around each.
const CELL = 42, GAP = 0.75;

export class Grid {
  constructor(plot, model) {
    Object.assign(this, {plot, model});
    this.sheet = document.createElement("canvas");
    this.sheet.width = 0; // until there is something on it
    this.turn = 0; // of the computation that is wanted
  }

  // Computes the grid of the place where the map is, other dimensions as in `z`.
  async show(z, condition) {
    const turn = ++this.turn;
    const {plot, model, sheet} = this, {width, height} = plot.view;
    const [rows, columns] = [Math.round(height / CELL), Math.round(width / CELL)];
    const [h, w, channels] = model.about.data_shape, size = model.dataSize;
    Object.assign(sheet, {width: columns * w, height: rows * h});
    Object.assign(this, {rows, columns});
    for (let row = 0; row < rows; row++) {
      const codes = new Float32Array(columns * z.length);
      for (let column = 0; column < columns; column++) {
        const middle = [(column + 0.5) * (width / columns), (row + 0.5) * (height / rows)];
        codes.set(plot.projection.code(z, plot.toPlace(middle)), column * z.length);
      }
      const decoded = await model.decode(codes, condition);
      if (turn !== this.turn) return; // the map has moved on
      for (let column = 0; column < columns; column++) {
        const image = decoded.subarray(column * size, (column + 1) * size);
        sheet.getContext("2d").putImageData(imageData(image, h, w, channels), column * w, row * h);
      }
      plot.refresh();
    }
  }

  hide() {
    this.turn++;
    Object.assign(this.sheet, {width: 0, height: 0});
  }

  get isShown() {
    return this.sheet.width > 0;
  }

  draw(context, width, height) {
    if (!this.isShown) return;
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.85;
    const {sheet, rows, columns} = this;
    const [w, h] = [sheet.width / columns, sheet.height / rows];
    const [across, up] = [width / columns, height / rows];
    for (let k = 0; k < rows * columns; k++) {
      const [column, row] = [k % columns, Math.floor(k / columns)];
      context.drawImage(sheet, column * w, row * h, w, h,
        column * across + GAP, row * up + GAP, across - 2 * GAP, up - 2 * GAP);
    }
    context.globalAlpha = 1;
  }
}
