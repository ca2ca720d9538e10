"""Types of arguments, and the options that several commands have."""

import difflib
from pathlib import Path

import click

NETWORKS = ("dense", "convolutional", "residual")
LIKELIHOODS = (
    "bernoulli",
    "categorical",
    "continuous_bernoulli",
    "discretized_logistic",
    "gaussian",
    "laplace",
    "poisson",
)
SPLITS = ("test", "validation", "train")


class Name(click.Choice):
    """A choice whose error names the nearest valid value."""

    def fail(self, message, param=None, ctx=None):
        value = message.split("'")[1] if "'" in message else ""
        near = difflib.get_close_matches(value, self.choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().fail(f"{message}{hint}", param, ctx)


class Shape(click.ParamType):
    """`28` or `28x32`: the height and width of an image."""

    name = "HEIGHTxWIDTH"

    def convert(self, value, param, ctx):
        try:
            sizes = [int(size) for size in str(value).lower().split("x")]
        except ValueError:
            sizes = []
        if len(sizes) not in (1, 2) or min(sizes) < 1:
            self.fail(f"{value!r} is not of the form 28 or 28x32.", param, ctx)
        return (sizes[0], sizes[-1])


class Sizes(click.ParamType):
    """`200,200`: sizes of layers."""

    name = "N,N,..."

    def convert(self, value, param, ctx):
        try:
            sizes = [int(size) for size in str(value).split(",")]
        except ValueError:
            sizes = [0]
        if min(sizes) < 1:
            self.fail(f"{value!r} is not of the form 200,200.", param, ctx)
        return sizes


class Scale(click.ParamType):
    """A positive number, or how the scale is found."""

    name = "NUMBER|learned|learned_per_output|optimal"

    def convert(self, value, param, ctx):
        if value in ("learned", "learned_per_output", "optimal"):
            return value
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            self.fail(f"{value!r} is not one of {self.name}.", param, ctx)
        return number


positive = click.IntRange(min=1)
not_negative = click.FloatRange(min=0)


def debug_option(command):
    def show(ctx, param, value):
        ctx.find_root().obj = ctx.find_root().obj or value

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=show,
        help="Show the traceback of what fails.",
    )(command)


model_argument = click.argument("model", type=click.Path(exists=True, path_type=Path))
input_option = click.option(
    "--input",
    "source",
    help="Data, as train --dataset takes them.  [default: the run's own]",
)
split_option = click.option(
    "--split",
    type=Name(SPLITS),
    default="test",
    show_default=True,
    help="Which part of the run's own data.",
)
batch_size_option = click.option(
    "--batch-size", type=positive, default=128, show_default=True
)
data_dir_option = click.option(
    "--data-dir", type=click.Path(), help="Where tensorflow-datasets keeps its data."
)


def output_option(*suffixes, required=True):
    def check(ctx, param, path):
        if path is None:
            return None
        if path.suffix not in suffixes:
            raise click.BadParameter(
                f"{str(path)!r} should end in one of {', '.join(suffixes)}."
            )
        if not path.absolute().parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}.")
        return path

    return click.option(
        "--output",
        required=required,
        type=click.Path(path_type=Path, dir_okay=False),
        callback=check,
        help=f"File to write: {', '.join(suffixes)}.",
    )
