"""Proof that what was exported computes what was trained."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vae import files
from keras_vae.export import programs, saved_model_replay
from keras_vae.export.clients import (
    GrpcClient,
    RestClient,
    ServingError,
    check_served,
)
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.parity import (
    HIGHEST_VERSION,
    deviation,
    one_by_one,
    read_parity,
)
from keras_vae.export.tflite_metadata import read_tflite_metadata

# What a runtime may deviate: see `keras_vae.export.parity.deviation`.
SAVED_MODEL_ALLOWED = 1e-6
# A server is another build on another machine, which adds up in another order.
SERVER_ALLOWED = 1e-5
# No bound for the others, whose files say what they lose in report.json.
TFLITE_ALLOWED = {"float32": 1e-5, "float16": 1e-3}
# Of an 8-bit output: a number halfway between two may be rounded to either.
LEVELS_ALLOWED = 1.0


class Result(NamedTuple):
    """One row of `verify`.

    Attributes:
        signature: Model and signature, such as `"encoder/encode"`.
        where: What answered: `"SavedModel"`, a file, `"REST"` or `"gRPC"`.
        version: Integer, the version of what answered; `None` where it is not known.
        examples: Integer, examples compared, all in one request and each by itself.
        deviation: The largest (`keras_vae.export.parity.deviation`); `None` where
            there was no answer.
        allowed: What it may be at most; `None` where it is only reported.
        passed: Boolean.
        verdict: The same in words.
    """

    signature: str
    where: str
    version: int | None
    examples: int
    deviation: float | None
    allowed: float | None
    passed: bool
    verdict: str


def verify(directory, *, rest=None, grpc=None, timeout=30.0):
    """Replays `parity.npz` through everything that was exported.

    Through the SavedModels, in a fresh process that never imports `keras_vae`; through
    the files in `tflite/`, under LiteRT; and, where asked, through a running TensorFlow
    Serving. Each signature gets all examples in one request, and each by itself.

    `parity.npz` proves one version. Where a newer one is there, or is what the server
    answers with, that is a row that has not passed.

    Args:
        directory: Path of the export: `parity.npz` beside `encoder/`, `decoder/` and
            `tflite/`, as far as they are there.
        rest: Address of a server such as `"http://localhost:8501"`, or `None`.
        grpc: Host and port of a server such as `"localhost:8500"`, or `None`; needs
            the extra `serving`.
        timeout: Seconds to wait for each answer of a server.

    Returns:
        List of `Result`. All is well if each has `passed`. A server that is down, slow,
        still loading, or serves another version is told apart in `verdict`.

    Raises:
        FileNotFoundError: If `directory` has no `parity.npz`, or nothing to verify.
        ImportError: If `grpc` is given without the extra `serving`.
        ValueError: If an address has another form, or `parity.npz` is damaged.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = keras_vae.export.export_saved_models(vae, folder)
    ...     results = verify(folder)
    >>> [result.signature for result in results]
    ['encoder/encode', 'encoder/encode_sample', 'decoder/decode', 'decoder/sample']
    >>> all(result.passed for result in results)
    True
    """
    directory = Path(directory)
    clients = [
        kind(address, timeout)
        for kind, address in ((RestClient, rest), (GrpcClient, grpc))
        if address is not None
    ]
    parity = read_parity(directory / "parity.npz")
    for folder in (directory, *(directory / model for model in parity.references)):
        files.sweep(folder)
    results = _verify_saved_models(directory, parity)
    for path in sorted(directory.glob("tflite/*.tflite")):
        results += _verify_tflite(path, parity)
    for client in clients:
        results += _verify_server(client, parity)
    if not results:
        folders = ", ".join(f"{model}/{parity.version}/" for model in parity.references)
        raise FileNotFoundError(
            f"`directory` should hold what was exported: {folders} or tflite/. "
            f"Received: {str(directory)!r}"
        )
    return results


def _verify_saved_models(directory, parity):
    """Results of the SavedModels, if there are any."""
    models = [model for model in parity.references if (directory / model).is_dir()]
    if not models:
        return []
    folders = {
        model: directory / model / str(parity.version) for model in parity.references
    }
    odd = {
        f"{model}/error": f"{path} is neither a file nor a folder"
        for model, folder in folders.items()
        for path in folder.rglob("*")
        if not (path.is_file() or path.is_dir())  # a FIFO would be read for ever
    }
    regular = {
        name: path for name, path in folders.items() if f"{name}/error" not in odd
    }
    answers = odd | _replay_saved_models(directory / "parity.npz", regular)
    results = saved_model_results(parity, answers)
    for model in models:
        newest = max(versions(directory / model), default=parity.version)
        if newest > parity.version:
            results.append(_unproven("SavedModel", model, newest, parity))
    return results


def versions(folder):
    """Numbers of the versions that a model's folder holds, as a server counts them."""
    names = [path.name for path in folder.glob("*")]
    numbers = {int(name) for name in names if name.isascii() and name.isdecimal()}
    return {number for number in numbers if 0 < number <= HIGHEST_VERSION}


