"""Decoding of image files inside a graph, for `encode_bytes`."""

import tensorflow as tf

# A server must not be made to take memory without bound: larger images are refused by
# what their header declares, before they are decoded. This many take 100 MB, and 300 MB
# with alpha; the images of a batch are decoded one after another.
MAX_PIXELS = 4096 * 4096

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def decode(image_bytes, data_shape):
    """Decodes image files to examples, in a graph that a server can run.

    PNG (8 and 16 bits, grey, colour, palette, transparent; of an animation the first
    picture) and JPEG (grey, colour, CMYK). Colour becomes grey as
    `0.299 R + 0.587 G + 0.114 B` where the model needs grey. An alpha channel is
    dropped unless the model has one; a file without one is opaque. An image of another
    size is stretched to the model's, bilinear, smoothed where it shrinks. Its
    orientation is the file's, without regard to EXIF.

    Args:
        image_bytes: String tensor `(batch,)`, the contents of image files.
        data_shape: Tuple `(height, width, channels)` with 1, 3 or 4 channels.

    Returns:
        float32 tensor `(batch, height, width, channels)` in [0, 1].

    Raises:
        tf.errors.InvalidArgumentError: If a file is neither PNG nor JPEG, is damaged,
            or has more than `MAX_PIXELS` pixels. One such file fails the whole batch.

    Example:

    >>> file = tf.io.encode_png(tf.fill((8, 8, 1), tf.constant(255, tf.uint8)))
    >>> decode([file, file], (4, 4, 3)).shape
    TensorShape([2, 4, 4, 3])
    """
    return tf.map_fn(
        lambda file: _decode_one(file, data_shape),
        tf.convert_to_tensor(image_bytes),
        fn_output_signature=tf.TensorSpec(data_shape, tf.float32),
        parallel_iterations=1,
    )


def _decode_one(file, data_shape):
    height, width, channels = data_shape
    # Slices that may be empty, where `substr` at a position beyond the end would fail.
    is_png = tf.equal(tf.strings.substr(file, 0, len(_PNG)), _PNG)
    is_jpeg = tf.equal(tf.strings.substr(file, 0, len(_JPEG)), _JPEG)
    known = tf.debugging.Assert(
        is_png | is_jpeg,
        [
            "`image_bytes` should hold the contents of PNG or JPEG files. Received: "
            "a file of this many bytes that is neither:",
            tf.strings.length(file),
        ],
    )
    # A decoder waits for its checks only if it is told to.
    with tf.control_dependencies([known]):
        file = tf.identity(file)

    def resize(pixels, highest):
        return tf.image.resize(pixels, (height, width), antialias=True) / highest

    def from_png():
        height, width, bits = _png_header(file)
        checked = _refuse_large(file, height, width)
        # 16 bits hold either depth exactly: k * 257 / 65535 is k / 255.
        pixels = tf.io.decode_png(checked, channels, dtype=tf.uint16)
        if channels == 4:
            pixels = _opaque_where_alpha_is_missing(pixels, bits)
        return resize(pixels, 65535.0)

    def from_jpeg():
        shape = tf.image.extract_jpeg_shape(file)
        checked = _refuse_large(file, shape[0], shape[1])

        def pixels(channels):
            # The exact transform: the default, a faster one, is off by some levels.
            return tf.io.decode_jpeg(checked, channels, dct_method="INTEGER_ACCURATE")

        if channels == 1:
            # libjpeg makes grey of all but CMYK, which has four components.
            return tf.cond(
                shape[2] == 4,
                lambda: _grey(resize(pixels(3), 255.0)),
                lambda: resize(pixels(1), 255.0),
            )
        colour = resize(pixels(3), 255.0)
        if channels == 3:
            return colour
        return tf.concat([colour, tf.ones((height, width, 1))], axis=-1)

    pixels = tf.cond(is_png, from_png, from_jpeg)
    return tf.ensure_shape(tf.clip_by_value(pixels, 0.0, 1.0), data_shape)


def _png_header(file):
    """`(height, width, bits per channel)` that a PNG file declares; what is not there
    is 0.
    """
    # The header comes first: after 16 bytes the width and the height, big-endian.
    header = tf.strings.join([tf.strings.substr(file, 0, 25), b"\0" * 25])
    words = tf.io.decode_raw(
        tf.strings.substr(header, 16, 8), tf.int32, little_endian=False
    )
    bits = tf.io.decode_raw(tf.strings.substr(header, 24, 1), tf.uint8)
    return words[1], words[0], bits[0]


def _opaque_where_alpha_is_missing(pixels, bits):
    """Mends what TensorFlow fills in: `2**bits - 1`, opaque from 8 bits on."""
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    # The levels of a PNG of 1, 2 or 4 bits, as they are in 16.
    filling = 257 * (
        tf.bitwise.left_shift(1, tf.minimum(tf.cast(bits, tf.int32), 8)) - 1
    )
    missing = tf.reduce_all(tf.cast(alpha, tf.int32) == filling)
    return tf.concat(
        [colour, tf.where(missing, tf.constant(65535, tf.uint16), alpha)], axis=-1
    )


def _refuse_large(file, height, width):
    """`file`, once it is known to have a size that may be decoded."""
    height, width = tf.cast(height, tf.int64), tf.cast(width, tf.int64)
    # The sides are below 2**31, so the product does not overflow.
    fits = (height > 0) & (width > 0) & (height * width <= MAX_PIXELS)
    check = tf.debugging.Assert(
        fits,
        [
            f"`image_bytes` should hold images of 1 to {MAX_PIXELS} pixels (4096 x "
            "4096). Received: an image of this width and height:",
            width,
            height,
        ],
    )
    with tf.control_dependencies([check]):
        return tf.identity(file)


def _grey(colour):
    weights = tf.constant([[0.299], [0.587], [0.114]])
    return tf.tensordot(colour, weights, axes=1)
