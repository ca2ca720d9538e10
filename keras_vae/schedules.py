"""Schedules of a weight over training: pure functions of the step.

A schedule is called with the number of batches trained on so far, inside the training
graph, and returns the value to use. It has no state of its own: the position is the
step that the model counts and saves.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae.arguments import check_integer, check_number


class Schedule:
    """A value as a pure function of the training step.

    Subclasses implement `__call__(step)`, return their arguments from `get_config`,
    and set `num_steps`, the step from which the value no longer changes.
    """

    num_steps = 0

    def __call__(self, step):
        """Value at a step: `step` is an integer tensor `()`, the value a float32."""
        raise NotImplementedError

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{k}={v}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@keras.saving.register_keras_serializable(package="keras_vae")
class Constant(Schedule):
    """The same value at every step, until another one is assigned.

    Args:
        value: Finite number.

    Attributes:
        value: The number. It is kept in a variable: a graph that was made before it
            changed reads what it is now.

    Example:

    >>> beta = Constant(4.0)
    >>> beta.value = 2.0
    >>> float(beta(1000))
    2.0
    """

    def __init__(self, value):
        self._value = check_number("value", value)
        self._variable = tf.Variable(self._value, trainable=False, dtype="float32")

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        self._value = check_number("value", value)
        self._variable.assign(self._value)

    def __call__(self, step):
        return tf.convert_to_tensor(self._variable)

    def get_config(self):
        return {"value": self.value}


@keras.saving.register_keras_serializable(package="keras_vae")
class LinearWarmup(Schedule):
    """A straight line from `start` to `end` over `num_steps` steps, then `end`.

    ```
    value(t) = start + (end - start) * min(t / num_steps, 1)
    ```

    As `beta` it is the KL warm-up of Bowman et al. (2016) and Sonderby et al.
    (2016); as `capacity`, with `end` in nats, the rising capacity of Burgess et al.
    (2018): `VAE(..., beta=1000.0, capacity=LinearWarmup(100_000, end=25.0))`.

    Args:
        num_steps: Positive integer, steps (batches, not epochs) until `end`.
        end: Value from step `num_steps` on.
        start: Value at step 0.

    Raises:
        ValueError: If `num_steps` is not a positive integer or a value not finite.

    Example:

    >>> warmup = LinearWarmup(100)
    >>> [float(warmup(step)) for step in (0, 50, 100, 1000)]
    [0.0, 0.5, 1.0, 1.0]

    Reference:
        Bowman et al., "Generating Sentences from a Continuous Space" (2016),
        section 3.1; Burgess et al., "Understanding disentangling in beta-VAE" (2018),
        equation 8.
    """

    def __init__(self, num_steps, end=1.0, start=0.0):
        self.num_steps = check_integer("num_steps", num_steps, minimum=1)
        self.end = check_number("end", end)
        self.start = check_number("start", start)

    def __call__(self, step):
        progress = ops.minimum(ops.cast(step, "float32") / self.num_steps, 1.0)
        return self.start + (self.end - self.start) * progress

    def get_config(self):
        return {"num_steps": self.num_steps, "end": self.end, "start": self.start}


@keras.saving.register_keras_serializable(package="keras_vae")
class Cyclical(Schedule):
    """Repeated warm-ups from 0 to `end`, each followed by a plateau.

    ```
    tau(t) = (t mod period) / period,     period = ceil(num_steps / num_cycles)
    value(t) = end * min(tau(t) / ratio, 1)   for t < num_steps, and `end` after it
    ```

    Args:
        num_steps: Positive integer, steps (batches) of all cycles together.
        num_cycles: Number of cycles (M in the paper).
        ratio: Part of a cycle that is spent rising, in (0, 1] (R in the paper).
        end: Value of the plateau.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> cyclical = Cyclical(100, num_cycles=2)
    >>> [round(float(cyclical(step)), 2) for step in (0, 10, 25, 49, 50, 60, 200)]
    [0.0, 0.4, 1.0, 1.0, 0.0, 0.4, 1.0]

    Reference:
        Fu et al., "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL
        Vanishing" (2019), equations 6 and 7. Steps count from 0 here, from 1 there.
    """

    def __init__(self, num_steps, num_cycles=4, ratio=0.5, end=1.0):
        self.num_steps = check_integer("num_steps", num_steps, minimum=1)
        self.num_cycles = check_integer("num_cycles", num_cycles, minimum=1)
        self.ratio = check_number("ratio", ratio)
        self.end = check_number("end", end)
        if not 0 < self.ratio <= 1:
            raise ValueError(f"`ratio` should be in (0, 1]. Received: ratio={ratio}")
        if self.num_cycles > self.num_steps:
            raise ValueError(
                "`num_cycles` should be at most `num_steps`. Received: "
                f"num_cycles={num_cycles}, num_steps={num_steps}"
            )

    def __call__(self, step):
        step = ops.cast(step, "int64")
        period = -(-self.num_steps // self.num_cycles)
        position = ops.cast(step % period, "float32") / period
        value = self.end * ops.minimum(position / self.ratio, 1.0)
        return ops.where(step < self.num_steps, value, self.end)

    def get_config(self):
        return {
            "num_steps": self.num_steps,
            "num_cycles": self.num_cycles,
            "ratio": self.ratio,
            "end": self.end,
        }


@keras.saving.register_keras_serializable(package="keras_vae")
class Function(Schedule):
    """A function of the step, or a schedule of Keras, as a schedule of ours.

    When it will have settled is not known: `num_steps` is 0.

    Args:
        function: Function of an integer tensor `()`, or a
            `keras.optimizers.schedules.LearningRateSchedule`. To be saved with a model
            a function has a name and is registered with
            `keras.saving.register_keras_serializable`.

    Example:

    >>> halving = Function(lambda step: 0.5 ** ops.cast(step, "float32"))
    >>> float(halving(2))
    0.25
    """

    def __init__(self, function):
        if isinstance(function, dict):
            function = keras.saving.deserialize_keras_object(function)
        self.function = function

    def __call__(self, step):
        return ops.cast(self.function(step), "float32")

    def get_config(self):
        function = self.function
        name = getattr(function, "__name__", None)
        if (
            name is not None
            and keras.saving.get_registered_object(
                keras.saving.get_registered_name(function)
            )
            is not function
        ):
            raise ValueError(
                f"A schedule should be a registered function to be saved. Received: "
                f"{name}. Mend: @keras.saving.register_keras_serializable() above its "
                "definition, or a schedule of keras_vae.schedules"
            )
        return {"function": keras.saving.serialize_keras_object(function)}

    def __repr__(self):
        return f"Function({self.function!r})"


def get(identifier, argument="beta"):
    """Returns the schedule that a number, a function or a config stands for.

    Args:
        identifier: A number >= 0, a `Schedule`, a serialized one, a
            `keras.optimizers.schedules.LearningRateSchedule` or a function of the step.
        argument: Name of the argument it was given for, for the error.

    Returns:
        A `Schedule`.

    Raises:
        ValueError: If it is none of these, or negative at one of the steps that are
            tried: the first two, and eleven up to `num_steps`.

    Example:

    >>> get(4.0)
    Constant(value=4.0)
    """
    schedule = identifier
    if isinstance(identifier, dict):
        schedule = keras.saving.deserialize_keras_object(identifier)
    elif callable(identifier) and not isinstance(identifier, Schedule | type):
        schedule = Function(identifier)
    if isinstance(schedule, Schedule):
        _check_not_negative(schedule, argument)
        return schedule
    try:
        return Constant(check_number(argument, identifier, minimum=0.0))
    except ValueError:
        raise ValueError(
            f"`{argument}` should be a finite number >= 0, a function of the step or a "
            "schedule such as keras_vae.schedules.LinearWarmup(num_steps=1000). "
            f"Received: {argument}={identifier!r}"
        ) from None


def _check_not_negative(schedule, argument):
    """Raises if a value at one of some steps is negative, or no number."""
    for step in np.linspace(0, max(schedule.num_steps, 1), 11).astype("int64"):
        value = float(ops.convert_to_numpy(schedule(tf.constant(step))))
        if not value >= 0:
            raise ValueError(
                f"`{argument}` should never be negative. Received: {argument}="
                f"{schedule!r}, which is {value:g} at step {step}"
            )
