"""Models to draw, and what is read from their figures: no pixels are compared."""

import keras
import matplotlib
import numpy as np

import keras_vae


def make_vae(
    data_shape, latent_dim=3, likelihood="bernoulli", inactive=(), **arguments
):
    """An untrained VAE whose latent dimensions are active, but for those given."""
    encoder, decoder = keras_vae.networks.dense(
        data_shape, latent_dim, likelihood, hidden_units=(8,), seed=0
    )
    rng = np.random.default_rng(0)
    for network in (encoder, decoder):
        network.set_weights([w + rng.normal(size=w.shape) for w in network.weights])
    kernel = encoder.get_layer("z_mean").weights[0]
    kernel.assign(kernel * [float(j not in inactive) for j in range(latent_dim)])
    return keras_vae.VAE(encoder, decoder, likelihood=likelihood, **arguments)


def data(n, data_shape):
    return np.random.default_rng(1).uniform(size=(n, *data_shape)).astype("float32")


def pictures(figure):
    """The values of each image; grey ones without the axis of their one channel."""
    (axes,) = figure.axes
    return np.array([image.get_array() for image in axes.images])


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def legend_entries(figure):
    (legend,) = figure.findobj(matplotlib.legend.Legend)
    return [text.get_text() for text in legend.get_texts()]


def make_conditional_vae(latent_shape=(2, 1, 2)):
    """Images 6 x 5, a latent map, and a decoder that is told one of 3 classes."""
    x = keras.Input((6, 5, 1), name="x")
    hidden = keras.layers.Flatten()(x)
    size = int(np.prod(latent_shape))
    codes = [keras.layers.Dense(size)(hidden) for _ in range(2)]
    codes = [keras.layers.Reshape(latent_shape)(code) for code in codes]
    z = keras.Input(latent_shape, name="z")
    condition = keras.Input((3,), name="condition")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(z), condition])
    logits = keras.layers.Reshape((6, 5, 1))(keras.layers.Dense(30)(joined))
    decoder = keras.Model({"z": z, "condition": condition}, logits)
    return keras_vae.VAE(keras.Model(x, codes), decoder)


def conditional_data(n):
    return {"x": data(n, (6, 5, 1)), "condition": np.eye(3, dtype="float32")[:n]}
