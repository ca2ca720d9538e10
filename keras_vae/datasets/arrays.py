"""Digits, `.npy` and `.npz`: data that are arrays already."""

import os
import tempfile
import tokenize
import zipfile
import zlib

import numpy as np

from keras_vae.arguments import did_you_mean
from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.description import file_origin, fingerprint
from keras_vae.datasets.sources import ArraySource, finite_range
from keras_vae.datasets.splits import encode_labels, split

# The names under which people keep a split and its labels in an .npz.
KEYS = {
    "train": (
        ("x_train", "train_images", "x", "images", "data"),
        ("y_train", "train_labels", "y", "labels"),
    ),
    "validation": (
        ("x_validation", "x_val", "x_valid", "validation_images", "val_images"),
        ("y_validation", "y_val", "y_valid", "validation_labels", "val_labels"),
    ),
    "test": (("x_test", "test_images"), ("y_test", "test_labels")),
}
# What NumPy raises for a damaged or hostile file.
UNREADABLE = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_digits(fractions, seed):
    """The 1,797 handwritten digits (8 x 8, 17 grey levels) that scikit-learn has."""
    # A slow import, for one data set.
    import sklearn.datasets

    digits = sklearn.datasets.load_digits()
    x = (digits.images / 16).astype("float32")[..., np.newaxis]
    labels, label_names = encode_labels({"train": digits.target})
    return Dataset(
        "digits",
        split({"train": ArraySource(x, labels["train"])}, fractions, seed),
        kind="images",
        label_names=label_names,
        levels=17,
        origin={"num_bytes": x.nbytes, "fingerprint": fingerprint("digits", 1)},
    )


def load_npy(path, fractions, seed, memory_limit, kind):
    """One array, of which validation and test are split off; a large one is mapped."""
    origin = file_origin(path)
    x = _read_npy(path)
    kind = _find_kind(x, kind, str(path))
    source = _source(x, None, kind, str(path), memory_limit)
    parts = split({"train": source}, fractions, seed)
    return Dataset(
        path.stem,
        parts,
        kind=kind,
        levels=_levels(x),
        origin={**origin, "dtype": x.dtype.name},
    )


def load_npz(path, fractions, seed, memory_limit, kind, array, label_column, like):
    """The arrays of an `.npz`, by the names in `KEYS`; a large one is mapped."""
    origin = file_origin(path)
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    with archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        if array is None and (like or {}).get("array") in members:
            array = like["array"]
        chosen = {"array": array, "label_column": label_column}
        for argument, key in chosen.items():
            if key is not None and key not in members:
                raise ValueError(
                    f"`{argument}` should be the name of an array in {path}: "
                    f"{_shapes(path, archive, members)}."
                    f"{did_you_mean(key, members)} Received: {argument}={key!r}"
                )
        if array is not None:
            found = {"train": (array, label_column)}
        else:
            found = _find_keys(path, archive, members, label_column)
        arrays = {
            key: _read_member(path, archive, members[key], memory_limit)
            for keys in found.values()
            for key in keys
            if key is not None
        }
    labels = {
        part: _check_labels(arrays[y], arrays[x], f"{path}: {y}")
        for part, (x, y) in found.items()
        if y is not None
    }
    if 0 < len(labels) < len(found):
        without = next(part for part in found if part not in labels)
        raise ValueError(
            f"{path} has labels for {' and '.join(labels)} and none for {without}: "
            "give labels for all splits or for none."
        )
    known = (like or {}).get("label_names") or ()
    codes, label_names = encode_labels(labels, known) if labels else ({}, None)
    train = arrays[found["train"][0]]
    kind = _find_kind(train, kind, f"{path}: {found['train'][0]}")
    parts = {
        part: _source(arrays[x], codes.get(part), kind, f"{path}: {x}", memory_limit)
        for part, (x, _) in found.items()
    }
    return Dataset(
        path.stem,
        split(parts, fractions, seed),
        kind=kind,
        label_names=label_names,
        levels=_levels(train),
        origin={**origin, "dtype": train.dtype.name, "array": array},
    )


