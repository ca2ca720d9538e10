"""The categorical likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import Likelihood, noise_like
from keras_vae.likelihoods.support import OneHot


@keras.saving.register_keras_serializable(package="keras_vae")
class Categorical(Likelihood):
    """One of several classes, one-hot along the last axis.

    ```
    log p(x) = sum over classes k of x_k * log(softmax(logits)_k)
    ```

    One parameter for each class: its logit. The last axis of the data is the classes;
    data of shape `(length, classes)` are sequences. The mean is the classes'
    probabilities. Of `log_prob_per_value`, each class has its term of the sum: log p of
    the class that it is, 0 for the others.

    Args:
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Example:

    >>> likelihood = Categorical()
    >>> round(float(likelihood.log_prob([[0, 1, 0, 0]], [[0.0, 0.0, 0.0, 0.0]])[0]), 4)
    -1.3863
    >>> likelihood.mean([[0.0, 0.0, 0.0, 0.0]]).numpy().tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    identifier = "categorical"
    support = OneHot()

    def _value_log_prob(self, x, logits):
        # Not x * log_softmax: 0 times the -inf of a class with an infinite logit.
        return tf.where(x > 0.5, tf.nn.log_softmax(logits), 0.0)

    def _mean(self, logits):
        return tf.nn.softmax(logits)

    def _sample(self, logits, seed):
        # The greatest logit, each with noise of the Gumbel distribution.
        gumbel = -tf.math.log(-tf.math.log(noise_like(noise.uniform, seed, logits)))
        return tf.one_hot(tf.argmax(logits + gumbel, axis=-1), logits.shape[-1])

    def _bias(self, data_mean):
        total = data_mean.sum(axis=-1, keepdims=True)
        if not np.allclose(total, 1.0, atol=1e-3):
            raise ValueError(
                "`data_mean` should sum to 1 along the last axis: the classes' "
                f"frequencies. Received: sums from {total.min()} to {total.max()}"
            )
        return [np.log(np.clip(data_mean, 1e-6, 1.0))]
