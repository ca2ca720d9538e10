"""What the columns of a table are: found, shown, kept, and gone through both ways."""

import numpy as np
import pandas

from keras_vae.datasets.column import Column, plain
from keras_vae.datasets.column_types import find_column
from keras_vae.datasets.description import match_columns
from keras_vae.text_tables import text_table

VERSION = 1


class TableSchema:
    """The columns of a table by name, and the way to rows of numbers and back.

    | kind | is | in x |
    |---|---|---|
    | `number` | numbers with decimals | the number |
    | `count` | whole numbers | the number |
    | `date` | days, or seconds | the days or seconds since the first |
    | `category` | text, or pandas' categories | the place of its value |
    | `boolean` | two values, true and false or 1 and 0 | 0 or 1 |
    | `constant` | one value in all rows | nothing: it comes back |
    | `identifier` | names or numbers of the rows | nothing: new ones are made |

    Of numbers and dates with missing values, x has a flag besides: 1 where it is
    missing. Of a category, missing is a value like others. Of more than 100 categories
    the rare ones are one together, and come back by their frequencies.

    Args:
        columns: List of `keras_vae.datasets.column.Column`; `TableSchema.find` makes
            them.

    Attributes:
        columns: Tuple of them, all of the table's.
        names: Tuple of the columns' names.
        feature_names: Tuple of the names of the values of x.
        data_shape: `(num_values,)`, the shape of a row of x.

    Raises:
        ValueError: If no column is left to be modelled.

    Example:

    >>> columns = {"age": [31, 54, 28] * 9, "town": ["A", None, "B"] * 9}
    >>> frame = pandas.DataFrame(columns)
    >>> schema = TableSchema.find(frame)
    >>> print(schema)
    column   kind       missing   values
    ────────────────────────────────────────────────
    age      count            –   28 to 54, 3 values
    town     category       33%   2 values: A, B
    >>> x = schema.encode(frame)
    >>> x[:2].tolist()
    [[31.0, 0.0], [54.0, 2.0]]
    >>> schema.decode(x).equals(frame)
    True
    """

    def __init__(self, columns):
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in self.columns)
        self.feature_names = tuple(
            value["name"] for column in self.columns for value in column.specification()
        )
        self.data_shape = (len(self.feature_names),)
        if not self.feature_names:
            raise ValueError(
                "The table should have a column that differs from row to row and is no "
                f"identifier. Received: {', '.join(self.names)}"
            )

    @classmethod
    def find(cls, frame, *, kinds=None, train=None, source="the table"):
        """Finds out what the columns of a table are.

        Args:
            frame: `pandas.DataFrame`.
            kinds: Dictionary from names of columns to kinds, where what would be found
                is not what they are.
            train: Boolean array: the rows that will be trained on; shares and ranges
                are of these alone. `None`: all.
            source: What the table is called in errors.

        Returns:
            `TableSchema`.

        Raises:
            ValueError: If the table is empty, names are not distinct, a column has no
                value or none that can be modelled, or `kinds` has other names or kinds.
        """
        check_frame(frame, source)
        kinds = dict(kinds or {})
        for name in kinds:
            if name not in frame.columns:
                raise ValueError(
                    f"`kinds` should name columns of {source}: "
                    f"{', '.join(map(str, frame.columns))}. Received: {name!r}"
                )
        train = np.ones(len(frame), bool) if train is None else np.asarray(train)
        return cls(
            find_column(str(name), frame[name], train, kinds.get(name), source)
            for name in frame.columns
        )

    def specification(self):
        """What the model is told of each value of x: a list of dictionaries.

        Returns:
            What the model's own arrays are made of.
        """
        return [each for column in self.columns for each in column.specification()]

    def vocabulary(self):
        """What each value of x is, in words, for programs without the schema.

        Returns:
            List of dictionaries: `name`, `kind`; of categories and booleans `values`,
            the words of 0, 1, ...; of numbers and dates `origin`, what x counts from,
            `decimals`, and the `unit` of dates, `"D"` days or `"s"` seconds since 1970.
        """
        found = []
        for column in self.columns:
            words = {"name": column.name, "kind": column.kind}
            if column.is_modelled and not column.is_numeric:
                words["values"] = column.entries
            elif column.is_modelled:
                words |= {"origin": column.origin, "decimals": column.decimals}
                words |= {"unit": column.unit} if column.unit else {}
            found += [words] if column.is_modelled else []
            if column.has_flag:
                name = f"{column.name} is missing"
                found.append({"name": name, "kind": "boolean", "values": ["no", "yes"]})
        return found

    def encode(self, frame, source="the table"):
        """Rows of numbers of a table with the same columns, in any order.

        Identifiers and constants need not be there.

        Args:
            frame: `pandas.DataFrame`.
            source: What it is called in errors.

        Returns:
            float32 array `(n, *data_shape)`.

        Raises:
            ValueError: If columns are missing or unknown, or a value is not one that
                the column can have.
        """
        check_frame(frame, source)
        frame = frame.rename(columns=str)
        needed = [column.name for column in self.columns if column.is_modelled]
        free = set(self.names) - set(needed)
        match_columns(source, [n for n in frame.columns if n not in free], needed)
        parts = [
            column.encode(frame[column.name], source)
            for column in self.columns
            if column.is_modelled
        ]
        return np.concatenate(parts, axis=1)

    def decode(self, x, *, first_row=0, seed=0):
        """The table that rows of numbers are: columns, types, ranges and decimals.

        Args:
            x: Array `(n, *data_shape)`.
            first_row: Integer: how many rows came before, where a table is made part
                by part.
            seed: Integer, of what x does not say: which rare category.

        Returns:
            `pandas.DataFrame` with the columns in their order.

        Raises:
            ValueError: If x has another shape.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1:] != self.data_shape:
            raise ValueError(
                f"`x` should have shape (n, {self.data_shape[0]}). Received: shape "
                f"{x.shape}"
            )
        series, start = {}, 0
        for place, column in enumerate(self.columns):
            part = x[:, start : start + column.width]
            series[column.name] = column.decode(part, first_row, [seed, place])
            start += column.width
        return pandas.DataFrame(series)

    def places(self, name):
        """Places in x of a column's values.

        Args:
            name: Name of a column.

        Returns:
            Range, of one or of two places: the value, and the flag that it is missing;
            empty for what is no part of x.
        """
        start = 0
        for column in self.columns:
            if column.name == name:
                return range(start, start + column.width)
            start += column.width
        raise KeyError(name)

    def to_json(self):
        """The schema as JSON can hold it.

        Returns:
            Dictionary, for `from_json`.
        """
        defaults = Column._field_defaults
        return {
            "version": VERSION,
            "columns": [
                {
                    key: value
                    for key, value in column._asdict().items()
                    if key not in defaults or value != defaults[key]
                }
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, saved):
        """The schema that `to_json` wrote.

        Args:
            saved: Dictionary.

        Returns:
            `TableSchema`.

        Raises:
            ValueError: If it is damaged.
        """
        try:
            if saved["version"] != VERSION:
                raise ValueError(f"version {saved['version']} is not known")
            return cls(
                Column(**{key: _tuples(value) for key, value in column.items()})
                for column in saved["columns"]
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"The schema of the table is damaged: {error}") from error

    def __eq__(self, other):
        return isinstance(other, TableSchema) and self.columns == other.columns

    def __str__(self):
        columns = {
            "column": [column.name for column in self.columns],
            "kind": [column.kind for column in self.columns],
            "missing": [_share(column.missing) for column in self.columns],
            "values": [column.words for column in self.columns],
        }
        return text_table(columns, left={*columns} - {"missing"}, width=200)

    __repr__ = __str__
    __hash__ = None


def as_schema(schema):
    """A `TableSchema`, given as it is or as JSON holds it."""
    if isinstance(schema, TableSchema):
        return schema
    if isinstance(schema, dict):
        return TableSchema.from_json(schema)
    raise ValueError(
        "`schema` should be a keras_vae.datasets.TableSchema, or what its to_json() "
        f"gives. Received: {schema!r}"
    )


def check_frame(frame, source="the table"):
    """Raises unless a data frame has rows, and columns of distinct names."""
    if not isinstance(frame, pandas.DataFrame):
        raise ValueError(
            f"{source} should be a pandas.DataFrame. Received: {type(frame).__name__}"
        )
    if not frame.shape[1]:
        raise ValueError(f"{source} should have columns. Received: none")
    if not len(frame):
        raise ValueError(f"{source} is empty: it has columns and no rows.")
    names = [str(name) for name in frame.columns]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(
            f"{source} should have a name of its own for each column. Received: "
            f"{twice[0]!r} twice"
        )


def _tuples(value):
    """Lists, as JSON has them, as the tuples that a `Column` holds."""
    if isinstance(value, list):
        return tuple(_tuples(each) for each in value)
    return plain(value)


def _share(missing):
    """A share in words: of few missing values as many digits as tell it from none."""
    if missing == 0:
        return "–"
    return f"{missing:.2g}" if missing < 0.01 else f"{missing:.0%}"
