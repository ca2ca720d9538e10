"""The reparameterization trick as a layer."""

import math

import keras
import tensorflow as tf

from keras_vae.distributions import reparameterize


@keras.saving.register_keras_serializable(package="keras_vae")
class Sampling(keras.layers.Layer):
    """Draws `z` from the posterior q(z|x) = N(z_mean, exp(z_log_var)).

    ```
    z = z_mean + exp(z_log_var / 2) * noise,     noise ~ N(0, I)
    ```

    so that gradients flow to `z_mean` and `z_log_var`. The layer draws in training
    and in inference alike, computes in float32 under a mixed-precision policy, saves
    its random state with the model (a run that is stopped and resumed draws what it
    would have drawn), and draws different noise on each replica of a
    `tf.distribute` strategy.

    Args:
        seed: Integer seed of the noise; `None` draws one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[z_mean, z_log_var]`, two tensors of one shape.

    Input shape:
        Two tensors `(batch, latent_dim)`.

    Output shape:
        `(batch, latent_dim)`.

    Example:

    >>> x = keras.Input((8,))
    >>> z_mean = keras.layers.Dense(2)(x)
    >>> z_log_var = keras.layers.Dense(2)(x)
    >>> z = Sampling(seed=0)([z_mean, z_log_var])
    >>> z.shape
    (None, 2)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), section 2.4.
    """

    def __init__(self, seed=None, **kwargs):
        # exp() of a float16 overflows at 11: stay in the policy's variable dtype.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs):
        z_mean, z_log_var = inputs
        noise = tf.cast(self.noise(tf.shape(z_mean)), z_mean.dtype)
        return reparameterize(z_mean, z_log_var, noise)

    def noise(self, shape):
        """Standard normal noise, new at each call.

        Args:
            shape: Shape of it, integers or a tensor.

        Returns:
            float32 tensor. The same with XLA and without, to rounding.
        """
        # Philox gives the same integers wherever it runs, which the normal draws that
        # TensorFlow makes of them are not.
        bits = tf.random.stateless_uniform(
            shape, self._next_seed(), None, None, tf.int32, alg="philox"
        )
        bits = tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), 9)
        # 23 bits and the half are the 24 of a float32: with one more, the largest
        # number would round to 1, of which the normal draw is infinite.
        uniform = (tf.cast(bits, tf.float32) + 0.5) * 2.0**-23
        return math.sqrt(2.0) * tf.math.erfinv(2.0 * uniform - 1.0)

    def _next_seed(self):
        """The generator's next seed; another one on each replica."""
        seed = self.seed_generator.next()
        if (
            tf.distribute.has_strategy()
            and not tf.distribute.in_cross_replica_context()
        ):
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            # An odd constant keeps the replicas' seeds far from one another's.
            fold = tf.stack([0x9E3779B1 * tf.cast(replica, seed.dtype), 0])
            seed = seed + tf.cast(fold, seed.dtype)
        return seed

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}

    # Keras saves no seed generator; without it a resumed run draws other noise.
    def save_own_variables(self, store):
        store["random_state"] = self.seed_generator.state

    def load_own_variables(self, store):
        self.seed_generator.state.assign(store["random_state"])
