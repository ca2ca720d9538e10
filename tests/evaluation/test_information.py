"""The parts of the KL on posteriors whose mixture is known, and by enumeration.

Linear Gaussian: x ~ N(0, I) and q(z|x) = N(A x, S) with diagonal S. Then

    q(z)    = N(0, C),                          C = A A' + S
    I(x; z) = log(det C / det S) / 2
    TC      = (sum_j log C_jj - log det C) / 2
    KL(q(z_j) || p(z_j)) = (C_jj - 1 - log C_jj) / 2
"""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

import keras_vae
from keras_vae.evaluation import information, kl_decomposition, log_aggregate_posterior

A = np.array([[0.9, 0.0], [0.6, 0.5]])
VARIANCE = np.array([0.5, 0.8])
COVARIANCE = A @ A.T + np.diag(VARIANCE)
LOG_DET = np.log(np.linalg.det(COVARIANCE))


def make_vae(mean_matrix=A, variance=VARIANCE, **arguments):
    """A VAE whose encoder is that linear map; the decoder does not matter."""
    latent_dim, dim = np.shape(mean_matrix)
    x = keras.Input((dim,))
    z_mean, z_log_var = (keras.layers.Dense(latent_dim) for _ in range(2))
    encoder = keras.Model(x, [z_mean(x), z_log_var(x)])
    z_mean.set_weights([np.transpose(mean_matrix), np.zeros(latent_dim)])
    z_log_var.set_weights([np.zeros((dim, latent_dim)), np.log(variance)])
    z = keras.Input((latent_dim,))
    decoder = keras.Model(z, keras.layers.Dense(dim)(z))
    likelihood = keras_vae.likelihoods.Gaussian(scale=1.0)
    return keras_vae.VAE(encoder, decoder, likelihood=likelihood, **arguments)