def _unproven(where, model, version, parity):
    """The result of a version that is used, and that nothing is known of."""
    words = f"not proven: parity.npz is of version {parity.version}"
    return Result(model, where, version, 0, None, None, False, words)


def saved_model_results(parity, answers):
    """Compares SavedModels with the trained model.

    Args:
        parity: `Parity`.
        answers: What `saved_model_replay.replay` returned.

    Returns:
        List of `Result`.
    """

    def answer(model, signature, _):
        for error in (f"{model}/error", f"{model}/{signature}/error"):
            if error in answers:
                raise ServingError(f"failed: {_first_line(answers[error])}")
        return [
            {
                name: answers[f"{model}/{signature}/{kind}/{name}"]
                for name in _last_parts(answers, f"{model}/{signature}/{kind}/")
            }
            for kind in ("whole", "single")
        ]

    return _results("SavedModel", parity, answer, SAVED_MODEL_ALLOWED)


def _replay_saved_models(parity, folders):
    """What a fresh process says: the arrays that `saved_model_replay` writes."""
    with tempfile.TemporaryDirectory(prefix="keras_vae-") as folder:
        path = Path(folder) / "answers.npz"
        models = [f"{model}={place}" for model, place in folders.items()]
        status, said = programs.run(saved_model_replay, parity, path, *models)
        if status:
            last = said.strip().splitlines()[-1:]
            words = np.array(f"the process ended with status {status}: {last}")
            return {f"{model}/error": words for model in folders}
        with np.load(path) as answers:
            return dict(answers)


def _last_parts(names, prefix):
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def _verify_tflite(path, parity):
    """Results of one .tflite file."""
    try:
        if not path.is_file():  # a FIFO would be read for ever
            raise ValueError("not a file")
        metadata = read_tflite_metadata(path)
        model, signatures = metadata["model"], metadata["signatures"]
        allowed = TFLITE_ALLOWED.get(metadata["quantization"])
        if metadata["quantization"] == "float16" and metadata["standardized"]:
            # float16 holds the columns' means too: what that costs depends on how large
            # they are beside their spread.
            allowed = None
        references = {name: parity.references[model][name] for name in signatures}
        version = metadata["version"]
    except (KeyError, OSError, TypeError, ValueError):
        words = "not a file that keras_vae exported with this parity.npz"
        return [Result("", path.name, None, 0, None, None, False, words)]
    try:
        file = LiteRTModel(path.read_bytes())
    except (ImportError, ValueError) as error:
        answer = _refuse(f"not run: {_first_line(error)}")
    else:

        def predict(model, signature, inputs, output_names):
            try:
                return file.run(signature, inputs)
            except (KeyError, RuntimeError, ValueError) as error:
                raise ServingError(f"failed: {_first_line(error)}") from error

        answer = _both_ways(predict)
    this = parity._replace(version=version, references={model: references})
    return _results(path.name, this, answer, allowed)


def _verify_server(client, parity):
    """Results of a running server."""

    def predict(model, *request):
        return client.predict(model, parity.version, *request)

    results = []
    for model, references in parity.references.items():
        newest = parity.version
        try:
            newest = check_served(client, model, parity.version)
            answer = _both_ways(predict)
        except ServingError as error:
            # Each further request could wait as long.
            answer = _refuse(str(error))
        this = parity._replace(references={model: references})
        results += _results(client.name, this, answer, SERVER_ALLOWED)
        if newest > parity.version:
            results.append(_unproven(client.name, model, newest, parity))
    return results


def _refuse(words):
    """What has no answer to anything, and why."""

    def answer(model, signature, reference):
        raise ServingError(words)

    return answer


def _both_ways(predict):
    """What answers all examples in one request, then each by itself."""

    def answer(model, signature, reference):
        def ask(inputs):
            return predict(model, signature, inputs, list(reference.outputs))

        whole = ask(reference.inputs)
        singles = [ask(row) for row in one_by_one(reference.inputs)]
        return [
            whole,
            {name: np.concatenate([part[name] for part in singles]) for name in whole},
        ]

    return answer


def _results(where, parity, answer, allowed):
    """Compares the answers of each signature with what is expected."""
    results = []
    for model, references in parity.references.items():
        for signature, reference in references.items():
            place = f"{model}/{signature}", where, parity.version
            outcome = _compare(reference, answer, model, signature, allowed)
            results.append(Result(*place, reference.num_examples, *outcome))
    return results


def _compare(reference, answer, model, signature, allowed):
    """Deviation, what is allowed, whether it passed, and the verdict."""
    outputs = reference.outputs.values()
    if allowed is not None and any(value.dtype == np.uint8 for value in outputs):
        allowed = LEVELS_ALLOWED
    try:
        whole, single = answer(model, signature, reference)
    except ServingError as error:
        return None, allowed, False, str(error)
    largest = max(
        deviation(reference.outputs, whole), deviation(reference.single, single)
    )
    if allowed is None:
        passed = bool(np.isfinite(largest))
        return largest, allowed, passed, "reported" if passed else "deviates"
    passed = largest <= allowed
    return largest, allowed, passed, "equal" if passed else "deviates"


def _first_line(text):
    return str(text).strip().split("\n")[0]
