"""Where the KL goes: what z says of x, how its dimensions depend, how they lie."""

import math

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.distributions import Normal
from keras_vae.models import checks
from keras_vae.models.inference import concatenate, slices
from keras_vae.moments import RunningMoments
from keras_vae.priors import StandardNormal

LOG_2PI = math.log(2 * math.pi)
# Numbers in a block of log-densities: 2 MB, which a processor keeps near.
BLOCK = 2**18


def kl_decomposition(vae, x, num_samples=1, batch_size=128, seed=0):
    """The KL of a VAE in its parts: mutual information and the gap to the prior.

    ```
    kl_loss     = mutual_information + marginal_kl
    marginal_kl = total_correlation + dimension_wise_kl       (standard normal prior)

    q(z)               = 1/n sum_i q(z|x_i)                   the aggregate posterior
    mutual_information = E[log q(z|x) - log q(z)]             I(x; z)
    marginal_kl        = E[log q(z) - log p(z)]               KL(q(z) || p(z))
    total_correlation  = E[log q(z) - sum_j log q(z_j)]       KL(q(z) || prod_j q(z_j))
    dimension_wise_kl  = E[sum_j log q(z_j) - log p(z_j)]     sum_j KL(q(z_j) || p(z_j))
    ```

    Expectations are over the n examples and draws z ~ q(z|x); those of all parts are
    the same draws, so that the parts add up. Of these n examples, q(z) and all that
    follows from it are exact but for the draws. As estimates for the data that the
    examples come from they are biased: each z meets its own q(z|x) in the mixture, so
    that mutual information is at most log n (near that it says "at least so much"),
    and total correlation and marginal KL are too high as long as n is small for the
    number of dimensions. The standard errors do not know of that. Compare models at
    equal n.

    The time grows as n^2 times the latent dimensions (n = 10,000 and 16 dimensions:
    half a minute); the memory does not.

    Args:
        vae: `keras_vae.VAE` whose posterior is a `keras_vae.distributions.Normal`.
        x: Array `(n, *data_shape)`, or an iterable of batches, of n >= 2 examples.
        num_samples: Integer, draws of z for each example.
        batch_size: Examples encoded at a time; does not change the numbers.
        seed: Integer; example `i` gets its draws from `[seed, i]` alone.

    Returns:
        A dict of plain Python values, ready for JSON; nats.

        - `num_examples`; `num_samples`; `seed`;
        - `kl_loss`, `mutual_information`, `marginal_kl`, `total_correlation`,
          `dimension_wise_kl`, each with its `..._standard_error` over the examples
          (`dimension_wise_kl` and its parts are `None` for another prior than the
          standard normal, whose dimensions need not be independent);
        - `dimension_wise_kl_per_dimension`: list, KL(q(z_j) || p(z_j));
        - `mutual_information_bound`: log n, which the estimate cannot pass.

    Raises:
        ValueError: If the posterior is another, there is one example only, or the data
            do not fit the model.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> x = np.random.default_rng(0).uniform(size=(50, 4)).astype("float32")
    >>> parts = kl_decomposition(vae, x)
    >>> total = parts["mutual_information"] + parts["marginal_kl"]
    >>> bool(np.isclose(total, parts["kl_loss"]))
    True

    Reference:
        Hoffman & Johnson, "ELBO surgery" (2016), equation 7; Chen et al., "Isolating
        Sources of Disentanglement in VAEs" (2018), equation 2.
    """
    num_samples = check_integer("num_samples", num_samples, minimum=1)
    seed = checks.check_seed(seed)
    z_mean, z_log_var = _posteriors(vae, x, batch_size)
    count = len(z_mean)
    if count < 2:
        raise ValueError(
            "`x` should hold two examples or more, of which there is an aggregate "
            "posterior. Received: 1"
        )
    seeds = noise.example_seeds(seed, 0, count)
    draws = np.float64(noise.draws(seeds, num_samples, (vae.latent_dim,)).numpy())
    moments = {}
    for k in range(num_samples):
        z = z_mean + np.exp(z_log_var / 2) * draws[k]
        # Of z - z_mean few digits are left where q is narrow; the noise has all.
        log_own = -0.5 * np.sum(draws[k] ** 2 + z_log_var + LOG_2PI, axis=1)
        log_prior, log_priors = _log_prior(vae, z, batch_size)
        log_q, log_each = log_aggregate_posterior(z, z_mean, z_log_var)
        values = {
            "kl_loss": log_own - log_prior,
            "mutual_information": log_own - log_q,
            "marginal_kl": log_q - log_prior,
            "total_correlation": log_q - log_each.sum(1),
        }
        if log_priors is not None:
            values["per_dimension"] = log_each - log_priors
            values["dimension_wise_kl"] = values["per_dimension"].sum(1)
        for name, value in values.items():
            moments[name] = moments.get(name, 0.0) + value / num_samples
    return _summary(moments, num_samples, seed)


