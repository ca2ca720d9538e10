"""What networks a VAE accepts, and what it says of the rest."""

import warnings


def named_outputs(outputs):
    """Outputs of an encoder by name, whether it returns a dictionary or a list.

    The third, a context, is for a flow.
    """
    if isinstance(outputs, dict):
        return outputs
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return dict(zip(("z_mean", "z_log_var", "context"), outputs, strict=False))


def check_encoder(encoder, latent_shape, has_flow=False):
    """Raises unless an encoder returns the parameters of a diagonal normal."""
    outputs = getattr(encoder, "output", encoder.outputs)  # sequential ones have none
    named = named_outputs(outputs)
    known = [{"z_mean", "z_log_var"}]
    if has_flow:
        known.append({"z_mean", "z_log_var", "context"})
    if set(named) not in known and isinstance(outputs, dict):
        raise ValueError(
            "`encoder` should have the outputs z_mean and z_log_var. Received: "
            f"{', '.join(outputs)}"
        )
    if set(named) not in known or len(encoder.outputs) > 3:
        raise ValueError(
            "`encoder` should have two outputs, keras.Model(x, [z_mean, z_log_var]); "
            "the VAE samples z itself (and a flow may have a third, its context). "
            f"Received: {len(encoder.outputs)} output(s) {_shapes(encoder.outputs)}"
        )
    outputs = named["z_mean"], named["z_log_var"]
    z_mean, z_log_var = _shapes(outputs)
    if z_mean != z_log_var:
        raise ValueError(
            "`encoder` should return z_mean and z_log_var of one shape "
            f"(batch, latent_dim). Received: shapes {z_mean} and {z_log_var}"
        )
    if z_mean[1:] != latent_shape:
        dims = ", ".join(map(str, z_mean[1:]))
        raise ValueError(
            f"`decoder` should take z of shape (batch, {dims}), which the encoder "
            f"returns. Received: input shape {(None, *latent_shape)}"
        )


def check_decoder(decoder, likelihood, data_shape):
    """Raises unless a decoder returns the parameters that a likelihood wants."""
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
    activation = getattr(decoder.layers[-1], "activation", None)
    name = getattr(activation, "__name__", None)
    if name is not None and name == _APPLIED.get(likelihood.identifier):
        warnings.warn(
            f"The decoder ends in a {name}, which the likelihood "
            f"{likelihood.identifier!r} applies itself: it would be applied twice. "
            "Let the last layer be linear (activation=None).",
            stacklevel=4,  # whoever builds the model
        )


# What a likelihood does to the decoder's output, which has no bounds.
_APPLIED = {
    "bernoulli": "sigmoid",
    "continuous_bernoulli": "sigmoid",
    "categorical": "softmax",
}


def _shapes(outputs):
    return [tuple(output.shape) for output in outputs]
