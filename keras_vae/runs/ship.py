"""Everything that leaves a run: what is exported, from which data it is checked."""

import importlib.util
from pathlib import Path

from keras_vae import export

EXPORTS = ("all", "saved_models", "none")
TFLITE_EXAMPLES = 1000  # to calibrate with, and to measure on


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
            vae, directory / "tflite", data, ("float16", "int8"), saved.version, drawn
        )
    return saved.version


def tflite(vae, directory, data, quantize, version=1, drawn=None, **arguments):
    """`export_tflite` with the examples of a data set; returns its report."""
    return export.export_tflite(
        vae,
        directory,
        quantize=quantize,
        representative_data=examples(data, ("train",), drawn),
        test_data=examples(data, ("test", "validation", "train"), drawn),
        labels=data.label_names,
        version=version,
        **arguments,
    )


def examples(data, names, drawn=None):
    """The first examples of the first of these splits that there is."""
    split = next(s for name in names if (s := getattr(data, name)) is not None)
    batches = split.batches(TFLITE_EXAMPLES, **(drawn or {}))
    return next(batches.as_numpy_iterator())
