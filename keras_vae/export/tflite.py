"""Two .tflite files that a phone runs."""

import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_vae import files, noise
from keras_vae.export import (
    flatbuffer,
    folders,
    litert,
    programs,
    tflite_convert,
    tflite_metadata,
    trial_data,
)
from keras_vae.export.endpoints import describe, exported_models, in_float32
from keras_vae.export.parity import check_version
from keras_vae.export.tflite_elbo import PARAMETERS, measure_elbo, parameters_endpoint
from keras_vae.export.tflite_report import measure_file
from keras_vae.version import __version__

QUANTIZATIONS = ("float16", "dynamic", "int8")

# More examples change neither the ranges nor the means by much, and cost time.
_MOST_FOR_CALIBRATION = 256
_MOST_FOR_ELBO = 2048
_NUM_COMPARED = 64


def export_tflite(
    vae,
    directory,
    quantize=(),
    representative_data=None,
    *,
    integer_io=False,
    test_data=None,
    labels=None,
    feature_names=None,
    version=1,
):
    """Exports encoder and decoder as .tflite files for LiteRT on a phone.

    ```
    directory/
      encoder.tflite    signature encode: x -> z_mean, z_log_var
      decoder.tflite    signatures decode: z -> reconstruction
                                   sample: seed -> z, reconstruction
      encoder_float16.tflite, ...                 for each quantization asked for
      report.json
    ```

    The batch size is free, the names are those of the SavedModels, and all operators
    are built into LiteRT. The quantizations:

    | name | weights | arithmetic |
    |---|---|---|
    | `float16` | float16 | float32 |
    | `dynamic` | int8, those of 1024 numbers or more | integer where an operator can |
    | `int8` | int8 | integer throughout |

    A smaller file is not always a faster one: transposed convolutions, for one, are
    slow under `dynamic`. The report has the time that each file takes.

    `sample` turns its seed into noise in 32-bit integers, which no quantization
    touches: every file draws the same `z` for a seed as the trained model does, as long
    as its prior is the standard normal (a prior with weights is quantized too).

    The files are converted in a process of their own, run here under LiteRT, measured,
    and put in place together.

    Args:
        vae: A `keras_vae.VAE`; or a `keras_vae.applications.AnomalyDetector`, of which
            `scorer.tflite` is a third file, in float32 whatever is asked for: scores in
            fewer bits are not those that it was calibrated with.
        directory: Path of the folder. It may exist if it is empty or is of an earlier
            `export_tflite`, whose files it then replaces; other files stay.
        quantize: Names of quantizations, or one name.
        representative_data: Array `(n, *data_shape)` or batches of it, from the
            training set, for `int8`: it gives each tensor its range.
        integer_io: Whether inputs and outputs of the `int8` files are int8 too (seeds
            excepted); each tensor has its scale and zero point. float32 otherwise.
        test_data: Array `(n, *data_shape)` or batches of it, for deviations and ELBO;
            `representative_data` unless given, and without either samples of the model,
            which give no ELBO, as do inputs outside the likelihood's support.
        labels: Sequence of strings that go into each file as `labels.txt`, or `None`.
        feature_names: Name of each value of the last axis of the data, or `None`; for
            the metadata in each file.
        version: Integer, the version of the export, for the metadata.

    Returns:
        The report, a dictionary that `report.json` holds too: under `files`, for each
        file, `bytes`, `share_of_float32`, `deviation` and `mean_deviation` from the
        trained model, `elbo` of the pair of files (nats, one draw for each example),
        `latency_ms` (median, one thread, one example), `weight_bytes` by type, `notes`.
        `format_report` makes a table of it.

    Raises:
        ImportError: If `ai_edge_litert` is not installed.
        FileExistsError: If the folder holds something else, or a file that is not of
            the earlier export and has the name of a new one.
        ValueError: If an argument is out of its range, or an operator is not built into
            LiteRT: it is named.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> folder = Path(tempfile.mkdtemp())
    >>> report = export_tflite(vae, folder / "tflite")
    >>> sorted(path.name for path in (folder / "tflite").iterdir())
    ['decoder.tflite', 'encoder.tflite', 'report.json']

    Reference:
        Jacob et al., "Quantization and training of neural networks for efficient
        integer-arithmetic-only inference" (2018), for `int8`.
    """
    quantize = _check_quantize(quantize, representative_data)
    litert.require("`export_tflite` runs what it has written, which")
    directory = folders.check_directory(directory, "tflite")
    programs.prepare()
    exported, vae = in_float32(vae)
    metadata = describe(vae, check_version(version), feature_names)
    metadata |= getattr(exported, "metadata", {})
    calibration = x = None
    if representative_data is not None:
        calibration = x = trial_data.take(
            "representative_data", representative_data, vae, _MOST_FOR_CALIBRATION
        )
    if test_data is not None:
        x = trial_data.take("test_data", test_data, vae, _MOST_FOR_ELBO)
    source = "test_data" if test_data is not None else "representative_data"
    models = {
        name: {key: end for key, end in endpoints.items() if end.portable}
        for name, endpoints in exported_models(exported).items()
    }
    models = {name: endpoints for name, endpoints in models.items() if endpoints}
    compared = _inputs(models, x or trial_data.generate(vae, _NUM_COMPARED))
    compared = {
        name: {key: value[:_NUM_COMPARED] for key, value in inputs.items()}
        for name, inputs in compared.items()
    }
    parameters = None
    # Noisy inputs of a model that was trained to explain others have no ELBO.
    if x is not None and trial_data.in_support(vae, x["x"]):
        parameters = parameters_endpoint(vae, models)
    converted = models if parameters is None else models | {PARAMETERS: parameters}
    contents = _convert(
        converted,
        quantizations := ("float32", *quantize),
        None if calibration is None else _inputs(converted, calibration),
        integer_io,
    )
    report = {
        "keras_vae": __version__,
        "kind": "tflite",
        "version": metadata["version"],
        "data": "samples of the model" if x is None else source,
        "num_examples": None if x is None else len(x["x"]),
        "files": [],
    }
    with folders.replaced(directory, "tflite") as staging:
        for quantization in quantizations:
            elbo = None
            if parameters is not None and ("encoder", quantization) in contents:
                pair = [contents[s, quantization] for s in ("encoder", PARAMETERS)]
                elbo = measure_elbo(vae, *pair, x)
            for model, endpoints in _in(quantization, models).items():
                content = contents[model, quantization]
                notes = _check_types(content, model, quantization)
                path = staging / _file_name(model, quantization)
                about = {"model": model, "quantization": quantization}
                path.write_bytes(_with_metadata(content, about | metadata, labels))
                float32_path = staging / _file_name(model, "float32")
                row = _measure(path, float32_path, endpoints, compared)
                notes += _size_notes(row, quantization)
                report["files"].append(
                    {"file": path.name, **about, **row, "elbo": elbo, "notes": notes}
                )
        files.write_json(staging / folders.REPORT, report)
    return report


