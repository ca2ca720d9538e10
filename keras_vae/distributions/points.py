"""Posteriors that are points: without a density, or of a codebook."""

import tensorflow as tf


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
