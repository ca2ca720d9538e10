"""Data: `load` gives a `Dataset` with train, validation and test splits."""

import os
import pathlib

from keras_vae.arguments import check_integer
from keras_vae.datasets.arrays import load_digits, load_npy, load_npz
from keras_vae.datasets.dataset import Dataset, KnownFactors, Split
from keras_vae.datasets.description import check_like, check_same
from keras_vae.datasets.images import LARGEST_SIDE, load_folder
from keras_vae.datasets.images import SUFFIXES as IMAGE_SUFFIXES
from keras_vae.datasets.letters import load_letters
from keras_vae.datasets.mixed_batches import MixedBatches, hide_labels
from keras_vae.datasets.sprites import (
    SPRITE_FACTORS,
    draw_sprites,
    load_sprites,
    random_sprites,
)
from keras_vae.datasets.table_schema import TableSchema
from keras_vae.datasets.tables import load_csv
from keras_vae.datasets.tfds import UnknownNameError, is_tfds_name, load_tfds

__all__ = [
    "SPRITE_FACTORS",
    "Dataset",
    "KnownFactors",
    "MixedBatches",
    "Split",
    "TableSchema",
    "UnknownNameError",
    "check_same",
    "draw_sprites",
    "hide_labels",
    "load",
    "random_sprites",
]


def load(
    name_or_path,
    *,
    data_dir=None,
    image_size=None,
    channels=None,
    kind=None,
    array=None,
    label_column=None,
    validation_fraction=0.1,
    test_fraction=0.1,
    seed=0,
    memory_limit=2**30,
    like=None,
    missing_labels=None,
):
    """Loads a data set by its name, or from a folder or file.

    - `"digits"`: scikit-learn's 1,797 handwritten digits, 8 x 8, in [0, 1].
    - `"letters"`: 26,000 capitals, 28 x 28, drawn from matplotlib's fonts.
    - `"sprites"`: 24,000 squares, ellipses and hearts, 64 x 64, drawn from the factors
      of dSprites (`random_sprites` has these).
    - `"mnist"`, `"emnist/letters"`, ...: an image data set of tensorflow-datasets,
      downloaded if it is not in `data_dir` yet. Of `"dsprites"` the labels are the
      shapes, and `factors` has the others.
    - a folder of images (PNG, JPEG, BMP, GIF, WebP, TIFF). Subfolders are labels; they
      are splits if one of them is called `train`.
    - `x.npy`: one array.
    - `x.npz`: `x_train` (or `train_images`, `x`, `images`, `data`, or any name if the
      array is alone), `x_validation` (or `x_val`, `val_images`) and `x_test` (or
      `test_images`); labels in `y_train` (or `train_labels`, `y`, `labels`),
      `y_validation`, `y_test`. `array` chooses one by another name.
    - `x.csv`: numbers, with a header or without (pandas' `0,1,2` is one);
      `label_column` is a column of labels. Columns that are called `index` or
      `id`, or count the rows, are left out with a warning.

    Arrays are `(examples, features)`, `(examples, height, width)`, `(examples, height,
    width, channels)`, or series `(examples, steps, channels)`: an array of three axes
    holds images if its type is uint8 or bool or its last axis is 8 or more, and series
    otherwise; `kind` decides where this rule does not fit. Bytes (uint8) are divided by
    255; other numbers are taken as they are: whole numbers as counts, booleans as 0 and
    1. A transparent part of an image is taken in its hidden colour.

    The data's own validation and test splits are used. A split that they lack is
    drawn at random from train, by the seed alone. Data larger than `memory_limit`
    stream from their files.

    Args:
        name_or_path: String or path. A name that is a data set's and a folder's is
            the data set's: write `./name` for the folder.
        data_dir: Folder of prepared tensorflow-datasets; the environment variable
            `TFDS_DATA_DIR` or `~/tensorflow_datasets` if not given.
        image_size: Integer or `(height, width)`: images from files and from
            tensorflow-datasets are scaled to cover it and cut around the centre.
        channels: 1 or 3, for a folder of images; decided from the files if not given
            (1 if all of them are grey).
        kind: `"images"`, `"series"` or `"vectors"`: what the arrays of a file hold;
            decided by their type and shape if not given. Of a `.csv` file `"vectors"`
            of numbers alone, or a `"table"` of columns of several kinds, with missing
            values (see `TableSchema`), which it is if a field holds no number.
        array: Name of the one array of an `.npz` file to take.
        label_column: Name or index of a `.csv` file's column of labels; name of an
            `.npz` file's array of labels for train.
        validation_fraction: Fraction of train for a validation split, if the data
            have none; 0 for none.
        test_fraction: The same for a test split.
        seed: Integer from 0 to 2**32 - 1, of the split.
        memory_limit: Bytes up to which a data set is kept in memory, as uint8 or
            float32.
        like: The `description` of other data, that a model was trained with: these are
            read as those were (size, channels, kind, labels), the columns of a table
            are matched by name and brought into the same order.
        missing_labels: Whether rows of a `.csv` file may lack their label; that is then
            `"-1"`.

    Returns:
        A `Dataset`.

    Raises:
        UnknownNameError: If there is no data set of that name; a `ValueError`.
        ValueError: If an argument does not fit, or the data are empty, ragged, not
            finite or damaged, or do not fit to `like`.
        FileNotFoundError: If there is no such file or folder.
        ConnectionError: If a data set is to be downloaded and there is no network.
        OSError: If it cannot be prepared.
        ImportError: If it needs tensorflow-datasets, which is not installed.

    Example:

    >>> import keras_vae
    >>> keras_vae.datasets.load("digits", seed=1)
    <Dataset digits, data_shape=(8, 8, 1), train=1437, ..., num_classes=10>
    """
    name = os.fspath(name_or_path)
    fractions = _fractions(validation_fraction, test_fraction)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    image_size = _image_size(image_size)
    if channels not in (None, 1, 3):
        raise ValueError(f"`channels` should be 1 or 3. Received: channels={channels}")

    if kind not in (None, "images", "series", "vectors", "table"):
        raise ValueError(
            "`kind` should be 'images', 'series', 'vectors' or 'table'. Received: "
            f"kind={kind!r}"
        )

    path = pathlib.Path(name).expanduser()
    form = _form(name_or_path, name, path)
    if form != ".csv" and (kind or (like or {}).get("kind")) == "table":
        raise ValueError(
            "A table of columns with names is a .csv file (in Python a DataFrame: "
            f"keras_vae.applications.TableSynthesizer). Received: {name!r}"
        )
    given = {
        "image_size": image_size,
        "channels": channels,
        "kind": kind,
        "array": array,
        "label_column": label_column,
        "missing_labels": missing_labels,
    }
    for argument, value in given.items():
        if value is not None and argument not in ARGUMENTS.get(form, ()):
            raise ValueError(
                f"`{argument}` does not apply to {name!r}. Received: "
                f"{argument}={value!r}"
            )
    if like is not None:
        for argument, value in _settings(like).items():
            if form == ".csv" and value not in ("vectors", "table"):
                continue
            if given[argument] is None and argument in ARGUMENTS.get(form, ()):
                given[argument] = value
    options = {name: given[name] for name in ARGUMENTS.get(form, ())}
    if form in READ_LIKE:
        options["like"] = like
    if form == "letters":
        dataset = load_letters()
    elif form == "sprites":
        dataset = load_sprites()
    elif form == "digits":
        dataset = load_digits(fractions, seed)
    elif form == "name":
        dataset = load_tfds(name, data_dir, fractions, seed, memory_limit, **options)
    else:
        dataset = LOADERS[form](path, fractions, seed, memory_limit, **options)
    if like is not None:
        check_like(dataset, like)
    return dataset


