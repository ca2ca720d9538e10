"""Samples."""

import numpy as np
import pytest

from keras_vae import plots
from tests.plots.parts import legend_entries, pictures


def test_samples_are_those_of_the_model(image_vae):
    drawn = pictures(plots.samples(image_vae, num_samples=7, seed=5))
    np.testing.assert_array_equal(drawn, image_vae.sample(7, seed=5)[..., 0])


def test_samples_fill_a_square(image_vae):
    (axes,) = plots.samples(image_vae, num_samples=9).axes
    left, _, _, top = np.array([image.get_extent() for image in axes.images]).T
    assert len(set(left)) == len(set(top)) == 3


def test_samples_of_features_lie_on_the_band_of_the_data(table_vae, table):
    figure = plots.samples(table_vae, num_samples=11, x=table, feature_names="abc")
    (axes,) = figure.axes
    units = (table_vae.sample(11, seed=0, draws=True) - [10.0, 0.0, -5.0]) / [
        2.0,
        0.1,
        1.0,
    ]
    drawn = [line.get_ydata() for line in axes.lines]
    np.testing.assert_allclose(drawn, units, rtol=1e-4, atol=1e-5)
    (band,) = axes.collections
    x = (table - [10.0, 0.0, -5.0]) / [2.0, 0.1, 1.0]
    y = band.get_paths()[0].vertices[:, 1]
    assert y.min() == pytest.approx(np.quantile(x, 0.05, axis=0).min(), rel=1e-5)
    assert y.max() == pytest.approx(np.quantile(x, 0.95, axis=0).max(), rel=1e-5)
    assert legend_entries(figure) == ["90 % of the data", "samples"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "b", "c"]
    assert len(plots.samples(table_vae, num_samples=2).axes[0].collections) == 0
