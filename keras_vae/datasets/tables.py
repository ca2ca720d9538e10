"""Tables in `.csv` files: those of numbers alone, and which are not."""

import csv
import re
import tempfile
import warnings

import numpy as np
import pandas

from keras_vae.arguments import did_you_mean
from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.description import file_origin, match_columns
from keras_vae.datasets.mixed_tables import TextTable, load_table
from keras_vae.datasets.sources import LARGEST, ArraySource, block_size
from keras_vae.datasets.splits import encode_labels, split

MAX_COLUMNS = 100_000
# What programs call a column that is no measurement: it numbers or names the rows.
# pandas' own has no name.
INDEX_NAMES = ("", "index", "id", "unnamed: 0")
# What a missing label is taken for, where there may be some.
NO_LABEL = "-1"
LABEL_NAMES = ("label", "labels", "class", "target", "y", "species", "category")
FEWEST_COUNTED = 10  # rows, from which on a column that counts them is no accident
MOST_LABELS = 100


class NotNumbersError(ValueError):
    """A field of a table holds no number: text, or nothing."""


def load_csv(
    path, fractions, seed, memory_limit, label_column, kind, like, missing_labels=None
):
    """A table; one too large for memory is kept as float32 in a temporary file.

    With a header, and text or missing values in it, it is one of columns of several
    kinds (`keras_vae.datasets.mixed_tables`); with `kind` "table" anyway, with
    "vectors" never.

    The delimiter is the most frequent of comma, semicolon and tab in the first line,
    which is a header if none of its fields is a number, or if it is the `0,1,2` that
    pandas writes. Columns that count the rows, or are called `index`, `id` or nothing,
    are left out, with a warning.
    """
    if kind not in (None, "vectors", "table"):
        raise ValueError(
            f"`kind` of a .csv file should be 'vectors' or 'table'. Received: {kind!r}"
        )
    origin = file_origin(path, dtype="float32")
    try:
        is_table = kind == "table"
        # Of which columns are what, a table has its own account.
        table = _Table(path, label_column, None if is_table else like, missing_labels)
        if not is_table:
            try:
                x, value_range = table.read(memory_limit)
            except NotNumbersError:
                is_table = kind is None and like is None and table.has_header
                if not is_table:
                    raise
        if is_table:
            text, label = table.text(), table.label_name
            return load_table(path, text, fractions, seed, label, like)
        table.warn_of_left_out()
        if like is None and table.leave_out_counted():
            x, value_range = table.read(memory_limit)
        table.warn_of_left_out()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    if like is None:
        table.warn_of_labels()
    labels, label_names = None, None
    if table.label is not None:
        known = (like or {}).get("label_names") or ()
        codes, label_names = encode_labels({"train": table.labels()}, known)
        labels = codes["train"]
    source = ArraySource(
        x,
        labels,
        value_range=value_range,
        in_memory=not isinstance(x, np.memmap),
    )
    return Dataset(
        path.stem,
        split({"train": source}, fractions, seed),
        kind="vectors",
        label_names=label_names,
        origin={**origin, **table.description()},
    )


