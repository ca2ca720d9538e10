"""The importance-weighted autoencoder."""

import math

import keras
import tensorflow as tf

from keras_vae.models import checks
from keras_vae.models.elbo_terms import ElboTerms
from keras_vae.models.vae import VAE

GRADIENTS = ("reparameterized", "doubly_reparameterized")
_NO_KL = "the bound weighs draws by p(x, z) / q(z|x) and has no KL of its own"


@keras.saving.register_keras_serializable(package="keras_vae")
class IWAE(VAE):
    """Trains a tighter bound of log p(x), of several draws weighed together.

    ```
    iwae_bound = E[ log 1/K sum_k w_k ],     w_k = p(x|z_k) p(z_k) / q(z_k|x)
    elbo  <=  iwae_bound  <=  log p(x),      loss = -iwae_bound
    ```

    where K is `num_samples`; the bound never falls with K, and with one draw it is the
    ELBO. Logged are `iwae_bound` and the parts of the ELBO (an average over the draws).

    The gradient of q is the total derivative of that, or the doubly reparameterized
    one, which has the same expectation and, unless q is narrower than the true
    posterior, less variance, the less the more draws:

    ```
    sum_k v_k^2  d log w_k / d z_k  d z_k / d phi,     v_k = w_k / sum_j w_j
    ```

    where phi, the encoder's weights, is held fixed inside log q. Decoder and prior have
    the gradient of the bound in both cases.

    When to use it: for a better generative model at the same networks, measured by
    log p(x). When not: for good codes; with more draws the signal-to-noise ratio of the
    reparameterized gradient of q falls as 1 / sqrt(K), and q need no longer be near the
    true posterior. `gradient="doubly_reparameterized"` mends the first. It costs K
    passes through the decoder for each example, one through the encoder.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        num_samples: Integer K, draws of z for each example.
        gradient: `"reparameterized"`, or `"doubly_reparameterized"` for a diagonal
            normal posterior.
        **kwargs: What else `VAE` takes, but `beta`, `capacity` and `free_bits`, which
            have no effect here and are refused.

    Raises:
        ValueError: If an argument is out of its range, has no effect, or the gradient
            is not known for the posterior.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> iwae = IWAE(*networks, num_samples=5, gradient="doubly_reparameterized", seed=0)
    >>> iwae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = iwae.fit(x, verbose=0).history
    >>> history["elbo"] <= history["iwae_bound"]
    True

    Reference:
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016),
        equation 8; Tucker, Lawson, Gu & Maddison, "Doubly Reparameterized Gradient
        Estimators for Monte Carlo Objectives" (2019), equation 8; Rainforth et al.,
        "Tighter Variational Bounds are Not Necessarily Better" (2018), theorem 1.
    """

    MEASURES = (*VAE.MEASURES, "iwae_bound")
    UNUSED = dict.fromkeys(("beta", "capacity", "free_bits"), _NO_KL)

    def __init__(
        self,
        encoder,
        decoder,
        *,
        num_samples=5,
        gradient="reparameterized",
        **kwargs,
    ):
        super().__init__(encoder, decoder, num_samples=num_samples, **kwargs)
        self.gradient = gradient

    def __setattr__(self, name, value):
        if name == "gradient":
            checks.check_one_of(name, value, GRADIENTS)
            if value == "doubly_reparameterized" and self.flow is not None:
                raise ValueError(
                    "`gradient` should be 'reparameterized' with a flow, of which the "
                    f"density at a fixed z is not known. Received: gradient={value!r}"
                )
        super().__setattr__(name, value)

    def elbo_terms(self, inputs, target, noise, training=False):
        if self.gradient == "reparameterized":
            terms = super().elbo_terms(inputs, target, noise, training)
        else:
            terms = self._doubly_reparameterized(inputs, target, noise, training)
        # By the terms' own number of draws: `num_samples` may change.
        num_samples = terms.log_weights.shape[0]
        bound = tf.reduce_logsumexp(terms.log_weights, axis=0) - math.log(num_samples)
        return terms._replace(further={"iwae_bound": bound})

    def _doubly_reparameterized(self, inputs, target, noise, training):
        """The same terms, whose gradient by the parameters of q is the other one."""
        q = checks.check_normal(self, self.posterior(inputs, training=training))
        log_weights = None

        # The objective's derivative by log w_k is the normalised weight v_k. On its way
        # to q the gradient passes here, and is multiplied by v_k once more.
        @tf.custom_gradient
        def gate(z):
            def multiply(upstream):
                weights = tf.stop_gradient(tf.nn.softmax(log_weights, axis=0))
                axes = (1,) * (upstream.shape.rank - 2)
                return upstream * tf.reshape(weights, (*weights.shape[:1], -1, *axes))

            return tf.identity(z), multiply

        drawn = q.sample(noise)
        z = gate(drawn)
        log_likelihood = self.log_likelihood(inputs, target, z, training)
        # log q with its parameters held fixed: the value from the noise, which keeps
        # all digits where q is narrow, and the slope at z, which is -noise / std.
        slope = tf.stop_gradient(-noise * tf.exp(-0.5 * q.log_var))
        axes = list(range(2, noise.shape.rank))
        along_z = tf.reduce_sum(slope * (z - tf.stop_gradient(z)), axis=axes)
        log_q = tf.stop_gradient(q.log_prob(drawn)) + along_z
        log_prior, kl = self.prior.log_prob_and_kl(q, z, log_q)
        log_weights = log_likelihood + tf.cast(log_prior, tf.float32) - log_q
        kl = tf.cast(kl, tf.float32)
        return ElboTerms(q, drawn, log_likelihood, kl, log_weights)

    def objective(self, terms):
        return -terms.further["iwae_bound"]

    def get_config(self):
        return {**super().get_config(), "gradient": self.gradient}
