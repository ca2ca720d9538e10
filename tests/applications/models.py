"""Small models that are compressed by, and the digits that they know."""

import functools

import keras
import numpy as np

import keras_vae
from keras_vae import likelihoods, networks

SHAPE = (8, 8, 1)


@functools.cache
def digits():
    """Levels 0 to 16 of the embedded digits, uint8 `(n, 8, 8, 1)`."""
    x = keras_vae.datasets.load("digits").train.x
    return np.rint(x * 16).astype("uint8")


def binary_digits():
    return (digits() > 7).astype("uint8")


@functools.cache
def trained(kind):
    """A model that was trained for a moment, so that it has something to say of z."""
    keras.utils.set_random_seed(0)
    dense = functools.partial(networks.dense, hidden_units=(64,), seed=0)
    if kind == "binary":
        vae = keras_vae.VAE(*dense(SHAPE, 8), seed=0)
    elif kind == "grey":
        likelihood = likelihoods.DiscretizedLogistic(levels=17)
        vae = keras_vae.VAE(*dense(SHAPE, 8, likelihood), likelihood=likelihood, seed=0)
    elif kind == "hierarchy":
        parts = networks.hierarchical_convolutional(
            SHAPE, 4, filters=(8, 8), levels=(1, 1), hidden_units=(16,), seed=0
        )
        vae = keras_vae.HierarchicalVAE(*parts, seed=0)
    x = digits() / 16 if kind == "grey" else binary_digits()
    vae.compile(keras.optimizers.Adam(3e-3))
    epochs = 4 if kind == "hierarchy" else 15
    vae.fit(x.astype("float32"), epochs=epochs, batch_size=32, verbose=0)
    return vae


@functools.cache
def compressor(kind):
    return keras_vae.applications.Compressor(trained(kind), batch_size=16)


def images(kind):
    return digits() if kind == "grey" else binary_digits()
