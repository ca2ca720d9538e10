"""Interpolations."""

import numpy as np
import pytest

from keras_vae import plots
from tests.plots.parts import pictures, texts


def test_a_pair_is_a_row_between_its_two_examples(image_vae, images):
    a, b = images[:2], images[2:4]
    figure = plots.interpolation(image_vae, a, b, num_steps=5)
    drawn = pictures(figure).reshape(2, 7, 6, 5)
    codes = [image_vae.encode(x)[0] for x in (a, b)]
    for row in range(2):
        t = np.linspace(0, 1, 5)[:, None]
        decoded = image_vae.decode((1 - t) * codes[0][row] + t * codes[1][row])
        np.testing.assert_array_equal(drawn[row, 0], a[row, ..., 0])
        np.testing.assert_allclose(drawn[row, 1:-1], decoded[..., 0], atol=1e-5)
        np.testing.assert_array_equal(drawn[row, -1], b[row, ..., 0])
    (axes,) = figure.axes
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns == ["from", "0", "0.25", "0.5", "0.75", "1", "to"]


def test_features_are_coloured_by_the_way(table_vae, table):
    figure = plots.interpolation(
        table_vae, table[:2], table[2:4], num_steps=3, feature_names="abc"
    )
    *panels, bar = figure.axes
    assert bar.get_ylabel() == "t, the way from one code to the other"
    between = table_vae.interpolate(table[:2], table[2:4], num_steps=3)
    mean, scale = [10.0, 0.0, -5.0], [2.0, 0.1, 1.0]
    for i, axes in enumerate(panels):
        drawn = np.array([line.get_ydata() for line in axes.lines])
        expected = [*between[i], table[i], table[i + 2]]
        units = (np.array(expected) - mean) / scale
        np.testing.assert_allclose(drawn, units, rtol=1e-4, atol=1e-4)
    assert {"pair 0", "pair 1"} <= set(texts(figure))


def test_not_as_many_at_both_ends(image_vae, images):
    with pytest.raises(ValueError, match="equally many examples. Received: 2 and 1"):
        plots.interpolation(image_vae, images[:2], images[:1])
