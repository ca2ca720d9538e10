"""Image data sets of tensorflow-datasets."""

import contextlib
import os
import queue
import re
import threading
import time
import urllib.parse

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_vae.arguments import did_you_mean
from keras_vae.datasets import pipelines
from keras_vae.datasets.dataset import Dataset, KnownFactors
from keras_vae.datasets.description import fingerprint
from keras_vae.datasets.images import fit_image
from keras_vae.datasets.sources import ArraySource, Source
from keras_vae.datasets.splits import PARTS, split_counts

# Records are shuffled as they are stored: an encoded image is small.
SHUFFLE_BLOCK = 10_000
# Data sets whose bytes are 0 and 1, where those of all others go to 255.
ONE_BIT = ("binarized_mnist", "dsprites")
# The label of data sets that have several and do not say which is the one.
LABELS = {"dsprites": "label_shape"}
# The features of data sets that are made of known factors, the categorical ones first.
FACTORS = {
    "dsprites": {
        "shape": "label_shape",
        "scale": "label_scale",
        "orientation": "label_orientation",
        "x": "label_x_position",
        "y": "label_y_position",
    }
}


class UnknownNameError(ValueError):
    """There is no data set of that name; the message has the nearest ones.

    Example:

    >>> import keras_vae
    >>> try:
    ...     keras_vae.datasets.load("digit")
    ... except keras_vae.datasets.UnknownNameError as error:
    ...     "'digits'" in str(error)
    True
    """


def load_tfds(name, data_dir, fractions, seed, memory_limit, image_size):
    """A data set by the name it has in tensorflow-datasets.

    It is prepared (downloaded) if it is not; without a network that fails at once.
    Splits of its own are used; those that it lacks are cut out of train, as one run of
    the stored examples (which tensorflow-datasets shuffles when it stores them) at a
    place that the seed decides.
    """
    builder = _builder(name, data_dir)
    image, label = _image_and_label(name, builder.info)
    features = builder.info.features
    shape = features[image].shape
    if image_size is not None:
        shape = (*image_size, shape[-1])
    if None in shape:
        raise ValueError(
            f"The images of {name} are of several sizes: give "
            "`image_size=(height, width)`. Received: image_size=None"
        )
    _prepare(name, builder)
    if builder.info.file_format.value != "tfrecord":
        raise ValueError(
            f"{name} should be prepared as TFRecord files. Received: "
            f"{builder.info.file_format.value}"
        )
    splits = builder.info.splits
    own = [part for part in PARTS if part in splits]
    if "train" not in own:
        raise ValueError(f"{name} has no train split. It has: {', '.join(splits)}")
    one_bit = builder.name in ONE_BIT
    decode = _decoder(features, image, label, shape, one_bit)
    files = {
        part: splits[instruction].file_instructions
        for part, instruction in _instructions(splits, own, fractions, seed).items()
    }
    parts = {
        part: Records(instructions, decode, shape, memory_limit)
        for part, instructions in files.items()
    }
    factors = None
    if builder.name in FACTORS:
        names = FACTORS[builder.name]
        decode = _decoder(features, image, [*names.values()], shape, one_bit)
        held_out = files.get("test") or files["train"]
        factors = KnownFactors(
            {name: features[key].num_classes for name, key in names.items()},
            (0,),
            Records(held_out, decode, shape, memory_limit=0).draw,
        )
    label_names = None if label is None else tuple(features[label].names)
    shards = {
        part: [splits[part].num_bytes, splits[part].shard_lengths] for part in own
    }
    return Dataset(
        re.sub(r"\W", "_", name),
        parts,
        kind="images",
        label_names=label_names,
        levels=2 if one_bit and shape == features[image].shape else 256,
        origin={
            "source": name,
            "num_bytes": sum(num_bytes for num_bytes, _ in shards.values()),
            "dtype": "uint8",
            "fingerprint": fingerprint(builder.info.full_name, shards),
        },
        factors=factors,
    )


