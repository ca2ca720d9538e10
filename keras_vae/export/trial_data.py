"""Data to try an export with: the caller's, or the model's own samples."""

import numpy as np

from keras_vae.models import checks


def take(name, data, vae, most):
    """Up to `most` examples, spread evenly over arrays; the first ones of batches.

    Args:
        name: The argument's name, for errors.
        data: What `fit` takes: an array `(n, *data_shape)`, a dictionary of it as `x`
            and of what else the model takes, or batches of either.
        vae: A `keras_vae.VAE`.
        most: Integer.

    Returns:
        Dictionary of NumPy arrays of at most `most` examples, as `vae.input_specs`.

    Raises:
        ValueError: If they are not what `vae.encode` takes.
    """
    if not checks.is_arrays(data):
        parts, count = [], 0
        for part in checks.batches_of(name, data, vae, most):
            parts.append(part if isinstance(part, dict) else {"x": part})
            count += len(parts[-1]["x"])
            if count >= most:
                break
        data = {key: np.concatenate([p[key] for p in parts])[:most] for key in parts[0]}
    data = checks.check_data(name, data, vae, support=checks.wants_support(vae))
    data = data if isinstance(data, dict) else {"x": data}
    if set(data) != set(vae.input_specs):
        raise ValueError(
            f"`{name}` should be a dictionary of {', '.join(vae.input_specs)}. "
            "Received: x alone"
        )
    size = len(data["x"])
    places = np.linspace(0, size - 1, min(most, size)).round().astype(int)
    return {
        key: np.asarray(values[places], vae.input_specs[key].dtype.as_numpy_dtype)
        for key, values in data.items()
    }


def generate(vae, num_examples, seed=0):
    """Samples of the model, for conditions drawn at random.

    Args:
        vae: A `keras_vae.VAE`.
        num_examples: Integer.
        seed: Integer.

    Returns:
        Dictionary of NumPy arrays, as of `take`. Each `x` is a mean of p(x|z) where
        that is a value the data may have, and a draw of p(x|z) elsewhere.
    """
    rng = np.random.default_rng(seed)
    conditions = {}
    for name, spec in vae.input_specs.items():
        if name == "x":
            continue
        shape, dtype = (num_examples, *spec.shape[1:]), spec.dtype.as_numpy_dtype
        # Of whole numbers, as an embedding takes them, 0 is one that always may be.
        draws = rng.random(shape) if spec.dtype.is_floating else np.zeros(shape)
        conditions[name] = draws.astype(dtype)
    given = {name: conditions[name] for name in vae.decoder_conditions}
    x = vae.sample(num_examples, seed=seed, **given)
    if not in_support(vae, x):
        x = vae.sample(num_examples, seed=seed, draws=True, **given)
    return {"x": x, **conditions}


def in_support(vae, x):
    """Whether all of the data have a probability under the likelihood."""
    units = x if vae.standardize is None else vae.standardize(x)
    return bool(np.all(vae.likelihood.in_support(units)))
