"""Batches with labels and without, in a stated proportion."""

import numpy as np
import pytest

from keras_vae.datasets import MixedBatches, hide_labels

N = 103
X = np.arange(N, dtype="float32")[:, None]
LABELS = np.where(np.arange(N) < 7, np.arange(N) % 3, -1)


def make(**arguments):
    return MixedBatches(
        X, LABELS, **{"batch_size": 10, "labelled_share": 0.3} | arguments
    )


def epoch_of(batches):
    rows = [batches[i] for i in range(len(batches))]
    batches.on_epoch_end()
    return rows


def test_an_epoch_goes_once_through_what_has_no_label():
    batches = make()
    assert len(batches) == batches.num_batches == 14  # 96 others, 7 in a batch
    orders, labelled = [], []
    for _ in range(3):
        epoch = epoch_of(batches)
        for batch in epoch[:-1]:
            assert batch["x"].shape == (10, 1) and (batch["condition"] >= 0).sum() == 3
        assert len(epoch[-1]["x"]) == 3 + 96 - 13 * 7
        for batch in epoch:
            np.testing.assert_array_equal(
                LABELS[batch["x"][:, 0].astype(int)], batch["condition"]
            )
        rows = np.concatenate([b["x"][:, 0] for b in epoch]).astype(int)
        others = rows[rows >= 7]
        assert sorted(others) == list(range(7, N))
        orders.append(others.tolist())
        labelled.append(rows[rows < 7])
    assert orders[0] != orders[1] != orders[2]
    # Over the epochs: all seven, before any comes again.
    labelled = np.concatenate(labelled)
    rounds = labelled[: len(labelled) // 7 * 7].reshape(-1, 7)
    assert np.all(np.sort(rounds, axis=1) == np.arange(7))
    assert len({tuple(r) for r in rounds.tolist()}) > 10


def test_a_batch_follows_from_seed_epoch_and_number():
    first, later = make(seed=3), make(seed=3, first_epoch=1)
    before = epoch_of(first)
    for a, b in zip(epoch_of(first), epoch_of(later), strict=True):
        np.testing.assert_array_equal(a["x"], b["x"])
    for a, b in zip(before, epoch_of(make(seed=3)), strict=True):
        np.testing.assert_array_equal(a["x"], b["x"])
    assert not np.array_equal(before[0]["x"], make(seed=4)[0]["x"])


@pytest.mark.parametrize(("share", "number"), [(0.01, 1), (0.5, 5), (0.99, 9)])
def test_there_are_both_in_each_batch(share, number):
    batch = make(labelled_share=share)[0]
    assert (batch["condition"] >= 0).sum() == number


def test_noise_is_drawn_anew_each_time():
    n = 4000
    x = np.zeros((n, 2), "float32")
    deviation = np.tile([[0.5, 2.0]], (n, 1)).astype("float32")
    labels = np.where(np.arange(n) < 4, 0, -1)
    batches = MixedBatches(
        x, labels, n, 0.001, standard_deviation=deviation, name="label"
    )
    first = batches[0]
    assert set(first) == {"x", "label"} and first["x"].dtype == "float32"
    # Of 4000 draws the standard deviation's own is 1.1 % of it.
    np.testing.assert_allclose(first["x"].std(axis=0), [0.5, 2.0], rtol=0.05)
    np.testing.assert_array_equal(first["x"], batches[0]["x"])
    batches.on_epoch_end()
    assert np.abs(first["x"] - batches[0]["x"]).min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.full(N, -1)}, "examples with a label"),
        ({"labels": np.zeros(N, int)}, "examples with no label"),
        ({"labels": LABELS[:5]}, r"`labels` should be integers.*shape \(5,\)"),
        ({"labels": LABELS + 0.5}, "float64"),
        ({"batch_size": 1}, "`batch_size` should be an integer >= 2"),
        ({"labelled_share": 0.0}, "`labelled_share` should be a number between"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_what_cannot_be_is_named(arguments, message):
    arguments = {"x": X, "labels": LABELS} | arguments
    with pytest.raises(ValueError, match=message):
        MixedBatches(**arguments)


def test_few_labels_are_kept():
    labels = np.where(np.arange(200) % 5 == 4, -1, np.arange(200) % 5)
    few = hide_labels(labels, 10, seed=1)
    kept = few >= 0
    np.testing.assert_array_equal(few[kept], labels[kept])
    assert np.bincount(few[kept]).tolist() == [3, 3, 2, 2]
    np.testing.assert_array_equal(few, hide_labels(labels, 10, seed=1))
    assert not np.array_equal(few, hide_labels(labels, 10, seed=2))
    with pytest.raises(ValueError, match="`num_labels` should be 4 or more"):
        hide_labels(labels, 3)
    with pytest.raises(ValueError, match="of class 0: 40"):
        hide_labels(labels, 161)
