"""Items, what is expected in their place, and their errors."""

import matplotlib
import numpy as np
import pytest

from keras_vae import plots
from tests.plots.parts import data, pictures


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5, 3), (6, 5)])
def test_images_in_three_rows(shape):
    x, other = data(4, shape), data(4, shape) / 2
    error = (x - other) ** 2
    figure = plots.anomalies(
        x, other, error, [0.0001, 0.02, 0.5, 1], [True, True, False, False]
    )
    drawn = np.array(pictures(figure))
    assert drawn.shape == (12, 6, 5, 3)
    grey = shape[2:] != (3,)
    image = lambda array: np.repeat(array.reshape(4, 6, 5, -1), 3 if grey else 1, -1)  # noqa: E731
    np.testing.assert_allclose(drawn[:4], image(x), atol=1e-6)
    np.testing.assert_allclose(drawn[4:8], image(other), atol=1e-6)
    total = error.reshape(4, 6, 5, -1).sum(-1)
    heat = matplotlib.colormaps["inferno"](np.sqrt(total / total.max()))[..., :3]
    np.testing.assert_allclose(drawn[8:], heat, atol=1e-6)
    words = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert words == ["p 1e-04*", "p 0.02*", "p 0.5", "p 1"]


def test_columns_of_the_largest_errors():
    x, other = data(3, (11,)), data(3, (11,)) + 1
    error = np.arange(33.0).reshape(3, 11) % 7
    names = [f"column {i}" for i in range(11)]
    figure = plots.anomalies(
        x, other, error, [0.01, 0.2, 0.3], [True, False, False], names, "abc"
    )
    assert len(figure.axes) == 3
    assert figure.axes[0].get_title() == "a: p 0.01, flagged"
    for i, axes in enumerate(figure.axes):
        order = np.argsort(-error[i], kind="stable")[:8]
        widths = [bar.get_width() for bar in axes.patches]
        np.testing.assert_array_equal(widths, error[i][order])
        ticks = [label.get_text() for label in axes.get_yticklabels()]
        assert ticks == [names[j] for j in order]
        words = [text.get_text() for text in axes.texts]
        assert words == [f"{x[i, j]:.4g}, not {other[i, j]:.4g}" for j in order]


def test_names_that_are_too_few():
    x = data(2, (3,))
    with pytest.raises(ValueError, match="`feature_names` should be 3 names"):
        plots.anomalies(x, x, x, [1, 1], feature_names=["a"])
