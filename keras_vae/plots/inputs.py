"""What `fit` is given, an array or a dictionary of arrays, as figures need it."""

from collections.abc import Mapping

import numpy as np


def data(inputs):
    """The array `x` of the inputs, or `None` where there are conditions alone."""
    x = inputs.get("x") if isinstance(inputs, Mapping) else inputs
    return None if x is None else np.asarray(x)


def take(inputs, rows):
    """The inputs of some examples: `rows` is what indexes an array."""
    if isinstance(inputs, Mapping):
        return {name: np.asarray(value)[rows] for name, value in inputs.items()}
    return np.asarray(inputs)[rows]


def conditions(vae, inputs, num_examples):
    """What the decoder takes besides z, from the examples in turn.

    Returns:
        Dictionary of arrays `(num_examples, ...)`, empty without conditions.

    Raises:
        ValueError: If the model takes conditions and the inputs have none.
    """
    names = vae.decoder_conditions
    given = inputs if isinstance(inputs, Mapping) else {}
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(
            f"`x` should be a dictionary with {', '.join(map(repr, missing))}, which "
            "the decoder takes, such as what `fit` was given. Received: "
            f"{sorted(given) if given else type(inputs).__name__}"
        )
    return {
        name: np.asarray(given[name])[np.arange(num_examples) % len(given[name])]
        for name in names
    }
