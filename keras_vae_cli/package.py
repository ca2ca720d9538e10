"""Importing the package itself, when a command needs it."""

import contextlib
import gc
import importlib.util
import os
import sys
import warnings
from pathlib import Path

import click


def standalone(file, *needs):
    """A file of the package without the package, whose import takes seconds.

    Args:
        file: Path within the package. It imports nothing of that but what it `needs`.
        *needs: Paths of files that import nothing of the package.
    """
    for needed in needs:
        # Under the name by which it is asked for: whoever finds that looks no further.
        name = "keras_vae." + needed.removesuffix(".py").replace("/", ".")
        if name not in sys.modules:
            sys.modules[name] = _load(needed, name)
    return _load(file, f"keras_vae_cli.{Path(file).stem}")


def _load(file, name):
    package = importlib.util.find_spec("keras_vae").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location(name, Path(package, file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def import_keras_vae(warm=True):
    """The package, without what TensorFlow prints while it is imported.

    Warnings are one line each, and ours alone.

    Args:
        warm: Whether TensorFlow starts now too: it prints more then.
    """
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras)\.")
    warnings.showwarning = lambda message, *place: click.echo(
        f"Warning: {message}", err=True
    )
    with _said("Starting TensorFlow"), _no_garbage(), silent_stderr():
        import tensorflow as tf

        import keras_vae

        if warm:
            tf.constant(0)
    return keras_vae


@contextlib.contextmanager
def _said(words):
    """Words on a terminal for as long as the first import takes."""
    shown = sys.stderr.isatty() and "tensorflow" not in sys.modules
    if shown:
        click.echo(f"{words} ...", nl=False, err=True)
    try:
        yield
    finally:
        if shown:
            click.echo("\r\x1b[2K", nl=False, err=True)  # the line is empty again


@contextlib.contextmanager
def _no_garbage():
    """What the first import makes stays: to look through it for garbage meanwhile, and
    again when the process ends, takes longer than a second."""
    first = "tensorflow" not in sys.modules
    if first:
        gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            gc.enable()


@contextlib.contextmanager
def silent_stderr():
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
