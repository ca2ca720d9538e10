"""The settings of a run: one table, for `runs.train` and for the command line.

This file imports nothing but the standard library and `kinds`, so that the command line
can read it without the package, whose import takes seconds.
"""

import difflib
from typing import Any, NamedTuple

from keras_vae.runs.kinds import (
    Choice,
    ImageSize,
    Number,
    Scale,
    Sizes,
    Switch,
    Text,
    Whole,
)

FIRST = "0.1.0"  # the version whose runs are the oldest that are read


class Setting(NamedTuple):
    """One setting of a run.

    Attributes:
        name: Of the argument; the option is `--name`, with hyphens.
        group: Heading under which the help shows it.
        kind: What values it takes: `check` returns one that is right as JSON holds it,
            `parse` does that for a text, `str` says what is right.
        help: A sentence.
        default: Value; `None` is what `found` says.
        found: Where a value that is not given comes from, in words.
        resumable: Whether a run that is resumed may be given another value.
        since: Version; runs of an earlier one do not have it, and had its default.
    """

    name: str
    group: str
    kind: Any
    help: str
    default: Any = None
    found: str = ""
    resumable: bool = False
    since: str = FIRST

    @property
    def option(self):
        return "--" + self.name.replace("_", "-")

    @property
    def described(self):
        """The help, with the default."""
        default = self.found or ("" if self.default is None else self.default)
        shown = default != "" and not isinstance(self.default, bool)
        return f"{self.help}  [default: {default}]" if shown else self.help


NETWORKS = Choice(("dense", "convolutional", "residual"))
LIKELIHOODS = Choice(
    (
        "bernoulli",
        "categorical",
        "columns",
        "continuous_bernoulli",
        "discretized_logistic",
        "discretized_logistic_mixture",
        "gaussian",
        "laplace",
        "poisson",
    )
)
MODELS = Choice(
    (
        "vae",
        "autoencoder",
        "iwae",
        "beta_tcvae",
        "factor_vae",
        "dip_vae",
        "info_vae",
        "conditional_vae",
        "hierarchical_vae",
        "vqvae",
    )
)
PRIORS = Choice(("standard_normal", "mixture", "vamp", "flow"))

# Models whose condition is the label of an example.
CONDITIONAL = ("conditional_vae",)

# What a setting belongs to: another one, and the values of it.
BELONGS = {
    "scale": ("likelihood", ("gaussian", "laplace")),
    "binarize": ("likelihood", ("bernoulli",)),
    "num_components": ("prior", ("mixture", "vamp")),
    "gradient": ("model", ("iwae",)),
    "penalty": ("model", ("beta_tcvae", "factor_vae", "dip_vae", "info_vae")),
    "latent_dims": ("model", ("hierarchical_vae",)),
    "num_codes": ("model", ("vqvae",)),
}

# What models cannot be combined with, and why: everything but the default.
_NO_KL = "it has no KL"
_OWN_PRIOR = "its prior is one of codes"
_OF_A_NORMAL = "what it measures of q(z|x) and p(z) is known of diagonal normals"
_WEIGHTS = "its parts have weights of their own"
_BOUND = "its bound weighs whole draws"
_OWN_LAYERS = "its networks are made of levels, or of a codebook"
REFUSED = {
    "autoencoder": {
        _NO_KL: (
            "prior",
            "posterior",
            "beta",
            "beta_schedule",
            "capacity",
            "free_bits",
            "num_samples",
        )
    },
    "info_vae": {_WEIGHTS: ("beta", "beta_schedule", "capacity", "free_bits")},
    "iwae": {_BOUND: ("beta", "beta_schedule", "capacity", "free_bits")},
    "beta_tcvae": {
        _OF_A_NORMAL: ("prior", "posterior"),
        _WEIGHTS: ("beta", "beta_schedule", "capacity", "free_bits"),
    },
    "dip_vae": {_OF_A_NORMAL: ("posterior",)},
    "hierarchical_vae": {_OWN_LAYERS: ("posterior",)},
    "vqvae": {
        _OWN_PRIOR: ("prior", "posterior", "capacity", "free_bits", "num_samples"),
    },
}

