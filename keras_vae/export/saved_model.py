"""SavedModels for TensorFlow Serving."""

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import keras

from keras_vae import files
from keras_vae.arguments import check_integer
from keras_vae.export import parity as proof
from keras_vae.export import saved_model_replay, serving_config
from keras_vae.export.endpoints import describe, exported_models, in_float32
from keras_vae.export.serving_config import METADATA, ServingConfig
from keras_vae.export.tables import format_results
from keras_vae.export.verify import saved_model_results, versions
from keras_vae.export.warmup import write_warmup_requests
from keras_vae.memory import check_memory

PARITY = "parity.npz"


class ServingExport(NamedTuple):
    """What `export_saved_models` wrote.

    Attributes:
        models: Path of each SavedModel by its model's name, `<name>/<version>` in the
            directory.
        version: Integer.
        config: `ServingConfig`, the paths of the server's configuration files.
        parity: Path of the proof for `verify`.
        notes: Strings: what a person should know, such as files that are not ours and
            were left as they are.

    Reference:
        https://www.tensorflow.org/guide/saved_model
    """

    models: dict
    version: int
    config: ServingConfig
    parity: Path
    notes: list

    @property
    def encoder(self):
        """Path of the encoder's SavedModel."""
        return self.models["encoder"]

    @property
    def decoder(self):
        """Path of the decoder's SavedModel."""
        return self.models["decoder"]


