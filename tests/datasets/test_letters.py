"""The letters that are drawn here: all there, all readable, always the same."""

import string

import numpy as np
import pytest

from keras_vae.datasets import check_same, letters, load


def test_all_letters_are_there_in_every_split():
    dataset = load("letters")
    assert dataset.data_shape == (28, 28, 1) and dataset.is_image
    assert dataset.label_names == tuple(string.ascii_uppercase)
    assert dataset.levels == 256
    for split, each in (
        (dataset.train, 800),
        (dataset.validation, 100),
        (dataset.test, 100),
    ):
        assert np.bincount(split.labels).tolist() == [each] * 26


def test_the_splits_are_its_own():
    one = load("letters", seed=1, validation_fraction=0.5)
    assert np.array_equal(one.test.x, load("letters", seed=2).test.x)


def test_the_same_seed_draws_the_same_bytes(monkeypatch):
    monkeypatch.setattr(letters, "PER_LETTER", {"train": 20})
    draw = letters.draw.__wrapped__  # without its memory
    (x, labels), (again, labels_again) = draw(), draw()
    assert np.array_equal(again, x) and np.array_equal(labels_again, labels)
    assert x.shape == (520, 28, 28, 1) and x.dtype == np.uint8
    monkeypatch.setattr(letters, "SEED", 1)
    assert not np.array_equal(draw()[0], x)


def test_the_fingerprint_is_of_the_pictures(monkeypatch):
    """Other fonts, or another FreeType, draw other pixels with the same seed."""
    before = load("letters").description
    x, labels = letters.draw()
    other = x.copy()
    other[17, 3, 4] ^= 1
    try:
        for pictures, same in ((other, False), (x, True)):
            letters._fingerprint.cache_clear()
            monkeypatch.setattr(letters, "draw", lambda p=pictures: (p, labels))
            after = load("letters")
            assert (after.description["fingerprint"] == before["fingerprint"]) == same
            if not same:
                with pytest.raises(ValueError, match="letters has changed"):
                    check_same(after, before)
    finally:
        letters._fingerprint.cache_clear()


def test_no_picture_is_there_twice():
    x, _ = letters.draw()
    assert len({picture.tobytes() for picture in x}) == len(x) == 26_000


def test_no_letter_is_cut_off_or_empty():
    x, _ = letters.draw()
    x = x[..., 0]
    rim = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
    assert (rim.max(axis=1) > 127).mean() < 0.01
    ink = x.mean(axis=(1, 2)) / 255
    assert ink.min() > 0.01 and ink.max() < 0.6
    assert (x.max(axis=(1, 2)) > 200).mean() > 0.99  # sharp, none of them a shadow


def test_a_letter_can_be_told_by_its_neighbours():
    """The nearest of 10,400 pictures is the same letter: labels belong to pictures."""
    dataset = load("letters")
    x = dataset.train.x[:10400].reshape(10400, -1)
    y = dataset.test.x[:520].reshape(520, -1)
    distances = (x**2).sum(1) - 2 * y @ x.T
    nearest = dataset.train.labels[:10400][distances.argmin(1)]
    assert (nearest == dataset.test.labels[:520]).mean() > 0.85
