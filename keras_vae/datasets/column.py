"""One column of a table: what it holds, how it becomes numbers and comes back."""

from typing import NamedTuple

import numpy as np
import pandas

from keras_vae.arguments import did_you_mean

KINDS = (
    "number",
    "count",
    "date",
    "category",
    "boolean",
    "constant",
    "identifier",
)
NUMERIC = ("number", "count", "date")
OTHER = "(other)"
MISSING = "(missing)"
SECONDS = {"D": 86400, "s": 1}
# A float32 has so many whole numbers in a row: beyond, a column is counted from its
# smallest value on.
EXACT = 2**23


class Column(NamedTuple):
    """What was found out about one column; JSON can hold all of it.

    Attributes:
        name: String.
        kind: One of `KINDS`.
        dtype: The type that pandas had it in, which samples have too.
        missing: Share of the rows that have no value here.
        values: Of a category or boolean its values, and of numbers with few distinct
            ones these, in order: x is the value's place, or the number. The one value
            of a constant. `None` otherwise.
        frequencies: Of each of `values` (and then of the others, and of none at all,
            where there are such entries), the share of the training rows.
        others: Rare categories that are one entry: `[value, rows]` of each. They are
            drawn by these frequencies where samples have it.
        low, high: The smallest and the largest number of the training rows.
        decimals: Digits after the point, at most; `None` for as many as there are.
        origin: What x counts from.
        unit: Of dates: `"D"` days or `"s"` seconds.
        text: Of dates that are text its format; of identifiers that are text what they
            begin with; of booleans and dates `None` where they are none.
        edges, places: Of numbers, their cells; see `keras_vae.datasets.cells`.
        scale: Of numbers, their standard deviation.
        outside: Of numbers, the share of an outermost cell that is beyond the range.
        categories, ordered: Of pandas' own categories, all of them, and if in order.
    """

    name: str
    kind: str
    dtype: str
    missing: float = 0.0
    values: tuple | None = None
    frequencies: tuple | None = None
    others: tuple = ()
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    origin: float = 0.0
    unit: str | None = None
    text: str | None = None
    edges: tuple | None = None
    places: tuple | None = None
    scale: float | None = None
    outside: float | None = None
    categories: tuple | None = None
    ordered: bool = False

    @property
    def is_modelled(self):
        """Whether it is a part of x: not constant, and no identifier."""
        return self.kind not in ("constant", "identifier")

    @property
    def is_numeric(self):
        return self.kind in NUMERIC

    @property
    def has_flag(self):
        """Whether another value of x says that this one is missing."""
        return self.is_numeric and self.missing > 0

    @property
    def width(self):
        """How many values of x it has."""
        return self.is_modelled + self.has_flag

    @property
    def entries(self):
        """Names of what a category or boolean can be, in the order of its x."""
        names = [str(value) for value in self.values]
        names += [OTHER] * bool(self.others) + [MISSING] * (self.missing > 0)
        return names

    @property
    def filler(self):
        """What stands in x for a number that is missing."""
        if self.values is not None:
            return self.values[int(np.argmax(self.frequencies))] - self.origin
        middle = len(self.edges) // 2
        return float(self.round((self.edges[middle - 1] + self.edges[middle]) / 2))

    @property
    def step(self):
        """The least distance between two numbers; 0 where it is not known."""
        if self.kind != "number":
            return 1.0
        return 0.0 if self.decimals is None else 10.0**-self.decimals

    def round(self, x):
        """Numbers of x as the column has them: in its range, with its decimals."""
        x = np.asarray(x, "float64") + self.origin
        if self.decimals is not None:
            x = np.round(x, self.decimals)
        return np.clip(x, self.low, self.high) - self.origin

    def specification(self):
        """What the model is told of each of its values of x: a list of dictionaries.

        Strings are not in it: the model has numbers alone.
        """
        if not self.is_modelled:
            return []
        if not self.is_numeric:
            size = len(self.entries)
            return [
                {
                    "name": self.name,
                    "values": [float(i) for i in range(size)],
                    "frequencies": list(self.frequencies),
                    "nominal": True,
                }
            ]
        if self.values is not None:
            found = {
                "values": [value - self.origin for value in self.values],
                "frequencies": list(self.frequencies),
                "nominal": False,
            }
        else:
            found = {
                "edges": list(self.edges),
                "places": list(self.places),
                "step": self.step,
                "counts": self.kind != "number",
                "low": self.low - self.origin,
                "high": self.high - self.origin,
                "scale": self.scale,
                "outside": self.outside,
            }
        flag = {
            "name": f"{self.name} is missing",
            "values": [0.0, 1.0],
            "frequencies": [1 - self.missing, self.missing],
            "nominal": True,
        }
        found = {"name": self.name, **found, "has_flag": self.has_flag}
        return [found, flag][: self.width]

    # From a series to x and back.

    def encode(self, series, source):
        """float32 `(n, width)` of a column of new data.

        Args:
            series: `pandas.Series`.
            source: What the data are called in errors.
        """
        missing = series.isna().to_numpy()
        if missing.any() and not self.missing:
            row = int(np.argmax(missing))
            raise ValueError(
                f"{source}, column {self.name!r}, row {row}: expected a value, as all "
                "rows have that were trained on. Received: a missing value"
            )
        if not self.is_numeric:
            return self._codes(series, missing, source)[:, None].astype("float32")
        values = self.numbers(series, source)
        if self.values is not None:
            known = np.isin(values[~missing], self.values)
            if not known.all():
                wrong = float(values[~missing][~known][0])
                raise ValueError(
                    f"{source}, column {self.name!r}: expected one of its "
                    f"{len(self.values)} values ({_some(self.values)}). Received: "
                    f"{self.shown(wrong)}"
                )
        x = np.where(missing, self.filler, values - self.origin)
        parts = [x, missing][: self.width]
        return np.stack(parts, axis=1).astype("float32")

    def numbers(self, series, source="the data"):
        """float64 `(n,)` of a numeric column; dates in their unit, NaN is missing."""
        try:
            if self.kind != "date":
                values = pandas.to_numeric(series).to_numpy("float64", na_value=np.nan)
            else:
                values = date_numbers(series, self.text, self.unit)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{source}, column {self.name!r}: expected a {self.kind} in each row, "
                f"as in the data that were trained on. Received: {error}"
            ) from None
        infinite = np.isinf(values)
        if infinite.any():
            raise ValueError(
                f"{source}, column {self.name!r}, row {int(np.argmax(infinite))}: "
                "expected a finite number. Received: infinity"
            )
        return values

    def _codes(self, series, missing, source):
        places = {value: i for i, value in enumerate(self.values)}
        size = len(self.values)
        places |= dict.fromkeys((value for value, _ in self.others), size)
        # A file has text where a frame has numbers or booleans.
        texts = {str(value): place for value, place in places.items()}
        codes, uniques = pandas.factorize(series)
        found = []
        for value in uniques:
            value = plain(value)
            place = places.get(value, texts.get(str(value)))
            if place is None and not self.others:
                raise ValueError(
                    f"{source}, column {self.name!r}: expected one of its "
                    f"{size} values ({_some(self.values)})."
                    f"{did_you_mean(value, map(str, self.values))} Received: {value!r}"
                )
            # Where rare categories are one, one that nobody knew is rare.
            found.append(size if place is None else place)
        found.append(size + bool(self.others))  # of code -1: missing
        return np.asarray(found)[codes]

    def decode(self, x, first_row, seed):
        """`pandas.Series` of x `(n, width)`, or of `n` rows where it is no part of x.

        Args:
            x: float array `(n, width)`.
            first_row: The number of the first row: identifiers count on.
            seed: Integers, of the draws of rare categories.
        """
        n = len(x)
        if self.kind == "constant":
            return self._typed(np.full(n, self.values[0], dtype=object))
        if self.kind == "identifier":
            return self._identifiers(n, first_row)
        if not self.is_numeric:
            return self._typed(self._names(x[:, 0], first_row, seed))
        if self.values is not None:
            values = np.asarray(self.values)
            nearest = np.abs(x[:, :1] + self.origin - values).argmin(axis=1)
            values = values[nearest]
        else:
            values = self.round(x[:, 0]) + self.origin
        missing = x[:, 1] > 0.5 if self.has_flag else np.zeros(n, bool)
        if self.kind == "date":
            return self._dates(values, missing)
        values = pandas.Series(np.where(missing, np.nan, values))
        return values.astype(self.dtype)

    def _names(self, codes, first_row, seed):
        """Values of a category by their places; of the others one is drawn."""
        values = np.empty(len(self.entries), object)
        values[: len(self.values)] = self.values
        codes = np.clip(np.round(codes), 0, len(values) - 1).astype(int)
        names = values[codes]
        is_other = codes == len(self.values)
        if self.others and is_other.any():
            others, rows = zip(*self.others, strict=True)
            ends = np.cumsum(rows) / sum(rows)
            generator = np.random.PCG64(seed).advance(first_row)
            uniform = np.random.Generator(generator).random(len(codes))
            drawn = np.searchsorted(ends, uniform[is_other], side="right")
            values = np.empty(len(others), object)
            values[:] = others
            names[is_other] = values[np.minimum(drawn, len(others) - 1)]
        return names

    def _identifiers(self, n, first_row):
        """Identifiers that no row has had."""
        numbers = np.arange(first_row, first_row + n) + 1
        if self.high is not None:
            numbers = numbers + int(self.high)
        if self.text is None:
            return pandas.Series(numbers).astype(self.dtype)
        width = self.decimals or 1
        return self._typed([f"{self.text}{number:0{width}d}" for number in numbers])

    def _dates(self, values, missing):
        # Whole seconds up to the year 9999 are exact in float64.
        seconds = np.round(values) * SECONDS[self.unit]
        dates = pandas.Series(pandas.to_datetime(seconds, unit="s"))
        dates = dates.where(~missing)
        if self.text is None:
            return dates.astype(self.dtype)
        return self._typed(dates.dt.strftime(self.text).to_numpy(object))

    def _typed(self, values):
        series = pandas.Series(values, dtype=object)
        if self.categories is not None:
            dtype = pandas.CategoricalDtype(list(self.categories), self.ordered)
            return series.astype(dtype)
        return series.astype(self.dtype)

    # For people.

    def shown(self, number):
        """A number of the column, as people write it."""
        if self.kind == "date":
            value = pandas.Timestamp(number * SECONDS[self.unit], unit="s")
            return value.strftime(self.text or ("%Y-%m-%d" if self.unit == "D" else ""))
        digits = self.decimals if self.decimals is not None and self.decimals < 5 else 5
        return f"{number:,.{digits}f}" if abs(number) < 1e9 else f"{number:g}"

    @property
    def words(self):
        """What the column holds, in a few words."""
        if self.kind == "constant":
            return f"always {self.values[0]}"
        if self.kind == "identifier":
            return "left out; samples have new ones"
        if self.is_numeric:
            few = "" if self.values is None else f", {len(self.values)} values"
            return f"{self.shown(self.low)} to {self.shown(self.high)}{few}"
        others = f", and {len(self.others)} rare ones as one" if self.others else ""
        return f"{len(self.values)} values: {_some(self.values)}{others}"


def date_numbers(series, text, unit):
    """Dates as float64 days or seconds since 1970; NaN where there is none."""
    dates = pandas.to_datetime(series, format=text) if text else series
    dates = pandas.to_datetime(dates)
    seconds = (dates - pandas.Timestamp(0)) / pandas.Timedelta(seconds=1)
    return seconds.to_numpy("float64", na_value=np.nan) / SECONDS[unit]


def plain(value):
    """A value as JSON can hold it: of Python's own types."""
    return value.item() if isinstance(value, np.generic) else value


def _some(values, most=5):
    shown = ", ".join(str(value) for value in values[:most])
    return f"{shown}, …" if len(values) > most else shown
