"""Everything worth knowing about a trained VAE, in one pass over data."""

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.evaluation.collapse import ACTIVE_VARIANCE
from keras_vae.evaluation.likelihood import (
    FEW_EFFECTIVE,
    ImportanceEstimator,
    bits_per_dim,
)
from keras_vae.models import checks
from keras_vae.models.inference import SEED_SPEC, num_rows
from keras_vae.moments import RunningMoments

# Measures that examples have one by one; the others are statistics of a batch.
OF_EACH_EXAMPLE = ("elbo", "reconstruction_loss", "kl_loss", "iwae_bound")


def evaluate(vae, x, batch_size=128, num_importance_samples=None, seed=0):
    """Measures a VAE on data: the numbers of `metrics.json`.

    The means are those of `vae.evaluate`, from the same noise. Each example is both
    encoded and explained. The data are read once and need not fit in memory.

    Args:
        vae: `keras_vae.VAE`.
        x: Array `(n, *data_shape)`, or an iterable of batches.
        batch_size: Examples computed at a time; does not change the numbers.
        num_importance_samples: Integer, to estimate `marginal_log_likelihood` with so
            many draws for each example, or `None`.
        seed: Integer; example `i` gets its noise from `[seed, i]` alone. With 0 the
            means are those of `vae.evaluate`.

    Returns:
        A dict of plain Python values, ready for JSON. Nats are per example, and what
        one example cannot tell is `None`.

        - `num_examples`: examples read; `seed`;
        - `elbo`, `reconstruction_loss`, `kl_loss`: means over the examples, nats, each
          with its `..._standard_error`: `elbo` is minus the sum of the others;
        - what else the model has among its `MEASURES`, means (those of a model without
          an ELBO instead); a statistic of batches depends on `batch_size`, and has no
          standard error;
        - `bits_per_dim`: of the ELBO; see `bits_per_dim`;
        - `kl_per_dimension`: list of means, nats, that add up to `kl_loss`;
        - `num_active_units`, `active_units`: how many latent dimensions are active,
          and for each whether it is; see `active_units`;
        - with `num_importance_samples`: that number; `marginal_log_likelihood`, nats;
          `marginal_log_likelihood_standard_error`, nats, of a mean over examples;
          `importance_sampling_standard_error`, nats, the part of it that more draws
          would lower; `effective_sample_size` and `min_effective_sample_size`, draws,
          mean and smallest over the examples; `num_unreliable`, examples of which it
          is below 5. See `importance_weighted` and `describe_reliability`.

    Raises:
        ValueError: If the data have another shape, are not finite or lie outside the
            likelihood's support, or the model's outputs are not finite.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> x = np.random.default_rng(0).uniform(size=(20, 4)).astype("float32")
    >>> metrics = evaluate(vae, x)
    >>> metrics["num_examples"], len(metrics["kl_per_dimension"])
    (20, 2)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), equation 3.
    """
    estimator = None
    if num_importance_samples is not None:
        checks.check_density(vae)
        estimator = ImportanceEstimator(vae, num_importance_samples, batch_size, seed)
    seed = checks.check_seed(seed)
    function = vae.graph(_terms, vae.input_spec_structure, SEED_SPEC)
    moments, weighted, count = {}, [], 0
    for batch in checks.batches_of("x", x, vae, batch_size):
        values = function(batch, noise.example_seeds(seed, count, num_rows(batch)))
        values = {name: np.float64(value) for name, value in values.items()}
        _check_finite(vae, values, count)
        if estimator is not None:
            estimates = estimator(batch)
            weighted.append(estimates)
            values["marginal_log_likelihood"] = estimates["marginal_log_likelihood"]
        for name, value in values.items():
            moments.setdefault(name, RunningMoments()).update(value)
        count += num_rows(batch)

    active = moments["z_mean"].variance > ACTIVE_VARIANCE if count > 1 else None
    metrics = {"num_examples": count, "seed": seed}
    for name in vae.MEASURES:
        metrics[name] = float(moments[name].mean)
        if name in OF_EACH_EXAMPLE:
            metrics[f"{name}_standard_error"] = moments[name].standard_error()
    if "elbo" in metrics:
        metrics["bits_per_dim"] = float(bits_per_dim(metrics["elbo"], vae.data_shape))
    if "kl_loss" in metrics:
        metrics["kl_per_dimension"] = moments["kl"].mean.tolist()
    metrics["num_active_units"] = None if active is None else int(active.sum())
    metrics["active_units"] = None if active is None else active.tolist()
    if estimator is not None:
        marginal = moments["marginal_log_likelihood"]
        metrics["num_importance_samples"] = estimator.num_importance_samples
        metrics["marginal_log_likelihood"] = float(marginal.mean)
        metrics["marginal_log_likelihood_standard_error"] = marginal.standard_error()
        metrics |= _reliability(weighted, estimator.num_importance_samples)
    return metrics


def _reliability(parts, num_draws):
    """What the draws alone say of a mean of importance-weighted estimates."""
    error, size = (
        np.concatenate([part[name] for part in parts])
        for name in ("standard_error", "effective_sample_size")
    )
    of_the_mean = np.sqrt(np.sum(error**2)) / len(error)
    return {
        "importance_sampling_standard_error": (
            None if num_draws == 1 else float(of_the_mean)
        ),
        "effective_sample_size": float(size.mean()),
        "min_effective_sample_size": float(size.min()),
        "num_unreliable": int(np.sum(size < FEW_EFFECTIVE)),
    }


def _terms(vae, inputs, seed):
    """What is averaged over the examples."""
    terms = vae.deterministic_terms(inputs, seed)
    return {
        **dict(zip(vae.MEASURES, vae.measures(terms), strict=True)),
        "kl": terms.kl,
        "z_mean": tf.reshape(terms.q.mean, (-1, vae.latent_dim)),
    }


def _main(vae):
    """The measure that says how good a model is."""
    return "elbo" if "elbo" in vae.MEASURES else "reconstruction_loss"


def _check_finite(vae, values, start):
    name, likelihood = _main(vae), vae.likelihood
    bad = np.flatnonzero(~np.isfinite(values[name]))
    if len(bad):
        what = {"elbo": "ELBO"}.get(name, name)
        raise ValueError(
            "`x` should lie in the support of the likelihood "
            f"{likelihood.identifier!r}, {likelihood.support}, and the model's weights "
            f"be finite. Received: {what} {values[name][bad[0]]} of example "
            f"{start + bad[0]}"
        )
