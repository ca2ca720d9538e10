"""How many steps are taken between two visits to Python.

A visit costs as much whatever the network is: much beside a step of a small one,
nothing beside one of a large.
"""

import math

import keras
import tensorflow as tf

from keras_vae.models import checks

MOST = 16  # of the visits a sixteenth is left
# How long Ctrl-C and the progress bar wait, on a machine of 5e10 operations a second.
OPERATIONS = 0.2 * 5e10
# So often an epoch is interrupted at least, and so often a training: less has no use.
VISITS = 20
BATCH_SIZE = 256  # assumed of batches that do not tell

_OF_BATCHES = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_batch_begin",  # the old names of the first two
    "on_batch_end",
)


def steps_together(vae, x, batch_size, steps_per_epoch, callbacks):
    """The `steps_per_execution` of a training for which none was asked.

    Args:
        vae: `VAE`.
        x: Data as Keras takes them.
        batch_size: Integer, or `None`.
        steps_per_epoch: Integer, or `None`.
        callbacks: List of Keras callbacks.

    Returns:
        Integer; 1 where a callback looks at every batch, where the length of an epoch
        is not known, where replicas train, and where steps or epochs are long.
    """
    if vae.run_eagerly or vae.distribute_strategy.num_replicas_in_sync > 1:
        return 1
    if any(looks_at_batches(callback) for callback in callbacks):
        return 1
    batch_size, steps = _sizes(x, batch_size)
    per_epoch = steps_per_epoch or steps
    if per_epoch is None:
        return 1
    operations = 6 * batch_size * vae.num_samples * multiplications(vae)
    most = min(MOST, per_epoch // VISITS, int(OPERATIONS / max(operations, 1)))
    if steps_per_epoch and most > 1:
        # Steps beyond an epoch's end would be taken from the next one.
        most = max(k for k in range(1, most + 1) if steps_per_epoch % k == 0)
    return max(1, most)


def looks_at_batches(callback):
    """Whether a callback wants to be called for each batch.

    One that is content to be called after several says so: `every_batch = False`.
    """
    if not getattr(callback, "every_batch", True):
        return False
    # Of Keras: they look at batches if they are asked to write after some.
    for name in ("save_freq", "update_freq"):
        if getattr(callback, name, None) == "epoch":
            return False
    return any(
        name in vars(callback)
        or getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name)
        for name in _OF_BATCHES
    )


def multiplications(vae):
    """About how many a forward pass of one example takes, by the layers' kernels.

    Args:
        vae: `VAE`.

    Returns:
        Number; infinity where a layer does not tell how often it uses its kernel.
    """
    total = 0
    for layer in _layers(vae):
        shape = getattr(getattr(layer, "kernel", None), "shape", None)
        if shape is not None:
            positions = _positions(layer) if len(shape) > 2 else 1
            total += math.prod(shape) * positions
    return total


def _layers(layer):
    for part in getattr(layer, "layers", ()):
        yield from _layers(part)
        yield part


def _positions(layer):
    """At how many places a convolution is computed: the more of before and after."""
    try:
        shapes = layer.input.shape, layer.output.shape
        return max(math.prod(shape[1:-1]) for shape in shapes)
    except (AttributeError, TypeError, ValueError):  # not once, or of no fixed size
        return math.inf


def _sizes(x, batch_size):
    """Examples in a batch, and batches of an epoch (`None` where it is not known)."""
    if checks.is_arrays(x):
        batch_size = batch_size or 32
        num_examples = len(next(iter(tf.nest.flatten(x))))
        return batch_size, math.ceil(num_examples / batch_size)
    if not isinstance(x, tf.data.Dataset):
        return BATCH_SIZE, None
    shapes = [spec.shape for spec in tf.nest.flatten(x.element_spec)]
    known = [shape[0] for shape in shapes if shape.rank]
    steps = int(x.cardinality())
    return next(filter(None, known), BATCH_SIZE), steps if steps > 0 else None
