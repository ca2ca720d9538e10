"""The curves of training."""

import numpy as np
import pytest

from keras_vae import plots
from tests.plots.parts import data, make_vae

HISTORY = {
    "loss": [9.0, 8.0, 7.0],
    "elbo": [-9.0, -8.0, -7.0],
    "val_elbo": [-9.5, -8.5, -8.0],
    "reconstruction_loss": [8.0, 6.5, 5.0],
    "val_reconstruction_loss": [8.5, 7.0, 6.0],
    "kl_loss": [1.0, 1.5, 2.0],
    "val_kl_loss": [1.0, 1.5, 2.0],
}


def test_the_curves_are_the_history():
    figure = plots.training_curves(HISTORY)
    assert len(figure.axes) == 3
    names = ["elbo", "reconstruction_loss", "kl_loss"]
    for axes, name in zip(figure.axes, names, strict=True):
        drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        assert drawn == {
            label: [[1, a], [2, b], [3, c]]
            for label, (a, b, c) in (
                ("training", HISTORY[name]),
                ("validation", HISTORY[f"val_{name}"]),
            )
        }
        assert axes.get_xlabel() == "epoch"
        assert axes.get_ylabel() == "nats per example"
        assert sorted(t.get_text() for t in axes.texts) == ["training", "validation"]
        train, validation = axes.lines
        assert train.get_color() != validation.get_color()
        for text in axes.texts:  # in the colour of its line
            (line,) = [v for v in axes.lines if v.get_label() == text.get_text()]
            assert text.get_color() == line.get_color()
    assert "ELBO" in figure.axes[0].get_title()


def test_a_keras_history_and_one_without_validation():
    vae = make_vae((4,))
    vae.compile("adam")
    history = vae.fit(data(8, (4,)), epochs=2, verbose=0)
    figure = plots.training_curves(history)
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), history.history["elbo"])


def test_one_epoch_is_a_point_that_is_seen():
    (axes,) = plots.training_curves({"elbo": [-3.0]}).axes
    assert axes.lines[0].get_marker() == "o"
    assert axes.get_xlim() == (0, 2)


def test_a_history_that_ends_in_nan_is_labelled_where_it_was_finite(tmp_path):
    figure = plots.training_curves(
        {"elbo": [-3.0, -2.0, np.nan], "val_elbo": [np.nan] * 3}
    )
    (label,) = figure.axes[0].texts
    assert tuple(label.xy) == (2, -2.0)
    plots.save(figure, tmp_path / "a.png")


def test_a_history_without_an_elbo():
    with pytest.raises(ValueError, match=r"'elbo'.* Received: \['accuracy', 'loss'\]"):
        plots.training_curves({"loss": [1.0], "accuracy": [0.5]})