def log_aggregate_posterior(z, z_mean, z_log_var):
    """Log-density of the mixture of n diagonal normal posteriors, and its marginals.

    ```
    log q(z)   = log( 1/n sum_i prod_j N(z_j; z_mean_ij, exp(z_log_var_ij)) )
    log q(z_j) = log( 1/n sum_i N(z_j; z_mean_ij, exp(z_log_var_ij)) )
    ```

    In float64 and in blocks: the memory does not grow with `m * n`.

    Args:
        z: Array `(m, latent_dim)`, points.
        z_mean: Array `(n, latent_dim)`.
        z_log_var: Array `(n, latent_dim)`.

    Returns:
        Two arrays, nats: `(m,)`, log q(z), and `(m, latent_dim)`, log q(z_j).

    Example:

    >>> log_q, log_each = log_aggregate_posterior([[0.0]], [[0.0], [0.0]], [[0.0]] * 2)
    >>> round(float(log_q[0]), 4), round(float(log_each[0, 0]), 4)
    (-0.9189, -0.9189)
    """
    z, z_mean, z_log_var = (np.asarray(a, "float64") for a in (z, z_mean, z_log_var))
    count, latent_dim = z_mean.shape
    precision = np.exp(-z_log_var)
    log_q, log_each = np.empty(len(z)), np.empty(z.shape)
    rows_at_a_time = max(1, BLOCK // count)
    for rows in slices(len(z), rows_at_a_time):
        total = np.zeros((rows.stop - rows.start, count))
        for j in range(latent_dim):
            terms = z[rows, j, None] - z_mean[:, j]
            np.square(terms, out=terms)
            terms *= precision[:, j]
            terms += z_log_var[:, j] + LOG_2PI
            terms *= -0.5
            total += terms
            log_each[rows, j] = _log_mean_exp(terms)
        log_q[rows] = _log_mean_exp(total)
    return log_q, log_each


def _log_mean_exp(terms):
    """Of each row; the array is used up."""
    largest = terms.max(axis=1, keepdims=True)
    terms -= largest
    np.exp(terms, out=terms)
    return largest[:, 0] + np.log(terms.mean(axis=1))


def _posteriors(vae, x, batch_size):
    """Means and log-variances `(n, latent_dim)`, float64."""
    function = vae.graph(_normal, vae.input_spec_structure)
    batches = checks.batches_of("x", x, vae, batch_size)
    flat = concatenate(function(batch) for batch in batches)
    return tuple(np.float64(array).reshape(len(array), -1) for array in flat)


def _normal(vae, inputs):
    q = vae.posterior(vae.prepare(inputs))
    if type(q) is not Normal:  # what is derived from it may draw otherwise
        raise ValueError(
            "`vae` should have a keras_vae.distributions.Normal for its posterior: the "
            "density of z under the posterior of every example is needed. Received: "
            f"{type(q).__name__}"
        )
    return q.mean, q.log_var


def _log_prior(vae, z, batch_size):
    """log p(z) `(n,)`, and of each dimension `(n, latent_dim)` where they are known."""
    if type(vae.prior) is StandardNormal:
        log_priors = -0.5 * (z**2 + LOG_2PI)
        return log_priors.sum(1), log_priors
    function = vae.graph(
        _prior_log_prob, tf.TensorSpec((None, *vae.latent_shape), tf.float32, name="z")
    )
    z = np.float32(z).reshape(-1, *vae.latent_shape)
    parts = [function(z[rows]).numpy() for rows in slices(len(z), batch_size)]
    return np.float64(np.concatenate(parts)), None


def _prior_log_prob(vae, z):
    return vae.prior.log_prob(z[None])[0]


def _summary(values, num_samples, seed):
    """Means and their errors over the examples."""
    moments = {}
    for name, rows in values.items():
        moments[name] = RunningMoments()
        moments[name].update(rows)
    count = moments["kl_loss"].count
    summary = {"num_examples": count, "num_samples": num_samples, "seed": seed}
    for name in (
        "kl_loss",
        "mutual_information",
        "marginal_kl",
        "total_correlation",
        "dimension_wise_kl",
    ):
        known = moments.get(name)
        summary[name] = known and float(known.mean)
        summary[f"{name}_standard_error"] = known and known.standard_error()
    each = moments.get("per_dimension")
    summary["dimension_wise_kl_per_dimension"] = each and each.mean.tolist()
    summary["mutual_information_bound"] = math.log(count)
    return summary
