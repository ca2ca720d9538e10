"""Where examples are kept: in memory, or in a file that is mapped into it."""

import abc
import functools

import numpy as np
import tensorflow as tf

from keras_vae.datasets.pipelines import permutation


class Source(abc.ABC):
    """Source of one shape that a pipeline can read, in their stored type.

    A pipeline asks for the keys of an epoch's batches and then, in parallel, for the
    batch of each key.

    Attributes:
        num_examples: Integer.
        data_shape: Tuple, the shape of one example.
        in_memory: Whether all of it is in memory.
        value_range: Smallest and largest value, after bytes are divided by 255.
    """

    in_memory = False
    value_range = (0.0, 1.0)

    def prepare(self):
        """What a pipeline should read: this, or a copy of it in memory."""
        return self

    @abc.abstractmethod
    def epoch(self, batch_size, seed=None):
        """`tf.data.Dataset` of an epoch's keys, in order or shuffled by a seed."""

    @abc.abstractmethod
    def fetch(self, key):
        """`(x, labels)` of a key: the stored type, and int64 (-1: no label)."""


class IndexedSource(Source):
    """Source that can be read in any order; a key is a batch of row numbers."""

    def epoch(self, batch_size, seed=None):
        if seed is None:
            order = tf.range(self.num_examples)
        else:
            order = permutation(self.num_examples, seed)
        num_batches = -(-self.num_examples // batch_size)
        return tf.data.Dataset.range(num_batches).map(
            lambda i: order[i * batch_size : (i + 1) * batch_size]
        )

    @abc.abstractmethod
    def select(self, rows):
        """The examples of an array of row numbers, of the same kind."""

    def fetch_labels(self, rows):
        """int64 tensor of the labels of some rows, -1 for data without labels."""
        if self.labels is None:
            return tf.fill(tf.shape(rows), tf.constant(-1, tf.int64))
        return tf.gather(self._label_tensor, rows)

    @functools.cached_property
    def _label_tensor(self):
        return outside_of_graphs(self.labels)


class ArraySource(IndexedSource):
    """Source in an array, in memory or mapped from a file.

    Args:
        x: Array `(num_examples, *data_shape)`: uint8, or numbers to be taken as they
            are.
        labels: int64 array `(num_examples,)`, or `None`.
        value_range: Smallest and largest value; computed where it is not given, and
            a `ValueError` if a value is not finite.
        in_memory: `False` for a mapped file that should stay where it is.
        rows: Row numbers of `x` to take, for a mapped file.
    """

    def __init__(self, x, labels=None, *, value_range=None, in_memory=True, rows=None):
        self._array = x
        self._rows = rows
        self.labels = labels
        self.in_memory = in_memory
        self.num_examples = len(x) if rows is None else len(rows)
        self.data_shape = tuple(x.shape[1:])
        self.value_range = finite_range(x) if value_range is None else value_range

    def select(self, rows):
        array, selected = self._array, None
        if self.in_memory:
            array = array[rows]
        else:
            selected = rows if self._rows is None else self._rows[rows]
        return ArraySource(
            array,
            None if self.labels is None else self.labels[rows],
            value_range=self.value_range,
            in_memory=self.in_memory,
            rows=selected,
        )

    def fetch(self, rows):
        if self.in_memory:
            x = tf.gather(self._tensor, rows)
        else:
            stored = tf.uint8 if self._array.dtype == np.uint8 else tf.float32
            x = tf.numpy_function(self._read, [rows], stored)
            x.set_shape((None, *self.data_shape))
        return x, self.fetch_labels(rows)

    def _read(self, rows):
        x = self._array[rows if self._rows is None else self._rows[rows]]
        return x if x.dtype == np.uint8 else x.astype("float32")

    @functools.cached_property
    def _tensor(self):
        return outside_of_graphs(self._array)

    @property
    def x(self):
        """float32 array `(num_examples, *data_shape)`, bytes divided by 255."""
        if self._array.dtype == np.uint8:
            return np.divide(self._array, 255, dtype="float32")
        return self._array


def outside_of_graphs(array):
    """The array as a tensor that graphs refer to, instead of each keeping a copy.

    It stays on the CPU, where pipelines run, if there is a GPU.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.constant(array)


# The square of a distance must fit in float32, whose largest number is 3.4e38.
LARGEST = 1e18


def finite_range(x, what="the data"):
    """Smallest and largest value of an array, in float32; bytes count as `x / 255`.

    Args:
        x: Array `(num_examples, ...)` of numbers, perhaps a mapped file.
        what: What the array is, for the error.

    Returns:
        Two floats.

    Raises:
        ValueError: If a value is not finite or its square is not in float32; with the
            number of them and the place of the first.

    Example:

    >>> finite_range(np.array([[0.5, 2.0], [-1.0, 0.0]]))
    (-1.0, 2.0)
    """
    if x.dtype == np.uint8:
        return 0.0, 1.0
    low, high, num_bad, first = np.inf, -np.inf, 0, None
    rows_at_once = block_size(x.shape[1:])
    for start in range(0, len(x), rows_at_once):
        with np.errstate(over="ignore"):
            block = np.asarray(x[start : start + rows_at_once], dtype="float32")
        low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
        if not (low >= -LARGEST and high <= LARGEST):
            bad = ~(np.abs(block) <= LARGEST)
            num_bad += int(bad.sum())
            if first is None:
                row, *inside = map(int, np.argwhere(bad)[0])
                place = [start + row, *inside]
                first = f"{x[tuple(place)]} at {place}"
            low, high = np.inf, -np.inf
    if num_bad:
        raise ValueError(
            f"{what} should be finite numbers. Received: {num_bad} of {x.size} values "
            f"are NaN, infinite or beyond {LARGEST:g}, the first of them {first}. "
            "Remove or replace them."
        )
    return float(low), float(high)


def block_size(data_shape):
    """How many examples make about a million values: what is read at once."""
    return int(np.clip(2**20 // max(1, int(np.prod(data_shape))), 1, 4096))
