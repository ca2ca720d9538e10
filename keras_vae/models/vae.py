"""The variational autoencoder."""

import functools
import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_vae import likelihoods, noise, priors, schedules
from keras_vae.layers.sampling import Sampling, reparameterize
from keras_vae.models import checks
from keras_vae.models.training_guard import TrainingGuard

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
class VAE(keras.Model):
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
        step: Updates made so far: the position in the schedules, saved with the model.

    Raises:
        ValueError: If encoder, decoder and likelihood do not fit one another, or an
            argument is out of its range.

    Example:

    >>> import keras_vae
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

    def compile(self, optimizer="adam", *, metrics=None, **kwargs):
        """Configures training; see `keras.Model.compile`.

        Args:
            optimizer: Name or instance of a Keras optimizer.
            metrics: Keras metrics of `(target, reconstruction)`.
            **kwargs: `weighted_metrics`, `run_eagerly`, `steps_per_execution`,
                `jit_compile`, `auto_scale_loss` of `keras.Model.compile`.

        Raises:
            ValueError: If a `loss` is given: the likelihood and the prior make it.
        """
        if kwargs.pop("loss", None) is not None or kwargs.pop("loss_weights", None):
            raise ValueError(
                "A VAE has its loss from its likelihood and prior: compile it without "
                "`loss`, and choose VAE(..., likelihood='bernoulli') or another one. "
                "A new objective is a subclass that overrides `objective`."
            )
        super().compile(optimizer=optimizer, metrics=metrics, **kwargs)
        # Here rather than in the first step: a step that failed while it was traced
        # can then be followed by another.
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        sample_weight=None,
        **kwargs,
    ):
        """Trains the model; see `keras.Model.fit`.

        Args:
            x: Array `(n, *data_shape)`, or batches of it (`tf.data.Dataset`,
                `PyDataset`, generator) as `x`, `(x,)`, `(x, target)` or
                `(x, target, sample_weight)`.
            y: Array of the same shape: the target, `x` itself unless given.
            batch_size: Integer, 32 unless given, for arrays.
            epochs: Integer.
            verbose: As in Keras.
            callbacks: List of Keras callbacks.
            validation_split: Part of the arrays to validate on instead.
            validation_data: `x`, `(x,)`, `(x, target)` or `(x, target,
                sample_weight)`, as arrays or as batches.
            sample_weight: Array `(n,)`, with or without a target.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: If the data have another shape, are not floating-point,
                finite and within the likelihood's support.
            FloatingPointError: If a part of the loss stops being finite; the weights
                are then those of the last good step.
        """
        x, y = self._check_arrays(x, y, sample_weight)
        if isinstance(validation_data, list | tuple):
            validation_data = self._check_validation(validation_data)
        elif checks.is_array(validation_data):
            validation_data, _ = self._check_arrays(validation_data, None, None)
        guard = TrainingGuard(kwargs.get("initial_epoch", 0))
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(guard)
        else:
            callbacks = [*tf.nest.flatten(callbacks or []), guard]
        return super().fit(
            x=x,
            y=y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            sample_weight=sample_weight,
            **kwargs,
        )

    def evaluate(
        self, x=None, y=None, batch_size=None, *args, sample_weight=None, **kwargs
    ):
        """Mean `loss`, `reconstruction_loss`, `kl_loss` and `elbo` of data.

        Arguments and returned values are those of `keras.Model.evaluate`; data may
        come in every form that `fit` takes.
        """
        if not kwargs.get("_use_cached_eval_dataset"):  # fit checked those itself
            x, y = self._check_arrays(x, y, sample_weight)
        return super().evaluate(
            x, y, batch_size, *args, sample_weight=sample_weight, **kwargs
        )

    def _check_arrays(self, x, y, sample_weight):
        """Checked arrays; what comes as batches is checked in the graph."""
        if not checks.is_array(x):
            return x, y
        if y is None:
            x = checks.check_array("x", x, self, support=True)
            # Keras drops the weights of an x without a target.
            return x, (None if sample_weight is None else x)
        return (
            checks.check_array("x", x, self),
            checks.check_array("target", y, self, support=True),
        )

    def _check_validation(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y = self._check_arrays(x, y, sample_weight)
        return tuple(part for part in (x, y, sample_weight) if part is not None)

    # Answers: arrays of any size in, NumPy arrays out.

    @functools.cached_property
    def _encode(self):
        return tf.function(self.posterior, input_signature=[self._data_spec])

    @functools.cached_property
    def _decode(self):
        spec = tf.TensorSpec((None, self.latent_dim), tf.float32)
        return tf.function(self.reconstruction, input_signature=[spec])

    @functools.cached_property
    def _reconstruct(self):
        return tf.function(self.call, input_signature=[self._data_spec])

    @functools.cached_property
    def _sample(self):
        def sample(seed):
            return self.reconstruction(self.prior.sample(seed, self.latent_dim))

        return tf.function(sample, input_signature=[_SEED_SPEC])

    @functools.cached_property
    def _elbo(self):
        def elbo(x, seed):
            terms = self.elbo_terms(x, x, seed=seed)
            return -(terms.reconstruction_loss + tf.reduce_sum(terms.kl, axis=-1))

        return tf.function(elbo, input_signature=[self._data_spec, _SEED_SPEC])

    @property
    def _data_spec(self):
        return tf.TensorSpec((None, *self.data_shape), tf.float32)

    def encode(self, x, batch_size=128):
        """Parameters of the posterior q(z|x).

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time.

        Returns:
            `z_mean` and `z_log_var`, NumPy arrays `(n, latent_dim)`.
        """
        batches = checks.batches_of("x", x, self, batch_size)
        return _concatenate([self._encode(batch) for batch in batches])

    def decode(self, z, batch_size=128):
        """Mean of p(x|z).

        Args:
            z: Array `(n, latent_dim)`.
            batch_size: Examples computed at a time.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        z = checks.check_shape("z", np.asarray(z, "float32"), (self.latent_dim,))
        return _concatenate([self._decode(part) for part in _slices(z, batch_size)])

    def reconstruct(self, x, batch_size=128):
        """Decodes the mean of q(z|x): `decode(encode(x)[0])`.

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        batches = checks.batches_of("x", x, self, batch_size)
        return _concatenate([self._reconstruct(batch) for batch in batches])

    def sample(self, num_samples, seed=None, batch_size=128):
        """New data: means of p(x|z) for draws z of the prior.

        Args:
            num_samples: Integer, how many.
            seed: Integer; sample `i` is drawn from `[seed, i]` alone, and is what the
                exported decoder's `sample` answers for it. `None`: new ones each call
                (`keras.utils.set_random_seed` makes those reproducible).
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(num_samples, *data_shape)`, in the data's units.
        """
        num_samples = checks.check_integer("num_samples", num_samples, minimum=1)
        seed = random.getrandbits(31) if seed is None else seed
        rows = noise.seed_rows(seed, 0, num_samples).numpy()
        return _concatenate([self._sample(part) for part in _slices(rows, batch_size)])

    def interpolate(self, x_a, x_b, num_steps=10, batch_size=128):
        """Decodes points on the line between the posterior means of two examples.

        ```
        z_t = (1 - t) * z_mean(x_a) + t * z_mean(x_b),     t = 0, ..., 1
        ```

        Args:
            x_a: Array `(n, *data_shape)`, where the lines begin.
            x_b: Array `(n, *data_shape)`, where they end.
            num_steps: Integer >= 2, points on each line, both ends included.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n, num_steps, *data_shape)`, in the data's units.
        """
        num_steps = checks.check_integer("num_steps", num_steps, minimum=2)
        z_a, z_b = self.encode(x_a, batch_size)[0], self.encode(x_b, batch_size)[0]
        if len(z_a) != len(z_b):
            raise ValueError(
                "`x_a` and `x_b` should hold equally many examples. Received: "
                f"{len(z_a)} and {len(z_b)}"
            )
        t = np.linspace(0.0, 1.0, num_steps, dtype="float32")[:, None]
        z = (1 - t) * z_a[:, None] + t * z_b[:, None]
        x = self.decode(z.reshape(-1, self.latent_dim), batch_size)
        return x.reshape(len(z_a), num_steps, *self.data_shape)

    def elbo(self, x, batch_size=128, seed=0):
        """Estimate of the ELBO of each example, a lower bound of log p(x).

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time; does not change the numbers.
            seed: Integer; example `i` gets its noise from `[seed, i]` alone. With
                0 the mean is what `evaluate` gives.

        Returns:
            NumPy array `(n,)`, nats; `-inf` outside the likelihood's support.
        """
        results, start = [], 0
        for batch in checks.batches_of("x", x, self, batch_size):
            rows = noise.seed_rows(seed, start, len(batch))
            results.append(self._elbo(batch, rows))
            start += len(batch)
        return _concatenate(results)

    # Files.

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
        store["step"] = self.step
        for name, state in self._random_states():
            store[name] = state

    def load_own_variables(self, store):
        self.step.assign(store["step"])
        for name, state in self._random_states():
            state.assign(store[name])


_SEED_SPEC = tf.TensorSpec((None, 2), tf.int32)


def _slices(array, batch_size):
    for start in range(0, len(array), batch_size):
        yield array[start : start + batch_size]


def _concatenate(results):
    """NumPy arrays of a list of batches of (tuples of) tensors."""
    if isinstance(results[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
    return np.concatenate(results)