def _find_keys(path, archive, members, label_column):
    """Dictionary from a split to the keys of its data and its labels (or `None`)."""
    if len(members) == 1:
        return {"train": (next(iter(members)), None)}
    found = {}
    for part, names in KEYS.items():
        x, y = (
            [key for key in alternatives if key in members] for alternatives in names
        )
        if len(x) > 1 or len(y) > 1:
            raise ValueError(
                f"{path} should hold one array for {part}. Received: "
                f"{', '.join(x if len(x) > 1 else y)}"
            )
        if x:
            found[part] = (x[0], y[0] if y else None)
    if "train" not in found:
        raise ValueError(
            f"{path} should hold an array named {', '.join(KEYS['train'][0])}, or one "
            "array alone, or one that is chosen by its name (`array=NAME`). Received: "
            f"{_shapes(path, archive, members)}"
        )
    if label_column is not None:
        found["train"] = (found["train"][0], label_column)
    return found


def _shapes(path, archive, members):
    """The names and shapes of the arrays of an archive, for people."""
    shapes = []
    for key, name in members.items():
        try:
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read_header = getattr(
                    np.lib.format, f"read_array_header_{version[0]}_0"
                )
                shapes.append(f"{key} {read_header(file)[0]}")
        except (*UNREADABLE, AttributeError):
            shapes.append(key)
    return ", ".join(shapes) or "no arrays"


def _read_npy(path):
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _read_member(path, archive, name, memory_limit):
    try:
        # A compressed array cannot be mapped where it is: a large one is unpacked
        # into a file, whose name is gone at once and whose space when the array is.
        if archive.getinfo(name).file_size > memory_limit:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                unpacked = archive.extract(name, folder)
                return np.lib.format.open_memmap(unpacked, mode="r")
        with archive.open(name) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    reason = str(error) or type(error).__name__
    if "allow_pickle" in reason or "Python objects" in reason:
        reason = "it holds Python objects, which are never unpickled; save numbers"
    return ValueError(f"{os.fspath(path)} cannot be read as NumPy arrays: {reason}")


def _check_labels(labels, x, what):
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or x.ndim == 0 or len(labels) != len(x):
        raise ValueError(
            f"{what} should hold one label for each example: shape {x.shape[:1]}. "
            f"Received: shape {labels.shape}"
        )
    return np.array(labels)


def _levels(x):
    return {np.dtype("uint8"): 256, np.dtype("bool"): 2}.get(x.dtype)


# The numbers of axes that an array of a kind may have, examples included.
AXES = {"vectors": (2,), "series": (3,), "images": (3, 4)}
LEAST_WIDTH = 8  # of a picture; an array that is narrower holds channels of series


def _find_kind(x, kind, what):
    """What the examples of an array are: as given, or by its type and shape."""
    if x.ndim not in (2, 3, 4):
        raise ValueError(
            f"{what} should have shape (examples, features), (examples, steps, "
            "channels), (examples, height, width) or (examples, height, width, "
            f"channels). Received: shape {x.shape}"
        )
    if kind is not None and x.ndim not in AXES[kind]:
        raise ValueError(
            f"`kind={kind!r}` needs arrays of {' or '.join(map(str, AXES[kind]))} axes."
            f" Received: {what} of shape {x.shape}"
        )
    if kind is not None:
        return kind
    if x.ndim == 3:
        is_picture = x.dtype.kind == "b" or x.dtype == np.uint8
        return "images" if is_picture or x.shape[2] >= LEAST_WIDTH else "series"
    return "vectors" if x.ndim == 2 else "images"


def _source(x, labels, kind, what, memory_limit):
    """Checks an array and brings it into memory where it fits."""
    if x.dtype.kind not in "buif":
        raise ValueError(f"{what} should hold numbers. Received: type {x.dtype}")
    _find_kind(x, kind, what)
    if 0 in x.shape:
        raise ValueError(f"{what} is empty. Received: shape {x.shape}")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
        raise ValueError(
            f"{what} should have its channels last. Received: shape {x.shape}. Save "
            "x.transpose(0, 2, 3, 1) instead."
        )
    if x.ndim == 3 and kind == "images":
        x = x[..., np.newaxis]
    value_range = finite_range(x, what)
    in_memory = x.size * (1 if x.dtype == np.uint8 else 4) <= memory_limit
    if in_memory:
        x = np.array(x, dtype="uint8" if x.dtype == np.uint8 else "float32")
    return ArraySource(x, labels, value_range=value_range, in_memory=in_memory)
