"""Batches: complete, in order or shuffled, and the same again for the same epoch."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.datasets import Split
from keras_vae.datasets.pipelines import binarize_batch, fold_in, permutation, seed_pair
from keras_vae.datasets.sources import ArraySource


def numbered(num_examples=10):
    """A split whose examples are their own number."""
    x = np.arange(num_examples, dtype="float32")[:, np.newaxis]
    return Split(ArraySource(x, np.arange(num_examples) + 100), has_labels=True)


def grey(num_examples=300, shape=(5, 3, 1)):
    """A split of bytes, 0 and 255 among them."""
    x = np.random.RandomState(0).randint(0, 256, (num_examples, *shape))
    x[:, 0, 0], x[:, 0, 1] = 0, 255
    return Split(ArraySource(x.astype("uint8")), has_labels=False)


def arrays(batches):
    return [batch.numpy() for batch in batches]


def epochs_of(batches, steps):
    """A list of epochs, each an array of all its examples."""
    every = arrays(batches)
    return [np.concatenate(every[i : i + steps]) for i in range(0, len(every), steps)]


def test_batches_are_in_order_and_the_last_is_short():
    batches = numbered().batches(4, with_labels=True)
    assert batches.cardinality() == 3
    x, labels = zip(*batches.as_numpy_iterator(), strict=True)
    assert [len(batch) for batch in x] == [4, 4, 2]
    assert np.concatenate(x)[:, 0].tolist() == list(range(10))
    assert np.concatenate(labels).tolist() == list(range(100, 110))
    assert x[0].dtype == np.float32 and labels[0].dtype == np.int64


def test_bytes_are_divided_by_255_exactly():
    every = np.arange(256, dtype="uint8")[:, np.newaxis]
    split = Split(ArraySource(every), has_labels=False)
    expected = (np.arange(256) / 255).astype("float32")
    assert np.array_equal(split.x[:, 0], expected)
    assert np.array_equal(np.concatenate(arrays(split.batches(100)))[:, 0], expected)
    shuffled = split.training_batches(100, seed=0, num_epochs=1)
    assert np.array_equal(np.sort(np.concatenate(arrays(shuffled))[:, 0]), expected)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 11])
def test_an_epoch_has_every_example_once(batch_size):
    split = numbered()
    steps = split.steps_per_epoch(batch_size)
    assert steps == math.ceil(10 / batch_size)
    batches = split.training_batches(batch_size, seed=0, num_epochs=3)
    assert batches.cardinality() == 3 * steps
    epochs = epochs_of(batches, steps)
    assert len(epochs) == 3
    for epoch in epochs:
        assert sorted(epoch[:, 0]) == list(range(10))
    assert len({tuple(epoch[:, 0]) for epoch in epochs}) == 3


def test_without_a_number_of_epochs_there_is_no_end():
    batches = numbered().training_batches(3, seed=0)
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(batches.take(50))) == 50


@pytest.mark.parametrize("binarize", ["none", "threshold", "dynamic"])
@pytest.mark.parametrize("start_epoch", [1, 4])
def test_a_run_resumed_at_an_epoch_sees_what_it_would_have_seen(binarize, start_epoch):
    split = grey(50)
    whole = arrays(split.training_batches(16, seed=3, num_epochs=6, binarize=binarize))
    keras.utils.set_random_seed(99)  # another process has another global seed
    resumed = arrays(
        grey(50).training_batches(
            16,
            seed=3,
            start_epoch=start_epoch,
            num_epochs=6 - start_epoch,
            binarize=binarize,
        )
    )
    assert len(resumed) == (6 - start_epoch) * 4
    for expected, received in zip(whole[start_epoch * 4 :], resumed, strict=True):
        assert np.array_equal(expected, received)


def test_another_seed_gives_another_order():
    orders = [
        epochs_of(numbered().training_batches(10, seed=seed, num_epochs=1), 1)[0]
        for seed in (0, 1, 2**40)
    ]
    assert len({tuple(order[:, 0]) for order in orders}) == 3


def test_every_order_is_as_likely():
    """Each of the 24 orders of 4 examples comes up 500 times out of 12000."""
    seed = seed_pair(0, 0)
    orders = tf.data.Dataset.range(12000).map(
        lambda epoch: permutation(4, fold_in(seed, epoch))
    )
    orders = next(iter(orders.batch(12000))).numpy()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    # Chi-squared with 23 degrees of freedom: mean 23, standard deviation sqrt(46).
    statistic = ((counts - 500) ** 2 / 500).sum()
    assert abs(statistic - 23) < 4 * math.sqrt(46)


def test_a_dynamic_draw_has_the_mean_of_its_intensities():
    num_draws = 2000
    x = np.random.RandomState(0).randint(0, 256, (20, 15))
    x[:, 0], x[:, 1], x[:, 2] = np.arange(20), 0, 255
    x = x.astype("uint8")
    split = Split(ArraySource(np.tile(x, (num_draws, 1))), has_labels=False)
    drawn = split.training_batches(100, seed=0, num_epochs=1, binarize="dynamic")
    order = split.training_batches(100, seed=0, num_epochs=1)
    total = np.zeros((20, 15))
    for batch, grey_batch in zip(drawn, order, strict=True):
        rows = np.rint(255 * grey_batch.numpy()[:, 0]).astype(int)  # whose draw it is
        np.add.at(total, rows, batch.numpy())
    p = x / 255
    error = np.sqrt(p * (1 - p) / num_draws)
    # 300 pixels: 4.5 standard errors are passed by one run in 500 or so. Where p is 0
    # or 1 the error is 0: black stays black and white stays white.
    assert np.all(np.abs(total / num_draws - p) <= 4.5 * error)


def test_a_dynamic_draw_is_new_in_each_epoch_and_batch():
    x = np.full((64, 100), 0.5, dtype="float32")
    split = Split(ArraySource(x), has_labels=False)
    batches = arrays(
        split.training_batches(32, seed=0, num_epochs=3, binarize="dynamic")
    )
    for i, one in enumerate(batches):
        assert set(one.flat) == {0.0, 1.0}
        for other in batches[:i]:
            # Two independent draws of 3200 bits agree in half of them, +- 28.
            assert abs((one == other).sum() - 1600) < 5 * 28.3


def test_the_order_does_not_depend_on_the_binarization():
    split = grey()
    split_x = np.concatenate(arrays(split.training_batches(64, seed=5, num_epochs=1)))
    for binarize in ("threshold", "dynamic"):
        drawn = split.training_batches(64, seed=5, num_epochs=1, binarize=binarize)
        drawn = np.concatenate(arrays(drawn))
        sure = (split_x == 0) | (split_x == 1)
        assert np.array_equal(drawn[sure], split_x[sure])


def test_threshold_is_above_one_half():
    x = np.array([[0, 127, 128, 255]], dtype="uint8")
    split = Split(ArraySource(x), has_labels=False)
    assert arrays(split.batches(1, binarize="threshold"))[0].tolist() == [[0, 0, 1, 1]]
    drawn = binarize_batch(tf.constant([0.0, 0.5, 0.51]), "threshold", [0, 0])
    assert drawn.numpy().tolist() == [0, 0, 1]


def test_validation_is_drawn_once_and_for_all():
    x = np.full((5000, 300), 0.5, dtype="float32")  # more than one block
    split = Split(ArraySource(x), has_labels=False)
    batches = split.batches(100, binarize="dynamic")
    once = np.concatenate(arrays(batches))
    assert batches.cardinality() == 50
    assert np.array_equal(np.concatenate(arrays(batches)), once)
    for batch_size in (7, 4096, 5000):
        again = split.batches(batch_size, binarize="dynamic")
        assert next(iter(again)).shape == (batch_size, 300)
        assert np.array_equal(np.concatenate(arrays(again)), once)
    other = np.concatenate(arrays(split.batches(100, binarize="dynamic", seed=1)))
    assert abs((once == other).mean() - 0.5) < 0.01
    # No row is drawn with the noise of another, not even in another block.
    assert len(np.unique(once, axis=0)) == 5000


def test_labels_stay_with_their_examples_when_binary_data_are_drawn():
    x = np.eye(10, dtype="float32")[np.arange(1000) % 10]
    split = Split(ArraySource(x, np.arange(1000) % 10), has_labels=True)
    for drawn, labels in split.batches(33, with_labels=True, binarize="dynamic"):
        assert np.array_equal(np.argmax(drawn, axis=1), labels)


def test_labels_are_conditions_where_that_is_asked_for():
    x = np.eye(10, dtype="float32")[np.arange(1000) % 10]
    split = Split(ArraySource(x, np.arange(1000) % 10), has_labels=True)
    for batches in (
        split.batches(33, condition=True, binarize="dynamic"),
        split.training_batches(33, seed=0, num_epochs=1, condition=True),
    ):
        for inputs in batches:
            assert set(inputs) == {"x", "condition"}
            found = np.argmax(inputs["x"], axis=1)
            assert np.array_equal(found, inputs["condition"])
    inputs, labels = next(iter(split.batches(33, with_labels=True, condition=True)))
    assert np.array_equal(inputs["condition"], labels)
    unlabelled = Split(ArraySource(x, np.zeros(1000, "int64")), has_labels=False)
    with pytest.raises(ValueError, match="`condition=True` needs data with labels"):
        unlabelled.batches(33, condition=True)


def test_keras_trains_with_it():
    split = grey(50)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = split.training_batches(16, seed=0).map(lambda x: (x, x[:, 0, 0]))
    steps = split.steps_per_epoch(16)
    model.fit(batches, steps_per_epoch=steps, epochs=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 8


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", None])
def test_a_batch_size_that_is_none(value):
    with pytest.raises(ValueError, match="`batch_size` should be an integer >= 1"):
        numbered().batches(value)
    with pytest.raises(ValueError, match="`batch_size` should be an integer >= 1"):
        numbered().training_batches(value, seed=0)


def test_other_wrong_arguments():
    split = numbered()
    with pytest.raises(ValueError, match="`num_epochs` should be an integer >= 1"):
        split.training_batches(2, seed=0, num_epochs=0)
    with pytest.raises(ValueError, match="`start_epoch` should be an integer >= 0"):
        split.training_batches(2, seed=0, start_epoch=-1)
    with pytest.raises(ValueError, match="`seed` should be an integer >= 0"):
        split.training_batches(2, seed=None)
    with pytest.raises(ValueError, match="Did you mean 'dynamic'"):
        split.batches(2, binarize="dynamik")
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\].*from 0 to 9"):
        split.training_batches(2, seed=0, binarize="dynamic")
    with pytest.raises(ValueError, match="needs data with labels"):
        grey().batches(2, with_labels=True)
