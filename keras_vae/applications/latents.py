"""A model as a coder needs it: bins of z, and passes that give the same numbers."""

import json

import numpy as np
import tensorflow as tf
from scipy.special import ndtr, ndtri

from keras_vae import noise
from keras_vae.applications.archive import digest
from keras_vae.distributions import Hierarchical, Normal
from keras_vae.priors import StandardNormal

# Draws of the model itself, by which the bins of z are laid out.
NUM_DRAWS = 128
# How many bins a latent has: this many over the deviation of its posterior, within
# bounds; and one alone, which costs nothing, where the posterior says less of x than
# this, in nats.
BINS_PER_DEVIATION = 32
FEWEST_BINS, MOST_BINS = 2**2, 2**14
LEAST_KL = 5e-4

# Parameters of q(z|x) are rounded to these; see `pixels.GRID`.
MEAN_GRID = 1 / 4096
LOG_VAR_GRID = 1 / 16


class Passes:
    """The passes of encoder and decoder, each a graph that is made once.

    Args:
        vae: `keras_vae.VAE`.

    Attributes:
        vae: The model.
        sizes: List of integers, the numbers in the code of each level.

    """

    def __init__(self, vae):
        self.vae = vae
        top_down = getattr(vae, "top_down", None)
        shapes = top_down.latent_shapes if top_down else [vae.latent_shape]
        self.sizes = [int(np.prod(shape)) for shape in shapes]
        self._draw = None
        self._infer = tf.function(
            self._infer_in_graph,
            input_signature=[tf.TensorSpec((None, *vae.data_shape), tf.float32)],
        ).get_concrete_function()
        self._decode = tf.function(
            lambda z: vae.decode_parameters(tf.reshape(z, (-1, *vae.latent_shape))),
            input_signature=[tf.TensorSpec((None, vae.latent_dim), tf.float32)],
        ).get_concrete_function()

    def infer(self, x, draw):
        """Goes down the levels of q(z|x), one where there is no hierarchy.

        Args:
            x: float32 array `(n, *data_shape)`.
            draw: Function of the level's number and its `Posterior`, which returns the
                level's code, float32 `(n, dim)`.
        """
        self._draw = draw
        try:
            self._infer(tf.constant(x))
        finally:
            self._draw = None

    def decode(self, z):
        """Parameters of p(x|z).

        Args:
            z: float32 array `(n, latent_dim)`.

        Returns:
            float32 array `(n, *parameter_shape)`.
        """
        return self._decode(tf.constant(z)).numpy()

    def posterior(self, x):
        """Mean and deviation of q(z|x); of lower levels, at the means of those above.

        Args:
            x: float32 array `(n, *data_shape)`.

        Returns:
            Two float64 arrays `(n, latent_dim)`.
        """
        levels = []

        def draw(level, q):
            levels.append((q.mean, q.deviation))
            return q.mean.astype("float32")

        self.infer(x, draw)
        means, deviations = zip(*levels, strict=True)
        return np.concatenate(means, axis=-1), np.concatenate(deviations, axis=-1)

    def bins(self):
        """The bins of z, for the weights that the model has now.

        Returns:
            `Bins`.
        """
        seeds = noise.example_seeds(0, 0, NUM_DRAWS)
        z = self.vae.prior.sample(seeds, self.vae.latent_shape)
        parameters = self.decode(tf.reshape(z, (NUM_DRAWS, -1)).numpy())
        x = self.vae.likelihood.sample(parameters, seed=seeds).numpy()
        mean, deviation = self.posterior(x)
        kl = 0.5 * (mean**2 + deviation**2 - 1) - np.log(deviation)
        computed = [np.ascontiguousarray(a) for a in (parameters, mean, deviation)]
        # Of the narrowest tenth: the same bins serve all examples.
        deviation = np.quantile(deviation, 0.1, axis=0)
        # So many bins of mass 1/n are as wide as the deviation, where they are narrow.
        wanted = BINS_PER_DEVIATION * np.sqrt(2 * np.pi) / np.minimum(deviation, 1.0)
        num_bins = 2 ** np.ceil(np.log2(np.clip(wanted, FEWEST_BINS, MOST_BINS)))
        num_bins = np.where(kl.mean(axis=0) < LEAST_KL, 1, num_bins).astype("int64")
        return Bins(
            np.split(num_bins, np.cumsum(self.sizes)[:-1]),
            digest(*(array.tobytes() for array in computed)),
        )

    def _infer_in_graph(self, x):
        q = self.vae.posterior(x)

        def draw(level, q):
            # A posterior of another kind has a mean at least.
            log_var = q.log_var if isinstance(q, Normal) else tf.zeros_like(q.mean)
            mean, log_var = (
                tf.reshape(t, (-1, self.sizes[level])) for t in (q.mean, log_var)
            )
            z = tf.numpy_function(self._answer, [level, mean, log_var], tf.float32)
            return tf.ensure_shape(z, (None, self.sizes[level]))[None]

        if isinstance(q, Hierarchical):
            q.visit(draw)
            return ()
        return draw(0, q)

    def _answer(self, level, mean, log_var):
        return self._draw(int(level), Posterior(mean, log_var))


