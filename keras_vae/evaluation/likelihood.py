"""How probable a VAE finds data: log p(x), in nats and in bits."""

import concurrent.futures
import math
import os

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.distributions import Delta, Quantized
from keras_vae.models import checks
from keras_vae.models.inference import SEED_SPEC, num_rows

# Draws of z that are weighed together: enough for few, large steps, and a divisor of
# the numbers of draws that people ask for.
DRAWS_AT_A_TIME = 10
# XLA makes a draw cheaper, and takes its time to begin: it pays for many.
DRAWS_FOR_XLA = 1000
# Below it the first term of the estimate's bias, -1 / (2 ESS), passes -0.1 nats.
FEW_EFFECTIVE = 5


def marginal_log_likelihood(vae, x, num_importance_samples=100, batch_size=512, seed=0):
    """Importance-weighted estimate of log p(x) for each example.

    ```
    log( 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) ),     z_1, ..., z_K ~ q(z|x)
    ```

    where K is `num_importance_samples`. Its expectation is a lower bound of log p(x):
    the ELBO for K = 1, never lower for more draws, and log p(x) in the limit. The
    logarithm of the mean is taken in float64, without leaving the logarithms. How far
    it can be trusted says `importance_weighted`.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or an iterable of batches.
        num_importance_samples: Integer, draws of z for each example. Their number
            costs time and no memory.
        batch_size: Draws that go through the decoder at a time (those of one example
            by tens); does not change the numbers.
        seed: Integer; example `i` gets its draws from `[seed, i]` alone.

    Returns:
        NumPy array `(n,)`, nats; `-inf` outside the likelihood's support.

    Raises:
        ValueError: If the data have another shape or are not finite, or a number is
            not a positive integer.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> x = np.random.default_rng(0).uniform(size=(3, 4)).astype("float32")
    >>> marginal_log_likelihood(vae, x, num_importance_samples=20).shape
    (3,)

    Reference:
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016),
        equation 8.
    """
    result = importance_weighted(vae, x, num_importance_samples, batch_size, seed)
    return result["marginal_log_likelihood"]


def importance_weighted(
    vae, x, num_importance_samples=100, batch_size=512, seed=0, on_progress=None
):
    """`marginal_log_likelihood` with, for each example, how far it can be trusted.

    ```
    ESS            = (sum_k w_k)^2 / sum_k w_k^2,     w_k = p(x|z_k) p(z_k) / q(z_k|x)
    standard_error = sqrt( (1 / ESS - 1 / K) K / (K - 1) )
    ```

    The effective sample size ESS lies between 1, one draw outweighs all others, and K,
    all weigh the same. The standard error is that of the logarithm of a mean (delta
    method), and the estimate lies below log p(x) by `1 / (2 ESS) - 1 / (2 K)` on
    average, to the first order. Where ESS is below 5, that is some 0.1 nats or more and
    neither formula holds: `describe_reliability` says so in words. All of it is
    computed from the draws: of what q(z|x) never reaches it knows nothing.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or an iterable of batches.
        num_importance_samples: Integer, draws of z for each example.
        batch_size: Draws that go through the decoder at a time.
        seed: Integer; example `i` gets its draws from `[seed, i]` alone.
        on_progress: Function that is called with the number of examples done so far, or
            `None`.

    Returns:
        A dictionary of float64 NumPy arrays `(n,)`: `marginal_log_likelihood`, nats;
        `standard_error`, nats, of the draws (NaN of a single draw);
        `effective_sample_size`, draws (0 where every weight is 0).

    Raises:
        ValueError: If the data have another shape or are not finite, a number is not a
            positive integer, or the posterior has no density.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> x = np.random.default_rng(0).uniform(size=(3, 4)).astype("float32")
    >>> result = importance_weighted(vae, x, num_importance_samples=20)
    >>> [*result]
    ['marginal_log_likelihood', 'standard_error', 'effective_sample_size']

    Reference:
        Owen, "Monte Carlo theory, methods and examples" (2013), sections 2.7 and 9.3
        (delta method, effective sample size); Nowozin, "Debiasing Evidence
        Approximations" (2018), proposition 1 (the bias).
    """
    estimator = ImportanceEstimator(vae, num_importance_samples, batch_size, seed)
    parts = []
    for batch in checks.batches_of("x", x, vae, estimator.batch_size):
        parts.append(estimator(batch))
        if on_progress is not None:
            on_progress(estimator.num_examples)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def describe_reliability(num_unreliable, num_examples, num_importance_samples):
    """Says in words where an importance-weighted log p(x) cannot be trusted.

    Args:
        num_unreliable: Integer, examples with an effective sample size below 5: the
            entry of that name in what `evaluate` returns.
        num_examples: Integer, examples in all.
        num_importance_samples: Integer, the draws of each.

    Returns:
        A few sentences, or `None` where there is nothing to say.

    Example:

    >>> size = np.array([80.0, 1.5])  # from `importance_weighted`
    >>> print(describe_reliability((size < 5).sum(), len(size), 100))
    Of 1 of 2 examples the estimate of log p(x) rests on fewer than 5 of 100 draws ...

    Reference:
        Nowozin, "Debiasing Evidence Approximations" (2018), proposition 1.
    """
    if not num_unreliable:
        return None
    return (
        f"Of {num_unreliable} of {num_examples} examples the estimate of log p(x) "
        f"rests on fewer than {FEW_EFFECTIVE} of {num_importance_samples} draws "
        "(effective sample size): theirs is likely too low by 0.1 nats or more, and "
        "its standard error too small. Take more draws (num_importance_samples), or "
        "read it as a lower bound."
    )


