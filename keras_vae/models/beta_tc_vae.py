"""The beta-TCVAE: the KL in three parts, each with a weight of its own."""

import math

import keras
import tensorflow as tf

from keras_vae.arguments import check_integer, check_number
from keras_vae.models import checks
from keras_vae.models.vae import VAE

ESTIMATORS = ("mss", "mws")
PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")
_PARTS = "the KL is in three parts, weighed by alpha, beta and gamma"


@keras.saving.register_keras_serializable(package="keras_vae")
class BetaTCVAE(VAE):
    """Weighs the total correlation of the codes more than the rest of the KL.

    ```
    loss = reconstruction_loss + alpha * mutual_information
           + beta * total_correlation + gamma * dimension_wise_kl

    mutual_information = E[log q(z|x) - log q(z)]
    total_correlation  = E[log q(z) - sum_j log q(z_j)]
    dimension_wise_kl  = E[sum_j log q(z_j) - log p(z)]
    ```

    The three add up to the KL, of which at alpha = beta = gamma = 1 the loss has an
    unbiased estimate. q(z) = 1/N sum_n q(z|x_n) is over the data set; of the B examples
    of a batch it is estimated by

    ```
    "mws"   1/(N B) sum_n q(z|x_n)                                    (weighted)
    "mss"   1/N q(z|x) + (N-1)/N * 1/(B-1) sum_others q(z|x_n)        (stratified)
    ```

    where z was drawn of q(z|x). The second is unbiased for x and others of the data,
    and exact where the batch is the data set. The paper gives one of the others another
    weight than the rest; this is the average over the choice of that one, with the same
    expectation and never more variance. The first is too low by up to log N, in the
    joint density and in each z_j's: it serves to train, not to measure, for its
    total_correlation is too high by up to (latent_dim - 1) log N.

    When to use it: for codes of which each dimension means something alone, with less
    loss of reconstruction than a larger `beta` of `VAE` costs. When not: with small
    batches (both estimators are biased inside the logarithm, the less the larger the
    batch: 128 and more), or for sharp samples. It costs B^2 densities of q for each
    batch and draw, memory for as many, and no further network.

    The parts are statistics of a batch: those of an example depend on what else is in
    its batch, weights of examples do not enter q(z), and each replica has its own
    batch. In a batch of one, mutual_information is log N and total_correlation
    (latent_dim - 1) log N: constants, without a gradient.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        dataset_size: Integer N, examples in the training data.
        alpha: Weight of the mutual information.
        beta: Weight of the total correlation: a number or, as of `VAE`, a schedule.
        gamma: Weight of the dimension-wise KL.
        estimator: `"mss"` or `"mws"`.
        **kwargs: What else `VAE` takes, but `capacity`, `free_bits` and `flow`, which
            have no effect here and are refused.

    Raises:
        ValueError: If an argument is out of its range or has no effect.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = BetaTCVAE(*networks, dataset_size=64, beta=4.0, seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> sorted(set(vae.fit(x, verbose=0).history) & set(PARTS))
    ['dimension_wise_kl', 'mutual_information', 'total_correlation']

    Reference:
        Chen, Li, Grosse & Duvenaud, "Isolating Sources of Disentanglement in
        Variational Autoencoders" (2018), equations 2 and 3, appendix C.
    """

    MEASURES = (*VAE.MEASURES, *PARTS)
    UNUSED = {
        **dict.fromkeys(("capacity", "free_bits"), _PARTS),
        "flow": "it takes the density of each z_j alone, which a flow does not have",
    }

    def __init__(
        self,
        encoder,
        decoder,
        *,
        dataset_size,
        alpha=1.0,
        beta=6.0,
        gamma=1.0,
        estimator="mss",
        **kwargs,
    ):
        super().__init__(encoder, decoder, beta=beta, **kwargs)
        self.dataset_size = dataset_size
        self.alpha = alpha
        self.gamma = gamma
        self.estimator = estimator

    def __setattr__(self, name, value):
        if name in ("alpha", "gamma"):
            value = check_number(name, value, minimum=0.0)
        elif name == "dataset_size":
            value = check_integer(name, value, minimum=1)
        elif name == "estimator":
            checks.check_one_of(name, value, ESTIMATORS)
        super().__setattr__(name, value)

    def elbo_terms(self, inputs, target, noise, training=False):
        terms = super().elbo_terms(inputs, target, noise, training)
        q = checks.check_normal(self, terms.q)
        log_qz, log_qz_marginals = self._aggregate_log_prob(q, terms.z, noise)
        log_q = q.log_prob(terms.z)
        log_p = tf.cast(self.prior.log_prob(terms.z), tf.float32)
        parts = log_q - log_qz, log_qz - log_qz_marginals, log_qz_marginals - log_p
        means = [tf.reduce_mean(part, axis=0) for part in parts]
        return terms._replace(further=dict(zip(PARTS, means, strict=True)))

    def _aggregate_log_prob(self, q, z, noise):
        """Of log q(z) and sum_j log q(z_j) an estimate each, `(num_samples, batch)`."""
        num_samples, dim = z.shape[0], self.latent_dim
        mean, log_var = (tf.reshape(t, (-1, dim)) for t in (q.mean, q.log_var))
        z, noise = (tf.reshape(t, (num_samples, -1, dim)) for t in (z, noise))
        # log q(z_ij|x_n), (num_samples, i, n, j). A draw of x_n itself is weighed by
        # its noise: of z - z_mean few digits are left where q is narrow.
        distance = (z[:, :, None] - mean) * tf.exp(-0.5 * log_var)
        own = tf.eye(tf.shape(mean)[0], dtype=tf.bool)[None, :, :, None]
        distance = tf.where(own, noise[:, :, None], distance)
        log_q = -0.5 * (tf.square(distance) + log_var + math.log(2 * math.pi))
        log_weights = self._log_weights(tf.shape(mean)[0])
        joint = tf.reduce_logsumexp(tf.reduce_sum(log_q, -1) + log_weights, axis=2)
        marginals = tf.reduce_logsumexp(log_q + log_weights[:, :, None], axis=2)
        return joint, tf.reduce_sum(marginals, axis=-1)

    def _log_weights(self, batch_size):
        """Logarithms of the weights of q(z_i|x_n), `(i, n)`."""
        size = float(self.dataset_size)
        batch = tf.cast(batch_size, tf.float32)
        if self.estimator == "mws":
            return tf.fill((batch_size, batch_size), -tf.math.log(size * batch))
        # Of a batch of one there are no others.
        others = (size - 1.0) / (size * tf.maximum(batch - 1.0, 1.0))
        own = tf.eye(batch_size, dtype=tf.bool)
        return tf.where(own, -math.log(size), tf.math.log(others))

    def objective(self, terms):
        parts = [terms.further[name] for name in PARTS]
        weights = self.alpha, self.beta(self.step), self.gamma
        weighted = [weight * part for weight, part in zip(weights, parts, strict=True)]
        return terms.reconstruction_loss + tf.add_n(weighted)

    def get_config(self):
        return {
            **super().get_config(),
            "dataset_size": self.dataset_size,
            "alpha": self.alpha,
            "gamma": self.gamma,
            "estimator": self.estimator,
        }
