"""The discretized logistic likelihood of 8-bit images."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.likelihoods.base import SLACK, Likelihood
from keras_vae.likelihoods.bisection import invert
from keras_vae.likelihoods.soft_bound import soft_bound

MAX_LEVEL = 255

# From a twelfth of a bin, in which one level has 99.4 %, to far wider than the data.
LOG_SCALE_RANGE = (-8.0, 8.0)

# About as wide as the values of a photograph's pixel.
INITIAL_LOG_SCALE = -2.0


@keras.saving.register_keras_serializable(package="keras_vae")
class DiscretizedLogistic(Likelihood):
    """8-bit images: a logistic distribution, rounded to the 256 levels k / 255.

    ```
    log p(x) = log(sigmoid((x + h - loc) / scale) - sigmoid((x - h - loc) / scale))
    h = 1 / 510, half a bin
    ```

    The darkest bin (x = 0) reaches to minus infinity and the brightest (x = 1) to plus
    infinity, so the 256 probabilities sum to 1. Two parameters for each value: `loc`,
    in the units of the data, and `log_scale`, held smoothly within [-8, 8] (left as it
    is within [-7, 7]). The mean is the exact expectation over the levels, not `loc`,
    which may lie outside [0, 1].

    Args:
        name: Name of the layer.
        trainable: Without effect: there are no weights.

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
    support = "the 256 levels k / 255 in [0, 1]"
    mean_range = (0.0, 1.0)

    def _values_in_support(self, x):
        level = tf.round(x * MAX_LEVEL)
        on_a_level = tf.abs(x - level / MAX_LEVEL) <= SLACK
        return on_a_level & (level >= 0) & (level <= MAX_LEVEL)

    def _value_log_prob(self, x, loc, log_scale):
        # sigmoid(a) - sigmoid(b) = sigmoid(a) * sigmoid(-b) * (1 - exp(b - a)): a
        # product, so its logarithm loses nothing to cancellation, however far from
        # `loc` and however small the bin.
        level = tf.round(x * MAX_LEVEL)
        per_scale = tf.exp(-soft_bound(log_scale, *LOG_SCALE_RANGE))
        residual = level / MAX_LEVEL - loc
        half_bin = 0.5 / MAX_LEVEL
        below = -tf.nn.softplus(-(residual + half_bin) * per_scale)
        above = -tf.nn.softplus((residual - half_bin) * per_scale)
        between = tf.math.log(-tf.math.expm1(-2.0 * half_bin * per_scale))
        first, last = level < 0.5, level > MAX_LEVEL - 0.5
        return (
            tf.where(last, 0.0, below)
            + tf.where(first, 0.0, above)
            + tf.where(first | last, 0.0, between)
        )

    def _mean(self, loc, log_scale):
        # The sum of P(x > edge) over the 255 edges between levels, by steps of a bin;
        # in 15 parts of 17 edges, so that memory stays small and no loop is needed.
        edges = (np.arange(MAX_LEVEL, dtype="float32") + 0.5) / MAX_LEVEL
        per_scale = tf.exp(-soft_bound(log_scale, *LOG_SCALE_RANGE))
        column, per_scale = tf.reshape(loc, (-1, 1)), tf.reshape(per_scale, (-1, 1))
        parts = [
            tf.reduce_sum(tf.sigmoid((column - part) * per_scale), axis=1)
            for part in np.split(edges, 15)
        ]
        return tf.reshape(tf.add_n(parts) / MAX_LEVEL, tf.shape(loc))

    def _sample(self, loc, log_scale, seed):
        uniform = keras.random.uniform(tf.shape(loc), dtype="float32", seed=seed)
        logit = tf.math.log(uniform) - tf.math.log1p(-uniform)
        scale = tf.exp(soft_bound(log_scale, *LOG_SCALE_RANGE))
        x = tf.clip_by_value(loc + scale * logit, 0.0, 1.0)
        return tf.round(x * MAX_LEVEL) / MAX_LEVEL

    def _bias(self, data_mean):
        log_scale = np.full_like(data_mean, INITIAL_LOG_SCALE)

        def mean(loc):
            blocks = tf.constant(loc, tf.float32), tf.constant(log_scale, tf.float32)
            return self._mean(*blocks).numpy()

        return [invert(mean, np.clip(data_mean, 1e-3, 1 - 1e-3), -3, 4), log_scale]
