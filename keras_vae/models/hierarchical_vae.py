"""The VAE with several levels of latent variables."""

import math

import keras
import tensorflow as tf

from keras_vae import priors
from keras_vae.distributions import Hierarchical, for_each_draw
from keras_vae.layers.top_down import TopDown
from keras_vae.models.elbo_terms import ElboTerms
from keras_vae.models.vae import VAE
from keras_vae.priors import StandardNormal, TopLevel


@keras.saving.register_keras_serializable(package="keras_vae")
class HierarchicalVAE(VAE):
    """VAE with two or more levels of z, inferred and generated from the top down.

    ```
    p(x, v) = p(x|h_L) p(v_1) p(v_2|h_1) ... p(v_L|h_L-1),    h_l = update_l(h_l-1, v_l)
    q(v|x)  = q(v_1|x) q(v_2|h_1, x) ... q(v_L|h_L-1, x)
    KL      = sum_l E[KL(q(v_l|h_l-1, x) || p(v_l|h_l-1))]
    ```

    The levels are those of a `keras_vae.layers.TopDown` in the decoder. The code z of a
    level is its value v in the units of the level's prior, so that the prior of all
    codes is N(0, I) and the KL that of the values. z is flat, `(batch, total_dim)`, the
    top level's code first; `top_down.split(z)` gives the levels. The KL is in closed
    form given the levels above, one group (for `free_bits`) for each dimension of a
    vector, and for each channel of a map.

    When to use it: for the best likelihood and the sharpest samples of images; where
    coarse and fine structure should be apart. When not: for few, readable dimensions or
    a small z to store or cluster (its codes are long, and those of the lower levels
    mean something only given the upper ones), or small tables, where `VAE` is as good.
    What it costs: each level is one more network in sequence, in training and in
    sampling; `keras_vae.networks.hierarchical_convolutional` trains two to three times
    slower than `convolutional`. Lower levels may stay unused: a warm-up of beta
    (`keras_vae.schedules.LinearWarmup`) or `free_bits` helps.

    Args:
        encoder: Functional Keras model, `x` -> list of features, one tensor for each
            level, the top first.
        decoder: Functional Keras model, `z` `(batch, total_dim)` -> parameters of
            p(x|z), that takes z through one `TopDown` layer. Conditions, as in `VAE`,
            join below it.
        prior: Name or instance of a `keras_vae.priors.Prior`, of the top level's code;
            those below keep the standard normal (`keras_vae.priors.TopLevel`).
        **kwargs: Arguments of `VAE`, but `flow`.

    Attributes:
        top_down: The `TopDown` layer.

    Raises:
        ValueError: If encoder and decoder do not fit one another.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.hierarchical_dense(
    ...     (4,), (1, 2), hidden_units=((8,), (8,))
    ... )
    >>> vae = HierarchicalVAE(*networks, seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = vae.fit(x, verbose=0)
    >>> [part.shape for part in vae.top_down.split(vae.codes(x))]
    [(64, 1), (64, 2)]

    Reference:
        Sonderby et al., "Ladder Variational Autoencoders" (2016); Kingma et al.,
        "Improving Variational Inference with Inverse Autoregressive Flow" (2016),
        section 4; Child, "Very Deep VAEs Generalize Autoregressive Models and Can
        Outperform Them on Images" (2021), section 3.
    """

    UNUSED = {"flow": "a flow is for a posterior of one level, and it has several"}

    def __init__(self, encoder, decoder, *, prior="standard_normal", **kwargs):
        top_down = _top_down_of(decoder)
        _check_features(encoder, top_down)
        prior = priors.get(prior)
        if not isinstance(prior, StandardNormal | TopLevel):
            prior = TopLevel(prior, math.prod(top_down.latent_shapes[0]))
        super().__init__(encoder, decoder, prior=prior, **kwargs)
        # What decodes the last state. A method, which Keras does not track: its layers
        # are the decoder's, and saved with that.
        inputs = {tensor.name: tensor for tensor in decoder.inputs}
        self._decode_state = keras.Model(
            [top_down.output, *(inputs[name] for name in self.decoder_conditions)],
            decoder.output,
        ).__call__

    @property
    def top_down(self):
        return _top_down_of(self.decoder)

    def posterior(self, inputs, training=False):
        # Keras gives one output alone, not in a list.
        features = tf.nest.flatten(self._interface.encoder(inputs, inputs, training))

        def infer(draw, training=False):
            return self.top_down.infer(features, draw, training)

        return Hierarchical(infer, self.top_down.latent_shapes, training)

    def terms_of_draws(self, q, inputs, target, noise, training=False):
        z = q.sample(noise)
        inputs, target = for_each_draw((inputs, target), z.shape[0])
        given = [inputs[name] for name in self.decoder_conditions]
        # Inference went down the levels: what it came to is decoded.
        parameters = self._decode_state([q.state, *given], training=training)
        log_likelihood = self.likelihood.log_prob(target, parameters, training=training)
        log_likelihood = tf.reshape(log_likelihood, tf.shape(z)[:2])
        log_q = q.log_prob(z)
        log_prior, kl = self.prior.log_prob_and_kl(q, z, log_q)
        log_ratio = tf.cast(log_prior - log_q, tf.float32)
        kl = tf.cast(kl, tf.float32)
        return ElboTerms(q, z, log_likelihood, kl, log_likelihood + log_ratio)


def _top_down_of(decoder):
    found = [layer for layer in decoder.layers if isinstance(layer, TopDown)]
    if len(found) != 1:
        raise ValueError(
            "`decoder` should be a functional model that takes z through one "
            f"keras_vae.layers.TopDown. Received: {len(found)} of them. "
            "keras_vae.networks.hierarchical_dense makes such networks"
        )
    return found[0]


def _check_features(encoder, top_down):
    wanted = [network.inputs[-1].shape for network in top_down.posteriors]
    outputs = [output.shape for output in encoder.outputs]
    if outputs != wanted or isinstance(encoder.output, dict):
        raise ValueError(
            "`encoder` should return a list of features, one tensor for each level, "
            f"the top first, of the shapes {wanted}. Received: {outputs}"
        )
