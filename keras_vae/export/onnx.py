"""Two ONNX files, for runtimes that read those."""

import contextlib
import os

import numpy as np
import tensorflow as tf

from keras_vae import files
from keras_vae.export import folders
from keras_vae.export.endpoints import (
    decoder_endpoints,
    encoder_endpoints,
)
from keras_vae.export.parity import deviation, mean_deviation
from keras_vae.models import checks
from keras_vae.models.float32 import float32_copy
from keras_vae.version import __version__

ALLOWED = 1e-5


def export_onnx(vae, directory, *, data=None, version=1):
    """Exports encoder and decoder as ONNX files.

    ```
    directory/
      encoder.onnx    x -> z_mean, z_log_var      (the endpoint encode)
      decoder.onnx    z -> reconstruction         (the endpoint decode)
      report.json
    ```

    The batch size is free; images stay channels-last. Each file is run under
    onnxruntime and compared with the trained model before it is put in place. There is
    no `sample`: the random numbers of `keras_vae.noise` read the bits of a float32 as
    an integer, for which tf2onnx has no ONNX operator. An application draws `z` from
    the prior itself.

    Args:
        vae: A `keras_vae.VAE`.
        directory: Path of the folder. It may exist if it is empty or is of an earlier
            `export_onnx`, which it then replaces.
        data: Array `(n, *data_shape)` to compare with; samples of the model unless
            given.
        version: Integer, the version of the export, for the metadata.

    Returns:
        The report, a dictionary that `report.json` holds too: under `files`, for each
        file, `bytes`, and `deviation` and `mean_deviation` from the trained model (see
        `keras_vae.export.parity.deviation`).

    Raises:
        ImportError: If `tf2onnx` or `onnxruntime` is not installed.
        FileExistsError: If the folder holds something else.
        RuntimeError: If a file deviates by more than 1e-5.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.runs.load_vae("runs/digits")  # doctest: +SKIP
    >>> report = export_onnx(vae, "onnx")  # doctest: +SKIP

    Reference:
        https://onnxruntime.ai/docs
    """
    tf2onnx, onnxruntime = _require()
    directory = folders.check_directory(directory)
    version = checks.check_integer("version", version, minimum=1)
    vae = float32_copy(vae)
    if data is None:
        x = vae.sample(64, seed=0)
    else:
        x = checks.check_array("data", data, vae)[:64].astype("float32")
    z_mean, z_log_var = vae.encode(x)
    metadata = {
        "keras_vae": __version__,
        "version": str(version),
        "data_shape": ",".join(map(str, vae.data_shape)),
        "latent_dim": str(vae.latent_dim),
        "likelihood": vae.likelihood.identifier,
    }
    jobs = {
        "encoder": (
            encoder_endpoints(vae)["encode"],
            x,
            {"z_mean": z_mean, "z_log_var": z_log_var},
        ),
        "decoder": (
            decoder_endpoints(vae)["decode"],
            z_mean,
            {"reconstruction": vae.decode(z_mean)},
        ),
    }
    report = {"keras_vae": __version__, "version": version, "files": []}
    with folders.replacing(directory) as staging:
        for model, (endpoint, value, expected) in jobs.items():
            path = staging / f"{model}.onnx"
            path.write_bytes(_convert(tf2onnx, endpoint, metadata))
            received = _run(onnxruntime, path, value)
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
    specs = list(endpoint.inputs.values())
    function = tf.function(endpoint.function, input_signature=specs)
    # It prints what it does, and its warnings, to standard error and output.
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        model, _ = tf2onnx.convert.from_function(function, input_signature=specs)
    for tensor in [*model.graph.input, *model.graph.output]:
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model.SerializeToString()


def _run(onnxruntime, path, value):
    """What a file answers under onnxruntime, by name of the output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = [tensor.name for tensor in session.get_inputs()]
    names = [tensor.name for tensor in session.get_outputs()]
    answers = session.run(names, {name: np.asarray(value)})
    return dict(zip(names, answers, strict=True))
