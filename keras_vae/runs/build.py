"""From settings and data to a compiled model."""

import contextlib
import itertools
import math

import keras
import numpy as np

from keras_vae.memory import check_memory
from keras_vae.models.float32 import layers_of
from keras_vae.runs import settings
from keras_vae.runs.members import DRAWS, find_likelihood, member


def build(config, data):
    """The model that settings describe, compiled, in the precision asked for."""
    with _precision(config["mixed_precision"]):
        keras.utils.set_random_seed(config["seed"])
        _check_weights(config, data)
        model = member(config, data)
        _check_step(config, model)
        model.compile(keras.optimizers.Adam(_learning_rate(config, data)))
        return model


def _learning_rate(config, data):
    if config["learning_rate_schedule"] == "constant":
        return config["learning_rate"]
    steps = data.train.steps_per_epoch(config["batch_size"])
    return keras.optimizers.schedules.CosineDecay(
        config["learning_rate"], steps * config["epochs"]
    )


def choose_likelihood(data):
    """Name of the likelihood that suits data for which none was asked for."""
    if data.schema is not None:
        return "columns"
    low, high = data.train.value_range
    if is_binary(data):
        return "bernoulli"
    if not data.is_image:
        return "gaussian"
    if data.data_shape[-1] == 1 or low < 0 or high > 1:
        return "bernoulli"  # what lies outside [0, 1] is refused, with what mends it
    levels = 255.0 * _first(data)
    is_8_bit = np.abs(levels - np.round(levels)).max() < 1e-3
    return "discretized_logistic" if is_8_bit else "gaussian"


def is_binary(data):
    """Whether values are 0 or 1, in the first examples and by the range of all."""
    low, high = data.train.value_range
    return low >= 0 and high <= 1 and bool(np.isin(_first(data), (0, 1)).all())


def _first(data):
    """The first examples: up to 10,000, and 64 MiB."""
    most = max(1, 2**24 // math.prod(data.data_shape))
    batches = data.train.batches(min(10_000, most))
    return next(batches.as_numpy_iterator())


def summary(model, config, data):
    """Lines that say what is trained with what."""
    described = data.description
    parts = ", ".join(f"{n:,} {name}" for name, n in described["num_examples"].items())
    low, high = described["value_range"]
    shape = " x ".join(map(str, data.data_shape))
    labels = f", {data.num_classes} labels" if data.num_classes else ""
    yield f"data: {described['source']}"
    yield f"  {shape}, values from {low:g} to {high:g}{labels}; {parts}"
    if data.schema is not None:
        yield from (f"  {line}" for line in str(data.schema).split("\n"))
    elif data.description["columns"]:
        yield "  numbers alone; with kind table counts, dates, ... are told apart"
    if model.standardize is not None:
        yield "  columns are standardised: nats are of columns with mean 0 and spread 1"
    for part in (model.encoder, model.decoder):
        units = [
            str(layer.units if hasattr(layer, "units") else layer.filters)
            for layer in part.layers
            if hasattr(layer, "units") or hasattr(layer, "filters")
        ]
        yield (
            f"{part.name}: {config['network']}, layers of {', '.join(units)}; "
            f"{part.count_params():,} parameters"
        )
    scale = f" (scale {config['scale']})" if config["scale"] is not None else ""
    prior = type(model.prior).__name__
    yield (
        f"model: {config['model']}, {model.latent_dim} latent dimensions, likelihood "
        f"{config['likelihood']}{scale}, prior {prior}{weights(config)}"
    )
    binary = config["binarize"] != "none" or is_binary(data)
    if config["likelihood"] == "bernoulli" and not binary:
        yield (
            "note: grey values under bernoulli are taken as probabilities; bits per "
            "dimension is then no compression rate"
        )


def weights(config):
    """The weights of what is added to the reconstruction loss, in words."""
    words = ""
    if not settings.is_refused(config["model"], "beta"):
        words += f", beta {config['beta']:g} ({config['beta_schedule']})"
    if config["penalty"] is not None:
        words += f", penalty {config['penalty']:g}"
    return words


def _check_weights(config, data):
    """Refuses networks that this machine has not the memory for, before they are made.

    Counted are the weights of the dense layers, four times (gradient and Adam's two
    moments).
    """
    inputs = math.prod(data.data_shape)
    likelihood = find_likelihood(config, data)
    outputs = math.prod(likelihood.parameter_shape(data.data_shape))
    hidden = config["hidden_units"] or [256, 256]
    encoder = [inputs, *hidden, 2 * config["latent_dim"]]
    decoder = [config["latent_dim"], *reversed(hidden), outputs]
    weights = sum(
        a * b for sizes in (encoder, decoder) for a, b in itertools.pairwise(sizes)
    )
    check_memory(
        f"A network of {weights:.2g} weights",
        16.0 * weights,
        "Make `hidden_units` or `latent_dim` smaller, or the data.",
    )


def _check_step(config, model):
    """Refuses steps that this machine has not the memory for, before one is made.

    Counted is what a step keeps of each layer's values for the gradient.
    """
    draws = config["num_samples"] or DRAWS.get(config["model"], 1)
    if config["model"] == "beta_tcvae":
        check_memory(
            f"The densities of {config['batch_size']} codes under one another",
            16.0 * draws * config["batch_size"] ** 2 * config["latent_dim"],
            "Make `batch_size` smaller.",
        )
    values = _num_values(model.encoder) + 2 * draws * _num_values(model.decoder)
    check_memory(
        f"A step of {config['batch_size']} examples with {draws} draws each",
        8.0 * config["batch_size"] * values,
        "Make `batch_size` or `num_samples` smaller.",
    )


def _num_values(network):
    """Numbers that the layers of a network compute of one example."""
    count = 0
    for layer in layers_of(network):
        with contextlib.suppress(AttributeError, ValueError):  # it is called twice
            shapes = [tensor.shape for tensor in keras.tree.flatten(layer.output)]
            count += sum(math.prod(shape[1:]) for shape in shapes)
    return count


@contextlib.contextmanager
def _precision(mixed_precision):
    policy = keras.config.dtype_policy()
    if mixed_precision is not None:
        keras.config.set_dtype_policy(f"mixed_{mixed_precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
