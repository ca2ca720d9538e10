"""Digits, `.npy` and `.npz`: data that are arrays already."""

import os
import tempfile
import tokenize
import zipfile
import zlib

import numpy as np

from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.examples import ArrayExamples, finite_range
from keras_vae.datasets.splits import carve, encode_labels

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
    parts = carve({"train": ArrayExamples(x, labels["train"])}, fractions, seed)
    return Dataset("digits", parts, is_image=True, label_names=label_names)


def load_npy(path, fractions, seed, memory_limit):
    """One array, of which validation and test are carved; a large one is mapped."""
    examples = _examples(_read_npy(path), None, str(path), memory_limit)
    parts = carve({"train": examples}, fractions, seed)
    return Dataset(path.stem, parts, is_image=len(examples.data_shape) == 3)


def load_npz(path, fractions, seed, memory_limit):
    """The arrays of an `.npz`, by the names in `KEYS`; a large one is mapped."""
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    with archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        found = _find_keys(members, path)
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
    codes, label_names = encode_labels(labels) if labels else ({}, None)
    parts = {
        part: _examples(arrays[x], codes.get(part), f"{path}: {x}", memory_limit)
        for part, (x, _) in found.items()
    }
    is_image = len(parts["train"].data_shape) == 3
    parts = carve(parts, fractions, seed)
    return Dataset(path.stem, parts, is_image=is_image, label_names=label_names)


def _find_keys(members, path):
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
            f"array alone. Received: {', '.join(members) or 'no arrays'}"
        )
    return found


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


def _examples(x, labels, what, memory_limit):
    """Checks an array and brings it into memory where it fits."""
    if x.dtype.kind not in "buif":
        raise ValueError(f"{what} should hold numbers. Received: type {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise ValueError(
            f"{what} should have shape (examples, features), (examples, height, width) "
            f"or (examples, height, width, channels). Received: shape {x.shape}"
        )
    if 0 in x.shape:
        raise ValueError(f"{what} is empty. Received: shape {x.shape}")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
        raise ValueError(
            f"{what} should have its channels last. Received: shape {x.shape}. Save "
            "x.transpose(0, 2, 3, 1) instead."
        )
    if x.ndim == 3:
        x = x[..., np.newaxis]
    value_range = finite_range(x, what)
    in_memory = x.size * (1 if x.dtype == np.uint8 else 4) <= memory_limit
    if in_memory:
        x = np.array(x, dtype="uint8" if x.dtype == np.uint8 else "float32")
    return ArrayExamples(x, labels, value_range=value_range, in_memory=in_memory)
