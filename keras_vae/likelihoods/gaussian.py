"""The Gaussian likelihood."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.base import noise_like
from keras_vae.likelihoods.location_scale import LocationScale


@keras.saving.register_keras_serializable(package="keras_vae")
class Gaussian(LocationScale):
    """Real numbers with normal noise.

    ```
    log p(x) = -((x - loc) / scale)^2 / 2 - log(scale) - log(2 pi) / 2
    ```

    One parameter for each value, `loc`, which is the mean; with
    `scale="learned_per_output"` two, `loc` and `log_scale`. The scale is the standard
    deviation. With `"optimal"` it is, in training, the root of the batch's mean squared
    error. A `log_scale` is held above log(min_scale), smoothly, and left as it is from
    log(min_scale) + 1 on.

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

    >>> likelihood = Gaussian(scale=2.0)
    >>> round(float(likelihood.log_prob([[1.0, 5.0]], [[1.0, 1.0]])[0]), 4)
    -5.2242
    >>> likelihood.mean([[1.0, 5.0]]).numpy().tolist()
    [[1.0, 5.0]]

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix C.2;
        Rybkin, Daniilidis & Levine, "Simple and Effective VAE Training with Calibrated
        Decoders" (2021), equation 5 (`"optimal"`).
    """

    identifier = "gaussian"
    power = 2.0

    def _standard_log_prob(self, residual):
        return -tf.square(residual) / 2.0 - 0.5 * np.log(2 * np.pi)

    def _standard_sample(self, seed, like):
        return noise_like(noise.normal, seed, like)

    def _deviation(self, residual):
        return tf.square(residual)
