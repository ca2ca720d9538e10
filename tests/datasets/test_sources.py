"""Standardisation, finite values, and what is read of data that stream."""

import tracemalloc

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from keras_vae.datasets import Dataset, Split
from keras_vae.datasets.sources import ArraySource, block_size, finite_range


def table(x):
    return Split(ArraySource(np.asarray(x, dtype="float32")), has_labels=False)


def test_moments_are_those_of_scikit_learn():
    """More than one block, a large offset, and a constant that rounding moves."""
    rng = np.random.RandomState(0)
    x = rng.randn(10_000, 3).astype("float32") * [1, 1e-3, 1e4] + [0, 100, -1e6]
    x = np.hstack([x, np.full((10_000, 1), 0.1)]).astype("float32")
    assert block_size((4,)) < 10_000
    mean, scale = table(x).moments()
    scaler = StandardScaler().fit(x.astype("float64"))
    np.testing.assert_allclose(mean, scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(scale[:3], scaler.scale_[:3], rtol=1e-5)
    assert scale[3] == 1
    assert mean.dtype == scale.dtype == np.float32


def test_moments_of_a_sample_are_near_those_of_all():
    """Sorted data: the first examples would be far from the mean."""
    x = np.sort(np.random.RandomState(0).randn(100_000, 1), axis=0)
    mean, scale = table(x).moments(max_examples=5000)
    assert abs(mean[0] - x.mean()) < 4 / np.sqrt(5000)
    assert abs(scale[0] - 1) < 4 / np.sqrt(2 * 5000)


def test_a_scale_too_small_for_float32_is_1():
    x = np.zeros((10, 1))
    x[0] = 1e-45
    assert table(x).moments()[1] == [1]


def test_a_data_set_is_standardised_by_train_alone():
    train, test = [[0.0, 5.0], [2.0, 5.0]], [[100.0, 7.0]]
    parts = {
        "train": ArraySource(np.array(train, dtype="float32")),
        "test": ArraySource(np.array(test, dtype="float32")),
    }
    dataset = Dataset("table", parts, kind="vectors")
    assert dataset.mean.tolist() == [1, 5] and dataset.scale.tolist() == [1, 1]
    assert dataset.train.x.tolist() == train  # in its own units
    assert dataset.validation is None
    assert dataset.num_classes is None and dataset.train.labels is None


def test_images_are_not_standardised():
    parts = {"train": ArraySource(np.zeros((2, 8, 8, 1), dtype="uint8"))}
    dataset = Dataset("images", parts, kind="images")
    assert dataset.mean is None and dataset.scale is None


def test_splits_of_different_shapes():
    parts = {
        "train": ArraySource(np.zeros((2, 3))),
        "test": ArraySource(np.zeros((2, 4))),
    }
    with pytest.raises(ValueError, match=r"one shape.*train \(3,\), test \(4,\)"):
        Dataset("table", parts, kind="vectors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e19])
def test_values_that_are_not_finite_are_counted_and_placed(value):
    x = np.zeros((20_000, 60))
    x[19_000, 7] = x[19_999, 0] = value  # neither of them in the first block
    message = r"2 of 1200000 values .* the first of them \S+ at \[19000, 7\]"
    with pytest.raises(ValueError, match=message):
        finite_range(x)


def test_range():
    assert finite_range(np.array([[3, -2], [7, 0]])) == (-2, 7)
    assert finite_range(np.zeros((1, 1), dtype="uint8")) == (0, 1)
    split = Split(ArraySource(np.array([[0.25], [2]])), has_labels=False)
    assert split.value_range == (0.25, 2)


def test_batches_that_fit_in_no_memory_are_refused(monkeypatch):
    """100 examples of 10 float32, twice: 8,000 bytes of the 10,000 there are."""
    monkeypatch.setattr("keras_vae.memory.machine_memory", lambda: 10_000)
    split = table(np.zeros((1000, 10)))
    assert len([*split.batches(100)]) == 10
    message = "Batches of 101 examples of shape .10,. would take about 8.08e-06 GB"
    with pytest.raises(ValueError, match=message):
        split.batches(101)
    with pytest.raises(ValueError, match=r"this machine has 1e-05 GB.*`batch_size`"):
        split.training_batches(101, seed=0)


@pytest.fixture
def mapped(tmp_path):
    """A mapped file of 64 MB: 65536 examples of 256 float32 that count from 0."""
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", dtype="float32", shape=(2**16, 256))
    x[:] = np.arange(2**16)[:, np.newaxis]
    x.flush()
    return np.load(path, mmap_mode="r")


def test_a_mapped_file_is_read_batch_by_batch(mapped):
    tracemalloc.start()
    examples = ArraySource(mapped, np.arange(2**16), in_memory=False)
    kept = np.arange(0, 2**16, 2)
    split = Split(examples.select(kept).select(np.arange(1, 2**15)), has_labels=True)
    batches = split.training_batches(128, seed=0)
    seen = [batch.numpy() for batch in batches.take(20)]
    first = next(iter(split.batches(3, with_labels=True)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20  # of 64 MB
    assert first[0][:, 0].numpy().tolist() == first[1].numpy().tolist() == [2, 4, 6]
    rows = np.concatenate(seen)[:, 0]
    assert len(set(rows)) == 20 * 128 and set(rows) <= set(kept[1:])
    assert np.all(np.concatenate(seen) == rows[:, np.newaxis])


def test_a_mapped_file_gives_what_memory_gives(mapped):
    some = np.arange(0, 2**16, 100)
    labels = some % 7
    in_memory = ArraySource(np.array(mapped[some]), labels)
    on_disk = ArraySource(mapped, np.arange(2**16) % 7, in_memory=False).select(some)
    for split in zip(
        Split(in_memory, True).training_batches(50, seed=1, num_epochs=2),
        Split(on_disk, True).training_batches(50, seed=1, num_epochs=2),
        strict=True,
    ):
        assert np.array_equal(*split)


def test_what_streams_has_no_arrays(mapped):
    split = Split(ArraySource(mapped, in_memory=False), has_labels=False)
    for name in ("x", "labels"):
        with pytest.raises(ValueError, match=f"`{name}` is not in memory.*batches"):
            getattr(split, name)


def test_bytes_in_a_mapped_file_are_divided_by_255(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(256, dtype="uint8")[:, np.newaxis])
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    split = Split(ArraySource(x, in_memory=False), has_labels=False)
    batch = next(iter(split.batches(256)))
    expected = (np.arange(256) / 255).astype("float32")
    assert np.array_equal(batch[:, 0], expected)
