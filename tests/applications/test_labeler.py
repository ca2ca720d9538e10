"""M2 and M1+M2 on the digits, and the folder of a labeler."""

import json

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import datasets, networks
from keras_vae.applications import Labeler
from tests.applications.models import SHAPE

SMALL = {"latent_dim": 4, "hidden_units": (32,), "batch_size": 50}


@pytest.fixture(scope="module")
def digits():
    """Three digits: x and their labels from 0 to 2."""
    train = datasets.load("digits").train
    rows = np.flatnonzero(train.labels < 3)
    return train.x[rows], train.labels[rows]


@pytest.fixture(scope="module")
def vae(digits):
    keras.utils.set_random_seed(0)
    parts = networks.dense(SHAPE, 8, hidden_units=(64,), seed=0)
    vae = keras_vae.VAE(*parts, seed=0)
    vae.compile(keras.optimizers.Adam(5e-3))
    vae.fit(digits[0], batch_size=32, epochs=20, verbose=0)
    return vae


@pytest.fixture(scope="module")
def fitted(vae, digits):
    x, truth = digits
    labels = datasets.hide_labels(truth, 36, seed=0)
    return Labeler(vae, epochs=20, learning_rate=0.005, **SMALL).fit(x, labels), labels


def test_codes_and_a_few_labels_of_each_class(fitted, digits):
    labeler, labels = fitted
    x, truth = digits
    probabilities = labeler.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    best = labeler.predict_labels(x)
    np.testing.assert_array_equal(best, probabilities.argmax(axis=1))
    assert np.mean(best[labels < 0] != truth[labels < 0]) < 0.06
    assert labeler.model.data_shape == (8,)
    batches = (x[start : start + 100] for start in range(0, len(x), 100))
    np.testing.assert_allclose(labeler.predict_proba(batches), probabilities, atol=1e-5)


def test_new_examples_of_a_class(fitted, digits):
    labeler, _ = fitted
    for y in range(3):
        samples = labeler.sample(60, y, seed=1)
        assert samples.shape == (60, *SHAPE)
        assert np.mean(labeler.predict_labels(samples) == y) > 0.8
    x = digits[0][:5]
    found = labeler.analogies(x)
    assert found.shape == (5, 3, *SHAPE)
    # As its own class an example is nearer to itself than as another.
    distances = np.square(found - x[:, None]).sum(axis=(2, 3, 4))
    own = distances[np.arange(5), labeler.predict_labels(x)]
    assert np.all(own <= distances.min(axis=1) + 1e-6)


def test_the_data_themselves(digits):
    x, truth = digits
    labels = datasets.hide_labels(truth, 30, seed=0)
    labeler = Labeler(epochs=5, learning_rate=0.005, **SMALL).fit(x, labels)
    assert np.mean(labeler.predict_labels(x) != truth) < 0.1
    assert labeler.analogies(x[:2], labels=truth[:2]).shape == (2, 3, *SHAPE)
    assert labeler.sample(2, [0, 2]).shape == (2, *SHAPE)


def test_it_is_saved(fitted, digits, tmp_path):
    labeler, _ = fitted
    labeler.label_names = ["zero", "one", "two"]
    labeler.save(tmp_path / "labeler")
    labeler.save(tmp_path / "labeler")  # again in its place
    loaded = Labeler.load(tmp_path / "labeler")
    assert loaded.label_names == ["zero", "one", "two"]
    x = digits[0]
    np.testing.assert_array_equal(loaded.predict_proba(x), labeler.predict_proba(x))
    names = {path.name for path in (tmp_path / "labeler").iterdir()}
    assert names == {"model.keras", "codes.keras", "labeler.json"}
    assert json.loads((tmp_path / "labeler" / "labeler.json").read_text())["kind"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match="holds something else"):
        labeler.save(tmp_path / "other")
    with pytest.raises(ValueError, match="is no labeler"):
        Labeler.load(tmp_path / "other")
    path = tmp_path / "labeler" / "codes.keras"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(
        ValueError, match=r"codes\.keras is not the file that was saved"
    ):
        Labeler.load(tmp_path / "labeler")


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ([0, 0, -1, -1], {}, "two classes or more. Received: labels of 1"),
        ([-1, -1, -1, -1], {}, "two classes or more. Received: labels of 0"),
        ([0, 2, -1, -1], {}, "none of class 1"),
        ([0, 1, 0, 1], {}, "Some examples should have no label, -1"),
        ([0, 1, 5, -1], {"num_classes": 2}, "from 0 to 1.*-1 to 5"),
        ([0, 1, -2, -1], {}, "from 0 to 1.*-2 to 1"),
    ],
)
def test_labels_that_nothing_is_learned_from_are_named(labels, more, message):
    x = np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match=message):
        Labeler().fit(x, np.array(labels), **more)


def test_what_cannot_be_is_named(vae):
    with pytest.raises(ValueError, match="not trained yet"):
        Labeler(vae).predict_proba(np.zeros((2, *SHAPE)))
    parts = networks.dense(SHAPE, 2, condition_dim=3)
    conditional = keras_vae.ConditionalVAE(*parts, num_classes=3)
    with pytest.raises(ValueError, match="`vae` should take x alone"):
        Labeler(conditional)
