"""What lies between two examples."""

import numpy as np

from keras_vae.plots.features import lines_figure, profiles
from keras_vae.plots.figure import GREY
from keras_vae.plots.images import are_images, image_figure
from keras_vae.plots.inputs import data


def interpolation(vae, x_a, x_b, num_steps=8, feature_names=None):
    """Draws decodings on the line between the codes of two examples, a pair a row.

    ```
    z_t = (1 - t) * code(x_a) + t * code(x_b),     t = 0, ..., 1
    ```

    The examples themselves stand at both ends of their row of images; among features
    they are the two dashed lines.

    Args:
        vae: `keras_vae.VAE`.
        x_a: Array `(n, *data_shape)`, where the lines begin, or for a model with
            conditions a dictionary of arrays as `fit` takes it.
        x_b: The same, where they end.
        num_steps: Integer >= 2, points on each line, both ends included.
        feature_names: Names of the features of data that are no images.

    Returns:
        Figure.

    Raises:
        ValueError: If there are not as many examples in `x_a` as in `x_b`.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2, seed=0))
    >>> x = np.random.default_rng(0).uniform(size=(2, 8, 8, 1)).astype("float32")
    >>> figure = interpolation(vae, x[:1], x[1:], num_steps=5)
    >>> len(figure.axes[0].images)
    7
    """
    between = vae.interpolate(x_a, x_b, num_steps=num_steps)
    ends = [data(x_a), data(x_b)]
    t = np.linspace(0.0, 1.0, num_steps)
    title = "Interpolation: decodings between two codes"
    if are_images(vae.data_shape):
        first, last = (end[:, None] for end in ends)
        rows = np.concatenate([first, between, last], axis=1)
        return image_figure(
            rows.reshape(-1, *vae.data_shape),
            num_columns=num_steps + 2,
            title=title,
            column_labels=["from", *(f"{value:.2g}" for value in t), "to"],
            column_title="t, the way from one code to the other",
        )
    labels = [f"pair {i}" for i in range(len(between))] if len(between) > 1 else [""]
    value_label = "t, the way from one code to the other"
    figure, panels = lines_figure(
        title, vae, feature_names, between, labels, t, value_label
    )
    for end, style in zip(ends, ("--", ":"), strict=True):
        for axes, profile in zip(panels, profiles(vae, end), strict=True):
            axes.plot(profile, style, color=GREY, linewidth=1.5)
    return figure
