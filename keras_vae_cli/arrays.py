"""Arrays of any length, written batch after batch: no file is held in memory."""

import contextlib
import csv
import math
import shutil
import zipfile

import click
import numpy as np


def write(files, path, batches, num_rows, columns=None):
    """Writes batches of named arrays to a file, which appears whole or not at all.

    Args:
        files: `keras_vae.files`.
        path: Path that ends in `.csv` (a column for each value of a row: `name`, or
            `name_0`, `name_1`, ...), `.npy` (the first of the arrays) or `.npz` (all
            of them; if they are several, they are collected first).
        batches: Iterable of dictionaries of arrays, ranges or lists `(batch, ...)`.
        num_rows: Rows of all batches together.
        columns: Names of the columns of a `.csv`, if they have names of their own.
    """
    batches = (
        {name: np.asarray(array) for name, array in batch.items()} for batch in batches
    )
    first = next(batches)
    _check_room(path, first, num_rows)

    def all_batches():
        yield first
        yield from batches

    with files.atomic(path) as temporary:
        if path.suffix == ".csv":
            _write_csv(temporary, all_batches(), columns or _columns(first))
        elif path.suffix == ".npz" and len(first) > 1:
            parts = list(all_batches())
            arrays = {n: np.concatenate([part[n] for part in parts]) for n in first}
            np.savez(temporary, **arrays)
        else:
            name, array = next(iter(first.items()))
            with _open(temporary, name) as file:
                header = {
                    "descr": np.lib.format.dtype_to_descr(array.dtype),
                    "fortran_order": False,
                    "shape": (num_rows, *array.shape[1:]),
                }
                np.lib.format.write_array_header_2_0(file, header)
                for batch in all_batches():
                    file.write(np.ascontiguousarray(batch[name]).tobytes())


def write_frames(files, path, frames):
    """Writes data frames, one after another, to one `.csv`, whole or not at all.

    Args:
        files: `keras_vae.files`.
        path: Path.
        frames: Iterable of `pandas.DataFrame` with the same columns.
    """
    with files.atomic(path) as temporary, temporary.open("w", newline="") as file:
        for place, frame in enumerate(frames):
            frame.to_csv(file, index=False, header=place == 0)


@contextlib.contextmanager
def _open(path, name):
    """The file of one array: the path itself, or its part of a `.npz`."""
    if path.suffix == ".npy":
        with path.open("wb") as file:
            yield file
        return
    with (
        zipfile.ZipFile(path, "w") as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        yield file


def _write_csv(path, batches, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for batch in batches:
            # A float32 has as many digits as it takes to tell it from its neighbours.
            texts = [_rows(array).astype(str) for array in batch.values()]
            writer.writerows(np.concatenate(texts, axis=1).tolist())


def _columns(batch):
    """Names of the columns of a table: of each value of a row."""
    return [
        name if array.ndim == 1 else f"{name}_{j}"
        for name, array in batch.items()
        for j in range(_rows(array).shape[1])
    ]


def _rows(array):
    return array.reshape(len(array), -1)


def _check_room(path, batch, num_rows):
    """Refuses what the disk has no room for, before it is computed."""
    # A number takes two characters of text at least: a digit and what parts it.
    width = sum(
        math.prod(array.shape[1:]) * (2 if path.suffix == ".csv" else array.itemsize)
        for array in batch.values()
    )
    free = shutil.disk_usage(path.absolute().parent).free
    if num_rows * width > free:
        raise click.ClickException(
            f"{path} would take {num_rows * width / 1e9:,.0f} GB, and there are "
            f"{free / 1e9:,.0f} GB free. Ask for fewer examples."
        )
