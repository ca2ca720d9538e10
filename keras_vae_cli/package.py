"""Importing the package itself, when a command needs it."""

import contextlib
import os
import sys
import warnings

import click


def import_keras_vae():
    """The package, without what TensorFlow prints while it is imported.

    Warnings are one line each, and ours alone.
    """
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras)\.")
    warnings.showwarning = lambda message, *place: click.echo(
        f"Warning: {message}", err=True
    )
    with _silent_stderr():
        import tensorflow as tf

        import keras_vae

        tf.constant(0)
    return keras_vae


@contextlib.contextmanager
def _silent_stderr():
    """TensorFlow's C++ writes to the file descriptor before its level can be set."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
