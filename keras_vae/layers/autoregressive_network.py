"""A small network that says something of each value, given those before it."""

import random

import keras
from keras import ops

from keras_vae.arguments import check_integer, check_integers
from keras_vae.layers.masked_dense import MaskedDense


@keras.saving.register_keras_serializable(package="keras_vae")
class AutoregressiveNetwork(keras.layers.Layer):
    """Numbers for each value of a vector that depend on values of lower degrees alone.

    ```
    output_k[j] = f_kj({z_i : degrees[i] < degrees[j]}, context)
    ```

    All of them in one pass, by masked dense layers. Degrees 1, 2, ..., D make the
    network autoregressive; two degrees make it what a coupling needs: outputs of the
    second half that see the first. At the start every output is 0.

    Args:
        degrees: Sequence of integers >= 1, one for each value.
        num_outputs: Integer, numbers for each value.
        hidden_units: Tuple of integers, one for each hidden layer; may be empty.
        activation: Name of the hidden layers' activation.
        seed: Integer: the same seed gives the same initial weights.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        z: Tensor `(..., len(degrees))`.
        context: `None` or a tensor `(..., context_dim)` that broadcasts against z: what
            all outputs may depend on.

    Returns:
        Tuple of `num_outputs` tensors of the shape of z.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> network = AutoregressiveNetwork([1, 2, 3], num_outputs=2)
    >>> shift, log_scale = network(keras.ops.ones((5, 3)))
    >>> shift.shape
    TensorShape([5, 3])

    Reference:
        Germain et al., "MADE: Masked Autoencoder for Distribution Estimation" (2015),
        section 4.2: several hidden layers.
    """

    def __init__(
        self,
        degrees,
        num_outputs=1,
        hidden_units=(64,),
        activation="elu",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.degrees = list(check_integers("degrees", degrees))
        self.num_outputs = check_integer("num_outputs", num_outputs, minimum=1)
        self.hidden_units = check_integers("hidden_units", hidden_units, empty=True)
        self.activation = keras.activations.get(activation)
        self.seed = seed if seed is None else check_integer("seed", seed, minimum=0)

    def build(self, z_shape, context_shape=None):
        seeds = random.Random(self.seed)

        def initializer():
            seed = None if self.seed is None else seeds.getrandbits(31)
            return keras.initializers.GlorotUniform(seed=seed)

        options = {"dtype": self.dtype_policy}
        # Hidden units of degree 0 see the context alone, for the first value's sake.
        lowest = 1 if context_shape is None else 0
        possible = range(lowest, max(self.degrees)) or [0]
        before = self.degrees
        self.layers = []
        for units in self.hidden_units:
            degrees = [possible[i % len(possible)] for i in range(units)]
            layer = MaskedDense(
                before, degrees, kernel_initializer=initializer(), **options
            )
            self.layers.append(layer)
            before = degrees
        last = MaskedDense(
            before,
            self.degrees * self.num_outputs,
            strict=True,
            kernel_initializer="zeros",
            **options,
        )
        self.layers.append(last)
        for layer in self.layers:
            layer.build((None, len(layer.input_degrees)))
        self.context_layer = None
        if context_shape is not None:
            self.context_layer = keras.layers.Dense(
                len(self.layers[0].output_degrees),
                use_bias=False,
                kernel_initializer=initializer() if self.hidden_units else "zeros",
                **options,
            )
            self.context_layer.build(context_shape)

    def call(self, z, context=None):
        hidden = z
        for layer in self.layers:
            if layer is not self.layers[0]:
                hidden = self.activation(hidden)
            hidden = layer(hidden)
            if layer is self.layers[0] and context is not None:
                hidden = hidden + self.context_layer(context)
        return tuple(ops.split(hidden, self.num_outputs, axis=-1))

    def get_config(self):
        return {
            **super().get_config(),
            "degrees": self.degrees,
            "num_outputs": self.num_outputs,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }
