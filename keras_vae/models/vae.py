"""The variational autoencoder."""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_vae import likelihoods, noise, priors, schedules
from keras_vae.layers.sampling import Sampling, reparameterize
from keras_vae.models import checks
from keras_vae.models.answers import Answers
from keras_vae.models.float32 import float32_copy
from keras_vae.models.trainer import Trainer

# exp() of these neither overflows a sum over the batch nor underflows a variance.
LOG_VAR_RANGE = (-30.0, 20.0)


class ElboTerms(NamedTuple):
    """What an objective is made of; see `VAE.elbo_terms`."""

    z_mean: tf.Tensor  # (batch, latent_dim)
    z_log_var: tf.Tensor  # (batch, latent_dim)
    z: tf.Tensor  # (num_samples, batch, latent_dim)
    reconstruction_loss: tf.Tensor  # (batch,), nats, averaged over the draws
    kl: tf.Tensor  # (batch, groups), nats; its sum over groups is kl_loss


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(Answers, Trainer):
    """Variational autoencoder: an encoder and a decoder trained to maximise the ELBO.

    ```
    elbo(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))  <=  log p(x)
    loss    = reconstruction_loss + beta * kl_loss       (free_bits = 0, no capacity)
    loss    = reconstruction_loss + beta * |kl_loss - capacity|
    ```

    A `keras.Model` like any other: `compile`, `fit`, `evaluate`, `predict`, callbacks
    and `.keras` files. `fit` takes `x`; `(x, target)` to encode `x` and explain
    `target` (a denoising VAE); and `sample_weight`. It logs, as means over the epoch,
    `loss` and, in nats per example, `reconstruction_loss`, `kl_loss` (never weighted)
    and `elbo` (always at beta 1). `evaluate` draws its noise from fixed seeds: the
    same data give the same numbers, with any batch size.

    Args:
        encoder: Functional Keras model, `x` -> `[z_mean, z_log_var]`.
        decoder: Functional or sequential Keras model, `z` -> parameters of p(x|z),
            shape `(batch, *likelihood.parameter_shape(data_shape))`, unconstrained.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        prior: Name or instance of a `keras_vae.priors.Prior`.
        beta: Weight of the KL: a number or a schedule (`keras_vae.schedules`).
        capacity: Target of the KL in nats: a number, a schedule or `None`.
        free_bits: Floor, in nats, under each latent dimension's KL (averaged over
            the batch) in the loss.
        num_samples: Draws of z for each example over which the ELBO is averaged.
        standardize: `None` or a `keras_vae.layers.Standardize`: data go in and come
            out in their own units, while encoder, decoder and likelihood see
            (and all nats are of) standardised data.
        seed: Integer seed of the noise in training; `None` draws one.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Model`.

    Attributes:
        latent_dim: Integer, size of `z`.
        data_shape: Tuple, shape of one example.
        sampling: The `Sampling` layer.
        step: Batches trained on so far: the position in the schedules, saved with the
            model.

    Raises:
        ValueError: If encoder, decoder and likelihood do not fit one another, or an
            argument is out of its range.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder, beta=1.0, seed=0)
    >>> vae.compile(optimizer="adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = vae.fit(x, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['elbo', 'kl_loss', 'loss', 'reconstruction_loss']
    >>> vae.sample(3, seed=0).shape
    (3, 4)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), equation 7; Higgins
        et al., "beta-VAE" (2017), equation 4; Burgess et al., "Understanding
        disentangling in beta-VAE" (2018), equation 8; Kingma et al., "Improving
        Variational Inference with Inverse Autoregressive Flow" (2016), equation 15.
    """

    def __init__(
        self,
        encoder,
        decoder,
        *,
        likelihood="bernoulli",
        prior="standard_normal",
        beta=1.0,
        capacity=None,
        free_bits=0.0,
        num_samples=1,
        standardize=None,
        seed=None,
        **kwargs,
    ):
        # The parts cast for themselves: x must not become a float16 on its way in.
        super().__init__(autocast=False, **kwargs)
        self.likelihood = likelihoods.get(likelihood)
        self.data_shape, self.latent_dim = checks.check_networks(
            encoder, decoder, self.likelihood
        )
        self.encoder = encoder
        self.decoder = decoder
        self.prior = priors.get(prior)
        self.beta = schedules.get(beta)
        self.capacity = (
            None if capacity is None else schedules.get(capacity, "capacity")
        )
        self.free_bits = checks.check_number("free_bits", free_bits, minimum=0.0)
        self.num_samples = checks.check_integer("num_samples", num_samples, minimum=1)
        self.standardize = standardize
        self.seed = seed
        self.sampling = Sampling(seed=seed, name="sampling")
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.reconstruction_loss_tracker = keras.metrics.Mean("reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean("kl_loss")
        self.elbo_tracker = keras.metrics.Mean("elbo")
        self.built = True

    # Tensors in, tensors out: what training, the methods and the export are made of.

    def posterior(self, x, training=False):
        """Parameters of q(z|x), as tensors.

        Args:
            x: Tensor `(batch, *data_shape)`, in the data's units.
            training: Whether the encoder runs in training mode.

        Returns:
            `(z_mean, z_log_var)`, float32 tensors `(batch, latent_dim)`. `z_log_var` is
            held within [-30, 20]; its gradient passes as if it were not.
        """
        x = checks.check_batch("x", x, self.data_shape)
        if self.standardize is not None:
            x = self.standardize(x)
        z_mean, z_log_var = self.encoder(x, training=training)
        z_log_var = tf.cast(z_log_var, tf.float32)
        # Straight through: a clipped gradient would leave an encoder that overshot
        # no way back.
        excess = tf.stop_gradient(
            tf.clip_by_value(z_log_var, *LOG_VAR_RANGE) - z_log_var
        )
        return tf.cast(z_mean, tf.float32), z_log_var + excess

    def reconstruction(self, z, training=False):
        """Mean of p(x|z), as a tensor.

        Args:
            z: Tensor `(batch, latent_dim)`.
            training: Whether the decoder runs in training mode.

        Returns:
            float32 tensor `(batch, *data_shape)`, in the data's units.
        """
        mean = self.likelihood.mean(self.decoder(z, training=training))
        return mean if self.standardize is None else self.standardize.inverse(mean)

    def call(self, x, training=False):
        """Reconstruction of `x`, decoded from the posterior's mean."""
        z_mean, _ = self.posterior(x, training=training)
        return self.reconstruction(z_mean, training=training)

    def elbo_terms(self, x, target, training=False, seed=None):
        """The parts of the ELBO for one batch.

        Args:
            x: Tensor `(batch, *data_shape)`: what is encoded.
            target: Tensor `(batch, *data_shape)`: what is explained.
            training: Whether encoder and decoder run in training mode.
            seed: int32 tensor `(batch, 2)`, from which the noise is drawn row by row,
                or `None` to draw it from the `sampling` layer.

        Returns:
            `ElboTerms`.
        """
        z_mean, z_log_var = self.posterior(x, training=training)
        shape = (self.num_samples, -1, self.latent_dim)
        if seed is None:
            repeats = (self.num_samples, 1)
            z = self.sampling([tf.tile(z_mean, repeats), tf.tile(z_log_var, repeats)])
            z = tf.reshape(z, shape)
        else:
            draws = noise.normal(seed, self.num_samples * self.latent_dim)
            draws = tf.reshape(draws, (-1, self.num_samples, self.latent_dim))
            draws = tf.transpose(draws, (1, 0, 2))
            z = reparameterize(z_mean, z_log_var, draws)
        log_prob = self.log_likelihood(target, z, training)
        return ElboTerms(
            z_mean=z_mean,
            z_log_var=z_log_var,
            z=z,
            reconstruction_loss=-tf.reduce_mean(log_prob, axis=0),
            kl=self.prior.kl(z_mean, z_log_var, z),
        )

    def log_likelihood(self, target, z, training=False):
        """log p(target|z) for several draws of z for each example, as a tensor.

        Args:
            target: Tensor `(batch, *data_shape)`, in the data's units.
            z: Tensor `(num_samples, batch, latent_dim)`.
            training: Whether the decoder runs in training mode.

        Returns:
            float32 tensor `(num_samples, batch)`, nats.
        """
        num_samples = z.shape[0]
        parameters = self.decoder(
            tf.reshape(z, (-1, self.latent_dim)), training=training
        )
        if self.standardize is not None:
            target = self.standardize(target)
        if num_samples > 1:
            target = tf.tile(target, (num_samples, *[1] * len(self.data_shape)))
        log_prob = self.likelihood.log_prob(target, parameters, training=training)
        return tf.reshape(log_prob, (num_samples, -1))

    def objective(self, terms):
        """What is minimised, per example: the method that a new objective overrides.

        Args:
            terms: `ElboTerms` of a batch.

        Returns:
            Tensor `(batch,)`; its mean over the batch is `loss` (to which the model
            adds the regularisation losses of its layers).
        """
        kl = terms.kl
        if self.free_bits > 0:
            # Kingma et al. (2016), equation 15: the floor is under the batch's mean.
            # Where it holds, each example contributes the floor itself: the same mean
            # and no gradient.
            above = tf.reduce_mean(kl, axis=0) > self.free_bits
            kl = tf.where(above, kl, self.free_bits)
        kl = tf.reduce_sum(kl, axis=-1)
        if self.capacity is not None:
            kl = tf.abs(kl - self.capacity(self.step))
        return terms.reconstruction_loss + self.beta(self.step) * kl

    # Training.

    def train_step(self, data):
        x, target, sample_weight = self._unpack(data)
        with tf.GradientTape() as tape:
            terms = self.elbo_terms(x, target, training=True)
            loss = self._loss(terms, sample_weight)
            # Gradients are summed over the replicas.
            replicas = self.distribute_strategy.num_replicas_in_sync
            scaled_loss = self.optimizer.scale_loss(loss / replicas)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        loss = self._update(loss, gradients, variables)
        return self._log(x, target, terms, loss, sample_weight)

    def test_step(self, data):
        x, target, sample_weight = self._unpack(data)
        terms = self.elbo_terms(x, target, seed=self._evaluation_seed(tf.shape(x)[0]))
        loss = self._loss(terms, sample_weight)
        return self._log(x, target, terms, loss, sample_weight)

    def _unpack(self, data):
        """Checked `x`, `target` and `sample_weight` of what `fit` hands over."""
        x, target, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = checks.check_batch("x", x, self.data_shape)
        if target is None:
            target = x
        else:
            target = checks.check_batch("target", target, self.data_shape)
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, tf.float32), (-1,))
            sample_weight = tf.ensure_shape(sample_weight, target.shape[:1])
        return x, target, sample_weight

    def _loss(self, terms, sample_weight):
        objective = self.objective(terms)
        if sample_weight is not None:
            objective = objective * sample_weight
        return tf.add_n([tf.reduce_mean(objective), *self.losses])

    def _update(self, loss, gradients, variables):
        """Applies the gradients unless something is not finite; returns the loss.

        After a bad step nothing is learned until the metrics are reset: the weights
        and `step` stay those of the last good step, and the loss reads nan.
        """

        def apply():
            self.optimizer.apply(gradients, variables)
            self.step.assign_add(1)
            return loss

        if self.distribute_strategy.num_replicas_in_sync > 1:
            return apply()  # an optimizer cannot update inside a branch of a replica
        finite = tf.math.is_finite(loss + self._loss_tracker.total)
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))
        return tf.cond(finite, apply, lambda: tf.constant(float("nan")))

    def _log(self, x, target, terms, loss, sample_weight):
        kl_loss = tf.reduce_sum(terms.kl, axis=-1)
        reconstruction_loss = terms.reconstruction_loss
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(x)[0])
        self.reconstruction_loss_tracker.update_state(
            reconstruction_loss, sample_weight=sample_weight
        )
        self.kl_loss_tracker.update_state(kl_loss, sample_weight=sample_weight)
        self.elbo_tracker.update_state(
            -(reconstruction_loss + kl_loss), sample_weight=sample_weight
        )
        if self._compile_metrics is None:
            return self.get_metrics_result()
        reconstruction = self.reconstruction(terms.z_mean)
        return self.compute_metrics(x, target, reconstruction, sample_weight)

    def _evaluation_seed(self, batch_size):
        """One seed for each example by its place in the data, as `elbo` has."""
        start = tf.cast(self._loss_tracker.count, tf.int32)
        replica = 0
        if self.distribute_strategy.num_replicas_in_sync > 1:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.stack(
            [tf.fill([batch_size], replica), start + tf.range(batch_size)], axis=1
        )

    # Files.

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Exports the reconstruction `vae(x)`; see `keras.Model.export`.

        `keras_vae.export.export_saved_models` exports encoder and decoder instead.

        Args:
            filepath: Path to write to.
            format: As in Keras. What is written computes in float32.
            verbose: As in Keras.
            input_signature: What the endpoint takes; by default batches of data, `x`.
            **kwargs: Further arguments of `keras.Model.export`.
        """
        if input_signature is None:
            input_signature = [
                tf.TensorSpec((None, *self.data_shape), tf.float32, name="x")
            ]
        super(VAE, float32_copy(self)).export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        return {
            **{k: config[k] for k in ("name", "trainable", "dtype") if k in config},
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "likelihood": serialize(self.likelihood),
            "prior": serialize(self.prior),
            "beta": serialize(self.beta),
            "capacity": serialize(self.capacity),
            "free_bits": self.free_bits,
            "num_samples": self.num_samples,
            "standardize": serialize(self.standardize),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict)
            else value
            for key, value in config.items()
        }
        return cls(**config)

    def _random_states(self):
        """Seed generators of the networks' own layers (dropout, say), by name.

        Keras saves none of them; `Sampling` saves its own.
        """
        for name in ("encoder", "decoder"):
            part = getattr(self, name)
            weights = {id(weight) for weight in part.weights}
            states = [v for v in part.variables if id(v) not in weights]
            for index, state in enumerate(states):
                yield f"{name}_random_state_{index}", state

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for name, state in self._random_states():
            store[name] = state

    def load_own_variables(self, store):
        # As Keras saves them: the weights of this model itself, by number.
        own = [*self._trainable_variables, *self._non_trainable_variables]
        for index, variable in enumerate(own):
            variable.assign(store[f"{index}"])
        for name, state in self._random_states():
            state.assign(store[name])