LOADERS = {
    "folder": load_folder,
    ".csv": load_csv,
    ".npy": load_npy,
    ".npz": load_npz,
}
READ_LIKE = ("folder", ".csv", ".npz")  # what may have labels or named columns
# What applies to some kinds of data only.
ARGUMENTS = {
    "name": ("image_size",),
    "folder": ("image_size", "channels"),
    ".csv": ("label_column", "kind", "missing_labels"),
    ".npy": ("kind",),
    ".npz": ("kind", "array", "label_column"),
}


def _settings(like):
    """The arguments of `load` that read data as described ones were read."""
    if like["kind"] != "images":
        return {"kind": like["kind"]}
    height, width, channels = like["data_shape"]
    channels = channels if channels in (1, 3) else None
    return {"kind": "images", "image_size": (height, width), "channels": channels}


def _form(name_or_path, name, path):
    """What a name or path leads to: a name of ours, "name", "folder" or a suffix."""
    is_name = isinstance(name_or_path, str) and os.path.basename(name) == name
    if name in ("digits", "letters", "sprites") and is_name:
        return name
    if is_name and path.is_dir() and is_tfds_name(name):
        return "name"
    if name and path.is_dir():
        return "folder"
    suffix = path.suffix.lower()
    if suffix in (".csv", ".npy", ".npz"):
        if path.is_file():
            return suffix
        if path.exists():  # a pipe would wait for ever
            raise ValueError(f"{name!r} is no file, but a pipe, socket or device.")
        raise FileNotFoundError(f"There is no file {name!r}.")
    if path.is_file():
        hint = " Give the folder that it is in." if suffix in IMAGE_SUFFIXES else ""
        raise ValueError(
            f"A data set is a folder of images, or a file .npz, .npy or .csv.{hint} "
            f"Received: {name!r}"
        )
    if (
        name[:1] in (".", "~")
        or path.is_absolute()
        or not isinstance(name_or_path, str)
    ):
        raise FileNotFoundError(f"There is no file or folder {name!r}.")
    return "name"


def _fractions(validation_fraction, test_fraction):
    fractions = {"validation": validation_fraction, "test": test_fraction}
    for part, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise ValueError(
                f"`{part}_fraction` should be in [0, 1). Received: "
                f"{part}_fraction={fraction}"
            )
    if validation_fraction + test_fraction >= 1:
        raise ValueError(
            "`validation_fraction` and `test_fraction` should leave something to train "
            f"with. Received: {validation_fraction} and {test_fraction}"
        )
    return fractions


def _image_size(image_size):
    if image_size is None:
        return None
    size = image_size if isinstance(image_size, (tuple, list)) else [image_size] * 2
    whole = all(isinstance(n, int) for n in size)
    if len(size) != 2 or not whole or not all(0 < n <= LARGEST_SIDE for n in size):
        raise ValueError(
            "`image_size` should be a positive whole number or two of them, (height, "
            f"width), up to {LARGEST_SIDE}. Received: image_size={image_size!r}"
        )
    return tuple(size)
