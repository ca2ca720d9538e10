"""Active latent dimensions, and what is said of them."""

import json

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae.evaluation import active_units, describe_activity, evaluate


def test_active_is_a_posterior_mean_that_varies_over_the_data():
    # A mean of ±a has the variance a^2, wherever it lies and whatever its order.
    signs = np.tile([1.0, -1.0], 50)[:, None]
    amplitude, offset = np.array([1.0, 0.11, 0.09, 0.0]), np.array([0.0, 9.0, 9.0, 1e4])
    z_mean = offset + signs * amplitude
    assert active_units(z_mean).tolist() == [True, True, False, False]
    assert active_units(z_mean, threshold=0.5).tolist() == [True, False, False, False]
    assert active_units(z_mean, threshold=0.008).tolist() == [True, True, True, False]
    assert active_units(z_mean).dtype == bool


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3, 4)])
def test_what_has_no_variance_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(n, latent_dim\) with n >= 2"):
        active_units(np.zeros(shape))


def test_the_report_counts_and_names():
    assert describe_activity([True] * 7) == "Active latent dimensions: 7 of 7."
    some = describe_activity([True, False, True, False])
    assert "2 of 4" in some
    assert some.endswith("z[1], z[3].")
    assert "collapsed" not in some
    many = describe_activity([True] + [False] * 30)
    assert many.endswith("z[10], and 20 more.")
    assert "unknown" in describe_activity(None)


@pytest.mark.parametrize("active", [[False], [False] * 5, np.zeros(3, bool)])
def test_a_collapse_is_told_in_plain_words_with_what_to_try(active):
    words = describe_activity(active)
    assert f"0 of {len(active)}" in words
    assert "The posterior has collapsed" in words
    for remedy in ("lower beta", "LinearWarmup", "free_bits"):
        assert remedy in words
    early = describe_activity(active, epochs=2)
    assert "after 2 epochs: train longer" in early and "collapsed" not in early
    assert describe_activity(active, epochs=50) == words


def test_what_is_advised_can_be_called():
    encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(4,))
    beta = keras_vae.schedules.LinearWarmup(10)
    assert keras_vae.VAE(encoder, decoder, beta=beta, free_bits=0.1).free_bits == 0.1


@pytest.mark.parametrize(("beta", "num_active"), [(1.0, 1), (50.0, 0)])
def test_a_training_that_collapses_is_seen_and_said(beta, num_active):
    """One bit, told by four pixels: worth log 2 nats; at 50 a nat it is not sent."""
    bit = np.random.default_rng(0).integers(0, 2, 256)
    x = np.repeat(bit[:, None], 4, axis=1).astype("float32")
    encoder, decoder = keras_vae.networks.dense((4,), 1, hidden_units=(16,), seed=0)
    vae = keras_vae.VAE(encoder, decoder, beta=beta, seed=0)
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit(x, batch_size=64, epochs=15, verbose=0)
    metrics = json.loads(json.dumps(evaluate(vae, x)))
    assert metrics["num_active_units"] == num_active
    words = describe_activity(metrics["active_units"])
    assert ("collapsed" in words) == (num_active == 0)
