"""The DIP-VAE: the covariance of the codes is held near the identity."""

import keras
import tensorflow as tf

from keras_vae.arguments import check_number
from keras_vae.models import checks
from keras_vae.models.vae import VAE

KINDS = ("i", "ii")


@keras.saving.register_keras_serializable(package="keras_vae")
class DIPVAE(VAE):
    """Penalises a covariance of the codes that is not the identity.

    ```
    loss = loss of VAE + covariance_penalty
    covariance_penalty = lambda_off_diagonal * sum_{i != j} C_ij^2
                         + lambda_diagonal * sum_i (C_ii - 1)^2

    kind "i"    C = Cov_x[z_mean]
    kind "ii"   C = Cov_x[z_mean] + E_x[diag(exp(z_log_var))],  the covariance of q(z)
    ```

    When to use it: for decorrelated codes at hardly any cost to the reconstruction,
    cheaper than `BetaTCVAE` and `FactorVAE`. When not: where dimensions should be
    independent, and not only uncorrelated. `"i"` also spends variance on dimensions
    that have nothing to say; `"ii"` leaves those at the prior, and suits more of them.
    It costs one covariance matrix for each batch.

    The covariance is that of a batch (divided by its size), weights of examples do not
    enter it, and each replica has its own. In a batch of one, which has none, the
    penalty is 0. It is the same number for all examples of a batch.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        kind: `"i"` or `"ii"`.
        lambda_off_diagonal: Weight of the covariances.
        lambda_diagonal: Weight of the variances; `None` is ten times that for kind
            `"i"`, and the same for `"ii"`.
        **kwargs: What else `VAE` takes, but `flow`, which is refused.

    Raises:
        ValueError: If an argument is out of its range or has no effect.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = DIPVAE(*networks, kind="ii", lambda_off_diagonal=5.0, seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> sorted(vae.fit(x, verbose=0).history)
    ['covariance_penalty', 'elbo', 'kl_loss', 'loss', 'reconstruction_loss']

    Reference:
        Kumar, Sattigeri & Balakrishnan, "Variational Inference of Disentangled Latent
        Concepts from Unlabeled Observations" (2018), equations 4 to 7.
    """

    MEASURES = (*VAE.MEASURES, "covariance_penalty")
    UNUSED = {"flow": "it takes the mean and variance of q, which a flow does not have"}

    def __init__(
        self,
        encoder,
        decoder,
        *,
        kind="i",
        lambda_off_diagonal=10.0,
        lambda_diagonal=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, **kwargs)
        self.kind = kind
        self.lambda_off_diagonal = lambda_off_diagonal
        self.lambda_diagonal = lambda_diagonal

    def __setattr__(self, name, value):
        if name == "kind":
            checks.check_one_of(name, value, KINDS)
        elif name == "lambda_off_diagonal" or (
            name == "lambda_diagonal" and value is not None
        ):
            value = check_number(name, value, minimum=0.0)
        super().__setattr__(name, value)

    def elbo_terms(self, inputs, target, noise, training=False):
        terms = super().elbo_terms(inputs, target, noise, training)
        penalty = self._covariance_penalty(checks.check_normal(self, terms.q))
        of_each = tf.fill(tf.shape(terms.log_likelihood)[1:], penalty)
        return terms._replace(further={"covariance_penalty": of_each})

    def _covariance_penalty(self, q):
        z_mean = tf.reshape(q.mean, (-1, self.latent_dim))
        size = tf.cast(tf.shape(z_mean)[0], tf.float32)
        centered = z_mean - tf.reduce_mean(z_mean, axis=0)
        covariance = tf.matmul(centered, centered, transpose_a=True) / size
        diagonal = tf.linalg.diag_part(covariance)
        squares = tf.square(tf.linalg.set_diag(covariance, tf.zeros_like(diagonal)))
        if self.kind == "ii":
            variance = tf.reshape(tf.exp(q.log_var), (-1, self.latent_dim))
            diagonal += tf.reduce_mean(variance, axis=0)
        weight = self.lambda_diagonal
        if weight is None:
            weight = self.lambda_off_diagonal * (10.0 if self.kind == "i" else 1.0)
        penalty = self.lambda_off_diagonal * tf.reduce_sum(squares)
        penalty += weight * tf.reduce_sum(tf.square(diagonal - 1.0))
        return tf.where(size > 1.0, penalty, 0.0)

    def objective(self, terms):
        return super().objective(terms) + terms.further["covariance_penalty"]

    def get_config(self):
        return {
            **super().get_config(),
            "kind": self.kind,
            "lambda_off_diagonal": self.lambda_off_diagonal,
            "lambda_diagonal": self.lambda_diagonal,
        }
