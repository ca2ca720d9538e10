"""The categorical likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.likelihoods.base import SLACK, Likelihood


@keras.saving.register_keras_serializable(package="keras_vae")
class Categorical(Likelihood):
    """One of several classes, one-hot along the last axis.

    ```
    log p(x) = sum over classes k of x_k * log(softmax(logits)_k)
    ```

    One parameter for each class: its logit. The last axis of the data is the classes;
    data of shape `(length, classes)` are sequences. The mean is the classes'
    probabilities.

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
    support = "one-hot vectors along the last axis"
    mean_range = (0.0, 1.0)

    def _values_in_support(self, x):
        one_or_zero = (tf.abs(x) <= SLACK) | (tf.abs(x - 1.0) <= SLACK)
        ones = tf.reduce_sum(x, axis=-1, keepdims=True)
        return one_or_zero & (tf.abs(ones - 1.0) < 0.5)

    def _value_log_prob(self, x, logits):
        # Not x * log_softmax: 0 times the -inf of a class with an infinite logit.
        return tf.where(x > 0.5, tf.nn.log_softmax(logits), 0.0)

    def _mean(self, logits):
        return tf.nn.softmax(logits)

    def _sample(self, logits, seed):
        classes = logits.shape[-1]
        rows = tf.reshape(logits, (-1, classes))
        drawn = keras.random.categorical(rows, 1, seed=seed)
        return tf.reshape(tf.one_hot(drawn[:, 0], classes), tf.shape(logits))

    def _bias(self, data_mean):
        total = data_mean.sum(axis=-1, keepdims=True)
        if not np.allclose(total, 1.0, atol=1e-3):
            raise ValueError(
                "`data_mean` should sum to 1 along the last axis: the classes' "
                f"frequencies. Received: sums from {total.min()} to {total.max()}"
            )
        return [np.log(np.clip(data_mean, 1e-6, 1.0))]
