"""Folders of images: PNG, JPEG, BMP, WebP, TIFF and the first frame of a GIF."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.description import fingerprint
from keras_vae.datasets.sources import ArraySource, IndexedSource
from keras_vae.datasets.splits import PARTS, encode_labels, split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# Of an image as it is scaled to; what is larger is not learnt by a network from here.
LARGEST_SIDE = 4096
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
# Folders that are splits, not labels, when one of them is called train.
PART_FOLDERS = {"train": "train", "test": "test"} | dict.fromkeys(
    ("validation", "valid", "val"), "validation"
)


def load_folder(path, fractions, seed, memory_limit, image_size, channels, like):
    """The images of a folder, its subfolders being the labels.

    Subfolders `train`, `test` and `validation` (`val`, `valid`) are splits, each with
    subfolders for labels or without.
    """
    files = {part: _list_images(folder) for part, folder in _part_folders(path).items()}
    named = {part: labels is not None for part, (_, labels) in files.items()}
    if len(set(named.values())) > 1:
        raise ValueError(
            f"The splits in {path} should all have subfolders for the labels, or none. "
            f"Received: {named}"
        )
    codes, label_names = {}, None
    if all(named.values()):
        codes, label_names = encode_labels(
            {part: np.array(names) for part, (_, names) in files.items()},
            known=(like or {}).get("label_names") or (),
        )
    every = [file for part_files, _ in files.values() for file in part_files]
    shape = _common_shape(every, image_size, channels)
    parts = {
        part: ImageFiles(part_files, codes.get(part), shape)
        for part, (part_files, _) in files.items()
    }
    if len(every) * int(np.prod(shape)) <= memory_limit:
        parts = {part: examples.read() for part, examples in parts.items()}
    return Dataset(
        os.path.basename(os.path.abspath(path)),
        split(parts, fractions, seed),
        kind="images",
        label_names=label_names,
        levels=256,
        origin={
            "source": os.path.abspath(path),
            "num_bytes": sum(map(os.path.getsize, every)),
            "dtype": "uint8",
            "fingerprint": fingerprint(
                [os.path.relpath(file, path) for file in every], files=every
            ),
        },
    )


class ImageFiles(IndexedSource):
    """Image files that are read as they are needed.

    Args:
        files: List of paths.
        labels: int64 array `(num_examples,)`, or `None`.
        data_shape: `(height, width, channels)` that images are brought to.
    """

    def __init__(self, files, labels, data_shape):
        self._files = files
        self.labels = labels
        self.num_examples = len(files)
        self.data_shape = data_shape

    def select(self, rows):
        labels = None if self.labels is None else self.labels[rows]
        return ImageFiles([self._files[row] for row in rows], labels, self.data_shape)

    def fetch(self, rows):
        x = tf.numpy_function(self._read_rows, [rows], tf.uint8)
        x.set_shape((None, *self.data_shape))
        return x, self.fetch_labels(rows)

    def read(self):
        """The same examples in memory."""
        x = np.empty((self.num_examples, *self.data_shape), dtype="uint8")
        with ThreadPoolExecutor() as pool:
            images = pool.map(
                lambda file: read_image(file, self.data_shape), self._files
            )
            for row, image in enumerate(images):
                x[row] = image
        return ArraySource(x, self.labels)

    def _read_rows(self, rows):
        return np.stack([read_image(self._files[row], self.data_shape) for row in rows])


def fit_image(image, data_shape):
    """uint8 array `(height, width, channels)` of a Pillow image.

    An image of another size is scaled until it covers `data_shape` and cut to it
    around the centre.
    """
    height, width, channels = data_shape
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them at 255
        x = np.asarray(image)
        if x.min() < 0 or x.max() > 65535:
            raise ValueError(f"its values go from {x.min()} to {x.max()}: 8 or 16 bits")
        image = Image.fromarray((x // 257).astype("uint8"))
    elif image.mode == "F":
        raise ValueError("it holds floating-point numbers; save them with numpy.save")
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height))
    return np.asarray(image).reshape(data_shape)


def read_image(file, data_shape):
    """uint8 array `data_shape` of an image file, turned as its EXIF data say."""
    with _naming(file), Image.open(file) as image:
        return fit_image(ImageOps.exif_transpose(image), data_shape)


@contextlib.contextmanager
def _naming(file):
    """Turns whatever Pillow raises for a damaged file into an error that names it."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{file} cannot be read as an image: {error}. Repair or remove it."
        ) from error


def _part_folders(path):
    folders = {}
    for entry in os.scandir(path):
        part = PART_FOLDERS.get(entry.name.lower())
        if part is None or not entry.is_dir():
            continue
        if part in folders:
            raise ValueError(
                f"{path} has two folders for {part}: {folders[part]} and {entry.path}"
            )
        folders[part] = entry.path
    if "train" not in folders:
        return {"train": os.fspath(path)}
    return {part: folders[part] for part in PARTS if part in folders}


def _list_images(folder):
    """The image files below a folder, and the subfolder that each is in (or `None`)."""
    files, names = [], []
    for parent, subfolders, entries in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if name[0] != ".")
        inside = os.path.relpath(parent, folder).split(os.sep)[0]
        for entry in sorted(entries):
            file = os.path.join(parent, entry)
            is_image = entry.lower().endswith(SUFFIXES) and entry[0] != "."
            if is_image and os.path.isfile(file):  # a pipe would wait for ever
                files.append(file)
                names.append(inside)
    if not files:
        raise ValueError(
            f"{folder} has no images: no file in it ends in {', '.join(SUFFIXES)}."
        )
    if set(names) == {os.curdir}:
        return files, None
    if os.curdir in names:
        raise ValueError(
            f"{folder} should have all its images in subfolders (which are their "
            f"labels) or none. Received: {files[names.index(os.curdir)]} outside of "
            "the subfolders."
        )
    return files, names


def _common_shape(files, image_size, channels):
    """`(height, width, channels)` of all images, from their headers."""
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_read_header, files))
    if channels is None:
        channels = 1 if all(is_grey for _, is_grey in headers) else 3
    sizes = [size for size, _ in headers]
    if image_size is None:
        image_size = sizes[0]
        for file, size in zip(files, sizes, strict=True):
            if size != image_size:
                raise ValueError(
                    "Images of different sizes need `image_size=(height, width)`. "
                    f"Received: {files[0]} of {image_size[0]} x {image_size[1]} and "
                    f"{file} of {size[0]} x {size[1]} (height x width)"
                )
    if max(image_size) > LARGEST_SIDE:
        raise ValueError(
            f"Images of more than {LARGEST_SIDE} pixels a side need `image_size=("
            f"height, width)`. Received: {files[0]} of {image_size[0]} x "
            f"{image_size[1]} (height x width)"
        )
    return (*image_size, channels)


def _read_header(file):
    """`((height, width), is_grey)` of an image, turned as its EXIF data say."""
    with _naming(file), Image.open(file) as image:
        width, height = image.size
        if width * height > Image.MAX_IMAGE_PIXELS:
            raise ValueError(
                f"it has {height} x {width} pixels, which may be a decompression bomb "
                f"(more than {Image.MAX_IMAGE_PIXELS:,} pixels); make it smaller"
            )
        on_its_side = image.getexif().get(0x0112, 1) >= 5
        size = (width, height) if on_its_side else (height, width)
        return size, _is_grey(image)


def _is_grey(image):
    if image.mode != "P":
        return image.mode in GREY_MODES
    palette = np.reshape(image.getpalette("RGB"), (-1, 3))
    return bool(np.all(palette == palette[:, :1]))
