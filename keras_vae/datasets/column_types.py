"""Finding out what the columns of a table hold."""

import re

import numpy as np
import pandas

from keras_vae.datasets.cells import find_cells
from keras_vae.datasets.column import (
    EXACT,
    KINDS,
    SECONDS,
    Column,
    date_numbers,
    plain,
)

# Numbers with at most so many distinct values, each in so many rows on average, are
# explained by the share of each.
MOST_VALUES, ROWS_OF_VALUE = 32, 5
MOST_CATEGORIES = 100  # the most frequent ones; the others are one together
FEWEST_IDENTIFIED = (
    10  # rows, from which on values that are all distinct are no accident
)
MOST_DECIMALS = 9
MOST_OUTSIDE = 0.25
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
)
BOOLEANS = ({"true", "false"},)
IDENTIFIER_NAME = re.compile(r"(^|[_ ])(id|index|uuid|key)$|^$|^unnamed: 0$", re.I)


def find_column(name, series, train, kind, source):
    """The `Column` of a series.

    Args:
        name: Its name.
        series: `pandas.Series` of all rows.
        train: Boolean array: the rows of which shares and cells are.
        kind: What it is to be, or `None`.
        source: What the data are called in errors.

    Raises:
        ValueError: If it has no values, or none of that kind.
    """
    place = f"{source}, column {name!r}"
    present = series[series.notna()]
    if present.empty:
        raise ValueError(
            f"{place}: expected a value in some of the rows. Received: none at all. "
            "Mend: leave the column out"
        )
    if kind not in (None, *KINDS):
        raise ValueError(
            f"`kinds` should be among {', '.join(KINDS)}. Received: {kind!r} for "
            f"{name!r}"
        )
    found = {
        "name": name,
        "dtype": str(series.dtype),
        "missing": 1 - len(present) / len(series),
    }
    if isinstance(series.dtype, pandas.CategoricalDtype):
        categories = series.dtype.categories
        found |= {
            "categories": tuple(_checked(value, place) for value in categories),
            "ordered": bool(series.dtype.ordered),
        }
    # What was seen of training rows; of a column that has none there, of all.
    seen = present[train[series.notna().to_numpy()]]
    seen = present if seen.empty else seen
    if kind == "constant" or (kind is None and _is_constant(present, series)):
        return Column(
            kind="constant", values=(_checked(present.iloc[0], place),), **found
        )
    numeric = _numeric_kind(series, present, kind)
    if numeric is not None:
        kind, more = numeric
        if kind in (None, "number", "count") and "text" not in more:
            return _of_numbers(found, series, present, seen, kind, place)
        return _of_dates(found, present, seen, more, place)
    if kind in ("number", "count", "date"):
        raise ValueError(
            f"{place}: expected a {kind} in each row. Received: "
            f"{str(present.iloc[0])!r}"
        )
    return _of_categories(found, series, present, seen, kind, place)


def _is_constant(present, series):
    return len(present) == len(series) and present.nunique() == 1


def _numeric_kind(series, present, kind):
    """Kind and more of what is numbers or dates; `None` of all else."""
    if isinstance(series.dtype, pandas.CategoricalDtype) or kind in (
        "category",
        "boolean",
    ):
        return None
    if pandas.api.types.is_bool_dtype(series.dtype):
        return None
    if pandas.api.types.is_numeric_dtype(series.dtype):
        return kind, {}
    if pandas.api.types.is_datetime64_any_dtype(series.dtype):
        return kind, {"text": None}
    if kind == "identifier" or not present.map(lambda v: isinstance(v, str)).all():
        return None
    for text in DATE_FORMATS:
        dates = pandas.to_datetime(present, format=text, errors="coerce")
        # As it came: "1/2/2020" is not the 01/02/2020 that would come back.
        if dates.notna().all() and (dates.dt.strftime(text) == present).all():
            return kind, {"text": text}
    return None


def _of_numbers(found, series, present, seen, kind, place):
    values, seen = (part.to_numpy("float64") for part in (present, seen))
    if not np.isfinite(values).all():
        raise ValueError(f"{place}: expected finite numbers. Received: infinity")
    whole = bool(np.all(values == np.round(values)))
    distinct = np.unique(values)
    complete = len(present) == len(series)
    if kind is None and whole and complete:
        if _numbers_rows(found["name"], distinct, len(series)):
            return Column(kind="identifier", high=float(distinct[-1]), **found)
        if distinct.tolist() == [0, 1]:
            return _of_categories(found, series, present, present, "boolean", place)
    if kind == "identifier":
        return Column(kind="identifier", high=float(np.floor(distinct[-1])), **found)
    if kind == "count" and not whole:
        raise ValueError(
            f"{place}: expected whole numbers of a count. Received: "
            f"{values[values != np.round(values)][0]:g}"
        )
    kind = kind or ("count" if whole else "number")
    decimals = 0 if whole else _decimals(distinct)
    return _finish(found, kind, values, seen, decimals=decimals)


