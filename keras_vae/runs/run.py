"""The directory of a run: what is in it, whose it is, and the data that it knows."""

import functools
import json
import os
from pathlib import Path

from keras_vae import datasets, files
from keras_vae.models.loading import load_model
from keras_vae.runs import settings
from keras_vae.version import __version__

# How `datasets.load` reads a run's data again.
DATA_SETTINGS = (
    "data_dir",
    "image_size",
    "label_column",
    "array",
    "kind",
    "validation_fraction",
    "test_fraction",
)
# By these a config.json is that of a run: every version has written them.
SHAPE = {"dataset", "network", "latent_dim", "epochs", "seed"}


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
        sweep_run(self.directory)
        if not self.directory.is_dir():
            raise ValueError(f"There is no run at {self.directory}: no such directory.")
        if not is_run(self.directory):
            raise ValueError(
                f"{self.directory} is not a run: it has no config.json of keras_vae."
            )

    @functools.cached_property
    def config(self):
        """The settings it was trained with, as a dictionary.

        Beside them `data`, the description of its data, and `keras_vae`, the version.
        """
        return read_config(self.directory)

    @functools.cached_property
    def vae(self):
        """The trained `VAE`, with the best weights."""
        return load(self.directory)

    @property
    def history(self):
        """Rows of `history.csv`, as dictionaries of numbers."""
        path = self.directory / "history.csv"
        try:
            rows = files.read_csv(path) if path.exists() else []
            if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
                raise ValueError("its epochs are not 1, 2, 3, ...")
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        return rows

    @property
    def metrics(self):
        """The final report, `metrics.json`."""
        path = self.directory / "metrics.json"
        if not path.exists():
            raise ValueError(
                f"{self.directory} has no metrics.json yet: its training has not "
                "ended. Go on with it (--resume, resume=True)."
            )
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def add_metrics(self, metrics):
        """Writes further numbers into `metrics.json`; those of a name that is there go.

        Args:
            metrics: Dictionary, ready for JSON.
        """
        path = self.directory / "metrics.json"
        files.write_json(path, {**self.metrics, **metrics})

    def dataset(self, source=None, *, data_dir=None):
        """The data that it was trained on, or others, read as these were.

        Args:
            source: Name or path of other data, as `keras_vae.datasets.load` takes it;
                all of them are in `train` then. Columns are matched by name.
            data_dir: Where tensorflow-datasets keeps its data.

        Returns:
            `keras_vae.datasets.Dataset`, with the same splits as for training.

        Raises:
            ValueError: If the run's data are not what they were, or others differ in
                shape, type or columns.
        """
        return load_dataset(self.config, source, data_dir)

    @property
    def batch_arguments(self):
        """How examples are given to its model: arguments of `Split.batches`."""
        return batch_arguments(self.config)


def batch_arguments(config):
    """See `Run.batch_arguments`."""
    arguments = {name: config[name] for name in ("binarize", "seed")}
    if config["model"] in settings.CONDITIONAL:
        arguments["condition"] = True
    return arguments


def load_dataset(config, source=None, data_dir=None):
    """The data of a run: the only place where they are read. See `Run.dataset`."""
    data_dir = data_dir or config.get("data_dir")
    description = config.get("data")
    if source is not None:
        # The description knows it, and that new data need not have labels.
        label_column = None
        if description is None and os.path.splitext(source)[1].lower() == ".csv":
            label_column = config.get("label_column")
        return datasets.load(
            source,
            data_dir=data_dir,
            label_column=label_column,
            validation_fraction=0,
            test_fraction=0,
            like=description,
        )
    given = {
        name: config[name] for name in DATA_SETTINGS if config.get(name) is not None
    }
    if data_dir is not None:
        given["data_dir"] = data_dir
    dataset = datasets.load(
        config["dataset"], seed=config["seed"], like=description, **given
    )
    if description is not None:
        datasets.check_same(dataset, description)
    return dataset


def load(path):
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
    >>> keras_vae.load(path).latent_dim
    2
    """
    path = Path(path)
    sweep_run(path)
    if path.is_dir():
        path = path / "model.keras"
    return load_model(path)


def sweep_run(directory):
    """Removes what killed processes left in a run; heals one that was being replaced.

    Nothing is touched if something else is there.
    """
    directory = Path(directory)
    if directory.is_dir() and not is_run(directory) and any(directory.iterdir()):
        return
    files.sweep(directory.absolute().parent)
    if is_run(directory):
        for folder, _, _ in os.walk(directory):
            files.sweep(folder)


def is_run(directory):
    """Whether a directory is one that `train` made: by the shape of its settings."""
    try:
        config = json.loads((Path(directory) / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return (
        isinstance(config, dict)
        and isinstance(config.get("keras_vae"), str)
        and config.keys() >= SHAPE
    )


def read_config(directory):
    """The settings of a run, checked; what a later version added is filled in."""
    path = Path(directory) / "config.json"
    config = json.loads(path.read_text())
    later = (s for s in settings.SETTINGS.values() if s.since != settings.FIRST)
    config = {setting.name: setting.default for setting in later} | config
    missing = sorted(settings.SETTINGS.keys() - config.keys())
    if missing:
        raise ValueError(
            f"{path} is damaged: it has no {', '.join(map(repr, missing))}"
        )
    try:
        settings.check({name: config[name] for name in settings.SETTINGS})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return config


def write_config(directory, config):
    """Writes the settings of a run, and the version that wrote them."""
    files.write_json(
        Path(directory) / "config.json", {**config, "keras_vae": __version__}
    )
