"""The directory of a run: what is in it, and whose it is."""

import contextlib
import functools
import json
import shutil
from pathlib import Path

import keras

from keras_vae import datasets, files
from keras_vae.models import VAE
from keras_vae.version import __version__

DATA_SETTINGS = (
    "data_dir",
    "image_size",
    "label_column",
    "validation_fraction",
    "test_fraction",
)


class Run:
    """A directory that `train` wrote.

    Args:
        directory: Path of the directory.

    Attributes:
        directory: `pathlib.Path`.

    Raises:
        ValueError: If it is not the directory of a run.

    Example:

    >>> run = Run("runs/digits")  # doctest: +SKIP
    >>> run.metrics["elbo"]  # doctest: +SKIP
    >>> run.vae.sample(16, seed=0)  # doctest: +SKIP
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise ValueError(f"There is no run at {self.directory}: no such directory.")
        if not is_run(self.directory):
            raise ValueError(
                f"{self.directory} is not a run: it has no config.json of keras_vae."
            )

    @functools.cached_property
    def config(self):
        """The settings it was trained with, as a dictionary."""
        return json.loads((self.directory / "config.json").read_text())

    @functools.cached_property
    def vae(self):
        """The trained `VAE`, with the best weights."""
        return load_vae(self.directory)

    @property
    def history(self):
        """Rows of `history.csv`, as dictionaries of numbers."""
        path = self.directory / "history.csv"
        return files.read_csv(path) if path.exists() else []

    @property
    def metrics(self):
        """The final report, `metrics.json`."""
        return json.loads((self.directory / "metrics.json").read_text())

    def dataset(self):
        """The data set it was trained on, with the same splits."""
        return load_dataset(self.config)


def load_dataset(config):
    """The data set that a run's settings name, with its splits."""
    settings = {
        name: config[name] for name in DATA_SETTINGS if config.get(name) is not None
    }
    return datasets.load(config["dataset"], seed=config["seed"], **settings)


def load_vae(path):
    """Loads a trained VAE.

    Args:
        path: Path of a run's directory or of a `.keras` file.

    Returns:
        The `VAE`, compiled as it was saved.

    Raises:
        ValueError: If there is none, or the file is damaged or holds something else.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> path = Path(tempfile.mkdtemp()) / "model.keras"
    >>> keras_vae.VAE(*keras_vae.networks.dense((4,), 2)).save(path)
    >>> load_vae(path).latent_dim
    2
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        raise ValueError(f"There is no model at {path}: no such file.")
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # Keras raises whatever the damage led to
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path} cannot be read as a model that keras_vae saved: it is damaged, or "
            f"of another kind ({type(error).__name__}: {reason})"
        ) from error
    if not isinstance(model, VAE):
        raise ValueError(
            f"{path} should hold a keras_vae.VAE. Received: a {type(model).__name__}"
        )
    return model


def is_run(directory):
    """Whether a directory is one that `train` made."""
    try:
        config = json.loads((directory / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "keras_vae" in config


def check_output(directory, overwrite=False):
    """Raises a `ValueError` unless a new run may be written to a directory.

    It may if the directory is not there or empty, or is a run and `overwrite`.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ValueError(f"`output` should be a directory. Received: {directory}")
    if not any(directory.iterdir()):
        return
    if not is_run(directory):
        raise ValueError(
            f"`output` {directory} exists and is not a run of keras_vae: it is left as "
            "it is. Choose another directory."
        )
    if not overwrite:
        raise ValueError(
            f"`output` {directory} holds a run already. Go on with it (--resume, "
            "resume=True), replace it (--overwrite, overwrite=True), or choose another "
            "directory."
        )


@contextlib.contextmanager
def claimed(directory, config, overwrite=False):
    """Makes the directory of a new run and writes its settings.

    A run that is replaced is kept aside until the block ends. If the block fails
    before there is a model, the directory is as it was before.
    """
    check_output(directory, overwrite)
    aside = directory.with_name(f".{directory.name}-replaced")
    shutil.rmtree(aside, ignore_errors=True)
    if is_run(directory):
        directory.rename(aside)
    directory.mkdir(parents=True, exist_ok=True)
    write_config(directory, config)
    try:
        yield
    except Exception:
        if not (directory / "model.keras").exists():
            shutil.rmtree(directory)
            if aside.exists():
                aside.rename(directory)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_config(directory, config):
    """Writes the settings of a run, and the version that wrote them."""
    files.write_json(directory / "config.json", {**config, "keras_vae": __version__})
