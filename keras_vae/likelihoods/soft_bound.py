"""Smooth bounds for log-scales and log-rates, so that exp() cannot overflow."""

import tensorflow as tf


def soft_bound(value, lower=None, upper=None):
    """Holds values between two bounds, smoothly; leaves those well inside alone.

    ```
    f(v) = upper - exp(upper - 1 - v)     for v > upper - 1
           v                              in between, exactly
           lower + exp(v - lower - 1)     for v < lower + 1
    ```

    The function and its derivative are continuous, and it never quite stops rising, so
    that a parameter which overshot finds its way back.

    Args:
        value: float32 tensor of any shape.
        lower: Number or `None`.
        upper: Number or `None`, at least `lower + 2`.

    Returns:
        Tensor of the shape of `value`.

    Example:

    >>> soft_bound([-1e9, -3.5, 2.0, 1e9], lower=-5.0, upper=5.0).numpy().tolist()
    [-5.0, -3.5, 2.0, 5.0]
    """
    value = tf.convert_to_tensor(value)
    # exp() sees no positive number: where its branch is not used it gives 1, and
    # gradient 0, not infinity.
    if upper is not None:
        knee = upper - 1.0
        excess = tf.nn.relu(value - knee)
        value = tf.minimum(value, knee) + (1.0 - tf.exp(-excess))
    if lower is not None:
        knee = lower + 1.0
        excess = tf.nn.relu(knee - value)
        value = tf.maximum(value, knee) - (1.0 - tf.exp(-excess))
    return value
