"""What data and arguments a VAE accepts, and what it says of the rest."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import likelihoods, schedules
from keras_vae.arguments import check_integer, did_you_mean
from keras_vae.distributions import Normal

# Values are looked at in parts, so that a memory-mapped array stays on the disk.
ROWS_AT_A_TIME = 4096


def check_unused(vae, name, value, default):
    """Raises unless an argument that a model has no use for has its default."""
    number = value.value if isinstance(value, schedules.Constant) else value
    if number is not default and number != default:
        raise ValueError(
            f"`{name}` has no effect in {type(vae).__name__}: {vae.UNUSED[name]}. "
            f"Received: {name}={number!r}. Mend: leave it out"
        )


def check_density(vae):
    """Raises unless q(z|x) has a density, without which nothing bounds log p(x)."""
    if "elbo" not in vae.MEASURES:
        raise ValueError(
            f"{type(vae).__name__} has no ELBO and no likelihood of its data: its "
            f"codes are points, without a density. vae.score(x) gives what it has: "
            f"{', '.join(vae.MEASURES)}"
        )


def check_normal(vae, q):
    """Returns a posterior that is a diagonal normal, or says that it has to be one."""
    if not isinstance(q, Normal):
        raise ValueError(
            f"{type(vae).__name__} should have a diagonal normal posterior, of which "
            f"it knows the moments. Received: {type(q).__name__}"
        )
    return q


def check_one_of(name, value, choices):
    """Returns a name that is one of a few."""
    if value not in choices:
        raise ValueError(
            f"`{name}` should be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}.{did_you_mean(value, choices)}"
        )
    return value


def check_seed(seed):
    """Returns a seed of examples as an int."""
    if seed is None:
        raise ValueError(
            "`seed` should be an integer: the same data get the same numbers. "
            "Received: seed=None"
        )
    return check_integer("seed", seed, minimum=-(2**31), maximum=2**32 - 1)


def is_array(x):
    """Whether `x` is one array (or nested list of numbers), not a source of batches."""
    return isinstance(x, np.ndarray | tf.Tensor | list | tuple) or (
        hasattr(x, "__array__") and not isinstance(x, keras.utils.PyDataset)
    )


def is_arrays(x):
    """Whether `x` is an array, or a dictionary of arrays."""
    return isinstance(x, dict) or is_array(x)


def check_shape(name, x, shape):
    """Returns `x` if it is a non-empty array of examples of that shape."""
    if tuple(x.shape) == tuple(shape):
        raise ValueError(
            f"`{name}` should have shape (batch, {_dims(shape)}). Received one example "
            f"of shape {tuple(x.shape)}: give it a batch axis, {name}[None]"
        )
    if tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(
            f"`{name}` should have shape (batch, {_dims(shape)}). "
            f"Received: shape {tuple(x.shape)}{_shape_hint(name, x.shape, shape)}"
        )
    if x.shape[0] == 0:
        raise ValueError(f"`{name}` should hold at least one example. Received: none")
    return x


def check_data(name, x, vae, support=False):
    """Returns data as arrays that the VAE can take, or says what is wrong with them.

    Args:
        name: `"x"` or `"target"`, for errors.
        x: Array, or dictionary of arrays.
        vae: `VAE`.
        support: Whether x has to lie in the support of the likelihood.
    """
    if x is None:
        raise ValueError(
            f"`{name}` should be data of shape (n, {_dims(vae.data_shape)}). "
            "Received: None"
        )
    if not isinstance(x, dict):
        if len(vae.input_specs) > 1 and name == "x":
            raise ValueError(_wants_dictionary(vae.input_specs))
        return check_array(name, x, vae, support)
    _check_names(x, vae.input_specs)
    arrays = {"x": check_array("x", x["x"], vae, support)}
    for key, spec in vae.input_specs.items():
        if key != "x":
            arrays[key] = _check_further(key, x[key], spec, len(arrays["x"]), vae)
    return arrays


def wants_support(vae):
    """Whether x has to lie in the likelihood's support: not beside other targets."""
    return not vae.trained_on_targets


def check_array(name, x, vae, support=False):
    """Returns `x` as an array of examples, or says what is wrong with it."""
    if isinstance(x, list | tuple):
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(
                f"`{name}` should hold examples of one shape, "
                f"{vae.data_shape}. Received: a ragged list"
            ) from error
    elif not isinstance(x, np.ndarray):
        x = np.asarray(x)
    check_shape(name, x, vae.data_shape)
    check_dtype(name, x.dtype, is_binary=x.dtype == np.uint8 and x.max() <= 1)
    for start in range(0, len(x), ROWS_AT_A_TIME):
        part = x[start : start + ROWS_AT_A_TIME]
        check_finite(name, part, start)
        if support:
            _check_support(name, part, start, vae)
    return x


