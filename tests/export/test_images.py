"""`encode_bytes` sees what Pillow sees, and refuses in words what is no image."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae.export import images

SHAPES = {1: (16, 16, 1), 3: (16, 16, 3), 4: (16, 16, 4)}
RNG = np.random.default_rng(0)
GREY = np.arange(256, dtype="uint8").reshape(16, 16)
COLOUR = RNG.integers(0, 256, (16, 16, 3), dtype="uint8")
# Smooth, so that what JPEG loses is little.
RAMPS = np.stack(np.broadcast_arrays(GREY, GREY.T, GREY[::-1]), axis=-1)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def decode():
    """`images.decode` in a graph, for images of 16 x 16."""
    spec = tf.TensorSpec((None,), tf.string)
    functions = {
        channels: tf.function(
            lambda files, shape=shape: images.decode(files, shape),
            input_signature=[spec],
        )
        for channels, shape in SHAPES.items()
    }
    return lambda files, channels: functions[channels](tf.constant(files)).numpy()


def file(pixels, kind="PNG", mode=None, **options):
    """The bytes of an image file that Pillow writes."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if mode is not None:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow(content, mode):
    """What Pillow reads, in [0, 1]."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert(mode)) / 255
    return pixels.reshape(*pixels.shape[:2], -1)


def test_every_level_of_eight_bits_is_exact(decode):
    expected = (GREY / 255)[..., None]
    for channels in (1, 3, 4):
        result = decode([file(GREY)], channels)[0]
        opaque = np.ones((16, 16, 1))
        tiled = {
            1: expected,
            3: np.repeat(expected, 3, axis=-1),
            4: np.concatenate([np.repeat(expected, 3, axis=-1), opaque], axis=-1),
        }[channels]
        np.testing.assert_allclose(result, tiled, rtol=0, atol=1e-7)


def test_sixteen_bits_keep_what_eight_would_lose(decode):
    levels = RNG.integers(0, 65536, (16, 16)).astype("uint16")
    result = decode([file(levels)], 1)[0]
    np.testing.assert_allclose(result[..., 0], levels / 65535, rtol=0, atol=1e-7)


def test_colour_becomes_grey_by_its_luma(decode):
    # 1/255: libpng and libjpeg weigh in integers and round.
    luma = (COLOUR @ LUMA)[..., None] / 255
    np.testing.assert_allclose(decode([file(COLOUR)], 1)[0], luma, atol=1 / 255)
    jpeg = file(RAMPS, "JPEG", quality=100, subsampling=0)
    luma = (pillow(jpeg, "RGB") @ LUMA)[..., None]
    np.testing.assert_allclose(decode([jpeg], 1)[0], luma, atol=2 / 255)


PALETTE = Image.fromarray(RAMPS).quantize(16)
ALPHA = np.concatenate([COLOUR, GREY[..., None]], axis=-1)
PNGS = {
    "colour": file(COLOUR),
    "palette": file(PALETTE),
    "transparent palette": file(PALETTE, transparency=3),
    "alpha": file(ALPHA),
    "grey with alpha": file(np.stack([GREY, GREY.T], axis=-1)),
    "one bit": file(GREY > 100),
}


@pytest.mark.parametrize("name", PNGS)
@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (4, "RGBA")])
def test_png_is_what_pillow_reads(decode, name, channels, mode):
    result = decode([PNGS[name]], channels)[0]
    np.testing.assert_allclose(result, pillow(PNGS[name], mode), rtol=0, atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_what_pillow_reads(decode, mode, options):
    content = file(RAMPS, "JPEG", mode, quality=90, **options)
    channels = 1 if mode == "L" else 3
    result = decode([content], channels)[0]
    # Both use libjpeg's exact transform; its faster one is off by up to 3 levels.
    np.testing.assert_allclose(result, pillow(content, mode), rtol=0, atol=1e-7)


def test_jpeg_is_opaque_where_the_model_has_alpha(decode):
    content = file(RAMPS, "JPEG")
    result = decode([content], 4)[0]
    np.testing.assert_array_equal(result[..., 3], 1)
    np.testing.assert_array_equal(result[..., :3], decode([content], 3)[0])


def test_cmyk(decode):
    # Of one colour, so that nothing depends on how libraries interpolate.
    inks = np.broadcast_to(np.uint8([40, 90, 160, 30]), (16, 16, 4))
    content = file(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    colour = decode([content], 3)[0]
    np.testing.assert_allclose(colour, pillow(content, "RGB"), atol=2 / 255)
    grey = decode([content], 1)[0]
    np.testing.assert_allclose(grey, (colour @ LUMA)[..., None], atol=1e-6)


def test_the_first_picture_of_an_animation(decode):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.T)]
    content = file(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in content  # it is animated
    np.testing.assert_allclose(decode([content], 1)[0, ..., 0], GREY / 255, atol=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 9), (40, 16), (101, 67)])
def test_other_sizes_are_stretched_as_pillow_stretches_them(decode, size):
    levels = RNG.integers(0, 256, size, dtype="uint8")
    as_float = Image.fromarray((levels / 255).astype("float32"))
    expected = np.asarray(as_float.resize((16, 16), Image.Resampling.BILINEAR))
    result = decode([file(levels)], 1)[0, ..., 0]
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_batch_of_all_kinds_is_each_of_them_alone(decode):
    jpeg, png = file(RAMPS, "JPEG"), file(RNG.integers(0, 256, (30, 20), dtype="uint8"))
    together = decode([jpeg, png, jpeg], 3)
    np.testing.assert_array_equal(together[0], decode([jpeg], 3)[0])
    np.testing.assert_array_equal(together[1], decode([png], 3)[0])
    np.testing.assert_array_equal(together[2], together[0])
    assert decode(np.zeros((0,), "S1"), 3).shape == (0, 16, 16, 3)


def test_images_are_decoded_one_after_another():
    # So that a batch takes no more memory than an image.
    spec = tf.TensorSpec((None,), tf.string)
    function = tf.function(lambda files: images.decode(files, SHAPES[3]))
    operations = function.get_concrete_function(spec).graph.get_operations()
    loops = [op for op in operations if op.type in ("While", "StatelessWhile")]
    assert [op.get_attr("parallel_iterations") for op in loops] == [1]


# --- What is refused --------------------------------------------------------------


def png_of_size(width, height):
    """A PNG file whose header declares this size, and that ends there."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc


