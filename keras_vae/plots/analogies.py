"""One style, every class."""

import numpy as np

from keras_vae.plots.figure import Figure, panels, tidy
from keras_vae.plots.images import are_images, image_figure

# Panels of what is no image, one below the other.
MOST_PANELS = 6


def analogies(x, of_classes, label_names=None, feature_names=None, labels=None):
    """Draws examples, and beside each what it would be as every class.

    What stays the same along a row is what the model takes for style, what stays the
    same down a column is the class. Of data that are no images there is a panel for
    each example, in which every feature goes from its least to its largest value.

    Args:
        x: Array `(n, *data_shape)`, the examples.
        of_classes: Array `(n, num_classes, *data_shape)`: what
            `SemiSupervisedVAE.analogies` or `Labeler.analogies` gives.
        label_names: Names of the classes, or `None` for their numbers.
        feature_names: Names of the features of data that are no images.
        labels: Names of the examples, `n` strings, or `None` for none.

    Returns:
        Figure.

    Raises:
        ValueError: If the arrays do not fit, or there are other names than classes.

    Example:

    >>> figure = analogies(np.zeros((2, 8, 8, 1)), np.zeros((2, 3, 8, 8, 1)))
    >>> len(figure.axes[0].images)
    8

    Reference:
        Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep
        Generative Models" (2014), figure 1.
    """
    x, of_classes = np.asarray(x), np.asarray(of_classes)
    expected = (len(x), *of_classes.shape[1:2], *x.shape[1:])
    if of_classes.shape != expected:
        raise ValueError(
            "`of_classes` should have shape (n, num_classes, *data_shape) for x of "
            f"shape {x.shape}. Received: shape {of_classes.shape}"
        )
    num_classes = of_classes.shape[1]
    names = range(num_classes) if label_names is None else label_names
    names = [str(name) for name in names]
    if len(names) != num_classes:
        raise ValueError(
            f"`label_names` should be {num_classes} names. Received: {len(names)}"
        )
    title = "Analogies: the style of each example, as every class"
    if are_images(x.shape[1:]):
        rows = np.concatenate([x[:, None], of_classes], axis=1)
        return image_figure(
            rows.reshape(-1, *x.shape[1:]),
            num_columns=num_classes + 1,
            title=title,
            row_labels=labels or (),
            column_labels=["example", *names],
        )
    return _profiles(x, of_classes, names, feature_names, labels, title)


def _profiles(x, of_classes, names, feature_names, labels, title):
    shown = min(len(x), MOST_PANELS)
    every = np.concatenate([x[:shown, None], of_classes[:shown]], axis=1)
    every = every.reshape(*every.shape[:2], -1)
    low, high = every.min(axis=(0, 1)), every.max(axis=(0, 1))
    every = (every - low) / np.where(high > low, high - low, 1.0)
    figure = Figure(8.0, 1.5 * shown + 1.6, layout="constrained")
    figure.suptitle(title)
    rows = panels(figure, shown, 1, sharex=True, sharey=True)
    for i, axes in enumerate(rows):
        for name, line in zip(names, every[i, 1:], strict=True):
            axes.plot(line, linewidth=1.0, marker=".", label=name)
        axes.plot(every[i, 0], color="black", linewidth=1.6, label="example")
        axes.set_ylabel("least to\nlargest")
        if labels is not None:
            axes.set_title(str(labels[i]))
        tidy(axes)
    rows[-1].set_xlabel("feature")
    if feature_names is not None and len(feature_names) <= 20:
        rows[-1].set_xticks(range(every.shape[-1]), feature_names)
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
