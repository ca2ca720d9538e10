"""Rows of a table for the estimators of scikit-learn: checked, trained on, computed."""

import keras
import numpy as np
import sklearn.utils.validation
import tensorflow as tf

from keras_vae import layers, likelihoods, networks
from keras_vae.arguments import check_integer, check_number
from keras_vae.models import VAE

# Rows computed at a time, always as many: the last bits of a product of matrices depend
# on their size, and a row should have one answer whatever is asked for beside it.
ROWS = 128
# Fewer steps than these are done by the time that a graph of one is made.
FEW_STEPS = 40
# Floor under an optimal scale, in standard deviations of a column: without it the
# density of columns that are exactly known would grow without bound.
MIN_SCALE = 0.01


def validated(estimator, X, reset):
    """Rows as float32 by scikit-learn's own checks; `reset` says that `fit` asks."""
    return sklearn.utils.validation.validate_data(
        estimator,
        X,
        reset=reset,
        dtype="float32",
        ensure_min_samples=2 if reset else 1,
    )


def train_vae(
    x,
    *,
    latent_dim,
    hidden_units,
    epochs,
    batch_size,
    learning_rate,
    seed,
    likelihood="gaussian",
    beta=1.0,
):
    """A small VAE of dense layers, trained on rows.

    Where the likelihood is one of real numbers, columns are standardised; elsewhere
    they are taken as they are, and the decoder's output starts at their means.

    Args:
        x: float32 array `(n, n_features)`.
        latent_dim, hidden_units: As `keras_vae.networks.dense` takes them.
        epochs, batch_size: Integers.
        learning_rate: Positive number, of Adam.
        seed: Integer, of weights, order and noise.
        likelihood: Name or instance, which stays as it is; see `own_likelihood`.
        beta: As `keras_vae.VAE` takes it.

    Returns:
        The trained `VAE`.

    Raises:
        ValueError: If an argument is out of its range, or the rows lie outside the
            likelihood's support.
    """
    epochs = check_integer("epochs", epochs, minimum=1)
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    learning_rate = check_number("learning_rate", learning_rate)
    if learning_rate <= 0:
        raise ValueError(
            f"`learning_rate` should be above 0. Received: learning_rate="
            f"{learning_rate}"
        )
    likelihood = own_likelihood(likelihood)
    message = likelihoods.misfit(likelihood, x, "X")
    if message is not None:
        raise ValueError(message)
    mean, standardize = x.mean(axis=0), None
    if np.isinf([likelihood.support.low, likelihood.support.high]).all():
        scale = x.std(axis=0)
        scale[scale < 1e-6 * np.maximum(1, np.abs(x).max(axis=0))] = 1
        mean, standardize = None, layers.Standardize(mean, scale)
    encoder, decoder = networks.dense(
        x.shape[1:],
        latent_dim,
        likelihood,
        hidden_units=hidden_units,
        data_mean=mean,
        seed=seed,
    )
    vae = VAE(
        encoder,
        decoder,
        likelihood=likelihood,
        standardize=standardize,
        beta=beta,
        seed=seed,
    )
    batches = tf.data.Dataset.from_tensor_slices(x)
    batches = batches.shuffle(len(x), seed=seed).batch(batch_size)
    num_steps = epochs * -(-len(x) // batch_size)
    optimizer = keras.optimizers.Adam(learning_rate)
    vae.compile(optimizer, run_eagerly=num_steps < FEW_STEPS)
    vae.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return vae


def own_likelihood(likelihood):
    """A likelihood for one model alone: training changes its state.

    By name, a family of a location and a scale has the scale of maximum likelihood,
    at least a hundredth of a column's standard deviation.
    """
    found = likelihoods.get(likelihood)
    if isinstance(likelihood, str) and isinstance(found, likelihoods.LocationScale):
        return type(found)(scale="optimal", min_scale=MIN_SCALE)
    return likelihoods.get(keras.saving.serialize_keras_object(found))


def in_batches(function, x):
    """`function(x, ROWS)`, with rows filled up to whole batches and cut off again."""
    filled = np.concatenate([x, np.repeat(x[:1], -len(x) % ROWS, axis=0)])
    return function(filled, ROWS)[: len(x)]
