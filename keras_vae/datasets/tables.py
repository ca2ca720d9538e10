"""Tables of numbers in `.csv` files."""

import csv
import difflib
import itertools
import math
import re
import tempfile

import numpy as np

from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.examples import ArrayExamples, block_size
from keras_vae.datasets.splits import carve, encode_labels


def load_csv(path, fractions, seed, memory_limit, label_column):
    """A table; one too large for memory is kept as float32 in a temporary file.

    The delimiter is the most frequent of comma, semicolon and tab in the first line,
    which is a header if none of its fields is a number.
    """
    try:
        # Notepad and Excel begin UTF-8 with a mark; "utf-8-sig" takes it off.
        with open(path, encoding="utf-8-sig") as file:
            table = _Table(path, file, label_column)
            x, value_range = _collect(table, memory_limit)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    labels, label_names = None, None
    if label_column is not None:
        codes, label_names = encode_labels({"train": table.labels()})
        labels = codes["train"]
    examples = ArrayExamples(
        x,
        labels,
        value_range=value_range,
        in_memory=not isinstance(x, np.memmap),
    )
    return Dataset(
        path.stem,
        carve({"train": examples}, fractions, seed),
        is_image=False,
        label_names=label_names,
        feature_names=table.feature_names,
    )


class _Table:
    """Reads blocks of rows, and finds the line and the column of what is wrong."""

    def __init__(self, path, file, label_column):
        self.path = path
        numbered = ((n, line) for n, line in enumerate(file, start=1) if line.strip())
        self._lines = numbered
        start, first = next(numbered, (0, ""))
        if not first:
            raise ValueError(f"{path} is empty: there is no data set in it.")
        self._delimiter = max(",;\t", key=first.count)
        fields = [field.strip() for field in self._split(first)]
        self._width = len(fields)
        self._header = None if any(map(_is_number, fields)) else tuple(fields)
        if self._header is None:
            self._lines = itertools.chain([(start, first)], numbered)
        self._label = self._find_label(label_column)
        self._label_codes = {}
        self._row_codes = []
        self.num_features = self._width - (self._label is not None)
        if self.num_features == 0:
            raise ValueError(f"{path} has no column beside the labels.")
        self.feature_names = self._header and tuple(
            name for i, name in enumerate(self._header) if i != self._label
        )

    def _find_label(self, label_column):
        if label_column is None:
            return None
        if isinstance(label_column, str) and label_column in (self._header or ()):
            return self._header.index(label_column)
        if isinstance(label_column, str) and re.fullmatch(r"-?\d+", label_column):
            label_column = int(label_column)
        is_index = isinstance(label_column, int)
        if is_index and -self._width <= label_column < self._width:
            return label_column % self._width
        names = ", ".join(self._header) if self._header else "no names: use a number"
        near = difflib.get_close_matches(str(label_column), self._header or (), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"`label_column` should be one of the {self._width} columns of {self.path} "
            f"({names}).{hint} Received: label_column={label_column!r}"
        )

    def blocks(self):
        """float32 arrays `(rows, num_features)`, and the line of each row."""
        rows = block_size((self._width,))
        while block := list(itertools.islice(self._lines, rows)):
            yield self._parse(block), [number for number, _ in block]

    def _parse(self, block):
        converters = {}
        if self._label is not None:
            codes = self._label_codes
            converters = {
                self._label: lambda text: codes.setdefault(text.strip(), len(codes))
            }
        try:
            values = np.loadtxt(
                [line for _, line in block],
                delimiter=self._delimiter,
                quotechar='"',
                comments=None,
                converters=converters,
                ndmin=2,
                encoding=None,
            )
        except ValueError as error:
            raise self._diagnose(block, error) from None
        if values.shape[1] != self._width:
            raise self._diagnose(block, values.shape)
        if self._label is not None:
            self._row_codes.append(values[:, self._label].astype("int64"))
            values = np.delete(values, self._label, axis=1)
        with np.errstate(over="ignore"):
            return values.astype("float32")

    def _split(self, line):
        return next(csv.reader([line], delimiter=self._delimiter), [])

    def _diagnose(self, block, error):
        """The error that names the first line and column at fault."""
        for number, line in block:
            fields = self._split(line)
            if len(fields) != self._width:
                return ValueError(
                    f"{self.path}, line {number}: expected {self._width} fields, as in "
                    f"the first line. Received: {len(fields)}"
                )
            for column, field in enumerate(fields):
                if column == self._label or _is_number(field):
                    continue
                what = "a missing value" if not field.strip() else repr(field.strip())
                return ValueError(
                    f"{self.path}, line {number}, {self._column(column)}: expected a "
                    f"number. Received: {what}. Give a column of names as "
                    "`label_column`, and remove or replace what is missing."
                )
        return ValueError(f"{self.path} cannot be read as numbers: {error}")

    def _column(self, index):
        name = f" ({self._header[index]!r})" if self._header else ""
        return f"column {index + 1}{name}"

    def feature(self, index):
        """The name, for people, of a feature's column."""
        after_label = self._label is not None and index >= self._label
        return self._column(index + after_label)

    def labels(self):
        """The label of each row read: numbers if all of them are, else strings."""
        texts = np.array(list(self._label_codes))
        if all(map(_is_number, texts)):
            texts = texts.astype("float64")
        return texts[np.concatenate(self._row_codes)]


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python reads 1_000 as a number; nobody else does


def _collect(table, memory_limit):
    """All rows of a table, and their range; in memory, or mapped if they are many."""
    low, high, num_bad, first = math.inf, -math.inf, 0, None
    # Not closed on the way out: the array may be a mapping of it.
    spool = tempfile.SpooledTemporaryFile(max_size=memory_limit)  # noqa: SIM115
    for values, lines in table.blocks():
        bad = ~np.isfinite(values)
        if bad.any():
            num_bad += int(bad.sum())
            row, column = np.argwhere(bad)[0]
            first = first or f"line {lines[row]}, {table.feature(column)}"
        low, high = min(low, values.min()), max(high, values.max())
        spool.write(values.tobytes())
    if num_bad:
        raise ValueError(
            f"{table.path} should hold finite numbers. Received: {num_bad} values that "
            "are NaN, infinite or too large for float32, the first of them in "
            f"{first}. Remove or replace them."
        )
    num_bytes = spool.tell()
    if num_bytes == 0:
        raise ValueError(f"{table.path} is empty: it has a header and no rows.")
    shape = (num_bytes // (4 * table.num_features), table.num_features)
    if num_bytes > memory_limit:
        spool.flush()
        x = np.memmap(spool, "float32", "r", shape=shape)
    else:
        spool.seek(0)
        x = np.frombuffer(spool.read(), "float32").reshape(shape)
    return x, (float(low), float(high))
