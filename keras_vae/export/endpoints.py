"""The endpoints of a VAE: what a server and a phone answer, once for both."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.export import images


class Endpoint(NamedTuple):
    """A named function of named tensors; see `encoder_endpoints`.

    Attributes:
        name: The signature's name.
        function: Takes the tensors of `inputs`, by name or in that order, and returns
            a dictionary of named tensors. It draws from nothing but its arguments.
        inputs: Name of each input and its `tf.TensorSpec`, with a free batch size.

    Example:

    >>> spec = tf.TensorSpec((None, 2), tf.float32, name="z")
    >>> double = Endpoint("double", lambda z: {"twice": 2 * z}, {"z": spec})
    >>> double.function(z=1.5)
    {'twice': 3.0}
    """

    name: str
    function: Any
    inputs: dict


def encoder_endpoints(vae):
    """What the encoder answers; the first endpoint is the default one.

    | name | inputs | outputs |
    |---|---|---|
    | `encode` | `x` float32 | `z_mean`, `z_log_var` |
    | `encode_uint8` | `x` uint8, 0..255 (images) | the same |
    | `encode_bytes` | `image_bytes` string `(batch,)`: PNG, JPEG (images) | the same |
    | `encode_sample` | `x` float32, `seed` int32 `(batch, 2)` | `z` and the same |

    `encode_sample` draws `z` from the posterior, each row from its own seed alone.

    Args:
        vae: A `keras_vae.VAE`.

    Returns:
        Dictionary of `Endpoint` by name, in the order of the table; the endpoints for
        images are left out where `has_images(vae)` is false.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> list(encoder_endpoints(vae))
    ['encode', 'encode_sample']
    >>> encode = encoder_endpoints(vae)["encode"]
    >>> sorted(encode.function(x=np.zeros((3, 4), "float32")))
    ['z_log_var', 'z_mean']
    """
    data_shape = (None, *vae.data_shape)

    def encode(x):
        return vae.posterior(vae.prepare(x)).parameters

    def encode_uint8(x):
        return encode(tf.cast(x, tf.float32) / 255.0)

    def encode_bytes(image_bytes):
        return encode(images.decode(image_bytes, vae.data_shape))

    def encode_sample(x, seed):
        q = vae.posterior(vae.prepare(x))
        z = q.sample(noise.draws(seed, 1, vae.latent_shape))[0]
        return {"z": z, **q.parameters}

    endpoints = [_endpoint(encode, x=tf.TensorSpec(data_shape, tf.float32))]
    if has_images(vae):
        endpoints += [
            _endpoint(encode_uint8, x=tf.TensorSpec(data_shape, tf.uint8)),
            _endpoint(encode_bytes, image_bytes=tf.TensorSpec((None,), tf.string)),
        ]
    endpoints.append(
        _endpoint(
            encode_sample,
            x=tf.TensorSpec(data_shape, tf.float32),
            seed=tf.TensorSpec((None, 2), tf.int32),
        )
    )
    return {endpoint.name: endpoint for endpoint in endpoints}


def decoder_endpoints(vae):
    """What the decoder answers; the first endpoint is the default one.

    | name | inputs | outputs |
    |---|---|---|
    | `decode` | `z` float32 | `reconstruction` |
    | `decode_uint8` | `z` float32 | `reconstruction` uint8, 0..255 (images) |
    | `sample` | `seed` int32 `(batch, 2)` | `z`, `reconstruction` |

    `sample` draws `z` from the prior, each row from its own seed alone:
    `vae.sample(n, seed=s)` is the answer to the rows `[s, 0], ..., [s, n - 1]`.

    Args:
        vae: A `keras_vae.VAE`.

    Returns:
        Dictionary of `Endpoint` by name, in the order of the table; the endpoint for
        images is left out where `has_images(vae)` is false.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> sample = decoder_endpoints(vae)["sample"]
    >>> sample.inputs["seed"].shape
    TensorShape([None, 2])
    >>> sample.function(seed=[[0, 0], [0, 1], [0, 2]])["reconstruction"].shape
    TensorShape([3, 4])
    """

    def decode(z):
        return {"reconstruction": vae.reconstruction(z)}

    def decode_uint8(z):
        levels = tf.round(tf.clip_by_value(vae.reconstruction(z), 0.0, 1.0) * 255.0)
        return {"reconstruction": tf.cast(levels, tf.uint8)}

    def sample(seed):
        z = vae.prior.sample(seed, vae.latent_shape)
        return {"z": z, **decode(z)}

    z = tf.TensorSpec((None, *vae.latent_shape), tf.float32)
    endpoints = [_endpoint(decode, z=z)]
    if has_images(vae):
        endpoints.append(_endpoint(decode_uint8, z=z))
    endpoints.append(_endpoint(sample, seed=tf.TensorSpec((None, 2), tf.int32)))
    return {endpoint.name: endpoint for endpoint in endpoints}


def _endpoint(function, **inputs):
    # A spec's name is the name that the input has on the server.
    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
        for name, spec in inputs.items()
    }
    return Endpoint(function.__name__, function, specs)


def has_images(vae):
    """Whether the data are images: grey, colour, or colour with alpha, in [0, 1].

    They are if their shape is `(height, width, channels)` with 1, 3 or 4 channels, they
    are not standardised, and the likelihood takes every 8-bit level `k / 255`.

    Args:
        vae: A `keras_vae.VAE`.

    Returns:
        Boolean.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), 2, hidden_units=(8,))
    >>> has_images(keras_vae.VAE(encoder, decoder, likelihood="bernoulli"))
    True
    """
    if len(vae.data_shape) != 3 or vae.standardize is not None:
        return False
    channels = vae.data_shape[-1]
    if channels not in (1, 3, 4):
        return False
    levels = np.arange(256, dtype="float32").reshape(256, 1, 1, 1) / 255
    levels = np.broadcast_to(levels, (256, 1, 1, channels))
    return bool(np.all(vae.likelihood.in_support(tf.constant(levels))))
