"""Models with other posteriors and priors than normal ones, for the contracts."""

import keras
import numpy as np

import keras_vae
from keras_vae import layers, networks, priors
from tests.models import variants


def mixture_prior(latent_shape):
    return _scattered(priors.MixturePrior(4), latent_shape, 0.3)


def flow_prior(latent_shape):
    flow = layers.CouplingFlow(hidden_units=(8,))
    return _scattered(priors.FlowPrior(flow), latent_shape, 0.2)


def _scattered(prior, latent_shape, scale):
    """A prior whose weights are somewhere, the same each time."""
    prior.build(latent_shape)
    rng = np.random.default_rng(1)
    prior.set_weights([rng.normal(0, scale, w.shape) for w in prior.get_weights()])
    return prior


def make_small_maps():
    """Codes of four numbers, that are maps."""
    x, z = keras.Input((4, 4, 1)), keras.Input((2, 2, 1))
    heads = [keras.layers.Conv2D(1, 2, 2)(x) for _ in range(2)]
    up = keras.layers.Conv2DTranspose(1, 2, 2)(z)
    return keras_vae.VAE(keras.Model(x, heads), keras.Model(z, up), seed=0)


def make_flows():
    """An autoregressive posterior with a context, and a coupling for a prior."""
    flow = layers.InverseAutoregressiveFlow(num_steps=2, hidden_units=(8,))
    prior = priors.FlowPrior(layers.CouplingFlow(num_steps=2, hidden_units=(8,)))
    parts = networks.dense((12,), 4, hidden_units=(16,), context_dim=5)
    return keras_vae.VAE(*parts, flow=flow, prior=prior, seed=0)


def make_vamp():
    prior = priors.VampPrior(6, weighted=True)
    parts = networks.dense((12,), 2, hidden_units=(16,))
    return keras_vae.VAE(*parts, prior=prior, num_samples=2, seed=0)


def make_mixture():
    """Codes that are maps, as of a convolutional network."""
    plain = variants.make_maps()
    return keras_vae.VAE(
        plain.encoder, plain.decoder, prior=priors.MixturePrior(3), seed=0
    )
