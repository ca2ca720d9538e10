"""The Poisson likelihood against SciPy's."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import Poisson


@settings(max_examples=25)
@given(st.integers(0, 200), st.floats(-15, 15, width=32))
@example(0, -15.0)
@example(0, 15.0)
@example(1, 0.0)
@example(7, 2.0)
@example(8, 2.0)
def test_closed_form(count, log_rate):
    rate = np.exp(float(log_rate))
    expected = scipy.stats.poisson.logpmf(count, rate)
    # float32 knows log(x) to 3e-7: that much of the rate's distance from x.
    tolerance = 1e-6 + 5e-7 * abs(count - rate)
    found = Poisson().log_prob([[count]], [[log_rate]])
    np.testing.assert_allclose(found, [expected], rtol=1e-6, atol=tolerance)


@settings(max_examples=25)
@given(st.floats(-15, 5, width=32))
def test_probabilities_sum_to_one(log_rate):
    counts = np.arange(400)[:, None]
    log_prob = Poisson().log_prob(counts, np.full((400, 1), log_rate))
    np.testing.assert_allclose(np.sum(np.exp(log_prob)), 1.0, rtol=1e-5)


@pytest.mark.parametrize("count", [1e3, 1e5, 1e7])
def test_large_counts_keep_their_digits(count):
    # One standard deviation from the maximum. x log(x) of 1e7 is 1.6e8, known to 16;
    # log p itself is -9.5, and found to 0.1 %.
    log_rate = np.float32(np.log(count + np.sqrt(count)))
    expected = scipy.stats.poisson.logpmf(count, np.exp(np.float64(log_rate)))
    found = Poisson().log_prob([[count]], [[log_rate]])
    np.testing.assert_allclose(found, [expected], rtol=1e-3)


def test_gradient_is_x_minus_rate():
    x = np.float32([[0], [3], [50], [1000]])
    log_rate = tf.constant([[-30.0], [1.0], [4.0], [7.0]])
    with tf.GradientTape() as tape:
        tape.watch(log_rate)
        log_prob = Poisson().log_prob(x, log_rate)
    np.testing.assert_allclose(
        tape.gradient(log_prob, log_rate), x - np.exp(log_rate), rtol=1e-5, atol=1e-12
    )


@pytest.mark.parametrize("log_rate", [-1e30, -100.0, 19.5, 100.0, 1e30])
def test_rates_cannot_overflow(log_rate):
    log_rate = tf.constant(np.full((3, 1), log_rate, "float32"))
    with tf.GradientTape() as tape:
        tape.watch(log_rate)
        log_prob = Poisson().log_prob([[0.0], [1.0], [1000.0]], log_rate)
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, log_rate)))
    mean = Poisson().mean(log_rate)
    assert np.all((mean >= 0) & (mean <= np.exp(20.001)))
    assert np.all(Poisson().in_support(Poisson().sample(log_rate, seed=0)))


# Both ways to draw, on either side of their border, and both tails.
@pytest.mark.parametrize("rate", [0.01, 0.7, 9.9, 10.1, 50.0, 3000.0])
def test_sample_has_the_probabilities(rate):
    draws = np.full((50_000, 1), np.log(rate), "float32")
    sample = Poisson().sample(draws, seed=2).numpy()[:, 0]
    distribution = scipy.stats.poisson(rate)
    # Thirty bins of about the same probability, or one for each count.
    edges = np.unique(distribution.ppf(np.linspace(0.001, 0.999, 30)))
    cdf = np.concatenate([[0.0], distribution.cdf(edges), [1.0]])
    counts = np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1)
    expected = 50_000 * np.diff(cdf)
    keep = expected > 0
    assert scipy.stats.chisquare(counts[keep], expected[keep]).pvalue > 1e-3


def test_neighbours_are_drawn_independently():
    # Few and many, drawn in two ways from one seed.
    draws = np.log(np.tile(np.float32([[5.0, 20.0, 5.0, 20.0]]), (20_000, 1)))
    sample = Poisson().sample(draws, seed=0).numpy()
    correlation = np.corrcoef(sample.T) - np.eye(4)
    # 5 standard errors of a correlation of nothing.
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


def test_support():
    x = [[0.0], [7.0], [1e6], [-1.0], [0.5], [1.0001]]
    expected = [True, True, True, False, False, False]
    assert Poisson().in_support(x).numpy().tolist() == expected


def test_initial_bias_is_the_log_of_the_rate():
    bias = Poisson().initial_bias([0.0, 0.25, 40.0])
    np.testing.assert_allclose(bias, np.log([1e-6, 0.25, 40.0]), rtol=1e-6)
