"""The settings of a run: one table, for `runs.train` and for the command line.

This file imports nothing but the standard library, so that the command line can read it
without the package, whose import takes seconds.
"""

import difflib
import math
import numbers
import os
from typing import Any, NamedTuple


class Whole(NamedTuple):
    """A whole number from `minimum` to `maximum`."""

    minimum: int = 1
    maximum: float = math.inf
    name = "N"

    def parse(self, text):
        return self.check(int(text))

    def check(self, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError
        if not self.minimum <= value <= self.maximum:
            raise ValueError
        return int(value)

    def __str__(self):
        if self.maximum == math.inf:
            return f"a whole number, {self.minimum} or more"
        return f"a whole number from {self.minimum} to {self.maximum}"


class Number(NamedTuple):
    """A finite number from `minimum`, itself perhaps not allowed, to below `limit`."""

    minimum: float = 0.0
    above: bool = False
    limit: float = math.inf
    name = "NUMBER"

    def parse(self, text):
        return self.check(float(text))

    def check(self, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        # Neither holds for nan.
        enough = value > self.minimum if self.above else value >= self.minimum
        if not (enough and value < self.limit):
            raise ValueError
        return float(value)

    def __str__(self):
        low = f"above {self.minimum:g}" if self.above else f"{self.minimum:g} or more"
        high = "finite" if self.limit == math.inf else f"below {self.limit:g}"
        return f"a number, {low} and {high}"


class Choice(tuple):
    """One of some names."""

    __slots__ = ()

    @property
    def name(self):
        return "[" + "|".join(self) + "]"

    def parse(self, text):
        return self.check(text.lower())

    def check(self, value):
        if not isinstance(value, str):
            raise TypeError
        if value not in self:
            near = difflib.get_close_matches(value, self, n=1)
            raise ValueError(f"Did you mean {near[0]!r}?" if near else "")
        return value

    def __str__(self):
        return "one of " + ", ".join(repr(str(name)) for name in self)


class Text:
    """A name or a path."""

    name = "TEXT"

    def parse(self, text):
        return self.check(text)

    def check(self, value):
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise TypeError
        return os.fspath(value)

    def __str__(self):
        return "a name or a path"


class Sizes:
    """Sizes of layers: `200,200`."""

    name = "N,N,..."

    def parse(self, text):
        return self.check([int(size) for size in text.split(",")])

    def check(self, value):
        return [Whole().check(size) for size in value]

    def __str__(self):
        return "sizes of layers, as 200,200"


class ImageSize:
    """Height and width: `28` or `28x32`."""

    name = "HEIGHTxWIDTH"

    def parse(self, text):
        sizes = [int(size) for size in text.lower().split("x")]
        return self.check(sizes[0] if len(sizes) == 1 else sizes)

    def check(self, value):
        height, width = [value] * 2 if isinstance(value, int) else value
        return [Whole().check(height), Whole().check(width)]

    def __str__(self):
        return "a height and a width, as 28x32, or 28 for both"


class Scale:
    """A positive number, or how the scale is found."""

    found = Choice(("learned", "learned_per_output", "optimal"))
    name = "NUMBER|" + "|".join(found)

    def parse(self, text):
        text = text.lower()
        return self.check(text if text in self.found else float(text))

    def check(self, value):
        if isinstance(value, str):
            return self.found.check(value)
        return Number(above=True).check(value)

    def __str__(self):
        return f"a positive number or {self.found}"


class Switch:
    """On or off."""

    name = None

    def check(self, value):
        if not isinstance(value, bool):
            raise TypeError
        return value

    def __str__(self):
        return "True or False"


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
    """

    name: str
    group: str
    kind: Any
    help: str
    default: Any = None
    found: str = ""
    resumable: bool = False

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
        "continuous_bernoulli",
        "discretized_logistic",
        "discretized_logistic_mixture",
        "gaussian",
        "laplace",
        "poisson",
    )
)
MODELS = Choice(("vae",))

# The likelihoods that a setting belongs to.
BELONGS = {"scale": ("gaussian", "laplace"), "binarize": ("bernoulli",)}

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
            "digits or letters, which are here; the name of an image data set of "
            "tensorflow-datasets (mnist, fashion_mnist, cifar10, ...); a folder of "
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
        Setting("model", MODEL, MODELS, "Kind of model.", "vae"),
        Setting("network", MODEL, NETWORKS, "Kind of encoder and decoder.", "dense"),
        Setting(
            "hidden_units",
            MODEL,
            Sizes(),
            "Sizes of the hidden dense layers.",
            found="the network's own",
        ),
        Setting("latent_dim", MODEL, Whole(), "Number of latent dimensions.", 16),
        Setting(
            "likelihood",
            MODEL,
            LIKELIHOODS,
            "p(x|z). Grey images are taken as probabilities of ink (bernoulli): that "
            "gives the clearest pictures, but their bits are no compression rate.",
            found="bernoulli for binary data and grey images, discretized_logistic for "
            "8-bit colour, gaussian for other colour and for tables",
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
            "Floor under each latent dimension's KL, in nats.",
            0.0,
        ),
        Setting("num_samples", OBJECTIVE, Whole(), "Draws of z for each example.", 1),
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
            "Stop after so many epochs without a better validation ELBO.",
            20,
            resumable=True,
        ),
        Setting("batch_size", TRAINING, Whole(), "Examples of one step.", 128),
        Setting(
            "learning_rate", TRAINING, Number(above=True), "Step size of Adam.", 1e-3
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
        ),
        Setting(
            "tensorboard",
            RUN,
            Switch(),
            "Write logs/ for TensorBoard.",
            False,
            resumable=True,
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


def check_together(settings, spell=in_python):
    """Raises a `ValueError` where settings do not go together.

    Args:
        settings: Dictionary of checked settings.
        spell: Function from the name of a setting to how a person gave it.

    Example:

    >>> check_together({"likelihood": "gaussian", "scale": 0.1})
    """
    likelihood = settings.get("likelihood")
    for name, likelihoods in BELONGS.items():
        value = settings.get(name)
        if value in (None, "none") or likelihood in (None, *likelihoods):
            continue
        raise ValueError(
            f"{spell(name)} belongs to the likelihood{'s' * (len(likelihoods) > 1)} "
            f"{' and '.join(likelihoods)}. Received: {value!r} with {likelihood}"
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


def defaults():
    """The value of every setting that is not given.

    Returns:
        Dictionary.

    Example:

    >>> defaults()["latent_dim"]
    16
    """
    return {name: setting.default for name, setting in SETTINGS.items()}
