"""The continuous Bernoulli likelihood against numerical integrals."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import ContinuousBernoulli

# Around lambda = 1/2, around the change of formula at |logit| = 1, and at the limits.
LOGITS = [0.0, 1e-30, 1e-6, 1e-3, 0.3, 0.999, 1.0, 1.001, 2.0, 5.0, 15.0, 49.0, 50.0]
LOGITS = np.float32([*LOGITS, *(-logit for logit in LOGITS)])


def moment(logit, power):
    """Integral of t^power * exp(logit * (t - the end at which it is greatest))."""
    end = float(logit > 0)
    value, _ = scipy.integrate.quad(
        lambda t: t**power * np.exp(float(logit) * (t - end)),
        0,
        1,
        epsabs=0,
        epsrel=1e-12,
        points=[abs(end - 0.05), abs(end - 0.3)],
    )
    return value


def integrated_log_prob(x, logit):
    """log p(x), normalised by numerical integration instead of a formula."""
    logit = float(logit)
    return logit * (x - float(logit > 0)) - np.log(moment(logit, 0))


@pytest.mark.parametrize("x", [0.0, 1e-3, 0.25, 0.5, 0.9, 1.0])
def test_log_prob(x):
    expected = [integrated_log_prob(x, logit) for logit in LOGITS]
    found = ContinuousBernoulli().log_prob(
        np.full((len(LOGITS), 1), x), LOGITS[:, None]
    )
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_mean():
    expected = [moment(logit, 1) / moment(logit, 0) for logit in LOGITS]
    found = ContinuousBernoulli().mean(LOGITS[:, None])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@settings(max_examples=25)
@given(st.floats(-50, 50, width=32), st.floats(0, 1, width=32))
@example(0.0, 0.3)
@example(1e-20, 1.0)
@example(1.0, 0.0)
@example(50.0, 0.0)
@example(-50.0, 1.0)
def test_gradient_is_x_minus_mean(logit, x):
    # d/dlogit log p(x) = x - mean, as in every exponential family.
    parameters = tf.constant([[logit]], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = ContinuousBernoulli().log_prob([[x]], parameters)
    expected = x - moment(logit, 1) / moment(logit, 0)
    np.testing.assert_allclose(
        tape.gradient(log_prob, parameters), [[expected]], rtol=1e-5, atol=2e-6
    )


def test_formula_of_the_paper():
    # Its equation 6, C(lambda) = 2 artanh(1 - 2 lambda) / (1 - 2 lambda).
    x, lam = np.float64([0.1, 0.5, 0.8]), np.float64([0.05, 0.4, 0.99])
    normalizer = 2 * np.arctanh(1 - 2 * lam) / (1 - 2 * lam)
    expected = x * np.log(lam) + (1 - x) * np.log1p(-lam) + np.log(normalizer)
    logit = np.log(lam) - np.log1p(-lam)
    found = ContinuousBernoulli().log_prob(x[:, None], logit[:, None])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_logits_of_any_size():
    # As |logit| grows, log p at the near end is log|logit| and falls linearly.
    logit = np.float32([[1e4], [-1e4], [1e30], [-1e30], [1e4]])
    x = np.float32([[1.0], [0.0], [1.0], [0.0], [0.5]])
    parameters = tf.constant(logit)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = ContinuousBernoulli().log_prob(x, parameters)
    expected = [*np.log(np.abs(logit[:4, 0])), np.log(1e4) - 5e3]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)
    # d/dlogit = x - mean = 1 / logit at the near end.
    expected = [[1e-4], [-1e-4], [1e-30], [-1e-30], [-0.4999]]
    np.testing.assert_allclose(tape.gradient(log_prob, parameters), expected, rtol=1e-5)


@pytest.mark.parametrize("logit", [-50.0, -3.0, 0.0, 1e-4, 0.5, 20.0])
def test_sample_follows_the_cdf(logit):
    def cdf(x):
        return x if logit == 0 else np.expm1(logit * x) / np.expm1(logit)

    draws = np.full((20_000, 1), logit, "float32")
    sample = ContinuousBernoulli().sample(draws, seed=1).numpy()[:, 0]
    assert scipy.stats.kstest(sample.astype("float64"), cdf).pvalue > 1e-3


def test_initial_bias_of_a_mean_near_the_edge():
    likelihood = ContinuousBernoulli()
    bias = likelihood.initial_bias([0.011, 0.5, 0.989])
    # coth(logit / 2) is 1 here: the mean is 1 - 1 / logit.
    np.testing.assert_allclose(bias, [-1 / 0.011, 0.0, 1 / 0.011], rtol=1e-3, atol=1e-4)