class Posterior:
    """q of one level's code as the distribution function of its bins.

    Args:
        mean: Array `(n, dim)`.
        log_var: Array `(n, dim)`.

    Example:

    >>> q = Posterior(np.zeros((1, 1)), np.zeros((1, 1)))
    >>> q.cdf([0], 8)(np.array([[2]])).tolist()
    [[0.25]]
    """

    def __init__(self, mean, log_var):
        self.mean = _round(mean, MEAN_GRID)
        self.deviation = np.exp(0.5 * _round(log_var, LOG_VAR_GRID))

    def cdf(self, columns, num_bins):
        """Distribution function of the bins of some dimensions, for `BitStack`.

        Args:
            columns: Which dimensions.
            num_bins: Integer, of all of them.

        Returns:
            Function of edges, `(n * len(columns), m)`.
        """
        mean = self.mean[:, columns].reshape(-1, 1)
        deviation = self.deviation[:, columns].reshape(-1, 1)
        ends = ndtri(np.arange(num_bins + 1) / num_bins)
        return lambda edges: ndtr((ends[edges] - mean) / deviation)


class Bins:
    """Bins of z, of equal mass under the prior.

    Args:
        num_bins: List of integer arrays `(dim,)`, one for each level.
        fingerprint: Of the numbers that they were made by, bytes.

    Attributes:
        num_levels: Integer.
        bits: Integer: the bits of all codes of one example under the prior.

    Example:

    >>> bins = Bins([np.array([4, 1])], b"")
    >>> bins.bits, bins.centres(0, np.array([[3, 0]])).round(2).tolist()
    (2, [[1.149999976158142, 0.0]])
    """

    def __init__(self, num_bins, fingerprint):
        self.fingerprint = fingerprint
        self.num_levels = len(num_bins)
        self.bits = int(sum(np.log2(level).sum() for level in num_bins))
        # Of each level: dimensions with equally many bins are coded together.
        self._together = [
            [(int(size), np.flatnonzero(level == size)) for size in np.unique(level)]
            for level in num_bins
        ]
        self._num_bins = num_bins

    def centres(self, level, codes):
        """The z of bins: the median of each, under the prior.

        Args:
            level: Integer.
            codes: Integer array `(n, dim)`.

        Returns:
            float32 array `(n, dim)`.
        """
        return ndtri((codes + 0.5) / self._num_bins[level]).astype("float32")

    def pop(self, stack, level, q, num_examples):
        """Takes the codes of a level off a stack.

        Args:
            stack: `BitStack`.
            level: Integer.
            q: `Posterior`, or `None` for the prior.
            num_examples: Integer.

        Returns:
            Integer array `(num_examples, dim)`.
        """
        codes = np.zeros((num_examples, len(self._num_bins[level])), "int64")
        for size, columns in self._together[level]:
            cdf = _cdf(q, columns, size)
            popped = stack.pop(cdf, size, num_examples * len(columns))
            codes[:, columns] = popped.reshape(num_examples, -1)
        return codes

    def push(self, stack, level, q, codes):
        """Puts the codes of a level on a stack: the inverse of `pop`.

        Args:
            stack: `BitStack`.
            level: Integer.
            q: `Posterior`, or `None` for the prior.
            codes: Integer array `(n, dim)`.
        """
        for size, columns in reversed(self._together[level]):
            stack.push(codes[:, columns].reshape(-1), _cdf(q, columns, size), size)


