"""What every prior promises."""

import json

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise, priors
from keras_vae.distributions import Normal


def check_prior(make, latent_shape, connect=None):
    """Holds a prior to the laws of `keras_vae.priors.Prior`.

    Args:
        make: Function that returns a new prior, with the same weights each time.
        latent_shape: Tuple.
        connect: A model to connect it to, for a prior that needs the encoder.
    """
    prior = _made(make, latent_shape, connect)
    seeds = noise.example_seeds(3, 0, 6)
    z = prior.sample(seeds, latent_shape)
    assert z.shape == (6, *latent_shape) and z.dtype == tf.float32
    _check_rows_are_independent(prior, seeds, z, latent_shape)
    _check_log_prob(prior, latent_shape)
    _check_kl(prior, latent_shape)
    _check_graph(prior, seeds, latent_shape)
    _check_serialization(prior, latent_shape, connect, z[None])


def _made(make, latent_shape, connect):
    prior = make()
    if connect is not None:
        prior.connect(connect)
    if not prior.built:
        prior.build(latent_shape)
    return prior


def _check_rows_are_independent(prior, seeds, z, latent_shape):
    alone = prior.sample(seeds[2:3], latent_shape)
    np.testing.assert_allclose(alone[0], z[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(prior.sample(seeds, latent_shape), z)
    assert len(np.unique(np.asarray(z).reshape(6, -1), axis=0)) == 6


def _check_log_prob(prior, latent_shape):
    """Importance sampling from a wide normal: the density integrates to 1."""
    z = 3.0 * noise.draws(noise.example_seeds(5, 0, 1), 200_000, latent_shape)
    log_prob = prior.log_prob(z)
    assert log_prob.shape == (200_000, 1) and log_prob.dtype == tf.float32
    wide = Normal(
        tf.zeros((1, *latent_shape)), tf.fill((1, *latent_shape), np.log(9.0))
    )
    weights = np.exp(np.float64(log_prob) - np.float64(wide.log_prob(z)))
    error = weights.std() / np.sqrt(weights.size)
    assert abs(weights.mean() - 1.0) < 4 * error, (weights.mean(), error)
    # The draws come from that density: E[log p] from both.
    drawn = prior.sample(noise.example_seeds(7, 0, 20_000), latent_shape)[None]
    own = np.float64(prior.log_prob(drawn))
    weighted = weights * np.float64(log_prob)
    error = np.hypot(own.std() / np.sqrt(own.size), weighted.std() / np.sqrt(own.size))
    assert abs(own.mean() - weighted.mean()) < 4 * error


def _check_kl(prior, latent_shape):
    """The KL is the mean of log q - log p over draws of q, and never negative."""
    rng = np.random.default_rng(0)
    parameters = rng.normal(size=(2, 3, *latent_shape)).astype("float32") / 2
    q = Normal(*parameters)
    z = q.sample(noise.draws(noise.example_seeds(9, 0, 3), 20_000, latent_shape))
    kl = prior.kl(q, z)
    assert kl.shape.rank == 2 and kl.shape[0] == 3
    log_ratio = np.float64(q.log_prob(z)) - np.float64(prior.log_prob(z))
    error = log_ratio.std(axis=0) / np.sqrt(len(log_ratio))
    total = np.sum(kl, axis=1)
    assert np.all(np.abs(total - log_ratio.mean(axis=0)) < 4 * error + 1e-4)
    assert np.all(total > -4 * error)


def _check_graph(prior, seeds, latent_shape):
    z = prior.sample(seeds, latent_shape)[None]
    for jit_compile in (False, True):
        sample, log_prob = (
            tf.function(function, jit_compile=jit_compile)
            for function in (lambda s: prior.sample(s, latent_shape), prior.log_prob)
        )
        np.testing.assert_allclose(sample(seeds), z[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(log_prob(z), prior.log_prob(z), rtol=1e-4)


def _check_serialization(prior, latent_shape, connect, z):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    clone = _made(lambda: priors.get(config), latent_shape, connect)
    assert type(clone) is type(prior) and clone.get_config() == prior.get_config()
    clone.set_weights(prior.get_weights())
    np.testing.assert_array_equal(clone.log_prob(z), prior.log_prob(z))
