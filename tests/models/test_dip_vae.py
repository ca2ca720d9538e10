"""The penalty of the DIP-VAE against NumPy's covariance."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from tests.contracts import two_devices
from tests.models.members import X, assert_trains_as_vae, make, seeds


@pytest.mark.parametrize(
    ("arguments", "weights"),
    [
        ({}, (10.0, 100.0)),
        ({"kind": "ii"}, (10.0, 10.0)),
        ({"lambda_off_diagonal": 0.0, "lambda_diagonal": 3.0}, (0.0, 3.0)),
        (
            {"kind": "ii", "lambda_off_diagonal": 2.0, "lambda_diagonal": 0.0},
            (2.0, 0.0),
        ),
    ],
)
def test_the_penalty_is_that_of_numpys_covariance(arguments, weights):
    vae = make(keras_vae.DIPVAE, 3, **arguments)
    z_mean, z_log_var = (np.float64(v) for v in vae.encode(X))
    covariance = np.cov(z_mean.T, bias=True)
    if arguments.get("kind") == "ii":
        covariance += np.diag(np.exp(z_log_var).mean(axis=0))
    diagonal = np.diag(covariance)
    off_diagonal = np.square(covariance).sum() - np.square(diagonal).sum()
    expected = np.dot(weights, [off_diagonal, np.square(diagonal - 1).sum()])
    terms = vae.deterministic_terms(X, seeds(48))
    found = terms.further["covariance_penalty"]
    np.testing.assert_allclose(found, np.full(48, expected), rtol=1e-5)
    np.testing.assert_allclose(vae.objective(terms), expected - terms.elbo, rtol=1e-5)


def test_codes_that_are_maps_are_one_vector():
    vae = make(keras_vae.DIPVAE, 4)
    terms = vae.deterministic_terms(X, seeds(48))
    parameters = terms.q.parameters.values()
    maps = (tf.reshape(parameter, (48, 2, 2, 1)) for parameter in parameters)
    found = vae._covariance_penalty(keras_vae.distributions.Normal(*maps))
    np.testing.assert_allclose(found, terms.further["covariance_penalty"][0], 1e-6)


def test_at_weight_0_it_trains_as_vae():
    assert_trains_as_vae(make(keras_vae.DIPVAE, lambda_off_diagonal=0.0))


def test_on_two_devices_it_is_that_of_each_ones_part():
    with two_devices().scope():
        several = make(keras_vae.DIPVAE)
        several.compile()
    logs = several.evaluate(X, batch_size=48, verbose=0, return_dict=True)
    one = make(keras_vae.DIPVAE)
    parts = [one.score(part)["covariance_penalty"] for part in (X[:24], X[24:])]
    assert logs["covariance_penalty"] == pytest.approx(np.mean(parts), rel=1e-5)
    whole = one.score(X)["covariance_penalty"].mean()
    assert logs["covariance_penalty"] != pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("kind", ["i", "ii"])
def test_a_batch_of_one_has_no_penalty_and_no_gradient_of_it(kind):
    vae = make(keras_vae.DIPVAE, kind=kind)
    with tf.GradientTape() as tape:
        terms = vae.deterministic_terms(X[:1], seeds(1))
        penalty = terms.further["covariance_penalty"]
    assert penalty.numpy().tolist() == [0.0]
    for gradient in tape.gradient(penalty, vae.encoder.trainable_variables):
        assert gradient is None or not np.any(gradient)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "iii"}, "`kind` should be one of 'i', 'ii'"),
        ({"lambda_diagonal": -1.0}, "`lambda_diagonal` should be"),
        ({"lambda_off_diagonal": None}, "`lambda_off_diagonal` should be"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(keras_vae.DIPVAE, **arguments)


def test_weights_of_examples_weigh_it_with_them():
    vae = make(keras_vae.DIPVAE)
    vae.compile()
    weights = (np.arange(48) % 3).astype("float32")
    score = vae.score(X)
    expected = (weights * (score["covariance_penalty"] - score["elbo"])).mean()
    found = vae.evaluate(X, sample_weight=weights, batch_size=48, verbose=0)[0]
    assert found == pytest.approx(expected, rel=1e-5)