DATA, MODEL, OBJECTIVE, TRAINING, RUN = (
    "Data",
    "Model",
    "Objective",
    "Training",
    "The run",
)

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "dataset",
            DATA,
            Text(),
            "digits, letters or sprites, which are here; the name of an image data set "
            "of tensorflow-datasets (mnist, fashion_mnist, cifar10, ...); a folder of "
            "images; or a .npz, .npy or .csv file.",
            resumable=True,
        ),
        Setting(
            "data_dir",
            DATA,
            Text(),
            "Where tensorflow-datasets keeps its data.",
            found="TFDS_DATA_DIR, or its own",
            resumable=True,
        ),
        Setting("image_size", DATA, ImageSize(), "Resize images to this size."),
        Setting("label_column", DATA, Text(), "Column of a table that holds labels."),
        Setting(
            "array",
            DATA,
            Text(),
            "Array of a .npz file to train on.",
            found="x_train, x, ..., or the only one",
            since="0.2.0",
        ),
        Setting(
            "kind",
            DATA,
            Choice(("images", "series", "vectors", "table")),
            "What the arrays of a .npy or .npz file hold. A .csv file is vectors, of "
            "numbers alone, or a table, of columns of several kinds.",
            found="by their type and shape; a table if a field is no number",
            since="0.2.0",
        ),
        Setting(
            "validation_fraction",
            DATA,
            Number(limit=1.0),
            "Part of the training data to validate on.",
            0.1,
        ),
        Setting(
            "test_fraction",
            DATA,
            Number(limit=1.0),
            "Part of the data for the final report, where there are no test data.",
            0.1,
        ),
        Setting(
            "binarize",
            DATA,
            Choice(("none", "threshold", "dynamic")),
            "Binary data for a Bernoulli: drawn anew each epoch (dynamic), or x > 0.5.",
            "none",
        ),
        Setting("model", MODEL, MODELS, "Kind of model.", "vae", since="0.2.0"),
        Setting("prior", MODEL, PRIORS, "p(z).", "standard_normal", since="0.2.0"),
        Setting(
            "num_components",
            MODEL,
            Whole(),
            "Components of a mixture or vamp prior.",
            found="100",
            since="0.2.0",
        ),
        Setting(
            "posterior",
            MODEL,
            Choice(("normal", "iaf")),
            "q(z|x): a diagonal normal, or one that goes through an inverse "
            "autoregressive flow.",
            "normal",
            since="0.2.0",
        ),
        Setting(
            "network",
            MODEL,
            NETWORKS,
            "Kind of encoder and decoder; of a vqvae always convolutional.",
            "dense",
        ),
        Setting(
            "hidden_units",
            MODEL,
            Sizes(),
            "Sizes of the hidden dense layers.",
            found="the network's own",
        ),
        Setting("latent_dim", MODEL, Whole(), "Number of latent dimensions.", 16),
        Setting(
            "latent_dims",
            MODEL,
            Sizes(),
            "Those of each level of a hierarchical_vae, the top first.",
            found="latent_dim, and twice as many",
            since="0.2.0",
        ),
        Setting(
            "num_codes",
            MODEL,
            Whole(2),
            "Codes of a vqvae, of latent_dim numbers each.",
            found="128",
            since="0.2.0",
        ),
        Setting(
            "likelihood",
            MODEL,
            LIKELIHOODS,
            "p(x|z). Grey images are taken as probabilities of ink (bernoulli): that "
            "gives the clearest pictures, but their bits are no compression rate.",
            found="bernoulli for binary data and grey images, discretized_logistic for "
            "8-bit colour, columns (a distribution for each) for tables, gaussian for "
            "other colour and for numbers",
        ),
        Setting(
            "scale",
            MODEL,
            Scale(),
            "Scale of a gaussian or laplace likelihood.",
            found="learned",
        ),
        Setting("beta", OBJECTIVE, Number(), "Weight of the KL.", 1.0),
        Setting(
            "beta_schedule",
            OBJECTIVE,
            Choice(("constant", "linear", "cyclical")),
            "How beta comes to its value.",
            "constant",
        ),
        Setting(
            "warmup_epochs",
            OBJECTIVE,
            Whole(),
            "Epochs of the linear schedule, and of a rising capacity.",
            10,
        ),
        Setting(
            "num_cycles", OBJECTIVE, Whole(), "Cycles of the cyclical schedule.", 4
        ),
        Setting("capacity", OBJECTIVE, Number(), "Target of the KL, in nats."),
        Setting(
            "free_bits",
            OBJECTIVE,
            Number(),
            "Floor under each latent dimension's KL, in nats; with another prior or "
            "posterior than the normal, under the whole KL.",
            0.0,
        ),
        Setting(
            "num_samples",
            OBJECTIVE,
            Whole(),
            "Draws of z for each example.",
            found="1, and 5 for iwae",
        ),
        Setting(
            "gradient",
            OBJECTIVE,
            Choice(("reparameterized", "doubly_reparameterized")),
            "Of an iwae: the second is less noisy with many draws.",
            found="reparameterized",
            since="0.2.0",
        ),
        Setting(
            "penalty",
            OBJECTIVE,
            Number(),
            "Weight of what the model adds: the total correlation (beta_tcvae, "
            "factor_vae), covariances of codes (dip_vae), the MMD (info_vae).",
            found="the model's own",
            since="0.2.0",
        ),
        Setting(
            "epochs",
            TRAINING,
            Whole(),
            "Train for at most so many epochs.",
            100,
            resumable=True,
        ),
        Setting(
            "patience",
            TRAINING,
            Whole(),
            "Stop after so many epochs without a better validation ELBO, or loss where "
            "another objective is trained.",
            20,
            resumable=True,
        ),
        Setting("batch_size", TRAINING, Whole(), "Examples of one step.", 128),
        Setting(
            "learning_rate", TRAINING, Number(above=True), "Step size of Adam.", 1e-3
        ),
        Setting(
            "learning_rate_schedule",
            TRAINING,
            Choice(("constant", "cosine")),
            "Whether it falls to 0, as a half cosine, over all epochs.",
            "constant",
            since="0.2.0",
        ),
        Setting(
            "mixed_precision",
            TRAINING,
            Choice(("float16", "bfloat16")),
            "Compute hidden layers in this precision.",
        ),
        Setting("seed", TRAINING, Whole(0, 2**32 - 1), "Of all that is drawn.", 0),
        Setting(
            "exports",
            RUN,
            Choice(("all", "saved_models", "none")),
            "What goes into export/: SavedModels and .tflite files (of the extra "
            "tflite), SavedModels, or nothing.",
            "all",
            resumable=True,
            since="0.2.0",
        ),
        Setting(
            "tensorboard",
            RUN,
            Switch(),
            "Write logs/ for TensorBoard.",
            False,
            resumable=True,
            since="0.2.0",
        ),
    )
}


