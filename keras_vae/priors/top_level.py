"""The prior of a hierarchy whose top level has another than the standard normal."""

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.distributions import Hierarchical
from keras_vae.priors.base import Prior
from keras_vae.priors.standard_normal import StandardNormal

# What is drawn for the levels below is independent of what is drawn for the top.
_BELOW = (0, 3)


@keras.saving.register_keras_serializable(package="keras_vae")
class TopLevel(Prior):
    """Any prior for the top level's code, and the standard normal for all below.

    ```
    log p(z) = log p_top(z_1) + log N(z_2, ..., z_L; 0, I)
    ```

    What a `keras_vae.HierarchicalVAE` makes of the `prior` that it is given: the levels
    below the top have priors of their own, given the levels above, in whose units their
    codes are.

    Args:
        prior: The `Prior` of the top level.
        dim: Integer, the numbers in the top level's code.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> prior = TopLevel(StandardNormal(), dim=2)
    >>> prior.build((5,))
    >>> prior.sample(tf.constant([[0, 0], [0, 1]]), (5,)).shape
    TensorShape([2, 5])

    Reference:
        Tomczak & Welling, "VAE with a VampPrior" (2018), section 3: the same for two
        levels.
    """

    def __init__(self, prior, dim, **kwargs):
        super().__init__(**kwargs)
        self.prior = prior
        self.dim = check_integer("dim", dim, minimum=1)
        self.below = StandardNormal()

    def build(self, latent_shape):
        if not self.prior.built:
            self.prior.build((self.dim,))
        self.built = True

    def get_build_config(self):
        return None  # the model builds it

    def connect(self, vae):
        self.prior.connect(_TopOf(vae))

    def log_prob(self, z):
        top, below = z[..., : self.dim], z[..., self.dim :]
        return self.prior.log_prob(top) + self.below.log_prob(below)

    def sample(self, seed, latent_shape):
        top = self.prior.sample(seed, (self.dim,))
        seed = noise.threefry2x32(seed, tf.constant(_BELOW))
        rest = latent_shape[0] - self.dim
        if not rest:
            return top
        return tf.concat([top, noise.normal(seed, (rest,))], axis=-1)

    def kl(self, q, z):
        if not isinstance(q, Hierarchical):
            return super().kl(q, z)
        return self.log_prob_and_kl(q, z, None)[1]

    def log_prob_and_kl(self, q, z, log_q):
        if not isinstance(q, Hierarchical):
            return super().log_prob_and_kl(q, z, log_q)
        top, below = z[..., : self.dim], z[..., self.dim :]
        log_prob, kl = self.prior.log_prob_and_kl(q.top, top, q.top.log_prob(top))
        kl = tf.concat([kl, *q.kl_of_levels()[1:]], axis=-1)
        return log_prob + self.below.log_prob(below), kl

    def get_config(self):
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "dim": self.dim,
        }

    @classmethod
    def from_config(cls, config):
        prior = keras.saving.deserialize_keras_object(config["prior"])
        return cls(**{**config, "prior": prior})


class _TopOf:
    """A hierarchy as the model of one level that it is at its top."""

    def __init__(self, vae):
        self._vae = vae

    def __getattr__(self, name):
        return getattr(self._vae, name)

    def posterior(self, inputs, training=False):
        return self._vae.posterior(inputs, training).top
