"""A data set: train, validation and test splits, and their pipelines."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_integer
from keras_vae.datasets import pipelines
from keras_vae.datasets.description import values_in_words
from keras_vae.datasets.sources import block_size
from keras_vae.datasets.table_schema import TableSchema
from keras_vae.memory import check_memory
from keras_vae.moments import RunningMoments

ORDER, NOISE, FIXED_NOISE = range(3)  # what a seed is used for


class KnownFactors(NamedTuple):
    """What data are made of, and examples with that.

    Attributes:
        sizes: Dictionary from the name of each factor to how many values it has.
        categorical: Indices of the factors whose values have no order.
        draw: Function of a number of examples and a seed to `(x, factors)`: examples
            that a model was not trained on, where there are any, and int64
            `(n, num_factors)`.
    """

    sizes: dict
    categorical: tuple
    draw: Callable


class Dataset:
    """Data with its train, validation and test splits.

    Made by `keras_vae.datasets.load`, and has what it was made with as attributes.
    Data that come from tensorflow-datasets are read when a split is first used.

    Args:
        name: String, for people and file names.
        parts: Dictionary from `"train"`, `"validation"` and `"test"`, the last two as
            far as there are any, to where their examples are kept.
        kind: What an example is: `"images"` `(height, width, channels)`, `"series"`
            `(steps, channels)`, `"vectors"` `(num_features,)`, or `"table"`, such
            vectors made of columns of several kinds.
        label_names: Tuple of strings, the name of each label; `None` without labels.
        levels: How many equal steps from 0 to 1 the values have, if it is known: 256
            for bytes.
        origin: Dictionary of what else `description` says: `source`, `num_bytes`,
            `dtype`, `columns`, `left_out`, `label_column`, `fingerprint`, and of a
            table `schema`.
        factors: `KnownFactors`, or `None`.

    Attributes:
        data_shape: Tuple, the shape of one example.
        is_image: Whether an example is an image.
        feature_names: Tuple of strings, the columns of a table that has a header, or
            `None`.
        schema: `TableSchema` of a table, or `None`.

    Raises:
        ValueError: If the parts hold examples of different shapes.

    Example:

    >>> import keras_vae
    >>> dataset = keras_vae.datasets.load("digits")
    >>> dataset.data_shape, dataset.num_classes
    ((8, 8, 1), 10)
    >>> dataset.train.num_examples, dataset.test.num_examples
    (1437, 180)
    """

    def __init__(
        self,
        name,
        parts,
        *,
        kind,
        label_names=None,
        levels=None,
        origin=None,
        factors=None,
    ):
        self.name = name
        self.kind = kind
        self.is_image = kind == "images"
        self.label_names = label_names
        self.levels = levels
        self.factors = factors
        self._origin = origin or {}
        columns = self._origin.get("columns")
        self.feature_names = columns and tuple(column["name"] for column in columns)
        schema = self._origin.get("schema")
        self.schema = schema and TableSchema.from_json(schema)
        self._parts = parts
        self.data_shape = parts["train"].data_shape
        for part, source in parts.items():
            if source.data_shape != self.data_shape:
                raise ValueError(
                    f"The splits of {name} should hold examples of one shape. "
                    f"Received: train {self.data_shape}, {part} {source.data_shape}"
                )

    @functools.cached_property
    def description(self):
        """What JSON can hold of what the data are: to be kept with what uses them.

        `name`, `source` (an absolute path, or the name of a data set), `kind`,
        `num_bytes`, `num_examples` of each split, `data_shape`, `dtype` (as stored),
        `value_range`, `levels`, `columns` (name and type of each, for a table with a
        header), `left_out` and `label_column` (of a table), `array` (of an `.npz`,
        where one was chosen), `label_names`, `fingerprint`, and of a table of columns
        of several kinds its `schema`.
        `load(..., like=description)` reads other data as these were read, and
        `check_same(dataset, description)` finds out whether data changed.
        """
        ranges = np.array([source.value_range for source in self._parts.values()])
        return {
            "name": self.name,
            "source": self.name,
            "kind": self.kind,
            "num_bytes": None,
            "num_examples": {
                part: source.num_examples for part, source in self._parts.items()
            },
            "data_shape": list(self.data_shape),
            "dtype": "float32",
            "value_range": [float(ranges[:, 0].min()), float(ranges[:, 1].max())],
            "levels": self.levels,
            "columns": None,
            "left_out": [],
            "label_column": None,
            "label_names": self.label_names and list(self.label_names),
            "fingerprint": None,
            **self._origin,
        }

    @functools.cached_property
    def train(self):
        """The `Split` to train with."""
        return self._split("train")

    @functools.cached_property
    def validation(self):
        """The `Split` to choose with (when to stop, which settings), or `None`."""
        return self._split("validation")

    @functools.cached_property
    def test(self):
        """The `Split` for the final report alone, or `None`."""
        return self._split("test")

    @property
    def num_classes(self):
        """Number of distinct labels, or `None` without labels."""
        return None if self.label_names is None else len(self.label_names)

    @property
    def mean(self):
        """float32 `data_shape`: mean of each value over train; `None` for images."""
        return None if self.is_image else self._moments[0]

    @property
    def scale(self):
        """float32 `data_shape`: standard deviation of each value over train.

        1 for a value that is constant; `None` for images.
        """
        return None if self.is_image else self._moments[1]

    @functools.cached_property
    def _moments(self):
        return self.train.moments()

    @property
    def values_in_words(self):
        """Sentences: range, levels and stored type of the values, and how to mend them.

        They belong under the error of a likelihood that does not explain the data.
        """
        return values_in_words(self.description)

    def _split(self, part):
        if part not in self._parts:
            return None
        return Split(
            self._parts[part].prepare(), has_labels=self.num_classes is not None
        )

    def __repr__(self):
        sizes = [f"{part}={e.num_examples}" for part, e in self._parts.items()]
        return (
            f"<Dataset {self.name}, data_shape={self.data_shape}, {', '.join(sizes)}, "
            f"num_classes={self.num_classes}>"
        )


class Split:
    """The examples of one split, as arrays and as pipelines.

    Whatever it was stored as, `x` is float32: bytes divided by 255, other numbers as
    they are, in the data's own units.

    Args:
        source: Where the examples are kept.
        has_labels: Whether they have labels.

    Attributes:
        num_examples: Integer.
        data_shape: Tuple, the shape of one example.
        in_memory: Whether `x` and `labels` are there as arrays.
        value_range: Two floats that no value is below or above.

    Example:

    >>> import keras_vae
    >>> train = keras_vae.datasets.load("digits").train
    >>> train.x.shape, float(train.x.max())
    ((1437, 8, 8, 1), 1.0)
    >>> [x.shape[0] for x in train.batches(500)]
    [500, 500, 437]
    >>> epochs = train.training_batches(128, seed=0, binarize="dynamic")
    >>> x = next(iter(epochs))
    >>> sorted(set(x.numpy().flat) - {0.0, 1.0})
    []
    """

    def __init__(self, source, has_labels):
        self._source = source
        self._has_labels = has_labels
        self.num_examples = source.num_examples
        self.data_shape = source.data_shape
        self.in_memory = source.in_memory
        self.value_range = source.value_range

    @property
    def x(self):
        """float32 array `(num_examples, *data_shape)`, where it fits in memory."""
        self._check_in_memory("x")
        return self._source.x

    @property
    def labels(self):
        """int64 array `(num_examples,)`, or `None` for data without labels."""
        self._check_in_memory("labels")
        return self._source.labels if self._has_labels else None

    def steps_per_epoch(self, batch_size):
        """Number of batches that hold every example once, the last perhaps short.

        Args:
            batch_size: Integer.

        Returns:
            Integer, `ceil(num_examples / batch_size)`.
        """
        batch_size = check_integer("batch_size", batch_size, minimum=1)
        return -(-self.num_examples // batch_size)

    def _check_batch(self, batch_size):
        """Refuses batches that do not fit in memory; the number of them otherwise."""
        steps = self.steps_per_epoch(batch_size)
        size = min(batch_size, self.num_examples)
        # One batch is worked on while another is prepared.
        check_memory(
            f"Batches of {size} examples of shape {self.data_shape}",
            2 * 4 * size * math.prod(self.data_shape),
            "Make `batch_size` smaller, or images smaller with `image_size`.",
        )
        return steps

    def batches(
        self,
        batch_size,
        *,
        with_labels=False,
        condition=False,
        binarize="none",
        seed=0,
    ):
        """Every example once, in the stored order.

        Binary data are the same at each call: `"dynamic"` makes one fixed draw from
        Bernoulli(x), which depends on the seed and an example's place and not on the
        batch size, so that validation and test compare like with like.

        Args:
            batch_size: Integer; the last batch may be short.
            with_labels: Whether to give `(x, labels)` instead of `x`.
            condition: Whether `{"x": x, "condition": labels}` stands in place of x,
                for a model whose condition the label is.
            binarize: `"none"`, `"threshold"` (x > 1/2) or `"dynamic"` (one draw).
            seed: Integer from 0 on, of that draw.

        Returns:
            `tf.data.Dataset` of float32 `(batch, *data_shape)`; with labels of pairs
            with an int64 `(batch,)`.

        Raises:
            ValueError: If the data have no labels, or are not in [0, 1] and should be
                binarized.
        """
        steps = self._check_batch(batch_size)
        self._check_binarize(binarize)
        self._check_labels(with_labels=with_labels, condition=condition)
        # Noise is drawn for blocks whose size does not depend on the batch size.
        rebatch = binarize == "dynamic"
        batches = pipelines.pipeline(
            self._source,
            block_size(self.data_shape) if rebatch else batch_size,
            epochs=0,
            order_seed=None,
            noise_seed=_seed(seed, FIXED_NOISE),
            binarize=binarize,
            give=_as_asked(with_labels, condition),
        )
        if rebatch:
            batches = batches.rebatch(batch_size)
        return _with_length(batches, steps)

    def training_batches(
        self,
        batch_size,
        *,
        seed,
        start_epoch=0,
        num_epochs=None,
        condition=False,
        binarize="none",
    ):
        """Shuffled epochs, for `fit(..., steps_per_epoch=split.steps_per_epoch(...))`.

        The order of epoch `e` and its binary draws are functions of `(seed, e)` and
        the batch size alone: a pipeline that starts at epoch `k` gives, bit for bit,
        what one that started at 0 gives from epoch `k` on. Data that stream from
        tensorflow-datasets files are shuffled by file and within blocks of
        10,000 examples; everything else is shuffled whole.

        Args:
            batch_size: Integer; the last batch of an epoch may be short.
            seed: Integer from 0 on.
            start_epoch: Integer, the first epoch to give.
            num_epochs: How many epochs to give, or `None` for no end.
            condition: As for `batches`.
            binarize: `"none"`, `"threshold"` (x > 1/2) or `"dynamic"` (drawn from
                Bernoulli(x) anew in each epoch: Salakhutdinov & Murray, "On the
                quantitative analysis of deep belief networks" (2008)).

        Returns:
            `tf.data.Dataset` of float32 `(batch, *data_shape)`.

        Raises:
            ValueError: If an argument is out of range, or the data are not in [0, 1]
                and should be binarized.
        """
        steps = self._check_batch(batch_size)
        self._check_binarize(binarize)
        self._check_labels(condition=condition)
        check_integer("start_epoch", start_epoch, minimum=0)
        if num_epochs is None:
            epochs = tf.data.Dataset.range(start_epoch, tf.int64.max)
            length = tf.data.INFINITE_CARDINALITY
        else:
            check_integer("num_epochs", num_epochs, minimum=1)
            epochs = tf.data.Dataset.range(start_epoch, start_epoch + num_epochs)
            length = steps * num_epochs
        batches = pipelines.pipeline(
            self._source,
            batch_size,
            epochs,
            order_seed=_seed(seed, ORDER),
            noise_seed=_seed(seed, NOISE),
            binarize=binarize,
            give=_as_asked(False, condition),
        )
        return _with_length(batches, length)

    def moments(self, max_examples=None):
        """Mean and standard deviation of each value of an example.

        Args:
            max_examples: Integer: use about this many examples, drawn at random (with
                a fixed seed); `None` uses all.

        Returns:
            Two float32 arrays of the data's shape, in the data's units; the standard
            deviation (divided by n, not n - 1) is replaced by 1 where it is 0.

        Example:

        >>> import keras_vae
        >>> mean, scale = keras_vae.datasets.load("digits").train.moments()
        >>> mean.shape, float(scale[0, 0, 0])  # the first pixel is never on
        ((8, 8, 1), 1.0)
        """
        rows = block_size(self.data_shape)
        if max_examples is None or max_examples >= self.num_examples:
            batches = self.batches(rows)
        else:
            check_integer("max_examples", max_examples, minimum=1)
            rows = min(rows, max_examples)
            batches = self.training_batches(rows, seed=0, num_epochs=1)
            batches = batches.take(math.ceil(max_examples / rows))
        moments = RunningMoments()
        for x in batches.as_numpy_iterator():
            moments.update(x)
        scale = np.sqrt(moments.variance).astype("float32")
        # Float64 sums of a float32 constant are exact: its variance is 0, not tiny.
        scale[scale == 0] = 1
        return moments.mean.astype("float32"), scale

    def _check_in_memory(self, what):
        if not self.in_memory:
            raise ValueError(
                f"`{what}` is not in memory: the data are larger than `memory_limit` "
                "and stream. Use `batches(...)` or `training_batches(...)`, or give "
                "`load` a larger `memory_limit` (bytes)."
            )

    def _check_labels(self, **asked):
        for name, value in asked.items():
            if value and not self._has_labels:
                raise ValueError(
                    f"`{name}=True` needs data with labels; these have none."
                )

    def _check_binarize(self, binarize):
        pipelines.check_binarize(binarize)
        low, high = self.value_range
        if binarize != "none" and (low < 0 or high > 1):
            raise ValueError(
                f"`binarize={binarize!r}` needs data in [0, 1]. Received: data from "
                f'{low:g} to {high:g}. Rescale them, or use `binarize="none"`.'
            )


def _seed(seed, purpose):
    return pipelines.seed_pair(check_integer("seed", seed, minimum=0), purpose)


def _as_asked(with_labels, condition):
    """Function of a batch and its labels that returns what `batches` gives."""

    def give(x, labels):
        inputs = {"x": x, "condition": labels} if condition else x
        return (inputs, labels) if with_labels else inputs

    return give


def _with_length(batches, length):
    return batches.apply(tf.data.experimental.assert_cardinality(length))
