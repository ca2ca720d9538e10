"""The continuous Bernoulli likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import Likelihood, noise_like
from keras_vae.likelihoods.bisection import invert
from keras_vae.likelihoods.support import Interval

# zeta(2n) / pi^(2n), alternating: log(sinh(a) / a) = sum of c_n a^(2n) / n.
_SERIES = (1 / 6, -1 / 90, 1 / 945, -1 / 9450)


@keras.saving.register_keras_serializable(package="keras_vae")
class ContinuousBernoulli(Likelihood):
    """Grey levels: a density on [0, 1] of the Bernoulli's form, properly normalised.

    ```
    log p(x) = x * log(lambda) + (1 - x) * log(1 - lambda) + log C(lambda)
    C(lambda) = 2 artanh(1 - 2 lambda) / (1 - 2 lambda),     C(1/2) = 2
    mean = lambda / (2 lambda - 1) + 1 / (2 artanh(1 - 2 lambda)),     1/2 at 1/2
    lambda = sigmoid(logit)
    ```

    One parameter for each value: `logit`. It is a density: log p(x) can be positive,
    and the mean is not lambda. Computed from the logit alone, in forms that are
    accurate near lambda = 1/2 and for logits of any size.

    Args:
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Example:

    >>> likelihood = ContinuousBernoulli()
    >>> round(float(likelihood.log_prob([[1.0]], [[1.0]])[0]), 4)
    0.4587
    >>> round(float(likelihood.mean([[50.0]])[0, 0]), 4)
    0.98

    Reference:
        Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a pervasive error
        in variational autoencoders" (2019), equations 6 to 8.
    """

    identifier = "continuous_bernoulli"
    support = Interval(0.0, 1.0)

    def _value_log_prob(self, x, logit):
        # As an exponential density on [0, 1], with a = logit / 2:
        #   p(x) = exp(logit * (x - 1/2)) * a / sinh(a),
        # and away from 0, where sinh would overflow, with the exponential taken from
        # the end at which p is greatest.
        near_zero, small, large = _branches(logit)
        series = logit * (x - 0.5) - tf.square(small) * _polynomial(
            tf.square(small), [c / n for n, c in enumerate(_SERIES, start=1)]
        )
        distance = tf.where(logit > 0, 1.0 - x, x)
        steepness = 2.0 * tf.abs(large)
        exact = (
            tf.math.log(steepness)
            - tf.math.log1p(-tf.exp(-steepness))
            - steepness * distance
        )
        return tf.where(near_zero, series, exact)

    def _mean(self, logit):
        # 1/2 + (coth(a) - 1 / a) / 2, with a = logit / 2.
        near_zero, small, large = _branches(logit)
        series = small * _polynomial(tf.square(small), _SERIES)
        exact = (1.0 / tf.tanh(large) - 1.0 / large) / 2.0
        return 0.5 + tf.where(near_zero, series, exact)

    def _sample(self, logit, seed):
        uniform = noise_like(noise.uniform, seed, logit)
        # The inverse cdf of the falling density; the rising one is its mirror image.
        # At 1e-6 the density is flat to a millionth.
        steepness = tf.maximum(tf.abs(logit), 1e-6)
        x = -tf.math.log1p(uniform * tf.math.expm1(-steepness)) / steepness
        x = tf.clip_by_value(x, 0.0, 1.0)
        return tf.where(logit > 0, 1.0 - x, x)

    def _bias(self, data_mean):
        # A mean of 1 - 1e-2 takes a logit of 100; one of 1 - 1e-3 would take 1000.
        data_mean = np.clip(data_mean, 1e-2, 1 - 1e-2)
        return [invert(lambda logit: self._mean_array(logit), data_mean, -128, 128)]

    def _mean_array(self, logit):
        return self._mean(tf.constant(logit, tf.float32)).numpy()


def _branches(logit):
    """a = logit / 2: whether |a| < 1/2, and a for either case, harmless in the other.

    The branch that is not taken is computed too; were it infinite there, its gradient
    would be NaN even so.
    """
    a = logit / 2.0
    near_zero = tf.abs(a) < 0.5
    return near_zero, tf.where(near_zero, a, 0.0), tf.where(near_zero, 1.0, a)


def _polynomial(x, coefficients):
    """coefficients[0] + coefficients[1] x + ..., by Horner's rule."""
    value = tf.zeros_like(x)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value
