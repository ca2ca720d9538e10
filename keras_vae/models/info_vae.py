"""The InfoVAE: the aggregate posterior is held near the prior by kernels."""

import keras
import tensorflow as tf

from keras_vae.arguments import check_number
from keras_vae.models import checks
from keras_vae.models.vae import VAE

KERNELS = ("imq", "rbf")
_USE = 1  # what the seeds of its draws are for
_ALPHA = "the KL is weighed by 1 - alpha"


@keras.saving.register_keras_serializable(package="keras_vae")
class InfoVAE(VAE):
    """Brings q(z), the codes of all data, near the prior, by a distance between draws.

    ```
    loss = reconstruction_loss + (1 - alpha) * kl_loss + (alpha + lambda_mmd - 1) * mmd
    mmd  = E[k(z, z')] + E[k(y, y')] - 2 E[k(z, y)],        z, z' ~ q(z),  y, y' ~ p(z)
    ```

    is the squared maximum mean discrepancy, estimated without bias from the n draws of
    a batch and as many of the prior: the first two means are over pairs of different
    draws, the third over all n^2. It may therefore be negative. The kernels k are sums
    over `scales` s, with C = 2 s latent_dim, the distance that two draws of a standard
    normal prior have, squared:

    ```
    "imq"   C / (C + |z - y|^2)
    "rbf"   exp(-|z - y|^2 / C)
    ```

    At alpha = 0, lambda_mmd = 1 it is `VAE`. At alpha = 1 there is no KL: that is the
    Wasserstein autoencoder WAE-MMD of weight lambda_mmd, with an encoder that draws.
    Nothing then keeps the variance of q from going to 0, where its encoder is the
    deterministic one; a `Delta` posterior itself is not offered, since all else here
    (`elbo`, `marginal_log_likelihood`) rests on a density.

    When to use it: where a strong decoder ignores z (the KL punishes information about
    x in z, the mmd does not), or for a WAE. When not: for a better bound of log p(x);
    with many latent dimensions the kernels see little of what differs. It costs
    3 n^2 kernels for each batch and draw, and draws of the prior.

    The mmd is of a batch and the same number for all its examples; their weights do
    not enter it, and each replica has its own. In a batch of one, which has no pairs,
    it is 0. The draws of the prior are made of `seed` and `step`: `evaluate` of a model
    that stays as it is gives the same numbers again, for one batch size.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        alpha: Number <= 1: how much of the KL is left out.
        lambda_mmd: Number >= 1 - alpha, lambda in the paper.
        kernel: `"imq"`, inverse multiquadratic, with heavy tails; or `"rbf"`.
        scales: Tuple of positive numbers.
        **kwargs: What else `VAE` takes, but `beta`, `capacity` and `free_bits`, which
            have no effect here and are refused.

    Raises:
        ValueError: If an argument is out of its range or has no effect.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> wae = InfoVAE(*networks, alpha=1.0, lambda_mmd=10.0, seed=0)
    >>> wae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> sorted(wae.fit(x, verbose=0).history)
    ['elbo', 'kl_loss', 'loss', 'mmd', 'reconstruction_loss']

    Reference:
        Zhao, Song & Ermon, "InfoVAE: Balancing Learning and Inference in Variational
        Autoencoders" (2019), equation 6; Tolstikhin, Bousquet, Gelly & Schoelkopf,
        "Wasserstein Auto-Encoders" (2018), algorithm 2; Gretton et al., "A Kernel
        Two-Sample Test" (2012), equation 3.
    """

    MEASURES = (*VAE.MEASURES, "mmd")
    UNUSED = dict.fromkeys(("beta", "capacity", "free_bits"), _ALPHA)

    def __init__(
        self,
        encoder,
        decoder,
        *,
        alpha=0.5,
        lambda_mmd=100.0,
        kernel="imq",
        scales=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        **kwargs,
    ):
        super().__init__(encoder, decoder, **kwargs)
        self.alpha = alpha
        self.lambda_mmd = lambda_mmd
        self.kernel = kernel
        self.scales = scales

    def __setattr__(self, name, value):
        if name in ("alpha", "lambda_mmd"):
            value = check_number(name, value)
            other = "lambda_mmd" if name == "alpha" else "alpha"
            other_value = getattr(self, other, 1.0 - value)
            if name == "alpha" and value > 1:
                raise ValueError(
                    f"`alpha` should be a number <= 1. Received: alpha={value}"
                )
            if value + other_value < 1:
                raise ValueError(
                    "`alpha` + `lambda_mmd` - 1, the weight of the mmd, should not be "
                    f"negative. Received: {name}={value}, {other}={other_value}"
                )
        elif name == "kernel":
            checks.check_one_of(name, value, KERNELS)
        elif name == "scales":
            value = tuple(check_number("scales", scale) for scale in value)
            if not value or min(value) <= 0:
                raise ValueError(
                    "`scales` should be a tuple of positive numbers. "
                    f"Received: scales={value}"
                )
        super().__setattr__(name, value)

    def elbo_terms(self, inputs, target, noise, training=False):
        terms = super().elbo_terms(inputs, target, noise, training)
        num_rows = tf.shape(terms.z)[1]
        of_prior = self.prior.sample(self.step_seeds(_USE, num_rows), self.latent_shape)
        mmd = self._mmd(terms.z, tf.cast(of_prior, tf.float32))
        return terms._replace(further={"mmd": tf.fill((num_rows,), mmd)})

    def _mmd(self, z, of_prior):
        """Mean over the draws `(num_samples, batch, ...)` of the estimate for each."""
        z = tf.reshape(z, (z.shape[0], -1, self.latent_dim))
        of_prior = tf.reshape(of_prior, (1, -1, self.latent_dim))
        size = tf.cast(tf.shape(z)[1], tf.float32)
        # A draw with itself, at distance 0, is no pair: it counts len(scales).
        itself = len(self.scales) * size
        pairs = tf.maximum(size * (size - 1.0), 1.0)
        of_codes, of_draws = (
            (tf.reduce_sum(self._kernel(a, a), axis=(1, 2)) - itself) / pairs
            for a in (z, of_prior)
        )
        across = tf.reduce_mean(self._kernel(z, of_prior), axis=(1, 2))
        mmd = tf.reduce_mean(of_codes + of_draws - 2.0 * across)
        return tf.where(size > 1.0, mmd, 0.0)

    def _kernel(self, a, b):
        """`(num_samples, n, m)` from `(num_samples, n, latent_dim)` and `(., m, .)`."""
        # The difference before the square: no digits are lost, and a draw is at
        # distance 0 from itself.
        squares = tf.square(a[:, :, None] - b[:, None, :])
        distances = tf.reduce_sum(squares, axis=-1)
        spans = [2.0 * scale * self.latent_dim for scale in self.scales]
        if self.kernel == "imq":
            return tf.add_n([span / (span + distances) for span in spans])
        return tf.add_n([tf.exp(-distances / span) for span in spans])

    def objective(self, terms):
        kl = (1.0 - self.alpha) * terms.kl_loss
        mmd = (self.alpha + self.lambda_mmd - 1.0) * terms.further["mmd"]
        return terms.reconstruction_loss + kl + mmd

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "lambda_mmd": self.lambda_mmd,
            "kernel": self.kernel,
            "scales": self.scales,
        }
