"""Data that are no images: values over features."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from keras_vae.likelihoods import Columns
from keras_vae.plots.figure import BLUE, GREY, NUMBER_COLORS, Figure, dots, panels, tidy


def profiles(vae, x):
    """Data as `(n, features)`, standardised where the model standardises them.

    Of a series `(steps, channels)` one channel comes after the other.
    """
    if vae.standardize is not None:
        x = vae.standardize(x)
    elif isinstance(vae.likelihood, Columns):
        x = vae.likelihood.standardized(x)
    x = np.asarray(x)
    if x.ndim == 3:
        x = np.swapaxes(x, 1, 2)
    return x.reshape(len(x), -1)


def profile_figure(title, num_panels, vae, names):
    """A figure and its panels, one below the other, for values over features."""
    names = feature_labels(vae, names)
    figure = Figure(8.0, 1.6 * num_panels + 1.8, layout="constrained")
    figure.suptitle(title)
    rows = panels(figure, num_panels, 1, sharex=True, sharey=True)
    for axes in rows:
        own_units = vae.standardize is None and not isinstance(vae.likelihood, Columns)
        axes.set_ylabel("value" if own_units else "standardised\nvalue")
        tidy(axes)
    rows[-1].set_xlabel("feature")
    if len(names) <= 20:
        # Slanted where they would run into one another.
        slant = 45 if sum(map(len, names)) > 60 else 0
        rows[-1].set_xticks(range(len(names)), names, rotation=slant)
        for tick in rows[-1].get_xticklabels() if slant else ():
            tick.set(ha="right", rotation_mode="anchor")
    return figure, rows


def lines_figure(title, vae, names, decoded, labels, values, value_label):
    """A panel for each row of decodings, their profiles coloured by a value.

    Args:
        decoded: Array `(rows, steps, *data_shape)`.
        labels: Title of each row.
        values: Array `(steps,)`, which the colours stand for.
        value_label: What they are.
    """
    figure, rows = profile_figure(title, len(decoded), vae, names)
    colors = ScalarMappable(Normalize(values[0], values[-1]), NUMBER_COLORS)
    for axes, label, row in zip(rows, labels, decoded, strict=True):
        axes.set_title(label)
        for value, profile in zip(values, profiles(vae, row), strict=True):
            axes.plot(profile, color=colors.to_rgba(value), linewidth=1.2)
    figure.colorbar(colors, ax=list(rows), label=value_label)
    return figure, rows


def feature_labels(vae, names):
    """Names of the features, not too long for an axis: numbers, unless given."""
    size = int(np.prod(vae.data_shape))
    names = range(size) if names is None else names
    if len(names) != size:
        raise ValueError(
            f"`feature_names` should be {size} names. Received: {len(names)}"
        )
    names = [str(name) for name in names]
    return [name if len(name) <= 20 else name[:19] + "…" for name in names]


def scatter_figure(x, reconstruction, names):
    """A panel for each feature: reconstruction against original."""
    num_columns = min(len(names), 4)
    height = 2.7 * -(-len(names) // num_columns) + 0.3
    figure = Figure(2.7 * num_columns, height, layout="constrained")
    figure.suptitle("Reconstruction against original, by feature")
    x, reconstruction = (np.reshape(v, (len(v), -1)) for v in (x, reconstruction))
    for j, axes in enumerate(panels(figure, len(names), num_columns)):
        ends = [x[:, j].min(), x[:, j].max()]
        axes.plot(ends, ends, color=GREY, linewidth=1)
        axes.scatter(x[:, j], reconstruction[:, j], color=BLUE, **dots(len(x)))
        axes.set(title=names[j], xlabel="original", ylabel="reconstruction")
        tidy(axes)
    return figure
