"""Letters: capitals drawn from the fonts that come with matplotlib."""

import functools
import hashlib
import os
import string
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.description import fingerprint
from keras_vae.datasets.sources import ArraySource

LETTERS = string.ascii_uppercase
SIZE = 28
PER_LETTER = {"train": 800, "validation": 100, "test": 100}
SEED = 0
FONTS = (
    *(
        f"DejaVu{family}{style}"
        for family in ("Sans", "SansMono")
        for style in ("", "-Bold", "-Oblique", "-BoldOblique")
    ),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmtt10", "cmti10"),
)
STROKES = (1, 2)  # pixels by which a glyph's outline is moved outwards
GLYPH, CAPITAL = 96, 56  # sizes of a drawing and of the letter in it, in pixels
ACROSS = 2  # pixels are averages of 2 x 2 finer ones


def load_letters():
    """26,000 grey pictures (28 x 28, bytes) of the letters A to Z, 1,000 of each.

    A picture is a letter of one of 21 fonts, with a stroke a little or more thickened,
    and scaled, turned, slanted and moved a little. All of it follows from `SEED` and
    the versions of matplotlib (its fonts) and of Pillow (and the FreeType in it): the
    fingerprint is one of the pictures.
    """
    x, labels = draw()
    parts, start = {}, 0
    for part, per_letter in PER_LETTER.items():
        end = start + per_letter * len(LETTERS)
        parts[part] = ArraySource(x[start:end], labels[start:end])
        start = end
    return Dataset(
        "letters",
        parts,
        kind="images",
        label_names=tuple(LETTERS),
        levels=256,
        origin={
            "num_bytes": x.nbytes,
            "dtype": "uint8",
            "fingerprint": _fingerprint(),
        },
    )


@functools.cache
def draw():
    """All pictures and their labels: uint8 `(n, 28, 28, 1)` and int64 `(n,)`."""
    # A slow import, for one data set.
    import matplotlib

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    rng = np.random.RandomState(SEED)  # frozen: the same whatever the version of NumPy
    num_pictures = len(LETTERS) * sum(PER_LETTER.values())
    labels = np.arange(num_pictures) % len(LETTERS)
    fonts = rng.randint(len(FONTS), size=num_pictures)
    strokes = rng.randint(len(STROKES), size=num_pictures)
    matrices = _matrices(rng, num_pictures)

    def glyphs_of(font):
        file = ImageFont.truetype(
            os.path.join(folder, f"{FONTS[font]}.ttf"),
            CAPITAL,
            layout_engine=ImageFont.Layout.BASIC,
        )
        return [[_glyph(file, a, stroke) for a in LETTERS] for stroke in STROKES]

    def picture(i):
        glyph = glyphs[fonts[i]][strokes[i]][labels[i]]
        large = glyph.transform(
            (SIZE * ACROSS,) * 2,
            Image.Transform.AFFINE,
            matrices[i],
            Image.Resampling.BILINEAR,
        )
        return np.asarray(large.reduce(ACROSS))

    with ThreadPoolExecutor() as pool:
        glyphs = list(pool.map(glyphs_of, range(len(FONTS))))
        blocks = pool.map(
            lambda start: [
                picture(i) for i in range(start, min(start + 1000, num_pictures))
            ],
            range(0, num_pictures, 1000),
        )
        x = np.concatenate([np.stack(block) for block in blocks])
    return x[..., np.newaxis], labels.astype("int64")


@functools.cache
def _fingerprint():
    return fingerprint("letters", *(hashlib.sha256(a).hexdigest() for a in draw()))


def _glyph(font, letter, stroke):
    """A letter in white on black, in the middle, 56 pixels high at most."""
    left, top, right, bottom = font.getbbox(letter, stroke_width=stroke)
    image = Image.new("L", (GLYPH, GLYPH))
    corner = (GLYPH - left - right) / 2, (GLYPH - top - bottom) / 2
    ImageDraw.Draw(image).text(
        tuple(map(round, corner)), letter, fill=255, font=font, stroke_width=stroke
    )
    return image


def _matrices(rng, num_pictures):
    """The six numbers that bring a place in a picture to a place in its drawing.

    The inverse of: slant, scale, turn and move, all around the middle.
    """
    turn = rng.uniform(-0.08, 0.08, num_pictures)  # radians
    slant = rng.uniform(-0.1, 0.1, num_pictures)
    scale = rng.uniform(0.9, 1.08, (2, num_pictures))
    move = rng.uniform(-0.75, 0.75, (2, num_pictures)) * ACROSS
    forward = np.empty((num_pictures, 2, 2))
    cos, sin = np.cos(turn), np.sin(turn)
    # Two thirds of the picture's height for a capital of a common font.
    width, height = scale * (SIZE * ACROSS / GLYPH * 1.35)
    forward[:, 0, 0], forward[:, 0, 1] = width * cos, width * slant * cos - height * sin
    forward[:, 1, 0], forward[:, 1, 1] = width * sin, width * slant * sin + height * cos
    backward = np.linalg.inv(forward)
    middle = SIZE * ACROSS / 2 + move.T
    offset = GLYPH / 2 - np.einsum("nij,nj->ni", backward, middle)
    return np.concatenate([backward, offset[:, :, np.newaxis]], 2).reshape(-1, 6)
