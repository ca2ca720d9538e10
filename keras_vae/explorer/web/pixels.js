// Images as numbers, and numbers as images. Values are in [0, 1], channels last.

// Draws one image into a canvas of its own size, which style sheets enlarge.
export function draw(canvas, values, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(imageData(values, height, width, channels), 0, 0);
}

export function imageData(values, height, width, channels) {
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 4; c++) {
      const alpha = c === 3;
      const value = alpha ? (channels === 4 ? values[4 * i + 3] : 1)
        : values[channels * i + (channels === 1 ? 0 : c)];
      pixels.data[4 * i + c] = 255 * value; // clamped and rounded by the array
    }
  }
  return pixels;
}

// The values of an image of that many channels.
export function values(pixels, channels) {
  const {data} = pixels, size = pixels.width * pixels.height;
  const found = new Float32Array(size * channels);
  for (let i = 0; i < size; i++) {
    if (channels === 1) {
      const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
      // Grey as it is, colours by their luma (ITU-R BT.601).
      found[i] = (r === g && g === b ? r : 0.299 * r + 0.587 * g + 0.114 * b) / 255;
    } else {
      for (let c = 0; c < channels; c++) found[channels * i + c] = data[4 * i + c] / 255;
    }
  }
  return found;
}

// Draws decoded − input: blue where too little was decoded, orange where too much, the
// stronger the further; of colours their mean. Returns the largest difference.
export function drawError(canvas, decoded, input, [height, width, channels]) {
  const colours = Math.min(channels, 3);
  const errors = Float32Array.from({length: height * width}, (_, i) => {
    let sum = 0;
    for (let c = 0; c < colours; c++) sum += decoded[channels * i + c] - input[channels * i + c];
    return sum / colours;
  });
  const pixels = new ImageData(width, height);
  errors.forEach((error, i) => {
    const colour = error < 0 ? [43, 122, 214] : [233, 120, 20];
    pixels.data.set([...colour, 255 * Math.min(1, Math.abs(error))], 4 * i);
  });
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return errors.reduce((most, error) => Math.max(most, Math.abs(error)), 0);
}

// The examples, in one picture with rows of `columns` each.
export async function thumbnails(about) {
  const [height, width, channels] = about.data_shape, {columns} = about.thumbnails;
  const image = new Image();
  image.src = "thumbnails.png";
  await image.decode();
  const place = (i) => [(i % columns) * width, Math.floor(i / columns) * height];
  const sheet = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  return {
    draw(canvas, i) {
      canvas.width = width;
      canvas.height = height;
      canvas.getContext("2d").drawImage(image, ...place(i), width, height, 0, 0, width, height);
    },
    values(i) {
      sheet.clearRect(0, 0, width, height);
      sheet.drawImage(image, ...place(i), width, height, 0, 0, width, height);
      return values(sheet.getImageData(0, 0, width, height), channels);
    },
  };
}