class Records(Source):
    """Images in TFRecord files, which can be read only from their beginning.

    Args:
        files: List of the `FileInstruction` of tensorflow-datasets: a file name, how
            many records of it to skip, and how many to take.
        decode: Function of a serialized record, to `(image, label)`.
        data_shape: Tuple `(height, width, channels)`.
        memory_limit: Integer, bytes up to which `prepare` brings all into memory.
    """

    def __init__(self, files, decode, data_shape, memory_limit):
        self._files = files
        self._decode = decode
        self.num_examples = sum(file.take for file in files)
        self.data_shape = data_shape
        self._fits = self.num_examples * int(np.prod(data_shape)) <= memory_limit

    def prepare(self):
        if not self._fits:
            return self
        x = np.empty((self.num_examples, *self.data_shape), dtype="uint8")
        labels = np.empty(self.num_examples, dtype="int64")
        row = 0
        try:
            for images, codes in self.epoch(256).prefetch(2).as_numpy_iterator():
                x[row : row + len(images)] = images
                labels[row : row + len(images)] = codes
                row += len(images)
        except tf.errors.OpError as error:
            raise _damaged(self._files, error.message) from error
        if row != self.num_examples:
            raise _damaged(
                self._files, f"{row} of {self.num_examples} records are there"
            )
        return ArraySource(x, labels)

    def epoch(self, batch_size, seed=None):
        names = tf.constant([file.filename for file in self._files])
        spans = tf.constant([[f.skip, f.take] for f in self._files], tf.int64)
        if seed is not None:
            order = pipelines.permutation(len(self._files), pipelines.fold_in(seed, 0))
            names, spans = tf.gather(names, order), tf.gather(spans, order)
        records = tf.data.Dataset.from_tensor_slices((names, spans)).interleave(
            lambda name, span: (
                tf.data.TFRecordDataset(name).skip(span[0]).take(span[1])
            ),
            cycle_length=1 if seed is None else 8,
            block_length=16,
        )
        if seed is not None:
            # tf.data's own shuffle also depends on the global seed.
            def shuffle(i, block):
                block_seed = pipelines.fold_in(seed, i + 1)
                return tf.gather(
                    block, pipelines.permutation(tf.shape(block)[0], block_seed)
                )

            records = records.batch(SHUFFLE_BLOCK).enumerate().map(shuffle).unbatch()
        return records.map(
            self._decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).batch(batch_size)

    def fetch(self, key):
        return key

    def draw(self, num_examples, seed):
        """Some of the examples, as they come in the order of a seed.

        Returns:
            `(x, labels)`: float32 and int64 arrays.
        """
        batches = self.epoch(num_examples, tf.constant([seed, 0], tf.int64))
        x, labels = next(batches.as_numpy_iterator())
        return x / np.float32(255), labels


