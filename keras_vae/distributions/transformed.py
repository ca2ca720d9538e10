"""A posterior whose draws go through a flow."""


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

    >>> import math
    >>> import tensorflow as tf
    >>> from keras_vae.distributions import Normal
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
