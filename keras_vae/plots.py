"""Figures of a VAE, made without a display.

Every function returns a `matplotlib.figure.Figure` and leaves matplotlib's global state
alone. Data of shape (height, width) or (height, width, 1, 3 or 4) are drawn as images,
all others as values over their features.
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from sklearn.decomposition import PCA

from keras_vae import files

# Okabe & Ito, "Color Universal Design" (2008): told apart with any colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
# Petroff, "Accessible Color Sequences for Data Visualization" (2021), ten colours.
CLASS_COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
# With two markers.
MAX_CLASSES = 2 * len(CLASS_COLORS)
NUMBER_COLORS = "viridis"
# A panel for each feature up to here, then all over their number.
MAX_FEATURE_PANELS = 16
# As in keras_vae.evaluation.active_units.
ACTIVE_VARIANCE = 0.01


def save(figure, path):
    """Writes a figure to a file, which is either complete or not there.

    Args:
        figure: `matplotlib.figure.Figure`.
        path: Where to; the suffix, such as `.png` or `.pdf`, says the format. Folders
            that are not there are made, a file that is there is replaced.

    Returns:
        The `pathlib.Path` of the file.

    Example:

    >>> import tempfile
    >>> figure = training_curves({"elbo": [-9.0, -8.0]})
    >>> save(figure, tempfile.mkdtemp() + "/curves.png").name
    'curves.png'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return path


def training_curves(history):
    """Draws the ELBO and its two parts over the epochs, for training and validation.

    Args:
        history: What `fit` returns, or a mapping from `elbo`, `reconstruction_loss`,
            `kl_loss` and the same with `val_` (those there are) to one value an epoch,
            nats, such as the columns of `history.csv`.

    Returns:
        Figure with one panel for each of the three that there are.

    Raises:
        ValueError: If the history has none of them.

    Example:

    >>> figure = training_curves({"elbo": [-9.0, -8.0], "val_elbo": [-9.5, -9.0]})
    >>> figure.axes[0].get_ylabel()
    'nats per example'
    """
    history = getattr(history, "history", history)
    titles = {
        "elbo": "ELBO (higher is better)",
        "reconstruction_loss": "Reconstruction loss, −log p(x|z)",
        "kl_loss": "KL loss, KL(q(z|x) ‖ p(z))",
    }
    names = [name for name in titles if name in history or f"val_{name}" in history]
    if not names:
        raise ValueError(
            f"`history` should have one of {list(titles)} at least. "
            f"Received: {sorted(history)}"
        )
    figure = _figure(4.2 * len(names), 3.4)
    for axes, name in zip(_panels(figure, len(names), len(names)), names, strict=True):
        axes.set_title(titles[name])
        axes.set_xlabel("epoch")
        axes.set_ylabel("nats per example")
        axes.xaxis.get_major_locator().set_params(integer=True)
        for key, label, color in (
            (name, "training", BLUE),
            (f"val_{name}", "validation", ORANGE),
        ):
            if key in history:
                values = np.asarray(history[key], dtype="float64")
                epochs = np.arange(1, len(values) + 1)
                marker = "o" if len(values) == 1 else None
                axes.plot(epochs, values, color=color, label=label, marker=marker)
                axes.set_xlim(0, max(len(values), 2))
        _label_ends(axes)
        _plain(axes)
    return figure


def reconstructions(vae, x, num_examples=None, feature_names=None):
    """Draws examples and their reconstructions.

    Images are drawn in two rows, the originals above. Up to 16 features are drawn one
    a panel, reconstruction against original, in the data's units: what is on the
    diagonal is reconstructed exactly. More features are drawn over their number, one
    example a panel.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`.
        num_examples: Integer, how many to draw, from the first on. `None`: 10 images,
            6 examples of many features or 1,000 of few.
        feature_names: Names of the features of data that are no images.

    Returns:
        Figure.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> figure = reconstructions(vae, np.zeros((20, 8, 8, 1), "float32"))
    >>> len(figure.axes[0].images)
    20
    """
    size = int(np.prod(vae.data_shape))
    if _are_images(vae.data_shape):
        x = np.asarray(x[: num_examples or 10])
        return _image_figure(
            np.concatenate([x, vae.reconstruct(x)]),
            num_columns=len(x),
            title="Reconstructions",
            row_labels=["original", "reconstruction"],
        )
    if size <= MAX_FEATURE_PANELS:
        x = np.asarray(x[: num_examples or 1000])
        return _feature_figure(x, vae.reconstruct(x), _names(vae, feature_names))
    x = np.asarray(x[: num_examples or 6])
    figure, panels = _profile_figure("Reconstructions", len(x), vae, feature_names)
    originals, decoded = _profiles(vae, x), _profiles(vae, vae.reconstruct(x))
    for i, axes in enumerate(panels):
        axes.set_title(f"example {i}")
        axes.plot(originals[i], color=GREY, linewidth=2.5, label="original")
        axes.plot(decoded[i], color=BLUE, linewidth=1.2, label="reconstruction")
    _legend_below(figure, panels[0])
    return figure


