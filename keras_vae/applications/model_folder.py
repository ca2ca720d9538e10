"""The folder of an application: a model, what belongs to it, and digests of all."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vae import files
from keras_vae.models.loading import load_model
from keras_vae.version import __version__

MODEL = "model.keras"
DAMAGES = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class ModelFolder(NamedTuple):
    """One kind of folder: what it is called, and which files it has.

    Attributes:
        kind: What its settings say that it is, `"anomaly_detector"`.
        noun: What people call it, `"detector"`.
        settings: Name of the file of its settings, JSON.
        arrays: Name of the file of its arrays, `.npz`, or `None`.
        second: Name of the file of a second model that it may have, or `None`.
    """

    kind: str
    noun: str
    settings: str
    arrays: str | None = None
    second: str | None = None

    def write(self, directory, vae, about, arrays=None, second=None):
        """Writes a folder, whole or not at all.

        Args:
            directory: Path: new, empty, or that of an earlier one of this kind, whose
                other files stay.
            vae: `keras_vae.VAE`.
            about: Dictionary for the settings.
            arrays: Dictionary of arrays, if the kind has any.
            second: `keras_vae.VAE` or `None`, the second model.

        Raises:
            FileExistsError: If the folder holds something else.
        """
        directory = self.check_directory(directory)
        with files.staged(directory.absolute(), replace=True) as staging:
            vae.save(staging / MODEL)
            if self.arrays is not None:
                np.savez(staging / self.arrays, **arrays)
            saved = self._contents
            if second is not None:
                second.save(staging / self.second)
                saved = [*saved, self.second]
            about = {
                "keras_vae": __version__,
                "kind": self.kind,
                **about,
                "sha256": {name: _digest(staging / name) for name in saved},
            }
            files.write_json(staging / self.settings, about)
            if directory.is_dir():
                ours = {*self._contents, self.second, self.settings}
                kept = [p for p in files.inside(directory) if p.as_posix() not in ours]
                files.carry_over(directory, staging, kept)

    def read(self, directory, names):
        """What `write` wrote.

        Args:
            directory: Path.
            names: What the settings have to have.

        Returns:
            The `VAE`, a dictionary of the settings by these names, one of the arrays,
            and the second model or `None`.

        Raises:
            ValueError: If there is none, or a file of it is damaged or is not the one
                that was written with the others.
        """
        directory = Path(directory)
        if not directory.is_dir():
            raise ValueError(
                f"There is no {self.noun} at {directory}: no such directory."
            )
        files.sweep(directory.absolute().parent)
        path = directory / self.settings
        if not self.is_at(directory):
            found = "damaged, or of another kind" if path.exists() else "not there"
            raise ValueError(
                f"{directory} holds no {self.noun}: its {self.settings} is {found}."
            )
        about = json.loads(path.read_text())
        try:
            saved = self._contents
            if self.second in about["sha256"]:
                saved = [*saved, self.second]
            digests = {name: str(about["sha256"][name]) for name in saved}
            settings = {name: about[name] for name in names}
        except DAMAGES as error:
            raise ValueError(f"{path} is damaged: it has no {error}") from error
        for name, digest in digests.items():
            if not (directory / name).is_file():
                raise ValueError(f"The {self.noun} at {directory} has no {name}.")
            if _digest(directory / name) != digest:
                raise ValueError(
                    f"{directory / name} is not the file that was saved with "
                    f"{self.settings}: it is damaged, or of another {self.noun}."
                )
        second = load_model(directory / self.second) if self.second in digests else None
        arrays = self._read_arrays(directory)
        return load_model(directory / MODEL), settings, arrays, second

    def check_directory(self, directory):
        """Returns a folder that may be written: new, empty, or an earlier one's."""
        directory = Path(directory)
        if not directory.exists() or self.is_at(directory):
            return directory
        if directory.is_dir() and not any(directory.iterdir()):
            return directory
        raise FileExistsError(
            f"`directory` should be new, empty, or that of an earlier {self.noun}, "
            f"which has a {self.settings}. Received: {str(directory)!r}, which holds "
            "something else"
        )

    def is_at(self, directory):
        """Whether a folder is one that `write` wrote, by its settings."""
        try:
            about = json.loads((Path(directory) / self.settings).read_text())
        except (OSError, ValueError):
            return False
        return isinstance(about, dict) and about.get("kind") == self.kind

    @property
    def _contents(self):
        return [name for name in (MODEL, self.arrays) if name is not None]

    def _read_arrays(self, directory):
        if self.arrays is None:
            return {}
        try:
            with np.load(directory / self.arrays) as arrays:
                return dict(arrays)
        except DAMAGES as error:
            raise ValueError(
                f"{directory / self.arrays} cannot be read as the arrays of a "
                f"{self.noun} ({type(error).__name__}: {error})"
            ) from error


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
