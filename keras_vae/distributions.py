"""Posteriors q(z|x) as objects: what an encoder says about z.

A posterior is any object with these four members. `latent_shape` is that of one code,
a vector or a map:

    parameters          {name: tensor (batch, ...)}; the names of the export's
    mean                (batch, *latent_shape): the code to show, and to decode
    sample(noise)       noise (num_samples, batch, *latent_shape) -> z of that shape
    log_prob(z)         (num_samples, batch), nats

A posterior may know the density of its own draws alone (a flow that is not inverted):
it then keeps the draw that `sample` made last, as `Normal` does for the sake of digits.
"""

import math

import tensorflow as tf
from keras import ops

from keras_vae import divergences

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


class Delta:
    """All mass at one point: the code of a plain autoencoder, or a quantized one.

    ```
    z = q.mean, whatever the noise;     log_prob(z) = 0, by convention
    ```

    A point has no density: a model with this posterior has no ELBO, and the KL that a
    prior makes of it is `-log p(z)`.

    Args:
        z: Tensor `(batch, *latent_shape)`.

    Attributes:
        parameters: `{"z": ...}`, float32.
        mean: `z`.

    Example:

    >>> Delta([[1.0, 2.0]]).sample(tf.ones((3, 1, 2))).shape
    TensorShape([3, 1, 2])
    """

    def __init__(self, z):
        self.mean = tf.cast(z, tf.float32)
        self.parameters = {"z": self.mean}

    def sample(self, noise):
        """The point, as often as there is noise.

        Args:
            noise: Tensor `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor of that shape.
        """
        return self.mean + tf.zeros_like(noise)

    def log_prob(self, z):
        """0, by convention.

        Args:
            z: Tensor `(num_samples, batch, *latent_shape)`.

        Returns:
            Zeros `(num_samples, batch)`.
        """
        return tf.zeros(tf.shape(z)[:2])


class Quantized(Delta):
    """One of finitely many points, the vectors of a codebook: a discrete posterior.

    ```
    q(z|x) = 1 at z,     log_prob(z) = 0
    ```

    A probability, of which a prior over the codes makes a bound of log p(x).

    Args:
        z: Tensor `(batch, *latent_shape)`, vectors of the codebook.
        codes: int32 tensor `(batch, *latent_shape[:-1])`, which they are.
        encoded: Tensor of the shape of `z`: the encoder's output, before it was
            quantized.
        vectors: `z`, with gradients to the codebook instead of the encoder.

    Attributes:
        parameters: `{"z": ..., "codes": ...}`.
        mean: `z`.

    Example:

    >>> q = Quantized([[1.0]], [0], tf.constant([[1.5]]), tf.constant([[1.0]]))
    >>> float(q.commitment[0]), float(q.codebook_loss[0])
    (0.25, 0.25)

    Reference:
        van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning"
        (2017), equations 1 to 3.
    """

    def __init__(self, z, codes, encoded, vectors):
        super().__init__(z)
        self.codes = codes
        self.parameters["codes"] = codes
        self._encoded, self._vectors = encoded, vectors

    @property
    def commitment(self):
        """`|encoded - z|^2`, `(batch,)`, with a gradient to the encoder alone."""
        return _squared_distance(self._encoded, tf.stop_gradient(self._vectors))

    @property
    def codebook_loss(self):
        """`|encoded - z|^2`, `(batch,)`, with a gradient to the codebook alone."""
        return _squared_distance(tf.stop_gradient(self._encoded), self._vectors)


def _squared_distance(a, b):
    axes = [*range(1, a.shape.rank)]
    return tf.reduce_sum(tf.square(a - b), axis=axes)


class Transformed:
    """A posterior whose draws go through an invertible transformation.

    ```
    z = f(z_0),     log q(z|x) = log q_0(z_0|x) - log |det df/dz_0|,     z_0 ~ q_0(z|x)
    ```

    Its density is known of the draws that `sample` made last, and of no other z: f is
    not inverted.

    Args:
        base: The posterior q_0.
        transform: Function of z_0 `(num_samples, batch, *latent_shape)` that returns
            `(z, log_det)`, of that shape and `(num_samples, batch)`.

    Attributes:
        parameters: Those of the base, and `code`, which is `mean`.
        mean: `f(q_0.mean)`: the code to show and to decode; not the mean of q.

    Example:

    >>> def double(z):
    ...     return 2 * z, tf.fill(tf.shape(z)[:2], 2 * math.log(2))
    >>> q = Transformed(Normal([[1.0, 2.0]], [[0.0, 0.0]]), double)
    >>> z = q.sample(tf.zeros((1, 1, 2)))
    >>> z.numpy().tolist(), round(float(q.log_prob(z)[0, 0]), 4)
    ([[[2.0, 4.0]]], -3.2242)

    Reference:
        Rezende & Mohamed, "Variational Inference with Normalizing Flows" (2015),
        equation 7.
    """

    def __init__(self, base, transform):
        self.base = base
        self._transform = transform
        self.mean = transform(base.mean[None])[0][0]
        self.parameters = {**base.parameters, "code": self.mean}
        self._drawn = None, None

    def sample(self, noise):
        """Draws z.

        Args:
            noise: Standard normal, `(num_samples, batch, *latent_shape)`.

        Returns:
            Tensor of that shape.
        """
        start = self.base.sample(noise)
        z, log_det = self._transform(start)
        self._drawn = z, self.base.log_prob(start) - log_det
        return z

    def log_prob(self, z):
        """log q(z|x) of what `sample` returned last.

        Args:
            z: That tensor itself.

        Returns:
            Tensor `(num_samples, batch)`, nats.

        Raises:
            ValueError: If it is another one.
        """
        drawn, log_prob = self._drawn
        if z is not drawn:
            raise ValueError(
                "`z` should be what `sample` returned last: a transformed posterior "
                "knows the density of no other z. Received: another tensor"
            )
        return log_prob


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
            `(num_samples, batch, dim)`, given its posterior, and returns
            `(state, posteriors)`: what there is to decode, and the `Normal`s.
        latent_shapes: List of tuples, the shape of each level's code.

    Attributes:
        parameters: `{"z_mean": ..., "z_log_var": ...}`, `(batch, total_dim)`, float32:
            those of each level given the means of the levels above.
        mean: `z_mean`: the means along their own path; not the mean of q.
        state: What `sample` came to.

    Example:

    >>> def infer(draw):
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

    def __init__(self, infer, latent_shapes):
        self._infer = infer
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

        self.state, posteriors = self._infer(draw)
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
    return tf.nest.map_structure(
        lambda tensor: tf.tile(tensor, (num_samples, *[1] * (tensor.shape.rank - 1))),
        tensors,
    )
