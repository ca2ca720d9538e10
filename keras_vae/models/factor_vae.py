"""The FactorVAE: a discriminator measures the total correlation of the codes."""

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integers, check_number
from keras_vae.models.fused_adam import fused
from keras_vae.models.vae import VAE

_USE = 2  # what the seeds of its permutations are for


@keras.saving.register_keras_serializable(package="keras_vae")
class FactorVAE(VAE):
    """Penalises the total correlation of the codes, which a discriminator estimates.

    ```
    loss = loss of VAE + gamma * total_correlation
    total_correlation  = E_q(z)[log D(z) - log(1 - D(z))]
    discriminator_loss = -E_q(z)[log D(z)] / 2 - E_q'(z)[log(1 - D(z))] / 2
    ```

    The discriminator D tells draws of q(z) from draws of q'(z) = prod_j q(z_j), made of
    the same batch by another permutation of its examples in each dimension. Where D is
    at its best, log D - log(1 - D) is log q(z) / q'(z), of which the mean is the total
    correlation; where it knows nothing, discriminator_loss is log 2. Both networks
    learn in one step and one backward pass, each from its own loss and with an
    optimizer of its own. (The paper permutes the codes of a second batch.)

    When to use it: as `BetaTCVAE`, of which the estimate depends on the batch size and
    this one does not. When not: where a second network that has to keep up is too much
    to watch: a discriminator_loss at log 2 from the beginning says nothing of z. It
    costs, with the paper's discriminator, 5 million weights and a pass through it for
    each draw, forward and backward, in float32.

    Permutations are within the batch of a replica; in a batch of one there is none,
    and discriminator_loss is about log 2. In `evaluate` total_correlation of an example
    depends on that alone, discriminator_loss on its batch. A weight of an example
    weighs its part of both losses.

    Args:
        encoder: As of `VAE`.
        decoder: As of `VAE`.
        gamma: Weight of the total correlation.
        discriminator: Keras model, `(batch, latent_dim)` -> one logit,
            `(batch, 1)`, of log D - log(1 - D); `None` for dense layers with leaky
            relu.
        hidden_units: Tuple of integers, the hidden layers of that.
        **kwargs: What else `VAE` takes.

    Attributes:
        discriminator: The model.
        discriminator_optimizer: Its optimizer, after `compile`.

    Raises:
        ValueError: If an argument is out of its range, or the discriminator does not
            fit the codes.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = FactorVAE(*networks, gamma=6.4, hidden_units=(16, 16), seed=0)
    >>> vae.compile("adam", discriminator_optimizer=keras.optimizers.Adam(1e-3))
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = vae.fit(x, verbose=0).history
    >>> 0.6 < history["discriminator_loss"][0] < 0.8
    True

    Reference:
        Kim & Mnih, "Disentangling by Factorising" (2018), equations 2 and 3,
        algorithm 2, appendix A.
    """

    MEASURES = (*VAE.MEASURES, "total_correlation", "discriminator_loss")
    FIXED = (*VAE.FIXED, "discriminator", "hidden_units")

    def __init__(
        self,
        encoder,
        decoder,
        *,
        gamma=10.0,
        discriminator=None,
        hidden_units=(1000,) * 6,
        **kwargs,
    ):
        super().__init__(encoder, decoder, **kwargs)
        self.gamma = gamma
        self.hidden_units = check_integers("hidden_units", hidden_units, empty=True)
        self._has_own_discriminator = discriminator is None
        if discriminator is None:
            discriminator = _dense(self.latent_dim, self.hidden_units, self.seed)
        _check_discriminator(discriminator, self.latent_dim)
        self.discriminator = discriminator

    def __setattr__(self, name, value):
        if name == "gamma":
            value = check_number(name, value, minimum=0.0)
        super().__setattr__(name, value)

    def compile(
        self, optimizer="adam", loss=None, *, discriminator_optimizer=None, **kwargs
    ):
        """Configures training; see `VAE.compile`.

        Args:
            optimizer: Of encoder, decoder, prior and likelihood.
            loss: Not to be given.
            discriminator_optimizer: Name or instance of a Keras optimizer; `None` is
                the paper's, `Adam(1e-4, beta_1=0.5, beta_2=0.9)`.
            **kwargs: As of `VAE.compile`.

        Raises:
            ValueError: As of `VAE.compile`, or for one optimizer in both places.
        """
        if discriminator_optimizer is None:
            discriminator_optimizer = keras.optimizers.Adam(1e-4, 0.5, 0.9)
        discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)
        if discriminator_optimizer is optimizer:
            raise ValueError(
                "`discriminator_optimizer` should be an optimizer of its own. "
                "Received: the same object as `optimizer`"
            )
        # Built, with the other one, by what the next line calls.
        self.discriminator_optimizer = discriminator_optimizer
        super().compile(optimizer, loss, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["discriminator_optimizer"] = keras.saving.serialize_keras_object(
                self.discriminator_optimizer
            )
        return config

    def build_optimizer(self):
        own, others = self._split(self.trainable_variables)
        self.discriminator_optimizer.build(own)
        self.optimizer.build(others)

    @property
    def optimizer_variables(self):
        return [*self.optimizer.variables, *self.discriminator_optimizer.variables]

    def apply_gradients(self, gradients, variables):
        own_gradients, gradients = self._split(variables, gradients)
        own, others = self._split(variables)
        # What `scale_loss` did under float16, the other optimizer does not know of. Of
        # what has overflowed by it nothing is learned, as there.
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        finite = tf.math.is_finite(tf.linalg.global_norm(own_gradients))
        own_gradients = [tf.where(finite, g / scale, 0.0) for g in own_gradients]
        with fused(self.discriminator_optimizer):
            self.discriminator_optimizer.apply(own_gradients, own)
        with fused(self.optimizer):
            self.optimizer.apply(gradients, others)

    def _split(self, variables, values=None):
        """Values (the variables themselves unless given) of the discriminator, and of
        the rest."""
        of_discriminator = {id(v) for v in self.discriminator.trainable_variables}
        parts = [], []
        for variable, value in zip(variables, values or variables, strict=True):
            parts[id(variable) not in of_discriminator].append(value)
        return parts

    def elbo_terms(self, inputs, target, noise, training=False):
        terms = super().elbo_terms(inputs, target, noise, training)
        shape = tf.shape(terms.log_likelihood)
        z = tf.reshape(terms.z, (-1, self.latent_dim))
        apart = tf.stop_gradient(z)
        # One pass for both losses. The discriminator's learns from `logits`, which know
        # its weights and not where z is from; of the other only the slope at z is
        # taken, in which the weights are numbers.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(apart)
            logits = self._logits(apart, training)
        slope = tf.stop_gradient(tape.gradient(logits, apart))
        along_z = tf.reduce_sum(slope * (z - apart), axis=-1)
        total_correlation = tf.stop_gradient(logits) + along_z
        of_permuted = self._logits(self._permuted(apart, shape), training)
        discriminator_loss = (tf.nn.softplus(-logits) + tf.nn.softplus(of_permuted)) / 2
        return terms._replace(
            further={
                name: tf.reduce_mean(tf.reshape(value, shape), axis=0)
                for name, value in (
                    ("total_correlation", total_correlation),
                    ("discriminator_loss", discriminator_loss),
                )
            }
        )

    def _logits(self, z, training):
        logits = self.discriminator(z, training=training)
        return tf.cast(tf.reshape(logits, (-1,)), tf.float32)

    def _permuted(self, z, shape):
        """z with the examples of each draw permuted, in each dimension by itself."""
        num_samples, dim = shape[0], self.latent_dim
        rows = noise.uniform(self.step_seeds(_USE, tf.shape(z)[0]), dim)
        order = tf.argsort(tf.reshape(rows, (num_samples, -1, dim)), axis=1)
        z = tf.reshape(z, (num_samples, -1, dim))
        z = tf.gather(
            tf.transpose(z, (0, 2, 1)), tf.transpose(order, (0, 2, 1)), batch_dims=2
        )
        return tf.reshape(tf.transpose(z, (0, 2, 1)), (-1, dim))

    def objective(self, terms):
        # Of the discriminator's loss the gradient is added and not the value, which is
        # no part of what encoder and decoder minimise.
        its_loss = terms.further["discriminator_loss"]
        its_gradient = its_loss - tf.stop_gradient(its_loss)
        total_correlation = terms.further["total_correlation"]
        return super().objective(terms) + self.gamma * total_correlation + its_gradient

    def get_config(self):
        discriminator = None
        if not self._has_own_discriminator:
            discriminator = keras.saving.serialize_keras_object(self.discriminator)
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "discriminator": discriminator,
            "hidden_units": self.hidden_units,
        }


