"""Synthetic rows of a table, from a model of its rows."""

import random
import warnings

import numpy as np
import pandas
import tensorflow as tf

from keras_vae import noise
from keras_vae.applications.table_conditions import restrictions
from keras_vae.arguments import check_integer
from keras_vae.likelihoods import Columns
from keras_vae.models import checks

CANDIDATES = 4096  # draws of z at a time
MOST_CANDIDATES = 2**18
# Below so many equally good draws of z rows repeat what few of them say.
FEWEST_DRAWS = 100
SEED_SPEC = tf.TensorSpec((None, 2), tf.int32)


def sample_rows(vae, num_samples, *, conditions=None, seed=None, batch_size=1024):
    """Synthetic rows: draws of p(x|z) at draws z of the prior, as the table has them.

    Under conditions, z is drawn from p(z | conditions): of many draws of the prior each
    counts as much as the conditions are probable at it, and the other columns are drawn
    at those z. Rows have exactly the values asked for, and what follows for the other
    columns follows by the model's joint distribution:

    ```
    p(others | conditions) = E_p(z)[p(conditions | z) p(others | z)] / p(conditions)
    ```

    With ever more draws that is exact; up to 262,144 are made, until as many count as
    there are rows, and a warning says if fewer than 100 do.

    Args:
        vae: `keras_vae.VAE` with the likelihood `keras_vae.likelihoods.Columns`.
        num_samples: Integer, how many rows.
        conditions: Dictionary from names of columns to a value, to a pair `(low, high)`
            of numbers or dates, both included (`None`: no end), or to `None` for
            missing.
        seed: Integer; the same gives the same rows. `None`: new ones each call.
        batch_size: Rows computed at a time.

    Returns:
        `pandas.DataFrame` with the columns of the table, their types, ranges and
        decimals; identifiers are new.

    Raises:
        ValueError: If the model is no model of rows of a table, or a condition is on a
            column or value that the table has not, or that the model finds impossible.

    Example:

    >>> run = keras_vae.runs.Run("runs/people")  # doctest: +SKIP
    >>> frame = sample_rows(  # doctest: +SKIP
    ...     run.vae, 1000, conditions={"sex": "female", "age": (30, 40)})
    """
    parts = [*row_batches(vae, num_samples, conditions, seed, batch_size)]
    frame = pandas.concat(parts, ignore_index=True)
    # Together categories are what they were in each part.
    return frame.astype(parts[0].dtypes.to_dict())


def row_batches(vae, num_samples, conditions=None, seed=None, batch_size=1024):
    """The rows of `sample_rows`, a part at a time: for more than memory holds.

    Args:
        vae: As for `sample_rows`, and so are the others.
        num_samples: Integer, how many rows.
        conditions: Dictionary.
        seed: Integer, or `None`.
        batch_size: Rows of a part.

    Returns:
        Iterator of `pandas.DataFrame`.

    Example:

    >>> run = keras_vae.runs.Run("runs/people")  # doctest: +SKIP
    >>> for frame in row_batches(run.vae, 10**7, seed=0):  # doctest: +SKIP
    ...     frame.to_csv("synthetic.csv", mode="a")
    """
    num_samples = check_integer("num_samples", num_samples, 1, 2**31 - 1)
    check_integer("batch_size", batch_size, minimum=1)
    seed = random.getrandbits(31) if seed is None else checks.check_seed(seed)
    schema = schema_of(vae)
    asked, fixed = restrictions(schema, conditions)
    if not asked:
        batches = vae.sample_batches(num_samples, seed, batch_size, draws=True)
        return _decoded(schema, batches, {}, seed)
    if vae.conditions:
        raise ValueError(
            "`conditions` are of a model that takes none itself. Received: a "
            f"{type(vae).__name__}, which takes {', '.join(vae.conditions)}"
        )
    batches = _conditional(vae, asked, num_samples, seed, batch_size)
    return _decoded(schema, batches, fixed, seed)


def condition_probability(vae, conditions, *, num_draws=10_000, seed=0):
    """The probability that the model gives to conditions (of an exact number density).

    Args:
        vae: As for `sample_rows`.
        conditions: As for `sample_rows`.
        num_draws: Integer, draws of z over which p(conditions | z) is averaged.
        seed: Integer.

    Returns:
        Float.

    Example:

    >>> run = keras_vae.runs.Run("runs/people")  # doctest: +SKIP
    >>> condition_probability(  # doctest: +SKIP
    ...     run.vae, {"sex": "female"})
    0.49
    """
    asked, _ = restrictions(schema_of(vae), conditions)
    total = 0.0
    for start in range(0, num_draws, CANDIDATES):
        size = min(CANDIDATES, num_draws - start)
        total += _candidates(vae, asked, seed, start, size)[1].sum()
    return float(total / num_draws)


