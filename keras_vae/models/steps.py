"""One step of training and one of evaluation, on one device or on several."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.models import checks, keras_private
from keras_vae.models.fused_adam import fused

# What `train_step` finds in a batch whose loss is not finite, in the order of
# `Steps.faults`.
FAULTS = ("inputs", "target", "sample_weight", "support")


class Batch(NamedTuple):
    """One batch of one replica, checked and in the units of the model."""

    inputs: Any
    target: tf.Tensor
    raw_target: tf.Tensor
    sample_weight: tf.Tensor | None
    size: tf.Tensor  # examples; one row more where a replica had none
    real: tf.Tensor | None  # 1 for an example, 0 for that row; `None` on one device

    @property
    def num_rows(self):
        return tf.shape(self.target)[0]


class _Untracked:
    """What Keras should neither track nor save."""

    def __init__(self, **values):
        self.__dict__.update(values)


class Steps(keras_private.AlwaysBuilt, keras.Model):
    """`train_step` and `test_step`, written once for all models.

    They rest on the tensor methods of the model: `prepare`, `elbo_terms`, `objective`,
    `measures` and `reconstruction`; and on `apply_gradients`.

    Attributes:
        MEASURES: Names of what is logged beside `loss`; those of a model with an `elbo`
            have that among them.
        step: Batches trained on so far, an int64 variable.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.loss_tracker = keras.metrics.Mean("loss")
        self._trackers = [keras.metrics.Mean(name) for name in self.MEASURES]
        self._compiled_metrics = _Untracked(plain=[], weighted=[])
        self._trained = _Untracked(
            validation=None, copied_for_inference=False, steps_per_execution=1
        )
        self._graphs = _Untracked(by_function={})
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self._counters = _Untracked(
            examples=tf.Variable(0, False, dtype=tf.int64, aggregation=first),
            faults=tf.Variable([False] * len(FAULTS), False, aggregation=first),
            on_targets=tf.Variable(False, False, aggregation=first),
        )

    @property
    def metrics(self):
        # `keras.Model` puts trackers of its own before these, which nothing here
        # updates, and keeps those of an earlier `compile`.
        own = [
            self.loss_tracker,
            *self._trackers,
            *self._compiled_metrics.plain,
            *self._compiled_metrics.weighted,
        ]
        of_layers = keras.layers.Layer.metrics.fget
        return own + [metric for layer in self.layers for metric in of_layers(layer)]

    @property
    def faults(self):
        """Names, among `FAULTS`, of what was wrong with the last bad batch."""
        found = self._counters.faults.numpy()
        return [name for name, bad in zip(FAULTS, found, strict=True) if bad]

    def reset_metrics(self):
        super().reset_metrics()
        self._counters.examples.assign(0)

    def _forget_graphs(self):
        """Makes a setting that was assigned count: graphs hold it as a constant."""
        self._graphs.by_function.clear()
        self._forget_steps()

    def _forget_steps(self):
        if self.train_function is not None:
            self.make_train_function(force=True)
        if self.test_function is not None:
            self.make_test_function(force=True)

    def without_layer_losses(self):
        """A context for passes through the networks that are no part of the data's.

        What layers add to the loss (`add_loss`, activity regularisers) is said of data:
        a prior that is a function of the encoder takes it so.

        Returns:
            A context manager.
        """
        return keras_private.without_losses(self)

    MEASURES = ("reconstruction_loss", "kl_loss", "elbo")

    def measures(self, terms):
        """What is logged of a batch, in the order of `MEASURES`.

        A model that measures more has it in `terms.further` and in `MEASURES`.

        Args:
            terms: `ElboTerms` of a batch.

        Returns:
            List of tensors `(batch,)`.
        """
        further = terms.further
        return [
            further[name] if name in further else getattr(terms, name)
            for name in self.MEASURES
        ]

    def build_optimizer(self):
        """Makes the optimizer's state: overridden with `apply_gradients`.

        In `compile` rather than in the first step: a step that failed while it was
        traced can then be followed by another.
        """
        self.optimizer.build(self.trainable_variables)

    def apply_gradients(self, gradients, variables):
        """Applies gradients: what a model with a second optimizer overrides.

        Args:
            gradients: List of tensors, finite.
            variables: The `trainable_variables`, in that order.
        """
        with fused(self.optimizer):
            self.optimizer.apply(gradients, variables)

    @property
    def optimizer_variables(self):
        """The state of the optimizer, or of all where there are several."""
        return self.optimizer.variables

    def train_step(self, data):
        batch = self._unpack(data)
        self._note_targets(batch)
        total_size = self._over_replicas(tf.cast(batch.size, tf.float32))
        state = [v for v in self.non_trainable_variables if "float" in v.dtype]
        before = [tf.convert_to_tensor(v) for v in state]
        noise_shape = (self.num_samples, batch.num_rows, *self.latent_shape)
        with keras_private.one_call(self), tf.GradientTape() as tape:
            terms = self.elbo_terms(
                batch.inputs, batch.target, self.sampling.noise(noise_shape), True
            )
            loss, share = self._loss(terms, batch, total_size)
            scaled_loss = self.optimizer.scale_loss(share)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        finite = self._is_finite(share, gradients)
        update = self._update if self._num_replicas == 1 else self._update_replicas
        update(finite, gradients, variables, state, before, batch)
        loss = tf.where(finite, loss, float("nan"))
        return self._log(terms, batch, loss)

    def test_step(self, data):
        batch = self._unpack(data)
        seed, num_examples = self._example_seeds(batch)
        draws = noise.draws(seed, self.num_samples, self.latent_shape)
        with keras_private.one_call(self):
            terms = self.elbo_terms(batch.inputs, batch.target, draws)
            loss, _ = self._loss(terms, batch, 1.0)
        self._counters.examples.assign_add(num_examples)
        return self._log(terms, batch, loss)

    def deterministic_terms(self, inputs, seed):
        """`ElboTerms` of data as they come, each example explained by its own noise.

        Args:
            inputs: A batch as `fit` is given it; x is encoded and explained.
            seed: int32 tensor `(batch, 2)`, of the noise, a row for each example.
        """
        inputs = self.prepare(inputs)
        target = inputs["x"] if isinstance(inputs, dict) else inputs
        draws = noise.draws(seed, self.num_samples, self.latent_shape)
        return self.elbo_terms(inputs, target, draws)

    def _unpack(self, data):
        """The `Batch` in what `fit` hands over, checked."""
        x, target, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs = self.prepare(x)
        if target is None:
            raw_target = x["x"] if isinstance(x, dict) else x
            raw_target = checks.check_batch("x", raw_target, self.data_shape)
            target = inputs["x"] if isinstance(inputs, dict) else inputs
        else:
            raw_target = checks.check_batch("target", target, self.data_shape)
            target = raw_target
            if self.standardize is not None:
                target = self.standardize(target)
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, tf.float32), (-1,))
            sample_weight = tf.ensure_shape(sample_weight, target.shape[:1])
        size, real = tf.shape(target)[0], None
        if self._num_replicas > 1:
            given = (inputs, target, raw_target)
            inputs, target, raw_target = tf.nest.map_structure(
                lambda tensor: self._at_least_one_row(tensor, size), given
            )
            real = tf.cast(tf.range(tf.shape(target)[0]) < size, tf.float32)
            if sample_weight is None:
                sample_weight = real
            else:
                rest = tf.zeros(tf.shape(real)[0] - size)
                sample_weight = tf.concat([sample_weight, rest], axis=0)
        return Batch(inputs, target, raw_target, sample_weight, size, real)

    @property
    def trained_on_targets(self):
        """Whether x was ever encoded to explain another target (denoising).

        Only what is explained has to lie in the support of the likelihood.
        """
        return bool(self._counters.on_targets.numpy())

    @trained_on_targets.setter
    def trained_on_targets(self, value):
        self._counters.on_targets.assign(value)

    def _note_targets(self, batch):
        """By the values: batches of (x, x) are those of x."""
        x = batch.inputs["x"] if isinstance(batch.inputs, dict) else batch.inputs
        if x is batch.target:
            return
        differ = tf.reduce_any(tf.not_equal(x, batch.target))
        differ = self._over_replicas(tf.cast(differ, tf.float32)) > 0
        known = self._counters.on_targets
        known.assign(known.read_value() | differ)

    def _loss(self, terms, batch, total_size):
        """The mean over this replica's examples, and its share of the whole batch's.

        A replica may have fewer examples than the others.
        """
        objective = self.objective(terms)
        if batch.sample_weight is not None:
            objective = objective * batch.sample_weight
        total, size = tf.reduce_sum(objective), tf.cast(batch.size, tf.float32)
        losses = tf.add_n([tf.cast(x, tf.float32) for x in (0.0, *self.losses)])
        mean = tf.math.divide_no_nan(total, size) + losses
        # Gradients are summed over the replicas.
        return mean, total / total_size + losses / self._num_replicas

    def _is_finite(self, share, gradients):
        """Whether the loss, those before it and the gradients are finite."""
        # After a bad step nothing is learned until the metrics are reset.
        finite = tf.math.is_finite(share + self.loss_tracker.total)
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))
        if self._num_replicas == 1:
            return finite
        return self._over_replicas(tf.cast(~finite, tf.float32)) == 0

    def _update(self, finite, gradients, variables, state, before, batch):
        """Applies the gradients, or leaves everything as it was before the step."""

        def apply():
            self.apply_gradients(gradients, variables)
            self.step.assign_add(1)

        def undo():
            # What layers change in the forward pass (moving statistics).
            for variable, value in zip(state, before, strict=True):
                variable.assign(value)
            self._note_faults(self._find_faults(batch))

        tf.cond(finite, apply, undo)

    def _update_replicas(self, finite, gradients, variables, state, before, batch):
        """The same on several replicas, where no optimizer can be in a branch."""
        changed = [*variables, *self.optimizer_variables]
        old = [tf.convert_to_tensor(v) for v in changed]
        self.apply_gradients(gradients, variables)
        self.step.assign_add(tf.cast(finite, tf.int64))
        faults = self._over_replicas(tf.cast(self._find_faults(batch), tf.float32))
        self._note_faults(faults > 0)

        def keep(strategy, finite, changed_before, state_before):
            def choose(variable, finite, before):
                variable.assign(tf.where(finite, variable, before))

            values = [*changed_before, *state_before]
            for variable, value in zip([*changed, *state], values, strict=True):
                strategy.extended.update(variable.value, choose, args=(finite, value))

        context = tf.distribute.get_replica_context()
        context.merge_call(keep, args=(finite, old, before))

    def _note_faults(self, faults):
        """Of the first bad batch: after it nothing is learned from good ones either."""
        known = self._counters.faults
        first = tf.math.is_finite(tf.convert_to_tensor(self.loss_tracker.total))
        known.assign(tf.where(first, faults, known.read_value()))

    def _find_faults(self, batch):
        """Booleans in the order of `FAULTS`: what is wrong with the data of a batch."""

        def bad(tensor):
            return tf.reduce_any(~tf.math.is_finite(tf.cast(tensor, tf.float32)))

        inputs = tf.stack([bad(tensor) for tensor in tf.nest.flatten(batch.inputs)])
        weight = 0.0 if batch.sample_weight is None else batch.sample_weight
        outside = tf.reduce_any(~self.likelihood.in_support(batch.target))
        return tf.stack(
            [tf.reduce_any(inputs), bad(batch.target), bad(weight), outside]
        )

    def _log(self, terms, batch, loss):
        weight = batch.sample_weight
        self.loss_tracker.update_state(loss, sample_weight=batch.size)
        for tracker, value in zip(self._trackers, self.measures(terms), strict=True):
            tracker.update_state(value, weight)
        compiled = self._compiled_metrics
        if compiled.plain or compiled.weighted:
            reconstruction = self.reconstruction(terms.q.mean, batch.inputs)
            for metric in compiled.plain:
                metric.update_state(batch.raw_target, reconstruction, batch.real)
            for metric in compiled.weighted:
                metric.update_state(batch.raw_target, reconstruction, weight)
        logs = self.get_metrics_result()
        if keras_private.takes_means_over_workers(self.distribute_strategy):
            logs = {name: tf.reshape(value, (1,)) for name, value in logs.items()}
        return logs

    def step_seeds(self, use, num_rows):
        """Seeds of what a step draws beside its noise: others at each step and replica.

        They are made of the model's seed and `step`, which are saved: a resumed run
        draws what it would have drawn. Each batch of an evaluation has its own.

        Args:
            use: Integer, another one for each use.
            num_rows: Python int or int32 tensor `()`.

        Returns:
            int32 tensor `(num_rows, 2)`.
        """
        # The first word of the generator's state is the seed, drawn if none was given.
        state = tf.convert_to_tensor(self.sampling.seed_generator.state)
        key = noise.example_seeds(tf.cast(state[0], tf.int32), use, 1)
        step = tf.cast(tf.convert_to_tensor(self.step), tf.int32)
        replica = 0
        if (
            tf.distribute.has_strategy()
            and not tf.distribute.in_cross_replica_context()
        ):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        key = noise.threefry2x32(key, tf.stack([step, replica]))
        # 0 in training, and in evaluation the number of examples before the batch.
        examples = tf.cast(self._counters.examples.read_value(), tf.int32)
        key = noise.threefry2x32(key, tf.stack([examples, 0]))
        return noise.threefry2x32(key, noise.example_seeds(0, 0, num_rows))

    # Replicas.

    @property
    def _num_replicas(self):
        return self.distribute_strategy.num_replicas_in_sync

    def _over_replicas(self, value):
        """The sum of a float over the replicas."""
        if self._num_replicas == 1:
            return value
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, value
        )

    def _at_least_one_row(self, tensor, size):
        """A replica's part of a batch; where that is empty, one row of the first one's.

        Some layers fail on no examples at all, and statistics of none are NaN. The row
        weighs nothing.
        """
        context = tf.distribute.get_replica_context()
        zeros = tf.zeros((1, *tensor.shape[1:]), tensor.dtype)
        row = tf.concat([tensor[:1], zeros], axis=0)[:1]
        row = tf.where(context.replica_id_in_sync_group == 0, row, zeros)
        row = context.all_reduce(tf.distribute.ReduceOp.SUM, row)
        return tf.concat([tensor, row[: tf.cast(size == 0, tf.int32)]], axis=0)

    def _example_seeds(self, batch):
        """One seed for each example by its place in the data, as `score` has.

        Returns:
            int32 tensor `(batch, 2)`, and the number of examples on all replicas.
        """
        start = self._counters.examples.read_value()
        size, total = batch.size, tf.cast(batch.size, tf.int64)
        before = tf.constant(0, tf.int64)
        if self._num_replicas > 1:
            # The replicas have consecutive parts of the batch.
            context = tf.distribute.get_replica_context()
            replica = context.replica_id_in_sync_group
            part = tf.one_hot(replica, self._num_replicas) * tf.cast(size, tf.float32)
            sizes = tf.cast(self._over_replicas(part), tf.int64)
            total = tf.reduce_sum(sizes)
            before = tf.reduce_sum(sizes[:replica])
        first = tf.cast(start + before, tf.int32)
        return noise.example_seeds(0, first, batch.num_rows), total