def _dense(latent_dim, hidden_units, seed):
    """The discriminator of the paper, in float32 under any dtype policy."""
    z = keras.Input((latent_dim,), dtype="float32", name="z")
    hidden = z
    for index, units in enumerate((*hidden_units, 1)):
        # Each layer with a seed of its own: with one for all, layers of one shape
        # would be alike.
        initializer = keras.initializers.GlorotUniform(
            None if seed is None else seed + index
        )
        hidden = keras.layers.Dense(
            units, kernel_initializer=initializer, dtype="float32"
        )(hidden)
        if index < len(hidden_units):
            hidden = keras.layers.LeakyReLU(0.2, dtype="float32")(hidden)
    return keras.Model(z, hidden, name="discriminator")


def _check_discriminator(discriminator, latent_dim):
    shapes = None
    if isinstance(discriminator, keras.Model) and discriminator.built:
        shapes = [
            tuple(tensor.shape)
            for tensor in (*discriminator.inputs, *discriminator.outputs)
        ]
    if shapes != [(None, latent_dim), (None, 1)]:
        raise ValueError(
            f"`discriminator` should be a Keras model of z, (batch, {latent_dim}), "
            f"with one logit, (batch, 1). Received: {discriminator!r} of shapes "
            f"{shapes}"
        )
