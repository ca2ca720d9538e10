"""Data sets of tensorflow-datasets: one built here, the real MNIST, and none."""

import itertools
import socket
import threading

import numpy as np
import pytest
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_vae.datasets import load
from keras_vae.datasets import tfds as ours
from keras_vae.datasets.sprites import SPRITE_FACTORS

NUM_TRAIN, NUM_TEST = 97, 13
WRAPS = 5  # a seed whose place is 78 of 97
WHOLE = {"validation_fraction": 0, "test_fraction": 0}


def picture(number, shape=(4, 5, 1)):
    """An image that says its number: black, but for one row of that grey."""
    image = np.zeros(shape, dtype="uint8")
    image[0] = number
    return image


class NumberedPictures(tfds.core.GeneratorBasedBuilder):
    """Pictures numbered from 0, labelled by the remainder of a division by 3."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(4, 5, 1)),
                    "label": tfds.features.ClassLabel(names=["zero", "one", "two"]),
                    "note": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(0, NUM_TRAIN),
            "test": self._generate_examples(NUM_TRAIN, NUM_TRAIN + NUM_TEST),
        }

    def _generate_examples(self, start, end):
        for i in range(start, end):
            yield i, {"image": picture(i), "label": i % 3, "note": "unused"}


class PicturesOfManySizes(tfds.core.GeneratorBasedBuilder):
    """Grey pictures of several sizes, all of one value; train alone, no labels."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"picture": tfds.features.Image(shape=(None, None, 3))}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(20):
            yield i, {"picture": np.full((5 + i, 30 - i, 3), 10 * i, dtype="uint8")}


class OnlyNumbers(tfds.core.GeneratorBasedBuilder):
    """No pictures at all."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"number": tfds.features.Scalar(np.int64)}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        raise AssertionError("it should be refused before it is prepared")

    def _generate_examples(self):
        raise AssertionError


class BitPictures(tfds.core.GeneratorBasedBuilder):
    """Pictures whose bytes are 0 and 1, with two labels and no word of which is it."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 5, 1)),
            "label_shape": tfds.features.ClassLabel(num_classes=3),
            "label_scale": tfds.features.ClassLabel(num_classes=2),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(20):
            image = np.full((4, 5, 1), i % 2, dtype="uint8")
            image[0, 0] = i // 10
            yield i, {"image": image, "label_shape": i % 3, "label_scale": i % 2}


class CannotBePrepared(NumberedPictures):
    """Its code fails."""

    def _split_generators(self, dl_manager):
        raise RuntimeError("the site has moved")


class KeptAsArrayRecords(NumberedPictures):
    """Prepared in another format."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder in which the numbered pictures lie prepared in five files a split."""
    folder = tmp_path_factory.mktemp("tfds")
    NumberedPictures(data_dir=folder).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=5)
    )
    return folder


def numbers(batches):
    """The number of each picture, batch by batch."""
    return [np.rint(255 * x[:, 0, 0, 0]).astype(int).tolist() for x in batches]


def flat(batches):
    return [*itertools.chain.from_iterable(numbers(batches))]


@pytest.mark.parametrize(
    ("validation_fraction", "test_fraction", "memory_limit"),
    [(0.1, 0.1, 2**30), (0.3, 0.4, 100), (0, 0, 100)],
)
def test_its_own_test_and_a_validation_out_of_train(
    data_dir, validation_fraction, test_fraction, memory_limit
):
    dataset = load(
        "numbered_pictures",
        data_dir=data_dir,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        memory_limit=memory_limit,
    )
    assert dataset.is_image and dataset.data_shape == (4, 5, 1)
    assert dataset.label_names == ("zero", "one", "two")
    assert dataset.train.in_memory == (memory_limit > 100)
    train, test = flat(dataset.train.batches(10)), flat(dataset.test.batches(10))
    assert sorted(test) == list(range(NUM_TRAIN, NUM_TRAIN + NUM_TEST))
    validation = []
    if validation_fraction:
        validation = flat(dataset.validation.batches(10))
        assert len(validation) == round(validation_fraction * NUM_TRAIN)
    else:
        assert dataset.validation is None
    assert sorted(train + validation) == list(range(NUM_TRAIN))
    for x, labels in dataset.train.batches(10, with_labels=True):
        assert [number % 3 for number in flat([x])] == labels.numpy().tolist()
        assert np.all(x[:, 1:] == 0)


