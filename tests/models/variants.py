"""Variants that prove the seam: each a few lines, and all that `VAE` has.

Members of the package will say the same better; here they show what it takes.
"""

import math

import keras
import tensorflow as tf

import keras_vae
from keras_vae.distributions import Delta, Normal, Transformed
from keras_vae.priors import StandardNormal

register = keras.saving.register_keras_serializable("variants")


@register
class IWAE(keras_vae.VAE):
    """Burda, Grosse & Salakhutdinov (2016), equation 8."""

    def objective(self, terms):
        return math.log(self.num_samples) - tf.reduce_logsumexp(terms.log_weights, 0)


@register
class ConditionalVAE(keras_vae.VAE):
    """Sohn, Lee & Yan (2015): p(x|z, c) and q(z|x, c)."""

    def posterior(self, inputs, training=False):
        joined = [inputs["x"], inputs["condition"]]
        return Normal(*self.encoder(joined, training=training))

    def decode_parameters(self, z, inputs=None, training=False):
        return self.decoder([z, inputs["condition"]], training=training)


@register
class Autoencoder(keras_vae.VAE):
    """No sampling and no KL."""

    def posterior(self, inputs, training=False):
        return Delta(self.encoder(inputs, training=training))

    def objective(self, terms):
        return terms.reconstruction_loss


@register
class FlowVAE(keras_vae.VAE):
    """Kingma et al. (2016), equation 10: one inverse autoregressive step, linear."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        dim = self.latent_dim
        self.mask = tf.linalg.band_part(tf.ones((dim, dim)), 0, -1) - tf.eye(dim)
        self.weight = self.add_weight(name="flow", shape=(2, dim, dim))

    def transform(self, z):
        shift, log_scale = tf.unstack(
            tf.einsum("...i,kij->k...j", z, self.weight * self.mask)
        )
        log_scale = tf.tanh(log_scale)
        return z * tf.exp(log_scale) + shift, tf.reduce_sum(log_scale, axis=-1)

    def posterior(self, inputs, training=False):
        return Transformed(
            Normal(*self.encoder(inputs, training=training)), self.transform
        )


# What they are made of, for tests.


def _dense(tensor, *sizes):
    return [keras.layers.Dense(size, dtype="float32")(tensor) for size in sizes]


def _encoder(data_dim, *sizes, further=()):
    x = keras.Input((data_dim,), name="x")
    extra = [keras.Input((size,), name="condition") for size in further]
    joined = keras.layers.Concatenate()([x, *extra]) if extra else x
    hidden = keras.layers.Dense(16, activation="tanh")(joined)
    outputs = _dense(hidden, *sizes)
    return keras.Model(
        [x, *extra] if extra else x, outputs[0] if len(sizes) == 1 else outputs
    )


def _decoder(data_dim, latent_dim, further=()):
    z = keras.Input((latent_dim,), name="z")
    extra = [keras.Input((size,), name="condition") for size in further]
    joined = keras.layers.Concatenate()([z, *extra]) if extra else z
    hidden = keras.layers.Dense(16, activation="tanh")(joined)
    return keras.Model([z, *extra] if extra else z, _dense(hidden, data_dim)[0])


def make_iwae():
    networks = _encoder(12, 2, 2), _decoder(12, 2)
    return IWAE(*networks, num_samples=5, seed=0)


def make_conditional():
    networks = _encoder(12, 2, 2, further=(3,)), _decoder(12, 2, further=(3,))
    return ConditionalVAE(*networks, seed=0)


def make_autoencoder():
    return Autoencoder(_encoder(12, 2), _decoder(12, 2), seed=0)


def make_flow():
    return FlowVAE(_encoder(12, 4, 4), _decoder(12, 4), seed=0)


def make_maps():
    """Codes that are maps `(3, 3, 2)`, with dropout, batch normalisation and a layer
    that adds a loss."""
    x = keras.Input((6, 6, 1))
    hidden = keras.layers.Conv2D(4, 3, 2, padding="same", activation="silu")(x)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Dropout(0.1, seed=1)(hidden)
    hidden = keras.layers.ActivityRegularization(l2=1e-3)(hidden)
    heads = [keras.layers.Conv2D(2, 1, dtype="float32")(hidden) for _ in range(2)]
    z = keras.Input((3, 3, 2))
    up = keras.layers.Conv2DTranspose(4, 3, 2, padding="same", activation="silu")(z)
    parameters = keras.layers.Conv2D(1, 1, dtype="float32")(up)
    networks = keras.Model(x, heads), keras.Model(z, parameters)
    return keras_vae.VAE(*networks, seed=0)


def make_plain():
    networks = _encoder(12, 2, 2), _decoder(12, 2)
    return keras_vae.VAE(*networks, prior=StandardNormal(), free_bits=0.01, seed=0)
