"""How good samples are: fidelity and diversity, beside real data."""

import math

import numpy as np

from keras_vae.arguments import check_integer
from keras_vae.evaluation.features import check_examples, make_features

# Distances that are in memory at a time: 64 MB.
BLOCK = 2**23


def sample_quality(
    real, generated, features=None, nearest_k=5, labels=None, batch_size=128, seed=0
):
    """Precision, recall, density, coverage and Fréchet distance of samples.

    All of them compare real with generated data in a space of features; numbers from
    different extractors cannot be compared, nor those of different numbers of
    examples (the Fréchet distance above all is too large for few). The distance is
    not the FID, which is that of one Inception network.

    Args:
        real: Array `(n, *data_shape)`: data that the model has not seen, say.
        generated: Array `(m, *data_shape)`: of a VAE, `vae.sample(m, seed=0)`.
        features: `None`, for an extractor trained here on `real` (`train_features`);
            one that it returned; a `keras.Model` with one output, of which `predict` is
            taken; or a function of an array, such as `vae.codes`.
        nearest_k: Integer, the neighbour that the radii reach to.
        labels: Integers `(n,)`, for the extractor trained here; see `train_features`.
        batch_size: Examples that go through an extractor at a time.
        seed: Integer, of the extractor trained here.

    Returns:
        A dict of plain Python values, ready for JSON: `precision`, `recall`, `density`,
        `coverage`, with the `..._standard_error` of each over the examples that it is a
        mean of (for the balls that there are); `frechet_distance`, in squared units of
        the features; `nearest_k`, `num_real`, `num_generated` and `features`, a dict
        that names the extractor.

    Raises:
        ValueError: If the arrays do not fit each other, or hold no more than
            `nearest_k` examples.

    Example:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, same, other = rng.normal(size=(3, 200, 4)) + [[[0]], [[0]], [[9]]]
    >>> quality = sample_quality(real, same)
    >>> quality["precision"] > 0.9, quality["features"]["name"]
    (True, 'pca')
    >>> sample_quality(real, other)["coverage"]
    0.0

    Reference:
        See `precision_recall`, `density_coverage` and `frechet_distance`.
    """
    real, generated = (
        check_examples("real", real),
        check_examples("generated", generated),
    )
    if real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            "`real` and `generated` should hold examples of one shape. Received: "
            f"shapes {real.shape} and {generated.shape}"
        )
    extractor = make_features(features, real, labels, batch_size, seed)
    of_real, of_generated = extractor(real), extractor(generated)
    return {
        **_neighbours(of_real, of_generated, nearest_k),
        "frechet_distance": frechet_distance(of_real, of_generated),
        "nearest_k": nearest_k,
        "num_real": len(real),
        "num_generated": len(generated),
        "features": extractor.description,
    }


def precision_recall(real, generated, nearest_k=5):
    """How much of the samples is realistic, and how much of the data is sampled.

    ```
    precision = share of generated examples in the ball of any real one
    recall    = share of real examples in the ball of any generated one
    ```

    The ball of an example reaches to its k-th nearest neighbour among its own kind, the
    boundary included. One outlier has a large ball: `density_coverage` minds it less.

    Args:
        real: Array `(n, num_features)`.
        generated: Array `(m, num_features)`.
        nearest_k: Integer, below n and m.

    Returns:
        Two floats in [0, 1], precision and recall.

    Example:

    >>> precision_recall([[0.0], [1.0], [2.0]], [[0.5], [1.5], [9.0]], nearest_k=1)
    (0.6666666666666666, 1.0)

    Reference:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
        Generative Models" (2019), equations 1 and 2.
    """
    measures = _neighbours(real, generated, nearest_k)
    return measures["precision"], measures["recall"]