def normals(n, dim=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype("float32")


def within(parts, name, expected, bias=0.0):
    """Whether a part is its expected value, within four standard errors and a bias."""
    error = parts[name] - expected
    return abs(error) < 4 * parts[f"{name}_standard_error"] + bias


def test_a_linear_gaussian_against_its_closed_form():
    parts = kl_decomposition(make_vae(), normals(3000), seed=1)
    diagonal = np.diag(COVARIANCE)
    # A draw meets its own posterior among the n, so that q(z) looks too large by a
    # factor of about 1 + q(z|x) / q(z) / n. For this channel E[q(z|x) / q(z)] is
    # det C / det S: 0.0013 nats.
    bias = np.exp(LOG_DET) / VARIANCE.prod() / 3000
    information = 0.5 * (LOG_DET - np.log(VARIANCE).sum())
    assert within(parts, "mutual_information", information, bias)
    dependence = 0.5 * (np.log(diagonal).sum() - LOG_DET)
    assert within(parts, "total_correlation", dependence, bias)
    each = 0.5 * (diagonal - 1 - np.log(diagonal))
    assert within(parts, "dimension_wise_kl", each.sum(), bias)
    per_dimension = parts["dimension_wise_kl_per_dimension"]
    error = 4 * parts["dimension_wise_kl_standard_error"] + bias
    np.testing.assert_allclose(per_dimension, each, atol=error)
    assert within(parts, "marginal_kl", dependence + each.sum(), bias)
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl"):
        # Small beside what is told apart.
        assert parts[f"{name}_standard_error"] < 0.02 < parts[name]


def test_the_parts_add_up_to_the_kl():
    vae, x = make_vae(), normals(200)
    parts = kl_decomposition(vae, x, num_samples=50)
    three = ("mutual_information", "total_correlation", "dimension_wise_kl")
    assert sum(parts[name] for name in three) == pytest.approx(parts["kl_loss"])
    both = parts["total_correlation"] + parts["dimension_wise_kl"]
    assert both == pytest.approx(parts["marginal_kl"])
    per_dimension = parts["dimension_wise_kl_per_dimension"]
    assert sum(per_dimension) == pytest.approx(parts["dimension_wise_kl"])
    # And that is the KL of the model, which it has in closed form.
    expected = vae.score(x)["kl_loss"]
    per_draw = expected.std() / math.sqrt(200) + 1 / math.sqrt(200 * 50)
    assert abs(parts["kl_loss"] - expected.mean()) < 4 * per_draw


def test_a_mixture_of_three_against_quadrature():
    """3 distinct examples, 700 of each: the same mixture, and many draws of it."""
    values, variance = np.array([-1.0, 0.5, 2.0]), 0.3
    x = np.repeat(values, 700)[:, None].astype("float32")
    parts = kl_decomposition(make_vae([[1.0]], [variance]), x, num_samples=3)

    def density(z):
        return stats.norm(values, math.sqrt(variance)).pdf(z).mean()

    def gap(z):
        return density(z) * (math.log(density(z)) - stats.norm.logpdf(z))

    marginal_kl = integrate.quad(gap, -8, 9, epsabs=1e-10)[0]
    kl = 0.5 * (values**2 + variance - 1 - math.log(variance)).mean()
    assert within(parts, "marginal_kl", marginal_kl)
    assert within(parts, "mutual_information", kl - marginal_kl)
    assert parts["mutual_information_standard_error"] < 0.02
    # One dimension has nothing to depend on.
    assert parts["total_correlation"] == pytest.approx(0.0, abs=1e-12)


def test_codes_that_never_meet_tell_which_example_it_was():
    """log n, exactly: the largest that there is."""
    x = 1000.0 * np.arange(16, dtype="float32")[:, None]
    parts = kl_decomposition(make_vae([[1.0]], [1.0]), x)
    assert parts["mutual_information"] == pytest.approx(math.log(16), abs=1e-12)
    assert parts["mutual_information_bound"] == pytest.approx(math.log(16))
    assert parts["mutual_information_standard_error"] == pytest.approx(0, abs=1e-12)


def test_a_collapsed_posterior_tells_nothing():
    parts = kl_decomposition(make_vae(np.zeros((2, 2)), [1.0, 1.0]), normals(50))
    for name in ("mutual_information", "total_correlation", "marginal_kl"):
        assert parts[name] == pytest.approx(0.0, abs=1e-6)


def test_blocks_give_what_one_loop_does(monkeypatch):
    rng = np.random.default_rng(0)
    z_mean, z_log_var = rng.normal(size=(2, 7, 3)) * [[[1.0]], [[2.0]]]
    z = 3 * rng.normal(size=(11, 3))
    z[0] += 1000.0  # densities of exp(-10^5)
    expected, each = np.zeros(11), np.zeros((11, 3))
    for i in range(11):
        logs = stats.norm(z_mean, np.exp(z_log_var / 2)).logpdf(z[i])
        each[i] = np.logaddexp.reduce(logs, axis=0) - np.log(7)
        expected[i] = np.logaddexp.reduce(logs.sum(1)) - np.log(7)
    for block in (2**18, 14, 1):
        monkeypatch.setattr(information, "BLOCK", block)
        log_q, log_each = log_aggregate_posterior(z, z_mean, z_log_var)
        np.testing.assert_allclose(log_q, expected, rtol=1e-12)
        np.testing.assert_allclose(log_each, each, rtol=1e-12)
    assert expected[0] < -1e4


def test_the_seed_decides_and_batches_do_not():
    vae, x = make_vae(), normals(60)
    one = kl_decomposition(vae, x, seed=1)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(17)
    again = kl_decomposition(vae, batches, batch_size=7, seed=1)
    for name, value in one.items():
        assert again[name] == pytest.approx(value, rel=1e-5)
    other = kl_decomposition(vae, x, seed=2)
    assert abs(other["mutual_information"] - one["mutual_information"]) > 1e-4
    assert json.loads(json.dumps(one, allow_nan=False)) == one


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class WidePrior(keras_vae.priors.StandardNormal):
    """N(0, 4 I)."""

    def kl(self, q, z):
        return keras_vae.priors.Prior.kl(self, q, z)

    def log_prob(self, z):
        return super().log_prob(z / 2) - math.prod(z.shape[2:]) * math.log(2)


def test_another_prior_has_a_gap_and_no_kl_of_dimensions():
    vae = make_vae(prior=WidePrior())
    parts = kl_decomposition(vae, normals(1000), num_samples=3)
    narrow = kl_decomposition(make_vae(), normals(1000), num_samples=3)
    for name in ("mutual_information", "total_correlation"):
        assert parts[name] == pytest.approx(narrow[name])
    # E[log p(z)] of the two priors, by the second moment of q(z).
    moment = np.trace(A @ np.cov(normals(1000).T) @ A.T) + VARIANCE.sum()
    moment += np.sum((A @ normals(1000).mean(0)) ** 2)
    difference = 0.5 * moment * (1 / 4 - 1) + 2 * math.log(2)
    found = parts["marginal_kl"] - narrow["marginal_kl"]
    # 3000 draws of a quadratic form with that standard deviation.
    spread = 0.375 * math.sqrt(2 * np.sum(COVARIANCE**2) / 3000)
    assert abs(found - difference) < 4 * spread
    assert parts["dimension_wise_kl"] is None
    assert parts["dimension_wise_kl_standard_error"] is None
    assert parts["dimension_wise_kl_per_dimension"] is None
    json.dumps(parts, allow_nan=False)


@pytest.mark.parametrize("prior", ["standard_normal", WidePrior()])
def test_codes_that_are_maps_are_taken_as_long_vectors(prior):
    x, z = keras.Input((4, 4, 1)), keras.Input((2, 2, 3))
    convolution = keras.layers.Conv2D(3, 2, strides=2)
    z_mean = convolution(x)
    encoder = keras.Model(x, [z_mean, 0.0 * z_mean - 1.0])
    decoder = keras.Model(z, keras.layers.Conv2DTranspose(1, 2, strides=2)(z))
    vae = keras_vae.VAE(encoder, decoder, prior=prior)
    data = np.random.default_rng(0).uniform(size=(300, 4, 4, 1)).astype("float32")
    parts = kl_decomposition(vae, data)
    # The prior of these draws and log q(z|x) make the KL; the model's own has others.
    scores = vae.score(data)["kl_loss"]
    error = math.hypot(parts["kl_loss_standard_error"], scores.std() / math.sqrt(300))
    assert abs(parts["kl_loss"] - scores.mean()) < 4 * error
    total = parts["mutual_information"] + parts["marginal_kl"]
    assert total == pytest.approx(parts["kl_loss"])


class Heavy(keras_vae.distributions.Normal):
    """Another density, of which the mixture knows nothing."""


class HeavyVAE(keras_vae.VAE):
    """With that posterior."""

    def posterior(self, inputs, training=False):
        q = super().posterior(inputs, training)
        return Heavy(q.mean, q.log_var)


def test_another_posterior_and_a_single_example_are_refused():
    encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    x = np.full((3, 4), 0.5, "float32")
    with pytest.raises(ValueError, match="distributions.Normal .*Received: Heavy"):
        kl_decomposition(HeavyVAE(encoder, decoder), x)
    with pytest.raises(ValueError, match="two examples or more"):
        kl_decomposition(keras_vae.VAE(encoder, decoder), x[:1])