def samples(vae, num_samples=64, seed=0, x=None, feature_names=None):
    """Draws new data: means of p(x|z) for draws z of the prior.

    Args:
        vae: `keras_vae.VAE`.
        num_samples: Integer, how many.
        seed: Integer; the samples are those of `vae.sample(num_samples, seed)`.
        x: Array `(n, *data_shape)` or `None`: data to compare with, where they are no
            images.
        feature_names: Names of the features of data that are no images.

    Returns:
        Figure.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> len(samples(vae, num_samples=6).axes[0].images)
    6
    """
    drawn = vae.sample(num_samples, seed=seed)
    title = "Samples: means of p(x|z) for z from the prior"
    if _are_images(vae.data_shape):
        return _image_figure(drawn, int(np.ceil(np.sqrt(num_samples))), title)
    figure, (axes,) = _profile_figure(title, 1, vae, feature_names)
    if x is not None:
        low, high = np.quantile(_profiles(vae, x), [0.05, 0.95], axis=0)
        style = {"color": GREY, "alpha": 0.4, "linewidth": 0}
        axes.fill_between(range(len(low)), low, high, label="90 % of the data", **style)
    lines = axes.plot(_profiles(vae, drawn).T, color=BLUE, linewidth=0.7, alpha=0.5)
    lines[0].set_label("samples")
    _legend_below(figure, axes)
    return figure


