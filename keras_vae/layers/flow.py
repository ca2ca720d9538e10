"""What every flow is: an invertible map of codes whose volume is known."""

import math
import random

import keras
import tensorflow as tf

from keras_vae.arguments import check_integer, check_integers


class Flow(keras.layers.Layer):
    """An invertible map of codes, with the logarithm of its Jacobian determinant.

    ```
    z, log_det = flow(z_0, context),     log_det = log |det dz / dz_0|
    ```

    in several steps. `VAE(..., flow=flow)` sends the draws of q(z|x) through it, and
    `priors.FlowPrior(flow)` those of a standard normal. A map `(height, width,
    channels)` is taken as the vector of its numbers. Always float32.

    A flow is a subclass, registered with `keras.saving.register_keras_serializable`,
    that implements `_networks(dim, next_seed)`, the networks of the steps (built here,
    for a context or for none), and on vectors `(num_samples, batch, dim)`
    `_forward(z, context)` and, where there is one, `_inverse(z, context)`.

    Args:
        num_steps: Integer, steps one after another.
        hidden_units: Tuple of integers, the hidden layers of each step's network.
        activation: Name of their activation.
        seed: Integer: the same seed gives the same initial weights.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        z: Tensor `(num_samples, batch, *latent_shape)`.
        context: `None`, or a tensor `(batch, ...)` on which the map depends: the
            encoder's third output.

    Returns:
        `(z, log_det)`: of the shape of z, and `(num_samples, batch)`.
    """

    def __init__(
        self, num_steps=4, hidden_units=(64,), activation="elu", seed=None, **kwargs
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.num_steps = check_integer("num_steps", num_steps, minimum=1)
        self.hidden_units = check_integers("hidden_units", hidden_units, empty=True)
        self.activation = keras.activations.get(activation)
        self.seed = seed if seed is None else check_integer("seed", seed, minimum=0)

    def build(self, latent_shape, context_shape=None):
        """Makes the weights.

        Args:
            latent_shape: Tuple, the shape of one code, without a batch axis.
            context_shape: `None` or a tuple, the shape of one context.
        """
        self.latent_shape = tuple(latent_shape)
        self.context_shape = None if context_shape is None else tuple(context_shape)
        dim = math.prod(self.latent_shape)
        seeds = random.Random(self.seed)
        self.networks = self._networks(
            dim, lambda: None if self.seed is None else seeds.getrandbits(31)
        )
        of_vectors = None if context_shape is None else (None, math.prod(context_shape))
        for network in self.networks:
            network.build((None, dim), of_vectors)

    def get_build_config(self):
        if not self.built:
            return None
        context = self.context_shape
        return {
            "latent_shape": [*self.latent_shape],
            "context_shape": None if context is None else [*context],
        }

    def build_from_config(self, config):
        self.build(**config)

    def call(self, z, context=None):
        return self._on_vectors(self._forward, z, context)

    def inverse(self, z, context=None):
        """What `call` made z of.

        Args:
            z: Tensor `(num_samples, batch, *latent_shape)`.
            context: As for `call`.

        Returns:
            `(z_0, log_det)`, where `log_det = log |det dz_0 / dz|`, `(num_samples,
            batch)`.

        Raises:
            NotImplementedError: If the flow has no inverse in one pass.
        """
        return self._on_vectors(self._inverse, z, context)

    def _inverse(self, z, context):
        raise NotImplementedError(
            f"{type(self).__name__} has no inverse in one pass. Mend: "
            "keras_vae.layers.CouplingFlow has one"
        )

    def _on_vectors(self, function, z, context):
        if (context is None) != (self.context_shape is None):
            wanted = "no context" if self.context_shape is None else "a context"
            raise ValueError(
                f"`context` should be what the flow was built for: {wanted}. "
                f"Received: context={context!r}"
            )
        z = tf.cast(z, tf.float32)
        if context is not None:
            context = tf.cast(context, tf.float32)
            context = tf.reshape(context, (-1, math.prod(context.shape[1:])))
        if len(self.latent_shape) == 1:
            return function(z, context)
        shape = tf.shape(z)
        dim = math.prod(self.latent_shape)
        vectors = tf.reshape(z, tf.concat([shape[:2], [dim]], axis=0))
        vectors, log_det = function(vectors, context)
        return tf.ensure_shape(tf.reshape(vectors, shape), z.shape), log_det

    def get_config(self):
        return {
            **super().get_config(),
            "num_steps": self.num_steps,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }
