"""The numbers of `evaluate` against `VAE.evaluate` and against NumPy."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.evaluation import (
    active_units,
    bits_per_dim,
    evaluate,
    importance_weighted,
    marginal_log_likelihood,
)

LATENT_DIM = 3


def make_vae(**arguments):
    networks = keras_vae.networks.dense((6,), LATENT_DIM, hidden_units=(8,), seed=0)
    rng = np.random.default_rng(0)
    for network in networks:
        network.set_weights(
            [w + 0.4 * rng.normal(size=w.shape) for w in network.weights]
        )
    # The mean of the last latent dimension is the same for every x.
    kernel, _ = networks[0].get_layer("z_mean").weights
    kernel.assign(kernel * [1.0, 1.0, 0.0])
    return keras_vae.VAE(*networks, **arguments)


@pytest.fixture(scope="module")
def vae():
    return make_vae()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).uniform(size=(70, 6)).astype("float32")


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_means_are_those_of_the_model(x, num_samples):
    vae = make_vae(num_samples=num_samples, beta=4.0)
    vae.compile()
    logs = vae.evaluate(x, batch_size=32, return_dict=True, verbose=0)
    metrics = evaluate(vae, x, batch_size=17)
    for name in ("elbo", "reconstruction_loss", "kl_loss"):
        assert metrics[name] == pytest.approx(logs[name], rel=1e-5)
    assert metrics["num_examples"] == 70


def test_the_rest_against_numpy(vae, x):
    metrics = evaluate(vae, x, batch_size=32)
    z_mean, z_log_var = (np.float64(v) for v in vae.encode(x))
    kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    np.testing.assert_allclose(metrics["kl_per_dimension"], kl.mean(0), rtol=1e-5)
    elbo = np.float64(vae.elbo(x))
    assert metrics["elbo"] == pytest.approx(elbo.mean(), rel=1e-6)
    error = elbo.std(ddof=1) / math.sqrt(70)
    assert metrics["elbo_standard_error"] == pytest.approx(error, rel=1e-4)
    error = kl.sum(1).std(ddof=1) / math.sqrt(70)
    assert metrics["kl_loss_standard_error"] == pytest.approx(error, rel=1e-4)
    assert metrics["bits_per_dim"] == bits_per_dim(metrics["elbo"], (6,))
    assert (
        metrics["active_units"] == active_units(z_mean).tolist() == [True, True, False]
    )
    assert metrics["num_active_units"] == 2


def test_the_parts_add_up(vae, x):
    metrics = evaluate(vae, x)
    assert sum(metrics["kl_per_dimension"]) == pytest.approx(metrics["kl_loss"])
    total = metrics["reconstruction_loss"] + metrics["kl_loss"]
    assert metrics["elbo"] == pytest.approx(-total, rel=1e-6)


def test_the_marginal_log_likelihood_on_request(vae, x):
    metrics = evaluate(vae, x, batch_size=32, num_importance_samples=25)
    marginal = marginal_log_likelihood(vae, x, 25)
    assert metrics["marginal_log_likelihood"] == pytest.approx(marginal.mean())
    error = marginal.std(ddof=1) / math.sqrt(70)
    assert metrics["marginal_log_likelihood_standard_error"] == pytest.approx(
        error, rel=1e-4
    )
    assert metrics["num_importance_samples"] == 25
    # Of one mean of the same data: the bound lies below, but for its noise.
    assert metrics["elbo"] < metrics["marginal_log_likelihood"]
    assert not [name for name in evaluate(vae, x) if "marginal" in name]


def test_how_far_the_marginal_log_likelihood_can_be_trusted(vae, x):
    metrics = evaluate(vae, x, batch_size=32, num_importance_samples=6)
    each = importance_weighted(vae, x, 6)
    size, error = each["effective_sample_size"], each["standard_error"]
    assert metrics["effective_sample_size"] == pytest.approx(size.mean())
    assert metrics["min_effective_sample_size"] == pytest.approx(size.min())
    assert metrics["num_unreliable"] == np.sum(size < 5) > 0
    # The variances of independent errors add up.
    of_the_mean = np.sqrt(np.sum(error**2)) / 70
    assert metrics["importance_sampling_standard_error"] == pytest.approx(of_the_mean)
    one = evaluate(vae, x[:3], num_importance_samples=1)
    assert one["importance_sampling_standard_error"] is None
    assert one["num_unreliable"] == 3


def test_data_are_read_once_in_batches_of_any_size(vae, x):
    sizes = []

    def batches():
        for start in (0, 1, 20, 60):
            sizes.append(start)
            yield x[start : {0: 1, 1: 20, 20: 60, 60: 70}[start]]

    metrics = evaluate(vae, batches(), num_importance_samples=5)
    assert sizes == [0, 1, 20, 60]
    expected = evaluate(vae, x, num_importance_samples=5)
    pairs = tf.data.Dataset.from_tensor_slices((x, np.zeros(70))).batch(33)
    for other in (metrics, evaluate(vae, pairs, num_importance_samples=5)):
        assert list(other) == list(expected)
        for name, value in expected.items():
            assert other[name] == pytest.approx(value, rel=1e-4), name


def test_plain_values_that_json_keeps(vae, x):
    metrics = evaluate(vae, x, num_importance_samples=2)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_one_example_is_measured_and_its_spread_is_unknown(vae, x):
    metrics = evaluate(vae, x[:1], num_importance_samples=2)
    assert metrics["num_examples"] == 1
    assert math.isfinite(metrics["elbo"])
    unknown = {name for name, value in metrics.items() if value is None}
    assert unknown == {
        "elbo_standard_error",
        "reconstruction_loss_standard_error",
        "kl_loss_standard_error",
        "marginal_log_likelihood_standard_error",
        "num_active_units",
        "active_units",
    }
    json.dumps(metrics, allow_nan=False)


def test_data_outside_the_support_are_an_error_that_names_the_example(vae, x):
    bad = x.copy()
    bad[41, 2] = 7.0
    for data in (bad, tf.data.Dataset.from_tensor_slices(bad).batch(32)):
        with pytest.raises(ValueError, match=r"'bernoulli', .*ELBO -inf of example 41"):
            evaluate(vae, data, batch_size=32)


def test_a_model_that_is_not_finite_is_an_error(x):
    vae = make_vae()
    vae.decoder.set_weights([w * np.nan for w in vae.decoder.get_weights()])
    with pytest.raises(ValueError, match="ELBO nan of example 0"):
        evaluate(vae, x)


def test_no_data_is_an_error(vae):
    with pytest.raises(ValueError, match="at least one example"):
        evaluate(vae, np.zeros((0, 6), "float32"))
    with pytest.raises(ValueError, match="at least one example"):
        evaluate(
            make_vae(), tf.data.Dataset.from_tensor_slices(np.ones((0, 6))).batch(2)
        )


def test_mixed_precision_measures_in_float32(vae, x):
    expected = evaluate(vae, x, num_importance_samples=5)
    keras.config.set_dtype_policy("mixed_bfloat16")
    metrics = evaluate(make_vae(), x, num_importance_samples=5)
    # bfloat16 hidden layers have three digits; means over 70 examples more.
    for name in ("elbo", "marginal_log_likelihood"):
        assert metrics[name] == pytest.approx(expected[name], rel=1e-2)
