"""What a model is told of the columns of a table, as arrays to compute with."""

import numpy as np
import tensorflow as tf

FAR = 1e30  # beyond any value: what fills up the rows of an array


class ColumnTables:
    """The columns of x in two groups, each as arrays with a row for each column.

    Discrete columns have a list of values; the others, numbers, have cells.

    Args:
        columns: List of dictionaries: what each value of x is, as
            `TableSchema.specification()` says it.

    Attributes:
        columns: The list.
        discrete, numbers: int32 arrays, the places of either in x.
        order: int32 array that brings `concat([discrete, numbers])` into their order.
        flags: int32 array `(num_columns,)`: the place of what says that a column is
            missing, or -1.
        values: float32 `(num_discrete, most_values)`, filled up by `FAR`.
        sizes: int32 `(num_discrete,)`, how many of them are values.
        frequencies: float32 of the shape of `values`, filled up by 0.
        nominal: Booleans `(num_discrete,)`: whether its values have no order.
        edges: float32 `(num_numbers, most_cells + 1)`, filled up by `FAR`.
        places: float32 `(num_numbers, most_cells + 1)`, the places of the edges, the
            outermost ones a little further out than the others; filled up by the last.
        num_cells: int32 `(num_numbers,)`.
        middles, spreads: float32 `(num_columns,)`, mean (of numbers the median) and
            standard deviation of each.
        is_nominal: float32 `(num_columns,)`, 1 where values have no order.
    """

    def __init__(self, columns):
        self.columns = columns
        is_discrete = np.array(["values" in column for column in columns])
        self.discrete = np.flatnonzero(is_discrete).astype("int32")
        self.numbers = np.flatnonzero(~is_discrete).astype("int32")
        together = np.concatenate([self.discrete, self.numbers])
        self.order = np.argsort(together).astype("int32")
        self.flags = np.array(
            [i + 1 if c.get("has_flag") else -1 for i, c in enumerate(columns)], "int32"
        )
        discrete = [columns[i] for i in self.discrete]
        numbers = [columns[i] for i in self.numbers]
        self.values = _filled([c["values"] for c in discrete], FAR)
        self.frequencies = _filled([c["frequencies"] for c in discrete], 0.0)
        self.sizes = np.array([len(c["values"]) for c in discrete], "int32")
        self.nominal = np.array([c["nominal"] for c in discrete], bool)
        self.edges = _filled([c["edges"] for c in numbers], FAR)
        self.num_cells = np.array([len(c["edges"]) - 1 for c in numbers], "int32")
        self.places = _filled([_outer_places(c["places"]) for c in numbers], None)

        self.middles, self.spreads = np.array(
            [_middle_and_spread(column) for column in columns], "float32"
        ).T
        self.is_nominal = np.array([c.get("nominal", False) for c in columns])
        self.is_nominal = self.is_nominal.astype("float32")

    def of_numbers(self, key):
        """float32 `(num_numbers,)` of what each number's column has under a name."""
        return np.array([self.columns[i][key] for i in self.numbers], "float32")

    def missing(self, x, places):
        """Which values of some columns are missing: float32 `(batch, len(places))`."""
        flags = self.flags[places]
        found = tf.gather(x, np.maximum(flags, 0), axis=-1)
        return tf.cast(found > 0.5, tf.float32) * (flags >= 0).astype("float32")

    def find_values(self, x):
        """For each discrete column the one of its values that x is: one-hot, or zeros.

        Args:
            x: float32 tensor `(batch, num_columns)`.

        Returns:
            float32 tensor `(batch, num_discrete, most_values)`.
        """
        x = tf.gather(x, self.discrete, axis=-1)[..., tf.newaxis]
        # Rounding: x may have been computed.
        slack = 1e-5 * (1 + np.abs(self.values))
        return tf.cast(tf.abs(x - self.values) <= slack, tf.float32)

    def find_cells(self, x):
        """For each number the cell that it is in, those beyond the ends in the last.

        Args:
            x: float32 tensor `(batch, num_columns)`.

        Returns:
            int32 tensor `(batch, num_numbers)`.
        """
        x = tf.gather(x, self.numbers, axis=-1)
        return self.cells_below(x, self.edges[:, 1:-1])

    def cells_below(self, x, cuts):
        """How many of each column's cuts are not above a number: its cell."""
        below = tf.cast(x[..., tf.newaxis] >= cuts, tf.int32)
        found = tf.reduce_sum(below, axis=-1)
        return tf.minimum(found, self.num_cells - 1)

    def of_cells(self, table, cells):
        """Entries of a table with a row for each number's column.

        Args:
            table: Array `(num_numbers, m)`.
            cells: int32 tensor `(batch, num_numbers)`.
        """
        first = np.arange(len(table), dtype="int32") * table.shape[1]
        return tf.gather(table.reshape(-1), cells + first)


def _middle_and_spread(column):
    if "values" not in column:
        middle = len(column["edges"]) // 2
        return column["edges"][middle], column["scale"] or 1.0
    values, shares = (np.asarray(column[name]) for name in ("values", "frequencies"))
    mean = shares @ values
    return mean, np.sqrt(shares @ (values - mean) ** 2) or 1.0


def _outer_places(places):
    """The places of cuts, with two more for the ends."""
    return [places[0] - 0.5, *places, places[-1] + 0.5]


def _filled(rows, fill):
    """Rows of numbers as one array; filled up by a number, or by each row's last."""
    width = max(map(len, rows), default=0)
    filled = [
        [*row, *[row[-1] if fill is None else fill] * (width - len(row))]
        for row in rows
    ]
    return np.array(filled, "float32").reshape(len(rows), width)