def is_tfds_name(name):
    """Whether tensorflow-datasets is there and has a data set of that name."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return False
    return name in tfds.list_builders(with_community_datasets=False)


def _builder(name, data_dir):
    """The builder of that name, prepared or not."""
    try:
        import tensorflow_datasets as tfds  # slow, and not needed for other data
    except ImportError as error:
        raise ImportError(
            f"The data set {name!r} needs tensorflow-datasets ({error}): pip install "
            "tensorflow-datasets importlib_resources"
        ) from error
    # A prefix ("huggingface:mnist") is another registry, which needs the network.
    if not re.fullmatch(r"\w+(/[\w.-]+)?(:\d+\.\d+\.\d+)?", name):
        raise _unknown(name, tfds)
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    with _quiet():
        try:
            return tfds.builder(name, data_dir=os.path.expanduser(data_dir))
        except tfds.core.registered.DatasetNotFoundError as error:
            raise _unknown(name, tfds) from error
        except (ValueError, AssertionError) as error:  # the configuration or version
            raise _unknown(name, tfds, error) from error


def _unknown(name, tfds, error=None):
    """The error for a name, configuration or version that is not known."""
    valid = ["digits", "letters", "sprites"]
    valid += tfds.list_builders(with_community_datasets=False)
    base, _, config = name.partition("/")
    if error is not None and config:
        problem = f"The data set {base!r} has no configuration {config!r}."
        valid = [f"{base}/{known}" for known in tfds.builder_cls(base).builder_configs]
    elif error is not None:
        problem = str(error).strip().splitlines()[0]
    else:
        problem = f"There is no file, no folder and no data set named {name!r}."
    return UnknownNameError(
        f"{problem}{did_you_mean(name, valid)} Data sets are 'digits', 'letters', "
        "'sprites' and the image data sets of tensorflow-datasets: "
        "https://www.tensorflow.org/datasets/catalog/overview"
    )


def _image_and_label(name, info):
    """The names of the features that are the image and its label (or `None`)."""
    import tensorflow_datasets as tfds

    images = [
        key
        for key, feature in info.features.items()
        if isinstance(feature, tfds.features.Image) and feature.tf_dtype == tf.uint8
    ]
    if not images:
        raise ValueError(
            f"{name} is not a data set of 8-bit images. Its features: "
            f"{', '.join(info.features)}"
        )
    supervised = info.supervised_keys or ("image", LABELS.get(info.name, "label"))
    image = supervised[0] if supervised[0] in images else images[0]
    label = dict(info.features.items()).get(supervised[1])
    is_class = isinstance(label, tfds.features.ClassLabel)
    return image, supervised[1] if is_class else None


def _decoder(features, image, label, shape, one_bit):
    """A function from a serialized record to `(image, label)`; -1 without a label.

    Of a list of labels `(image, labels)`, int64 with one for each.
    """
    labels = label if isinstance(label, list) else [label]
    wanted = {key: features[key] for key in (image, *labels) if key is not None}
    # Only what is wanted is parsed and decoded.
    features = type(features)(wanted)
    resize = wanted[image].shape != shape

    def fit(x):
        return fit_image(Image.fromarray(x[..., 0] if shape[-1] == 1 else x), shape)

    def decode(record):
        example = features.deserialize_example(record)
        x = example[image]
        if one_bit:
            x *= 255
        if resize:
            x = tf.numpy_function(fit, [x], tf.uint8)
        x = tf.ensure_shape(x, shape)
        if label is None:
            return x, tf.constant(-1, tf.int64)
        found = [tf.cast(example[key], tf.int64) for key in labels]
        return x, tf.stack(found) if labels is label else found[0]

    return decode


def _instructions(splits, own, fractions, seed):
    """Dictionary from a split to what tensorflow-datasets should read for it.

    Train, seen as a ring, is cut where the seed says: first come the splits that are
    missing, and what is left is train.
    """
    num_examples = splits["train"].num_examples
    counts = split_counts(num_examples, own, fractions)
    start = np.random.RandomState(seed).randint(num_examples)
    instructions = {part: part for part in own}
    for part, count in [
        *counts.items(),
        ("train", num_examples - sum(counts.values())),
    ]:
        if counts:
            end = start + count
            spans = [(start, min(end, num_examples)), (0, end - num_examples)]
            instructions[part] = "+".join(
                f"train[{first}:{last}]" for first, last in spans if first < last
            )
            start = end % num_examples
    return {part: instructions[part] for part in PARTS if part in instructions}


def _prepare(name, builder):
    """Downloads and prepares a data set that is not; at once an error if it cannot."""
    with _quiet():
        if builder.is_prepared():
            return
    data_dir = str(builder.data_path)[: -len(builder.info.full_name) - 1]
    command = (
        'python -c "import tensorflow_datasets as tfds; '
        f'tfds.builder({name!r}, data_dir={data_dir!r}).download_and_prepare()"'
    )
    if not _any_reachable(builder.url_infos or ()):
        raise ConnectionError(
            f"The data set {name!r} is not in {data_dir}, and the network it would be "
            "downloaded from does not answer. Give the folder that has it (`data_dir`, "
            "or the environment variable TFDS_DATA_DIR), or prepare it where there is "
            f"a network: {command}"
        )
    try:
        builder.download_and_prepare()
    # Whatever a builder's own code raises: it should be one clear error.
    except Exception as error:
        raise OSError(
            f"The data set {name!r} could not be prepared in {data_dir}: "
            f"{type(error).__name__}: {error}. To see more: {command}"
        ) from error


def _any_reachable(urls, timeout=5.0):
    """Whether any of the servers of some URLs answers; true if there is none to ask.

    The downloader of tensorflow-datasets tries again for more than three minutes.
    """
    hosts = {
        urllib.parse.urlsplit(url).netloc: url for url in urls if url[:4] == "http"
    }
    if not hosts:
        return True
    answers = queue.Queue()
    for url in hosts.values():
        # Daemons: looking up a name may hang for longer than we want to wait.
        threading.Thread(target=_ask, args=(url, timeout, answers), daemon=True).start()
    deadline = time.monotonic() + timeout
    for _ in hosts:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False


def _ask(url, timeout, answers):
    import requests  # what tensorflow-datasets downloads with, proxies and all

    try:
        requests.head(url, timeout=timeout)
        answers.put(True)
    except requests.RequestException:
        answers.put(False)


def _damaged(files, reason):
    folder = os.path.dirname(files[0].filename)
    return ValueError(
        f"The data set in {folder} is damaged: {reason}. Delete the folder and prepare "
        "the data set again."
    )


@contextlib.contextmanager
def _quiet():
    """Without the warnings of tensorflow-datasets about folders that are not there."""
    import absl.logging

    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(before)
