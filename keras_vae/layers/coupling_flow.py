"""The affine coupling flow, which is as fast backwards as forwards."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.layers.autoregressive_network import AutoregressiveNetwork
from keras_vae.layers.flow import Flow

# A step multiplies a value by at least exp(-2), and by exp(2) at most.
MAX_LOG_SCALE = 2.0


@keras.saving.register_keras_serializable(package="keras_vae")
class CouplingFlow(Flow):
    """A flow in which one half of the values says how the other half is moved.

    ```
    t, s = network(z_kept, context),     s <- 2 tanh(s / 2)
    z_changed  <-  z_changed * exp(s) + t
    log_det = sum over steps and changed values of s
    ```

    The halves change places from step to step, and every two steps are other halves, so
    that any two values are apart in some. The inverse is exact and as fast. At the
    start the flow is the identity.

    When to use it: for a prior, `priors.FlowPrior()`, and for a posterior that must be
    known backwards too. When not: as a posterior with a context
    `InverseAutoregressiveFlow` moves all values in a step and needs fewer steps. Of one
    latent dimension it is a scale and a shift. Cost: each step is one small network of
    `(latent_dim + context_dim) * hidden_units` weights.

    Args:
        num_steps: Integer, steps one after another: two to change every value once,
            four or more to be of use.
        hidden_units: Tuple of integers, the hidden layers of each step's network.
        activation: Name of their activation.
        seed: Integer: the same seed gives the same initial weights.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> flow = CouplingFlow()
    >>> flow.build((4,))
    >>> z, log_det = flow(tf.ones((5, 3, 4)))
    >>> z_0, back = flow.inverse(z)
    >>> bool(tf.reduce_all(abs(z_0 - 1.0) < 1e-6)), log_det.shape
    (True, TensorShape([5, 3]))

    Reference:
        Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP" (2017),
        equations 4 to 8.
    """

    def _networks(self, dim, next_seed):
        # What is kept has degree 1, what is changed 2: it sees what is kept alone.
        return [
            AutoregressiveNetwork(
                (1 + self._changed(dim, step)).tolist(),
                2,
                self.hidden_units,
                self.activation,
                seed=next_seed(),
                dtype=self.dtype_policy,
            )
            for step in range(self.num_steps)
        ]

    @staticmethod
    def _changed(dim, step):
        """1 for the values that a step changes: by a bit of their number, in turn."""
        num_bits = max(1, (dim - 1).bit_length())
        bit = (np.arange(dim) >> (step // 2 % num_bits)) & 1
        return bit ^ (step % 2)

    def _move(self, step, z, context):
        """The shift and the log-scale of a step, 0 for the values that it keeps."""
        changed = self._changed(z.shape[-1], step).astype("float32")
        shift, log_scale = self.networks[step](z, context)
        log_scale = MAX_LOG_SCALE * tf.tanh(log_scale / MAX_LOG_SCALE)
        return changed * shift, changed * log_scale

    def _forward(self, z, context):
        log_det = 0.0
        for step in range(self.num_steps):
            shift, log_scale = self._move(step, z, context)
            z = z * tf.exp(log_scale) + shift
            log_det += tf.reduce_sum(log_scale, axis=-1)
        return z, log_det

    def _inverse(self, z, context):
        log_det = 0.0
        for step in reversed(range(self.num_steps)):
            shift, log_scale = self._move(step, z, context)
            z = (z - shift) * tf.exp(-log_scale)
            log_det -= tf.reduce_sum(log_scale, axis=-1)
        return z, log_det
