"""The inverse of an increasing function, for means that have no closed inverse."""

import numpy as np


def invert(function, values, low, high):
    """Where an increasing function takes given values, by bisection.

    Args:
        function: Increasing, elementwise, array -> array of the same shape.
        values: float64 array.
        low: Number at which `function` is below every value.
        high: Number at which it is above.

    Returns:
        float64 array of the shape of `values`.

    Example:

    >>> invert(np.exp, np.array([np.e, np.e**2]), -5.0, 5.0).round(6).tolist()
    [1.0, 2.0]
    """
    low = np.full_like(values, low)
    high = np.full_like(values, high)
    # Each step halves the interval: after 50, float64 is nearly used up.
    for _ in range(50):
        middle = (low + high) / 2
        below = function(middle) < values
        low = np.where(below, middle, low)
        high = np.where(below, high, middle)
    return (low + high) / 2
