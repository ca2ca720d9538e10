"""The parts of the ELBO of one batch, of which every objective is made."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import tensorflow as tf


class ElboTerms(NamedTuple):
    """What `VAE.elbo_terms` returns: one record of a batch, nothing averaged yet.

    ```
    log_weights = log p(x|z) + log p(z) - log q(z|x)
    elbo        = -(reconstruction_loss + kl_loss)
    ```

    Attributes:
        q: The posterior; see `keras_vae.distributions`.
        z: Its draws, `(num_samples, batch, *latent_shape)`.
        log_likelihood: log p(x|z) of each draw, `(num_samples, batch)`, nats.
        kl: KL(q(z|x) || p(z)), `(batch, groups)`, nats; its sum over groups is kl_loss.
        log_weights: Logarithms of the importance weights, `(num_samples, batch)`, nats.
        further: What a model adds, by name: tensors `(batch,)`, to be measured or for
            its objective.

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), equation 3; Burda,
        Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016), equation 8.
    """

    q: Any
    z: tf.Tensor
    log_likelihood: tf.Tensor
    kl: tf.Tensor
    log_weights: tf.Tensor
    further: Mapping[str, tf.Tensor] = MappingProxyType({})

    @property
    def reconstruction_loss(self):
        """-log p(x|z) averaged over the draws, `(batch,)`, nats."""
        return -tf.reduce_mean(self.log_likelihood, axis=0)

    @property
    def kl_loss(self):
        """KL(q(z|x) || p(z)), `(batch,)`, nats, never weighted."""
        return tf.reduce_sum(self.kl, axis=-1)

    @property
    def elbo(self):
        """The evidence lower bound at beta 1, `(batch,)`, nats; higher is better."""
        return -(self.reconstruction_loss + self.kl_loss)

    @property
    def z_mean(self):
        """`q.parameters["z_mean"]`, for posteriors that have one."""
        return self.q.parameters["z_mean"]

    @property
    def z_log_var(self):
        """`q.parameters["z_log_var"]`, for posteriors that have one."""
        return self.q.parameters["z_log_var"]
