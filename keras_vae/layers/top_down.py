"""The levels of a hierarchy, from the top down: shared by inference and generation."""

import itertools
import math

import keras
import tensorflow as tf

from keras_vae.distributions import Normal, for_each_draw


@keras.saving.register_keras_serializable(package="keras_vae")
class TopDown(keras.layers.Layer):
    """Takes the codes of all levels to the state from which data are decoded.

    ```
    generation   z_l ~ N(0, I),                     h_l = update_l(h_l-1, z_l)
    inference    z_l ~ N(posterior_l(h_l-1, f_l)),  h_l = update_l(h_l-1, z_l)
    ```

    where `f_l` is what the encoder says of x to level l. The code of a level is in the
    units of the level's prior: an update whose level has the prior N(m(h), s(h)^2)
    begins with `m(h) + s(h) z`. Every hierarchy of normals can be written so, its KL is
    the same, and the prior of all levels together is the standard normal.

    Args:
        updates: List of functional models, one for each level, the top first: the
            first of `z`, the others of `[h, z]`; each returns the next `h`. Vectors or
            maps.
        posteriors: List of as many functional models, the first of `features`, the
            others of `[h, features]`: each returns `[z_mean, z_log_var]`, of the shape
            of its level's `z`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, total_dim)`: the codes of all levels, flat, the top level's first.

    Output shape:
        That of the last update.

    Attributes:
        latent_shapes: List of tuples, the shape of each level's code.
        latent_dim: Integer, the numbers in all of them.

    Raises:
        ValueError: If the networks do not fit one another.

    Example:

    >>> z, features = keras.Input((2,)), keras.Input((8,))
    >>> heads = [keras.layers.Dense(2)(features) for _ in range(2)]
    >>> top_down = TopDown(
    ...     [keras.Model(z, keras.layers.Dense(5)(z))], [keras.Model(features, heads)]
    ... )
    >>> top_down(tf.zeros((3, 2))).shape
    TensorShape([3, 5])

    Reference:
        Sonderby et al., "Ladder Variational Autoencoders" (2016), section 2.1: the
        shared pass; Vahdat & Kautz, "NVAE" (2020), section 3.2: posteriors in the units
        of the prior.
    """

    def __init__(self, updates, posteriors, **kwargs):
        # The networks cast for themselves, and codes are float32.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.updates = list(updates)
        self.posteriors = list(posteriors)
        self.latent_shapes = _check_levels(self.updates, self.posteriors)
        self._sizes = [math.prod(shape) for shape in self.latent_shapes]
        self.latent_dim = sum(self._sizes)
        self.input_spec = keras.layers.InputSpec(shape=(None, self.latent_dim))
        self.built = True

    def split(self, z):
        """The codes of each level.

        Args:
            z: Tensor `(..., total_dim)`.

        Returns:
            List of tensors `(..., dim)`, flat.
        """
        ends = itertools.accumulate(self._sizes, initial=0)
        return [z[..., start:end] for start, end in itertools.pairwise(ends)]

    def call(self, z, training=False):
        state = None
        for index, part in enumerate(self.split(z)):
            state = self._update(index, state, part, training)
        return state

    def infer(self, features, draw, training=False):
        """Goes down the levels with what is drawn of each level's posterior.

        Args:
            features: List of tensors `(batch, ...)`, one for each level.
            draw: Function of the level's number and its posterior, a `Normal` of
                `(batch, dim)` or `(num_samples, batch, dim)`, that returns the level's
                codes, `(num_samples, batch, dim)`.
            training: Whether the networks run in training mode.

        Returns:
            The last state, `(num_samples * batch, ...)`, and the list of posteriors.
        """
        batch = tf.shape(features[0])[0]
        state, posteriors = None, []
        for index, of_x in enumerate(features):
            # Until the first draw, a row stands for all draws of its example.
            given = [state, for_each_draw(of_x, num_samples)] if index else of_x
            outputs = self.posteriors[index](given, training=training)
            draws = (num_samples,) if index else ()
            shape = (*draws, batch, self._sizes[index])
            q = Normal(*(tf.reshape(output, shape) for output in outputs))
            z = draw(index, q)
            num_samples = z.shape[0]
            state = self._update(index, state, z, training)
            posteriors.append(q)
        return state, posteriors

    def _update(self, index, state, z, training):
        z = tf.reshape(z, (-1, *self.latent_shapes[index]))
        given = z if index == 0 else [state, z]
        return self.updates[index](given, training=training)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "updates": [serialize(network) for network in self.updates],
            "posteriors": [serialize(network) for network in self.posteriors],
        }

    @classmethod
    def from_config(cls, config):
        deserialize = keras.saving.deserialize_keras_object
        networks = {
            name: [deserialize(network) for network in config[name]]
            for name in ("updates", "posteriors")
        }
        return cls(**{**config, **networks})


def _check_levels(updates, posteriors):
    """The shape of each level's code, of networks that fit one another."""
    if not updates or len(updates) != len(posteriors):
        raise ValueError(
            "`updates` and `posteriors` should hold a network for each level. "
            f"Received: {len(updates)} and {len(posteriors)} networks"
        )
    shapes, state = [], None
    for index, (update, posterior) in enumerate(zip(updates, posteriors, strict=True)):
        wanted = 1 if index == 0 else 2
        for name, network in (("updates", update), ("posteriors", posterior)):
            if len(network.inputs) != wanted:
                inputs = ("z", "[h, z]") if name == "updates" else ("f", "[h, f]")
                raise ValueError(
                    f"`{name}[{index}]` should be a model of {inputs[wanted - 1]}, "
                    f"with {wanted} input(s). Received: {len(network.inputs)}"
                )
            if index and network.inputs[0].shape != state:
                raise ValueError(
                    f"`{name}[{index}]` should take the state h of shape {state}, "
                    "which the level above returns. Received: "
                    f"{network.inputs[0].shape}"
                )
        z = update.inputs[-1].shape
        outputs = [output.shape for output in posterior.outputs]
        if outputs != [z, z]:
            raise ValueError(
                f"`posteriors[{index}]` should return [z_mean, z_log_var] of shape "
                f"{z}, which `updates[{index}]` takes. Received: {outputs}"
            )
        shapes.append(tuple(z[1:]))
        state = update.outputs[0].shape
    return shapes
