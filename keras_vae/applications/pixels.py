"""The values of data as symbols, and p(x|z) as a distribution of symbols."""

import math

import numpy as np
from scipy.special import expit, log_softmax, softmax

from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
)
from keras_vae.likelihoods.discretized_logistic import LOG_SCALE_RANGE
from keras_vae.likelihoods.soft_bound import soft_bound

# Parameters are rounded to multiples of these: another decoder whose numbers differ in
# the last digits rounds to nearly always the same. Logits and log-scales, which a
# sixteenth changes by less than a thousandth of a bit; and locations, in units of the
# data.
GRID = 1 / 16
LOC_GRID = 1 / 4096


def pixels_of(likelihood, data_shape):
    """The `Pixels` of a likelihood.

    Args:
        likelihood: `keras_vae.likelihoods.Likelihood`.
        data_shape: Tuple, shape of one example.

    Raises:
        ValueError: If its values are not finitely many.

    Example:

    >>> pixels_of(Bernoulli(), (28, 28, 1)).size
    2
    """
    if isinstance(likelihood, DiscretizedLogisticMixture) and data_shape[-1] == 3:
        raise ValueError(
            "The likelihood 'discretized_logistic_mixture' of colours gives green and "
            "blue given red: the Compressor codes the values of an example at once, "
            "and takes grey images of it. Colours with 'discretized_logistic' are "
            "taken."
        )
    for kind, pixels in (
        (Bernoulli, BinaryPixels),
        (Categorical, Classes),
        (DiscretizedLogistic, LogisticPixels),
        (DiscretizedLogisticMixture, MixturePixels),
    ):
        if isinstance(likelihood, kind):
            return pixels(likelihood, data_shape)
    if likelihood.support.levels is not None:
        return Pixels(likelihood, data_shape)
    raise ValueError(
        "The Compressor takes data of finitely many values: a model whose likelihood "
        "is 'bernoulli' (binary), 'discretized_logistic', "
        "'discretized_logistic_mixture' (8 bits) or 'categorical'. Received: a model "
        f"of {likelihood.identifier!r}, whose values are {likelihood.support}"
    )


