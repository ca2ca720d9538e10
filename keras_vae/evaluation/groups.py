"""What else there is to know of a trained VAE, in groups, as far as each applies."""

import contextlib

import numpy as np
import tensorflow as tf

from keras_vae.distributions import Normal
from keras_vae.evaluation.disentanglement import disentanglement_scores
from keras_vae.evaluation.features import train_features
from keras_vae.evaluation.information import kl_decomposition
from keras_vae.evaluation.readout import linear_readout
from keras_vae.evaluation.samples import sample_quality
from keras_vae.models import checks
from keras_vae.models.inference import num_rows

# Examples, where there are as many: the estimates of two models compare at equal n.
MOST_EXAMPLES = {
    "kl_parts": 2000,
    "samples": 2000,
    "readout": 5000,
    "disentanglement": 10_000,
}
GROUPS = tuple(MOST_EXAMPLES)


def evaluate_groups(
    vae,
    x,
    labels=None,
    *,
    groups=GROUPS,
    train=None,
    factors=None,
    seed=0,
    progress=None,
):
    """Measures beyond one pass over the data: `evaluate` has the others.

    - `kl_parts`: where the KL goes, of the first 2,000 examples (seconds); see
      `kl_decomposition`;
    - `samples`: how good samples are, 2,000 beside as many examples (a minute); see
      `sample_quality`. Where all data are 0 and 1 the samples are drawn from p(x|z),
      elsewhere they are its means;
    - `readout`: what a linear classifier reads from codes, from as many principal
      components and from the data, of the first 5,000 examples (up to a minute); see
      `linear_readout`;
    - `disentanglement`: the scores of `disentanglement_scores`, of 10,000 examples of
      known factors (a minute).

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or a dictionary with the model's conditions: data
            that the model was not trained with.
        labels: Integers `(n,)`, or `None`.
        groups: Names of the groups to measure.
        train: `(x, labels)`, other data and their labels or `None`, for the extractor
            of the features that samples are compared by (`train_features`); `None`
            trains it on `x`.
        factors: A `keras_vae.datasets.KnownFactors`, as `Dataset.factors` is of data
            whose factors are known; or `None`.
        seed: Integer >= 0, of all that is drawn.
        progress: Function of words ("Measuring samples") that gives a context manager
            for as long as a group takes.

    Returns:
        Two dicts. The first has for each group that applies a dict of plain Python
        values, ready for JSON, with its seed, its numbers of examples and standard
        errors; the second for each of the others the reason why it does not.

    Raises:
        ValueError: If a group is not known, or the data do not fit the model.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> x = np.random.default_rng(0).uniform(size=(50, 4)).astype("float32")
    >>> measured, others = evaluate_groups(vae, x, groups=("kl_parts", "readout"))
    >>> sorted(measured), others
    (['kl_parts'], {'readout': 'the data have no labels'})
    """
    progress = progress or (lambda words: contextlib.nullcontext())
    for name in groups:
        checks.check_one_of("groups", name, GROUPS)
    arguments = {
        "kl_parts": (vae, x),
        "samples": (vae, x, labels, train),
        "readout": (vae, x, labels),
        "disentanglement": (vae, factors),
    }
    measured, others = {}, {}
    for name in dict.fromkeys(groups):
        function, words = _FUNCTIONS[name]
        found = function(*arguments[name], seed)
        if isinstance(found, str):
            others[name] = found
            continue
        with progress(words):
            measured[name] = found()
    return measured, others


# Each returns why it does not apply, or a function that measures.


def _kl_parts(vae, x, seed):
    if num_rows(x) < 2:
        return "it takes two examples or more"
    if not _is_normal(vae, x):
        return "it takes a diagonal normal posterior, which this model does not have"
    x = _first(x, MOST_EXAMPLES["kl_parts"])
    return lambda: kl_decomposition(vae, x, seed=seed)


def _samples(vae, x, labels, train, seed):
    if num_rows(x) < 10:
        return "it takes ten examples or more"
    real = _first(x, MOST_EXAMPLES["samples"])
    return lambda: _sample_quality(vae, real, labels, train, seed)


def _sample_quality(vae, real, labels, train, seed):
    count, conditions = num_rows(real), {}
    if isinstance(real, dict):
        conditions = {name: real[name] for name in vae.decoder_conditions}
        real = real["x"]
    real = np.asarray(real)
    draws = bool(np.all((real == 0) | (real == 1)))
    generated = vae.sample(count, seed=seed, draws=draws, **conditions)
    known, known_labels = (real, _some(labels, count)) if train is None else train
    features = train_features(known, known_labels, seed=seed)
    quality = sample_quality(real, generated, features, seed=seed)
    return {**quality, "draws": draws, "seed": seed}


def _readout(vae, x, labels, seed):
    if labels is None:
        return "the data have no labels"
    x = _first(x, MOST_EXAMPLES["readout"])
    labels = np.asarray(labels)[: num_rows(x)]
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.min() < 4:
        return "it takes two labels or more, of four examples or more each"
    data = x["x"] if isinstance(x, dict) else x
    return lambda: linear_readout({"z_mean": vae.codes(x)}, labels, data, seed=seed)


def _disentanglement(vae, factors, seed):
    if factors is None:
        return "the factors of the data are not known (those of sprites are)"
    if len(vae.input_specs) > 1:
        return "the model takes more than x"
    if vae.latent_dim < 2:
        return "it takes codes of two numbers or more"
    return lambda: _scores(vae, factors, seed)


def _scores(vae, factors, seed):
    x, values = factors.draw(MOST_EXAMPLES["disentanglement"], seed)
    codes = vae.codes(x).reshape(len(x), -1)
    return disentanglement_scores(codes, values, factors.categorical, seed=seed)


_FUNCTIONS = {
    "kl_parts": (_kl_parts, "Measuring the parts of the KL"),
    "samples": (_samples, "Measuring samples"),
    "readout": (_readout, "Measuring what is read from codes"),
    "disentanglement": (_disentanglement, "Measuring disentanglement"),
}


def _is_normal(vae, x):
    one = tf.nest.map_structure(tf.convert_to_tensor, _first(x, 1))
    return type(vae.posterior(vae.prepare(one))) is Normal


def _first(x, count):
    if isinstance(x, dict):
        return {name: array[:count] for name, array in x.items()}
    return x[:count]


def _some(labels, count):
    return None if labels is None else np.asarray(labels)[:count]
