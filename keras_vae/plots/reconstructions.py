"""Examples beside their reconstructions."""

import math

import numpy as np

from keras_vae.plots.features import (
    feature_labels,
    profile_figure,
    profiles,
    scatter_figure,
)
from keras_vae.plots.figure import BLUE, GREY, legend_below
from keras_vae.plots.images import are_images, image_figure
from keras_vae.plots.inputs import data, take

# A panel for each feature up to here, then all over their number.
MAX_FEATURE_PANELS = 16


def reconstructions(vae, x, num_examples=None, feature_names=None, reconstruction=None):
    """Draws examples and their reconstructions.

    Images are drawn in two rows, the originals above. Up to 16 features are drawn one
    a panel, reconstruction against original, in the data's units: what is on the
    diagonal is reconstructed exactly. More features are drawn over their number, one
    example a panel.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or for a model with conditions a dictionary of
            arrays as `fit` takes it.
        num_examples: Integer, how many to draw, from the first on. `None`: 10 images,
            6 examples of many features or 1,000 of few.
        feature_names: Names of the features of data that are no images.
        reconstruction: Array of the shape of the data, to draw what came of the
            examples elsewhere, in a compressor say; `None` asks the model.

    Returns:
        Figure.

    Raises:
        ValueError: If `reconstruction` has another shape than the data.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> figure = reconstructions(vae, np.zeros((20, 8, 8, 1), "float32"))
    >>> len(figure.axes[0].images)
    20
    """
    few = math.prod(vae.data_shape) <= MAX_FEATURE_PANELS
    images = are_images(vae.data_shape)
    usual = 10 if images else 1000 if few else 6
    inputs = take(x, slice(num_examples or usual))
    if reconstruction is None:
        x, decoded = data(inputs), vae.reconstruct(inputs)
    else:
        if np.shape(reconstruction) != np.shape(data(x)):
            raise ValueError(
                f"`reconstruction` should have the shape of `x`, {np.shape(data(x))}. "
                f"Received: shape {np.shape(reconstruction)}"
            )
        x, decoded = data(inputs), np.asarray(reconstruction)[: len(data(inputs))]
    if images:
        return image_figure(
            np.concatenate([x, decoded]),
            num_columns=len(x),
            title="Reconstructions",
            row_labels=["original", "reconstruction"],
        )
    if few:
        return scatter_figure(x, decoded, feature_labels(vae, feature_names))
    figure, rows = profile_figure("Reconstructions", len(x), vae, feature_names)
    originals, decoded = profiles(vae, x), profiles(vae, decoded)
    for i, axes in enumerate(rows):
        axes.set_title(f"example {i}")
        axes.plot(originals[i], color=GREY, linewidth=2.5, label="original")
        axes.plot(decoded[i], color=BLUE, linewidth=1.2, label="reconstruction")
    legend_below(figure, rows[0])
    return figure
