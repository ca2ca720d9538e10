"""How probable a VAE finds data: log p(x), in nats and in bits."""

import math

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.models import checks
from keras_vae.models.inference import SEED_SPEC, concatenate, num_rows

# Draws of z that are weighed together: enough for few, large steps, and a divisor of
# the numbers of draws that people ask for.
DRAWS_AT_A_TIME = 10


def marginal_log_likelihood(vae, x, num_importance_samples=100, batch_size=512, seed=0):
    """Importance-weighted estimate of log p(x) for each example.

    ```
    log( 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x) ),     z_1, ..., z_K ~ q(z|x)
    ```

    where K is `num_importance_samples`. Its expectation is a lower bound of log p(x):
    the ELBO for K = 1, never lower for more draws, and log p(x) in the limit. The
    logarithm of the mean is taken in float64, without leaving the logarithms.

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
    estimator = ImportanceEstimator(vae, num_importance_samples, batch_size, seed)
    return concatenate(
        estimator(batch) for batch in checks.batches_of("x", x, vae, batch_size)
    )


class ImportanceEstimator:
    """`marginal_log_likelihood` of data that come batch after batch.

    Args:
        vae: `keras_vae.VAE`.
        num_importance_samples: Integer.
        batch_size: Integer, draws that go through the decoder at a time.
        seed: Integer.
    """

    def __init__(self, vae, num_importance_samples, batch_size, seed):
        self.num_importance_samples = check_integer(
            "num_importance_samples", num_importance_samples, minimum=1
        )
        batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.examples_at_a_time = max(1, batch_size // DRAWS_AT_A_TIME)
        self.seed = checks.check_seed(seed)
        self.num_examples = 0
        self._estimate = vae.graph(
            _estimate,
            vae.input_spec_structure,
            SEED_SPEC,
            tf.TensorSpec((), tf.int32, name="num_draws"),
        )

    def __call__(self, x):
        """The next batch, as `checks.batches_of` gives it: a NumPy array `(batch,)`."""
        results = []
        for start in range(0, num_rows(x), self.examples_at_a_time):
            stop = start + self.examples_at_a_time
            part = tf.nest.map_structure(lambda a, s=start, e=stop: a[s:e], x)
            seeds = noise.example_seeds(self.seed, self.num_examples, num_rows(part))
            draws = tf.constant(self.num_importance_samples)
            results.append(self._estimate(part, seeds, draws).numpy())
            self.num_examples += num_rows(part)
        return np.concatenate(results)


def _estimate(vae, inputs, seed, num_draws):
    inputs = vae.prepare(inputs)
    target = inputs["x"] if isinstance(inputs, dict) else inputs
    total = tf.fill(tf.shape(target)[:1], tf.constant(-math.inf, tf.float64))
    q = vae.posterior(inputs)
    for first in tf.range(0, num_draws, DRAWS_AT_A_TIME):
        # New seeds for these draws; `normal` uses the counters [., 0].
        seeds = noise.threefry2x32(seed, tf.stack([first, 1]))
        draws = noise.draws(seeds, DRAWS_AT_A_TIME, vae.latent_shape)
        terms = vae.terms_of_draws(q, inputs, target, draws)
        log_weights = tf.cast(terms.log_weights, tf.float64)
        # The last step may draw more than was asked for.
        asked = first + tf.range(DRAWS_AT_A_TIME) < num_draws
        log_weights = tf.where(asked[:, None], log_weights, -math.inf)
        total = tf.concat([total[None], log_weights], axis=0)
        total = tf.reduce_logsumexp(total, axis=0)
    return total - tf.math.log(tf.cast(num_draws, tf.float64))


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