def _of_dates(found, present, seen, more, place):
    seconds = date_numbers(present, more["text"], "s")
    unit = "D" if np.all(seconds % SECONDS["D"] == 0) else "s"
    values = np.floor(seconds / SECONDS[unit])
    seen = np.floor(date_numbers(seen, more["text"], "s") / SECONDS[unit])
    return _finish(found, "date", values, seen, decimals=0, unit=unit, **more)


def _finish(found, kind, values, seen, **more):
    """A column of numbers: few values, or cells."""
    low, high = float(seen.min()), float(seen.max())
    decimals = more["decimals"]
    step = 1.0 if kind != "number" else 10.0 ** -(decimals or MOST_DECIMALS)
    origin = 0.0
    if kind == "date" or max(abs(low), abs(high)) / step > EXACT:
        origin = low
    distinct = np.unique(values)
    common = {"low": low, "high": high, "origin": origin, **more, **found}
    # One value and rows without one, too.
    few = len(distinct) <= MOST_VALUES and len(values) >= ROWS_OF_VALUE * len(distinct)
    if few or len(np.unique(seen)) == 1:
        rows = np.array([np.sum(seen == value) for value in distinct])
        return Column(
            kind=kind,
            values=tuple(distinct.tolist()),
            frequencies=_shares(rows),
            **{**common, "low": float(distinct[0]), "high": float(distinct[-1])},
        )
    if decimals is None:
        step = (high - low) * 1e-6
    edges, places = find_cells(seen - origin, step)
    # A new row is the smallest of n + 1, or the greatest, with probability 1 / (n + 1).
    outside = min(MOST_OUTSIDE, (len(edges) - 1) / (len(seen) + 1))
    return Column(
        kind=kind,
        edges=tuple(edges),
        places=tuple(places),
        scale=float(seen.std()),
        outside=outside,
        **common,
    )


def _of_categories(found, series, present, seen, kind, place):
    counts = present.value_counts()
    counts = counts[counts > 0]
    values = [_checked(value, place) for value in counts.index]
    words = {str(value).lower() for value in values}
    is_boolean = pandas.api.types.is_bool_dtype(series.dtype) or words in BOOLEANS
    if kind is None and is_boolean:
        kind = "boolean"
    if kind == "boolean" and len(values) > 2:
        raise ValueError(
            f"{place}: expected two values of a boolean. Received: {len(values)}"
        )
    if kind is None and len(present) == len(series) >= FEWEST_IDENTIFIED:
        is_text = all(isinstance(value, str) for value in values)
        if is_text and len(values) > len(series) / 2 and "categories" not in found:
            kind = "identifier"
    if kind == "identifier":
        return _of_identifiers(found, values)
    ordered = sorted(values, key=lambda value: (str(type(value)), value))
    if "categories" in found:
        ordered = [value for value in found["categories"] if value in counts.index]
    others = ()
    if len(ordered) > MOST_CATEGORIES:
        kept = set(values[:MOST_CATEGORIES])
        others = tuple((v, int(counts[v])) for v in ordered if v not in kept)
        ordered = [value for value in ordered if value in kept]
    rows = seen.value_counts().to_dict()
    shares = [rows.get(value, 0) for value in ordered]
    if others:
        shares.append(sum(rows.get(value, 0) for value, _ in others))
    if found["missing"] > 0:
        shares.append(len(seen) * found["missing"] / (1 - found["missing"]))
    return Column(
        kind=kind or "category",
        values=tuple(ordered),
        frequencies=_shares(np.array(shares, "float64")),
        others=others,
        **found,
    )


def _of_identifiers(found, values):
    """Text of one form, `AB-0012`, goes on counting; of all else new ones are made."""
    parts = [re.fullmatch(r"(.*?)(\d+)", value) for value in map(str, values)]
    if all(parts) and len({part[1] for part in parts}) == 1:
        digits = [part[2] for part in parts]
        high, width = max(map(int, digits)), min(map(len, digits))
        if high < 2**53:
            return Column(
                kind="identifier",
                text=parts[0][1],
                high=float(high),
                decimals=width,
                **found,
            )
    return Column(kind="identifier", text=f"{found['name']}-", decimals=1, **found)


def _numbers_rows(name, distinct, num_rows):
    """Whether whole numbers, none of them twice, number or name the rows."""
    if len(distinct) < num_rows or num_rows < FEWEST_IDENTIFIED:
        return False
    return distinct[-1] - distinct[0] + 1 == num_rows or bool(
        IDENTIFIER_NAME.search(str(name).strip())
    )


def _decimals(values):
    """The digits after the point that write all values; `None` for more than 9."""
    for decimals in range(1, MOST_DECIMALS + 1):
        if np.allclose(np.round(values, decimals), values, rtol=1e-13, atol=0):
            return decimals
    return None


def _shares(rows):
    """Shares of entries, none of them impossible."""
    rows = np.maximum(rows, 0.5)
    return tuple((rows / rows.sum()).tolist())


def _checked(value, place):
    """A value of a category as JSON can hold it."""
    value = plain(value)
    if not isinstance(value, str | int | float | bool):
        raise ValueError(
            f"{place}: expected text, numbers, booleans or dates. Received: a "
            f"{type(value).__name__}"
        )
    return value