def _check_quantize(quantize, representative_data):
    quantize = (quantize,) if isinstance(quantize, str) else tuple(quantize)
    for name in quantize:
        if name not in QUANTIZATIONS:
            raise ValueError(
                f"`quantize` should hold names among {QUANTIZATIONS}. "
                f"Received: {name!r}"
            )
    if "int8" in quantize and representative_data is None:
        raise ValueError(
            "`representative_data` should be given for int8, which takes the range of "
            "each tensor from it. Received: None. Mend: "
            "representative_data=x_train[:256]"
        )
    return tuple(name for name in QUANTIZATIONS if name in quantize)


def _inputs(models, data):
    """Inputs of each endpoint by its name."""
    seeds = noise.example_seeds(0, 0, len(data["x"])).numpy()
    return {
        name: endpoint.examples(data, seeds)
        for endpoints in models.values()
        for name, endpoint in endpoints.items()
    }


def _convert(models, quantizations, calibration, integer_io):
    """Bytes of each .tflite file by `(model, quantization)`."""
    jobs = [
        {
            "signatures": list(endpoints),
            "quantization": quantization,
            "integer_io": integer_io and model != PARAMETERS,
            "file": _file_name(model, quantization),
        }
        for quantization in quantizations
        for model, endpoints in _in(quantization, models).items()
    ]
    with tempfile.TemporaryDirectory(prefix="keras_vae-") as folder:
        folder = Path(folder)
        archive = keras.export.ExportArchive()
        for endpoints in models.values():
            for name, endpoint in endpoints.items():
                archive.add_endpoint(name, endpoint.function, [endpoint.inputs])
        archive.write_out(str(folder / "saved_model"), verbose=False)
        if "int8" in quantizations:
            arrays = {
                f"{signature}/{name}": value
                for signature, inputs in calibration.items()
                for name, value in inputs.items()
            }
            np.savez(folder / "calibration.npz", **arrays)
        (folder / "jobs.json").write_text(json.dumps(jobs))
        _run_converter(folder)
        return {
            (model, quantization): (
                folder / _file_name(model, quantization)
            ).read_bytes()
            for quantization in quantizations
            for model in _in(quantization, models)
        }


