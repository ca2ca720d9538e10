"""The plain autoencoder: no noise, no KL, no density."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from tests.models.members import X, make


def test_its_loss_is_the_reconstruction_alone_and_has_no_noise():
    vae = make(keras_vae.Autoencoder)
    vae.compile()
    logs = vae.evaluate(X, verbose=0, return_dict=True)
    logits = np.float64(vae.decoder(vae.encoder(X)))
    expected = (np.logaddexp(0.0, logits) - X * logits).sum(axis=1).mean()
    assert logs == pytest.approx({"loss": expected, "reconstruction_loss": expected})
    assert vae.score(X, seed=0).keys() == {"reconstruction_loss"}
    for seed in (0, 1):
        found = vae.score(X, seed=seed)["reconstruction_loss"].mean()
        assert found == pytest.approx(expected, rel=1e-5)


def test_of_the_usual_encoder_it_takes_z_mean_with_its_weights():
    encoder, decoder = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    vae = keras_vae.Autoencoder(encoder, decoder)
    [z] = vae.encode(X)
    np.testing.assert_allclose(z, encoder(X)[0], rtol=1e-5, atol=1e-6)
    assert len(vae.encoder.outputs) == 1
    # What is left is all trained: a head without a gradient would be warned of.
    assert len(vae.trainable_variables) == 2 * 4
    own = keras.Sequential([keras.Input((12,)), keras.layers.Dense(2)])
    [z] = keras_vae.Autoencoder(own, decoder).encode(X)
    np.testing.assert_allclose(z, own(X), rtol=1e-5, atol=1e-6)


def test_it_samples_from_the_prior_and_exports_z():
    vae = make(keras_vae.Autoencoder)
    z = vae.prior.sample(keras_vae.noise.example_seeds(3, 0, 5), (2,))
    np.testing.assert_allclose(vae.sample(5, seed=3), tf.sigmoid(vae.decoder(z)), 1e-5)
    models = keras_vae.export.endpoints.exported_models(vae)
    assert {*models["encoder"]["encode"].function({"x": X})} == {"z"}


@pytest.mark.parametrize(
    "call",
    [
        lambda vae: vae.elbo(X),
        lambda vae: keras_vae.evaluation.marginal_log_likelihood(vae, X),
        lambda vae: keras_vae.evaluation.evaluate(vae, X, num_importance_samples=2),
    ],
)
def test_what_needs_a_density_is_refused_in_one_line(call):
    with pytest.raises(
        ValueError, match=r"Autoencoder has no ELBO.*score\(x\)"
    ) as info:
        call(make(keras_vae.Autoencoder))
    assert "\n" not in str(info.value)


def test_what_it_has_is_measured():
    vae = make(keras_vae.Autoencoder)
    metrics = keras_vae.evaluation.evaluate(vae, X)
    losses = vae.score(X)["reconstruction_loss"]
    assert metrics["reconstruction_loss"] == pytest.approx(losses.mean(), rel=1e-6)
    error = losses.std(ddof=1) / np.sqrt(len(X))
    assert metrics["reconstruction_loss_standard_error"] == pytest.approx(error, 1e-4)
    assert not {"elbo", "kl_loss", "bits_per_dim"} & set(metrics)


def test_a_prior_that_nothing_would_train_is_refused():
    with pytest.raises(ValueError, match="`prior` should be 'standard_normal', or one"):
        make(keras_vae.Autoencoder, prior="mixture")
    codes = make(keras_vae.Autoencoder).codes(X)
    fitted = keras_vae.priors.fit_mixture(codes, 2)
    assert make(keras_vae.Autoencoder, prior=fitted).sample(3, seed=0).shape == (3, 12)


@pytest.mark.parametrize(
    ("name", "value"), [("beta", 4.0), ("capacity", 1.0), ("num_samples", 2)]
)
def test_what_has_no_effect_is_refused_when_made_and_when_assigned(name, value):
    message = rf"`{name}` has no effect in Autoencoder.*{name}={value}.*leave it out"
    with pytest.raises(ValueError, match=message):
        make(keras_vae.Autoencoder, **{name: value})
    vae = make(keras_vae.Autoencoder)
    with pytest.raises(ValueError, match=message):
        setattr(vae, name, value)
    setattr(vae, name, {"beta": 1, "capacity": None, "num_samples": 1}[name])


def test_networks_that_do_not_fit_are_named():
    encoder, decoder = keras_vae.networks.dense((12,), 3)
    _, smaller = keras_vae.networks.dense((12,), 2)
    with pytest.raises(ValueError, match=r"`decoder` should take z .*3.*\(None, 2\)"):
        keras_vae.Autoencoder(encoder, smaller)
    x = keras.Input((12,))
    three = keras.Model(x, [keras.layers.Dense(3)(x) for _ in range(3)])
    with pytest.raises(ValueError, match="one output.*3 outputs"):
        keras_vae.Autoencoder(three, decoder)
