"""Models in the plane of rate and distortion."""

import numpy as np
import pytest

from keras_vae import plots


def test_models_are_where_their_numbers_are():
    points = [
        {"model": "a", "rate": 25.0, "distortion": 70.0},
        {"model": "b", "rate": 12.0, "distortion": 95.5},
    ]
    figure = plots.rate_distortion(points)
    (axes,) = figure.axes
    drawn = [tuple(dots.get_offsets()[0]) for dots in axes.collections]
    assert drawn == [(25.0, 70.0), (12.0, 95.5)]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["a: ELBO -95.0", "b: ELBO -107.5"]
    for line in axes.lines:
        x, y = line.get_data()
        assert np.ptp(x + y) == pytest.approx(0, abs=1e-9)
    (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
    assert all(low_x < x < high_x and low_y < y < high_y for x, y in drawn)


def test_one_model_alone_and_none():
    figure = plots.rate_distortion([{"model": "a", "rate": 0.0, "distortion": 3.0}])
    low, high = figure.axes[0].get_xlim()
    assert low < 0.0 < high
    with pytest.raises(ValueError, match="`points` should hold one model"):
        plots.rate_distortion([])
