"""Checks of arguments, each said in one way."""

import difflib
import math

import numpy as np


def check_number(name, value, minimum=-math.inf):
    """Returns `value` as a finite float that is not below `minimum`.

    Args:
        name: The argument, for the error.
        value: What was given.
        minimum: Number.

    Raises:
        ValueError: If it is something else.

    Example:

    >>> check_number("beta", 4, minimum=0.0)
    4.0
    """
    number = float(value) if _is_a("iuf", value) else math.nan
    if not (math.isfinite(number) and number >= minimum):
        bound = f" >= {minimum:g}" if math.isfinite(minimum) else ""
        raise ValueError(
            f"`{name}` should be a finite number{bound}. Received: {name}={value!r}"
        )
    return number


def check_integer(name, value, minimum, maximum=math.inf):
    """Returns an integer of any type, NumPy's too, within bounds as an int.

    Args:
        name: The argument, for the error.
        value: What was given.
        minimum: Integer.
        maximum: Integer or infinity.

    Raises:
        ValueError: If it is something else; 3.0 is, and True.

    Example:

    >>> check_integer("num_samples", np.int64(3), minimum=1)
    3
    """
    if not _is_a("iu", value) or not minimum <= int(value) <= maximum:
        bounds = f">= {minimum}"
        if math.isfinite(maximum):
            bounds = f"from {minimum} to {maximum}"
        raise ValueError(
            f"`{name}` should be an integer {bounds}. Received: {name}={value!r}"
        )
    return int(value)


def check_integers(name, values, minimum=1, empty=False, example="(32, 64)"):
    """Returns a tuple of integers that are not below `minimum`.

    Args:
        name: The argument, for the error.
        values: What was given, an iterable.
        minimum: Integer.
        empty: Whether there may be none.
        example: What the error gives as an example.

    Raises:
        ValueError: If it is something else.

    Example:

    >>> check_integers("filters", [32, np.int64(64)])
    (32, 64)
    """
    try:
        integers = tuple(check_integer(name, value, minimum) for value in values)
    except (TypeError, ValueError):
        integers = None
    if integers is None or not (integers or empty):
        raise ValueError(
            f"`{name}` should be a tuple of integers >= {minimum}, such as "
            f"{name}={example}. Received: {name}={values!r}"
        )
    return integers


def _is_a(kinds, value):
    """Whether a value is one number of some of NumPy's kinds of types; no bool is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return True  # however large
    if isinstance(value, list | tuple | str) or value is None:
        return False
    array = np.asarray(value)
    return array.shape == () and array.dtype.kind in kinds


def did_you_mean(value, names):
    """` Did you mean 'x'?` of the nearest name, or nothing where none is near.

    Args:
        value: What was given.
        names: The names there are.

    Example:

    >>> did_you_mean("gausian", ["gaussian", "laplace"])
    " Did you mean 'gaussian'?"
    """
    near = difflib.get_close_matches(str(value).lower(), names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
