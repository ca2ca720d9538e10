"""Reports of models side by side."""

import numpy as np
import pytest

from keras_vae import plots
from keras_vae.plots.comparison import SAMPLE_MEASURES

KL = {"kl_loss": 25.0, "reconstruction_loss": 70.0}
SAMPLES = {
    "precision": 0.9,
    "precision_standard_error": 0.01,
    "recall": 0.5,
    "density": 1.2,
    "coverage": 0.8,
    "coverage_standard_error": None,
    "frechet_distance": 37.0,
}


def readout(accuracies):
    return {
        "readouts": {
            name: {"accuracy": accuracy, "standard_error": 0.02}
            for name, accuracy in accuracies.items()
        }
    }


FULL = {
    **KL,
    "samples": SAMPLES,
    "readout": readout({"z_mean": 0.9, "pca_16": 0.8, "raw": 0.85}),
}


def heights(axes):
    """Of each model the dots that are drawn."""
    return [np.asarray(bars.lines[0].get_ydata()) for bars in axes.containers]


def errors(axes):
    """Half the length of each bar."""
    bars = [bars.lines[2][0].get_segments() for bars in axes.containers]
    return [[(high[1] - low[1]) / 2 for low, high in of] for of in bars]


def labels(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_without_other_groups_it_is_the_plane_of_rate_and_distortion():
    figure = plots.comparison({"a": KL, "b": {**KL, "kl_loss": 12.0}})
    points = [
        {"model": "a", "rate": 25.0, "distortion": 70.0},
        {"model": "b", "rate": 12.0, "distortion": 70.0},
    ]
    plane = plots.rate_distortion(points)
    (axes,), (expected,) = figure.axes, plane.axes
    for one, other in zip(axes.collections, expected.collections, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())
        np.testing.assert_array_equal(one.get_facecolor(), other.get_facecolor())
    assert axes.get_title() == expected.get_title()
    assert labels(figure) == labels(plane) == ["a: ELBO -95.0", "b: ELBO -82.0"]


def test_each_group_has_a_panel_with_its_numbers():
    figure = plots.comparison({"a": FULL, "b": KL, "c": FULL})
    plane, samples, frechet, read = figure.axes
    assert len(plane.collections) == 3
    expected = [SAMPLES[name] for name in SAMPLE_MEASURES]
    assert [tick.get_text() for tick in samples.get_xticklabels()] == [*SAMPLE_MEASURES]
    np.testing.assert_allclose(heights(samples), [expected, expected])
    np.testing.assert_allclose(errors(samples), [[0.01, 0, 0, 0]] * 2, atol=1e-12)
    np.testing.assert_allclose(heights(frechet), [[37.0], [37.0]])
    np.testing.assert_allclose(heights(read), [[0.9, 0.8, 0.85]] * 2)
    np.testing.assert_allclose(errors(read), [[0.02] * 3] * 2)
    # A model has one look in all panels, and the figure one legend.
    colors = [bars.lines[0].get_color() for bars in read.containers]
    assert [bars.lines[0].get_color() for bars in samples.containers] == colors
    assert len({*colors}) == 2
    assert labels(figure) == [f"{name}: ELBO -95.0" for name in "abc"]


def test_a_panel_shows_those_that_have_its_group():
    without_kl = {"reconstruction_loss": 3.0, "samples": SAMPLES}
    little = {**KL, "readout": readout({"z_mean": 0.4, "raw": 0.3})}
    figure = plots.comparison({"autoencoder": without_kl, "vae": little})
    plane, samples, _, read = figure.axes
    assert len(plane.collections) == len(samples.containers) == 1
    # Codes of more numbers than the data have no components beside them.
    np.testing.assert_allclose(heights(read), [[0.4, np.nan, 0.3]])
    assert labels(figure) == ["autoencoder", "vae: ELBO -95.0"]
    assert len(plots.comparison({"a": without_kl}).axes) == 2
    with pytest.raises(ValueError, match="of one model at least"):
        plots.comparison({"a": {"reconstruction_loss": 3.0}})
