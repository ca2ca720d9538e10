"""The discretized logistic likelihood of images of few bits."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.likelihoods.base import Likelihood, noise_like
from keras_vae.likelihoods.bisection import invert
from keras_vae.likelihoods.soft_bound import soft_bound
from keras_vae.likelihoods.support import Levels

# From a twelfth of a bin, in which one level has 99.4 %, to far wider than the data.
LOG_SCALE_RANGE = (-8.0, 8.0)

# About as wide as the values of a photograph's pixel.
INITIAL_LOG_SCALE = -2.0


@keras.saving.register_keras_serializable(package="keras_vae")
class DiscretizedLogistic(Likelihood):
    """8-bit images: a logistic distribution, rounded to the levels k / (levels - 1).

    ```
    log p(x) = log(sigmoid((x + h - loc) / scale) - sigmoid((x - h - loc) / scale))
    h = 1 / (2 (levels - 1)), half a bin: 1 / 510
    ```

    The darkest bin (x = 0) reaches to minus infinity and the brightest (x = 1) to plus
    infinity, so the probabilities of the levels sum to 1. Two parameters for each
    value: `loc`, in the units of the data, and `log_scale`, held smoothly within
    [-8, 8] (left as it is within [-7, 7]). The mean is the exact expectation over the
    levels, not `loc`, which may lie outside [0, 1].

    Args:
        levels: Integer from 2 to 256, the evenly spaced values that the data have: 256
            of 8-bit images, 16 of 4-bit ones.
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Raises:
        ValueError: If `levels` is not such an integer.

    Example:

    >>> likelihood = DiscretizedLogistic()
    >>> levels = np.arange(256)[:, None] / 255
    >>> log_prob = likelihood.log_prob(levels, np.full((256, 2), [0.2, -3.0]))
    >>> round(float(tf.reduce_sum(tf.exp(log_prob))), 4)
    1.0
    >>> likelihood.mean([[0.5, -3.0]]).numpy().round(4).tolist()
    [[0.5]]

    Reference:
        Salimans et al., "PixelCNN++" (2017), equation 2, with one component.
    """

    identifier = "discretized_logistic"
    num_parameters = 2
    support = Levels(256)

    def __init__(self, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.levels = check_integer("levels", levels, minimum=2, maximum=256)
        self.support = Levels(self.levels)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}

    def _value_log_prob(self, x, loc, log_scale):
        return level_log_prob(x, loc, log_scale, self.levels)

    def _mean(self, loc, log_scale):
        return level_mean(loc, log_scale, self.levels)

    def _sample(self, loc, log_scale, seed):
        uniform = noise_like(noise.uniform, seed, loc)
        return draw_level(uniform, loc, log_scale, self.levels)

    def _bias(self, data_mean):
        log_scale = np.full_like(data_mean, INITIAL_LOG_SCALE)
        return [initial_loc(data_mean, log_scale, self.levels), log_scale]


# What mixtures of it are made of too, on tensors; `levels` is an integer.


def level_log_prob(x, loc, log_scale, levels):
    """Log-probability of a level, nats."""
    # sigmoid(a) - sigmoid(b) = sigmoid(a) * sigmoid(-b) * (1 - exp(b - a)): a product,
    # so its logarithm loses nothing to cancellation, however far from `loc` and however
    # small the bin.
    steps = levels - 1
    level = tf.round(x * steps)
    per_scale = tf.exp(-soft_bound(log_scale, *LOG_SCALE_RANGE))
    residual = level / steps - loc
    half_bin = 0.5 / steps
    below = -tf.nn.softplus(-(residual + half_bin) * per_scale)
    above = -tf.nn.softplus((residual - half_bin) * per_scale)
    between = tf.math.log(-tf.math.expm1(-2.0 * half_bin * per_scale))
    first, last = level < 0.5, level > steps - 0.5
    return (
        tf.where(last, 0.0, below)
        + tf.where(first, 0.0, above)
        + tf.where(first | last, 0.0, between)
    )


def level_mean(loc, log_scale, levels):
    """The expectation over the levels, for `loc` and `log_scale` of one shape."""
    # The sum of P(x > edge) over the edges between levels, by steps of a bin; in parts
    # of at most 17 edges, so that memory stays small and no loop is needed.
    steps = levels - 1
    edges = (np.arange(steps, dtype="float32") + 0.5) / steps
    per_scale = tf.exp(-soft_bound(log_scale, *LOG_SCALE_RANGE))
    column, per_scale = tf.reshape(loc, (-1, 1)), tf.reshape(per_scale, (-1, 1))
    parts = [
        tf.reduce_sum(tf.sigmoid((column - part) * per_scale), axis=1)
        for part in np.array_split(edges, -(-steps // 17))
    ]
    return tf.reshape(tf.add_n(parts) / steps, tf.shape(loc))


def draw_level(uniform, loc, log_scale, levels):
    """The level at which the distribution function passes a number within (0, 1)."""
    logit = tf.math.log(uniform) - tf.math.log1p(-uniform)
    scale = tf.exp(soft_bound(log_scale, *LOG_SCALE_RANGE))
    x = tf.clip_by_value(loc + scale * logit, 0.0, 1.0)
    return tf.round(x * (levels - 1)) / (levels - 1)


def initial_loc(data_mean, log_scale, levels):
    """The `loc` with which the mean over the levels is a given one; NumPy arrays."""

    def mean(loc):
        blocks = tf.constant(loc, tf.float32), tf.constant(log_scale, tf.float32)
        return level_mean(*blocks, levels).numpy()

    return invert(mean, np.clip(data_mean, 1e-3, 1 - 1e-3), -3, 4)
