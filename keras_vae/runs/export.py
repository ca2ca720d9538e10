"""What leaves a run: SavedModels, `.tflite` files, and the proof of them."""

import hashlib
import importlib.util
import shutil

from keras_vae import export
from keras_vae.runs.run import batch_arguments, write_config

MOST_EXAMPLES = 1000  # to calibrate with, and to measure on


def export_run(folder, config, data, vae):
    """Exports the trained model of a run into its folder `export/`.

    Writes `encoder/<version>` and `decoder/<version>` with the server's configuration,
    `parity.npz` for `keras_vae.export.verify`, and `tflite/` with the float32, float16
    and int8 files, if LiteRT is installed to check them with (the extra `tflite`).

    The same weights are exported once: what was broken off is completed, under the
    version that the run's settings have noted before it was begun.
    """
    directory = folder / "export"
    weights = hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    arguments = batch_arguments(config)
    version, complete = _noted(directory, config.get("exported") or {}, weights)
    if not complete:
        _note(folder, config, version, weights, complete=False)
        export.export_saved_models(
            vae,
            directory,
            version,
            data=examples(data, ("test", "validation", "train"), arguments),
            feature_names=data.feature_names,
        )
        _note(folder, config, version, weights, complete=True)
    if config["exports"] == "all" and importlib.util.find_spec("ai_edge_litert"):
        convert_run(
            vae,
            directory / "tflite",
            data,
            quantize=("float16", "int8"),
            version=version,
            batch_arguments=arguments,
        )


def _noted(directory, noted, weights):
    """The version to export as, and whether it has been exported before."""
    models = [directory / name for name in ("encoder", "decoder")]
    if noted.get("weights") != weights:
        found = [int(p.name) for m in models for p in m.glob("*") if p.name.isdecimal()]
        return 1 + max(found, default=0), False
    version = noted["version"]
    there = [m / str(version) for m in models if (m / str(version)).is_dir()]
    if noted["complete"] and len(there) == len(models):
        return version, True
    for path in there:  # of an export that was broken off
        shutil.rmtree(path)
    return version, False


def _note(folder, config, version, weights, complete):
    config["exported"] = {"version": version, "weights": weights, "complete": complete}
    write_config(folder, config)


def convert_run(
    vae,
    directory,
    data,
    *,
    quantize=(),
    version=1,
    integer_io=False,
    batch_arguments=None,
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
        batch_arguments: Arguments of `Split.batches`; see `Run.batch_arguments`.

    Returns:
        The report of `keras_vae.export.export_tflite`.

    Example:

    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> report = convert_run(run.vae, "phone", run.dataset())  # doctest: +SKIP
    """
    return export.export_tflite(
        vae,
        directory,
        quantize=quantize,
        representative_data=examples(data, ("train",), batch_arguments),
        test_data=examples(data, ("test", "validation", "train"), batch_arguments),
        labels=data.label_names,
        version=version,
        integer_io=integer_io,
        feature_names=data.feature_names,
    )


def examples(data, names, batch_arguments=None):
    """The first examples of the first split that there is.

    Args:
        data: `keras_vae.datasets.Dataset`.
        names: Names of splits, `"train"`, `"validation"` or `"test"`, in the order in
            which they are looked for.
        batch_arguments: Arguments of `Split.batches`; see `Run.batch_arguments`.

    Returns:
        float32 array `(n, *data_shape)` of at most 1,000 examples; with a condition a
        dictionary of arrays.

    Example:

    >>> import keras_vae
    >>> data = keras_vae.datasets.load("digits")
    >>> keras_vae.runs.examples(data, ("test", "train")).shape
    (180, 8, 8, 1)
    """
    split = next(s for name in names if (s := getattr(data, name)) is not None)
    batches = split.batches(MOST_EXAMPLES, **(batch_arguments or {}))
    return next(batches.as_numpy_iterator())
