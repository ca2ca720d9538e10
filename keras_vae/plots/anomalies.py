"""Anomalies, and where they differ from what the model expects."""

import matplotlib
import numpy as np

from keras_vae.plots.figure import BLUE, ORANGE, Figure, panels, tidy
from keras_vae.plots.images import are_images, image_figure

# From black, where there is no error, to bright.
ERROR_COLORS = "inferno"
# Columns of a table shown for each item: those with the largest errors.
MOST_COLUMNS = 8


def anomalies(
    x, reconstruction, error, p_values, is_anomaly=None, feature_names=None, labels=None
):
    """Draws items beside what a model expects in their place, and their errors.

    Images are drawn in three rows: items, reconstructions, and the error of each pixel,
    in one scale for all. Of other data there is a panel for each item, with the columns
    of the largest errors, their values and the expected ones.

    Args:
        x: Array `(n, *data_shape)`, the items, in the order in which they are drawn.
        reconstruction: Array of the same shape, in the same units.
        error: Array of the same shape: the squared error of each value.
        p_values: Array `(n,)`.
        is_anomaly: Boolean array `(n,)`: which were flagged, or `None`.
        feature_names: Names of the columns of data that are no images.
        labels: Names of the items, `n` strings, or `None` for their numbers.

    Returns:
        Figure.

    Example:

    >>> x = np.zeros((2, 8, 8, 1))
    >>> figure = anomalies(x, x, x, [0.01, 0.5], is_anomaly=[True, False])
    >>> len(figure.axes[0].images)
    6

    Reference:
        `keras_vae.applications.AnomalyDetector.explain`, which computes the errors.
    """
    x, reconstruction, error = map(np.asarray, (x, reconstruction, error))
    flagged = np.zeros(len(x), bool) if is_anomaly is None else np.asarray(is_anomaly)
    titles = [f"p {_short(p)}" for p in p_values]
    if labels is not None:
        titles = [f"{label}: {t}" for label, t in zip(labels, titles, strict=True)]
    if are_images(x.shape[1:]):
        titles = [
            f"{t}{'*' if flag else ''}" for t, flag in zip(titles, flagged, strict=True)
        ]
        return _pictures(x, reconstruction, error, titles, flagged.any())
    return _bars(x, reconstruction, error, titles, flagged, feature_names)


def _short(p):
    return f"{p:.2g}" if p >= 0.001 else f"{p:.0e}"


def _pictures(x, reconstruction, error, titles, any_flagged):
    if error.ndim == 4:
        error = error.sum(axis=-1)
    colors = matplotlib.colormaps[ERROR_COLORS]
    heat = colors(np.sqrt(error / max(error.max(), 1e-12)))[..., :3]
    note = "    * flagged as an anomaly" if any_flagged else ""
    return image_figure(
        np.concatenate([_colour(x), _colour(reconstruction), heat]),
        num_columns=len(x),
        title=f"Anomalies{note}",
        row_labels=["item", "expected", "error"],
        column_labels=titles,
    )


def _colour(images):
    """Images as red, green and blue between 0 and 1."""
    images = images[..., None] if images.ndim == 3 else images
    images = images[..., :3]
    low, high = min(0.0, float(images.min())), max(1.0, float(images.max()))
    images = (images - low) / (high - low)
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def _bars(x, reconstruction, error, titles, flagged, names):
    flat = [part.reshape(len(x), -1) for part in (x, reconstruction, error)]
    size = flat[0].shape[1]
    names = [str(name) for name in (range(size) if names is None else names)]
    if len(names) != size:
        raise ValueError(
            f"`feature_names` should be {size} names. Received: {len(names)}"
        )
    names = [name if len(name) <= 20 else f"{name[:19]}…" for name in names]
    shown = min(size, MOST_COLUMNS)
    num_columns = min(2, len(x))
    num_rows = -(-len(x) // num_columns)
    height = num_rows * (0.26 * shown + 0.75) + 0.7
    figure = Figure(4.8 * num_columns, height, layout="constrained")
    figure.suptitle("Anomalies: the squared error of each column, and its value")
    for i, axes in enumerate(panels(figure, len(x), num_columns)):
        values, expected, errors = (part[i] for part in flat)
        order = np.argsort(-errors, kind="stable")[:shown]
        color = ORANGE if flagged[i] else BLUE
        bars = axes.barh(np.arange(shown), errors[order], color=color)
        words = [f"{values[j]:.4g}, not {expected[j]:.4g}" for j in order]
        axes.bar_label(bars, words, padding=3, fontsize="small")
        axes.set_yticks(np.arange(shown), [names[j] for j in order])
        axes.invert_yaxis()
        # Room for the words beside the longest bar.
        axes.set_xlim(0, 1.7 * max(errors.max(), 1e-12))
        axes.set_title(f"{titles[i]}{', flagged' if flagged[i] else ''}")
        tidy(axes)
    return figure
