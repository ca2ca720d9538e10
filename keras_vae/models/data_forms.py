"""The forms in which data come to `fit` and `evaluate`, brought to those of Keras."""

import inspect

import keras
import tensorflow as tf

from keras_vae import datasets
from keras_vae.models import checks


def unpack(data):
    """`(x, target, sample_weight)` of data in one argument: a tuple is its parts."""
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 3:
            raise ValueError(
                "Data should be x, (x,), (x, target) or (x, target, sample_weight). "
                f"Received: a tuple of {len(data)}"
            )
        return (*data, None, None)[:3]
    return data, None, None


def check(vae, x, target, sample_weight):
    """Data as Keras takes them. Arrays are checked here, batches in the graph.

    Args:
        vae: `VAE`.
        x: Data in any form; a tuple holds its target and its weights.
        target: Array or `None`.
        sample_weight: Array or `None`.

    Returns:
        `(x, target, sample_weight)`, the target `None` for batches.
    """
    if isinstance(x, tuple) and target is None and sample_weight is None:
        x, target, sample_weight = unpack(x)
    if x is None:
        raise ValueError(
            f"`x` should be data of shape (n, {', '.join(map(str, vae.data_shape))}), "
            "or batches of them. Received: x=None"
        )
    if isinstance(x, datasets.Dataset | datasets.Split):
        raise ValueError(
            "`x` should be arrays, or batches of them. Received: a data set. "
            "Mend: fit(dataset.train.x), or dataset.train.training_batches(...) with "
            "steps_per_epoch"
        )
    if checks.is_arrays(x):
        x = checks.as_floats(checks.check_data("x", x, vae, support=target is None))
        if target is not None:
            target = checks.check_array("target", target, vae, support=True)
            target = checks.as_floats(target)
        elif sample_weight is not None:
            # Keras drops the weights of an x without a target.
            target = x["x"] if isinstance(x, dict) else x
        return x, target, sample_weight
    return _batches(x), target, sample_weight


def _batches(batches):
    """Batches without the two things that Keras refuses: a bare x, and no target."""
    if inspect.isgenerator(batches):
        return (_complete(batch) for batch in batches)
    if isinstance(batches, tf.data.Dataset):
        spec = batches.element_spec
        has_target = isinstance(spec, tuple) and len(spec) > 1
        if has_target and _is_none(spec[1]):
            return batches.map(lambda x, _, *weight: _complete((x, None, *weight)))
        return batches
    if isinstance(batches, keras.utils.PyDataset):
        return _CompletePyDataset(batches)
    return batches


def _is_none(spec):
    return spec is None or isinstance(spec, tf.NoneTensorSpec)


def _complete(batch):
    """A batch as a tuple, with the target that weights need."""
    x, target, weight = unpack(batch)
    if weight is None:
        return (x,) if target is None else (x, target)
    if target is None:
        target = x["x"] if isinstance(x, dict) else x
    return x, target, weight


class _CompletePyDataset(keras.utils.PyDataset):
    """A `PyDataset` of which each batch is complete."""

    def __init__(self, dataset):
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self.dataset = dataset

    def __getitem__(self, index):
        return _complete(self.dataset[index])

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()