class ImportanceEstimator:
    """`importance_weighted` of data that come batch after batch.

    Args:
        vae: `keras_vae.VAE`.
        num_importance_samples: Integer.
        batch_size: Integer, draws that go through the decoder at a time.
        seed: Integer.
    """

    def __init__(self, vae, num_importance_samples, batch_size, seed):
        checks.check_density(vae)
        self.num_importance_samples = check_integer(
            "num_importance_samples", num_importance_samples, minimum=1
        )
        batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.seed = checks.check_seed(seed)
        self.num_examples = 0
        self._examples_at_a_time = max(1, batch_size // DRAWS_AT_A_TIME)
        # Parts of a batch that are computed side by side: much of a draw is no product
        # of matrices, and occupies one core.
        self._num_threads = os.cpu_count() or 1
        self.batch_size = self._num_threads * self._examples_at_a_time
        specs = (
            vae.input_spec_structure,
            SEED_SPEC,
            tf.TensorSpec((), tf.int32, name="num_draws"),
        )
        self._estimate = vae.graph(_log_sums, *specs)
        self._compiled = None
        if self.num_importance_samples >= DRAWS_FOR_XLA:
            self._compiled = vae.graph(_log_sums, *specs, jit_compile=True)
        self._compiled_rows = 0

    def __call__(self, x):
        """The arrays of the next batch, which is as `checks.batches_of` gives it."""
        parts, size = [], self._part_size(num_rows(x))
        if self._compiled is not None:
            self._compiled_rows = size
        for start in range(0, num_rows(x), size):
            stop = start + size
            part = tf.nest.map_structure(lambda a, s=start, e=stop: a[s:e], x)
            seeds = noise.example_seeds(self.seed, self.num_examples, num_rows(part))
            parts.append((part, seeds))
            self.num_examples += num_rows(part)
        with concurrent.futures.ThreadPoolExecutor(self._num_threads) as threads:
            log_sums = list(threads.map(self._log_sums, *zip(*parts, strict=True)))
        return _estimates(np.concatenate(log_sums, axis=1), self.num_importance_samples)

    def _part_size(self, rows):
        """Examples that are computed at a time: some for each thread."""
        if self._compiled_rows:
            return self._compiled_rows
        num_parts = max(-(-rows // self._examples_at_a_time), self._num_threads)
        return -(-rows // num_parts)

    def _log_sums(self, x, seeds):
        draws = tf.constant(self.num_importance_samples)
        if self._compiled is None:
            return self._estimate(x, seeds, draws).numpy()
        # A smaller part is filled up: for another size XLA would compile again.
        rows = num_rows(x)
        fill = tf.minimum(tf.range(self._compiled_rows), rows - 1)
        whole = tf.nest.map_structure(lambda a: tf.gather(a, fill), (x, seeds))
        try:
            return self._compiled(*whole, draws).numpy()[:, :rows]
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            # Layers of somebody's own may hold what XLA cannot compile.
            self._compiled = None
            return self._estimate(x, seeds, draws).numpy()


def _log_sums(vae, inputs, seed, num_draws):
    """float64 `(2, batch)`: the logarithms of the sums of w and of w^2."""
    inputs = vae.prepare(inputs)
    target = inputs["x"] if isinstance(inputs, dict) else inputs
    q = vae.posterior(inputs)
    # Of a codebook there is one code for x, with certainty: the estimate is the ELBO.
    if isinstance(q, Delta) and not isinstance(q, Quantized):
        raise ValueError(
            "`vae` should have a posterior with a density: without one there is no "
            f"log p(x) to estimate. Received: a {type(vae).__name__}, whose posterior "
            "is a point"
        )
    powers = tf.constant([[[1.0]], [[2.0]]], tf.float64)
    shape = tf.stack([2, tf.shape(target)[0]])
    totals = tf.fill(shape, tf.constant(-math.inf, tf.float64))

    def add(first, totals):
        # New seeds for these draws; `normal` uses the counters [., 0].
        seeds = noise.threefry2x32(seed, tf.stack([first, 1]))
        draws = noise.draws(seeds, DRAWS_AT_A_TIME, vae.latent_shape)
        terms = vae.terms_of_draws(q, inputs, target, draws)
        log_weights = tf.cast(terms.log_weights, tf.float64)
        # The last step may draw more than was asked for.
        asked = first + tf.range(DRAWS_AT_A_TIME) < num_draws
        log_weights = tf.where(asked[:, None], log_weights, -math.inf)
        terms = tf.concat([totals[:, None], powers * log_weights], axis=1)
        return first + DRAWS_AT_A_TIME, tf.reduce_logsumexp(terms, axis=1)

    # Not a `for`, which a graph of `VAE.graph` does not translate.
    _, totals = tf.while_loop(
        lambda first, _: first < num_draws,
        add,
        (tf.constant(0), totals),
        shape_invariants=(tf.TensorShape(()), tf.TensorShape((2, None))),
    )
    return totals


def _estimates(log_sums, num_draws):
    """The arrays that `importance_weighted` returns, from the sums of the weights."""
    log_sum, log_squares = log_sums
    # Where every weight is 0 it is -inf - -inf.
    some = np.isfinite(log_sum)
    log_ess = np.full_like(log_sum, -math.inf)
    np.subtract(2 * log_sum, log_squares, out=log_ess, where=some)
    # Of equal weights, the difference of two nearly equal numbers.
    ess = np.clip(np.exp(log_ess), some, num_draws)
    error = np.full_like(ess, math.nan)
    if num_draws > 1:
        inverse = np.divide(1, ess, out=np.full_like(ess, math.nan), where=some)
        error = np.sqrt((inverse - 1 / num_draws) * num_draws / (num_draws - 1))
    return {
        "marginal_log_likelihood": log_sum - math.log(num_draws),
        "standard_error": error,
        "effective_sample_size": ess,
    }


def bits_per_dim(log_likelihood, data_shape):
    """Bits that one value of the data costs, on average.

    ```
    bits_per_dim = -log_likelihood / (D log 2),     D = the product of data_shape
    ```

    For a likelihood of discrete values (`"bernoulli"` on binary data, `"categorical"`,
    `"discretized_logistic"`, `"poisson"`) it is the length of a lossless code for one
    value, at least 0; from the ELBO, the length that a coder with this VAE reaches. For
    a density (`"gaussian"`, `"laplace"`, `"continuous_bernoulli"`) it depends on the
    unit of the data, and may be negative: with values 1/256 apart, in [0, 1], a code of
    that precision takes about 8 bits more. Of a model that standardises its data, the
    unit is one standard deviation.

    Args:
        log_likelihood: Number or array of log p(x), or of a bound of it such as the
            ELBO, nats per example.
        data_shape: Shape of one example.

    Returns:
        float64, of the shape of `log_likelihood`: bits for each value; lower is better.

    Raises:
        ValueError: If `data_shape` holds something else than positive integers.

    Example:

    >>> round(float(bits_per_dim(-543.4, (28, 28, 1))), 2)
    1.0

    Reference:
        Theis, van den Oord & Bethge, "A note on the evaluation of generative models"
        (2016), section 3.1.
    """
    if not data_shape or any(size < 1 for size in data_shape):
        raise ValueError(
            "`data_shape` should be the shape of one example, such as (28, 28, 1). "
            f"Received: data_shape={data_shape}"
        )
    return -np.float64(log_likelihood) / (math.prod(data_shape) * math.log(2))
