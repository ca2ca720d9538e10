"""What the tests of the members share."""

import keras
import numpy as np

import keras_vae
from keras_vae.priors import Prior, StandardNormal

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(48, 12)) < RNG.uniform(size=12)).astype("float32")


class MonteCarloNormal(StandardNormal):
    """The standard normal whose KL is estimated, as of a prior without a closed form:
    the objectives that weigh log p(z) - log q(z|x) then equal those of `VAE` itself."""

    kl = Prior.kl


def make(cls=keras_vae.VAE, latent_dim=2, **arguments):
    """A model on dense networks, moved away from where they start, near q = p."""
    networks = keras_vae.networks.dense((12,), latent_dim, hidden_units=(16,), seed=0)
    rng = np.random.default_rng(0)
    for network in networks:
        weights = network.get_weights()
        network.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in weights])
    return cls(*networks, seed=0, **arguments)


def seeds(n, seed=0):
    return keras_vae.noise.example_seeds(seed, 0, n)


def trained(vae, **arguments):
    """The loss of three epochs, and the weights of encoder and decoder after them."""
    keras.utils.set_random_seed(0)
    vae.compile(keras.optimizers.Adam(0.01), **arguments)
    history = vae.fit(X, batch_size=16, epochs=3, shuffle=False, verbose=0).history
    return history["loss"], [*vae.encoder.get_weights(), *vae.decoder.get_weights()]


def assert_trains_as_vae(vae, **arguments):
    """A member whose own part has weight 0 learns what `VAE` does."""
    loss, weights = trained(vae, **arguments)
    expected_loss, expected = trained(make())
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for found, weight in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, weight, rtol=1e-5, atol=1e-6)
    assert np.abs(weights[0] - make().encoder.get_weights()[0]).max() > 0.01
