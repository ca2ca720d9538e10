"""Five variants that prove the seam: each a few lines, and all that `VAE` has.

Members of the package will say the same better; here they show what it takes.
"""

import math

import keras
import tensorflow as tf

import keras_vae
from keras_vae import divergences, noise
from keras_vae.distributions import Delta, Normal
from keras_vae.priors import Prior, StandardNormal

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


class Flowed:
    """Kingma et al. (2016), equation 9: `base` pushed through steps."""

    def __init__(self, base, steps, context):
        self.base, self.steps, self.context = base, steps, context
        self.parameters = {**base.parameters, "context": context}
        self.mean = base.mean

    def sample(self, noise):
        z = self.base.sample(noise)
        log_prob = self.base.log_prob(z)
        for step in self.steps:
            z, log_det = step(z, self.context)
            log_prob -= log_det
        self.drawn = z, log_prob
        return z

    def log_prob(self, z):
        assert z is self.drawn[0], "the density is known of its own draws"
        return self.drawn[1]


@register
class IAFStep(keras.layers.Layer):
    def __init__(self, flip):
        super().__init__(dtype="float32")
        self.flip = flip

    def build(self, z_shape, context_shape):
        dim = z_shape[-1]
        self.mask = tf.linalg.band_part(tf.ones((dim, dim)), 0, -1) - tf.eye(dim)
        self.w = self.add_weight(name="w", shape=(2, dim, dim))
        self.context = self.add_weight(name="c", shape=(context_shape[-1], 2 * dim))

    def call(self, z, context):
        z = tf.reverse(z, [-1]) if self.flip else z
        m, s = tf.split(tf.cast(context, tf.float32) @ self.context, 2, axis=-1)
        m += tf.linalg.matmul(z, self.w[0] * self.mask)
        s = tf.tanh(s + tf.linalg.matmul(z, self.w[1] * self.mask))
        return z * tf.exp(s) + m, tf.reduce_sum(s, axis=-1)


@register
class FlowVAE(keras_vae.VAE):
    """Inverse autoregressive flow: the encoder returns a context besides."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.steps = [IAFStep(flip) for flip in (False, True)]
        for step in self.steps:
            step.build((None, *self.latent_shape), encoder.outputs[2].shape)

    def posterior(self, inputs, training=False):
        z_mean, z_log_var, context = self.encoder(inputs, training=training)
        return Flowed(
            Normal(z_mean, z_log_var), self.steps, tf.cast(context, "float32")
        )


class TopDown:
    """q(top|x) q(bottom|top, x), with both in one z."""

    def __init__(self, top, bottom_given):
        self.top, self.bottom_given = top, bottom_given
        self.parameters = top.parameters
        self.mean = tf.concat([top.mean, bottom_given(top.mean[None]).mean[0]], -1)

    def sample(self, noise):
        noise_top, noise_bottom = tf.split(noise, 2, axis=-1)
        top = self.top.sample(noise_top)
        bottom = self.bottom_given(top)
        return tf.concat([top, bottom.sample(noise_bottom)], -1)

    def log_prob(self, z):
        top, bottom = tf.split(z, 2, axis=-1)
        return self.top.log_prob(top) + self.bottom_given(top).log_prob(bottom)


@register
class TopDownPrior(Prior):
    """p(top) p(bottom|top), by a network that the posterior uses too."""

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = (
            keras.saving.deserialize_keras_object(network)
            if isinstance(network, dict)
            else network
        )

    def bottom(self, top):
        flat = self.network(tf.reshape(top, (-1, top.shape[-1])))
        mean, log_var = tf.split(tf.cast(flat, tf.float32), 2, axis=-1)
        shape = tf.shape(top)
        return tf.reshape(mean, shape), tf.reshape(log_var, shape)

    def log_prob(self, z):
        top, bottom = tf.split(tf.convert_to_tensor(z), 2, axis=-1)
        below = divergences.normal_log_prob(bottom, *self.bottom(top))
        return divergences.normal_log_prob(top) + below

    def sample(self, seed, latent_shape):
        draws = noise.draws(seed, 1, latent_shape)
        top, bottom = tf.split(draws, 2, axis=-1)
        mean, log_var = self.bottom(top)
        return tf.concat([top, mean + tf.exp(log_var / 2) * bottom], -1)[0]

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network}


@register
class HierarchicalVAE(keras_vae.VAE):
    """Sonderby et al. (2016), two levels: precision-weighted, inference shared with
    generation. The encoder returns the top's and the bottom's mean and log-variance."""

    def posterior(self, inputs, training=False):
        top_mean, top_log_var, mean, log_var = self.encoder(inputs, training=training)
        mean, log_var = tf.cast(mean, "float32"), tf.cast(log_var, "float32")

        def bottom_given(top):
            prior_mean, prior_log_var = self.prior.bottom(top)
            a, b = tf.exp(-prior_log_var), tf.exp(-log_var)
            return Normal((prior_mean * a + mean * b) / (a + b), -tf.math.log(a + b))

        return TopDown(Normal(top_mean, top_log_var), bottom_given)


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
    return FlowVAE(_encoder(12, 4, 4, 6), _decoder(12, 4), seed=0)


def make_hierarchical():
    z = keras.Input((2,))
    network = keras.Model(z, _dense(keras.layers.Dense(8, "tanh")(z), 4)[0])
    networks = _encoder(12, 2, 2, 2, 2), _decoder(12, 4)
    return HierarchicalVAE(*networks, prior=TopDownPrior(network), seed=0)


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