def in_python(name):
    """A setting as an argument of `train` is spelled."""
    return f"`{name}`"


def check(given, spell=in_python):
    """Checks settings and returns them as JSON holds them.

    Args:
        given: Dictionary of values by name; `None` stands for what is not given.
        spell: Function from the name of a setting to how a person gave it.

    Returns:
        Dictionary of those that are given.

    Raises:
        TypeError: If there is no setting of a name.
        ValueError: If a value is wrong.

    Example:

    >>> check({"latent_dim": 2, "capacity": None})
    {'latent_dim': 2}
    """
    checked = {}
    for name, value in given.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"There is no setting {name!r}.{hint}")
        if value is None:
            continue
        kind = SETTINGS[name].kind
        try:
            checked[name] = kind.check(value)
        except (TypeError, ValueError) as error:
            hint = f" {error}" if "Did you mean" in str(error) else ""
            raise ValueError(
                f"{spell(name)} should be {kind}. Received: {value!r}.{hint}"
            ) from None
    return checked


def is_refused(model, name):
    """Whether a model has no use for a setting.

    Args:
        model: Name of a model.
        name: Name of a setting.

    Example:

    >>> is_refused("iwae", "beta"), is_refused("vae", "beta")
    (True, False)
    """
    return any(name in names for names in REFUSED.get(model, {}).values())


