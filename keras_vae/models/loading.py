"""Reading a `.keras` file back, with a clear error for anything else."""

import zipfile
from pathlib import Path

import keras

from keras_vae.memory import check_memory
from keras_vae.models.vae import VAE


def load_model(path):
    """The `VAE` of a `.keras` file.

    Args:
        path: Path of the file.

    Returns:
        The `VAE`, compiled as it was saved.

    Raises:
        ValueError: If there is none, or the file is damaged or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no model at {path}: no such file.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        # Once as read and once as variables.
        check_memory(f"Loading {path}", 2.0 * unpacked, "Is it what it should be?")
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
