"""New data from the prior."""

import math

import numpy as np

from keras_vae.plots.features import profile_figure, profiles
from keras_vae.plots.figure import BLUE, GREY, legend_below
from keras_vae.plots.images import are_images, image_figure
from keras_vae.plots.inputs import conditions, data


def samples(vae, num_samples=64, seed=0, x=None, feature_names=None, draws=None):
    """Draws new data: of p(x|z) for z from the prior, its mean or a draw.

    Args:
        vae: `keras_vae.VAE`.
        num_samples: Integer, how many.
        seed: Integer; the samples are those of `vae.sample(num_samples, seed)`.
        x: Array `(n, *data_shape)`, a dictionary as `fit` takes it, or `None`: data
            to compare with, where they are no images, and whose conditions the samples
            get in turn, where the model has any.
        feature_names: Names of the features of data that are no images.
        draws: Whether the samples are draws of p(x|z), with the likelihood's noise,
            instead of its means. `None`: of what are no images.

    Returns:
        Figure.

    Raises:
        ValueError: If the decoder takes conditions that `x` does not give.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> len(samples(vae, num_samples=6).axes[0].images)
    6
    """
    images = are_images(vae.data_shape)
    draws = not images if draws is None else draws
    given = conditions(vae, x, num_samples)
    new = vae.sample(num_samples, seed=seed, draws=draws, **given)
    title = f"Samples: {'draws' if draws else 'means'} of p(x|z) for z from the prior"
    if images:
        return image_figure(new, math.ceil(math.sqrt(num_samples)), title)
    figure, (axes,) = profile_figure(title, 1, vae, feature_names)
    if data(x) is not None:
        band = np.quantile(profiles(vae, data(x)), [0.05, 0.95], axis=0)
        style = {"color": GREY, "alpha": 0.4, "linewidth": 0}
        axes.fill_between(
            range(band.shape[1]), *band, label="90 % of the data", **style
        )
    lines = axes.plot(profiles(vae, new).T, color=BLUE, linewidth=0.7, alpha=0.5)
    lines[0].set_label("samples")
    legend_below(figure, axes)
    return figure