@pytest.mark.parametrize("seed", [0, WRAPS])
def test_the_seed_decides_the_split_and_the_memory_does_not(data_dir, seed):
    """One seed cuts validation out of the middle of train, the other over its end."""
    arguments = {"data_dir": data_dir, "validation_fraction": 0.45, "seed": seed}
    in_memory = load("numbered_pictures", **arguments)
    streamed = load("numbered_pictures", memory_limit=100, **arguments)
    for part in ("train", "validation", "test"):
        one, other = getattr(in_memory, part), getattr(streamed, part)
        assert one.num_examples == other.num_examples
        assert flat(one.batches(10)) == flat(other.batches(10))
    stored = flat(
        load("numbered_pictures", data_dir=data_dir, **WHOLE).train.batches(10)
    )
    places = [stored.index(number) for number in flat(in_memory.validation.batches(10))]
    is_one_run = places == list(range(places[0], places[0] + 44))
    assert is_one_run == (seed != WRAPS)
    assert (0 in places and 96 in places) == (seed == WRAPS)


def test_streams_are_shuffled_and_resume_bit_for_bit(data_dir, monkeypatch):
    monkeypatch.setattr(ours, "SHUFFLE_BLOCK", 30)
    dataset = load("numbered_pictures", data_dir=data_dir, memory_limit=100)
    train = dataset.train
    stored = flat(train.batches(10))
    steps = train.steps_per_epoch(10)
    batches = numbers(train.training_batches(10, seed=1, num_epochs=4))
    epochs = [
        [*itertools.chain.from_iterable(batches[i : i + steps])]
        for i in range(0, 4 * steps, steps)
    ]
    assert len(epochs) == 4 and len({tuple(epoch) for epoch in epochs}) == 4
    for epoch in epochs:
        assert sorted(epoch) == sorted(stored)
    # Mixed further than within the blocks: an epoch begins with other files, too.
    assert len({frozenset(epoch[:30]) for epoch in epochs}) > 1
    tf.random.set_seed(99)
    resumed = train.training_batches(10, seed=1, start_epoch=2, num_epochs=2)
    assert numbers(resumed) == batches[2 * steps :]
    drawn = [
        np.concatenate(
            list(
                train.training_batches(
                    10,
                    seed=1,
                    start_epoch=start,
                    num_epochs=4 - start,
                    binarize="dynamic",
                ).as_numpy_iterator()
            )
        )
        for start in (0, 2)
    ]
    assert np.array_equal(drawn[0][2 * len(stored) :], drawn[1])


def test_a_stream_has_moments(data_dir):
    arguments = {"data_dir": data_dir, "validation_fraction": 0.2}
    whole = load("numbered_pictures", **arguments).train
    mean, scale = load("numbered_pictures", memory_limit=9, **arguments).train.moments()
    np.testing.assert_allclose(mean, whole.x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale[0], whole.x.std(0)[0], rtol=1e-6)
    assert np.all(scale[1:] == 1)


def test_images_are_scaled_where_a_size_is_asked_for(data_dir):
    dataset = load("numbered_pictures", data_dir=data_dir, image_size=(1, 5))
    assert dataset.data_shape == (1, 5, 1)
    dataset = load("numbered_pictures", data_dir=data_dir, image_size=(4, 5))
    assert sorted(flat(dataset.test.batches(20))) == list(range(97, 110))


