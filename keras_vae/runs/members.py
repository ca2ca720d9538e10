"""From settings to a model of the family: its class, its networks and their parts."""

import numpy as np

from keras_vae import layers, likelihoods, models, networks, priors, schedules
from keras_vae.runs import settings

SCALED = ("gaussian", "laplace")
# Pseudo-inputs are drawn from so many examples.
MOST_FOR_PRIOR = 10_000
# What a flow is told of x beside the mean and the variance that it begins with.
CONTEXT_DIM = 64

CLASSES = {
    "vae": models.VAE,
    "autoencoder": models.Autoencoder,
    "iwae": models.IWAE,
    "beta_tcvae": models.BetaTCVAE,
    "factor_vae": models.FactorVAE,
    "dip_vae": models.DIPVAE,
    "info_vae": models.InfoVAE,
    "conditional_vae": models.ConditionalVAE,
    "hierarchical_vae": models.HierarchicalVAE,
    "vqvae": models.VQVAE,
}
# Draws of z, where there are more than one unless asked for.
DRAWS = {"iwae": 5}
# The argument of each class that the setting `penalty` is.
PENALTIES = {
    "beta_tcvae": "beta",
    "factor_vae": "gamma",
    "dip_vae": "lambda_off_diagonal",
    "info_vae": "lambda_mmd",
}


def member(config, data):
    """The model that settings describe, not compiled.

    Args:
        config: Dictionary of all settings.
        data: `keras_vae.datasets.Dataset`.

    Returns:
        A `keras_vae.VAE`, or a relative of it.
    """
    name = config["model"]
    likelihood, standardize, data_mean = units(config, data)
    arguments = {
        "likelihood": likelihood,
        "prior": _prior(config, data),
        "flow": _flow(config),
        "beta": _beta(config, data),
        "capacity": _capacity(config, data),
        "free_bits": config["free_bits"],
        "num_samples": config["num_samples"] or DRAWS.get(name, 1),
        "standardize": standardize,
        "seed": config["seed"],
    }
    for refused in settings.REFUSED.get(name, {}).values():
        for setting in refused:
            arguments.pop("flow" if setting == "posterior" else setting, None)
    if name in PENALTIES and config["penalty"] is not None:
        arguments[PENALTIES[name]] = config["penalty"]
    if config["gradient"] is not None:
        arguments["gradient"] = config["gradient"]
    if name == "beta_tcvae":
        arguments["dataset_size"] = data.train.num_examples
    if name in settings.CONDITIONAL:
        arguments["num_classes"] = data.num_classes
    if name == "vqvae":
        arguments["quantizer"] = config["num_codes"] or 128
    built = _networks(config, data, likelihood, data_mean)
    return CLASSES[name](*built, **arguments)


def units(config, data):
    """What p(x|z) is, and in which units it sees the data.

    Returns:
        The likelihood, `Standardize` or `None`, and the mean of the training data in
        those units.
    """
    likelihood = find_likelihood(config, data)
    if data.schema is not None:
        return likelihood, None, None  # each column in its own units, by its own shape
    if data.is_image:
        return likelihood, None, data.train.moments(max_examples=10_000)[0]
    if config["likelihood"] not in SCALED:
        return likelihood, None, data.mean
    standardize = layers.Standardize(data.mean, data.scale)
    return likelihood, standardize, np.zeros(data.data_shape, "float32")


def find_likelihood(config, data):
    """The likelihood that settings name, of these data."""
    if config["likelihood"] == "columns":
        return likelihoods.Columns(data.schema)
    likelihood = likelihoods.get(config["likelihood"])
    if config["scale"] is not None:
        likelihood = type(likelihood)(scale=config["scale"])
    return likelihood


def _networks(config, data, likelihood, data_mean):
    build, latent_dim, more = networks.get(config["network"]), config["latent_dim"], {}
    if config["hidden_units"] is not None:
        more["hidden_units"] = tuple(config["hidden_units"])
    if config["posterior"] == "iaf":
        more["context_dim"] = CONTEXT_DIM
    if config["model"] in settings.CONDITIONAL:
        more["condition_dim"] = data.num_classes
    if config["model"] == "vqvae":
        build = networks.quantized_convolutional
        more.pop("hidden_units", None)
    elif config["model"] == "hierarchical_vae":
        build = networks.hierarchical_convolutional
        if config["network"] == "dense":
            build = networks.hierarchical_dense
            latent_dim = config["latent_dims"] or [latent_dim, 2 * latent_dim]
            units = more.get("hidden_units", (256,))
            more["hidden_units"] = (units,) * len(latent_dim)
    return build(
        data.data_shape,
        latent_dim,
        likelihood,
        data_mean=data_mean,
        seed=config["seed"],
        **more,
    )


def _prior(config, data):
    if config["prior"] == "flow":
        return priors.FlowPrior()
    more = {"num_components": config["num_components"] or 100, "seed": config["seed"]}
    if config["prior"] == "mixture":
        return priors.MixturePrior(**more)
    if config["prior"] == "vamp":
        # Pseudo-inputs begin as examples such as the encoder will see.
        arguments = {name: config[name] for name in ("binarize", "seed")}
        batches = data.train.batches(MOST_FOR_PRIOR, **arguments)
        x = next(batches.as_numpy_iterator())
        return priors.VampPrior(inputs=x, **more)
    return priors.get(config["prior"])


def _flow(config):
    if config["posterior"] == "iaf":
        return layers.InverseAutoregressiveFlow(seed=config["seed"])
    return None


def _beta(config, data):
    beta = config["beta"]
    if config["beta_schedule"] == "linear":
        return schedules.LinearWarmup(_warmup_steps(config, data), end=beta)
    if config["beta_schedule"] == "cyclical":
        return schedules.Cyclical(
            _steps(config, data) * config["epochs"],
            num_cycles=config["num_cycles"],
            end=beta,
        )
    return beta


def _capacity(config, data):
    if config["capacity"] is None:
        return None
    return schedules.LinearWarmup(_warmup_steps(config, data), end=config["capacity"])


def _warmup_steps(config, data):
    return max(1, _steps(config, data) * config["warmup_epochs"])


def _steps(config, data):
    return data.train.steps_per_epoch(config["batch_size"])
