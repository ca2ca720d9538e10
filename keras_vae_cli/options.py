"""Types of arguments, and the options that several commands have.

Whatever can be told of an argument without the package is told here, before TensorFlow
is imported.
"""

import difflib
import json
import os
from pathlib import Path
from typing import NamedTuple

import click

from keras_vae_cli.package import standalone
from keras_vae_cli.words import in_options

SPLITS = ("test", "validation", "train")
FIGURES = (".png", ".pdf", ".svg")
ARRAYS = (".npy", ".npz", ".csv")


class Commands(click.Group):
    """Says what failed in one line; `--debug` shows where."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.find_root().obj:
                raise
            command = self.commands[ctx.invoked_subcommand]
            message = in_options(str(error), command) or type(error).__name__
            raise click.ClickException(message) from error


class Spelled(click.ParamType):
    """An argument whose help shows its name as it is written, not in capitals."""

    def get_metavar(self, param, ctx):
        return self.name


class Name(click.Choice):
    """A choice, in upper or lower case, whose error names the nearest valid value."""

    def __init__(self, choices):
        super().__init__(choices, case_sensitive=False)

    def fail(self, message, param=None, ctx=None):
        value = message.split("'")[1] if "'" in message else ""
        near = difflib.get_close_matches(value.lower(), self.choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().fail(f"{message}{hint}", param, ctx)


class Integers(Spelled):
    """`200,200`: several integers."""

    def __init__(self, minimum=1):
        self.minimum = minimum

    name = "N,N,..."

    def convert(self, value, param, ctx):
        if isinstance(value, list):
            return value
        try:
            integers = [int(integer) for integer in str(value).split(",")]
        except ValueError:
            integers = [self.minimum - 1]
        if min(integers) < self.minimum:
            message = f"{value!r} is not of the form 200,200, from {self.minimum} on."
            self.fail(message, param, ctx)
        return integers


class Where(Spelled):
    """`age=30..40`: a column, and what it should be."""

    name = "COLUMN=VALUE"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        column, equals, wanted = value.partition("=")
        if not equals or not column:
            message = f"{value!r} is not of the form COLUMN=VALUE, as age=30..40."
            self.fail(message, param, ctx)
        low, dots, high = wanted.partition("..")
        if dots:
            return column, (low or None, high or None)
        return column, wanted or None


class Names(Spelled):
    """Names among those that are known, with commas between them.

    Attributes:
        known: The names.
        every: What stands for all of them, or `None`.
    """

    known, every = (), None

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        names = tuple(name for name in value.lower().split(",") if name)
        if names == (self.every,):
            return self.known
        for name in names:
            if name not in self.known:
                known = (*self.known, *filter(None, [self.every]))
                self.fail(f"{name!r} is not one of {', '.join(known)}.", param, ctx)
        return names


class Quantizations(Names):
    """`float16,int8`: names of quantizations."""

    known = ("float16", "dynamic", "int8")
    name = ",".join(known)


class Measures(Names):
    """`samples,readout`: names of groups of measures, or `all` of them."""

    known, every = ("samples", "readout", "disentanglement"), "all"
    name = f"{','.join(known)}|{every}"


class Number(click.FloatRange):
    """A number in a range: nan is in none, though nothing is beyond its ends."""

    def convert(self, value, param, ctx):
        value = super().convert(value, param, ctx)
        if value != value:
            self.fail("nan is not a number.", param, ctx)
        return value


class Seconds(Number):
    """A time, up to a day."""

    def __init__(self):
        super().__init__(min=0, min_open=True, max=86400)


class Share(Number):
    """A share, between 0 and 1."""

    def __init__(self):
        super().__init__(min=0, min_open=True, max=1, max_open=True)


class ModelPath(click.Path):
    """The directory of a run, or a `.keras` file."""

    def __init__(self):
        super().__init__(path_type=Path)

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        if not path.exists():
            # It may have been ended while it was being replaced.
            places = standalone("files/places.py", "files/locks.py")
            places.sweep(path.absolute().parent)
        if not path.exists():
            self.fail(f"there is no {path}.{nearest(path)}", param, ctx)
        if path.is_file() and path.suffix != ".keras":
            message = f"{path} is neither the directory of a run nor a .keras file."
            self.fail(message, param, ctx)
        if path.is_dir() and not (path / "config.json").is_file():
            message = f"{path} is not the directory of a run: it has no config.json."
            self.fail(message, param, ctx)
        if path.is_dir() and not (path / "model.keras").is_file():
            self.fail(
                f"the run at {path} has no model yet. Go on with: keras-vae train "
                f"--output {path} --resume",
                param,
                ctx,
            )
        return path


class DataSource(Spelled):
    """The name of a data set, or the path of a file or folder."""

    name = "NAME|PATH"

    def convert(self, value, param, ctx):
        path = Path(value).expanduser()
        is_path = (
            value[:1] in (".", "~")
            or path.is_absolute()
            or path.suffix.lower() in ARRAYS
            # "emnist/letters" is a name, unless there is a folder emnist.
            or (path.parent != Path() and path.parent.is_dir())
        )
        if is_path and not path.exists():
            self.fail(f"there is no {value}.{nearest(path)}", param, ctx)
        return value


def successor(run):
    """Where a run is built that is to replace one, until it is complete."""
    place = Path(run).resolve()
    return place.with_name(f".keras_vae-new-{place.name}")


def nearest(path):
    """Words that name the nearest path to one that is not there."""
    try:
        names = [entry.name for entry in path.absolute().parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {path.with_name(near[0])}?" if near else ""


# A count of examples or draws is a word of a seed, which has 32 bits.
count = click.IntRange(1, 2**31 - 1)
seed_type = click.IntRange(0, 2**32 - 1)


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


def examples(*lines):
    """Text below the help of a command: what to type."""
    return "\n".join(["\b", "Examples:", *(f"  keras-vae {line}" for line in lines)])


model_argument = click.argument("model", type=ModelPath())
input_option = click.option(
    "--input",
    "source",
    type=DataSource(),
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
    "--batch-size",
    type=click.IntRange(1, 2**16),
    default=128,
    show_default=True,
    help="Examples computed at a time.",
)
data_dir_option = click.option(
    "--data-dir", type=click.Path(), help="Where tensorflow-datasets keeps its data."
)
seed_option = click.option(
    "--seed",
    type=seed_type,
    default=0,
    show_default=True,
    help="Of everything that is drawn.",
)


def data_options(command):
    """A model, and the data to use it on: the arguments of `open_data`."""
    for option in (
        debug_option,
        batch_size_option,
        data_dir_option,
        split_option,
        input_option,
        model_argument,
    ):
        command = option(command)
    return command


def open_model(path):
    """The `data.Model` at a path: from here on NumPy and TensorFlow are needed."""
    from keras_vae_cli.data import Model

    return Model(path)


def open_data(**arguments):
    """The `data.Data` that `data_options` name."""
    check_input(arguments["model"], arguments["source"])
    from keras_vae_cli.data import Data

    return Data(**arguments)


def output_option(*suffixes, required=True, name="--output", what="File to write"):
    def check(ctx, param, path):
        if path is None:
            return None
        if path.suffix not in suffixes:
            raise click.BadParameter(
                f"{str(path)!r} should end in one of {', '.join(suffixes)}."
            )
        folder = path.absolute().parent
        if not folder.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}.")
        if not os.access(folder, os.W_OK):
            raise click.BadParameter(f"the folder {path.parent} cannot be written to.")
        return path

    return click.option(
        name,
        required=required,
        type=click.Path(path_type=Path, dir_okay=False),
        callback=check,
        help=f"{what}: {', '.join(suffixes)}.",
    )


def check_folder(folder, option="--output"):
    """Raises unless files could be written to a folder, which need not be there."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        raise click.BadParameter(f"{there} is not a folder.", param_hint=option)
    if not os.access(there, os.W_OK):
        message = f"the folder {there} cannot be written to."
        raise click.BadParameter(message, param_hint=option)


class Application(NamedTuple):
    """What the folder of an application is known by, without TensorFlow.

    Attributes:
        noun: What people call it, `"a detector"`.
        kind: What its settings say that it is.
        settings: Name of the file of its settings.
    """

    noun: str
    kind: str
    settings: str

    def is_at(self, folder):
        """Whether there is one."""
        try:
            about = json.loads((folder / self.settings).read_text())
        except (OSError, ValueError):
            return False
        return isinstance(about, dict) and about.get("kind") == self.kind

    def check_place(self, folder, option="--output"):
        """Raises where its folder would replace something else."""
        if folder.is_dir() and any(folder.iterdir()) and not self.is_at(folder):
            raise click.BadParameter(
                f"{folder} holds something else than {self.noun}, and is left as it "
                "is.",
                param_hint=option,
            )


def check_input(model, source):
    """Raises unless there are data to use a model on."""
    if source is None and not model.is_dir():
        raise click.UsageError(
            "A .keras file knows no data: say which with --input, or name the "
            "directory of a run."
        )