def test_asking_by_name_prepares_it(tmp_path):
    """What is downloaded or generated, once, is what the user asked for by name."""
    with pytest.raises(ValueError, match=r"of several sizes: give `image_size"):
        load("pictures_of_many_sizes", data_dir=tmp_path)
    assert not list(tmp_path.iterdir())
    dataset = load("pictures_of_many_sizes", data_dir=tmp_path, image_size=8)
    assert (tmp_path / "pictures_of_many_sizes").is_dir()
    assert dataset.data_shape == (8, 8, 3)
    assert dataset.label_names is None and dataset.train.labels is None
    assert dataset.train.num_examples == 16
    every = [getattr(dataset, part).x for part in ("train", "validation", "test")]
    every = np.concatenate(every) * 255
    # Each picture is of one value, which it keeps whatever its size was.
    assert np.all(every == every[:, :1, :1, :1])
    assert sorted(np.rint(every[:, 0, 0, 0]).tolist()) == list(range(0, 200, 10))


def test_the_environment_says_where_it_is(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setattr(ours, "_any_reachable", lambda urls: False)
    assert load("numbered_pictures").test.num_examples == NUM_TEST
    assert load("numbered_pictures:1.0.0").test.num_examples == NUM_TEST


def test_test_data_are_not_read_until_they_are_asked_for(data_dir, tmp_path):
    copy = tfds.builder("numbered_pictures", data_dir=data_dir).data_path
    folder = tmp_path / "numbered_pictures" / "1.0.0"
    folder.mkdir(parents=True)
    for file in copy.iterdir():
        broken = "-test." in file.name
        content = b"damaged" if broken else file.read_bytes()
        (folder / file.name).write_bytes(content)
    dataset = load("numbered_pictures", data_dir=tmp_path)
    assert dataset.train.num_examples and dataset.validation.num_examples
    with pytest.raises(ValueError, match=f"data set in {folder} is damaged.*prepare"):
        _ = dataset.test
    next(folder.glob("*-train.*")).unlink()
    with pytest.raises(ValueError, match=f"data set in {folder} is damaged"):
        _ = load("numbered_pictures", data_dir=tmp_path).train


def test_a_data_set_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a data set of 8-bit images.*: number"):
        load("only_numbers", data_dir=tmp_path)


def test_a_data_set_in_another_format_is_refused(tmp_path):
    pytest.importorskip("array_record", reason="array_record is for Linux alone")
    KeptAsArrayRecords(
        data_dir=tmp_path, file_format="array_record"
    ).download_and_prepare()
    with pytest.raises(ValueError, match="as TFRecord files. Received: array_record"):
        load("kept_as_array_records", data_dir=tmp_path)


def test_a_data_set_that_cannot_be_prepared(tmp_path):
    message = "could not be prepared in .*: RuntimeError: .*the site has moved"
    with pytest.raises(OSError, match=message):
        load("cannot_be_prepared", data_dir=tmp_path)


def test_without_a_network_it_fails_at_once(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise socket.gaierror("no name server")

    def downloading(*args, **kwargs):
        raise AssertionError("it tries for minutes")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    for name in ("mnist", "cifar10"):
        builder = tfds.builder_cls(name)
        monkeypatch.setattr(builder, "download_and_prepare", downloading)
        with pytest.raises(ConnectionError) as raised:
            load(name, data_dir=tmp_path)
        message = str(raised.value)
        assert f"'{name}' is not in {tmp_path}, and the network" in message
        assert f"tfds.builder('{name}', data_dir='{tmp_path}')" in message
        assert "TFDS_DATA_DIR" in message
    assert not list(tmp_path.iterdir())


def test_a_network_that_hangs_is_not_waited_for(monkeypatch):
    released = threading.Event()

    def hangs(*args, **kwargs):
        released.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    # It would not come back before the name server does.
    assert not ours._any_reachable(["https://example.org/x"], timeout=0.1)
    released.set()


def test_one_server_that_answers_is_enough(monkeypatch):
    def head(url, timeout):
        if "gone" in url:
            raise requests.ConnectionError("gone")

    monkeypatch.setattr(requests, "head", head)
    assert ours._any_reachable(["http://gone.org/a", "https://there.org/b"])
    assert not ours._any_reachable(["http://gone.org/a", "http://gone.com/b"])
    assert ours._any_reachable([])


@pytest.mark.mnist
def test_the_real_mnist():
    dataset = load("mnist")
    assert dataset.data_shape == (28, 28, 1) and dataset.num_classes == 10
    assert dataset.name == "mnist"
    sizes = [s.num_examples for s in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [54_000, 6_000, 10_000]
    # The mean and standard deviation that everybody quotes for its training images.
    x = np.concatenate([dataset.train.x, dataset.validation.x])
    assert round(float(x.mean(dtype="float64")), 4) == 0.1307
    assert round(float(x.std(dtype="float64")), 4) == 0.3081
    # Digits per class in the test images, from the publication of MNIST.
    counts = np.bincount(dataset.test.labels)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # A run of what is stored is a fair sample: each class within 5 standard errors.
    every = np.bincount(dataset.train.labels) + np.bincount(dataset.validation.labels)
    p = every / 60_000
    error = np.sqrt(6_000 * p * (1 - p) * 54 / 60)
    assert np.all(
        np.abs(np.bincount(dataset.validation.labels) - 6_000 * p) < 5 * error
    )


def test_bytes_of_0_and_1_are_black_and_white(tmp_path, monkeypatch):
    """As those of dsprites and binarized_mnist, which would be all but black."""
    monkeypatch.setattr(ours, "ONE_BIT", ("bit_pictures",))
    monkeypatch.setattr(ours, "LABELS", {"bit_pictures": "label_shape"})
    BitPictures(data_dir=tmp_path).download_and_prepare()
    dataset = load("bit_pictures", data_dir=tmp_path, **WHOLE)
    assert sorted(np.unique(dataset.train.x)) == [0, 1]
    assert dataset.levels == 2 and dataset.label_names == ("0", "1", "2")
    assert np.bincount(dataset.train.labels).tolist() == [7, 7, 6]
    assert dataset.factors is None
    larger = load("bit_pictures", data_dir=tmp_path, image_size=(8, 10), **WHOLE)
    assert larger.train.x.max() == 1 and larger.levels == 256


def test_dsprites_and_binarized_mnist_are_still_what_is_said_of_them():
    for name in ("dsprites", "binarized_mnist"):
        assert name in ours.ONE_BIT
        builder = ours._builder(name, None)
        assert builder.name == name
        image, label = ours._image_and_label(name, builder.info)
        assert builder.info.features[image].shape[-1] == 1
        assert label == {"dsprites": "label_shape"}.get(name)
    factors = {
        name: ours._builder("dsprites", None).info.features[key].num_classes
        for name, key in ours.FACTORS["dsprites"].items()
    }
    # Matthey et al. (2017): 737,280 pictures, each combination once.
    assert factors == {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
    assert tuple(factors) == tuple(SPRITE_FACTORS)


def test_known_factors_are_drawn_with_the_pictures_that_have_them(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(ours, "ONE_BIT", ("bit_pictures",))
    names = {"shape": "label_shape", "scale": "label_scale"}
    monkeypatch.setattr(ours, "FACTORS", {"bit_pictures": names})
    BitPictures(data_dir=tmp_path).download_and_prepare()
    settings = {"validation_fraction": 0.2, "test_fraction": 0.5}
    dataset = load("bit_pictures", data_dir=tmp_path, **settings)
    factors = dataset.factors
    assert factors.sizes == {"shape": 3, "scale": 2} and factors.categorical == (0,)
    x, values = factors.draw(10, seed=1)  # all that are held out
    assert x.dtype == "float32" and values.dtype == "int64"
    # The corner and the rest of a picture say which of the 20 it is, but for shape.
    np.testing.assert_array_equal(x[:, 1, 1, 0], values[:, 1])
    seen = {tuple(row.ravel()) for row in x}
    assert seen == {tuple(row.ravel()) for row in dataset.test.x}
    again, other = factors.draw(10, seed=1), factors.draw(10, seed=2)
    np.testing.assert_array_equal(again[1], values)
    assert not np.array_equal(other[1], values)
    assert sorted(map(tuple, other[1])) == sorted(map(tuple, values))
