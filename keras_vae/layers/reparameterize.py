"""A normal variable from its mean, its variance and noise, as a layer."""

import keras

from keras_vae.distributions import Normal


@keras.saving.register_keras_serializable(package="keras_vae")
class Reparameterize(keras.layers.Layer):
    """Takes noise to a draw of a normal distribution.

    ```
    z = z_mean + exp(z_log_var / 2) * noise
    ```

    In a network where the noise is an input, such as a level of a hierarchy whose code
    is in the units of its prior N(z_mean, exp(z_log_var)). Computes in float32;
    `z_log_var` is held within [-30, 20].

    Call arguments:
        inputs: `[z_mean, z_log_var, noise]`, three tensors of one shape.

    Input shape:
        Three tensors `(batch, ...)`.

    Output shape:
        `(batch, ...)`.

    Example:

    >>> import tensorflow as tf
    >>> float(Reparameterize()([tf.constant([1.0]), tf.zeros(1), tf.constant([2.0])]))
    3.0

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), section 2.4.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.built = True

    def call(self, inputs):
        z_mean, z_log_var, noise = inputs
        return Normal(z_mean, z_log_var).sample(noise)

    def compute_output_shape(self, input_shape):
        return input_shape[0]
