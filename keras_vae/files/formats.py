"""Kinds of files: JSON, CSV and arrays, written whole or not at all."""

import csv
import json
from pathlib import Path

import numpy as np

from keras_vae.files.places import atomic


def write_json(path, value):
    """Writes a value as indented JSON, whole or not at all.

    Args:
        path: Path of the file.
        value: What the standard library's `json` can write.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metrics.json"
    >>> write_json(path, {"elbo": -97.0})
    >>> json.loads(path.read_text())
    {'elbo': -97.0}
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def write_csv(path, rows, columns=None):
    """Writes dictionaries as the rows of a CSV file, whole or not at all.

    Args:
        path: Path of the file.
        rows: Iterable of dictionaries with the same keys.
        columns: The keys in order; those of the first row by default.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "history.csv"
    >>> write_csv(path, [{"epoch": 1, "elbo": -9.5}])
    >>> path.read_text().split()
    ['epoch,elbo', '1,-9.5']
    """
    rows = list(rows)
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path):
    """Reads what `write_csv` wrote of numbers: every digit of them.

    Args:
        path: Path of the file.

    Returns:
        List of the rows, dictionaries of floats.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "history.csv"
    >>> write_csv(path, [{"epoch": 1, "elbo": 0.1 + 0.2}])
    >>> read_csv(path)
    [{'epoch': 1.0, 'elbo': 0.30000000000000004}]
    """
    with Path(path).open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def write_arrays(path, arrays):
    """Writes named arrays of equally many rows, whole or not at all.

    Args:
        path: Path that ends in `.npz` (all arrays), `.npy` (the first one) or `.csv`
            (a column for each value of a row: `name`, or `name_0`, `name_1`, ...).
        arrays: Dictionary of arrays `(n, ...)`.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "z.csv"
    >>> write_arrays(path, {"z_mean": np.zeros((2, 2)), "label": np.array([3, 4])})
    >>> path.read_text().split()
    ['z_mean_0,z_mean_1,label', '0.0,0.0,3', '0.0,0.0,4']
    """
    path = Path(path)
    if path.suffix == ".csv":
        columns = {}
        for name, array in arrays.items():
            if array.ndim == 1:
                columns[name] = array
                continue
            flat = array.reshape(len(array), -1)
            columns |= {f"{name}_{j}": flat[:, j] for j in range(flat.shape[1])}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        write_csv(path, (dict(zip(columns, row, strict=True)) for row in rows), columns)
        return
    with atomic(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, next(iter(arrays.values())))
        else:
            np.savez(temporary, **arrays)
