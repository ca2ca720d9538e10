"""M2 and M1+M2 on the digits, and the folder of a labeler."""

import json

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import datasets, layers, likelihoods, networks
from keras_vae.applications import Labeler
from keras_vae.applications.labeler import ARGUMENTS
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
    assert labeler.model.data_shape == (int(labeler.active.sum()),)
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


def test_dimensions_that_say_nothing_are_left_out(vae, digits):
    """Of a VAE whose third dimension is its prior's whatever x is."""
    x, truth = digits
    silent = keras.models.clone_model(vae.encoder)
    silent.set_weights(vae.encoder.get_weights())
    for name in ("z_mean", "z_log_var"):
        kernel, bias = silent.get_layer(name).weights
        kernel.assign(kernel * (np.arange(8) != 2))
        bias.assign(np.where(np.arange(8) == 2, 0.0, bias))
    of_seven = keras_vae.VAE(silent, vae.decoder, seed=0)
    labels = datasets.hide_labels(truth, 36, seed=0)
    labeler = Labeler(of_seven, epochs=1, **SMALL).fit(x, labels)
    z = of_seven.codes(x)
    expected = z.var(axis=0) > 0.01
    assert not expected[2] and expected.any()
    np.testing.assert_array_equal(labeler.active, expected)
    found = labeler.model.predict_proba(z[:, expected], 512)
    np.testing.assert_allclose(labeler.predict_proba(x), found, atol=1e-6)
    # They are decoded at their mean.
    drawn = labeler.model.sample(4, 0, draws=True, condition=1)
    whole = np.tile(z.mean(axis=0), (4, 1))
    whole[:, expected] = drawn
    np.testing.assert_allclose(labeler.sample(4, 1), vae.decode(whole), atol=1e-5)


def test_it_is_saved(fitted, digits, tmp_path):
    labeler, _ = fitted
    labeler.label_names = ["zero", "one", "two"]
    place = tmp_path / "labeler"
    labeler.save(place)
    (place / "mine.txt").write_text("stays")
    labeler.save(place)  # again in its place
    loaded = Labeler.load(place)
    assert loaded.label_names == ["zero", "one", "two"]
    for name in ARGUMENTS:
        assert getattr(loaded, name) == getattr(labeler, name), name
    x = digits[0]
    np.testing.assert_array_equal(loaded.predict_proba(x), labeler.predict_proba(x))
    np.testing.assert_array_equal(loaded.sample(4, 1), labeler.sample(4, 1))
    names = {path.name for path in place.iterdir()}
    assert names == {"model.keras", "codes.keras", "labeler.json", "mine.txt"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match="holds something else"):
        labeler.save(tmp_path / "other")


def test_a_folder_that_is_damaged_is_told(fitted, tmp_path):
    labeler, _ = fitted
    place = tmp_path / "labeler"
    with pytest.raises(ValueError, match="There is no labeler at"):
        Labeler.load(place)
    labeler.save(place)
    codes, settings = place / "codes.keras", place / "labeler.json"
    whole = codes.read_bytes()
    codes.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match=r"codes\.keras is not the file that was"):
        Labeler.load(place)
    codes.unlink()
    with pytest.raises(ValueError, match=r"has no codes\.keras"):
        Labeler.load(place)
    codes.write_bytes(whole)
    about = json.loads(settings.read_text())
    about["settings"]["alpha"] = "much"
    settings.write_text(json.dumps(about))
    with pytest.raises(ValueError, match="The settings of the labeler at .* damaged"):
        Labeler.load(place)
    settings.write_text("{")
    with pytest.raises(ValueError, match="holds no labeler"):
        Labeler.load(place)


def test_of_data_without_a_vae_the_likelihood_stays_as_it_was(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype("float32") + 5
    labels = np.where(np.arange(40) < 10, np.arange(40) % 2, -1)
    likelihood = likelihoods.Gaussian(scale="learned")
    before = [weight.numpy() for weight in likelihood.weights]
    standardize = layers.Standardize(x.mean(axis=0), x.std(axis=0))
    labeler = Labeler(
        likelihood=likelihood, standardize=standardize, epochs=1, **SMALL
    ).fit(x, labels)
    for weight, value in zip(likelihood.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    labeler.save(tmp_path / "labeler")
    assert not (tmp_path / "labeler" / "codes.keras").exists()
    loaded = Labeler.load(tmp_path / "labeler")
    assert loaded.vae is None
    np.testing.assert_array_equal(loaded.predict_proba(x), labeler.predict_proba(x))
    # With other settings anew, from what was loaded.
    assert loaded.fit(x, labels).predict_proba(x).shape == (40, 2)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ([0, 0, -1, -1], {}, "two classes or more. Received: labels of 1"),
        ([-1, -1, -1, -1], {}, "two classes or more. Received: labels of 0"),
        ([0, 2, -1, -1], {}, "none of class 1"),
        ([0, 1, 0, 1], {}, "Some examples should have no label, -1"),
        ([0, 1, 5, -1], {"num_classes": 2}, "from 0 to 1.* Received: 5"),
        ([0, 1, -2, -1], {}, "from 0 to 1.* Received: -2"),
        ([0.0, 1.0, -1.0, -1.0], {}, "should be integers from 0.*float64"),
        ([0, 1, -1], {}, "one for each of the 4 examples"),
        ([], {}, "should be integers|two classes"),
    ],
)
def test_labels_that_nothing_is_learned_from_are_named(labels, more, message):
    x = np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match=message):
        Labeler().fit(x, np.array(labels), **more)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "`x` should be finite"), (7.0, "`x` should lie in the support")],
)
def test_data_that_nothing_is_learned_from_are_named(value, message):
    x = np.zeros((4, 3), "float32")
    x[2, 1] = value
    labeler = Labeler(**SMALL)
    with pytest.raises(ValueError, match=message):
        labeler.fit(x, np.array([0, 1, -1, -1]))
    assert labeler.model is None


def test_what_cannot_be_is_named(vae):
    with pytest.raises(ValueError, match="not trained yet"):
        Labeler(vae).predict_proba(np.zeros((2, *SHAPE)))
    parts = networks.dense(SHAPE, 2, condition_dim=3)
    conditional = keras_vae.ConditionalVAE(*parts, num_classes=3)
    with pytest.raises(ValueError, match="`vae` should take x alone"):
        Labeler(conditional)
    with pytest.raises(ValueError, match="a trained keras_vae.VAE or None"):
        Labeler("runs/digits")
    for name, value in {"alpha": -1, "epochs": 0, "hidden_units": 5}.items():
        with pytest.raises(ValueError, match=f"`{name}` should be"):
            Labeler(**{name: value})
    with pytest.raises(ValueError, match="`x` should have shape"):
        Labeler(vae).fit(np.zeros((4, 3)), np.array([0, 1, -1, -1]))