def density_coverage(real, generated, nearest_k=5):
    """Precision and recall that an outlier does not decide.

    ```
    density  = 1/k mean over generated examples of the real balls that each is in
    coverage = share of real examples in whose ball there is a generated one
    ```

    Both use the balls of real examples alone (radius: the distance to the k-th nearest
    real neighbour, the boundary included). Of samples that are distributed as the data
    the expected density is 1, and it may be above; the expected coverage is about
    `1 - 2^-k`, below 1.

    Args:
        real: Array `(n, num_features)`.
        generated: Array `(m, num_features)`.
        nearest_k: Integer, below n and m.

    Returns:
        Two floats: density, at least 0, and coverage, in [0, 1].

    Example:

    >>> density_coverage([[0.0], [1.0], [2.0]], [[0.5], [1.5], [9.0]], nearest_k=1)
    (1.3333333333333333, 1.0)

    Reference:
        Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models"
        (2020), equations 3 to 6.
    """
    measures = _neighbours(real, generated, nearest_k)
    return measures["density"], measures["coverage"]


def frechet_distance(real, generated):
    """Squared distance of the two normal distributions fitted to features.

    ```
    |m_r - m_g|^2 + tr(C_r + C_g - 2 (C_r C_g)^(1/2))
    ```

    with means m and covariances C: the squared 2-Wasserstein distance of the normal
    distributions. Too large for few examples: compare at equal numbers.

    Args:
        real: Array `(n, num_features)`, n >= 2.
        generated: Array `(m, num_features)`, m >= 2.

    Returns:
        Float >= 0, in squared units of the features.

    Example:

    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0

    Reference:
        Dowson & Landau, "The Fréchet distance between multivariate normal
        distributions" (1982), equation 4; Heusel et al., "GANs Trained by a Two
        Time-Scale Update Rule" (2017), equation 6.
    """
    real, generated = _check_features(real, generated, 1)
    roots, traces = [], 0.0
    for features in (real, generated):
        covariance = np.atleast_2d(np.cov(features, rowvar=False))
        values, vectors = np.linalg.eigh(covariance)
        # Rounding leaves eigenvalues of 0 a little below.
        roots.append(vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T)
        traces += np.trace(covariance)
    # tr (AB)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): no root is
    # taken of a matrix that is not symmetric.
    overlap = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    shift = np.sum((real.mean(0) - generated.mean(0)) ** 2)
    return max(0.0, float(shift + traces - 2 * overlap))


def _neighbours(real, generated, nearest_k):
    """The four measures and their standard errors, from distances in blocks."""
    nearest_k = check_integer("nearest_k", nearest_k, minimum=1)
    real, generated = _check_features(real, generated, nearest_k)
    real_radii = _radii(real, nearest_k)
    generated_radii = _radii(generated, nearest_k)
    covered = np.zeros(len(real), bool)
    sampled = np.zeros(len(real), bool)
    balls = np.zeros(len(generated))
    for rows, distances in _distances(real, generated):
        inside = distances <= real_radii[rows, None]
        balls += inside.sum(0)
        covered[rows] = inside.any(1)
        sampled[rows] = (distances <= generated_radii).any(1)
    values = {
        "precision": balls > 0,
        "recall": sampled,
        "density": balls / nearest_k,
        "coverage": covered,
    }
    measures = {}
    for name, of_each in values.items():
        measures[name] = float(np.mean(of_each))
        error = np.std(of_each, ddof=1) / math.sqrt(len(of_each))
        measures[f"{name}_standard_error"] = float(error)
    return measures


def _radii(features, nearest_k):
    """Distance of each example to its k-th nearest neighbour, itself not counted."""
    radii = np.empty(len(features))
    for rows, distances in _distances(features, features):
        # The nearest, at distance 0, is the example itself.
        radii[rows] = np.partition(distances, nearest_k, axis=1)[:, nearest_k]
    return radii


def _distances(a, b):
    """Rows of a and their distances to all of b, in blocks; exact for equal rows."""
    from scipy.spatial.distance import cdist  # a slow import, for one file

    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        yield rows, cdist(a[rows], b)


def _check_features(real, generated, nearest_k):
    arrays = {"real": real, "generated": generated}
    for name, array in arrays.items():
        array = arrays[name] = np.asarray(array, "float64")
        if array.ndim != 2 or len(array) <= nearest_k:
            raise ValueError(
                f"`{name}` should be features (n, num_features) of more than "
                f"{nearest_k} examples. Received: shape {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"`{name}` should be finite. Received: NaN or infinity")
    real, generated = arrays.values()
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            "`real` and `generated` should have equally many features. Received: "
            f"{real.shape[1]} and {generated.shape[1]}"
        )
    return real, generated