def as_floats(x):
    """Arrays that Keras gets: x in a type of floats, conditions as they are."""
    if isinstance(x, dict):
        return {**x, "x": as_floats(x["x"])}
    return x.astype("float32") if x.dtype.kind in "biu" else x


def _check_support(name, part, start, vae):
    units = tf.cast(part, tf.float32)
    if vae.standardize is not None:
        units = vae.standardize(units)
    message = likelihoods.misfit(vae.likelihood, units, name, start)
    if message:
        raise ValueError(message)


def check_inputs(inputs, specs):
    """A dictionary of tensors, checked against specs; works in a graph.

    Args:
        inputs: A batch: x, or a dictionary with x and what else there is.
        specs: `tf.TensorSpec` by name; x among them.

    Returns:
        Dictionary of tensors by name, x in float32.
    """
    if not isinstance(inputs, dict):
        if len(specs) > 1:
            raise ValueError(_wants_dictionary(specs))
        inputs = {"x": inputs}
    _check_names(inputs, specs)
    return {
        name: check_batch(name, inputs[name], spec.shape[1:], spec.dtype)
        for name, spec in specs.items()
    }


def _wants_dictionary(specs):
    names = ", ".join(f"{name!r}: ..." for name in specs)
    return f"The model takes a dictionary {{{names}}}. Received: x alone"


def _check_names(inputs, specs):
    missing, further = [*(set(specs) - set(inputs))], [*(set(inputs) - set(specs))]
    if missing or further:
        has = f"lacks {', '.join(map(repr, sorted(missing)))}" if missing else ""
        if further:
            has += " and " if has else ""
            has += f"has {', '.join(map(repr, sorted(further)))}, which it does not use"
        raise ValueError(
            f"The model takes {', '.join(map(repr, specs))}. Received: a dictionary "
            f"that {has}"
        )


def _check_further(name, values, spec, num_rows, vae):
    """What goes in beside x, as an array of the right type, a row for each example."""
    values = np.asarray(values)
    row = tuple(spec.shape[1:])
    if row == (1,) and values.ndim == 1:
        values = values[:, None]
    if values.shape != (num_rows, *row):
        raise ValueError(
            f"`{name}` should have shape {(num_rows, *row)}, a row for each example. "
            f"Received: shape {values.shape}"
        )
    check_finite(name, values, 0)
    vae.check_condition(name, values)
    values = values.astype(spec.dtype.as_numpy_dtype)
    return values


def check_finite(name, part, start=0):
    """Raises unless all values are finite; row 0 is the data's row `start`."""
    if part.dtype.kind in "biu" or np.isfinite(part).all():
        return
    bad = np.argwhere(~np.isfinite(part))[0]
    raise ValueError(
        f"`{name}` should be finite. Received: {part[tuple(bad)]} at index "
        f"{(int(bad[0]) + start, *map(int, bad[1:]))}"
    )


def check_conditions(conditions, vae, num_rows):
    """Arrays of what the decoder takes beside z: `num_rows` rows of each.

    One row, `vae.conditions[name].shape[1:]`, stands for all.
    """
    wanted = {name: vae.conditions[name] for name in vae.decoder_conditions}
    if set(conditions) != set(wanted):
        raise ValueError(
            f"The decoder takes {', '.join(['z', *wanted])}. Received: "
            f"{', '.join(['z', *conditions])}"
        )
    arrays = {}
    for name, spec in wanted.items():
        values = np.asarray(conditions[name])
        row = tuple(spec.shape[1:])
        if values.shape == row or (values.shape == () and row == (1,)):
            values = np.broadcast_to(values, (num_rows, *row))
        arrays[name] = _check_further(name, values, spec, num_rows, vae)
    return arrays


def check_batch(name, x, data_shape, dtype=tf.float32):
    """Returns a batch as a tensor of the right shape and type; works in a graph."""
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor | dict | list | tuple):
        raise ValueError(
            f"`{name}` should be one dense tensor of shape "
            f"(batch, {_dims(data_shape)}). Received: {type(x).__name__}"
        )
    x = tf.convert_to_tensor(x)
    shape, data_shape = x.shape, tuple(data_shape)
    if data_shape == (1,) and shape.rank == 1:
        x = x[:, None]
        shape = x.shape
    if shape.rank is not None:
        expected = (None, *data_shape)
        if shape.rank != len(expected) or not shape[1:].is_compatible_with(data_shape):
            hint = _shape_hint(name, shape, data_shape)
            raise ValueError(
                f"`{name}` should have shape (batch, {_dims(data_shape)}). "
                f"Received: shape {tuple(shape)}{hint}"
            )
    if name in ("x", "target"):
        check_dtype(name, x.dtype.as_numpy_dtype)
    elif tf.as_dtype(dtype).is_integer and not x.dtype.is_integer:
        raise ValueError(
            f"`{name}` should be integers. Received: dtype {x.dtype.name}. Mend: "
            f"{name}.astype('int32')"
        )
    return tf.ensure_shape(tf.cast(x, dtype), (None, *data_shape))


def check_dtype(name, dtype, is_binary=False):
    """Raises unless the type is one of numbers, and not that of 8-bit images.

    Those are 0 to 255 in their type and 0 to 1 in a model: nothing tells which of the
    two is meant, unless all of them are 0 or 1.
    """
    kind = np.dtype(getattr(dtype, "as_numpy_dtype", dtype))
    if kind.name == "uint8" and not is_binary:
        raise ValueError(
            f"`{name}` should be floating-point. Received: dtype uint8. Mend: "
            f"{name}.astype('float32') / 255 scales 8-bit images to [0, 1]; what is 0 "
            f"and 1 already is cast and not divided"
        )
    if kind.kind not in "biuf" and kind.name != "bfloat16":
        raise ValueError(
            f"`{name}` should be numbers. Received: dtype {kind.name}. Mend: "
            f"{name}.astype('float32')"
        )


def batches_of(name, x, vae, batch_size, support=False):
    """Batches of arrays, of a `tf.data.Dataset` or of another iterable of batches.

    Yields:
        A float32 array, or a dictionary of arrays where the model takes more than x.
    """
    check_integer("batch_size", batch_size, minimum=1)
    if x is None or (is_arrays(x) and not _is_list_of_batches(x, vae)):
        x = check_data(name, x, vae, support)
        rows = len(x["x"] if isinstance(x, dict) else x)
        for start in range(0, rows, batch_size):
            batch = tf.nest.map_structure(
                lambda array, start=start: array[start : start + batch_size], _single(x)
            )
            yield _as_batch(batch)
        return
    start = 0
    for batch in x:
        batch = batch[0] if isinstance(batch, list | tuple) else batch
        batch = _single(check_inputs(batch, vae.input_specs))
        main = batch["x"] if isinstance(batch, dict) else batch
        check_finite(name, main.numpy(), start)
        if support:
            _check_support(name, main.numpy(), start, vae)
        for key, values in batch.items() if isinstance(batch, dict) else ():
            if key != "x":
                vae.check_condition(key, values.numpy())
        start += len(main)
        yield batch
    if start == 0:
        raise ValueError(f"`{name}` should hold at least one example. Received: none")


def _is_list_of_batches(x, vae):
    """Whether a list holds batches, `(x, ...)` tuples or dictionaries, and no rows."""
    if not isinstance(x, list) or not x:
        return False
    rank = 1 + len(vae.data_shape)
    parts = [part[0] if isinstance(part, tuple) and part else part for part in x]
    return all(isinstance(part, dict) or np.ndim(part) == rank for part in parts)


def _as_batch(batch):
    """x in float32; conditions as they are."""
    if isinstance(batch, dict):
        return {**batch, "x": _as_batch(batch["x"])}
    return np.asarray(batch, "float32")


def _single(inputs):
    """x itself of a dictionary that holds nothing else."""
    if isinstance(inputs, dict) and set(inputs) == {"x"}:
        return inputs["x"]
    return inputs


def _dims(shape):
    return ", ".join(map(str, shape))


def _shape_hint(name, shape, data_shape):
    """How the most common mistakes are mended."""
    if name == "target" and len(shape) <= max(2, len(data_shape)):
        return (
            ". If those are labels, a VAE has no use for them: drop them, "
            "dataset.map(lambda x, y: x), or hand over x alone"
        )
    if tuple(shape) == tuple(data_shape):
        return ". The data are not batched: dataset.batch(128)"
    if len(data_shape) == len(shape) and tuple(shape[1:]) == tuple(data_shape[:-1]):
        return f". The channel axis is missing: {name}[..., None]"
    return ""
