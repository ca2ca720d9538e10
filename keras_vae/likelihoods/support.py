"""The values that a distribution can produce, as something that code can ask."""

import numpy as np
import tensorflow as tf

# Room for rounding, in the units of the data, around the edges of a support.
SLACK = 1e-6


class Support:
    """The values that a distribution can produce: `str()` of it says which, in words.

    Subclasses set the attributes and implement `_contains(x)`, and `_mend(x, name)`,
    the line of code, if there is one, that makes data fit.

    Attributes:
        kind: `"interval"`, `"levels"`, `"counts"` or `"one_hot"`.
        low: The lowest value, a float; may be minus infinity.
        high: The highest value, a float; may be infinity. Means of the distribution
            lie between the two.
        levels: How many values there are, evenly spaced from `low` to `high`; `None`
            where that is not so.

    Example:

    >>> support = Interval(0.0, 1.0)
    >>> support.contains([0.5, 2.0, np.nan]).numpy().tolist()
    [True, False, False]
    >>> str(support), support.low, support.high, support.levels
    ('[0, 1]', 0.0, 1.0, None)
    """

    kind = None
    low = -np.inf
    high = np.inf
    levels = None

    def contains(self, x):
        """Which values are possible, with 1e-6 of slack for rounding.

        Args:
            x: Tensor `(…, *data_shape)`.

        Returns:
            Boolean tensor of the shape of `x`: `False` for what is not finite.

        Example:

        >>> Counts().contains([0.0, 3.0, 0.5, np.inf]).numpy().tolist()
        [True, True, False, False]
        """
        x = tf.cast(tf.convert_to_tensor(x), tf.float32)
        return tf.math.is_finite(x) & self._contains(x)

    def explain(self, x, name="x"):
        """What the values are, and how they are made to fit.

        Args:
            x: Array of data that are not all in the support.
            name: What the data are called in the sentence.

        Returns:
            String, whole sentences.

        Example:

        >>> Interval(0.0, 1.0).explain([114.0, 139.0])
        'Received: values from 114 to 139. Mend: x / 255, as for 8-bit images.'
        >>> print(Levels(256).explain(np.arange(17) / 16))
        Received: the 17 levels k / 16 in [0, 1]. Mend: the argument levels=17.
        """
        x = np.asarray(x, dtype="float64")
        if not np.all(np.isfinite(x)):
            index = tuple(map(int, np.argwhere(~np.isfinite(x))[0]))
            return f"Received: {x[index]} at index {index}."
        mend = self._mend(x, name)
        return f"Received: {self._describe(x)}." + (f" Mend: {mend}." if mend else "")

    def _describe(self, x):
        return f"values from {x.min():g} to {x.max():g}"

    def _mend(self, x, name):
        return None


class Interval(Support):
    """All numbers from `low` to `high`, both included; by default all real numbers.

    Example:

    >>> str(Interval())
    'real numbers'
    """

    kind = "interval"

    def __init__(self, low=-np.inf, high=np.inf):
        self.low, self.high = float(low), float(high)

    def __str__(self):
        if np.isinf([self.low, self.high]).all():
            return "real numbers"
        return f"[{self.low:g}, {self.high:g}]"

    def _contains(self, x):
        return (x >= self.low - SLACK) & (x <= self.high + SLACK)

    def _mend(self, x, name):
        low, high = x.min(), x.max()
        if (self.low, self.high) != (0.0, 1.0) or (low >= 0 and high <= 1):
            return None
        if low >= -1 and high <= 1:
            return f"({name} + 1) / 2, if they are from -1 to 1"
        if low >= 0 and high <= 255:
            return f"{name} / 255, as for 8-bit images"
        if low >= 0 and high <= 65535:
            return f"{name} / 65535, as for 16-bit images"
        return f"({name} - {low:g}) / {high - low:g}".replace("- -", "+ ")


class Levels(Interval):
    """Evenly spaced numbers from 0 to 1: `k / (levels - 1)`.

    Example:

    >>> support = Levels(256)
    >>> str(support), support.levels
    ('the 256 levels k / 255 in [0, 1]', 256)
    """

    kind = "levels"

    def __init__(self, levels):
        super().__init__(0.0, 1.0)
        self.levels = levels

    def __str__(self):
        return f"the {self.levels} levels k / {self.levels - 1} in [0, 1]"

    def _contains(self, x):
        steps = self.levels - 1
        nearest = tf.round(x * steps) / steps
        return super()._contains(x) & (tf.abs(x - nearest) <= SLACK)

    def _describe(self, x):
        levels = _levels_of(x)
        return super()._describe(x) if levels is None else str(Levels(levels))

    def _mend(self, x, name):
        levels = _levels_of(x)
        return (
            super()._mend(x, name)
            if levels is None
            else f"the argument levels={levels}"
        )


class PixelLevels(Levels):
    """Levels of images: a value of a colour pixel counts if all three channels do.

    Example:

    >>> PixelLevels(2).contains([[0.0, 1.0, 0.5], [0.0, 1.0, 1.0]]).numpy().tolist()
    [[False, False, False], [True, True, True]]
    """

    def contains(self, x):
        inside = super().contains(x)
        if inside.shape[-1] != 3:
            return inside
        whole = tf.reduce_all(inside, axis=-1, keepdims=True)
        return tf.broadcast_to(whole, tf.shape(inside))


class Counts(Support):
    """The whole numbers from 0 on.

    Example:

    >>> str(Counts())
    'the counts 0, 1, 2, …'
    """

    kind = "counts"
    low = 0.0

    def __str__(self):
        return "the counts 0, 1, 2, …"

    def _contains(self, x):
        return (tf.abs(x - tf.round(x)) <= SLACK) & (x >= -SLACK)


class OneHot(Support):
    """Vectors of zeros and a single one: a value counts if its whole vector does.

    Example:

    >>> OneHot().contains([[0.0, 1.0], [1.0, 1.0]]).numpy().tolist()
    [[True, True], [False, False]]
    """

    kind = "one_hot"
    low, high = 0.0, 1.0

    def __str__(self):
        return "one-hot vectors along the last axis"

    def _contains(self, x):
        one_or_zero = (tf.abs(x) <= SLACK) | (tf.abs(x - 1.0) <= SLACK)
        ones = tf.reduce_sum(tf.cast(one_or_zero, tf.float32) * x, axis=-1)
        inside = tf.reduce_all(one_or_zero, axis=-1) & (tf.abs(ones - 1.0) < 0.5)
        return tf.broadcast_to(inside[..., tf.newaxis], tf.shape(x))

    def _mend(self, x, name):
        return f"keras.utils.to_categorical({name}), if they are numbers of classes"


def _levels_of(x, most=256):
    """The fewest levels k / (levels - 1) that hold all values; `None`: no such few."""
    values = np.unique(x)
    if values[0] < -SLACK or values[-1] > 1 + SLACK or len(values) > 4 * most:
        return None
    for levels in range(2, most + 1):
        on_levels = np.round(values * (levels - 1)) / (levels - 1)
        if np.all(np.abs(values - on_levels) <= SLACK):
            return levels
    return None
