"""The Bernoulli likelihood against its closed form."""

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import Bernoulli

logits = st.floats(-50, 50, width=32)


@settings(max_examples=25)
@given(st.lists(st.tuples(logits, st.floats(0, 1, width=32)), min_size=1, max_size=8))
def test_closed_form(values):
    logit, x = np.float32(values).T[:, None]
    expected = np.sum(
        x.astype("float64") * scipy.special.log_expit(logit.astype("float64"))
        + (1 - x.astype("float64")) * scipy.special.log_expit(-logit.astype("float64"))
    )
    found = Bernoulli().log_prob(x, logit)
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-6)


@settings(max_examples=25)
@given(logits)
def test_probabilities_sum_to_one(logit):
    log_prob = Bernoulli().log_prob([[0.0], [1.0]], np.full((2, 1), logit))
    np.testing.assert_allclose(np.sum(np.exp(log_prob)), 1.0, rtol=1e-6)


def test_small_probabilities_keep_their_digits():
    # log(1 - 1 / (1 + exp(10))), which x * logit - softplus(logit) rounds to 4.6e-5.
    found = Bernoulli().log_prob([[1.0]], [[10.0]])
    np.testing.assert_allclose(found, [-np.log1p(np.exp(-10.0))], rtol=1e-6)


def test_gradient_is_x_minus_mean_even_at_logits_of_50():
    x = np.float32([[0.0, 1.0] * 4])
    logit = tf.constant([[-50.0, -50.0, 50.0, 50.0, 0.0, 0.0, -1e30, 1e30]])
    with tf.GradientTape() as tape:
        tape.watch(logit)
        log_prob = Bernoulli().log_prob(x, logit)
    signed = np.where(x == 1, -logit, logit).astype("float64")
    expected = np.where(x == 1, 1, -1) * scipy.special.expit(signed)
    gradient = tape.gradient(log_prob, logit)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-30)


def test_sample_is_always_what_is_certain():
    logit = np.repeat(np.float32([[-200.0, 200.0]]), 10_000, axis=0)
    sample = Bernoulli().sample(logit, seed=0).numpy()
    assert np.all(sample == [0.0, 1.0])


def test_support():
    x = [[0.0], [1.0], [1 + 1e-7], [-0.01], [1.01], [255.0]]
    expected = [True, True, True, False, False, False]
    assert Bernoulli().in_support(x).numpy().tolist() == expected


def test_initial_bias_is_the_logit():
    bias = Bernoulli().initial_bias(np.array([[0.2, 0.9]]))
    np.testing.assert_allclose(bias, scipy.special.logit([[0.2, 0.9]]), rtol=1e-6)
