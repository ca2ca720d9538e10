"""SavedModels for TensorFlow Serving."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras

from keras_vae.export.endpoints import (
    decoder_endpoints,
    encoder_endpoints,
)
from keras_vae.export.serving_config import ServingConfig, write_serving_config
from keras_vae.export.warmup import write_warmup_requests
from keras_vae.models import checks
from keras_vae.models.float32 import float32_copy


class ServingExport(NamedTuple):
    """What `export_saved_models` wrote.

    Attributes:
        encoder: Path of the encoder's SavedModel, `directory/encoder/<version>`.
        decoder: Path of the decoder's SavedModel, `directory/decoder/<version>`.
        version: Integer.
        config: `ServingConfig`, the paths of the server's configuration files.

    Reference:
        https://www.tensorflow.org/guide/saved_model
    """

    encoder: Path
    decoder: Path
    version: int
    config: ServingConfig


def export_saved_models(
    vae, directory, version=None, *, model_base_path="/models", max_batch_size=128
):
    """Exports encoder and decoder as SavedModels that TensorFlow Serving runs.

    ```
    directory/
      encoder/<version>/   SavedModel with assets.extra/tf_serving_warmup_requests
      decoder/<version>/   SavedModel with assets.extra/tf_serving_warmup_requests
      models.config   batching.config   monitoring.config
    ```

    The signatures are those of `encoder_endpoints` and `decoder_endpoints`; the first
    is also `serving_default`. They compute in float32, whatever precision the model was
    trained in, draw only from the seeds of the request, and take batches of any size. A
    version appears by one rename, warm-up requests included: a server that polls never
    sees half of one. If anything fails, no version is left behind.

    Args:
        vae: A `keras_vae.VAE`.
        directory: Path of the folder to export to; made where it does not exist.
        version: Integer >= 1; unless given, one more than the highest there is.
        model_base_path: Where the server will find `directory`: an absolute path or a
            URI, for `models.config`.
        max_batch_size: Integer, the most examples that the server computes at a time,
            for `batching.config` and the warm-up requests.

    Returns:
        `ServingExport`.

    Raises:
        FileExistsError: If the version exists, in one of the folders.
        ValueError: If an argument is out of its range.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> import tensorflow as tf
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> export = export_saved_models(vae, tempfile.mkdtemp())
    >>> export.encoder.parent.name, export.version
    ('encoder', 1)
    >>> encode = tf.saved_model.load(export.encoder).signatures["encode"]
    >>> encode(x=tf.zeros((3, 4)))["z_mean"].shape
    TensorShape([3, 2])
    """
    directory = Path(directory)
    max_batch_size = checks.check_integer("max_batch_size", max_batch_size, minimum=1)
    taken = _versions(directory)
    version = _check_version(version, taken)
    model = float32_copy(vae)
    encoder = directory / "encoder" / str(version)
    decoder = directory / "decoder" / str(version)
    with (
        _staging(encoder.parent) as staged_encoder,
        _staging(decoder.parent) as staged_decoder,
        contextlib.ExitStack() as undo,
    ):
        _save(staged_encoder, "encoder", encoder_endpoints(model), max_batch_size)
        _save(staged_decoder, "decoder", decoder_endpoints(model), max_batch_size)
        for staged, final in ((staged_encoder, encoder), (staged_decoder, decoder)):
            staged.rename(final)
            undo.callback(final.rename, staged)
        config = write_serving_config(
            directory,
            max({version} | taken),  # the newest, which a server loads
            model_base_path=model_base_path,
            max_batch_size=max_batch_size,
        )
        undo.pop_all()
    return ServingExport(encoder, decoder, version, config)


def _versions(directory):
    """Numbers of the versions, of encoder or decoder, that a folder holds."""
    return {
        int(path.name)
        for name in ("encoder", "decoder")
        for path in (directory / name).glob("*")
        if path.name.isdecimal()
    }


def _check_version(version, taken):
    """The version to export: the next free number unless one is given."""
    free = max(taken, default=0) + 1
    if version is None:
        return free
    version = checks.check_integer("version", version, minimum=1)
    if version in taken:
        raise FileExistsError(
            "`version` should be new: a version that exists is never overwritten. "
            f"Received: version={version}. Mend: version={free}, or none, which takes "
            "the next number"
        )
    return version


@contextlib.contextmanager
def _staging(folder):
    """Path in `folder` to save to before a rename, gone when the block ends.

    It is in a folder that a server overlooks, as its name is no number. `folder` is
    made where it does not exist, and removed again if it stays empty.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=".exporting-"))
    try:
        yield staging / "model"
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):  # no longer empty
            for path in missing:
                path.rmdir()


def _save(path, name, endpoints, max_batch_size):
    archive = keras.export.ExportArchive()
    for endpoint in endpoints.values():
        specs = list(endpoint.inputs.values())
        archive.add_endpoint(endpoint.name, endpoint.function, specs)
    archive.write_out(str(path), verbose=False)
    write_warmup_requests(path, name, endpoints, sorted({1, max_batch_size}))
