"""The folder of an anomaly detector: a model, its settings, its calibration scores."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_vae import files
from keras_vae.models.loading import load_model
from keras_vae.version import __version__

MODEL, SETTINGS, CALIBRATION = "model.keras", "detector.json", "calibration.npz"
KIND = "anomaly_detector"
_DAMAGES = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(detector, directory):
    """Writes a calibrated detector; see `AnomalyDetector.save`."""
    directory = Path(directory)
    settings = {
        "score": detector.score_name,
        "level": detector.level,
        "num_samples": detector.num_samples or None,
        "seed": detector.seed,
    }
    num_calibration = len(detector.steps)  # raises unless it is calibrated
    check_directory(directory)
    with files.staged(directory.absolute(), replace=True) as staging:
        detector.vae.save(staging / MODEL)
        np.savez(staging / CALIBRATION, scores=detector.calibration)
        about = {
            "keras_vae": __version__,
            "kind": KIND,
            **settings,
            "num_calibration": num_calibration,
            "normal_labels": detector.normal_labels,
            "sha256": {name: _digest(staging / name) for name in (MODEL, CALIBRATION)},
        }
        files.write_json(staging / SETTINGS, about)
        if check_directory(directory).is_dir():
            ours = {MODEL, SETTINGS, CALIBRATION}
            kept = [p for p in files.inside(directory) if p.as_posix() not in ours]
            files.carry_over(directory, staging, kept)


def check_directory(directory):
    """Returns a folder that may be written: new, empty, or an earlier detector's."""
    directory = Path(directory)
    if not directory.exists() or is_detector(directory):
        return directory
    if directory.is_dir() and not any(directory.iterdir()):
        return directory
    raise FileExistsError(
        "`directory` should be new, empty, or that of an earlier detector, which has a "
        f"{SETTINGS}. Received: {str(directory)!r}, which holds something else"
    )


def is_detector(directory):
    """Whether a folder is one that `save` wrote, by its settings."""
    try:
        about = json.loads((Path(directory) / SETTINGS).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("kind") == KIND


def read(directory):
    """What `save` wrote: model, arguments by name, normal labels, calibration."""
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"There is no detector at {directory}: no such directory.")
    files.sweep(directory.absolute().parent)
    path = directory / SETTINGS
    if not is_detector(directory):
        found = "damaged, or of another kind" if path.exists() else "not there"
        raise ValueError(
            f"{directory} is not an anomaly detector: its {SETTINGS} is {found}."
        )
    about = json.loads(path.read_text())
    try:
        digests = {name: str(about["sha256"][name]) for name in (MODEL, CALIBRATION)}
        names = ("score", "level", "num_samples", "seed")
        settings = {name: about[name] for name in names}
        normal = about["normal_labels"]
    except _DAMAGES as error:
        raise ValueError(f"{path} is damaged: it has no {error}") from error
    for name, digest in digests.items():
        if not (directory / name).is_file():
            raise ValueError(f"The detector at {directory} has no {name}.")
        if _digest(directory / name) != digest:
            raise ValueError(
                f"{directory / name} is not the file that was saved with {SETTINGS}: "
                "it is damaged, or of another detector."
            )
    try:
        with np.load(directory / CALIBRATION) as arrays:
            calibration = arrays["scores"]
    except _DAMAGES as error:
        raise ValueError(
            f"{directory / CALIBRATION} cannot be read as calibration scores "
            f"({type(error).__name__}: {error})"
        ) from error
    return load_model(directory / MODEL), settings, normal, calibration


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