def latent_space(vae, x, labels=None):
    """Draws where examples lie in the latent space, by the means of their posteriors.

    One latent dimension is drawn as a histogram (over numbers, as points), two as they
    are, more by their first two principal components.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`.
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
    z_mean = vae.encode(x)[0]
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(z_mean),):
            raise ValueError(
                f"`labels` should have shape ({len(z_mean)},), one for each example. "
                f"Received: shape {labels.shape}"
            )
    figure = _figure(6.8, 5.4)
    axes = figure.subplots()
    axes.set_title("Latent space")
    if vae.latent_dim == 1:
        axes.set_xlabel("z[0], mean of the posterior")
        _draw_line(axes, z_mean[:, 0], labels)
    else:
        points, axis_labels = _plane(z_mean)
        axes.set_xlabel(axis_labels[0])
        axes.set_ylabel(axis_labels[1])
        _draw_points(figure, axes, points, labels)
    _plain(axes)
    return figure


def traversals(
    vae, x, example=None, num_steps=7, max_dimensions=16, feature_names=None
):
    """Draws what each active latent dimension does: decodings along it, one a row.

    A dimension goes from -3 to 3, three standard deviations of the prior, while the
    others stay where they are. The dimensions are those whose posterior mean varies
    over the data by more than 0.01 (`keras_vae.evaluation.active_units`), those that
    vary most above.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, data that tell which dimensions are active.
        example: Array `data_shape`: what the dimensions change. `None`: the middle of
            the prior, z = 0.
        num_steps: Integer, values of each dimension.
        max_dimensions: Integer, rows at most.
        feature_names: Names of the features of data that are no images.

    Returns:
        Figure; without an active dimension one that says so.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> figure = traversals(vae, np.zeros((20, 8, 8, 1), "float32"))
    >>> figure.texts[0].get_text()
    'No latent dimension is active: the posterior has collapsed'

    Reference:
        Higgins et al., "beta-VAE" (2017), section 4.1 (latent traversals); Burda,
        Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016), section 5.2.
    """
    variance = vae.encode(x)[0].astype("float64").var(axis=0)
    dimensions = np.argsort(-variance, kind="stable")
    title, labels = "Traversals of latent dimensions", [f"z[{j}]" for j in dimensions]
    if len(x) > 1:  # One example has no variance: which are active is not known.
        dimensions = dimensions[variance[dimensions] > ACTIVE_VARIANCE]
        title = "Traversals of active latent dimensions"
        labels = [f"z[{j}], variance {variance[j]:.2f}" for j in dimensions]
    if len(dimensions) == 0:
        figure = _figure(7.0, 0.8)
        text = "No latent dimension is active: the posterior has collapsed"
        figure.text(0.5, 0.5, text, ha="center", va="center", size="large")
        return figure
    shown, labels = dimensions[:max_dimensions], labels[:max_dimensions]
    title = f"{title} ({len(shown)} of {len(dimensions)})"

    centre = np.zeros(vae.latent_dim, "float32")
    if example is not None:
        centre = vae.encode(np.asarray(example)[None])[0][0]
    steps = np.linspace(-3.0, 3.0, num_steps, dtype="float32")
    z = np.tile(centre, (len(shown), num_steps, 1))
    for row, dimension in enumerate(shown):
        z[row, :, dimension] = steps
    decoded = vae.decode(z.reshape(-1, vae.latent_dim))

    if _are_images(vae.data_shape):
        return _image_figure(
            decoded,
            num_steps,
            title,
            row_labels=labels,
            column_labels=[f"{step:.2g}".replace("-", "−") for step in steps],
            column_title="value of the latent dimension",
        )
    figure, panels = _profile_figure(title, len(shown), vae, feature_names)
    colors = ScalarMappable(Normalize(-3.0, 3.0), NUMBER_COLORS)
    decoded = _profiles(vae, decoded).reshape(len(shown), num_steps, -1)
    for axes, label, profiles in zip(panels, labels, decoded, strict=True):
        axes.set_title(label)
        for step, profile in zip(steps, profiles, strict=True):
            axes.plot(profile, color=colors.to_rgba(step), linewidth=1.2)
    figure.colorbar(colors, ax=list(panels), label="value of the latent dimension")
    return figure


# Data that are images, one picture each.


def _are_images(data_shape):
    return data_shape[2:] in ((), (1,), (3,), (4,)) and len(data_shape) > 1


def _image_figure(
    images, num_columns, title, row_labels=(), column_labels=(), column_title=""
):
    """Images in rows of `num_columns`, each a picture of its own on common axes."""
    num_rows = -(-len(images) // num_columns)
    # In widths of an image.
    height, gap = images.shape[1] / images.shape[2], 0.06
    right, bottom = (1 + gap) * num_columns - gap, (height + gap) * num_rows - gap
    inches = np.clip(9.0 / num_columns, 0.5, 0.8)
    figure = Figure(figsize=(right * inches, bottom * inches))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_title(title)
    low, high = _value_range(images)
    if images.ndim == 4 and images.shape[-1] > 1:
        images = np.clip((images - low) / (high - low), 0.0, 1.0)
    for i, image in enumerate(images):
        left, top = (i % num_columns) * (1 + gap), (i // num_columns) * (height + gap)
        extent = (left, left + 1, top + height, top)
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent)
    axes.set(xlim=(0, right), ylim=(bottom, 0))
    axes.set_xticks(np.arange(len(column_labels)) * (1 + gap) + 0.5, column_labels)
    middles = np.arange(len(row_labels)) * (height + gap) + height / 2
    axes.set_yticks(middles, row_labels)
    axes.set_xlabel(column_title)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _grow_around(figure, axes)
    return figure


def _grow_around(figure, axes):
    """Makes room for what is written around axes that fill the figure."""
    size = figure.get_size_inches()
    box = axes.get_tightbbox(figure.canvas.get_renderer())
    box = box.transformed(figure.dpi_scale_trans.inverted()).padded(0.1)
    figure.set_size_inches(box.size)
    axes.set_position((*(-box.min / box.size), *(size / box.size)))


def _value_range(images):
    """Black and white: 0 and 1 for images, near enough; else the data's own range."""
    low, high = float(images.min()), float(images.max())
    if low > -0.5 and high < 1.5:
        return 0.0, 1.0
    return low, max(high, low + 1e-6)


# Data that are not: values over features.


def _profiles(vae, x):
    """Data as `(n, features)`, standardised where the model standardises them."""
    if vae.standardize is not None:
        x = vae.standardize(x)
    return np.reshape(x, (len(x), -1))


def _profile_figure(title, num_panels, vae, feature_names):
    """A figure and its panels, one below the other, for values over features."""
    figure = _figure(8.0, 1.6 * num_panels + 1.8)
    figure.suptitle(title)
    panels = _panels(figure, num_panels, 1, sharex=True, sharey=True)
    for axes in panels:
        axes.set_ylabel("value" if vae.standardize is None else "standardised\nvalue")
        _plain(axes)
    panels[-1].set_xlabel("feature")
    names = _names(vae, feature_names)
    if len(names) <= 20:
        # Slanted where they would run into one another.
        slant = 45 if sum(map(len, names)) > 60 else 0
        panels[-1].set_xticks(range(len(names)), names, rotation=slant)
        for tick in panels[-1].get_xticklabels() if slant else ():
            tick.set(ha="right", rotation_mode="anchor")
    return figure, panels


