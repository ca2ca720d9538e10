"""The Laplace likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import noise_like
from keras_vae.likelihoods.location_scale import LocationScale


@keras.saving.register_keras_serializable(package="keras_vae")
class Laplace(LocationScale):
    """Real numbers with heavier tails than the Gaussian's: outliers cost less.

    ```
    log p(x) = -|x - loc| / scale - log(2 scale)
    ```

    One parameter for each value, `loc`, which is the mean (and the median); with
    `scale="learned_per_output"` two, `loc` and `log_scale`. The scale is the mean
    absolute deviation; the standard deviation is sqrt(2) times it. With `"optimal"` it
    is, in training, the batch's mean absolute error.

    Args:
        scale: A positive number, an array of them that broadcasts to the data's shape,
            `"learned"` (one weight), `"learned_per_output"` (by the decoder) or
            `"optimal"` (of maximum likelihood); see `LocationScale`.
        min_scale: Floor under a scale that is not given, in the units of the data.
        name: Name of the layer.
        trainable: Whether a `"learned"` scale is trained.

    Raises:
        ValueError: If `scale` is neither positive nor one of the names, or `min_scale`
            is not positive.

    Example:

    >>> likelihood = Laplace(scale=0.5)
    >>> float(likelihood.log_prob([[1.0, 3.0]], [[1.0, 1.0]])[0])
    -4.0
    """

    identifier = "laplace"
    power = 1.0

    def _standard_log_prob(self, residual):
        return -tf.abs(residual) - np.log(2.0)

    def _standard_sample(self, seed, like):
        # Beyond what is drawn lies `tail` of the probability, on its side.
        signed = noise_like(noise.uniform, seed, like) - 0.5
        tail = 0.5 - tf.abs(signed)
        return -tf.sign(signed) * tf.math.log(2.0 * tail)

    def _deviation(self, residual):
        return tf.abs(residual)
