"""The categorical likelihood, class by class."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import Categorical

logits = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=9)


@settings(max_examples=25)
@given(logits)
def test_enumerated_classes(logits):
    classes = len(logits)
    parameters = np.repeat(np.float32([logits]), classes, axis=0)
    log_prob = Categorical().log_prob(np.eye(classes), parameters)
    expected = scipy.special.log_softmax(np.float64(logits))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sum(np.exp(log_prob)), 1.0, rtol=1e-5)
    mean = Categorical().mean(parameters)
    np.testing.assert_allclose(mean[0], np.exp(expected), rtol=1e-5, atol=1e-30)


def test_a_sequence_is_the_sum_of_its_positions():
    rng = np.random.default_rng(0)
    x = np.eye(4)[rng.integers(4, size=(5, 7))]
    parameters = rng.normal(size=(5, 7, 4))
    expected = np.sum(x * scipy.special.log_softmax(parameters, axis=-1), axis=(1, 2))
    found = Categorical().log_prob(x, parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradient_is_x_minus_mean():
    logits = tf.constant([[50.0, -50.0, 0.0], [1e30, 0.0, 0.0]])
    x = np.eye(3, dtype="float32")[[1, 0]]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_prob = Categorical().log_prob(x, logits)
    expected = x - scipy.special.softmax(logits.numpy(), axis=-1)
    np.testing.assert_allclose(tape.gradient(log_prob, logits), expected, atol=1e-6)


def test_a_class_that_is_masked_out():
    log_prob = Categorical().log_prob(np.eye(3)[:2], [[0.0, 0.0, -np.inf]] * 2)
    np.testing.assert_allclose(log_prob, [-np.log(2)] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0, 1, 0], True),
        ([0, 1 - 1e-7, 1e-7], True),
        ([0, 0, 0], False),
        ([1, 1, 0], False),
        ([0.5, 0.5, 0], False),
        ([-1, 1, 1], False),
        ([2, 0, 0], False),
    ],
)
def test_support(x, expected):
    assert bool(Categorical().in_support([x])[0]) is expected
    # One position that is wrong is enough.
    assert bool(Categorical().in_support([[[1, 0, 0], x]])[0]) is expected


def test_initial_bias_keeps_frequencies():
    bias = Categorical().initial_bias([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    mean = Categorical().mean(bias[None])
    expected = [[[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]]
    np.testing.assert_allclose(mean, expected, atol=3e-6)


def test_sample_has_the_probabilities():
    # Of more than two classes: of two, noise of the wrong sign does as well.
    logits = np.float32([0.5, -1.0, 2.0, 0.0, -3.0])
    sample = Categorical().sample(np.repeat(logits[None], 50_000, axis=0), seed=3)
    expected = 50_000 * scipy.special.softmax(np.float64(logits))
    counts = sample.numpy().sum(axis=0, dtype="float64")
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3
