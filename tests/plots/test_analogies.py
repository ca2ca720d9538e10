"""Analogies."""

import numpy as np
import pytest

from keras_vae import plots
from tests.plots.parts import legend_entries, pictures, texts

RNG = np.random.default_rng(0)


def test_each_row_is_an_example_and_its_classes():
    x, of_classes = RNG.uniform(size=(2, 6, 5, 1)), RNG.uniform(size=(2, 3, 6, 5, 1))
    figure = plots.analogies(x, of_classes, label_names="abc", labels=["one", "two"])
    drawn = pictures(figure).reshape(2, 4, 6, 5)
    np.testing.assert_allclose(drawn[:, 0], x[..., 0])
    np.testing.assert_allclose(drawn[:, 1:], of_classes[..., 0])
    assert {"example", "a", "b", "c", "one", "two"} <= {*texts(figure)}


def test_of_what_are_no_images_each_feature_has_its_own_range():
    x, of_classes = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2, 4)) * [1, 9, 0.1, 0]
    x[:, 3] = 0.0
    figure = plots.analogies(x, of_classes, feature_names="wxyz")
    assert len(figure.axes) == 6
    lines = np.array([[line.get_ydata() for line in a.lines] for a in figure.axes])
    assert lines.shape == (6, 3, 4)
    np.testing.assert_allclose(lines[..., :3].min(axis=(0, 1)), 0)
    np.testing.assert_allclose(lines[..., :3].max(axis=(0, 1)), 1)
    every = np.concatenate([of_classes[:6], x[:6, None]], axis=1)
    low, high = every.min(axis=(0, 1)), every.max(axis=(0, 1))
    np.testing.assert_allclose(
        lines[..., :3], ((every - low) / np.maximum(high - low, 1e-9))[..., :3]
    )
    assert legend_entries(figure) == ["0", "1", "example"]


def test_what_does_not_fit_is_named():
    x = np.zeros((2, 8, 8, 1))
    with pytest.raises(ValueError, match="`of_classes` should have shape"):
        plots.analogies(x, np.zeros((3, 2, 8, 8, 1)))
    with pytest.raises(ValueError, match="`label_names` should be 2 names"):
        plots.analogies(x, np.zeros((2, 2, 8, 8, 1)), label_names="abc")