def _cdf(q, columns, size):
    return (lambda edges: edges / size) if q is None else q.cdf(columns, size)


def fingerprint(vae):
    """What tells one trained model from another: networks, likelihood, weights.

    Args:
        vae: `keras_vae.VAE`.

    Returns:
        Bytes.

    Example:

    >>> import keras_vae
    >>> vaes = [
    ...     keras_vae.VAE(*keras_vae.networks.dense((4,), 2, seed=seed))
    ...     for seed in (0, 0, 1)
    ... ]
    >>> fingerprints = [fingerprint(vae) for vae in vaes]
    >>> [f == fingerprints[0] for f in fingerprints]
    [True, True, False]
    """
    parts = [type(vae).__name__.encode()]
    likelihood = vae.likelihood.get_config()
    for name in ("name", "trainable"):
        likelihood.pop(name, None)
    parts.append(json.dumps([vae.likelihood.identifier, likelihood]).encode())
    for part in (vae.encoder, vae.decoder):
        parts.append(part.to_json().encode())
    for part in (vae.encoder, vae.decoder, vae.likelihood):
        parts += [np.ascontiguousarray(w.numpy()).tobytes() for w in part.weights]
    return digest(*parts)


def check_fingerprint(vae, content):
    """Raises unless an archive is of a model.

    Args:
        vae: `keras_vae.VAE`.
        content: `Archive`.

    Raises:
        ValueError: If it is of another one.
    """
    if tuple(content.data_shape) != tuple(vae.data_shape):
        raise ValueError(
            f"The archive was compressed with another model, of data of shape "
            f"{tuple(content.data_shape)}. Received: a model of shape "
            f"{tuple(vae.data_shape)}"
        )
    if content.model != fingerprint(vae):
        raise ValueError(
            "The archive was compressed with another model: its fingerprint is "
            f"{content.model.hex()}, and that of the model {fingerprint(vae).hex()}. "
            "Mend: decompress with the model that compressed, with the same weights"
        )


def check_bits_back(vae):
    """Raises unless a model has probabilities for bits back.

    Args:
        vae: `keras_vae.VAE`.

    Raises:
        ValueError: If it has another posterior or prior than is coded, or conditions.
    """
    name = type(vae).__name__
    if "elbo" not in vae.MEASURES:
        raise ValueError(
            f"{name} has no ELBO, and so no probabilities to compress by: its codes "
            "are points. Mend: a VAE of the same networks"
        )
    check_unconditional(vae)
    if vae.standardize is not None:
        raise ValueError(
            "Compression is of values that are finitely many, and the model "
            "standardises continuous ones. Received: a model with `standardize`"
        )
    q = vae.posterior(tf.zeros((1, *vae.data_shape)))
    if not isinstance(q, Normal | Hierarchical):
        reason = (
            "the draws of its posterior go through a flow, which gives no "
            "probabilities of bins"
            if vae.flow is not None
            else f"its posterior is {type(q).__name__}"
        )
        raise ValueError(
            "Bits back needs a diagonal normal posterior, or a HierarchicalVAE. "
            f"Received: {name}; {reason}"
        )
    if not isinstance(vae.prior, StandardNormal):
        raise ValueError(
            "Bits back needs the prior 'standard_normal', in whose bins z is coded. "
            f"Received: a model with {type(vae.prior).__name__}"
        )


def check_unconditional(vae):
    """Raises if a model takes conditions.

    Args:
        vae: `keras_vae.VAE`.

    Raises:
        ValueError: If it does.
    """
    if vae.conditions:
        raise ValueError(
            "A model with conditions cannot decompress without them, and an archive "
            f"holds images alone. Received: conditions {', '.join(vae.conditions)}"
        )


def _round(values, grid):
    return np.rint(np.asarray(values, "float64") / grid) * grid
