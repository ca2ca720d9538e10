"""The Bernoulli likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import Likelihood, noise_like
from keras_vae.likelihoods.support import Interval


@keras.saving.register_keras_serializable(package="keras_vae")
class Bernoulli(Likelihood):
    """Binary data: each value is 1 with a probability of its own.

    ```
    log p(x) = x * log(lambda) + (1 - x) * log(1 - lambda),     lambda = sigmoid(logit)
    ```

    One parameter for each value: `logit`. Values between 0 and 1 are taken as grey
    levels, as is common, but then log p(x) is a cross-entropy and no probability:
    binarize the data, or use `ContinuousBernoulli`.

    Args:
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Example:

    >>> likelihood = Bernoulli()
    >>> round(float(likelihood.log_prob([[1.0, 0.0]], [[0.0, 50.0]])[0]), 4)
    -50.6931
    >>> likelihood.mean([[0.0]]).numpy().tolist()
    [[0.5]]

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix C.1.
    """

    identifier = "bernoulli"
    support = Interval(0.0, 1.0)

    def _value_log_prob(self, x, logit):
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logit)

    def _mean(self, logit):
        return tf.sigmoid(logit)

    def _sample(self, logit, seed):
        uniform = noise_like(noise.uniform, seed, logit)
        return tf.cast(uniform < tf.sigmoid(logit), tf.float32)

    def _bias(self, data_mean):
        data_mean = np.clip(data_mean, 1e-3, 1 - 1e-3)
        return [np.log(data_mean) - np.log1p(-data_mean)]
