"""What families of a location and a scale share: four ways to choose the scale."""

import numpy as np
import tensorflow as tf

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.soft_bound import soft_bound
from keras_vae.likelihoods.support import Interval

MODES = ("learned", "learned_per_output", "optimal")

# What one training step leaves of the older ones in the average of an optimal scale.
# Some twenty batches count: enough values for the noise not to matter (it costs about
# 1 / (80 batch_size) nats an example), few enough to follow a model that improves.
DECAY = 0.95

# exp() of it is 2e17, of which the square is still a float32.
MAX_LOG_SCALE = 40.0

# Scales between which a float32 holds the square of a standardised value, some way on.
MIN_SCALE, MAX_SCALE = 1e-15, 1e15


class LocationScale(Likelihood):
    """Real numbers around a location: the base of `Gaussian`, `Laplace` and the like.

    ```
    log p(x) = log p0((x - loc) / scale) - log(scale)
    ```

    A family is its p0, the density at location 0 and scale 1, whose mean is 0. A
    subclass implements, elementwise,

    - `_standard_log_prob(residual)`: log p0;
    - `_standard_sample(seed, like)`: a draw of p0 for each value of `like`, made of
      `keras_vae.likelihoods.base.noise_like`;

    and, only if the scale of maximum likelihood is `mean(|x - loc|^power)^(1 / power)`,
    so that it can be `"optimal"`,

    - `power`, and `_deviation(residual)`: `|residual|^power`.

    Args:
        scale: A positive number, or an array of them that broadcasts to the data's
            shape: given, never changed. `"learned"`: one trainable weight for all
            values. `"learned_per_output"`: the decoder returns a `log_scale` beside
            each `loc` (`num_parameters` is 2). `"optimal"`: in training, the scale of
            maximum likelihood of each batch, with the gradient through it; otherwise,
            of an average over the last batches of training (1 before any), so that
            log p(x|z) of an example never depends on its batch. Only for a family that
            has a formula for it.
        min_scale: Positive number, the floor under a scale that is not given, in the
            units of the data. Without one, data that are reconstructed exactly would
            have an infinite density. The default is near the rounding of 8-bit images
            in [0, 1], which is 1 / 255 / sqrt(12).
        name: Name of the layer.
        trainable: Whether a `"learned"` scale is trained.

    Raises:
        ValueError: If `scale` is neither positive nor one of the names, or `min_scale`
            is not positive.

    Example:

    >>> from keras_vae.likelihoods import Gaussian
    >>> Gaussian(scale="learned_per_output").parameter_shape((28, 28, 1))
    (28, 28, 2)
    >>> Gaussian(scale=0.0)
    Traceback (most recent call last):
    ...
    ValueError: `scale` should be a positive number ... Received: scale=0.0
    """

    support = Interval()
    power = None

    def __init__(self, scale=1.0, *, min_scale=1e-3, **kwargs):
        super().__init__(**kwargs)
        modes = MODES if self.power else MODES[:-1]
        self.mode, self.scale = _check_scale(scale, modes)
        self.min_scale = _check_min_scale(min_scale)
        # Weights of a likelihood are read in float32 (autocast=False) inside a model
        # of mixed precision too. "mean": over the replicas of a strategy.
        options = {"shape": (), "initializer": "zeros", "autocast": False}
        averaged = {**options, "trainable": False, "aggregation": "mean"}
        if self.mode == "learned":
            self.log_scale = self.add_weight(name="log_scale", **options)
        elif self.mode == "learned_per_output":
            self.num_parameters = 2
        elif self.mode == "optimal":
            self.deviation_total = self.add_weight(name="deviation_total", **averaged)
            self.example_total = self.add_weight(name="example_total", **averaged)

    def get_config(self):
        scale = self.scale.tolist() if self.mode == "given" else self.scale
        return {**super().get_config(), "scale": scale, "min_scale": self.min_scale}

    def scale_of(self, parameters):
        """The scale of p(x|z), as `log_prob` outside training and `sample` use it.

        Args:
            parameters: Tensor `(batch, *parameter_shape(data_shape))`.

        Returns:
            float32 tensor that broadcasts to `(batch, *data_shape)`, in the units of
            the data.

        Raises:
            ValueError: If the shape of `parameters`, or of a given scale, does not fit.

        Example:

        >>> from keras_vae.likelihoods import Gaussian
        >>> round(float(Gaussian(scale=0.1).scale_of([[0.0, 0.0]])), 4)
        0.1
        """
        return tf.exp(self._log_scale(self._split(parameters)))

    def _log_prob(self, x, parameters, training):
        x, blocks, inside = self._prepare(x, parameters)
        residual = x - blocks[0]
        if training and self.mode == "optimal":
            log_scale = self._optimal_log_scale(residual, inside)
        else:
            log_scale = self._log_scale(blocks)
        standard = self._standard_log_prob(residual * tf.exp(-log_scale))
        return standard - log_scale, inside

    def _log_scale(self, blocks):
        """log(scale) outside training; it broadcasts to the data's shape."""
        if self.mode == "given":
            _check_broadcasts(self.scale.shape, blocks[0].shape[1:])
            return tf.constant(np.log(self.scale), tf.float32)
        if self.mode == "learned":
            return self._bounded(tf.convert_to_tensor(self.log_scale))
        if self.mode == "learned_per_output":
            return self._bounded(blocks[1])
        examples = tf.convert_to_tensor(self.example_total)
        deviation = self.deviation_total / tf.where(examples > 0, examples, 1.0)
        return self._log_root(tf.where(examples > 0, deviation, 1.0))

    def _optimal_log_scale(self, residual, inside):
        """log(scale) of maximum likelihood for this batch, which is remembered."""
        axes = list(range(1, residual.shape.rank))
        deviation = tf.reduce_mean(self._deviation(residual), axis=axes)
        inside = tf.reduce_all(inside, axis=axes)  # Of whole examples.
        deviation = tf.reduce_sum(tf.where(inside, deviation, 0.0))
        examples = tf.reduce_sum(tf.cast(inside, tf.float32))
        self._remember(deviation, examples)
        return self._log_root(deviation / tf.maximum(examples, 1.0))

    def _remember(self, deviation, examples):
        # Two sums that decay alike: their quotient is a weighted mean from the first
        # batch on, with no start-up bias, and a short batch counts for what it is.
        deviation_total = DECAY * self.deviation_total + deviation
        example_total = DECAY * self.example_total + examples
        finite = tf.math.is_finite(deviation_total)
        for total, new in (
            (self.deviation_total, deviation_total),
            (self.example_total, example_total),
        ):
            total.assign(tf.where(finite, new, total))

    def _log_root(self, deviation):
        # Under the floor the constrained optimum is the floor: a constant scale.
        floor = self.min_scale**self.power
        return tf.math.log(tf.maximum(deviation, floor)) / self.power

    def _bounded(self, log_scale):
        return soft_bound(log_scale, np.log(self.min_scale), MAX_LOG_SCALE)

    def _mean(self, loc, log_scale=None):
        return loc

    def _sample(self, *blocks, seed):
        standard = self._standard_sample(seed, blocks[0])
        return blocks[0] + tf.exp(self._log_scale(blocks)) * standard

    def _bias(self, data_mean):
        return [data_mean, np.zeros_like(data_mean)][: self.num_parameters]


