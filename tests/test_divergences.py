"""Against SciPy in float64, Monte Carlo, and limits."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from keras_vae.divergences import (
    kl_normal,
    kl_normal_per_dimension,
    normal_log_prob,
)

finite = st.floats(-5, 5, width=32)


def closed_form(mean, log_var, prior_mean=0.0, prior_log_var=0.0):
    """Kullback's formula, term by term, in float64."""
    mean, log_var = np.float64(mean), np.float64(log_var)
    prior_mean, prior_log_var = np.float64(prior_mean), np.float64(prior_log_var)
    variance, prior_variance = np.exp(log_var), np.exp(prior_log_var)
    return (
        np.log(np.sqrt(prior_variance) / np.sqrt(variance))
        + (variance + (mean - prior_mean) ** 2) / (2 * prior_variance)
        - 0.5
    )


@settings(max_examples=50, deadline=None)
@given(*[arrays("float32", (4, 3), elements=finite)] * 4)
def test_kl_is_the_closed_form(mean, log_var, prior_mean, prior_log_var):
    parameters = (mean, log_var, prior_mean, prior_log_var)
    expected = closed_form(*parameters)
    result = kl_normal_per_dimension(*parameters)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        kl_normal(*parameters), expected.sum(1), rtol=1e-4, atol=1e-5
    )
    assert np.all(np.asarray(result) >= 0)


@settings(max_examples=50, deadline=None)
@given(*[arrays("float32", (2, 3), elements=finite)] * 2)
def test_kl_is_zero_at_the_prior_and_nowhere_else(mean, log_var):
    assert not np.any(kl_normal(mean, log_var, mean, log_var))
    away = np.abs(mean).max(1) + np.abs(log_var).max(1) > 1e-3
    assert np.all(np.asarray(kl_normal(mean, log_var))[away] > 0)


@pytest.mark.parametrize("log_var", [1e-4, -1e-4, 1e-3])
def test_kl_keeps_its_precision_near_the_prior(log_var):
    """To second order it is log_var^2 / 4: what `exp(v) - 1 - v` loses in float32."""
    result = float(kl_normal([[0.0]], [[log_var]])[0])
    # float32 rounds expm1(v) - v to 6e-8 * v: 6e-4 of v^2 / 2 at v = 1e-4 * 2
    assert result == pytest.approx(log_var**2 / 4, rel=2e-3)


@pytest.mark.parametrize("log_var", [-80.0, -30.0, 30.0, 80.0])
def test_kl_at_tiny_and_huge_variances(log_var):
    result = float(kl_normal([[3.0]], [[log_var]])[0])
    assert result == pytest.approx(float(closed_form(3.0, log_var)), rel=1e-5)


def test_kl_by_monte_carlo():
    rng = np.random.default_rng(0)
    n, parameters = 100_000, ([0.5, -1.0], [-0.7, 0.4], [0.2, 0.3], [0.5, -0.2])
    mean, log_var, prior_mean, prior_log_var = np.float32(parameters)
    z = mean + np.exp(log_var / 2) * rng.normal(size=(n, 2)).astype("float32")
    ratio = np.asarray(
        normal_log_prob(z, mean, log_var)
        - normal_log_prob(z, prior_mean, prior_log_var)
    )
    error = ratio.std() / np.sqrt(n)
    expected = float(
        kl_normal(mean[None], log_var[None], prior_mean[None], prior_log_var[None])[0]
    )
    assert abs(ratio.mean() - expected) < 4 * error


def test_normal_log_prob_is_scipy_s():
    rng = np.random.default_rng(0)
    z, mean, log_var = rng.normal(size=(3, 5, 4)).astype("float32")
    expected = stats.norm(mean, np.exp(np.float64(log_var) / 2)).logpdf(z).sum(1)
    np.testing.assert_allclose(normal_log_prob(z, mean, log_var), expected, rtol=1e-5)


def test_gradients_by_finite_differences():
    mean, log_var = np.float64([[0.3, -1.2]]), np.float64([[0.7, -2.0]])
    parameters = [tf.constant(mean, tf.float32), tf.constant(log_var, tf.float32)]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        kl = tf.reduce_sum(kl_normal(*parameters))
    step = 1e-6
    for index, gradient in enumerate(tape.gradient(kl, parameters)):
        for j in range(2):
            up, down = [[mean.copy(), log_var.copy()] for _ in range(2)]
            up[index][0, j] += step
            down[index][0, j] -= step
            slope = (closed_form(*up).sum() - closed_form(*down).sum()) / (2 * step)
            assert float(gradient[0, j]) == pytest.approx(slope, rel=1e-4)
