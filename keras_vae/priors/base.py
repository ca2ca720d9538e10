"""What every prior is."""

import keras
import tensorflow as tf


class Prior(keras.layers.Layer):
    """A distribution p(z) over the latent space, perhaps with weights of its own.

    A prior is a subclass, registered with `keras.saving.register_keras_serializable`,
    that implements `log_prob` and `sample`; `kl` where it has a closed form for some
    posterior; `build(latent_shape)` where it has weights; and `connect(vae)` where it
    needs the encoder. Always float32.

    Example:

    >>> from keras_vae.priors import StandardNormal
    >>> prior = StandardNormal()
    >>> prior.sample([[0, 0], [0, 1]], latent_shape=(3,)).shape
    TensorShape([2, 3])
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def build(self, latent_shape):
        """Makes the weights, if there are any.

        Args:
            latent_shape: Tuple, the shape of one code, without a batch axis.
        """
        self.built = True

    def connect(self, vae):
        """Called by the model whose prior this is when that is made, before `build`.

        For a prior that is a function of the encoder, as a VampPrior is. Keep
        `vae.posterior`, and no layer: the encoder is the model's, and is saved and
        copied with it.

        Args:
            vae: The `keras_vae.VAE`.
        """

    def log_prob(self, z):
        """log p(z).

        Args:
            z: Tensor `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor `(num_samples, batch)`, nats.
        """
        raise NotImplementedError

    def sample(self, seed, latent_shape):
        """One draw for each seed.

        Args:
            seed: int32 tensor `(batch, 2)`; a row determines its draw alone.
            latent_shape: Tuple, the shape of one code.

        Returns:
            Tensor `(batch, *latent_shape)`.
        """
        raise NotImplementedError

    def kl(self, q, z):
        """KL(q(z|x) || p(z)), in groups of latent dimensions.

        ```
        1/K sum_k log q(z_k|x) - log p(z_k),     z_1, ..., z_K ~ q(z|x)
        ```

        is what this method returns: an unbiased estimate for any posterior. A prior
        overrides it with the closed form for those for which there is one.

        Args:
            q: The posterior; see `keras_vae.distributions`.
            z: Its draws, `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor `(batch, groups)`, nats; its sum over the groups is the KL.
            `free_bits` is a floor under each group.
        """
        return _estimate(q.log_prob(z), self.log_prob(z))

    def log_prob_and_kl(self, q, z, log_q):
        """What one step of training takes of a prior, from one look at its density.

        Args:
            q: The posterior; see `keras_vae.distributions`.
            z: Its draws, `(num_samples, batch, *latent_shape)`.
            log_q: log q(z|x) of these draws, `(num_samples, batch)`, nats.

        Returns:
            `log_prob(z)`, `(num_samples, batch)`, and `kl(q, z)`, `(batch, groups)`,
            nats.
        """
        log_prob = self.log_prob(z)
        if type(self).kl is Prior.kl:
            return log_prob, _estimate(log_q, log_prob)
        return log_prob, self.kl(q, z)


def _estimate(log_q, log_p):
    return tf.reduce_mean(log_q - log_p, axis=0)[:, None]
