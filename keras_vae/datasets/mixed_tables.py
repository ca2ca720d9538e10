"""Tables of columns of several kinds in `.csv` files."""

import numpy as np
import pandas

from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.description import file_origin
from keras_vae.datasets.sources import LARGEST, ArraySource
from keras_vae.datasets.splits import encode_labels, split
from keras_vae.datasets.table_schema import TableSchema
from keras_vae.memory import check_memory

# What stands for a value that is missing.
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "NaT")
# Where so many of a column's values are numbers, the others are taken for mistakes.
MOSTLY = 0.5
# Text in memory takes many times the bytes of the file.
BYTES_IN_MEMORY = 12


def load_table(path, text, fractions, seed, label_column, like):
    """A table with its schema; the rows that are trained on tell shares and ranges.

    Args:
        path: Path of the file.
        text: `TextTable` of it.
        fractions, seed: Of the split.
        label_column: Name of the column of labels, or `None`.
        like: `None`, or the description of other data that has a schema.
    """
    origin = file_origin(path, dtype="float32")
    check_memory(
        f"{path}", BYTES_IN_MEMORY * origin["num_bytes"], "Take fewer of its rows."
    )
    frame = text.frame()
    if like is not None and label_column is None:
        label_column = like.get("label_column")
        # New data need not have labels.
        label_column = label_column if label_column in frame.columns else None
    labels, label_names = None, None
    if label_column is not None:
        texts = frame.pop(label_column)
        if texts.isna().any():
            raise ValueError(
                f"{text.place(label_column, texts.isna())}: expected a label. "
                "Received: a missing value. Give it one, or remove the row."
            )
        known = (like or {}).get("label_names") or ()
        names = texts.astype(str).to_numpy("U")
        codes, label_names = encode_labels({"train": names}, known)
        labels = codes["train"]
        if not frame.shape[1]:
            raise ValueError(f"{path} has no column beside the labels.")
    if like is not None:
        schema = TableSchema.from_json(like["schema"])
    else:
        schema = TableSchema.find(
            frame, train=_is_train(len(frame), fractions, seed), source=str(path)
        )
    source = ArraySource(schema.encode(frame, str(path)), labels)
    left_out = [c.name for c in schema.columns if not c.is_modelled]
    return Dataset(
        path.stem,
        split({"train": source}, fractions, seed),
        kind="table",
        label_names=label_names,
        origin={
            **origin,
            "schema": schema.to_json(),
            "columns": [
                {"name": value["name"], "type": _type(value)}
                for value in schema.specification()
            ],
            "left_out": left_out,
            "label_column": label_column,
        },
    )


def _is_train(num_rows, fractions, seed):
    """Which rows `split` will leave in train."""
    rows = ArraySource(np.arange(num_rows)[:, None], value_range=(0.0, 0.0))
    parts = split({"train": rows}, fractions, seed)
    return np.isin(np.arange(num_rows), parts["train"].x[:, 0])


def _type(value):
    if value.get("nominal"):
        return "category"
    return "integer" if value.get("counts", False) else "number"


class TextTable:
    """The fields of a `.csv` file with a header, and the columns that they are.

    Args:
        path: Path.
        rows: Function that gives the number of the line, and the fields, of each row,
            the header's first.
    """

    def __init__(self, path, rows):
        self.path, self._rows = path, rows
        self._header = next(rows())[1]

    def frame(self):
        """`pandas.DataFrame` of the columns: numbers, and text; NaN is missing."""
        rows = self._rows()
        header = next(rows)[1]
        found = []
        for number, fields in rows:
            if len(fields) != len(header):
                raise ValueError(
                    f"{self.path}, line {number}: expected {len(header)} fields, as in "
                    f"the first line. Received: {len(fields)}"
                )
            found.append(fields)
        if not found:
            raise ValueError(f"{self.path} is empty: it has a header and no rows.")
        columns = zip(*found, strict=True)
        del found
        return pandas.DataFrame(
            {
                name: self._typed(name, np.array(fields, object))
                for name, fields in zip(header, columns, strict=True)
            }
        )

    def _typed(self, name, fields):
        """A series of the type that text is of."""
        missing = np.isin(fields, MISSING)
        present = fields[~missing]
        numbers = pandas.to_numeric(pandas.Series(present), errors="coerce")
        is_number = numbers.notna().to_numpy()
        # Of post codes the zeros count.
        coded = [
            f.lstrip("+-")[:1] == "0" and f.lstrip("+-")[1:2].isdigit() for f in present
        ]
        share = is_number.mean() if len(present) else 0.0
        if not len(present) or any(coded) or share < MOSTLY:
            return pandas.Series(fields).where(~missing)
        if share < 1:
            wrong = np.flatnonzero(~missing)[~is_number]
            bad = np.isin(np.arange(len(fields)), wrong)
            raise ValueError(
                f"{self.place(name, bad)}: expected a number. Received: "
                f"{fields[wrong[0]]!r}. {share:.0%} of the rows with a value have one: "
                "leave the field empty where it is missing."
            )
        bad = np.zeros(len(fields), bool)
        bad[~missing] = ~(numbers.abs() <= LARGEST).to_numpy()
        if bad.any():
            raise ValueError(
                f"{self.place(name, bad)}: expected a finite number up to {LARGEST:g}. "
                f"Received: {fields[bad][0]}"
            )
        whole = not any("." in f or "e" in f.lower() for f in present)
        values = pandas.Series(np.full(len(fields), np.nan))
        values[~missing] = numbers.to_numpy("float64")
        whole = whole and numbers.abs().max() < 2**53
        if whole:
            return values.astype("Int64" if missing.any() else "int64")
        return values

    def place(self, name, rows):
        """Where the first of some rows is: file, line and column."""
        first = int(np.argmax(rows))
        lines = self._rows()
        next(lines)
        for i, (number, _) in enumerate(lines):
            if i == first:
                column = self._header.index(name) + 1
                return f"{self.path}, line {number}, column {column} ({name!r})"
        raise IndexError(first)
