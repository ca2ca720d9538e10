"""Two ONNX files, for runtimes that read those."""

import contextlib
import json
import os

import tensorflow as tf

from keras_vae import files, noise
from keras_vae.export import folders, trial_data
from keras_vae.export.endpoints import describe, exported_models
from keras_vae.export.parity import check_version, deviation, mean_deviation
from keras_vae.models.float32 import float32_copy
from keras_vae.version import __version__

ALLOWED = 1e-5
_NUM_COMPARED = 64


def export_onnx(vae, directory, *, data=None, version=1):
    """Exports encoder and decoder as ONNX files.

    ```
    directory/
      encoder.onnx    x -> z_mean, z_log_var      (the endpoint encode)
      decoder.onnx    z -> reconstruction         (the endpoint decode)
      report.json
    ```

    The default endpoint of each model. The batch size is free; images stay
    channels-last. Each file is run under onnxruntime and compared with the trained
    model before it is put in place. There is no `sample`: the random numbers of
    `keras_vae.noise` read the bits of a float32 as an integer, for which tf2onnx has no
    ONNX operator. An application draws `z` from the prior itself.

    Args:
        vae: A `keras_vae.VAE`.
        directory: Path of the folder. It may exist if it is empty or is of an earlier
            `export_onnx`, whose files it then replaces; other files stay.
        data: Array `(n, *data_shape)` to compare with; samples of the model unless
            given.
        version: Integer, the version of the export, for the metadata.

    Returns:
        The report, a dictionary that `report.json` holds too: under `files`, for each
        file, `bytes`, and `deviation` and `mean_deviation` from the trained model (see
        `keras_vae.export.parity.deviation`).

    Raises:
        ImportError: If `tf2onnx` or `onnxruntime` is not installed.
        FileExistsError: If the folder holds something else, or a file that is not of
            the earlier export and has the name of a new one.
        RuntimeError: If a file deviates by more than 1e-5.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.load("runs/digits")  # doctest: +SKIP
    >>> report = export_onnx(vae, "onnx")  # doctest: +SKIP

    Reference:
        https://onnxruntime.ai/docs
    """
    tf2onnx, onnxruntime = _require()
    directory = folders.check_directory(directory, "onnx")
    version = check_version(version)
    vae = float32_copy(vae)
    if data is None:
        data = trial_data.generate(vae, _NUM_COMPARED)
    else:
        data = trial_data.take("data", data, vae, _NUM_COMPARED)
    seeds = noise.example_seeds(0, 0, len(data["x"])).numpy()
    metadata = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in describe(vae, version).items()
    }
    report = {
        "keras_vae": __version__,
        "kind": "onnx",
        "version": version,
        "files": [],
    }
    with folders.replaced(directory, "onnx") as staging:
        for model, endpoints in exported_models(vae).items():
            endpoint = next(iter(endpoints.values()))
            inputs = endpoint.examples(data, seeds)
            path = staging / f"{model}.onnx"
            path.write_bytes(_convert(tf2onnx, endpoint, metadata))
            expected = endpoint.reference(inputs)
            received = _run(onnxruntime, path, inputs)
            row = {
                "file": path.name,
                "bytes": path.stat().st_size,
                "deviation": deviation(expected, received),
                "mean_deviation": mean_deviation(expected, received),
            }
            if row["deviation"] > ALLOWED:
                raise RuntimeError(
                    f"{path.name} deviates by {row['deviation']:.1e} from the trained "
                    f"model under onnxruntime, more than {ALLOWED:g}"
                )
            report["files"].append(row)
        files.write_json(staging / folders.REPORT, report)
    return report


def _require():
    try:
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "`export_onnx` needs the packages tf2onnx and onnxruntime, an extra of "
            "keras-vae. Mend: pip install 'keras-vae[onnx]'"
        ) from error
    return tf2onnx, onnxruntime


def _convert(tf2onnx, endpoint, metadata):
    """The bytes of an ONNX file, of an endpoint."""
    names, specs = list(endpoint.inputs), list(endpoint.inputs.values())
    function = tf.function(
        lambda *tensors: endpoint.function(dict(zip(names, tensors, strict=True))),
        input_signature=specs,
    )
    # It prints what it does, and its warnings, to standard error and output.
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        model, _ = tf2onnx.convert.from_function(function, input_signature=specs)
    for tensor in [*model.graph.input, *model.graph.output]:
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model.SerializeToString()


def _run(onnxruntime, path, inputs):
    """What a file answers under onnxruntime, by name of the output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
