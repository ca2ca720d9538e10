"""Validation and test are apart from train, and together they are everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vae.datasets.sources import ArraySource
from keras_vae.datasets.splits import encode_labels, split, split_counts


def numbered(num_examples):
    """Source that are their own number, with labels ten times as large."""
    rows = np.arange(num_examples)
    return ArraySource(rows[:, np.newaxis].astype("float32"), 10 * rows)


def rows_of(examples):
    return examples.x[:, 0].astype(int).tolist()


@given(
    num_examples=st.integers(3, 60),
    validation=st.floats(0, 0.45),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 2**32 - 1),
)
def test_splits_are_disjoint_and_complete(num_examples, validation, test, seed):
    fractions = {"validation": validation, "test": test}
    parts = split({"train": numbered(num_examples)}, fractions, seed)
    every = [row for examples in parts.values() for row in rows_of(examples)]
    assert sorted(every) == list(range(num_examples))
    for part, fraction in fractions.items():
        if fraction == 0:
            assert part not in parts
        else:
            expected = max(1, round(fraction * num_examples))
            assert parts[part].num_examples == expected
    for examples in parts.values():
        assert examples.labels.tolist() == [10 * row for row in rows_of(examples)]


def test_the_seed_decides_the_split_and_random_state_is_frozen():
    fractions = {"validation": 0.2, "test": 0.1}
    parts = split({"train": numbered(10)}, fractions, seed=0)
    # What numpy.random.RandomState(0).permutation(10) has been since NumPy 1.7:
    # 2 8 4 9 1 6 7 3 0 5.
    assert rows_of(parts["validation"]) == [2, 8]
    assert rows_of(parts["test"]) == [4]
    again = split({"train": numbered(100)}, fractions, seed=1)
    other = split({"train": numbered(100)}, fractions, seed=2)
    assert rows_of(again["test"]) != rows_of(other["test"])


def test_own_splits_are_left_as_they_are():
    parts = {"train": numbered(10), "test": numbered(4)}
    taken = split(parts, {"validation": 0.1, "test": 0.1}, seed=0)
    assert taken["test"] is parts["test"]
    assert taken["train"].num_examples == 9
    assert list(taken) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("num_examples", "message"),
    [(0, "empty"), (1, "1 example cannot be divided"), (2, "2 examples cannot")],
)
def test_too_few_examples(num_examples, message):
    with pytest.raises(ValueError, match=message):
        split_counts(num_examples, ["train"], {"validation": 0.1, "test": 0.1})


def test_one_example_is_enough_to_train_with():
    assert split_counts(1, ["train"], {"validation": 0, "test": 0}) == {}


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        ([3, 5, 3], [0, 1, 0], ("3", "5")),
        ([-1, 1, 10, 9], [0, 1, 3, 2], ("-1", "1", "9", "10")),
        ([2.0, 0.0], [1, 0], ("0", "2")),
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([True, False], [1, 0], ("False", "True")),
    ],
)
def test_labels_are_numbered_in_sorted_order(labels, codes, names):
    encoded, found = encode_labels({"train": np.array(labels)})
    assert encoded["train"].tolist() == codes and encoded["train"].dtype == np.int64
    assert found == names


def test_labels_of_splits_are_numbered_together():
    labels = {"train": np.array(["b", "c"]), "test": np.array(["a"])}
    codes, names = encode_labels(labels)
    assert codes["train"].tolist() == [1, 2] and codes["test"].tolist() == [0]
    assert names == ("a", "b", "c")


def test_known_labels_keep_their_numbers():
    labels = {"train": np.array([7, 2, 7, 1])}
    codes, names = encode_labels(labels, known=["9", "2", "1"])
    assert codes["train"].tolist() == [3, 1, 3, 2]
    assert names == ("9", "2", "1", "7")


@pytest.mark.parametrize("label", [0.5, np.nan, 1j])
def test_labels_that_are_not_whole(label):
    with pytest.raises(ValueError, match="Labels should be whole numbers or strings"):
        encode_labels({"train": np.array([0, label])})
