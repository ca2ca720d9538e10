"""What priors over the codes of a codebook have in common."""

import math

import tensorflow as tf

from keras_vae.arguments import check_integer
from keras_vae.priors.base import Prior


class CodesPrior(Prior):
    """A distribution over the codes of a `keras_vae.VQVAE`, one at each position.

    A subclass implements `log_prob_of_codes` and `sample_codes`. In z there are the
    vectors of the codes: the model that the prior is connected to makes one of the
    other, and takes vectors that are not in its codebook for the nearest that are.

    Args:
        num_codes: Integer, the vectors in the codebook.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, num_codes, **kwargs):
        super().__init__(**kwargs)
        self.num_codes = check_integer("num_codes", num_codes, minimum=2)

    def build(self, latent_shape):
        self.num_positions = math.prod(latent_shape[:-1])
        self.built = True

    def connect(self, vae):
        # Methods, which Keras does not track: the codebook is the model's.
        self._codes_of, self._vectors_of = vae.nearest_codes, vae.vectors

    def log_prob_of_codes(self, codes):
        """log p(code|codes before it).

        Args:
            codes: int32 tensor `(batch, num_positions)`.

        Returns:
            Tensor `(batch, num_positions)`, nats.
        """
        raise NotImplementedError

    def sample_codes(self, seed):
        """One draw for each seed.

        Args:
            seed: int32 tensor `(batch, 2)`; a row determines its draw alone.

        Returns:
            int32 tensor `(batch, num_positions)`.
        """
        raise NotImplementedError

    def log_prob(self, z):
        """log P(codes of z), a probability, not a density."""
        shape = tf.shape(z)[:2]
        z = tf.reshape(z, (-1, *z.shape[2:]))
        codes = tf.reshape(self._codes_of(z), (-1, self.num_positions))
        return tf.reshape(tf.reduce_sum(self.log_prob_of_codes(codes), -1), shape)

    def sample(self, seed, latent_shape):
        codes = self.sample_codes(seed)
        return tf.reshape(self._vectors_of(codes), (-1, *latent_shape))

    def kl(self, q, z):
        """-log P(codes), a group for each position: q is one code, without entropy."""
        codes = tf.reshape(q.codes, (-1, self.num_positions))
        return -self.log_prob_of_codes(codes)

    def get_config(self):
        return {**super().get_config(), "num_codes": self.num_codes}
