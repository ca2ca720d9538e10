"""Adam's update of a variable in one pass over memory.

The Adam of Keras is some ten elementwise operations for each variable, each a pass over
memory; TensorFlow has one kernel for all of them.
"""

import contextlib
import functools
import math

import keras
import numpy as np
import tensorflow as tf

from keras_vae.models import keras_private


@contextlib.contextmanager
def fused(optimizer):
    """Lets an Adam, or AdamW, of Keras update variables by TensorFlow's one kernel.

    ```
    m <- m + (1 - beta_1) (g - m),      v <- v + (1 - beta_2) (g^2 - v)
    w <- w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
    ```

    as Keras has it, on the same variables: what is saved is an optimizer of Keras, and
    a training begun with the one goes on with the other, equal to rounding. (Of the
    kernel's v too: for a beta_2 of 0.999 it is less by 1.3e-5 of itself, see below.)

    All else of the optimizer (clipping, decay, moving averages, accumulation,
    schedules) is left to Keras, and so is every other optimizer, `amsgrad`, a variable
    that is not float32 and a strategy of several replicas.

    Args:
        optimizer: Keras optimizer, also within a `LossScaleOptimizer`.

    Returns:
        A context manager: `optimizer.apply` is called inside.

    Reference:
        Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), section 2.
    """
    adam = getattr(optimizer, "inner_optimizer", optimizer)
    of_keras = getattr(type(adam), "update_step", None)
    if (
        of_keras is not keras.optimizers.Adam.update_step
        or adam.amsgrad
        or tf.distribute.get_strategy().num_replicas_in_sync > 1
    ):
        yield
        return
    # Past the attributes that Keras tracks: it is there for one call.
    vars(adam)["update_step"] = functools.partial(_update_step, adam)
    try:
        yield
    finally:
        del vars(adam)["update_step"]


def _update_step(adam, gradient, variable, learning_rate):
    if variable.dtype != tf.float32 or isinstance(gradient, tf.IndexedSlices):
        keras.optimizers.Adam.update_step(adam, gradient, variable, learning_rate)
        return
    first, second = keras_private.moments(adam, variable)
    step = tf.cast(adam.iterations + 1, tf.float32)
    # The kernel takes 1 - beta of a beta in float32, where Keras rounds the difference:
    # its m and v are those of Keras times these, and the steps must not be.
    m_ratio = (1 - float(np.float32(adam.beta_1))) / (1 - adam.beta_1)
    v_ratio = (1 - float(np.float32(adam.beta_2))) / (1 - adam.beta_2)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=first.value.handle,
        v=second.value.handle,
        beta1_power=tf.pow(tf.constant(adam.beta_1, tf.float32), step),
        beta2_power=tf.pow(tf.constant(adam.beta_2, tf.float32), step),
        lr=tf.cast(learning_rate, tf.float32) * (math.sqrt(v_ratio) / m_ratio),
        beta1=adam.beta_1,
        beta2=adam.beta_2,
        epsilon=adam.epsilon * math.sqrt(v_ratio),
        grad=tf.cast(gradient, tf.float32),
    )
