"""p(x|z) as a distribution of symbols, against the likelihood's own log_prob."""

import keras
import numpy as np
import pytest

from keras_vae.applications.pixels import (
    GRID,
    LOC_GRID,
    BinaryPixels,
    Classes,
    LogisticPixels,
    MixturePixels,
    Pixels,
    pixels_of,
)
from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Gaussian,
)


def on_grid(rng, shape, grids):
    """Random parameters that are multiples of the grid, in blocks."""
    blocks = [
        np.rint(rng.normal(mean, deviation, shape) / grid) * grid
        for mean, deviation, grid in grids
    ]
    return np.concatenate(blocks, axis=-1).astype("float32")


LOGIT, LOC, LOG_SCALE = (0, 2, GRID), (0.5, 0.4, LOC_GRID), (-3, 1, GRID)
ROWS = [
    (Bernoulli(), (3, 2), [LOGIT], BinaryPixels),
    (DiscretizedLogistic(), (2, 3), [LOC, LOG_SCALE], LogisticPixels),
    (DiscretizedLogistic(levels=5), (4,), [LOC, LOG_SCALE], LogisticPixels),
    (
        DiscretizedLogisticMixture(2, levels=17),
        (3, 1),
        [*[LOGIT] * 2, *[LOC] * 2, *[LOG_SCALE] * 2],
        MixturePixels,
    ),
]


@pytest.mark.parametrize(("likelihood", "shape", "grids", "kind"), ROWS)
def test_probabilities_are_those_of_the_likelihood(likelihood, shape, grids, kind):
    rng = np.random.default_rng(0)
    pixels = pixels_of(likelihood, shape)
    assert type(pixels) is kind
    parameters = on_grid(rng, (4, *shape), grids)
    num = 4 * pixels.num_symbols
    edges = np.broadcast_to(np.arange(pixels.size + 1), (num, pixels.size + 1))
    below = pixels.cdf(parameters)(edges).copy()
    below[:, 0], below[:, -1] = 0, 1  # what it says of them does not matter
    of_any = Pixels(likelihood, shape)  # asks the likelihood itself
    assert of_any.size == pixels.size
    for level in range(pixels.size):
        x = np.full((4, *shape), level / (pixels.size - 1), "float32")
        log_prob = likelihood.log_prob_per_value(x, parameters).numpy().reshape(-1)
        np.testing.assert_allclose(
            np.diff(below)[:, level], np.exp(log_prob), rtol=2e-4, atol=1e-7
        )
    np.testing.assert_allclose(
        of_any.cdf(parameters)(edges)[:, 1:-1], below[:, 1:-1], rtol=2e-4, atol=1e-6
    )


def test_classes_have_the_probabilities_of_the_likelihood():
    rng = np.random.default_rng(0)
    logits = on_grid(rng, (5, 3, 4), [LOGIT])
    pixels = pixels_of(Categorical(), (3, 4))
    assert (type(pixels), pixels.size, pixels.num_symbols) == (Classes, 4, 3)
    below = pixels.cdf(logits)(np.broadcast_to(np.arange(5), (15, 5)))
    for k in range(4):
        x = np.broadcast_to(np.eye(4, dtype="float32")[k], (5, 3, 4))
        log_prob = Categorical().log_prob_per_value(x, logits).numpy()[..., k]
        np.testing.assert_allclose(
            np.diff(below)[:, k], np.exp(log_prob).reshape(-1), rtol=1e-5
        )


def test_rounding_of_parameters_takes_less_than_a_thousandth_of_a_bit():
    """Of a pixel whose parameters are anywhere between the points of the grid."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (1, 20_000))
    p = 1 / (1 + np.exp(-logits[0]))
    zero = pixels_of(Bernoulli(), (20_000,)).cdf(logits)(np.ones((20_000, 1), "int64"))
    q = 1 - zero[:, 0]
    excess = p * np.log2(p / q) + (1 - p) * np.log2((1 - p) / (1 - q))
    assert 0 < excess.mean() < 1e-3


def test_symbols_of_floats_and_of_integers_are_the_same():
    pixels = pixels_of(DiscretizedLogistic(), (16, 16))
    levels = np.arange(256, dtype="uint8").reshape(1, 16, 16)
    floats = (levels / 255).astype("float32")
    np.testing.assert_array_equal(pixels.to_symbols(levels), [np.arange(256)])
    np.testing.assert_array_equal(pixels.to_symbols(floats), [np.arange(256)])
    np.testing.assert_array_equal(pixels.to_images(pixels.to_symbols(floats)), levels)
    np.testing.assert_allclose(pixels.to_x(pixels.to_symbols(levels)), floats)
    classes = pixels_of(Categorical(), (2, 3))
    x = keras.utils.to_categorical([[0, 2], [1, 1]], 3)
    np.testing.assert_array_equal(classes.to_images(classes.to_symbols(x)), x)


BINARY, GREY = Bernoulli(), DiscretizedLogistic()


@pytest.mark.parametrize(
    ("likelihood", "images", "match"),
    [
        (BINARY, np.zeros((2, 3)), r"shape \(n, 2\). Received: shape \(2, 3\)"),
        (BINARY, np.zeros((0, 2)), "at least one image. Received: none"),
        (BINARY, np.array([["a", "b"]]), "Received: dtype <U1"),
        (BINARY, np.array([[0, 255]], "uint8"), "0 and 1.*Mend: images > 127"),
        (BINARY, np.array([[0.0, 0.4]]), "0 and 1.*Mend: images > 0.5"),
        (BINARY, np.array([[0.0, np.nan]]), "finite. Received: NaN"),
        (GREY, np.array([[0, 256]]), "uint8 from 0 to 255, or k / 255 as floats"),
        (GREY, np.array([[-1, 2]]), "int64 from -1 to 2"),
        (GREY, np.array([[0.0, 0.5]]), "from 0 to 0.5"),
        (Categorical(), np.array([[1, 1]]), "one-hot vectors along the last axis"),
        (Categorical(), np.array([[0, 3]]), "one-hot vectors along the last axis"),
    ],
)
def test_other_values_are_refused(likelihood, images, match):
    with pytest.raises(ValueError, match=match):
        pixels_of(likelihood, (2,)).to_symbols(images)


def test_a_missing_axis_is_named():
    with pytest.raises(ValueError, match=r"Mend: images\[..., None\]"):
        pixels_of(BINARY, (4, 4, 1)).to_symbols(np.zeros((7, 4, 4)))
    with pytest.raises(ValueError, match=r"Mend: images\[None\]"):
        pixels_of(BINARY, (4, 4, 1)).to_symbols(np.zeros((4, 4, 1)))


@pytest.mark.parametrize(
    ("likelihood", "match"),
    [
        (Gaussian(), "finitely many values.*'gaussian', whose values are real numbers"),
        (DiscretizedLogisticMixture(), "of colours gives green and blue given red"),
    ],
)
def test_other_likelihoods_are_refused(likelihood, match):
    with pytest.raises(ValueError, match=match):
        pixels_of(likelihood, (8, 8, 3))
