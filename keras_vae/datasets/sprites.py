"""Sprites: squares, ellipses and hearts of known size, angle and place."""

import functools
import hashlib
import math

import numpy as np

from keras_vae.arguments import check_integer
from keras_vae.datasets.dataset import Dataset, KnownFactors
from keras_vae.datasets.description import fingerprint
from keras_vae.datasets.sources import ArraySource

SHAPES = ("square", "ellipse", "heart")
# Name of each factor and how many values it has, in the order of dSprites.
SPRITE_FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
SIZE = 64
# Pixels: places of the middle, and lengths at scale 1, so that all of a sprite is
# always in the picture.
FIRST, LAST = 16.0, 48.0
SQUARE, ELLIPSE, HEART = 10.4, (15.0, 7.5), 10.5
PARTS = {"train": 20_000, "validation": 2_000, "test": 2_000}
SEED = 0
ROWS_AT_A_TIME = 32  # few enough to stay in a processor's cache


def draw_sprites(factors):
    """Draws the sprites of given factors.

    White (1) on black (0), 64 x 64: a pixel is white if its middle lies in the shape.
    Nothing is random and nothing is downloaded. The factors are those of dSprites:

    | factor | values | what it is |
    |---|---|---|
    | 0 shape | 3 | square, ellipse, heart |
    | 1 scale | 6 | 0.5, 0.6, ..., 1 of the largest |
    | 2 orientation | 40 | k / 40 of a full turn, clockwise |
    | 3 x | 32 | place of the middle, from left to right |
    | 4 y | 32 | place of the middle, from the top down |

    The pixels are not those of dSprites, whose last orientation equals its first. A
    square looks the same after a quarter of a turn, and an ellipse after half of one.

    Args:
        factors: Numbers `(n, 5)`, from 0 to one less than the values that a factor has;
            all but the shape may be fractions, for what lies between.

    Returns:
        float32 array `(n, 64, 64, 1)` of 0 and 1.

    Raises:
        ValueError: If they have another shape or lie outside of their range.

    Example:

    >>> x = draw_sprites([[0, 5, 0, 0, 0]])  # a square of 20 x 20 in the upper left
    >>> x.shape, int(x.sum())
    ((1, 64, 64, 1), 400)

    Reference:
        Matthey, Higgins, Hassabis & Lerchner, "dSprites: Disentanglement testing
        Sprites dataset" (2017), github.com/google-deepmind/dsprites-dataset.
    """
    return _draw(_check(factors)).astype("float32")


def random_sprites(num_examples, seed=0):
    """Sprites of random factors, each combination equally likely.

    `load("sprites")` is `random_sprites(24_000)`, its splits one after another.

    Args:
        num_examples: Integer.
        seed: Integer from 0 to 2**32 - 1; fewer examples are the first of more.

    Returns:
        `(x, factors)`: float32 array `(num_examples, 64, 64, 1)` of 0 and 1, and int64
        array `(num_examples, 5)`; see `draw_sprites`.

    Example:

    >>> x, factors = random_sprites(10, seed=1)
    >>> x.shape, factors.shape
    ((10, 64, 64, 1), (10, 5))
    """
    factors = random_factors(num_examples, seed)
    return draw_sprites(factors), factors


def random_factors(num_examples, seed):
    """int64 `(num_examples, 5)`; see `random_sprites`."""
    num_examples = check_integer("num_examples", num_examples, minimum=1)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    rng = np.random.RandomState(seed)  # frozen: the same whatever the version of NumPy
    sizes = [*SPRITE_FACTORS.values()]
    return rng.randint(sizes, size=(num_examples, len(sizes))).astype("int64")


def load_sprites():
    """24,000 sprites of random factors; their labels are their shapes."""
    x, labels = _draw_all()
    parts, start = {}, 0
    for part, count in PARTS.items():
        end = start + count
        parts[part] = ArraySource(x[start:end], labels[start:end])
        start = end
    return Dataset(
        "sprites",
        parts,
        kind="images",
        label_names=SHAPES,
        levels=2,
        origin={
            "num_bytes": x.nbytes,
            "dtype": "uint8",
            "fingerprint": fingerprint("sprites", hashlib.sha256(x).hexdigest()),
        },
        factors=KnownFactors(SPRITE_FACTORS, (0,), _draw_others),
    )


def _draw_others(num_examples, seed):
    """Drawn anew: the examples of the data set are those of another seed."""
    return random_sprites(num_examples, seed + SEED + 1)


def _draw(factors):
    """Booleans `(n, 64, 64, 1)`: where the sprites are."""
    x = np.zeros((len(factors), SIZE, SIZE, 1), bool)
    for shape, inside in enumerate((_in_square, _in_ellipse, _in_heart)):
        (rows,) = np.nonzero(factors[:, 0] == shape)
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            block = rows[start : start + ROWS_AT_A_TIME]
            x[block, ..., 0] = inside(*_places(factors[block]))
    return x


@functools.cache
def _draw_all():
    factors = random_factors(sum(PARTS.values()), SEED)
    return _draw(factors) * np.uint8(255), factors[:, 0]


def _places(factors):
    """Places of all pixels as a sprite of scale 1 that stands upright sees them.

    Two float32 arrays `(n, 64, 64)`: to its right and down, in pixels.
    """
    _, scale, orientation, x, y = factors.astype("float32").T[..., None, None]
    step = np.float32((LAST - FIRST) / (SPRITE_FACTORS["x"] - 1))
    middles = np.arange(SIZE, dtype="float32") + np.float32(0.5)
    right = middles - (np.float32(FIRST) + step * x)
    down = middles[:, None] - (np.float32(FIRST) + step * y)
    angle = orientation * np.float32(2 * math.pi / SPRITE_FACTORS["orientation"])
    larger = 1 / (np.float32(0.5) + np.float32(0.1) * scale)
    cos, sin = np.cos(angle) * larger, np.sin(angle) * larger
    return right * cos + down * sin, down * cos - right * sin


def _in_square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) <= np.float32(SQUARE)


def _in_ellipse(u, v):
    across, high = map(np.float32, ELLIPSE)
    return np.square(u / across) + np.square(v / high) <= 1


def _in_heart(u, v):
    """(u^2 + v^2 - 1)^3 <= u^2 v^3, with its point below."""
    u, v = u / np.float32(HEART), v / np.float32(-HEART)
    u, rest = np.square(u), np.square(v)
    ring = u + rest - 1
    return ring * ring * ring <= u * rest * v


def _check(factors):
    factors = np.asarray(factors, "float64")
    sizes = np.array([*SPRITE_FACTORS.values()])
    if factors.ndim != 2 or factors.shape[1] != len(sizes):
        raise ValueError(
            f"`factors` should have shape (n, {len(sizes)}): "
            f"{', '.join(SPRITE_FACTORS)}. Received: shape {factors.shape}"
        )
    bad = ~((factors >= 0) & (factors <= sizes - 1))
    bad[:, 0] |= factors[:, 0] != np.round(factors[:, 0])
    if bad.any():
        row, k = np.argwhere(bad)[0]
        name = [*SPRITE_FACTORS][k]
        kind = "0, 1 or 2" if k == 0 else f"from 0 to {sizes[k] - 1}"
        raise ValueError(
            f"`factors[:, {k}]`, {name}, should be {kind}. Received: "
            f"{factors[row, k]:g} in row {row}"
        )
    return factors
