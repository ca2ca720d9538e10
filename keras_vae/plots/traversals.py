"""What each latent dimension does."""

from typing import NamedTuple

import numpy as np

from keras_vae.evaluation import active_units
from keras_vae.plots.features import lines_figure
from keras_vae.plots.figure import Figure
from keras_vae.plots.images import are_images, image_figure
from keras_vae.plots.inputs import conditions, data, take

REACH = 3.0  # standard deviations of the prior, to either side


class Traversal(NamedTuple):
    """Decodings along latent dimensions; see `traverse`."""

    dimensions: np.ndarray  # (rows,), numbers of the dimensions of the flattened code
    variance: np.ndarray  # (rows,), of each dimension's code over the data
    values: np.ndarray  # (steps,), what a dimension is set to
    reconstruction: np.ndarray  # (rows, steps, *data_shape), in the data's units
    num_active: int  # dimensions that are active, of which `rows` are given


def traverse(vae, x, example=None, num_steps=7, max_dimensions=16):
    """Decodes along each active latent dimension, those that vary most first.

    A dimension goes from -3 to 3, three standard deviations of the prior, while the
    others stay where they are. The dimensions are those whose code varies over the data
    by more than 0.01 (`keras_vae.evaluation.active_units`).

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, data that tell which dimensions are active, or for
            a model with conditions a dictionary of arrays as `fit` takes it. One
            example does not tell: then all dimensions count as active.
        example: One more such input of one example, `(1, *data_shape)` or
            `data_shape`: what the dimensions change. `None`: the middle of the prior,
            z = 0, with the conditions of the first example of `x`.
        num_steps: Integer >= 2, values of each dimension.
        max_dimensions: Integer, dimensions at most.

    Returns:
        `Traversal`.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((4,), 2, seed=0))
    >>> x = np.random.default_rng(0).uniform(size=(9, 4)).astype("float32")
    >>> traverse(vae, x[:1], num_steps=5).reconstruction.shape
    (2, 5, 4)

    Reference:
        Higgins et al., "beta-VAE" (2017), section 4.1 (latent traversals); Burda,
        Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016), section 5.2.
    """
    codes = vae.codes(x).reshape(-1, vae.latent_dim)
    variance = codes.astype("float64").var(axis=0)
    dimensions = np.argsort(-variance, kind="stable")
    if len(codes) > 1:
        dimensions = dimensions[active_units(codes)[dimensions]]
    num_active = len(dimensions)
    dimensions = dimensions[:max_dimensions]

    centre = np.zeros(vae.latent_dim, "float32")
    if example is not None:
        if data(example).shape == vae.data_shape:
            example = take(example, None)
        centre = vae.codes(example)[0].ravel()
    values = np.linspace(-REACH, REACH, num_steps, dtype="float32")
    z = np.tile(centre, (len(dimensions), num_steps, 1))
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    shape = (len(dimensions), num_steps, *vae.data_shape)
    reconstruction = np.zeros(shape, "float32")
    if len(dimensions):
        z = z.reshape(-1, *vae.latent_shape)
        source = x if example is None else example
        given = conditions(vae, take(source, slice(1)), len(z))
        reconstruction = vae.decode(z, **given).reshape(shape)
    return Traversal(
        dimensions, variance[dimensions], values, reconstruction, num_active
    )


def traversals(
    vae, x, example=None, num_steps=7, max_dimensions=16, feature_names=None
):
    """Draws what each active latent dimension does: decodings along it, one a row.

    Args:
        vae: `keras_vae.VAE`.
        x: Data that tell which dimensions are active; see `traverse`.
        example: What the dimensions change; see `traverse`.
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
    """
    shown = traverse(vae, x, example, num_steps, max_dimensions)
    if not len(shown.dimensions):
        figure = Figure(7.0, 0.8, layout="constrained")
        text = "No latent dimension is active: the posterior has collapsed"
        figure.text(0.5, 0.5, text, ha="center", va="center", size="large")
        return figure
    labels = [_name(vae.latent_shape, j) for j in shown.dimensions]
    title = "Traversals of latent dimensions"
    if len(data(x)) > 1:  # One example does not tell which are active.
        title = "Traversals of active latent dimensions"
        labels = [
            f"{label}, variance {variance:.2f}"
            for label, variance in zip(labels, shown.variance, strict=True)
        ]
    title = f"{title} ({len(labels)} of {shown.num_active})"
    value_label = "value of the latent dimension"
    if are_images(vae.data_shape):
        return image_figure(
            shown.reconstruction.reshape(-1, *vae.data_shape),
            num_steps,
            title,
            row_labels=labels,
            column_labels=[f"{value:.3g}".replace("-", "−") for value in shown.values],
            column_title=value_label,
        )
    figure, _ = lines_figure(
        title,
        vae,
        feature_names,
        shown.reconstruction,
        labels,
        shown.values,
        value_label,
    )
    return figure


def _name(latent_shape, dimension):
    """`z[3]` of a vector, `z[1, 0, 3]` of a map."""
    place = np.unravel_index(dimension, latent_shape)
    return f"z[{', '.join(map(str, place))}]"
