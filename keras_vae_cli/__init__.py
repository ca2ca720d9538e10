"""The command line of keras_vae: arguments in, calls to the package, files out.

A package of its own beside keras_vae, and TensorFlow imported only by the commands
that compute: `keras-vae --help` answers at once.
"""

import importlib.metadata
import os

import click

from keras_vae_cli.options import debug_option
from keras_vae_cli.ship import convert, export, verify
from keras_vae_cli.train import train
from keras_vae_cli.use import encode, evaluate, reconstruct, sample


class Main(click.Group):
    """Says what failed in one line; `--debug` shows where."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.obj:
                raise
            message = " ".join(str(error).split()) or type(error).__name__
            raise click.ClickException(message) from error


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("keras-vae"), prog_name="keras-vae")
@debug_option
def main():
    """Train a variational autoencoder, and use it."""
    # The end of a data set is no news, nor is a GPU that is not there.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


for command in (
    train,
    evaluate,
    sample,
    reconstruct,
    encode,
    export,
    convert,
    verify,
):
    main.add_command(command)
