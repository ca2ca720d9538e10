"""What has to be asked of Keras below its public names, all in one place.

Each name here is private to Keras and may go with a new version: it was read in 3.15,
and `tests/models/test_keras_private.py` says at once which one is missing.
"""

import contextlib

from keras.src.backend.common import global_state
from keras.src.backend.tensorflow.trainer import _collective_all_reduce_multi_worker
from keras.src.layers.layer import CallContext
from keras.src.saving.serialization_lib import ObjectSharingScope

__all__ = [
    "AlwaysBuilt",
    "ObjectSharingScope",
    "moments",
    "one_call",
    "takes_means_over_workers",
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


def moments(adam, variable):
    """The variables m and v that an Adam has for a variable of its model.

    Args:
        adam: Built `keras.optimizers.Adam`.
        variable: The variable, as `update_step` is given it.

    Returns:
        Two Keras variables.
    """
    index = adam._get_variable_index(variable)
    return adam._momentums[index], adam._velocities[index]


def takes_means_over_workers(strategy):
    """Whether Keras takes the mean of what a step returns along a first axis.

    So it does where replicas are in several processes; what is a scalar fails there.

    Args:
        strategy: `tf.distribute.Strategy`.
    """
    return _collective_all_reduce_multi_worker(strategy)


class AlwaysBuilt:
    """A model with all its weights from the beginning: nothing is built from data.

    Under a `tf.distribute` strategy Keras takes the mean of the first batch over the
    replicas before it trains, to build what it finds unbuilt. That fails where the
    replicas have unequal parts of the batch, and with metrics of a model without
    targets.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing, in place of what Keras would do."""
