"""What other programs make of the same images, to compare with."""

import bz2
import gzip
import io
import lzma
import math

import numpy as np
import PIL.Image

# A side of a WebP picture has no more pixels than this.
LONGEST_SIDE = 16383


def compressed_sizes(images, levels=256):
    """Bytes that lossless codecs need for the same images.

    Each codec is given its best: general ones the bytes or, of binary images, eight
    pixels in a byte, whichever comes out smaller; picture formats one sheet that all
    images are tiled on, so that the head of a file counts once.

    Args:
        images: uint8 array `(n, ...)`, levels; `(n, height, width, channels)`, with 1
            or 3 channels, for picture formats too.
        levels: Integer, how many there are: 2 of binary images.

    Returns:
        Dictionary, name -> bytes: `raw` (eight pixels in a byte if they are binary),
        `gzip`, `bz2`, `xz`, and of pictures `PNG` and `WebP`.

    Example:

    >>> sizes = compressed_sizes(np.zeros((10, 28, 28, 1), "uint8"), levels=2)
    >>> list(sizes), sizes["raw"]
    (['raw', 'gzip', 'bz2', 'xz', 'PNG', 'WebP'], 980)
    """
    forms = [images.tobytes()]
    if levels == 2:
        forms.append(np.packbits(images).tobytes())
    sizes = {
        "raw": len(forms[-1]),
        "gzip": min(len(gzip.compress(form, 9)) for form in forms),
        "bz2": min(len(bz2.compress(form, 9)) for form in forms),
        "xz": min(len(lzma.compress(form, preset=9)) for form in forms),
    }
    if is_picture(images):
        pictures = sheets(images if levels > 2 else images * np.uint8(255))
        if levels == 2:
            png = [picture.convert("1") for picture in pictures]
        else:
            png = pictures
        sizes["PNG"] = sum(encoded_size(p, "PNG", optimize=True) for p in png)
        sizes["WebP"] = sum(
            encoded_size(p, "WEBP", lossless=True, quality=100, method=4)
            for p in pictures
        )
    return sizes


def is_picture(images):
    """Whether a batch is `(n, height, width, channels)` of 1 or 3 channels.

    Args:
        images: Array.

    Returns:
        Boolean.

    Example:

    >>> is_picture(np.zeros((2, 8, 8, 1)))
    True
    """
    return images.ndim == 4 and images.shape[-1] in (1, 3)


def sheets(images):
    """Images tiled on as few sheets as WebP takes.

    Args:
        images: uint8 array `(n, height, width, channels)`.

    Returns:
        List of `PIL.Image.Image`; what is left over of a sheet is black.

    Example:

    >>> [sheet] = sheets(np.zeros((10, 8, 8, 1), "uint8"))
    >>> sheet.size
    (32, 24)
    """
    _, height, width, channels = images.shape
    columns = min(math.ceil(math.sqrt(len(images))), LONGEST_SIDE // width)
    rows = LONGEST_SIDE // height
    made = []
    for start in range(0, len(images), rows * columns):
        part = images[start : start + rows * columns]
        num_rows = -(-len(part) // columns)
        sheet = np.zeros((num_rows * columns, height, width, channels), "uint8")
        sheet[: len(part)] = part
        sheet = sheet.reshape(num_rows, columns, height, width, channels)
        sheet = sheet.swapaxes(1, 2).reshape(num_rows * height, columns * width, -1)
        made.append(PIL.Image.fromarray(sheet[..., 0] if channels == 1 else sheet))
    return made


def unsheet(pictures, shape):
    """The images of sheets: the inverse of `sheets`.

    Args:
        pictures: Arrays of the pixels of sheets, in order.
        shape: Of all images, `(n, height, width, channels)`.

    Returns:
        uint8 array of that shape.

    Example:

    >>> images = np.arange(10 * 64, dtype="uint8").reshape(10, 8, 8, 1)
    >>> (unsheet(map(np.asarray, sheets(images)), images.shape) == images).all()
    np.True_
    """
    num, height, width, channels = shape
    parts = []
    for sheet in pictures:
        rows, columns = sheet.shape[0] // height, sheet.shape[1] // width
        grid = sheet.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
        parts.append(grid.reshape(-1, height, width, channels))
    return np.concatenate(parts)[:num]


def encoded_size(picture, form, **options):
    """Bytes of a picture in a format.

    Args:
        picture: `PIL.Image.Image`.
        form: Name of the format, as Pillow knows it.
        **options: Of Pillow's encoder.

    Returns:
        Integer.

    Example:

    >>> encoded_size(PIL.Image.new("L", (8, 8)), "PNG") < 100
    True
    """
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.tell()
