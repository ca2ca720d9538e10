"""What has to be asked of Keras below its public names, all in one place.

Each name here is private to Keras and may go with a new version: it was read in 3.15,
and `tests/models/test_keras_private.py` says at once which one is missing.
"""

import contextlib
import functools

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.layers.layer import CallContext
from keras.src.saving.serialization_lib import ObjectSharingScope

__all__ = [
    "AlwaysBuilt",
    "ObjectSharingScope",
    "fuse_adam",
    "one_call",
    "without_losses",
]

# ObjectSharingScope: Keras opens it while it writes or reads a .keras file, so that a
# part which two others hold is written once and comes back as one. A copy made in
# memory needs the same, and there is no public name for it.


@contextlib.contextmanager
def one_call(model):
    """Makes all calls of layers inside the block parts of one call of the model.

    The losses of layers (`add_loss`, activity regularisers) are cleared when it
    begins, and then add up: a layer that is called twice counts twice. Without it each
    call of a part would clear the losses of that part, and what the model itself adds
    would never be cleared.

    Args:
        model: `keras.Model`.
    """
    outside = global_state.get_global_attribute("current_call_ctx")
    model._clear_losses()
    context = CallContext(entry_layer=model)
    global_state.set_global_attribute("current_call_ctx", context)
    try:
        yield
    finally:
        global_state.set_global_attribute("current_call_ctx", outside)


@contextlib.contextmanager
def without_losses(model):
    """Forgets what layers of the model add to its loss inside the block.

    Args:
        model: `keras.Model`.
    """
    layers = [*model._flatten_layers()]
    before = [len(layer._losses) for layer in layers]
    try:
        yield
    finally:
        for layer, count in zip(layers, before, strict=True):
            del layer._losses[count:]


def fuse_adam(optimizer):
    """Lets an Adam update each variable by one operator, where Keras takes some forty.

    It is TensorFlow's own kernel of the same formula. Each of Keras' operators is a
    pass over memory at every step, and in the first one half of the graph to make.
    Other optimizers, and the variant `amsgrad`, are left as they are.

    Args:
        optimizer: Keras optimizer; it keeps its class, its state and its configuration.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    adams = keras.optimizers.Adam, keras.optimizers.AdamW
    if type(inner) in adams and not inner.amsgrad:
        inner.update_step = functools.partial(_fused_step, inner)


def _fused_step(optimizer, gradient, variable, learning_rate):
    if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
        keras.optimizers.Adam.update_step(optimizer, gradient, variable, learning_rate)
        return
    index = optimizer._get_variable_index(variable)
    step = tf.cast(optimizer.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=tf.pow(optimizer.beta_1, step),
        beta2_power=tf.pow(optimizer.beta_2, step),
        lr=tf.cast(learning_rate, tf.float32),
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=tf.cast(gradient, tf.float32),
    )


class AlwaysBuilt:
    """A model with all its weights from the beginning: nothing is built from data.

    Under a `tf.distribute` strategy Keras takes the mean of the first batch over the
    replicas before it trains, to build what it finds unbuilt. That fails where the
    replicas have unequal parts of the batch, and with metrics of a model without
    targets.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing, in place of what Keras would do."""
