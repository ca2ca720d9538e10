"""The standard normal prior."""

import math

import keras
import tensorflow as tf

from keras_vae import divergences, noise
from keras_vae.distributions import Hierarchical, Normal
from keras_vae.priors.base import Prior


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """The prior p(z) = N(0, I).

    ```
    KL(q(z|x) || p(z)) = sum_j (z_mean_j^2 + exp(z_log_var_j) - 1 - z_log_var_j) / 2
    ```

    in closed form, with one group for each latent dimension, where the posterior is a
    diagonal normal, and for each level of a hierarchy given those above it; a Monte
    Carlo estimate for another.

    When to use it: always at first: its dimensions are independent, of one scale, and
    can be walked along. When not: where log p(x) or samples count, and the codes of the
    data do not fill a ball (`kl_decomposition` says how far they are from it): a
    `MixturePrior`, `VampPrior` or `FlowPrior` follows them. It costs nothing: no
    weights, and a KL without noise.

    Example:

    >>> prior = StandardNormal()
    >>> q = Normal([[1.0, 0.0]], [[0.0, 0.0]])
    >>> prior.kl(q, q.sample(tf.zeros((1, 1, 2)))).numpy().tolist()
    [[0.5, 0.0]]

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.
    """

    def kl(self, q, z):
        if isinstance(q, Hierarchical):
            return tf.concat(q.kl_of_levels(), axis=-1)
        if type(q) is not Normal:  # what is derived from it may draw otherwise
            return super().kl(q, z)
        kl = divergences.kl_normal_per_dimension(q.mean, q.log_var)
        return tf.reshape(kl, (-1, math.prod(kl.shape[1:])))

    def log_prob(self, z):
        z = tf.convert_to_tensor(z)
        axes = list(range(2, z.shape.rank))
        return -0.5 * tf.reduce_sum(tf.square(z) + math.log(2 * math.pi), axis=axes)

    def sample(self, seed, latent_shape):
        return noise.normal(seed, tuple(latent_shape))
