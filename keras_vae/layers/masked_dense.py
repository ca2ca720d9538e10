"""A dense layer in which an output sees some of the inputs only."""

import keras
import numpy as np
from keras import ops

from keras_vae.arguments import check_integers


@keras.saving.register_keras_serializable(package="keras_vae")
class MaskedDense(keras.layers.Layer):
    """A linear layer whose weights are zero where an output may not see an input.

    ```
    y = x (mask * kernel) + bias
    mask[i, j] = input_degrees[i] <= output_degrees[j]      (< if strict)
    ```

    Every input and every output has a degree, and an output sees the inputs up to its
    own: layers one after another, the last of them strict, make a network whose outputs
    depend on inputs of lower degrees alone.

    Args:
        input_degrees: Sequence of integers >= 0, one for each input.
        output_degrees: Sequence of integers >= 0, one for each output.
        strict: Whether an output sees the inputs of lower degrees only.
        kernel_initializer: Initial weights, as of `keras.layers.Dense`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(..., len(input_degrees))`.

    Output shape:
        `(..., len(output_degrees))`.

    Raises:
        ValueError: If a degree is no such integer, or there are none.

    Example:

    >>> layer = MaskedDense([1, 2], [1, 2], kernel_initializer="ones")
    >>> layer(np.float32([[10.0, 1.0]])).numpy().tolist()
    [[10.0, 11.0]]

    Reference:
        Germain et al., "MADE: Masked Autoencoder for Distribution Estimation" (2015),
        equations 8 and 9.
    """

    def __init__(
        self,
        input_degrees,
        output_degrees,
        strict=False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.input_degrees = list(
            check_integers("input_degrees", input_degrees, minimum=0)
        )
        self.output_degrees = list(
            check_integers("output_degrees", output_degrees, minimum=0)
        )
        self.strict = bool(strict)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        degrees = np.array(self.input_degrees)[:, None]
        compare = np.less if self.strict else np.less_equal
        self.mask = compare(degrees, self.output_degrees).astype("float32")

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=self.mask.shape, initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(
            name="bias", shape=self.mask.shape[1:], initializer="zeros"
        )

    def call(self, x):
        mask = ops.cast(self.mask, self.compute_dtype)
        return ops.matmul(x, mask * self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.output_degrees))

    def get_config(self):
        return {
            **super().get_config(),
            "input_degrees": self.input_degrees,
            "output_degrees": self.output_degrees,
            "strict": self.strict,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
