"""What a VAE accepts, and what it says of the rest."""

import math

import keras
import numpy as np
import tensorflow as tf


def check_networks(encoder, decoder, likelihood):
    """Checks that the parts of a VAE fit one another.

    Returns:
        `(data_shape, latent_dim)`.
    """
    for name, model in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
            raise ValueError(
                f"`{name}` should be a Keras model with known inputs, such as "
                f"keras.Model(inputs, outputs). Received: {name}={model!r}"
            )
        if len(model.inputs) != 1:
            raise ValueError(
                f"`{name}` should have one input. Received: {len(model.inputs)} inputs"
            )
    outputs = encoder.outputs
    if len(outputs) != 2:
        raise ValueError(
            "`encoder` should have two outputs, keras.Model(x, [z_mean, z_log_var]); "
            f"the VAE samples z itself. Received: {len(outputs)} output(s) "
            f"{_shapes(outputs)}"
        )
    z_mean, z_log_var = (tuple(output.shape) for output in outputs)
    if z_mean != z_log_var or len(z_mean) != 2 or not z_mean[1]:
        raise ValueError(
            "`encoder` should return z_mean and z_log_var of one shape "
            f"(batch, latent_dim). Received: shapes {z_mean} and {z_log_var}"
        )
    latent_dim = z_mean[1]
    data_shape = tuple(encoder.inputs[0].shape[1:])
    if not data_shape or None in data_shape:
        raise ValueError(
            "`encoder` should have an input of known shape (batch, *data_shape). "
            f"Received: input shape {(None, *data_shape)}"
        )
    z_shape = tuple(decoder.inputs[0].shape[1:])
    if z_shape != (latent_dim,):
        raise ValueError(
            f"`decoder` should take z of shape (batch, {latent_dim}), the encoder's "
            f"latent_dim. Received: input shape {(None, *z_shape)}"
        )
    expected = (None, *likelihood.parameter_shape(data_shape))
    outputs = decoder.outputs
    if len(outputs) != 1:
        raise ValueError(
            f"`decoder` should have one output of shape {expected}. "
            f"Received: {_shapes(outputs)}"
        )
    if tuple(outputs[0].shape[1:]) != expected[1:]:
        raise ValueError(
            f"`decoder` should return the parameters of the likelihood "
            f"{likelihood.identifier!r} for data of shape {data_shape} "
            f"({likelihood.num_parameters} for each value): shape {expected}. "
            f"Received: shape {tuple(outputs[0].shape)}"
        )
    return data_shape, latent_dim


def _shapes(outputs):
    return [tuple(output.shape) for output in outputs]


def check_number(name, value, minimum):
    """Returns a finite float that is not below `minimum`."""
    value = float(value)
    if not (math.isfinite(value) and value >= minimum):
        raise ValueError(
            f"`{name}` should be a finite number >= {minimum}. Received: {value}"
        )
    return value


def check_integer(name, value, minimum):
    """Returns an integer that is not below `minimum`."""
    if isinstance(value, bool) or int(value) != value or value < minimum:
        raise ValueError(
            f"`{name}` should be an integer >= {minimum}. Received: {value!r}"
        )
    return int(value)


def is_array(x):
    """Whether `x` is one array (or nested list of numbers), not a source of batches."""
    return isinstance(x, np.ndarray | tf.Tensor | list | tuple) or (
        hasattr(x, "__array__") and not isinstance(x, keras.utils.PyDataset)
    )


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


def check_array(name, x, vae, support=False):
    """Returns `x` as an array that the VAE can take, or says what is wrong with it.

    Values are checked in parts, so that a memory-mapped array stays on the disk.
    """
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
    check_dtype(name, x.dtype)
    for start in range(0, len(x), 4096):
        part = x[start : start + 4096]
        if not np.isfinite(part).all():
            bad = np.argwhere(~np.isfinite(part))[0]
            raise ValueError(
                f"`{name}` should be finite. Received: {part[tuple(bad)]} at index "
                f"{(int(bad[0]) + start, *map(int, bad[1:]))}"
            )
        if support:
            units = part if vae.standardize is None else vae.standardize(part)
            inside = vae.likelihood.in_support(tf.cast(units, tf.float32)).numpy()
            if not inside.all():
                index = start + int(np.argmin(inside))
                low, high = float(x[index].min()), float(x[index].max())
                hint = ""
                if high > 1.5 and "[0, 1]" in vae.likelihood.support:
                    hint = f". 8-bit images are scaled by {name} / 255"
                raise ValueError(
                    f"`{name}` should lie in the support of the likelihood "
                    f"{vae.likelihood.identifier!r}: {vae.likelihood.support}. "
                    f"Received: values from {low:g} to {high:g} in example {index}"
                    f"{hint}"
                )
    return x


def check_batch(name, x, data_shape):
    """Returns a batch as a float32 tensor of the right shape; works in a graph."""
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor | dict | list | tuple):
        raise ValueError(
            f"`{name}` should be one dense tensor of shape "
            f"(batch, {_dims(data_shape)}). Received: {type(x).__name__}"
        )
    x = tf.convert_to_tensor(x)
    shape = x.shape
    if shape.rank is not None:
        expected = (None, *data_shape)
        if shape.rank != len(expected) or not shape[1:].is_compatible_with(data_shape):
            hint = _shape_hint(name, shape, data_shape)
            raise ValueError(
                f"`{name}` should have shape (batch, {_dims(data_shape)}). "
                f"Received: shape {tuple(shape)}{hint}"
            )
    check_dtype(name, x.dtype.as_numpy_dtype)
    return tf.ensure_shape(tf.cast(x, tf.float32), (None, *data_shape))


def check_dtype(name, dtype):
    """Raises unless the dtype is floating-point."""
    dtype = tf.as_dtype(dtype) if not isinstance(dtype, np.dtype) else dtype
    kind = np.dtype(getattr(dtype, "as_numpy_dtype", dtype))
    if kind.kind == "f" or kind.name == "bfloat16":
        return
    mend = f"{name}.astype('float32')"
    if kind.name == "uint8":
        mend += " / 255 scales 8-bit images to [0, 1]"
    raise ValueError(
        f"`{name}` should be floating-point. Received: dtype {kind.name}. Mend: {mend}"
    )


def batches_of(name, x, vae, batch_size):
    """Batches of an array, a `tf.data.Dataset` or another iterable of batches."""
    check_integer("batch_size", batch_size, minimum=1)
    if is_array(x):
        x = check_array(name, x, vae)
        for start in range(0, len(x), batch_size):
            yield np.asarray(x[start : start + batch_size], dtype="float32")
        return
    empty = True
    for batch in x:
        batch = batch[0] if isinstance(batch, list | tuple) else batch
        yield check_batch(name, batch, vae.data_shape)
        empty = False
    if empty:
        raise ValueError(f"`{name}` should hold at least one example. Received: none")


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