def check_together(settings, spell=in_python):
    """Raises a `ValueError` where settings do not go together.

    Args:
        settings: Dictionary of checked settings.
        spell: Function from the name of a setting to how a person gave it.

    Example:

    >>> check_together({"likelihood": "gaussian", "scale": 0.1})
    """
    for name, (owner, owners) in BELONGS.items():
        value = settings.get(name)
        # A likelihood that is not given follows the data.
        other = settings.get(owner) or (owner != "likelihood" and default(owner))
        if value in (None, "none") or other in (False, *owners):
            continue
        raise ValueError(
            f"{spell(name)} belongs to the {owner}{'s' * (len(owners) > 1)} "
            f"{' and '.join(owners)}. Received: {value!r} with {other}"
        )
    model = settings.get("model") or default("model")
    for reason, names in REFUSED.get(model, {}).items():
        for name in names:
            if settings.get(name) not in (None, default(name)):
                raise ValueError(
                    f"{spell(name)} does not go with the model {model}: {reason}. "
                    f"Received: {settings[name]!r}"
                )
    network = settings.get("network") or default("network")
    if settings.get("latent_dims") is not None and network != "dense":
        raise ValueError(
            f"{spell('latent_dims')} belongs to the network dense: the levels of "
            f"another one are maps. Received: {settings['latent_dims']!r} with "
            f"{network}"
        )
    if network == "residual" and model in ("hierarchical_vae", "vqvae"):
        raise ValueError(
            f"{spell('network')} of a {model} has residual blocks where it is "
            "convolutional. Received: 'residual'"
        )
    penalty = settings.get("penalty")
    if model == "info_vae" and penalty is not None and penalty < 0.5:
        raise ValueError(
            f"{spell('penalty')} of an info_vae should be 0.5 or more: with less the "
            f"MMD would be rewarded. Received: {penalty!r}"
        )
    if settings.get("hidden_units") is not None and model == "vqvae":
        raise ValueError(
            f"{spell('hidden_units')} does not go with the model vqvae: it has "
            f"convolutions alone. Received: {settings['hidden_units']!r}"
        )
    fractions = ("validation_fraction", "test_fraction")
    if sum(settings.get(name) or 0 for name in fractions) >= 1:
        raise ValueError(
            f"{spell(fractions[0])} and {spell(fractions[1])} should leave something "
            "to train with. Received: "
            + " and ".join(f"{settings.get(name)}" for name in fractions)
        )


def check_resumed(given, spell=in_python):
    """Raises a `ValueError` if a run that is resumed is given settings anew.

    Args:
        given: Names of settings.
        spell: Function from the name of a setting to how a person gave it.

    Example:

    >>> check_resumed(["epochs"])
    """
    fixed = [name for name in given if not SETTINGS[name].resumable]
    if fixed:
        raise ValueError(
            "A run that is resumed keeps its settings: leave out "
            f"{', '.join(spell(name) for name in fixed)}."
        )


def default(name):
    """The value of a setting that is not given."""
    return SETTINGS[name].default


def defaults():
    """The value of every setting that is not given.

    Returns:
        Dictionary.

    Example:

    >>> defaults()["latent_dim"]
    16
    """
    return {name: setting.default for name, setting in SETTINGS.items()}
