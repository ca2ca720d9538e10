"""Proof that what was exported computes what was trained."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vae.export import saved_model_replay
from keras_vae.export.clients import GrpcClient, NoAnswer, RestClient, check_served
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.parity import deviation, one_by_one, read_parity
from keras_vae.export.table import format_table
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
        examples: Integer, examples compared, all in one request and each alone.
        deviation: The largest (`keras_vae.export.parity.deviation`); `None` where
            there was no answer.
        allowed: What it may be at most; `None` where it is only reported.
        passed: Boolean.
        verdict: The same in words.
    """

    signature: str
    where: str
    examples: int
    deviation: float | None
    allowed: float | None
    passed: bool
    verdict: str


def verify(directory, *, rest=None, grpc=None, timeout=30.0):
    """Replays `parity.npz` through everything that was exported.

    Through the SavedModels, in a fresh process that never imports `keras_vae`; through
    the files in `tflite/`, under LiteRT; and, where asked, through a running TensorFlow
    Serving. Each signature gets all examples in one request, and each example alone.

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
        ValueError: If an address has another form.

    Example:

    >>> import keras_vae
    >>> from keras_vae.export.parity import write_parity
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = keras_vae.export.export_saved_models(vae, folder)
    ...     write_parity(vae, Path(folder, "parity.npz"), version=saved.version)
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
    results = _verify_saved_models(directory, parity)
    for path in sorted(directory.glob("tflite/*.tflite")):
        results += _verify_tflite(path, parity)
    for client in clients:
        results += _verify_server(client, parity)
    if not results:
        raise FileNotFoundError(
            f"`directory` should hold what was exported: encoder/{parity.version}/ and "
            f"decoder/{parity.version}/, or tflite/. Received: {str(directory)!r}"
        )
    return results


def format_results(results):
    """Results of `verify` as a table for a terminal.

    Args:
        results: List of `Result`.

    Returns:
        String of several lines.

    Example:

    >>> results = [Result("encoder/encode", "REST", 16, 2e-8, 1e-5, True, "equal")]
    >>> print(format_results(results))
    signature       where  examples  largest deviation  allowed  verdict
    --------------  -----  --------  -----------------  -------  -------
    encoder/encode  REST         16            2.0e-08    1e-05  equal
    """
    headings = (
        "signature",
        "where",
        "examples",
        "largest deviation",
        "allowed",
        "verdict",
    )
    rows = [
        [
            result.signature,
            result.where,
            str(result.examples),
            "" if result.deviation is None else f"{result.deviation:.1e}",
            "" if result.allowed is None else f"{result.allowed:g}",
            result.verdict,
        ]
        for result in results
    ]
    return format_table(headings, rows)


def _verify_saved_models(directory, parity):
    """Results of the SavedModels, if there are any."""
    version = str(parity.version)
    if not any((directory / model).is_dir() for model in parity.examples):
        return []
    folders = {model: directory / model / version for model in parity.examples}
    answers = _replay_saved_models(directory / "parity.npz", folders)

    def answer(model, signature, _):
        for error in (f"{model}/error", f"{model}/{signature}/error"):
            if error in answers:
                raise NoAnswer(f"failed: {_first_line(answers[error])}")
        return [
            {
                name: answers[f"{model}/{signature}/{kind}/{name}"]
                for name in _last_parts(answers, f"{model}/{signature}/{kind}/")
            }
            for kind in ("whole", "single")
        ]

    return [
        _result("SavedModel", model, signature, example, answer, SAVED_MODEL_ALLOWED)
        for model, examples in parity.examples.items()
        for signature, example in examples.items()
    ]


def _replay_saved_models(parity, folders):
    """What a fresh process says: the arrays that `saved_model_replay` writes."""
    with tempfile.TemporaryDirectory(prefix="keras_vae-") as folder:
        path = Path(folder) / "answers.npz"
        models = [f"{model}={place}" for model, place in folders.items()]
        # -P: modules beside the program are named like packages, onnx for one.
        process = subprocess.run(
            [sys.executable, "-P", saved_model_replay.__file__, parity, path, *models],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
            errors="replace",
        )
        if process.returncode:
            words = np.array(
                f"the process ended with status {process.returncode}: "
                f"{process.stderr.strip().splitlines()[-1:]}"
            )
            return {f"{model}/error": words for model in folders}
        with np.load(path) as answers:
            return dict(answers)


def _last_parts(names, prefix):
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def _verify_tflite(path, parity):
    """Results of one .tflite file."""
    metadata = read_tflite_metadata(path)
    try:
        file = LiteRTModel(path.read_bytes())
    except (ImportError, ValueError) as error:
        answer = _refuse(f"not run: {_first_line(error)}")
    else:

        def predict(model, signature, inputs, output_names):
            try:
                return file.run(signature, inputs)
            except (RuntimeError, ValueError) as error:
                raise NoAnswer(f"failed: {_first_line(error)}") from error

        answer = _both_ways(predict)
    examples = parity.examples[metadata["model"]]
    allowed = TFLITE_ALLOWED.get(metadata["quantization"])
    return [
        _result(
            path.name,
            metadata["model"],
            signature,
            examples[signature],
            answer,
            allowed,
        )
        for signature in metadata["signatures"]
    ]


def _verify_server(client, parity):
    """Results of a running server."""

    def predict(model, *request):
        return client.predict(model, parity.version, *request)

    results = []
    for model, examples in parity.examples.items():
        try:
            check_served(client, model, parity.version)
            answer = _both_ways(predict)
        except NoAnswer as error:
            # Each further request could wait as long.
            answer = _refuse(str(error))
        results += [
            _result(client.name, model, signature, example, answer, SERVER_ALLOWED)
            for signature, example in examples.items()
        ]
    return results


def _refuse(words):
    """What has no answer to anything, and why."""

    def answer(model, signature, example):
        raise NoAnswer(words)

    return answer


def _both_ways(predict):
    """What answers all examples in one request, then each alone."""

    def answer(model, signature, example):
        def ask(inputs):
            return predict(model, signature, inputs, list(example.outputs))

        whole = ask(example.inputs)
        singles = [ask(row) for row in one_by_one(example.inputs)]
        return [
            whole,
            {name: np.concatenate([part[name] for part in singles]) for name in whole},
        ]

    return answer


def _result(where, model, signature, example, answer, allowed):
    """Compares the answers of one signature with what is expected."""
    place = f"{model}/{signature}"
    size = _size(example)
    if allowed is not None and any(
        value.dtype == np.uint8 for value in example.outputs.values()
    ):
        allowed = LEVELS_ALLOWED
    try:
        whole, single = answer(model, signature, example)
    except NoAnswer as error:
        return Result(place, where, size, None, allowed, False, str(error))
    largest = max(deviation(example.outputs, whole), deviation(example.alone, single))
    if allowed is None:
        passed = np.isfinite(largest)
        verdict = "reported" if passed else "deviates"
    else:
        passed = largest <= allowed
        verdict = "equal" if passed else "deviates"
    return Result(place, where, size, largest, allowed, bool(passed), verdict)


def _size(example):
    return len(next(iter(example.inputs.values())))


def _first_line(text):
    return str(text).strip().split("\n")[0]
