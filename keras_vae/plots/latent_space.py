"""Where examples lie in the latent space."""

import re
from itertools import combinations

import numpy as np
from matplotlib.patheffects import withStroke

from keras_vae.plots.figure import BLUE, NUMBER_COLORS, Figure, dots, tidy

# Petroff, "Accessible Color Sequences for Data Visualization" (2021), ten colours.
CLASS_COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
# With two markers.
MAX_CLASSES = 2 * len(CLASS_COLORS)


def latent_space(vae, x, labels=None):
    """Draws where examples lie in the latent space, by the means of their posteriors.

    One latent dimension is drawn as a histogram (over numbers, as points), two as they
    are, more by their first two principal components.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or for a model with conditions a dictionary of
            arrays as `fit` takes it.
        labels: `None`, or an array `(n,)`. Strings, booleans and up to 20 different
            integers are classes, with a legend; other numbers get a colour bar.

    Returns:
        Figure.

    Raises:
        ValueError: If there are not as many labels as examples.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((4,), 2, seed=0))
    >>> x = np.random.default_rng(0).uniform(size=(10, 4)).astype("float32")
    >>> latent_space(vae, x).axes[0].get_xlabel()
    'z[0], mean of the posterior'
    """
    codes = vae.codes(x)
    codes = codes.reshape(len(codes), -1)
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(codes),):
            raise ValueError(
                f"`labels` should have shape ({len(codes)},), one for each example. "
                f"Received: shape {labels.shape}"
            )
    figure = Figure(6.8, 5.4, layout="constrained")
    axes = figure.subplots()
    axes.set_title("Latent space")
    if vae.latent_dim == 1:
        axes.set_xlabel("z[0], mean of the posterior")
        _draw_line(axes, codes[:, 0], labels)
    else:
        points, axis_labels = _plane(codes)
        axes.set_xlabel(axis_labels[0])
        axes.set_ylabel(axis_labels[1])
        _draw_points(figure, axes, points, labels)
    tidy(axes)
    return figure


def _plane(codes):
    """Coordinates `(n, 2)` and the labels of their axes."""
    if codes.shape[1] == 2 or not codes.var(axis=0).any():
        return codes[:, :2], [f"z[{j}], mean of the posterior" for j in range(2)]
    from sklearn.decomposition import PCA  # slow to import

    pca = PCA(2)
    points = pca.fit_transform(codes)
    return points, [
        f"principal component {j + 1} ({100 * ratio:.0f} % of the variance)"
        for j, ratio in enumerate(pca.explained_variance_ratio_)
    ]


def _classes(labels):
    """Name -> which examples, of each class; `None` if labels are numbers or none."""
    if labels is None or labels.dtype.kind == "f":
        return None
    values, counts = np.unique(labels, return_counts=True)
    if len(values) > MAX_CLASSES and labels.dtype.kind in "iu":
        return None
    common = values[np.argsort(-counts, kind="stable")]
    if len(values) > MAX_CLASSES:
        common = common[: MAX_CLASSES - 1]
    classes = {str(v): labels == v for v in sorted(common, key=_natural)}
    if len(common) < len(values):
        classes[f"{len(values) - len(common)} others"] = ~np.isin(labels, common)
    return classes


def _natural(value):
    """What sorts "class 9" before "class 10"."""
    parts = re.split(r"(\d+)", str(value))
    return [int(part) if part.isdecimal() else part for part in parts]


def _draw_points(figure, axes, points, labels):
    look, classes = dots(len(points)), _classes(labels)
    if classes is not None:
        for i, (name, mask) in enumerate(classes.items()):
            style = {"color": _class_color(i), "marker": "o^"[i // len(CLASS_COLORS)]}
            axes.scatter(*points[mask].T, label=name, **style, **look)
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
        axes.legend(title="label", markerscale=(36 / look["s"]) ** 0.5, **beside)
    elif labels is not None:
        drawn = axes.scatter(*points.T, c=labels, cmap=NUMBER_COLORS, **look)
        figure.colorbar(drawn, ax=axes, label="label")
    else:
        axes.scatter(*points.T, color=BLUE, **look)
    axes.set_aspect("equal", adjustable="datalim")
    axes.update_datalim(np.transpose([_limits(points[:, 0]), _limits(points[:, 1])]))
    if classes is not None and len(classes) > 1:
        _name_classes(axes, {n: np.median(points[m], 0) for n, m in classes.items()})


def _name_classes(axes, places):
    """Writes each class's name in its midst, where it and another do not collide."""
    style = {"weight": "bold", "ha": "center", "va": "center"}
    style["path_effects"] = [withStroke(linewidth=3, foreground="white")]
    texts = [axes.text(*place, name, **style) for name, place in places.items()]
    # Padded, for the axes will shrink a little to make room for the legend.
    boxes = {text: text.get_window_extent().padded(5) for text in texts}
    pairs = [{a, b} for a, b in combinations(texts, 2) if boxes[a].overlaps(boxes[b])]
    for text in set().union(*pairs):
        text.remove()


def _class_color(i):
    return CLASS_COLORS[i % len(CLASS_COLORS)]


def _draw_line(axes, z, labels):
    """One latent dimension: a histogram, or the points of each class or number."""
    classes = _classes(labels)
    axes.set_xlim(_limits(z))
    if labels is None:
        axes.hist(z, bins=np.linspace(*_limits(z), 51), color=BLUE)
        axes.set_ylabel("examples")
        return
    axes.set_ylabel("label")
    if classes is None:
        axes.scatter(z, labels, color=BLUE, **dots(len(z)))
        return
    # Spread over the row of their class, so that points do not hide one another.
    spread = np.random.default_rng(0).uniform(-0.35, 0.35, len(z))
    for i, mask in enumerate(classes.values()):
        axes.scatter(z[mask], i + spread[mask], color=_class_color(i), **dots(len(z)))
    axes.set_yticks(range(len(classes)), classes)


def _limits(values):
    """Around the values, and at least 2 wide: a collapsed posterior is to look it."""
    middle = (values.max() + values.min()) / 2
    reach = max(0.55 * (values.max() - values.min()), 1.0)
    return middle - reach, middle + reach
