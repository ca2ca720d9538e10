"""All codes of a codebook equally likely."""

import math

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.priors.codes import CodesPrior


@keras.saving.register_keras_serializable(package="keras_vae")
class UniformCodes(CodesPrior):
    """The prior of a `keras_vae.VQVAE` in which all codes are equally likely.

    ```
    log P(codes) = -num_positions log num_codes
    ```

    When to use it: for a `VQVAE` that only stores and restores data, or whose codes a
    sequence model of one's own will predict. When not: to sample, for what it draws
    looks like nothing (`AutoregressiveCodes`). It costs nothing, and has nothing to
    learn.

    Args:
        num_codes: Integer, the vectors in the codebook.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> prior = UniformCodes(8)
    >>> prior.build((3, 2))
    >>> prior.log_prob_of_codes(tf.constant([[0, 7, 1]])).numpy().round(3).tolist()
    [[-2.0789999961853027, -2.0789999961853027, -2.0789999961853027]]

    Reference:
        van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning"
        (2017), section 3.1.
    """

    def log_prob_of_codes(self, codes):
        return tf.fill(tf.shape(codes), -math.log(self.num_codes))

    def sample_codes(self, seed):
        place = noise.uniform(seed, self.num_positions) * self.num_codes
        return tf.minimum(tf.cast(place, tf.int32), self.num_codes - 1)
