"""The command line of keras_vae: arguments in, calls to the package, files out.

A package of its own beside keras_vae, and TensorFlow imported only by the commands
that compute: `keras-vae --help` answers at once.
"""

import importlib.metadata
import os
import signal
import threading

import click

from keras_vae_cli.anomaly import anomaly
from keras_vae_cli.compression import compress, decompress
from keras_vae_cli.explore import explore
from keras_vae_cli.export_run import convert, export, verify
from keras_vae_cli.inference import encode, interpolate, reconstruct, sample, traverse
from keras_vae_cli.label import label
from keras_vae_cli.measure import compare, evaluate, info, plot, score
from keras_vae_cli.options import Commands, debug_option
from keras_vae_cli.serve import serve
from keras_vae_cli.train import train

SECTIONS = {
    "Train": (train,),
    "Look": (info, evaluate, compare, score, plot, explore),
    "Use": (encode, reconstruct, sample, interpolate, traverse),
    "Apply": (anomaly, label, compress, decompress),
    "Ship": (export, convert, verify, serve),
}


class Main(Commands):
    """The commands in sections."""

    def format_commands(self, ctx, formatter):
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(c.name, c.get_short_help_str(limit=100)) for c in commands]
                )


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("keras-vae"), prog_name="keras-vae")
@debug_option
def main():
    """Train a variational autoencoder, and use it."""
    # The end of a data set is no news, nor is a GPU that is not there.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A service that is stopped ends as by Ctrl-C: in good order.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


for commands in SECTIONS.values():
    for command in commands:
        main.add_command(command)