def export_saved_models(
    vae,
    directory,
    version=None,
    *,
    model_base_path="/models",
    max_batch_size=128,
    data=None,
    feature_names=None,
):
    """Exports encoder and decoder as SavedModels that TensorFlow Serving runs.

    ```
    directory/
      encoder/<version>/   SavedModel with assets.extra/tf_serving_warmup_requests
      decoder/<version>/   SavedModel with assets.extra/tf_serving_warmup_requests
      models.config   batching.config   monitoring.config
      parity.npz           for keras_vae.export.verify
    ```

    The signatures are those of `exported_models`; a model's first is also
    `serving_default`. They compute in float32, whatever precision the model was trained
    in, draw only from the seeds of the request, and take batches of any size.

    Nothing appears before it is proven: the SavedModels are loaded where they are
    prepared, and have to answer as the trained model does. Then come the proof, each
    version by one rename, warm-up requests included, so that a server that polls never
    sees half of one, and at last the configuration that names it. If anything fails,
    all is as it was.

    Args:
        vae: A `keras_vae.VAE`; or a `keras_vae.applications.AnomalyDetector`, of which
            `scorer/<version>/` is a third SavedModel.
        directory: Path of the folder to export to; made where it does not exist. Its
            `models.config` may be of others too: see `write_serving_config`.
        version: Integer >= 1; unless given, one more than the highest there is.
        model_base_path: Where the server will find `directory`: an absolute path or a
            URI, for `models.config`.
        max_batch_size: Integer, the most examples that the server computes at a time,
            for the warm-up requests and `batching.config`, which allows more where a
            version that is there needs it.
        data: Examples to prove it with, as of `write_parity`, of which up to 16 are
            taken; samples of the model unless given.
        feature_names: Name of each value of the last axis of the data, or `None`; for
            `assets.extra/keras_vae.json`, which says what the model takes and gives.

    Returns:
        `ServingExport`.

    Raises:
        FileExistsError: If the version exists in one of the folders, or `models.config`
            is not what models can be added to.
        RuntimeError: If a SavedModel answers otherwise than the trained model.
        ValueError: If an argument is out of its range, or the model answers with what
            is not finite.

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
    max_batch_size = check_integer("max_batch_size", max_batch_size, minimum=1)
    model, vae = in_float32(vae)
    models = exported_models(model)
    taken = set().union(*(versions(directory / name) for name in models))
    version = _check_version(version, taken)
    newest = max({version} | taken)  # which a server loads
    metadata = describe(vae, version, feature_names) | getattr(model, "metadata", {})
    _check_memory(models, max_batch_size)
    plan = (directory, newest, tuple(models), model_base_path, max_batch_size)
    serving_config.plan_serving_config(*plan)
    num_examples = proof.NUM_EXAMPLES
    if data is not None:
        data = proof.trial_data.take("data", data, vae, num_examples)
        num_examples = len(data["x"])
    parity = proof.make_parity(model, version, data, num_examples)

    published = {}
    with _undone_if_it_fails(directory, published):
        with contextlib.ExitStack() as stack:
            staged = {}
            for name, endpoints in models.items():
                path = directory / name / str(version)
                # What is entered last is left first: this notes the rename after it.
                stack.push(_note(published, name, path))
                staged[name] = stack.enter_context(files.staged(path))
                _save(staged[name], endpoints)
                _add_extra(staged[name], name, endpoints, max_batch_size, metadata)
            _check_answers(parity, staged)
            if version == newest or not (directory / PARITY).exists():
                proof.save_parity(directory / PARITY, parity)
        config, notes = serving_config.write_serving_config(
            directory,
            newest,
            models=tuple(models),
            model_base_path=model_base_path,
            max_batch_size=max_batch_size,
        )
    return ServingExport(
        {name: published[name] for name in models},
        version,
        config,
        directory / PARITY,
        notes,
    )


def _check_version(version, taken):
    """The version to export: the next free number unless one is given."""
    free = max(taken, default=0) + 1
    version = proof.check_version(free if version is None else version)
    if version in taken:
        raise FileExistsError(
            "`version` should be new: a version that exists is never overwritten. "
            f"Received: version={version}. Mend: version={free}, or none, which takes "
            "the next number"
        )
    return version


def _check_memory(models, max_batch_size):
    """Refuses batches of which the inputs alone do not fit in memory.

    The warm-up requests, which a server replays, are such batches.
    """
    for model, endpoints in models.items():
        for name, endpoint in endpoints.items():
            size = _bytes_of_example(endpoint)
            check_memory(
                f"`max_batch_size` should be such that a batch fits in memory: one of "
                f"{max_batch_size} for {model}/{name}, {size} bytes an example,",
                size * max_batch_size,
                "Mend: a smaller max_batch_size",
            )


def _bytes_of_example(endpoint):
    """Bytes of the inputs of one example; of a file, as a request holds it."""
    return sum(
        max(map(sys.getsizeof, endpoint.files)) * 8
        if spec.dtype.name == "string"
        else spec.dtype.size * spec.shape[1:].num_elements()
        for spec in endpoint.inputs.values()
    )


@contextlib.contextmanager
def _undone_if_it_fails(directory, published):
    """Takes back what was published, the proof and the configuration if it fails."""
    names = (PARITY, *(f"{name}.config" for name in ServingConfig._fields))
    missing = [
        folder for folder in (directory, *directory.parents) if not folder.exists()
    ]
    before = {
        path: path.read_bytes() if path.is_file() else None
        for path in (directory / name for name in names)
        if path.is_file() or not os.path.lexists(path)
    }
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException as error:
        # First what takes room, which may be what there is none of.
        for folder in published.values():
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # no longer empty
                folder.parent.rmdir()
        for path, content in before.items():
            try:
                _restore(path, content)
            except OSError as unrestored:
                error.add_note(f"{path} is not as it was: {unrestored}")
        with contextlib.suppress(OSError):  # no longer empty
            for folder in missing:
                folder.rmdir()
        raise


def _restore(path, content):
    if content is None:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_bytes() != content:
        with files.atomic(path) as temporary:
            temporary.write_bytes(content)


def _note(published, name, path):
    def note(kind, error, traceback):
        if kind is None:
            published[name] = path

    return note


def _save(path, endpoints):
    archive = keras.export.ExportArchive()
    for endpoint in endpoints.values():
        archive.add_endpoint(endpoint.name, endpoint.function, [endpoint.inputs])
    archive.write_out(str(path), verbose=False)


def _add_extra(path, name, endpoints, max_batch_size, metadata):
    """What stands beside a SavedModel: warm-up requests, and what it is."""
    write_warmup_requests(path, name, endpoints, sorted({1, max_batch_size}))
    about = {"model": name, **metadata, "max_batch_size": max_batch_size}
    about["signatures"] = {
        endpoint.name: {
            key: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
            for key, spec in endpoint.inputs.items()
        }
        for endpoint in endpoints.values()
    }
    files.write_json(path / METADATA, about)


def _check_answers(parity, folders):
    """Holds SavedModels against the trained model, before anybody can see them."""
    answers = saved_model_replay.replay(proof.to_arrays(parity), folders)
    wrong = [r for r in saved_model_results(parity, answers) if not r.passed]
    if wrong:
        raise RuntimeError(
            "The SavedModels should answer as the trained model does, and nothing was "
            f"exported as they do not:\n{format_results(wrong)}"
        )
