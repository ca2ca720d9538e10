"""Which groups of measures apply to which model and data, and what they are of."""

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae.datasets import KnownFactors
from keras_vae.evaluation import evaluate_groups, kl_decomposition, linear_readout

RNG = np.random.default_rng(0)
X = np.round(RNG.uniform(size=(120, 6))).astype("float32")
LABELS = np.arange(120) % 2


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """The extractor of features has tests of its own."""
    monkeypatch.setattr("keras_vae.evaluation.features.STEPS", 20)


def dense(latent_dim=3):
    return keras_vae.networks.dense((6,), latent_dim, hidden_units=(8,), seed=0)


def draw(count, seed):
    factors = np.random.default_rng(seed).integers(0, 3, size=(count, 2))
    return np.repeat(factors, 3, axis=1).astype("float32") / 2, factors


def test_all_groups_of_a_plain_model(monkeypatch):
    monkeypatch.setitem(keras_vae.evaluation.MOST_EXAMPLES, "disentanglement", 300)
    monkeypatch.setitem(keras_vae.evaluation.MOST_EXAMPLES, "kl_parts", 50)
    vae = keras_vae.VAE(*dense(), seed=0)
    factors = KnownFactors({"a": 3, "b": 3}, (), draw)
    said = []
    measured, others = evaluate_groups(
        vae, X, LABELS, factors=factors, seed=2, progress=lambda w: Said(said, w)
    )
    assert others == {} and len(said) == 4
    expected = kl_decomposition(vae, X[:50], seed=2)
    assert measured["kl_parts"] == expected
    expected = linear_readout({"z_mean": vae.codes(X)}, LABELS, X, seed=2)
    assert measured["readout"] == expected
    assert measured["disentanglement"]["num_examples"] == 300
    x, _ = draw(300, 2)
    assert measured["disentanglement"]["seed"] == 2 and x.shape == (300, 6)
    # Binary data beside binary samples, and not beside their means.
    quality = keras_vae.evaluation.sample_quality(
        X,
        vae.sample(120, seed=2, draws=True),
        keras_vae.evaluation.train_features(X, LABELS, seed=2),
    )
    assert measured["samples"]["draws"]
    assert measured["samples"]["frechet_distance"] == pytest.approx(
        quality["frechet_distance"], rel=1e-6
    )


class Said:
    def __init__(self, said, words):
        self.said, self.words = said, words

    def __enter__(self):
        self.said.append(self.words)

    def __exit__(self, *error):
        pass


def test_what_does_not_apply_says_why():
    vae = keras_vae.VAE(*dense(1), seed=0)
    factors = KnownFactors({"a": 3, "b": 3}, (), draw)
    names = ("kl_parts", "samples", "readout", "disentanglement")
    measured, others = evaluate_groups(vae, X[:1], groups=names, factors=factors)
    assert measured == {} and [*others] == [*names]
    words = ("two examples", "ten examples", "no labels", "codes of two numbers")
    assert all(w in others[name] for name, w in zip(names, words, strict=True))
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    autoencoder = keras_vae.Autoencoder(encoder, dense()[1])
    _, others = evaluate_groups(autoencoder, X, groups=("kl_parts", "disentanglement"))
    assert "diagonal normal" in others["kl_parts"]
    assert "not known" in others["disentanglement"]
    _, others = evaluate_groups(autoencoder, X, np.arange(120), groups=("readout",))
    assert "two labels or more" in others["readout"]
    with pytest.raises(ValueError, match="Did you mean 'readout'"):
        evaluate_groups(vae, X, groups=("redout",))


def test_conditions_of_samples_are_those_of_the_data():
    networks = keras_vae.networks.dense((6,), 2, hidden_units=(8,), condition_dim=2)
    vae = keras_vae.ConditionalVAE(*networks, num_classes=2, seed=0)
    x = {"x": X, "condition": LABELS}
    measured, others = evaluate_groups(
        vae, x, LABELS, groups=("kl_parts", "samples", "readout")
    )
    assert not others and measured["kl_parts"]["num_examples"] == 120
    samples = vae.sample(120, seed=0, draws=True, condition=LABELS)
    features = keras_vae.evaluation.train_features(X, LABELS)
    quality = keras_vae.evaluation.sample_quality(X, samples, features)
    assert measured["samples"]["precision"] == quality["precision"]
    assert [*measured["readout"]["readouts"]] == ["z_mean", "pca_2", "raw"]
