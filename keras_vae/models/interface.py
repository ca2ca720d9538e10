"""What goes into two networks, read off the networks themselves."""

import math

import keras
import tensorflow as tf


class Interface:
    """The shapes and the conditions of a model, from its encoder and its decoder.

    A plain object, so that Keras tracks nothing in it twice.

    Attributes:
        encoder: `Network` of `x`.
        decoder: `Network` of `z`.
        data_shape: Tuple.
        latent_shape: Tuple.
        latent_dim: Integer, the product of `latent_shape`.
        conditions: `tf.TensorSpec` by name.
    """

    def __init__(self, encoder, decoder):
        self.encoder = encoder
        self.decoder = decoder
        self.data_shape = encoder.shape
        self.latent_shape = decoder.shape
        self.latent_dim = math.prod(decoder.shape)
        self.conditions = {**decoder.specs, **encoder.specs}
        for name, spec in decoder.specs.items():
            if spec != self.conditions[name]:
                raise ValueError(
                    f"`encoder` and `decoder` should take one condition {name!r}. "
                    f"Received: {self.conditions[name]} and {spec}"
                )


class Network:
    """A network with one main input and perhaps conditions, called with a dictionary.

    Args:
        name: `"encoder"` or `"decoder"`, for errors.
        model: `keras.Model`.
        main: Name of the main input where inputs have names: `"x"` or `"z"`; without
            such a name it is the first.

    Attributes:
        shape: Tuple, shape of one row of the main input.
        specs: `tf.TensorSpec` of each condition by name.
        conditions: Tuple of their names.
    """

    def __init__(self, name, model, main):
        if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
            raise ValueError(
                f"`{name}` should be a Keras model with known inputs, such as "
                f"keras.Model(inputs, outputs). Received: {name}={model!r}"
            )
        self._model = model
        # A sequential model has no structure of inputs before it is called.
        is_sequential = isinstance(model, keras.Sequential)
        self._structure = model.inputs[0] if is_sequential else model.input
        if isinstance(self._structure, dict):
            tensors = dict(self._structure)
        elif isinstance(self._structure, list | tuple):
            tensors = {tensor.name: tensor for tensor in self._structure}
        else:
            tensors = {main: self._structure}
        self._names = list(tensors)
        self._main = main if main in tensors else self._names[0]
        self.shape = tuple(tensors[self._main].shape[1:])
        if not self.shape or None in self.shape:
            what = "data_shape" if main == "x" else "latent_shape"
            raise ValueError(
                f"`{name}` should have an input of known shape (batch, *{what}). "
                f"Received: input shape {(None, *self.shape)}"
            )
        self.specs = {
            key: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=key)
            for key, tensor in tensors.items()
            if key != self._main
        }
        self.conditions = tuple(self.specs)

    def __call__(self, main, inputs, training):
        """Outputs of the network, with the conditions that it takes out of `inputs`."""
        if isinstance(main, dict):
            main = main["x"]
        if not self.conditions:
            return self._model(main, training=training)
        tensors = {**{name: inputs[name] for name in self.conditions}, self._main: main}
        if isinstance(self._structure, dict):
            return self._model(tensors, training=training)
        return self._model([tensors[name] for name in self._names], training=training)


def read(encoder, decoder):
    """`Interface` of an encoder and a decoder.

    Raises:
        ValueError: If one of them has no known inputs.
    """
    return Interface(Network("encoder", encoder, "x"), Network("decoder", decoder, "z"))