def jpeg_of_size(width, height):
    """A JPEG file with its size replaced in the frame's header."""
    content = bytearray(file(GREY, "JPEG"))
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"image", file(GREY, "GIF"), file(GREY, "BMP"), file(GREY, "WEBP")],
    ids=["empty", "a byte", "text", "GIF", "BMP", "WebP"],
)
def test_what_is_neither_png_nor_jpeg_is_named_so(decode, content):
    with pytest.raises(tf.errors.InvalidArgumentError, match="PNG or JPEG") as error:
        decode([content], 1)
    assert f"[{len(content)}]" in error.value.message


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (png_of_size(20_000, 20_000), "[20000] [20000]"),
        (png_of_size(4097, 4096), "[4097] [4096]"),
        (png_of_size(2**31 - 1, 2**31 - 1), "[2147483647] [2147483647]"),
        (png_of_size(2**32 - 1, 2**32 - 1), "[-1] [-1]"),
        (png_of_size(0, 5), "[0] [5]"),
        (b"\x89PNG\r\n\x1a\n", "[0] [0]"),
        (jpeg_of_size(20_000, 20_001), "[20000] [20001]"),
        (jpeg_of_size(65_500, 300), "[65500] [300]"),
    ],
)
def test_sizes_are_refused_by_what_the_header_declares(decode, content, size):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="16777216 pixels"
    ) as error:
        decode([content], 1)
    assert size in error.value.message.replace("\n", " ")


@pytest.mark.parametrize(
    "content",
    [
        file(COLOUR)[:200],
        file(COLOUR)[:-30],
        png_of_size(16, 16),
        file(COLOUR, "JPEG")[:300],
        b"\xff\xd8\xff\xe0",
        file(COLOUR)[:60] + b"\0" * 40 + file(COLOUR)[100:],
    ],
)
def test_damaged_images_are_refused(decode, content):
    for channels in (1, 3):
        with pytest.raises(tf.errors.InvalidArgumentError, match="PNG|JPEG|jpeg"):
            decode([content], channels)


def test_one_damaged_image_leaves_the_next_request_alone(decode):
    good = file(GREY)
    before = decode([good], 1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode([good, file(COLOUR)[:100]], 1)
    np.testing.assert_array_equal(decode([good], 1), before)
