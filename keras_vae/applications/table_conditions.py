"""What is asked of a column: which of its values, and how probable they are."""

import numpy as np
import pandas

from keras_vae.arguments import did_you_mean
from keras_vae.datasets.column import MISSING, OTHER, plain


class Restriction:
    """What a condition leaves of one value of x.

    Attributes:
        place: Its place in x.
        shares: Array with the share of each of the column's values, or of each cell,
            that the condition allows; of an exact number what its density is.
        low, high: Ends of the numbers that are allowed, or `None`.
    """

    def __init__(self, place, shares, low=None, high=None):
        self.place, self.shares = place, np.asarray(shares, "float64")
        self.low, self.high = low, high


def restrictions(schema, conditions):
    """What conditions leave of x.

    Args:
        schema: `TableSchema`.
        conditions: Dictionary from names of columns to what they should be: a value, a
            pair `(low, high)` of numbers or dates, both included (`None`: no end), or
            `None` for missing.

    Returns:
        `(restrictions, fixed)`: a list of `Restriction`, and a dictionary of the values
        that columns then have in all rows.

    Raises:
        ValueError: If there is no such column, or it cannot have the value.
    """
    found, fixed = [], {}
    columns = {column.name: column for column in schema.columns}
    for name, value in dict(conditions or {}).items():
        if name not in columns:
            raise ValueError(
                f"`conditions` should name columns of the table: "
                f"{', '.join(schema.names)}.{did_you_mean(str(name), schema.names)} "
                f"Received: {name!r}"
            )
        column = columns[name]
        if column.kind == "identifier":
            raise ValueError(
                f"`conditions` cannot be on {name!r}: it is an identifier, which no "
                "model has learned"
            )
        if column.kind == "constant":
            if value != column.values[0]:
                raise _cannot(column, value, f"it is always {column.values[0]!r}")
            continue
        places = schema.places(name)
        if column.is_numeric:
            found += _of_numbers(column, value, places)
        else:
            share, fixed[name] = _of_categories(column, value)
            found.append(Restriction(places[0], share))
    return found, fixed


def _of_categories(column, value):
    entries = column.entries
    shares = np.zeros(len(entries))
    if _is_missing(value):
        if not column.missing:
            raise _cannot(column, value, "it is never missing")
        shares[entries.index(MISSING)] = 1.0
        return shares, None
    values = list(column.values)
    rare = dict(column.others)
    # By what it reads as, too: a command line has nothing but text.
    texts = {str(each): each for each in [*values, *rare]}
    value = plain(value)
    if value not in values and value not in rare:
        if str(value) not in texts:
            hint = did_you_mean(str(value), texts)
            raise _cannot(column, value, f"its values are {column.words}{hint}")
        value = texts[str(value)]
    if value in rare:
        shares[entries.index(OTHER)] = rare[value] / sum(rare.values())
    else:
        shares[values.index(value)] = 1.0
    return shares, value


def _of_numbers(column, value, places):
    if _is_missing(value):
        if not column.missing:
            raise _cannot(column, value, "it is never missing")
        return [Restriction(places[1], [0.0, 1.0])]
    is_range = isinstance(value, tuple | list)
    if is_range and len(value) != 2:
        raise _cannot(column, value, "a range has two ends")
    low, high = value if is_range else (value, value)
    low = column.low if low is None else _number(column, low, value)
    high = column.high if high is None else _number(column, high, value)
    if low > high or high < column.low or low > column.high:
        raise _cannot(
            column,
            value,
            f"it lies between {column.shown(column.low)} and "
            f"{column.shown(column.high)}",
        )
    if column.values is not None:
        allowed = np.array([low <= each <= high for each in column.values], float)
        if not allowed.any():
            values = ", ".join(map(column.shown, column.values))
            raise _cannot(column, value, f"its values are {values}")
        restriction = Restriction(places[0], allowed)
    else:
        low, high = low - column.origin, high - column.origin
        if column.kind != "number":
            low, high = np.ceil(low), np.floor(high)
            if low > high:
                raise _cannot(column, value, "there is no such number")
            low, high = low - 0.5, high + 0.5
        edges = np.asarray(column.edges)
        if low == high:  # a density
            cell = np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(edges) - 2)
            shares = np.zeros(len(edges) - 1)
            shares[cell] = 1 / (edges[cell + 1] - edges[cell])
        else:
            inside = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
            shares = np.maximum(inside, 0) / np.diff(edges)
        restriction = Restriction(places[0], shares, low, high)
    present = [Restriction(places[1], [1.0, 0.0])] if column.has_flag else []
    return [restriction, *present]


def _number(column, end, value):
    """An end of a range as a number of the column's."""
    try:
        if column.kind != "date":
            return float(end)
        series = pandas.Series([end])
        if column.text is None or not isinstance(end, str):
            series = pandas.to_datetime(series)
            if column.text is not None:
                series = series.dt.strftime(column.text)
        return float(column.numbers(series)[0])
    except (TypeError, ValueError):
        raise _cannot(column, value, f"a {column.kind} was expected") from None


def _is_missing(value):
    return value is None or (pandas.api.types.is_scalar(value) and pandas.isna(value))


def _cannot(column, value, reason):
    return ValueError(
        f"`conditions`: the column {column.name!r} cannot be {value!r}: {reason}"
    )
