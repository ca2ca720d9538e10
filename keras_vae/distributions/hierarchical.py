"""A posterior of several levels, each given those above it."""

import math

import tensorflow as tf

from keras_vae import divergences


class Hierarchical:
    """A posterior of several levels, each given those above it.

    ```
    q(z|x) = q(z_1|x) q(z_2|z_1, x) ... q(z_L|z_1, ..., z_L-1, x)
    ```

    where each factor is a diagonal normal, and z holds the codes of all levels, flat,
    the top level's first.

    Args:
        infer: Function that goes down the levels: it takes a function
            `draw(level, q)`, which returns the codes of a level,
            `(num_samples, batch, dim)`, given its posterior, and whether networks run
            in training mode, and returns `(state, posteriors)`: what there is to
            decode, and the `Normal`s.
        latent_shapes: List of tuples, the shape of each level's code.
        training: Whether `sample` infers in training mode. The mean never does, so that
            dropout and moving statistics know of one pass.

    Attributes:
        parameters: `{"z_mean": ..., "z_log_var": ...}`, `(batch, total_dim)`, float32:
            those of each level given the means of the levels above.
        mean: `z_mean`: the means along their own path; not the mean of q.
        state: What `sample` came to.

    Example:

    >>> from keras_vae.distributions import Normal
    >>> def infer(draw, training=False):
    ...     top = Normal([[1.0]], [[0.0]])
    ...     bottom = Normal(2.0 * draw(0, top), tf.zeros((1, 1, 1)))
    ...     return draw(1, bottom), [top, bottom]
    >>> q = Hierarchical(infer, [(1,), (1,)])
    >>> q.sample(tf.ones((1, 1, 2))).numpy().tolist()
    [[[2.0, 5.0]]]
    >>> q.mean.numpy().tolist()
    [[1.0, 2.0]]

    Reference:
        Sonderby et al., "Ladder Variational Autoencoders" (2016), equation 5; Child,
        "Very Deep VAEs" (2021), equation 2.
    """

    def __init__(self, infer, latent_shapes, training=False):
        self._infer = infer
        self._training = training
        self._shapes = latent_shapes
        self._sizes = [math.prod(shape) for shape in latent_shapes]
        self._drawn = None, None
        self.state = None

    @property
    def parameters(self):
        # Not kept: training has no use for it, and what is made in one graph is of no
        # use in another.
        posteriors = self._infer(_draw_mean)[1]
        parts = [(q.mean, q.log_var) for q in posteriors]
        z_mean, z_log_var = (
            tf.concat([_without_draws(part) for part in parts_of], axis=-1)
            for parts_of in zip(*parts, strict=True)
        )
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    @property
    def mean(self):
        return self.parameters["z_mean"]

    def sample(self, noise):
        """Draws z.

        Args:
            noise: Standard normal, `(num_samples, batch, total_dim)`.

        Returns:
            Tensor of that shape.
        """
        noise, drawn = tf.split(noise, self._sizes, axis=-1), []

        def draw(level, q):
            drawn.append(q.sample(noise[level]))
            return drawn[-1]

        self.state, posteriors = self._infer(draw, self._training)
        z = tf.concat(drawn, axis=-1)
        self._drawn = z, [*zip(posteriors, drawn, strict=True)]
        return z

    def log_prob(self, z):
        """log q(z|x): the sum over the levels.

        Args:
            z: Tensor `(num_samples, batch, total_dim)`.

        Returns:
            Tensor `(num_samples, batch)`, nats.
        """
        drawn, levels = self._drawn
        if z is not drawn:
            parts = tf.split(z, self._sizes, axis=-1)
            posteriors = self._infer(lambda level, q: parts[level])[1]
            levels = zip(posteriors, parts, strict=True)
        return tf.add_n([q.log_prob(part) for q, part in levels])

    def visit(self, draw):
        """Goes down the levels with codes of any origin.

        Args:
            draw: Function of the level's number and its posterior given the codes
                above, a `Normal`, that returns the codes, `(num_samples, batch, dim)`.

        Returns:
            List of the `Normal`s.
        """
        return self._infer(draw, self._training)[1]

    @property
    def top(self):
        """The posterior of the top level, a `Normal` of `(batch, dim)`."""
        _, levels = self._drawn
        return levels[0][0] if levels else self._infer(_draw_mean)[1][0]

    def kl_of_levels(self):
        """KL(q(z|x) || N(0, I)), of each level in closed form given those above it.

        ```
        KL = sum_l E[KL(q(z_l|z_1, ..., z_l-1, x) || N(0, I))]
        ```

        with the expectation over the draws that `sample` made last.

        Returns:
            List of tensors `(batch, groups)`, nats: a group for each dimension of a
            level of vectors, and for each channel of a level of maps.
        """
        return [
            _kl_of_groups(q, shape)
            for (q, _), shape in zip(self._drawn[1], self._shapes, strict=True)
        ]


def _kl_of_groups(q, shape):
    *places, channels = shape
    kl = divergences.kl_normal_per_dimension(q.mean, q.log_var)
    kl = tf.reshape(kl, (-1, tf.shape(kl)[-2], math.prod(places), channels))
    return tf.reduce_mean(tf.reduce_sum(kl, axis=2), axis=0)


def _draw_mean(_, q):
    return q.mean if q.mean.shape.rank == 3 else q.mean[None]


def _without_draws(tensor):
    return tensor[0] if tensor.shape.rank == 3 else tensor


def for_each_draw(tensors, num_samples):
    """Rows for several draws of each example: all of the first, then of the second.

    Args:
        tensors: (Structure of) tensors `(batch, ...)`.
        num_samples: Integer.

    Returns:
        The same structure of tensors `(num_samples * batch, ...)`.

    Example:

    >>> for_each_draw(tf.constant([1, 2]), 2).numpy().tolist()
    [1, 2, 1, 2]
    """
    if num_samples == 1:
        return tensors

    def repeat(tensor):
        # Along an axis of its own: the converter to TFLite takes a repetition along the
        # batch, whose size it does not know, for one that broadcasting does as well.
        repeated = tf.tile(tensor[None], (num_samples, *[1] * tensor.shape.rank))
        return tf.reshape(repeated, (-1, *tensor.shape[1:]))

    return tf.nest.map_structure(repeat, tensors)