def _names(vae, feature_names):
    """Names of the features, not too long for an axis: numbers, unless given."""
    size = int(np.prod(vae.data_shape))
    names = range(size) if feature_names is None else feature_names
    if len(names) != size:
        raise ValueError(
            f"`feature_names` should be {size} names. Received: {len(names)}"
        )
    names = [str(name) for name in names]
    return [name if len(name) <= 20 else name[:19] + "…" for name in names]


def _feature_figure(x, reconstruction, names):
    """A panel for each feature: reconstruction against original."""
    num_columns = min(len(names), 4)
    figure = _figure(2.7 * num_columns, 2.7 * -(-len(names) // num_columns) + 0.3)
    figure.suptitle("Reconstruction against original, by feature")
    x, reconstruction = (np.reshape(v, (len(v), -1)) for v in (x, reconstruction))
    for j, axes in enumerate(_panels(figure, len(names), num_columns)):
        ends = [x[:, j].min(), x[:, j].max()]
        axes.plot(ends, ends, color=GREY, linewidth=1)
        axes.scatter(x[:, j], reconstruction[:, j], color=BLUE, **_dots(len(x)))
        axes.set(title=names[j], xlabel="original", ylabel="reconstruction")
        _plain(axes)
    return figure


def _legend_below(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)


# Points of the latent space.


def _plane(z_mean):
    """Coordinates `(n, 2)` and the labels of their axes."""
    if z_mean.shape[1] == 2 or not z_mean.var(axis=0).any():
        return z_mean[:, :2], [f"z[{j}], mean of the posterior" for j in range(2)]
    pca = PCA(2)
    points = pca.fit_transform(z_mean)
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
    dots, classes = _dots(len(points)), _classes(labels)
    if classes is not None:
        for i, (name, mask) in enumerate(classes.items()):
            style = {"color": _class_color(i), "marker": "o^"[i // len(CLASS_COLORS)]}
            axes.scatter(*points[mask].T, label=name, **style, **dots)
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
        axes.legend(title="label", markerscale=(36 / dots["s"]) ** 0.5, **beside)
    elif labels is not None:
        drawn = axes.scatter(*points.T, c=labels, cmap=NUMBER_COLORS, **dots)
        figure.colorbar(drawn, ax=axes, label="label")
    else:
        axes.scatter(*points.T, color=BLUE, **dots)
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
        axes.scatter(z, labels, color=BLUE, **_dots(len(z)))
        return
    # Spread over the row of their class, so that points do not hide one another.
    spread = np.random.default_rng(0).uniform(-0.35, 0.35, len(z))
    for i, mask in enumerate(classes.values()):
        axes.scatter(z[mask], i + spread[mask], color=_class_color(i), **_dots(len(z)))
    axes.set_yticks(range(len(classes)), classes)


def _limits(values):
    """Around the values, and at least 2 wide: a collapsed posterior is to look it."""
    middle = (values.max() + values.min()) / 2
    reach = max(0.55 * (values.max() - values.min()), 1.0)
    return middle - reach, middle + reach


def _dots(n):
    """Size and opacity of n points: one is seen, and many are not a blot."""
    return {"s": float(np.clip(6000 / n, 6, 40)), "alpha": 0.8, "linewidths": 0}


# Figures and axes.


def _figure(width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _panels(figure, count, num_columns, **sharing):
    """Axes in reading order."""
    num_rows = -(-count // num_columns)
    panels = figure.subplots(num_rows, num_columns, squeeze=False, **sharing).ravel()
    for axes in panels[count:]:
        axes.remove()
    return panels[:count]


def _plain(axes):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def _label_ends(axes):
    """Writes each line's label at its end, the upper one's above the other's."""
    ends = []
    for line in axes.lines:
        finite = line.get_xydata()[np.isfinite(line.get_ydata())]
        if len(finite):
            ends.append((finite[-1], line))
    ends.sort(key=lambda end: end[0][1])
    for (end, line), va in zip(ends, ["top", "bottom"][-len(ends) :], strict=False):
        style = {"color": line.get_color(), "va": va}
        offset = {"xytext": (4, 0), "textcoords": "offset points"}
        axes.annotate(line.get_label(), end, **offset, **style)
