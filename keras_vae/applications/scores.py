"""The scores by which an item is found anomalous, by name."""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_vae.applications.likelihood_regret import likelihood_regret

# Under an item of nothing but zeros.
SMALLEST_SQUARE = 1e-6


class Score(NamedTuple):
    """How anomalous an item is, as a tensor function.

    Attributes:
        function: `(vae, inputs, draws) -> (batch,)`, higher is more anomalous: inputs
            as `vae.prepare` returns them, `draws` standard normal noise
            `(num_samples, batch, *latent_shape)`.
        unit: String.
        num_samples: Integer, draws of z unless asked for; 0 where nothing is drawn.
        needs_elbo: Whether the model has to have an ELBO.
        needs: What keeps it from being exported, in words, or `None`.
    """

    function: Callable
    unit: str
    num_samples: int = 0
    needs_elbo: bool = False
    needs: str | None = None


def target_of(inputs):
    """x of what `vae.prepare` returns."""
    return inputs["x"] if isinstance(inputs, dict) else inputs


def reconstruction_of(vae, inputs):
    """The mean of p(x|z) at the posterior's mean, in the units of the model."""
    z = vae.posterior(inputs).mean
    return vae.likelihood.mean(vae.decode_parameters(z, inputs))


def value_errors(vae, inputs):
    """The squared error of each value, `(batch, *data_shape)`."""
    reconstruction = reconstruction_of(vae, inputs)
    return vae.likelihood.squared_errors(target_of(inputs), reconstruction)


def _summed(values):
    return tf.reduce_sum(values, axis=[*range(1, values.shape.rank)])


def squared_error(vae, inputs, draws):
    """`sum_i (x_i - reconstruction_i)^2`, `(batch,)`; nothing is drawn."""
    return _summed(value_errors(vae, inputs))


def relative_error(vae, inputs, draws):
    """`squared_error / sqrt(sum_i x_i^2)`, `(batch,)`; nothing is drawn."""
    square = _summed(tf.square(target_of(inputs)))
    norm = tf.sqrt(tf.maximum(square, SMALLEST_SQUARE))
    return squared_error(vae, inputs, draws) / norm


def _terms(vae, inputs, draws):
    return vae.elbo_terms(inputs, target_of(inputs), draws)


def reconstruction_loss(vae, inputs, draws):
    """`-mean_k log p(x|z_k)`, nats, `(batch,)`."""
    return _terms(vae, inputs, draws).reconstruction_loss


def negative_elbo(vae, inputs, draws):
    """`-mean_k log p(x|z_k) + KL(q(z|x) || p(z))`, nats, `(batch,)`."""
    return -_terms(vae, inputs, draws).elbo


def kl(vae, inputs, draws):
    """`KL(q(z|x) || p(z))`, nats, `(batch,)`: estimated without a closed form."""
    return _terms(vae, inputs, draws).kl_loss


def importance_weighted(vae, inputs, draws):
    """`-log mean_k p(x|z_k) p(z_k) / q(z_k|x)`, nats, `(batch,)`: Burda (2016), 8."""
    return _negative_log_mean(_terms(vae, inputs, draws).log_weights)


def reconstruction_probability(vae, inputs, draws):
    """`-log mean_k p(x|z_k)`, nats, `(batch,)`: An & Cho (2015), algorithm 4."""
    return _negative_log_mean(_terms(vae, inputs, draws).log_likelihood)


def _negative_log_mean(logarithms):
    """-log of the mean over the draws of what is given by its logarithms."""
    num_samples = logarithms.shape[0]
    # Of no probability at all the largest logarithm is -inf.
    largest = tf.reduce_max(logarithms, axis=0)
    finite = tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
    total = tf.reduce_sum(tf.exp(logarithms - finite), axis=0)
    return math.log(num_samples) - finite - tf.math.log(total)


NATS = "nats"

SCORES = {
    "squared_error": Score(squared_error, "squared units of the data"),
    "relative_error": Score(relative_error, "units of the data"),
    "reconstruction_loss": Score(reconstruction_loss, NATS, 16),
    "negative_elbo": Score(negative_elbo, NATS, 16, needs_elbo=True),
    "importance_weighted": Score(importance_weighted, NATS, 100, needs_elbo=True),
    "reconstruction_probability": Score(reconstruction_probability, NATS, 16),
    "likelihood_regret": Score(
        likelihood_regret,
        NATS,
        8,
        needs_elbo=True,
        needs="optimises a posterior for each item, with gradients, which an exported "
        "graph does not",
    ),
    "kl": Score(kl, NATS, 16, needs_elbo=True),
}
EXPORTABLE = tuple(name for name, score in SCORES.items() if score.needs is None)
