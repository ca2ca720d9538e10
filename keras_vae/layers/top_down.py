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
    generation   z_l ~ N(0, I),     v_l = m_l(h_l-1) + s_l(h_l-1) z_l
    state                           h_l = update_l(h_l-1, v_l)
    inference    v_l ~ N(posterior_l(h_l-1, f_l))
    ```

    where `f_l` is what the encoder says of x to level l, and m, s are the mean and the
    deviation of the level's prior p(v_l|h_l-1). The code z_l of a level is its value
    v_l in the units of that prior: the prior of all codes together is the standard
    normal, and the KL is that of the values. At the top, where there is no h, v is z.

    Args:
        updates: List of functional models, one for each level, the top first: the
            first of `v`, the others of `[h, v]`; each returns the next `h`. Vectors or
            maps.
        posteriors: List of as many models, the first of `features`, the others of
            `[h, features]`: each returns `[mean, log_var]`, of the shape of `v`.
        priors: List of models of `h`, one for each level but the top: each returns
            `[mean, log_var]`, of the shape of `v`; and perhaps a third output, which
            takes the place of `h` in the update.
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

    >>> v, features = keras.Input((2,)), keras.Input((8,))
    >>> heads = [keras.layers.Dense(2)(features) for _ in range(2)]
    >>> top_down = TopDown(
    ...     [keras.Model(v, keras.layers.Dense(5)(v))], [keras.Model(features, heads)]
    ... )
    >>> top_down(tf.zeros((3, 2))).shape
    TensorShape([3, 5])

    Reference:
        Sonderby et al., "Ladder Variational Autoencoders" (2016), section 2.1: the
        shared pass; Child, "Very Deep VAEs Generalize Autoregressive Models and Can
        Outperform Them on Images" (2021), section 3.
    """

    def __init__(self, updates, posteriors, priors=(), **kwargs):
        # The networks cast for themselves, and codes are float32.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.updates = list(updates)
        self.posteriors = list(posteriors)
        self.priors = list(priors)
        self.latent_shapes = _check_levels(self.updates, self.posteriors, self.priors)
        self._sizes = [math.prod(shape) for shape in self.latent_shapes]
        self.latent_dim = sum(self._sizes)
        self.input_spec = keras.layers.InputSpec(shape=(None, self.latent_dim))
        self.built = True

    @property
    def networks(self):
        """All networks that it is made of."""
        return [*self.updates, *self.posteriors, *self.priors]

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
        for level, part in enumerate(self.split(z)):
            p, state = self._prior(level, state, training)
            state = self._update(level, state, p, part, training)
        return state

    def infer(self, features, draw, training=False):
        """Goes down the levels with what is drawn of each level's posterior.

        Args:
            features: List of tensors `(batch, ...)`, one for each level.
            draw: Function of the level's number and the posterior of its code, a
                `Normal` of `(batch, dim)` or `(num_samples, batch, dim)`, that returns
                the code, `(num_samples, batch, dim)`.
            training: Whether the networks run in training mode.

        Returns:
            The last state, `(num_samples * batch, ...)`, and the list of posteriors.
        """
        batch = tf.shape(features[0])[0]
        state, posteriors, draws = None, [], ()
        for level, of_x in enumerate(features):
            # Until the first draw, a row stands for all draws of its example.
            given = [state, for_each_draw(of_x, *draws)] if level else of_x
            outputs = self.posteriors[level](given, training=training)
            p, state = self._prior(level, state, training)
            shape = (*draws, batch, self._sizes[level])
            q = self._in_units_of_prior(p, Normal(*outputs), shape)
            z = draw(level, q)
            draws = z.shape[:1]
            state = self._update(level, state, p, z, training)
            posteriors.append(q)
        return state, posteriors

    def _prior(self, level, state, training):
        """p(v|h), none at the top, and the state that the update gets."""
        if level == 0:
            return None, None
        mean, log_var, *rest = self.priors[level - 1](state, training=training)
        return Normal(mean, log_var), rest[0] if rest else state

    def _in_units_of_prior(self, p, q, shape):
        mean, log_var = q.mean, q.log_var
        if p is not None:
            mean = (mean - p.mean) * tf.exp(-0.5 * p.log_var)
            log_var = log_var - p.log_var
        return Normal(tf.reshape(mean, shape), tf.reshape(log_var, shape))

    def _update(self, level, state, p, z, training):
        z = tf.reshape(z, (-1, *self.latent_shapes[level]))
        given = z if level == 0 else [state, p.sample(z)]
        return self.updates[level](given, training=training)

    def get_config(self):
        config = super().get_config()
        for name in ("updates", "posteriors", "priors"):
            config[name] = [
                keras.saving.serialize_keras_object(network)
                for network in getattr(self, name)
            ]
        return config

    @classmethod
    def from_config(cls, config):
        networks = {
            name: [keras.saving.deserialize_keras_object(n) for n in config[name]]
            for name in ("updates", "posteriors", "priors")
        }
        return cls(**{**config, **networks})


def _check_levels(updates, posteriors, priors):
    """The shape of each level's code, of networks that fit one another."""
    numbers = len(updates), len(posteriors), len(priors)
    if not updates or numbers != (len(updates), len(updates), len(updates) - 1):
        raise ValueError(
            "`updates` and `posteriors` should hold a model for each level, and "
            f"`priors` one for each but the top. Received: {numbers} models"
        )
    shapes, state = [], None
    for level in range(len(updates)):
        v, updated = updates[level].inputs[-1].shape, state
        heads = {f"posteriors[{level}]": posteriors[level].outputs}
        takes = {f"posteriors[{level}]": posteriors[level].inputs[:-1]}
        if level > 0:
            name = f"priors[{level - 1}]"
            heads[name], takes[name] = (
                priors[level - 1].outputs[:2],
                priors[level - 1].inputs,
            )
            updated = [*priors[level - 1].outputs, *priors[level - 1].inputs][2].shape
        for name, tensors in heads.items():
            if [tensor.shape for tensor in tensors] != [v, v]:
                raise ValueError(
                    f"`{name}` should return [mean, log_var] of shape {v}, which "
                    f"`updates[{level}]` takes. Received: "
                    f"{[tuple(tensor.shape) for tensor in tensors]}"
                )
        takes[f"updates[{level}]"] = updates[level].inputs[:-1]
        for name, tensors in takes.items():
            wanted = updated if name.startswith("updates") else state
            if [t.shape for t in tensors] != ([] if level == 0 else [wanted]):
                raise ValueError(
                    f"`{name}` should take "
                    + ("one input, at the top" if level == 0 else f"h of {wanted}")
                    + f". Received: {[tuple(tensor.shape) for tensor in tensors]}"
                )
        shapes.append(tuple(v[1:]))
        state = updates[level].outputs[0].shape
    return shapes
