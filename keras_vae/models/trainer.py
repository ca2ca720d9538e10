"""`compile`, `fit` and `evaluate` of a VAE: what is checked before Keras trains."""

import keras
import tensorflow as tf

from keras_vae.models import checks, data_forms
from keras_vae.models.execution import steps_together
from keras_vae.models.steps import Steps
from keras_vae.models.training_guard import TrainingGuard


class Trainer(Steps):
    """A `keras.Model` that checks its data, and is watched while it trains."""

    def compile(
        self,
        optimizer="adam",
        loss=None,
        *,
        metrics=None,
        weighted_metrics=None,
        steps_per_execution="auto",
        **kwargs,
    ):
        """Configures training; see `keras.Model.compile`.

        Args:
            optimizer: Name or instance of a Keras optimizer.
            loss: Not to be given: the likelihood and the prior make it.
            metrics: List of Keras metrics of `(target, reconstruction)`.
            weighted_metrics: The same, weighted by `sample_weight`.
            steps_per_execution: Integer, or `"auto"`: `fit` takes several steps at
                once where they are short and many and no callback looks at each batch
                (one may say `every_batch = False`); it sets
                `vae.steps_per_execution` to how many.
            **kwargs: `run_eagerly`, `jit_compile`, `auto_scale_loss` of
                `keras.Model.compile`.

        Raises:
            ValueError: If a `loss` is given, or what a `tf.distribute` strategy cannot
                do.
        """
        if loss is not None or kwargs.pop("loss_weights", None) is not None:
            raise ValueError(
                "A VAE has its loss from its likelihood and prior: compile it without "
                "`loss`, and choose VAE(..., likelihood='bernoulli') or another one. "
                "A new objective is a subclass that overrides `objective`."
            )
        if isinstance(self.distribute_strategy, tf.distribute.ParameterServerStrategy):
            raise ValueError(
                "Parameter servers train no model of Keras 3. Received: a "
                "ParameterServerStrategy. Mend: tf.distribute."
                "MultiWorkerMirroredStrategy(), where each process holds all weights"
            )
        if self.distribute_strategy.num_replicas_in_sync > 1:
            jit_compile = kwargs.get("jit_compile", False)
            for name, value, default in (
                ("jit_compile", jit_compile, False),
                ("steps_per_execution", steps_per_execution, 1),
            ):
                if value not in (default, "auto"):
                    raise ValueError(
                        f"`{name}` does not work on several replicas. Received: "
                        f"{name}={value}. Mend: compile({name}={default})"
                    )
        self._compile_metrics_config = {
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        self._compiled_metrics.plain = _metrics(metrics)
        self._compiled_metrics.weighted = _metrics(weighted_metrics)
        self._trained.steps_per_execution = steps_per_execution
        steps = 1 if steps_per_execution == "auto" else steps_per_execution
        super().compile(optimizer=optimizer, steps_per_execution=steps, **kwargs)
        self.build_optimizer()

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["steps_per_execution"] = self._trained.steps_per_execution
            config |= keras.saving.serialize_keras_object(
                {k: v for k, v in self._compile_metrics_config.items() if v}
            )
        return config

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
            x: Array `(n, *data_shape)`, a dictionary `{"x": ..., ...}` of arrays, a
                tuple `(x,)`, `(x, target)` or `(x, target, sample_weight)`, or batches
                of any of these (`tf.data.Dataset`, `PyDataset`, generator).
            y: Array of the same shape: the target, `x` itself unless given.
            batch_size: Integer, 32 unless given, for arrays.
            epochs: Integer.
            verbose: As in Keras.
            callbacks: List of Keras callbacks.
            validation_split: Part of the arrays to validate on instead.
            validation_data: In any form that x may have.
            sample_weight: Array `(n,)`, with or without a target.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: If the data have another shape, are not numbers, finite and
                within the likelihood's support.
            FloatingPointError: If a part of the loss stops being finite; the weights
                and the state of all layers are then those of the last good step.
        """
        if kwargs.get("class_weight") is not None:
            raise ValueError(
                "A VAE has no classes to weigh. Received: class_weight="
                f"{kwargs['class_weight']}. Weigh examples by `sample_weight`."
            )
        x, y, sample_weight = data_forms.check(self, x, y, sample_weight)
        if validation_data is not None:
            parts = data_forms.check(self, *data_forms.unpack(validation_data))
            # `evaluate` gets these after each epoch, and knows them by themselves.
            self._trained.validation = parts[0]
            validation_data = keras.utils.pack_x_y_sample_weight(*parts)
        self._take_steps_together(x, batch_size, callbacks, kwargs)
        guard = TrainingGuard()
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(guard)
        else:
            callbacks = [*tf.nest.flatten(callbacks or []), guard]
        try:
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
        finally:
            self._trained.validation = None

    def _take_steps_together(self, x, batch_size, callbacks, kwargs):
        if self._trained.steps_per_execution != "auto" or not self.compiled:
            return
        callbacks = getattr(callbacks, "callbacks", callbacks)  # of a CallbackList
        steps = steps_together(
            self,
            x,
            batch_size,
            kwargs.get("steps_per_epoch"),
            tf.nest.flatten(callbacks or []),
        )
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self._forget_steps()

    def evaluate(
        self, x=None, y=None, batch_size=None, *args, sample_weight=None, **kwargs
    ):
        """Mean `loss`, `reconstruction_loss`, `kl_loss` and `elbo` of data.

        Arguments and returned values are those of `keras.Model.evaluate`; data may
        come in every form that `fit` takes.
        """
        if x is None or x is not self._trained.validation:
            x, y, sample_weight = data_forms.check(self, x, y, sample_weight)
        return super().evaluate(
            x, y, batch_size, *args, sample_weight=sample_weight, **kwargs
        )

    def predict(self, x, *args, **kwargs):
        """Reconstructions `(n, *data_shape)`, as of `reconstruct`.

        Arguments and returned values are those of `keras.Model.predict`; arrays are
        checked as `reconstruct` checks them.
        """
        if checks.is_arrays(x):
            x = checks.check_data("x", x, self, support=checks.wants_support(self))
            x = checks.as_floats(x)
        return super().predict(x, *args, **kwargs)


def _metrics(identifiers):
    return [_metric(identifier) for identifier in tf.nest.flatten(identifiers or [])]


def _metric(identifier):
    """A Keras metric of its own, named as it was asked for."""
    metric = keras.metrics.get(identifier)
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric, name=metric.__name__)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
