"""The Poisson likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import Likelihood, noise_like
from keras_vae.likelihoods.soft_bound import soft_bound
from keras_vae.likelihoods.support import Counts

# exp(20) is 5e8: already more than a float32 counts without gaps.
MAX_LOG_RATE = 20.0


@keras.saving.register_keras_serializable(package="keras_vae")
class Poisson(Likelihood):
    """Counts.

    ```
    log p(x) = x * log_rate - exp(log_rate) - log(x!)
    ```

    One parameter for each value: `log_rate`, held smoothly below 20 (left as it is up
    to 19). The mean is the rate.

    Args:
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Example:

    >>> likelihood = Poisson()
    >>> round(float(likelihood.log_prob([[2]], [[0.0]])[0]), 4)  # exp(-1) / 2!
    -1.6931
    >>> likelihood.mean([[0.0]]).numpy().tolist()
    [[1.0]]

    Reference:
        Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000), for
        the accuracy at large counts; Hormann, "The transformed rejection method for
        generating Poisson random variables" (1993), algorithm PTRS, for the draws.
    """

    identifier = "poisson"
    support = Counts()

    def _value_log_prob(self, x, log_rate):
        # Each of the three terms of the formula is of the size of x log(x), and float32
        # would keep only what they share. So it is split at its maximum over the rate,
        # rate = x, into two terms that are as small as their sum.
        log_rate = soft_bound(log_rate, upper=MAX_LOG_RATE)
        x = tf.round(x)
        positive = tf.maximum(x, 1.0)
        ratio = log_rate - tf.math.log(positive)
        from_maximum = positive * (ratio - tf.math.expm1(ratio))
        return tf.where(
            x > 0.5, from_maximum - _log_factorial_rest(positive), -tf.exp(log_rate)
        )

    def _mean(self, log_rate):
        return tf.exp(soft_bound(log_rate, upper=MAX_LOG_RATE))

    def _sample(self, log_rate, seed):
        rate = self._mean(log_rate)
        # A value is drawn in one way or in the other: the same numbers serve both.
        uniform = noise_like(noise.uniform, seed, rate, num_draws=48)
        few = _count_arrivals(tf.minimum(rate, 10.0), uniform)
        many = self._accept_first(tf.maximum(rate, 10.0), uniform[:32])
        return tf.where(rate < 10.0, few, many)

    def _accept_first(self, rate, uniform):
        """Draws for rates >= 10: the first of 16 proposals that is accepted.

        More than three in four are, so that none is happens once in some 10^10 draws.
        """
        u, v = tf.split(uniform, 2)
        # The constants are Hormann's, fitted for rates >= 10.
        b = 0.931 + 2.53 * tf.sqrt(rate)
        a = -0.059 + 0.02483 * b
        inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
        u = u - 0.5
        edge = tf.maximum(0.5 - tf.abs(u), 1e-7)
        x = tf.floor((2.0 * a / edge + b) * u + rate + 0.43)
        log_prob = self._value_log_prob(tf.maximum(x, 0.0), tf.math.log(rate))
        height = tf.math.log(v * inverse_alpha / (a / tf.square(edge) + b))
        accepted = (x >= 0) & (height <= log_prob)
        first = tf.argmax(tf.cast(accepted, tf.int32), axis=0)
        chosen = tf.one_hot(first, x.shape[0], axis=0)
        return tf.reduce_sum(chosen * x, axis=0)

    def _bias(self, data_mean):
        return [np.log(np.clip(data_mean, 1e-6, np.exp(MAX_LOG_RATE - 1.0)))]


def _log_factorial_rest(x):
    """log(x!) - x log(x) + x, for x >= 1: by Stirling's series from 8 on."""
    low, high = tf.minimum(x, 8.0), tf.maximum(x, 8.0)
    exact = tf.math.lgamma(low + 1.0) - low * tf.math.log(low) + low
    series = 0.5 * tf.math.log(2 * np.pi * high) + 1 / 12 / high - 1 / 360 / high**3
    return tf.where(x < 8.0, exact, series)


def _count_arrivals(rate, uniform):
    """Draws for rates <= 10: the events of a Poisson process up to time `rate`.

    At rate 10 more than 48 events have a probability of 1e-17.
    """
    times = tf.cumsum(-tf.math.log1p(-uniform), axis=0)
    return tf.reduce_sum(tf.cast(times <= rate, tf.float32), axis=0)
