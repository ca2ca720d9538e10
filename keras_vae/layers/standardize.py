"""The standardisation of tabular data, kept with the model."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_vae")
class Standardize(keras.layers.Layer):
    """Subtracts a mean and divides by a scale; `inverse` undoes it.

    ```
    call(x) = (x - mean) / scale,     inverse(y) = y * scale + mean
    ```

    Args:
        mean: Numbers of the data's shape (or that broadcast to it): what is subtracted.
        scale: Positive numbers of the same shape: what is divided by.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, *data_shape)`, in the data's own units.

    Output shape:
        The same, standardised.

    Raises:
        ValueError: If a value is not finite or a scale not positive.

    Example:

    >>> standardize = Standardize(mean=[10.0, 0.0], scale=[2.0, 0.5])
    >>> standardize(np.array([[12.0, 1.0]])).numpy().tolist()
    [[1.0, 2.0]]
    >>> standardize.inverse([[1.0, 2.0]]).numpy().tolist()
    [[12.0, 1.0]]
    """

    def __init__(self, mean, scale, **kwargs):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.mean = np.asarray(mean, dtype="float32")
        self.scale = np.asarray(scale, dtype="float32")
        if not np.all(np.isfinite(self.mean)):
            raise ValueError(f"`mean` should be finite. Received: mean={mean}")
        if not np.all((self.scale > 0) & np.isfinite(self.scale)):
            raise ValueError(
                "`scale` should be positive and finite (use 1 for a constant "
                f"feature). Received: scale={scale}"
            )
        self.built = True

    def call(self, x):
        return (x - self.mean) / self.scale

    def inverse(self, y):
        """Back to the data's own units: `y * scale + mean`, of the shape of `y`."""
        return ops.convert_to_tensor(y) * self.scale + self.mean

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }
