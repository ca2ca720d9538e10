"""`compile`, `fit` and `evaluate` of a VAE: what is checked before Keras trains."""

import keras
import tensorflow as tf

from keras_vae.models import checks
from keras_vae.models.training_guard import TrainingGuard


class Trainer(keras.Model):
    """A `keras.Model` that checks its data, and is watched while it trains."""

    def compile(self, optimizer="adam", loss=None, *, metrics=None, **kwargs):
        """Configures training; see `keras.Model.compile`.

        Args:
            optimizer: Name or instance of a Keras optimizer.
            loss: Not to be given: the likelihood and the prior make it.
            metrics: Keras metrics of `(target, reconstruction)`.
            **kwargs: `weighted_metrics`, `run_eagerly`, `steps_per_execution`,
                `jit_compile`, `auto_scale_loss` of `keras.Model.compile`.

        Raises:
            ValueError: If a `loss` is given.
        """
        if loss is not None or kwargs.pop("loss_weights", None) is not None:
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
        if kwargs.get("class_weight") is not None:
            raise ValueError(
                "A VAE has no classes to weigh. Received: class_weight="
                f"{kwargs['class_weight']}. Weigh examples by `sample_weight`."
            )
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
