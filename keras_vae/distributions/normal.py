"""The diagonal normal posterior, and the reparameterization trick."""

import math

import tensorflow as tf
from keras import ops

# exp() of these neither overflows a sum over the batch nor underflows a variance.
LOG_VAR_RANGE = (-30.0, 20.0)


class Normal:
    """The diagonal normal posterior.

    ```
    q(z|x) = N(z_mean, exp(z_log_var)),     z = z_mean + exp(z_log_var / 2) * noise
    ```

    Computed in float32 whatever is given. `z_log_var` is held within [-30, 20]; its
    gradient passes as if it were not, so that an encoder which overshot finds its way
    back.

    Args:
        z_mean: Tensor `(batch, *latent_shape)`.
        z_log_var: Tensor of the same shape.

    Attributes:
        parameters: `{"z_mean": ..., "z_log_var": ...}`, float32.
        mean: `z_mean`.
        log_var: `z_log_var` within its range.

    Example:

    >>> q = Normal([[1.0, 2.0]], [[0.0, 0.0]])
    >>> z = q.sample(tf.zeros((5, 1, 2)))
    >>> z.shape, round(float(q.log_prob(z)[0, 0]), 4)
    (TensorShape([5, 1, 2]), -1.8379)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), section 2.4.
    """

    def __init__(self, z_mean, z_log_var):
        self.mean = tf.cast(z_mean, tf.float32)
        z_log_var = tf.cast(z_log_var, tf.float32)
        clipped = tf.clip_by_value(z_log_var, *LOG_VAR_RANGE)
        self.log_var = z_log_var + tf.stop_gradient(clipped - z_log_var)
        self.parameters = {"z_mean": self.mean, "z_log_var": self.log_var}
        self._drawn = None, None

    def sample(self, noise):
        """Draws z.

        Args:
            noise: Standard normal, `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor of that shape.
        """
        z = reparameterize(self.mean, self.log_var, noise)
        self._drawn = z, noise
        return z

    def log_prob(self, z):
        """log q(z|x).

        Args:
            z: Tensor `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor `(num_samples, batch)`, nats.
        """
        drawn, noise = self._drawn
        # Of z - z_mean few digits are left where q is narrow: a draw of its own is
        # weighed by the noise that it was made of.
        if z is not drawn:
            noise = (z - self.mean) * tf.exp(-0.5 * self.log_var)
        axes = list(range(2, noise.shape.rank))
        per_dimension = tf.square(noise) + self.log_var + math.log(2 * math.pi)
        return -0.5 * tf.reduce_sum(per_dimension, axis=axes)


def reparameterize(z_mean, z_log_var, noise):
    """`z_mean + exp(z_log_var / 2) * noise`, for noise from anywhere.

    Args:
        z_mean: Tensor `(..., latent_dim)`.
        z_log_var: Tensor `(..., latent_dim)`.
        noise: Tensor `(..., latent_dim)`, standard normal.

    Returns:
        Tensor `(..., latent_dim)`.

    Example:

    >>> float(reparameterize(1.0, 0.0, 2.0))
    3.0
    """
    return z_mean + ops.exp(0.5 * ops.convert_to_tensor(z_log_var)) * noise