def schema_of(vae):
    """The `TableSchema` of the rows that a model was trained on.

    Args:
        vae: `keras_vae.VAE` with the likelihood `keras_vae.likelihoods.Columns`.

    Raises:
        ValueError: If it has another likelihood.
    """
    if not isinstance(vae.likelihood, Columns):
        raise ValueError(
            "`vae` should have the likelihood keras_vae.likelihoods.Columns, of the "
            f"rows of a table. Received: {vae.likelihood.identifier}"
        )
    return vae.likelihood.schema


def _decoded(schema, batches, fixed, seed):
    start = 0
    for x in batches:
        frame = schema.decode(x, first_row=start, seed=seed % 2**32)
        for name, value in fixed.items():
            # One of the rare categories, of which x knows only that it is rare.
            if value is not None:
                frame[name] = pandas.Series([value] * len(frame)).astype(
                    frame[name].dtype
                )
        start += len(frame)
        yield frame


def _conditional(vae, asked, num_samples, seed, batch_size):
    """Batches of x under what is asked of it."""
    z, weights = _weighted_draws(vae, asked, num_samples, seed)
    random_state = np.random.default_rng([seed % 2**32, 1])
    chosen = _resampled(weights, num_samples, random_state)
    code = tf.TensorSpec((None, *vae.latent_shape), tf.float32)
    draw = vae.graph(_draw, code, SEED_SPEC)
    for start in range(0, num_samples, batch_size):
        codes = z[chosen[start : start + batch_size]]
        seeds = noise.example_seeds(seed, start, len(codes))
        x, parameters = draw(codes, seeds)
        x = x.numpy()
        for each in asked:
            column = vae.likelihood.columns[each.place]
            probabilities = vae.likelihood.probabilities(parameters, each.place)
            allowed = probabilities.numpy().astype("float64") * each.shares
            x[:, each.place] = _drawn(column, each, allowed, random_state)
        yield x


def _weighted_draws(vae, asked, num_samples, seed):
    """Draws of z, and how probable what is asked is at each."""
    codes, weights = [], []
    enough = max(num_samples, FEWEST_DRAWS)
    for start in range(0, MOST_CANDIDATES, CANDIDATES):
        z, weight = _candidates(vae, asked, seed, start, CANDIDATES)
        codes.append(z)
        weights.append(weight)
        together = np.concatenate(weights)
        effective = _effective(together)
        if effective >= enough:
            break
    if not together.max() > 1e-12:
        raise ValueError(
            "`conditions` are impossible together, by the model: none of "
            f"{len(together):,} draws of z gives them a probability above 1e-12"
        )
    if effective < FEWEST_DRAWS:
        warnings.warn(
            f"Rows under these conditions rest on about {effective:.0f} of "
            f"{len(together):,} draws of z: they differ less than such rows do.",
            stacklevel=5,
        )
    return np.concatenate(codes), together


def _candidates(vae, asked, seed, start, size):
    draw = vae.graph(_codes_and_parameters, SEED_SPEC)
    z, parameters = draw(noise.example_seeds(seed, start, size))
    weight = np.ones(size)
    for each in asked:
        found = vae.likelihood.probabilities(parameters, each.place).numpy()
        weight *= found.astype("float64") @ each.shares
    return z.numpy(), weight


def _effective(weights):
    """How many equal weights would say as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    largest = weights.max()
    if largest <= 0:
        return 0.0
    scaled = weights / largest
    return scaled.sum() ** 2 / (scaled**2).sum()


def _resampled(weights, num_samples, random_state):
    """Places of weights, each as often as it weighs, in random order.

    Systematic resampling: at equal distances, from one random start.
    """
    ends = np.cumsum(weights / weights.sum())
    points = (np.arange(num_samples) + random_state.random()) / num_samples
    chosen = np.minimum(np.searchsorted(ends, points), len(weights) - 1)
    return random_state.permutation(chosen)


def _drawn(column, each, allowed, random_state):
    """A draw of one column for each row, of what is allowed."""
    ends = np.cumsum(allowed, axis=1)
    uniform = random_state.random((2, len(allowed)))
    above = uniform[0] * ends[:, -1]
    index = np.minimum((above[:, None] >= ends).sum(axis=1), allowed.shape[1] - 1)
    if "values" in column:
        return np.asarray(column["values"])[index]
    edges = np.asarray(column["edges"])
    low = np.maximum(edges[index], each.low)
    high = np.minimum(edges[index + 1], each.high)
    return low + uniform[1] * (high - low)


def _codes_and_parameters(vae, seeds):
    z = vae.prior.sample(seeds, vae.latent_shape)
    return z, vae.decode_parameters(z)


def _draw(vae, z, seeds):
    parameters = vae.decode_parameters(z)
    seeds = noise.threefry2x32(seeds, tf.constant((0, 3)))
    return vae.likelihood.sample(parameters, seeds), parameters
