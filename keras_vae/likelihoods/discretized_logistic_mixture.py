"""The discretized mixture of logistics, for photographs."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.likelihoods.base import Likelihood, float32_parameters, noise_like
from keras_vae.likelihoods.discretized_logistic import (
    INITIAL_LOG_SCALE,
    LOG_SCALE_RANGE,
    draw_level,
    initial_loc,
    level_log_prob,
    level_mean,
)
from keras_vae.likelihoods.soft_bound import soft_bound
from keras_vae.likelihoods.support import PixelLevels

# Of several components: half the range of the initial log-scales, which tell them
# apart.
INITIAL_SPREAD = 1.0

# Of a colour, the points over which the means of green and blue are taken, and how many
# at a time.
NUM_POINTS, POINTS_AT_A_TIME = 64, 16

# Up to so many levels a mean within the points is their sum, beyond an integral.
MOST_LEVELS_SUMMED = 32


@keras.saving.register_keras_serializable(package="keras_vae")
class DiscretizedLogisticMixture(Likelihood):
    """8-bit images: a mixture of logistic distributions, rounded to k / (levels - 1).

    ```
    p(x) = sum_k softmax(logits)_k DiscretizedLogistic(x; loc_k, log_scale_k)
    ```

    of each value, with 3 * num_components parameters. Three channels are a colour, one
    mixture for the whole pixel:

    ```
    p(r, g, b) = sum_k softmax(logits)_k p_k(r) p_k(g | r) p_k(b | r, g)
    loc_k(g | r)    = loc_k,g + tanh(a_k) (r - 1/2)
    loc_k(b | r, g) = loc_k,b + tanh(b_k) (r - 1/2) + tanh(c_k) (g - 1/2)
    ```

    with 10 * num_components parameters for each pixel: the logits, then of each
    component its three `loc`, of each its three `log_scale`, of each a, b and c. Of
    `log_prob_per_value`, red has log p(r), green log p(g | r), blue log p(b | r, g);
    and a colour that is no colour has no value that counts.

    The mean is the exact expectation over the levels of one channel. Of a colour, red's
    is; those of green and blue are means over 64 points of what goes before, of each
    component, right to about 0.003.

    When to use it: natural images, where a pixel given z has several likely values, or
    nearly the same colour with another brightness: fewer bits per dimension than
    `DiscretizedLogistic`, and draws without coloured noise. When not: grey or black and
    white images of few levels, or where the mean is all that is looked at. Cost: 1.5
    (of colours 1.7) times `num_components` as many parameters as `DiscretizedLogistic`
    has, and about as many times its time, for a mean too.

    Args:
        num_components: Integer, logistic distributions in the mixture.
        levels: Integer from 2 to 256, the evenly spaced values that the data have: 256
            of 8-bit images, 16 of 4-bit ones.
        name: Name of the layer.
        trainable: Without effect: there are no weights.

    Raises:
        ValueError: If an argument is not such an integer.

    Example:

    >>> likelihood = DiscretizedLogisticMixture(num_components=2, levels=16)
    >>> likelihood.parameter_shape((8, 8, 1)), likelihood.parameter_shape((8, 8, 3))
    ((8, 8, 6), (8, 8, 20))
    >>> levels = np.arange(16)[:, None] / 15
    >>> log_prob = likelihood.log_prob(levels, np.full((16, 6), [1, 0, 0.2, 1, -3, -2]))
    >>> round(float(tf.reduce_sum(tf.exp(log_prob))), 4)
    1.0

    Reference:
        Salimans et al., "PixelCNN++" (2017), sections 2.1 (equation 2) and 2.2
        (equation 3).
    """

    identifier = "discretized_logistic_mixture"
    support = PixelLevels(256)

    def __init__(self, num_components=5, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.num_components = check_integer("num_components", num_components, minimum=1)
        self.levels = check_integer("levels", levels, minimum=2, maximum=256)
        self.support = PixelLevels(self.levels)
        self.num_parameters = 3 * self.num_components

    def get_config(self):
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "levels": self.levels,
        }

    def parameter_shape(self, data_shape):
        """Shape of the parameters of one example.

        Args:
            data_shape: Tuple of integers, shape of one example, at least one axis.

        Returns:
            Tuple: `data_shape` with a last axis of 10 * num_components where it was 3,
            and 3 * num_components times as long otherwise.

        Raises:
            ValueError: If `data_shape` has no axis.
        """
        shape = super().parameter_shape(data_shape)
        if data_shape[-1] == 3:
            return (*shape[:-1], 10 * self.num_components)
        return shape

    def _split(self, parameters):
        """Blocks of the data's shape: logits, locs, log-scales and, of colours, the
        three coefficients, one of each for each component."""
        parameters = float32_parameters(parameters)
        num = self.num_components
        if parameters.shape[-1] == 9 * num:
            raise ValueError(
                f"The last axis of `parameters` should hold {10 * num} numbers for "
                f"each colour (likelihood {self.identifier!r}). Received: shape "
                f"{tuple(parameters.shape)}"
            )
        if parameters.shape[-1] != 10 * num:
            return super()._split(parameters)
        logits, others = tf.split(parameters, [num, 9 * num], axis=-1)
        # One logit for the three channels.
        logits = [tf.repeat(x, 3, axis=-1) for x in tf.split(logits, num, axis=-1)]
        return [*logits, *tf.split(others, 3 * num, axis=-1)]

    def _mixture(self, blocks):
        """log of the weights, locs, log-scales, coefficients: `(num_components, ...)`.

        The coefficients, `(num_components, ..., 3)`, are `None` but for colours.
        """
        num = self.num_components
        groups = [tf.stack(blocks[i : i + num]) for i in range(0, len(blocks), num)]
        logits, loc, log_scale = groups[:3]
        coefficients = tf.tanh(groups[3]) if len(groups) > 3 else None
        return tf.nn.log_softmax(logits, axis=0), loc, log_scale, coefficients

    def _value_log_prob(self, x, *blocks):
        log_weights, loc, log_scale, coefficients = self._mixture(blocks)
        x = tf.round(x * (self.levels - 1)) / (self.levels - 1)
        if coefficients is None:
            log_probs = level_log_prob(x, loc, log_scale, self.levels)
            return tf.reduce_logsumexp(log_weights + log_probs, axis=0)
        a, b, c = tf.unstack(coefficients, axis=-1)
        red, green, _ = tf.unstack(x - 0.5, axis=-1)
        shift = tf.stack([tf.zeros_like(a), a * red, b * red + c * green], axis=-1)
        log_probs = level_log_prob(x, loc + shift, log_scale, self.levels)
        # Of each component the channels one after another: what they have in common
        # with the channels before is divided out.
        joint = log_weights + tf.cumsum(log_probs, axis=-1)
        before = joint - log_probs
        return tf.reduce_logsumexp(joint, axis=0) - tf.reduce_logsumexp(before, axis=0)

    def _mean(self, *blocks):
        log_weights, loc, log_scale, coefficients = self._mixture(blocks)
        if coefficients is None:
            means = level_mean(loc, log_scale, self.levels)
        else:
            means = self._colour_means(loc, log_scale, coefficients)
        return tf.reduce_sum(tf.exp(log_weights) * means, axis=0)

    def _colour_means(self, loc, log_scale, coefficients):
        """The means of each component, `(num_components, ..., 3)`."""
        shape = tf.shape(loc)[:-1]
        parts = [tf.unstack(x, axis=-1) for x in (loc, log_scale, coefficients)]
        # Pixels and components in rows, points in columns.
        (loc_r, loc_g, loc_b), (scale_r, scale_g, scale_b), (a, b, c) = (
            [tf.reshape(tensor, (-1, 1)) for tensor in part] for part in parts
        )
        greens, blues = [], []
        for first, second in _points():
            red = draw_level(first, loc_r, scale_r, self.levels) - 0.5
            loc = loc_g + a * red
            greens.append(self._sum_of_means(loc, scale_g))
            green = draw_level(second, loc, scale_g, self.levels) - 0.5
            blues.append(self._sum_of_means(loc_b + b * red + c * green, scale_b))
        red = level_mean(loc_r, scale_r, self.levels)[:, 0]
        means = [red, tf.add_n(greens) / NUM_POINTS, tf.add_n(blues) / NUM_POINTS]
        return tf.stack([tf.reshape(mean, shape) for mean in means], axis=-1)

    def _sum_of_means(self, loc, log_scale):
        """Means over the levels, summed over the columns."""
        if self.levels <= MOST_LEVELS_SUMMED:
            log_scale = tf.broadcast_to(log_scale, tf.shape(loc))
            means = level_mean(loc, log_scale, self.levels)
        else:
            # The mean of the distribution clipped to [0, 1], before it is rounded:
            # scale (softplus(loc / scale) - softplus((loc - 1) / scale)), without its
            # difference of two large numbers.
            scale = tf.exp(soft_bound(log_scale, *LOG_SCALE_RANGE))
            below, above = (
                tf.math.log(1.0 + tf.exp(-tf.abs(loc - end) / scale)) for end in (0, 1)
            )
            means = tf.clip_by_value(loc, 0.0, 1.0) + scale * (below - above)
        return tf.reduce_sum(means, axis=-1)

    def _sample(self, *blocks, seed):
        log_weights, loc, log_scale, coefficients = self._mixture(blocks)
        which, uniform = tf.unstack(
            noise_like(noise.uniform, seed, blocks[0], num_draws=2)
        )
        if coefficients is not None:
            which = tf.broadcast_to(which[..., :1], tf.shape(which))  # of a pixel
        ends = tf.cumsum(tf.exp(log_weights), axis=0)[:-1]
        index = tf.reduce_sum(tf.cast(which > ends, tf.int32), axis=0)
        chosen = tf.one_hot(index, self.num_components, axis=0)
        loc, log_scale = (tf.reduce_sum(chosen * t, axis=0) for t in (loc, log_scale))
        if coefficients is None:
            return draw_level(uniform, loc, log_scale, self.levels)
        coefficients = tf.reduce_sum(chosen * coefficients, axis=0)
        a, b, c = tf.unstack(coefficients, axis=-1)

        def draw(channel, shift):
            block = loc[..., channel] + shift, log_scale[..., channel]
            return draw_level(uniform[..., channel], *block, self.levels)

        red = draw(0, 0.0)
        green = draw(1, a * (red - 0.5))
        blue = draw(2, b * (red - 0.5) + c * (green - 0.5))
        return tf.stack([red, green, blue], axis=-1)

    def _bias(self, data_mean):
        num = self.num_components
        spread = INITIAL_SPREAD if num > 1 else 0.0
        log_scales = [
            np.full_like(data_mean, log_scale)
            for log_scale in INITIAL_LOG_SCALE + np.linspace(-spread, spread, num)
        ]
        locs = [initial_loc(data_mean, scale, self.levels) for scale in log_scales]
        zeros = [np.zeros_like(data_mean)] * num
        if data_mean.shape[-1] == 3:
            return [np.zeros((*data_mean.shape[:-1], num)), *locs, *log_scales, *zeros]
        return [*zeros, *locs, *log_scales]


def _points():
    """Pairs of rows of numbers that fill the unit square evenly, a part at a time.

    Roberts' sequence in one of the two: multiples of the golden ratio.
    """
    index = np.arange(NUM_POINTS)
    first = (index + 0.5) / NUM_POINTS
    second = (0.5 + index * (np.sqrt(5) - 1) / 2) % 1
    for start in range(0, NUM_POINTS, POINTS_AT_A_TIME):
        part = slice(start, start + POINTS_AT_A_TIME)
        yield [tf.constant(u[part][None], tf.float32) for u in (first, second)]
