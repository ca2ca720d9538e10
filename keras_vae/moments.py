"""Mean and spread of rows that come in batches."""

import math

import numpy as np


class RunningMoments:
    """Mean and squared deviations of rows, as if all of them had come at once.

    The moments of two groups are merged, so that the variance of rows that are nearly
    alike stays exact and never becomes negative. All sums are float64.

    Attributes:
        count: Integer, the rows so far.
        mean: Array of a row's shape.
        squares: Array of a row's shape, `sum((rows - mean) ** 2)`.

    Example:

    >>> moments = RunningMoments()
    >>> for rows in ([[1.0], [2.0]], [[6.0]]):
    ...     moments.update(rows)
    >>> moments.count, moments.mean.tolist(), moments.variance.tolist()
    (3, [3.0], [4.666666666666667])

    Reference:
        Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for
        Computing Sample Variances" (1979).
    """

    def __init__(self):
        self.count = 0
        self.mean = self.squares = 0.0

    def update(self, rows):
        """Adds rows.

        Args:
            rows: Array `(num_rows, ...)`, at least one row.
        """
        rows = np.asarray(rows, "float64")
        count, mean = self.count + len(rows), rows.mean(axis=0)
        distance = mean - self.mean
        self.squares = self.squares + (
            ((rows - mean) ** 2).sum(axis=0)
            + distance**2 * (self.count * len(rows) / count)
        )
        self.mean = self.mean + distance * (len(rows) / count)
        self.count = count

    @property
    def variance(self):
        """Of the rows themselves: divided by n, not n - 1."""
        return self.squares / self.count

    def standard_error(self):
        """Of a mean of scalars, from their spread; `None` for one row."""
        if self.count == 1:
            return None
        return math.sqrt(self.squares / (self.count - 1) / self.count)