def _check_scale(scale, modes):
    """`(mode, scale)`, the scale a name or a float64 array."""
    if isinstance(scale, str) and scale in modes:
        return scale, scale
    try:
        values = np.asarray(scale, dtype="float64")
        inside = (values >= MIN_SCALE) & (values <= MAX_SCALE)
        valid = values.size > 0 and bool(np.all(inside))
    except (TypeError, ValueError):
        valid = False
    if isinstance(scale, bool) or not valid:
        raise ValueError(
            f"`scale` should be a positive number ({MIN_SCALE:g} to {MAX_SCALE:g}), an "
            "array of them that broadcasts to the data's shape, or one of "
            f"{modes}. Received: scale={scale!r}"
        )
    return "given", values


def _check_min_scale(min_scale):
    if isinstance(min_scale, (int, float)) and MIN_SCALE <= min_scale <= MAX_SCALE:
        return float(min_scale)
    raise ValueError(
        f"`min_scale` should be a positive number ({MIN_SCALE:g} to {MAX_SCALE:g}). "
        f"Received: min_scale={min_scale!r}"
    )


def _check_broadcasts(scale_shape, data_shape):
    try:
        fits = np.broadcast_shapes(scale_shape, data_shape) == tuple(data_shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"`scale` should broadcast to the data's shape {tuple(data_shape)}. "
            f"Received: an array of shape {scale_shape}"
        )
