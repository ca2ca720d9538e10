"""The Sampling layer: its distribution, its gradients and its random state."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_vae import Sampling
from keras_vae.layers.sampling import reparameterize


def test_draws_follow_the_posterior():
    n, mean, log_var = 50_000, np.float32([1.5, -2.0]), np.float32([0.8, -3.0])
    layer = Sampling(seed=0)
    z = np.asarray(layer([np.tile(mean, (n, 1)), np.tile(log_var, (n, 1))]))
    scale = np.exp(log_var / 2)
    assert np.all(np.abs(z.mean(0) - mean) < 4 * scale / np.sqrt(n))
    for j in range(2):
        assert stats.kstest(z[:, j], "norm", (mean[j], scale[j])).pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 4 / np.sqrt(n)


def test_every_call_draws_anew_and_a_seed_repeats():
    zeros = tf.zeros((4, 2))
    a, b = Sampling(seed=1), Sampling(seed=1)
    first, second = a([zeros, zeros]), a([zeros, zeros])
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, b([zeros, zeros]))
    assert not np.allclose(first, Sampling(seed=2)([zeros, zeros]))


def test_gradients_flow_through_the_draw():
    mean, log_var = tf.constant([[0.5, 1.0]]), tf.constant([[0.2, -1.0]])
    with tf.GradientTape() as tape:
        tape.watch([mean, log_var])
        z = Sampling(seed=0)([mean, log_var])
    by_mean, by_log_var = tape.gradient(z, [mean, log_var])
    np.testing.assert_allclose(by_mean, np.ones((1, 2)))
    # dz / dlog_var = (z - mean) / 2
    np.testing.assert_allclose(by_log_var, (z - mean) / 2, rtol=1e-5)


def test_reparameterize_is_its_formula():
    np.testing.assert_allclose(
        reparameterize([1.0, 2.0], [0.0, np.log(4.0)], [3.0, -1.0]), [4.0, 0.0]
    )


def functional():
    x = keras.Input((3,))
    heads = [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)]
    return keras.Model(x, Sampling(seed=7)(heads))


def test_in_anyones_functional_model_it_resumes_where_it_was_saved(tmp_path):
    model = functional()
    x = np.ones((5, 3), "float32")
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((5, 2)), epochs=2, verbose=0)
    assert model.predict(x, verbose=0).shape == (5, 2)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_float32_under_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        z = functional()(np.ones((5, 3), "float32"))
        large = Sampling()([tf.zeros((1, 1)), tf.fill((1, 1), 24.0)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert z.dtype == tf.float32
    assert np.isfinite(large).all()  # exp(12) is more than a float16 holds


def test_batch_size_and_config():
    layer = Sampling(seed=3, name="z")
    again = Sampling.from_config(layer.get_config())
    assert (again.seed, again.name) == (3, "z")
    assert layer.compute_output_shape([(None, 2), (None, 2)]) == (None, 2)
    run = tf.function(layer, input_signature=[[tf.TensorSpec((None, 2))] * 2])
    assert run([tf.zeros((9, 2))] * 2).shape == (9, 2)
    assert not np.allclose(run([tf.zeros((9, 2))] * 2), run([tf.zeros((9, 2))] * 2))


def test_the_outermost_draws_are_finite(monkeypatch):
    """Once in some 10^7 draws all bits are the same; a million steps draw 10^9."""
    words = np.array([0, -1, 2**31 - 1, -(2**31)], "int32")
    monkeypatch.setattr(tf.random, "stateless_uniform", lambda *_, **__: words)
    draws = np.sort(Sampling(seed=0).noise((4,)))
    # The quantiles of half a step of 2^-23 from the ends, and those next to 1/2.
    outermost = stats.norm.isf(0.5 * 2.0**-23)
    nearest = stats.norm.isf(0.5 - 0.5 * 2.0**-23)
    np.testing.assert_allclose(draws[[0, 3]], [-outermost, outermost], rtol=1e-3)
    np.testing.assert_allclose(draws[[1, 2]], [-nearest, nearest], rtol=1e-3)


def test_the_noise_is_normal_and_the_same_under_xla():
    eager = Sampling(seed=3).noise((100_000,)).numpy()
    assert stats.kstest(eager, "norm").pvalue > 1e-3
    for jit_compile in (False, True):
        layer = Sampling(seed=3)
        draw = tf.function(
            lambda layer=layer: layer.noise((100_000,)), jit_compile=jit_compile
        )
        np.testing.assert_allclose(draw(), eager, rtol=1e-4, atol=1e-6)
