"""Networks: builders of plain Keras encoders and decoders.

Each builder returns `(encoder, decoder)`, two functional `keras.Model`s:

```
encoder:  x (batch, *data_shape)  ->  [z_mean, z_log_var], each (batch, latent_dim)
decoder:  z (batch, latent_dim)   ->  the likelihood's parameters, unconstrained,
                                      (batch, *likelihood.parameter_shape(data_shape))
```
"""

from keras_vae.arguments import did_you_mean
from keras_vae.networks.convolutional import convolutional
from keras_vae.networks.dense import dense
from keras_vae.networks.hierarchical_convolutional import hierarchical_convolutional
from keras_vae.networks.hierarchical_dense import hierarchical_dense
from keras_vae.networks.quantized_convolutional import quantized_convolutional
from keras_vae.networks.residual import residual

__all__ = [
    "convolutional",
    "dense",
    "get",
    "hierarchical_convolutional",
    "hierarchical_dense",
    "quantized_convolutional",
    "residual",
]

_NETWORKS = {
    "dense": dense,
    "convolutional": convolutional,
    "residual": residual,
}


def get(identifier):
    """Returns the builder that a name stands for.

    Args:
        identifier: `"dense"`, `"convolutional"`, `"residual"`, or a function of
            `(data_shape, latent_dim, likelihood, **kwargs)` that returns an encoder
            and a decoder, which is returned as it is.

    Returns:
        The builder, a function.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> get("dense").__name__
    'dense'
    """
    if callable(identifier):
        return identifier
    if identifier in _NETWORKS:
        return _NETWORKS[identifier]
    raise ValueError(
        f"`network` should be one of {sorted(_NETWORKS)} or a function that builds "
        f"one. Received: network={identifier!r}.{did_you_mean(identifier, _NETWORKS)}"
    )
