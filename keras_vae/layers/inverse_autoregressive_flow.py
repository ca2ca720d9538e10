"""The inverse autoregressive flow, for posteriors."""

import keras
import tensorflow as tf

from keras_vae.layers.autoregressive_network import AutoregressiveNetwork
from keras_vae.layers.flow import Flow

# What the gates begin with: sigmoid(2) of z is kept. "Close to +1 or +2", says the
# paper in section 4, so that each step changes z a little only.
INITIAL_GATE = 2.0


@keras.saving.register_keras_serializable(package="keras_vae")
class InverseAutoregressiveFlow(Flow):
    """A flow in which each value is moved as those before it say, all in one pass.

    ```
    m, s = network(z, context)            m_i and s_i see z_1, ..., z_{i-1} alone
    z  <-  sigmoid(s) * z + (1 - sigmoid(s)) * m
    log_det = sum over steps and i of log sigmoid(s_i)
    ```

    The values are taken in order in one step, and in reverse in the next. The network
    is an `AutoregressiveNetwork`.

    When to use it: `VAE(..., flow=InverseAutoregressiveFlow())`, where a diagonal
    normal is too simple a q(z|x): few latent dimensions that carry much each, a gap
    between the ELBO and `marginal_log_likelihood`. Give the encoder a third output,
    `networks.dense(..., context_dim=64)`. When not: where q(z|x) has to be known of any
    z (a `VampPrior`), where z_mean and z_log_var are what is wanted, or a decoder
    that is strong enough makes up for it. As a prior it would be slow one way: see
    `CouplingFlow`. Cost: each step is one small network of
    `(latent_dim + context_dim) * hidden_units` weights, for each draw; of an export
    the encoder's files alone become larger.

    Args:
        num_steps: Integer, steps one after another.
        hidden_units: Tuple of integers, the hidden layers of each step's network. A
            layer should have at least `latent_dim` units.
        activation: Name of their activation.
        seed: Integer: the same seed gives the same initial weights.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import keras_vae
    >>> flow = InverseAutoregressiveFlow(num_steps=2)
    >>> networks = keras_vae.networks.dense((8,), 4, context_dim=16)
    >>> vae = keras_vae.VAE(*networks, flow=flow)
    >>> z, log_det = flow(tf.zeros((5, 3, 4)), context=tf.ones((3, 16)))
    >>> z.shape, log_det.shape
    (TensorShape([5, 3, 4]), TensorShape([5, 3]))

    Reference:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive
        Flow" (2016), equations 10 to 14 and algorithm 1.
    """

    def _networks(self, dim, next_seed):
        in_order = [*range(1, dim + 1)]
        return [
            AutoregressiveNetwork(
                in_order[::-1] if step % 2 else in_order,
                2,
                self.hidden_units,
                self.activation,
                seed=next_seed(),
                dtype=self.dtype_policy,
            )
            for step in range(self.num_steps)
        ]

    def _forward(self, z, context):
        log_det = 0.0
        for network in self.networks:
            m, s = network(z, context)
            s = s + INITIAL_GATE
            gate = tf.sigmoid(s)
            z = gate * z + (1.0 - gate) * m
            log_det -= tf.reduce_sum(tf.nn.softplus(-s), axis=-1)
        return z, log_det