class Pixels:
    """Values k / (levels - 1) as symbols k, of any likelihood that has levels.

    The probability of each level is asked of the likelihood itself: right for all, and
    slow for many levels.

    Args:
        likelihood: `keras_vae.likelihoods.Likelihood`.
        data_shape: Tuple, shape of one example.

    Attributes:
        size: Integer, how many symbols there are.
        num_symbols: Integer, how many an example has.
        words: What images are, for errors.

    Example:

    >>> pixels = Pixels(DiscretizedLogistic(levels=4), (2,))
    >>> pixels.to_symbols(np.array([[3, 0]], "uint8")).tolist()
    [[3, 0]]
    >>> pixels.to_x(np.array([[3, 0]])).tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, likelihood, data_shape):
        self.likelihood = likelihood
        self.data_shape = tuple(data_shape)
        self.size = likelihood.support.levels or 2
        self.num_symbols = math.prod(self.data_shape)

    @property
    def words(self):
        return f"uint8 from 0 to {self.size - 1}"

    def to_symbols(self, images):
        """Symbols of images.

        Args:
            images: uint8 array `(n, *data_shape)` of levels, or floating-point ones in
                the units of the model.

        Returns:
            int64 array `(n, num_symbols)`.

        Raises:
            ValueError: If they have another shape or type, or a value is none.
        """
        return self._levels(np.asarray(images), self.size)

    def _levels(self, images, num_levels):
        if images.shape[1:] != self.data_shape:
            hint = ""
            if (*images.shape[1:], 1) == self.data_shape:
                hint = ". Mend: images[..., None]"
            elif images.shape == self.data_shape:
                hint = ". Mend: images[None]"
            raise ValueError(
                "`images` should have shape (n, "
                f"{', '.join(map(str, self.data_shape))}). Received: shape "
                f"{images.shape}{hint}"
            )
        if len(images) == 0:
            raise ValueError("`images` should hold at least one image. Received: none")
        if images.dtype.kind not in "biuf":
            raise ValueError(
                f"`images` should be {self.words}. Received: dtype {images.dtype}"
            )
        values = images.reshape(len(images), -1)
        steps = 1
        if values.dtype.kind == "f":
            steps = num_levels - 1
            if not np.isfinite(values).all():
                raise ValueError("`images` should be finite. Received: NaN or infinity")
        # In float64: 0.1 of float32 is no tenth, but near one.
        values = values.astype("float64") * steps
        symbols = np.rint(values)
        far = np.abs(values - symbols) > 1e-3
        if far.any() or symbols.min() < 0 or symbols.max() >= num_levels:
            raise ValueError(self._misfit(images))
        return symbols.astype("int64")

    def _misfit(self, images):
        floats = f", or k / {self.size - 1} as floats" if self.size > 2 else ""
        return (
            f"`images` should be {self.words}{floats}: the values of the likelihood "
            f"{self.likelihood.identifier!r}. Received: {images.dtype} from "
            f"{images.min():g} to {images.max():g}"
        )

    def to_x(self, symbols):
        """Data as the model takes them: float32 `(n, *data_shape)`.

        Args:
            symbols: Integer array `(n, num_symbols)`.
        """
        x = symbols.astype("float32") / np.float32(self.size - 1)
        return x.reshape(-1, *self.data_shape)

    def to_images(self, symbols):
        """Images of symbols: uint8 `(n, *data_shape)`.

        Args:
            symbols: Integer array `(n, num_symbols)`.
        """
        return symbols.astype("uint8").reshape(-1, *self.data_shape)

    def cdf(self, parameters):
        """Distribution function of all symbols, for `BitStack`.

        Args:
            parameters: float32 array `(n, *parameter_shape)`, what the decoder returns.

        Returns:
            Function of edges, `(n * num_symbols, m)`.
        """
        probabilities = []
        for level in range(self.size):
            x = np.full((len(parameters), *self.data_shape), level / (self.size - 1))
            log_prob = self.likelihood.log_prob_per_value(x, parameters).numpy()
            probabilities.append(np.exp(log_prob.astype("float64")).reshape(-1))
        return _of_table(np.stack(probabilities, axis=1))


class BinaryPixels(Pixels):
    """Zeros and ones, each with a logit.

    Args:
        likelihood: `Bernoulli`.
        data_shape: Tuple, shape of one example.

    Example:

    >>> pixels = BinaryPixels(Bernoulli(), (2,))
    >>> pixels.cdf(np.zeros((1, 2)))(np.array([[1], [1]])).tolist()
    [[0.5], [0.5]]
    """

    words = "0 and 1"

    def _misfit(self, images):
        mend = ""
        if images.min() >= 0:
            mend = f". Mend: images > {127 if images.max() > 1 else 0.5}"
        return super()._misfit(images) + mend

    def cdf(self, parameters):
        zero = expit(-_round(parameters, GRID).reshape(-1, 1))
        return lambda edges: np.broadcast_to(zero, edges.shape)


class LogisticPixels(Pixels):
    """Levels with the distribution function of a logistic distribution.

    Args:
        likelihood: `DiscretizedLogistic`.
        data_shape: Tuple, shape of one example.

    Example:

    >>> pixels = LogisticPixels(DiscretizedLogistic(), (1,))
    >>> round(float(pixels.cdf(np.array([[0.5, -3.0]]))(np.array([[128]]))[0, 0]), 4)
    0.5
    """

    def cdf(self, parameters):
        loc, log_scale = np.split(parameters, 2, axis=-1)
        loc, per_scale = self._location_and_scale(loc, log_scale)

        def cdf(edges):
            return expit((self._between(edges) - loc) * per_scale)

        return cdf

    def _location_and_scale(self, loc, log_scale):
        """Columns: a row for each symbol."""
        log_scale = soft_bound(log_scale, *LOG_SCALE_RANGE).numpy()
        loc = _round(loc, LOC_GRID).reshape(-1, 1)
        return loc, np.exp(-_round(log_scale, GRID)).reshape(-1, 1)

    def _between(self, edges):
        """Where the values below an edge end, in the units of the data."""
        return (edges - 0.5) / (self.size - 1)


class MixturePixels(LogisticPixels):
    """Levels with a mixture of logistic distributions.

    Args:
        likelihood: `DiscretizedLogisticMixture`.
        data_shape: Tuple, shape of one example, not of colours.

    Example:

    >>> pixels = MixturePixels(DiscretizedLogisticMixture(num_components=2), (1,))
    >>> cdf = pixels.cdf(np.array([[0.0, 0.0, 0.2, 0.8, -3.0, -3.0]]))
    >>> round(float(cdf(np.array([[128]]))[0, 0]), 4)
    0.5
    """

    def cdf(self, parameters):
        num = self.likelihood.num_components
        blocks = np.split(parameters, 3 * num, axis=-1)
        logits = [_round(block, GRID).reshape(-1) for block in blocks[:num]]
        weights = np.exp(log_softmax(np.stack(logits), axis=0))[..., None]
        pairs = zip(blocks[num : 2 * num], blocks[2 * num :], strict=True)
        components = [self._location_and_scale(*pair) for pair in pairs]

        def cdf(edges):
            between = self._between(edges)
            total = np.zeros(edges.shape)
            for weight, (loc, per_scale) in zip(weights, components, strict=True):
                total += weight * expit((between - loc) * per_scale)
            return total

        return cdf


class Classes(Pixels):
    """One-hot vectors: a symbol for each, the number of its class.

    Args:
        likelihood: `Categorical`.
        data_shape: Tuple, shape of one example; its last axis is the classes.

    Example:

    >>> Classes(Categorical(), (5, 3)).to_symbols(np.eye(3)[[[2, 0, 1, 1, 0]]])
    array([[2, 0, 1, 1, 0]])
    """

    words = "one-hot vectors along the last axis"

    def __init__(self, likelihood, data_shape):
        super().__init__(likelihood, data_shape)
        self.size = self.data_shape[-1]
        self.num_symbols //= self.size

    def _misfit(self, images):
        return (
            f"`images` should be {self.words}. Received: {images.dtype} from "
            f"{images.min():g} to {images.max():g}"
        )

    def to_symbols(self, images):
        images = np.asarray(images)
        ones = self._levels(images, 2).reshape(len(images), -1, self.size)
        if not (ones.sum(axis=-1) == 1).all():
            raise ValueError(self._misfit(images))
        return ones.argmax(axis=-1)

    def to_x(self, symbols):
        return self.to_images(symbols).astype("float32")

    def to_images(self, symbols):
        vectors = np.eye(self.size, dtype="uint8")[symbols]
        return vectors.reshape(-1, *self.data_shape)

    def cdf(self, parameters):
        logits = _round(parameters, GRID).reshape(-1, self.size)
        return _of_table(softmax(logits, axis=-1))


def _of_table(probabilities):
    """The distribution function of probabilities, `(n, size)`."""
    below = np.pad(np.cumsum(probabilities, axis=1), ((0, 0), (1, 0)))
    return lambda edges: np.take_along_axis(below, edges, axis=1)


def _round(values, grid):
    return np.rint(np.asarray(values, "float64") / grid) * grid