class _Table:
    """Which column is what, and the rows; finds the place of what is wrong.

    Attributes:
        label: Place of the column of labels, or `None`.
        features: Places of the columns to read, in the order wanted.
        left_out: Places of the columns that count the rows, or are called so.
    """

    def __init__(self, path, label_column, like, missing_labels=None):
        self.path = path
        self._missing_labels = missing_labels
        self._is_new = like is not None
        with open(path, encoding="utf-8-sig") as file:
            first = next((line for line in file if line.strip()), "")
        if not first:
            raise ValueError(f"{path} is empty: there is no data set in it.")
        self._delimiter = max(",;\t", key=first.count)
        fields = next(self._rows())[1]
        self._width = len(fields)
        if self._width > MAX_COLUMNS:
            raise ValueError(
                f"{path} should have at most {MAX_COLUMNS:,} columns. Received: "
                f"{self._width:,}. Save a table so wide with numpy.save."
            )
        self._header = self._find_header(fields)
        self.label = self._find_label(label_column, like)
        self.left_out, self.features, self._notices = [], [], []
        for place in range(self._width):
            if place != self.label:
                self._place(place)
        if like is not None:
            self._match(like)
        self._check_features()

    def _place(self, place):
        name = self._header and self._header[place].lower()
        if name not in INDEX_NAMES:
            self.features.append(place)
        else:
            self._leave_out(
                place, "for its name: if it is data, give it another one in the file"
            )

    def _leave_out(self, place, reason):
        self.left_out.append(place)
        self._notices.append(
            f"{self.path}: {self._column(place)} is left out {reason}."
        )

    def warn_of_left_out(self):
        """Warns of the columns that were left out since it was last called."""
        for notice in self._notices:
            warnings.warn(notice, stacklevel=4)
        self._notices = []

    @property
    def has_header(self):
        """Whether the columns have names."""
        return self._header is not None

    @property
    def label_name(self):
        """Name of the column of labels, or `None`."""
        return None if self.label is None else self._name(self.label)

    def text(self):
        """The fields as `TextTable`."""
        if not self.has_header:
            raise ValueError(
                f"{self.path} should begin with a line of the names of its columns, to "
                "be a table of columns of several kinds."
            )
        return TextTable(self.path, self._rows)

    def _check_features(self):
        if not self.features:
            others = "the labels" if self.label is not None else "those left out"
            self.warn_of_left_out()
            raise ValueError(f"{self.path} has no column beside {others}.")

    def _rows(self):
        """Number of the (last) line, and fields, of each row that is not blank."""
        # Notepad and Excel begin UTF-8 with a mark; "utf-8-sig" takes it off.
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self._delimiter, skipinitialspace=True)
            for fields in reader:
                if len(fields) > 1 or any(field.strip() for field in fields):
                    yield reader.line_num, [field.strip() for field in fields]

    def _find_header(self, fields):
        counted = [str(i) for i in range(len(fields))]
        # Two fields, 0,1, may well be the first row of binary data.
        if (
            any(map(_is_number, fields))
            and not (len(fields) > 2 and fields == counted)
            and fields != ["", *counted[:-1]]
        ):
            return None
        twice = [name for i, name in enumerate(fields) if name in fields[:i]]
        if twice:
            raise ValueError(
                f"{self.path} should have a name of its own for each column. Received: "
                f"{twice[0]!r} twice"
            )
        return tuple(fields)

    def _find_label(self, label_column, like):
        if label_column is None:
            label_column = (like or {}).get("label_column")
            # New data need not have labels.
            if isinstance(label_column, str) and label_column not in (
                self._header or ()
            ):
                return None
            if isinstance(label_column, int) and self._width == like["data_shape"][0]:
                return None
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
        hint = did_you_mean(label_column, self._header or ())
        raise ValueError(
            f"`label_column` should be one of the {self._width} columns of {self.path} "
            f"({names}).{hint} Received: label_column={label_column!r}"
        )

    def _match(self, like):
        """Brings the columns to those of a description: by name, if they have names."""
        wanted = [column["name"] for column in like["columns"] or ()]
        if any(wanted) and self._header is None:
            raise ValueError(
                f"{self.path} should begin with a line of the names of its columns, as "
                f"{like['source']} does: {', '.join(wanted)}"
            )
        known = [place for place in self.features if self._name(place) in wanted]
        left_out = [
            place
            for place in self.features
            if place not in known and self._name(place) in like["left_out"]
        ]
        self.left_out += left_out
        self.features = [place for place in self.features if place not in left_out]
        if any(wanted):
            names = [self._header[place] for place in self.features]
            order = match_columns(self.path, names, wanted)
            self.features = [self.features[i] for i in order]
        elif len(self.features) != like["data_shape"][0]:
            raise ValueError(
                f"{self.path} should have {like['data_shape'][0]} columns of data, as "
                f"{like['source']} has. Received: {len(self.features)}"
            )

    def read(self, memory_limit):
        """All rows as float32, and their range; mapped from a file if they are many."""
        low, high, first = np.inf, -np.inf, None
        num_rows, self._row_codes, self._label_codes = 0, [], {}
        self._counts = self._whole = True
        self._seen = {}
        # Not closed on the way out: the array may be a mapping of it.
        spool = tempfile.SpooledTemporaryFile(max_size=memory_limit)  # noqa: SIM115
        for block in self._blocks():
            if block.shape[1] != self._width:
                raise self._fault()
            values = block[self.features].to_numpy()
            if not np.all(np.abs(values) <= LARGEST):
                raise self._fault()
            first = values[0] if first is None else first
            rows = np.arange(num_rows, num_rows + len(values))[:, np.newaxis]
            self._counts &= np.all(values == np.isin(first, (0, 1)) * first + rows, 0)
            self._whole &= np.all(values == np.round(values), axis=0)
            num_rows += len(values)
            self._note(block, values)
            low, high = min(low, values.min()), max(high, values.max())
            spool.write(values.astype("float32").tobytes())
        if num_rows == 0:
            raise ValueError(f"{self.path} is empty: it has a header and no rows.")
        if "" in self._label_codes:
            if self._is_new and len(self._label_codes) == 1:
                self.label = None  # new data need not have labels
            elif not self._missing_labels:
                raise self._fault(label=self.label)
        self._counts &= num_rows >= FEWEST_COUNTED
        shape = (num_rows, len(self.features))
        if spool.tell() > memory_limit:
            spool.flush()
            x = np.memmap(spool, "float32", "r", shape=shape)
        else:
            spool.seek(0)
            x = np.frombuffer(spool.read(), "float32").reshape(shape)
        return x, (float(np.float32(low)), float(np.float32(high)))

    def _blocks(self):
        """Data frames of some rows, with the places of the columns for names."""
        types = dict.fromkeys(range(self._width), "str")
        types |= dict.fromkeys(self.features, "float64")
        header_lines = 0 if self._header is None else next(self._rows())[0]
        try:
            with open(self.path, encoding="utf-8-sig", newline="") as file:
                for _ in range(header_lines):
                    file.readline()
                with pandas.read_csv(
                    file,
                    sep=self._delimiter,
                    header=None,
                    dtype=types,
                    chunksize=max(64, block_size((self._width,))),
                    na_filter=False,
                    skipinitialspace=True,
                ) as reader:
                    yield from reader
        except pandas.errors.EmptyDataError:
            return
        except UnicodeDecodeError:
            raise
        except ValueError as error:  # pandas.errors.ParserError is one
            raise self._fault(error) from None

    def _note(self, block, values):
        """Keeps the labels of a block, and what may be labels."""
        if self.label is not None:
            codes = self._label_codes
            texts = block[self.label].str.strip()
            self._row_codes.append(
                np.array([codes.setdefault(text, len(codes)) for text in texts])
            )
        for i, place in enumerate(self.features):
            if self._header and self._header[place].lower() in LABEL_NAMES:
                seen = self._seen.setdefault(i, set())
                if len(seen) <= MOST_LABELS:
                    seen.update(values[:, i].tolist())

    def _fault(self, error="not all of them are numbers", label=None):
        """The error that names the first line and column at fault.

        With `label`, the place of a column, one without a label is at fault too.
        """
        num_bad, first = 0, None
        for row, (number, fields) in enumerate(self._rows()):
            if len(fields) != self._width:
                return ValueError(
                    f"{self.path}, line {number}: expected {self._width} fields, as in "
                    f"the first line. Received: {len(fields)}"
                )
            if row == 0 and self._header:
                continue
            for column in self.features:
                field = fields[column]
                place = f"line {number}, {self._column(column)}"
                if not _is_number(field):
                    what = repr(field) if field else "a missing value"
                    return NotNumbersError(
                        f"{self.path}, {place}: expected a number. Received: {what}. "
                        "Give a column of names as `label_column`, and remove or "
                        "replace what is missing."
                    )
                if self.has_header and field.lower() == "nan":
                    return NotNumbersError(f"{self.path}, {place}: a missing value")
                if not abs(float(field)) <= LARGEST:
                    num_bad += 1
                    first = first or f"{place}: {field}"
            if label is not None and not fields[label]:
                return ValueError(
                    f"{self.path}, line {number}, {self._column(label)}: expected "
                    "a label. Received: a missing value. Give it one, or remove the "
                    "row."
                )
        if num_bad:
            return ValueError(
                f"{self.path} should hold finite numbers. Received: {num_bad} values "
                f"that are NaN, infinite or beyond {LARGEST:g}, the first of them in "
                f"{first}. Remove or replace them."
            )
        return ValueError(f"{self.path} cannot be read as numbers: {error}")

    def _column(self, place):
        name = f" ({self._header[place]!r})" if self._header else ""
        return f"column {place + 1}{name}"

    def _name(self, place):
        return self._header[place] if self._header else place

    def leave_out_counted(self):
        """Leaves out the columns that count the rows; whether there are any."""
        counted = [
            place
            for place, counts in zip(self.features, self._counts, strict=True)
            if counts
        ]
        for place in counted:
            self._leave_out(place, "because it counts the rows")
            self.features.remove(place)
        self._check_features()
        return bool(counted)

    def warn_of_labels(self):
        """Warns of a column of data that looks like labels."""
        for i, values in self._seen.items():
            if len(values) <= MOST_LABELS and self._whole[i]:
                name = self._header[self.features[i]]
                some = ", ".join(f"{value:g}" for value in sorted(values)[:5])
                more = ", …" * (len(values) > 5)
                warnings.warn(
                    f"{self.path}: column {name!r} (values {some}{more}) looks like "
                    "labels, and is trained on. If it is, give it as `label_column` "
                    f"(--label-column {name}).",
                    stacklevel=4,
                )

    def labels(self):
        """The label of each row read: numbers if all of them are, else strings."""
        texts = np.array([text or NO_LABEL for text in self._label_codes])
        if all(map(_is_number, texts)):
            texts = texts.astype("float64")
        return texts[np.concatenate(self._row_codes)]

    def description(self):
        """What the data set's description says of the columns."""
        names = [self._name(place) for place in self.features]
        types = np.where(self._whole, "integer", "number").tolist()
        return {
            "columns": self._header
            and [
                {"name": name, "type": type_}
                for name, type_ in zip(names, types, strict=True)
            ],
            "left_out": [self._name(place) for place in self.left_out],
            "label_column": None if self.label is None else self._name(self.label),
        }


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python reads 1_000 as a number; nobody else does
