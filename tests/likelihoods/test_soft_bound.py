"""The smooth bounds of log-scales and log-rates."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods.soft_bound import soft_bound


def value_and_gradient(value, lower, upper):
    value = tf.constant(value, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(value)
        bounded = soft_bound(value, lower, upper)
    return bounded.numpy(), tape.gradient(bounded, value).numpy()


@settings(max_examples=25)
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2),
    st.floats(-10, 0),
    st.floats(2, 50),
)
def test_stays_within_its_bounds_rising(values, lower, width):
    values = np.sort(np.float32(values))
    bounded, gradient = value_and_gradient(values, lower, lower + width)
    assert np.all(np.isfinite(gradient)) and np.all((gradient >= 0) & (gradient <= 1))
    assert np.all(bounded >= lower - 1e-5) and np.all(bounded <= lower + width + 1e-5)
    assert np.all(np.diff(bounded) >= 0)


def test_is_exactly_the_identity_in_the_useful_range():
    values = np.linspace(-4, 39, 1001, dtype="float32")
    bounded, gradient = value_and_gradient(values, -5, 40)
    np.testing.assert_array_equal(bounded, values)
    np.testing.assert_array_equal(gradient, 1.0)


def test_formula_outside_it():
    low, high = np.linspace(-20, -4, 50), np.linspace(39, 60, 50)
    bounded, gradient = value_and_gradient(np.concatenate([low, high]), -5, 40)
    expected = np.concatenate([-5 + np.exp(low + 4), 40 - np.exp(39 - high)])
    np.testing.assert_allclose(bounded, expected, rtol=1e-6)
    # The derivative meets 1 at both knees, and is not 0 sixteen past them.
    expected = np.concatenate([np.exp(low + 4), np.exp(39 - high)])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)
    assert gradient[[49, 50]].tolist() == [1.0, 1.0]


def test_one_bound_alone():
    value = np.float32([-1e9, 0.0, 1e9])
    assert soft_bound(value, upper=5.0).numpy().tolist() == [-1e9, 0.0, 5.0]
    assert soft_bound(value, lower=-5.0).numpy().tolist() == [-5.0, 0.0, 1e9]


def test_nan_is_not_hidden():
    assert np.isnan(soft_bound(np.float32([np.nan]), -1.0, 1.0).numpy())