def _in(quantization, models):
    """The models that there is a file of in a quantization."""
    if quantization == "float32":
        return models
    return {
        model: endpoints
        for model, endpoints in models.items()
        if all(endpoint.quantizable for endpoint in endpoints.values())
    }


def _file_name(model, quantization):
    suffix = "" if quantization == "float32" else f"_{quantization}"
    return f"{model}{suffix}.tflite"


def _run_converter(folder):
    status, said = programs.run(tflite_convert, folder)
    if status == 0:
        return
    description = folder / "error.json"
    if not description.exists():
        raise RuntimeError(
            f"The converter to TFLite ended with status {status}. It said: "
            f"{said[-2000:]}"
        )
    raise ValueError(_complaint(**json.loads(description.read_text())))


def _complaint(signatures, operators, message):
    """What the converter says, in words for the person whose model it is."""
    where = " and ".join(f"`{signature}`" for signature in signatures)
    if not operators:
        return f"The converter to TFLite refuses {where}: {message[:2000]}"
    named = "; ".join(
        sorted({f"{x['name']} at {x['place'] or 'no place'}" for x in operators})
    )
    return (
        f"`vae` should use operators that LiteRT has built in. Received, in {where}: "
        f"{named}. Mend: build the layer at that place from other operations "
        "(https://ai.google.dev/edge/litert/conversion/tensorflow/ops_compatibility)"
    )


def _check_types(content, model, quantization):
    """Checks that a file is what its name says.

    Returns:
        List of strings: what a person should know of it.
    """
    tree = flatbuffer.read(content)
    foreign = flatbuffer.foreign_operators(tree)
    if foreign:
        raise ValueError(
            f"{_file_name(model, quantization)} should use operators that LiteRT has "
            f"built in. Received: {', '.join(foreign)}"
        )
    weights = flatbuffer.weight_bytes(tree)
    wanted = {"float16": "FLOAT16", "dynamic": "INT8", "int8": "INT8"}
    wanted = wanted.get(quantization, "FLOAT32")
    if wanted not in weights:
        if quantization != "dynamic":
            raise RuntimeError(
                f"{_file_name(model, quantization)} should have weights of type "
                f"{wanted}. Received: {weights}"
            )
        return ["all in float32: no weights of 1024 numbers or more to make int8"]
    notes = []
    if quantization == "int8":
        floats = flatbuffer.float_operators(tree)
        if floats:
            notes.append(f"{', '.join(floats)} in float32: no integer form of them")
    return notes


def _with_metadata(content, metadata, labels):
    """A file that says of itself what it is, its tensors included."""
    model = litert.LiteRTModel(content)
    signatures = {name: model.tensors(name) for name in model.signatures}
    return tflite_metadata.append(
        content, metadata | {"signatures": signatures}, labels
    )


def _measure(path, float32_path, endpoints, inputs):
    """The measurements of a file, against the trained model."""
    expected = {
        name: endpoint.reference(inputs[name]) for name, endpoint in endpoints.items()
    }
    inputs = {name: inputs[name] for name in endpoints}
    row = measure_file(path.read_bytes(), inputs, expected, float32_path.read_bytes())
    if not np.isfinite(row["deviation"]):
        raise RuntimeError(f"{path.name} answers with nan or infinity")
    return row


def _size_notes(row, quantization):
    if quantization == "float32" or row["share_of_float32"] < 1:
        return []
    return [
        "not smaller than the float32 file: of so small a model the weights are less "
        "than the description of the graph"
    ]
