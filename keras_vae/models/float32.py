"""A model trained in mixed precision, rebuilt to compute in float32."""

import contextlib

import keras

from keras_vae.models.keras_private import ObjectSharingScope


def float32_copy(vae):
    """The same model computing in float32, whatever precision it was trained in.

    A model trained under mixed precision does not convert to TFLite, and would answer
    with less precision than its weights have. Parts that two others share are shared
    in the copy too.

    Args:
        vae: A `keras_vae.VAE`.

    Returns:
        A `keras_vae.VAE` with the same weights, not compiled (and without beta and
        capacity, if those are functions that cannot be saved); `vae` itself if it
        computes in float32 throughout.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> float32_copy(vae) is vae
    True
    """
    vae._trained.copied_for_inference = True
    try:
        with ObjectSharingScope():
            config = vae.get_config()
    finally:
        vae._trained.copied_for_inference = False
    float32_config = _in_float32(config)
    if float32_config == config:
        return vae
    # A layer of the user's own need not be registered to be copied.
    custom_objects = {type(layer).__name__: type(layer) for layer in layers_of(vae)}
    with (
        _global_float32(),
        keras.saving.custom_object_scope(custom_objects),
        ObjectSharingScope(),
    ):
        copy = type(vae).from_config(float32_config)
    copy.set_weights(vae.get_weights())
    copy.trained_on_targets = vae.trained_on_targets
    return copy


def layers_of(model):
    """All layers of a model and of the models in it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        for network in getattr(layer, "networks", ()):  # of a `TopDown`
            yield from layers_of(network)


@contextlib.contextmanager
def _global_float32():
    """The policy of layers that keep none in their configuration, as models do."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


_REDUCED = {"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def _in_float32(config):
    """A serialized object with each reduced dtype and dtype policy made float32."""
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    if not isinstance(config, dict):
        return config
    if (
        config.get("class_name") == "DTypePolicy"
        and config["config"]["name"] in _REDUCED
    ):
        return keras.dtype_policies.serialize(keras.DTypePolicy("float32"))
    return {
        key: "float32"
        if key == "dtype" and isinstance(value, str) and value in _REDUCED
        else _in_float32(value)
        for key, value in config.items()
    }
