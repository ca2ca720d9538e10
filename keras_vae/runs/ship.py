"""Everything that leaves a run: what is exported, from which data it is checked."""

import importlib.util
from pathlib import Path

from keras_vae import export

MOST_EXAMPLES = 1000  # to calibrate with, and to measure on


def ship(vae, directory, data, *, exports="all", version=None, drawn=None):
    """Exports a trained model with what proves that the export computes the same.

    Writes `encoder/<version>` and `decoder/<version>` with the server's configuration,
    `parity.npz` for `keras_vae.export.verify`, and `tflite/` with the float32, float16
    and int8 files, if LiteRT is installed to check them with (the extra `tflite`).

    Args:
        vae: `VAE`.
        directory: Where to write.
        data: `keras_vae.datasets.Dataset`: train calibrates the int8 files, test (or
            what there is) measures them.
        exports: `"all"`, `"saved_models"` or `"none"`.
        version: Integer; unless given, the next free one.
        drawn: Arguments of `Split.batches`, how the data were made binary.

    Returns:
        Version of the SavedModels, or `None` if nothing was exported.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> data = keras_vae.datasets.load("digits")
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense(data.data_shape, 2))
    >>> ship(vae, tempfile.mkdtemp(), data, exports="saved_models")
    1
    """
    if exports == "none":
        return None
    directory = Path(directory)
    test = examples(data, ("test", "validation", "train"), drawn)
    saved = export.export_saved_models(vae, directory, version)
    export.write_parity(
        vae,
        directory / "parity.npz",
        version=saved.version,
        data=test,
        num_examples=min(16, len(test)),
    )
    if exports == "all" and importlib.util.find_spec("ai_edge_litert"):
        tflite(
            vae,
            directory / "tflite",
            data,
            quantize=("float16", "int8"),
            version=saved.version,
            drawn=drawn,
        )
    return saved.version


def tflite(
    vae, directory, data, *, quantize=(), version=1, integer_io=False, drawn=None
):
    """Exports `.tflite` files, calibrated and measured with a data set.

    Args:
        vae: `VAE`.
        directory: Where to write.
        data: `keras_vae.datasets.Dataset`: train calibrates, test (or what there is)
            measures.
        quantize: Names of quantizations; see `keras_vae.export.export_tflite`.
        version: Integer, the version of the export.
        integer_io: Whether inputs and outputs of the int8 files are int8.
        drawn: Arguments of `Split.batches`, how the data were made binary.

    Returns:
        The report of `keras_vae.export.export_tflite`.

    Example:

    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> report = tflite(run.vae, "phone", run.dataset())  # doctest: +SKIP
    """
    return export.export_tflite(
        vae,
        directory,
        quantize=quantize,
        representative_data=examples(data, ("train",), drawn),
        test_data=examples(data, ("test", "validation", "train"), drawn),
        labels=data.label_names,
        version=version,
        integer_io=integer_io,
    )


def examples(data, names, drawn=None):
    """The first examples of the first split that there is.

    Args:
        data: `keras_vae.datasets.Dataset`.
        names: Names of splits, `"train"`, `"validation"` or `"test"`, in the order in
            which they are looked for.
        drawn: Arguments of `Split.batches`, how the data were made binary.

    Returns:
        float32 array `(n, *data_shape)` of at most 1,000 examples.

    Example:

    >>> import keras_vae
    >>> examples(keras_vae.datasets.load("digits"), ("test", "train")).shape
    (180, 8, 8, 1)
    """
    split = next(s for name in names if (s := getattr(data, name)) is not None)
    batches = split.batches(MOST_EXAMPLES, **(drawn or {}))
    return next(batches.as_numpy_iterator())
