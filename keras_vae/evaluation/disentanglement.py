"""Whether each dimension of a code stands for one factor of the data."""

import math
from typing import NamedTuple

import numpy as np

from keras_vae.arguments import check_integer

# Of each code, for what is computed from counts: as Locatello et al. (2019) have it.
NUM_BINS = 20
# Trees of a forest, and examples that a leaf keeps at least.
TREES, LEAF = 20, 2


class DCI(NamedTuple):
    """What `dci` returns.

    Attributes:
        disentanglement: In [0, 1]: 1 if each code is important for one factor alone.
        completeness: In [0, 1]: 1 if for each factor one code alone is important.
        informativeness: Share of held-out factor values that are told right.
        informativeness_standard_error: Its error over the held-out examples.
        importance: Array `(latent_dim, num_factors)`; each column adds up to 1.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_standard_error: float
    importance: np.ndarray


def disentanglement_scores(codes, factors, categorical=(), seed=0):
    """All scores of this file at once.

    Args:
        codes: Array `(n, latent_dim)`, such as `vae.codes(x)`.
        factors: Integers `(n, num_factors)`, the true factors of each example, such as
            those of `keras_vae.datasets.random_sprites`.
        categorical: Indices of the factors without an order, for `sap`.
        seed: Integer >= 0.

    Returns:
        A dict of plain Python values, ready for JSON: `mig`, `sap`, `modularity`,
        `dci_disentanglement`, `dci_completeness`, `dci_informativeness`,
        `factor_vae_score`; the last two, which are means, each with its
        `..._standard_error`; `num_examples` and `seed`. Higher is better, 1 the best.

    Raises:
        ValueError: If the arrays do not fit each other, are not finite or have nothing
            to tell apart.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> scores = disentanglement_scores(factors * [1.0, -2.0], factors)
    >>> scores["mig"] > 0.95, scores["factor_vae_score"]
    (True, 1.0)

    Reference:
        Locatello et al., "Challenging Common Assumptions in the Unsupervised Learning
        of Disentangled Representations" (2019), appendix B.
    """
    result = dci(codes, factors, seed=seed)
    vote = factor_vae_score(codes, factors, seed=seed)
    return {
        "mig": mig(codes, factors),
        "sap": sap(codes, factors, categorical, seed=seed),
        "modularity": modularity(codes, factors),
        "dci_disentanglement": result.disentanglement,
        "dci_completeness": result.completeness,
        "dci_informativeness": result.informativeness,
        "dci_informativeness_standard_error": result.informativeness_standard_error,
        "factor_vae_score": vote[0],
        "factor_vae_score_standard_error": vote[1],
        "num_examples": len(np.asarray(codes)),
        "seed": seed,
    }


def mig(codes, factors, num_bins=NUM_BINS):
    """Mutual information gap: how far the best code of a factor leads the second.

    ```
    MIG = mean_k ( I(z_j1; v_k) - I(z_j2; v_k) ) / H(v_k)
    ```

    j1 and j2 are the codes that tell most of factor k. Codes are cut into bins of equal
    width; information is that of the counts, which is above 0 for independent codes too
    (by about `bins * values / 2n` nats).

    Args:
        codes: Array `(n, latent_dim)`, at least two dimensions.
        factors: Integers `(n, num_factors)`.
        num_bins: Integer, bins of each code.

    Returns:
        Float in [0, 1]; invariant to order and sign of the codes.

    Raises:
        ValueError: If the arrays do not fit each other, or there is one code alone.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> mig(factors, factors) > 0.95
    True
    >>> mig(factors @ [[1, 1], [1, -1]], factors) < 0.05
    True

    Reference:
        Chen et al., "Isolating Sources of Disentanglement in VAEs" (2018), equation 6.
    """
    codes, factors = _check(codes, factors, least_codes=2)
    information = _mutual_information(codes, factors, num_bins)
    second, first = np.sort(information, axis=0)[-2:]
    entropy = np.array([_entropy(np.bincount(values)) for values in factors.T])
    return float(np.mean((first - second) / entropy))


def modularity(codes, factors, num_bins=NUM_BINS):
    """How nearly each code tells of one factor alone.

    ```
    1 - mean_j sum_k (m_jk - t_jk)^2 / (theta_j^2 (num_factors - 1))
    ```

    with `m_jk = I(z_j; v_k)`, theta_j its largest and t_j a row with theta_j at that
    place and 0 elsewhere. A factor may be spread over many codes. A code that tells
    nothing of any factor counts as 0.

    Args:
        codes: Array `(n, latent_dim)`.
        factors: Integers `(n, num_factors)`, at least two factors.
        num_bins: Integer, bins of each code.

    Returns:
        Float in [0, 1]; invariant to order and sign of the codes.

    Raises:
        ValueError: If the arrays do not fit each other, or there is one factor alone.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> modularity(factors, factors) > 0.99
    True

    Reference:
        Ridgeway & Mozer, "Learning Deep Disentangled Embeddings With the F-Statistic
        Loss" (2018), equation 2.
    """
    codes, factors = _check(codes, factors, least_factors=2)
    squares = _mutual_information(codes, factors, num_bins) ** 2
    largest = squares.max(axis=1)
    others = squares.sum(axis=1) - largest
    tells = largest > 0
    deviation = np.ones(len(largest))
    np.divide(others, largest * (factors.shape[1] - 1), out=deviation, where=tells)
    return float(np.mean(1 - deviation))


def sap(codes, factors, categorical=(), test_fraction=0.5, seed=0):
    """Separated attribute predictability: the lead of the best code, told linearly.

    ```
    SAP = mean_k ( S_j1,k - S_j2,k ),     S_jk = R^2 of v_k on z_j,  or accuracy
    ```

    j1 and j2 are the codes with the highest scores of factor k. The score of a factor
    with an order is the R^2 of a straight line, `cov^2 / (var var)`; that of a
    categorical one the accuracy, on held-out examples, of a linear support vector
    machine with balanced classes.

    Args:
        codes: Array `(n, latent_dim)`, at least two dimensions.
        factors: Integers `(n, num_factors)`.
        categorical: Indices of the factors without an order: `(0,)`, the shape, of
            sprites. Locatello et al. (2019) take all of them for categorical.
        test_fraction: Part of the examples held out for categorical factors.
        seed: Integer, of that part.

    Returns:
        Float in [0, 1]; invariant to order and sign of the codes.

    Raises:
        ValueError: If the arrays do not fit each other, or there is one code alone.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> sap(factors, factors) > 0.95
    True

    Reference:
        Kumar, Sattigeri & Balakrishnan, "Variational Inference of Disentangled Latent
        Concepts from Unlabeled Observations" (2018), section 3.
    """
    codes, factors = _check(codes, factors, least_codes=2)
    scores = np.zeros((codes.shape[1], factors.shape[1]))
    for k, values in enumerate(factors.T):
        if k in categorical:
            scores[:, k] = _linear_accuracy(codes, values, test_fraction, seed)
        else:
            scores[:, k] = _squared_correlation(codes, values)
    second, first = np.sort(scores, axis=0)[-2:]
    return float(np.mean(first - second))


def dci(codes, factors, test_fraction=0.25, seed=0):
    """Disentanglement, completeness and informativeness, by random forests.

    ```
    D = sum_j rho_j (1 - H_K(P_j.)),     P_jk = R_jk / sum_k R_jk
    C = mean_k (1 - H_D(Q_.k)),          Q_jk = R_jk / sum_j R_jk
    ```

    R_jk is the importance of code j in a forest that tells factor k from all codes, H_B
    the entropy to the base of the number of outcomes, and rho_j the share of code j in
    all importance. Informativeness is the accuracy of the forests on held-out examples:
    how much the codes say of the factors at all, however they say it.

    Args:
        codes: Array `(n, latent_dim)`, at least two dimensions.
        factors: Integers `(n, num_factors)`, at least two factors.
        test_fraction: Part of the examples held out for informativeness.
        seed: Integer >= 0, of the forests and of that part.

    Returns:
        `DCI`, a tuple of disentanglement, completeness, informativeness, its standard
        error, and the importances. Invariant to order and sign of the codes but for
        ties that the forests decide by chance.

    Raises:
        ValueError: If the arrays do not fit each other, or there is one code or factor
            alone.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> result = dci(factors, factors)
    >>> result.disentanglement > 0.95, result.informativeness
    (True, 1.0)

    Reference:
        Eastwood & Williams, "A Framework for the Quantitative Evaluation of
        Disentangled Representations" (2018), section 2.
    """
    from sklearn.ensemble import RandomForestClassifier  # slow to import

    codes, factors = _check(codes, factors, least_codes=2, least_factors=2)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    train, test = _split(len(codes), test_fraction, seed)
    importance = np.zeros((codes.shape[1], factors.shape[1]))
    right = np.zeros(factors[test].shape)
    for k, values in enumerate(factors.T):
        # All codes at every split: one that says nothing is never the best on offer.
        forest = RandomForestClassifier(
            TREES, max_features=None, min_samples_leaf=LEAF, random_state=seed
        ).fit(codes[train], values[train])
        importance[:, k] = forest.feature_importances_
        right[:, k] = forest.predict(codes[test]) == values[test]
    of_each = right.mean(axis=1)
    return DCI(
        _one_sided(importance, weights=importance.sum(axis=1)),
        _one_sided(importance.T, weights=importance.sum(axis=0)),
        float(of_each.mean()),
        float(of_each.std(ddof=1) / math.sqrt(len(of_each))),
        importance,
    )


def factor_vae_score(codes, factors, num_votes=5000, group_size=64, seed=0):
    """Share of groups whose fixed factor is told by the code that varies least.

    A vote: a factor k and an example are drawn; of the examples with that example's
    value of k a group is drawn, and j is the code with the smallest variance in the
    group, divided by its variance in all data. Half of the votes say which factor each
    j stands for (the one it has most votes for), the other half are told by it. Codes
    that are constant have no vote.

    The groups come from the arrays, which replace the generator of the paper: with
    10,000 examples some 300 share one of 32 values.

    Args:
        codes: Array `(n, latent_dim)`.
        factors: Integers `(n, num_factors)`, at least two factors.
        num_votes: Integer, votes for each of the two purposes.
        group_size: Integer, examples in a group, drawn with replacement.
        seed: Integer >= 0.

    Returns:
        Two floats: the accuracy, in [0, 1] (1 / num_factors by chance), and its
        standard error over the votes. Invariant to order and sign of the codes.

    Raises:
        ValueError: If the arrays do not fit each other, or there is one factor alone.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 5, size=(2000, 2))
    >>> factor_vae_score(factors, factors)
    (1.0, 0.0)

    Reference:
        Kim & Mnih, "Disentangling by Factorising" (2018), section 4.
    """
    codes, factors = _check(codes, factors, least_factors=2)
    num_votes = check_integer("num_votes", num_votes, minimum=2)
    group_size = check_integer("group_size", group_size, minimum=2)
    spread = codes.std(axis=0)
    codes = codes[:, spread > 0] / spread[spread > 0]
    if not codes.shape[1]:
        return 0.0, 0.0
    num_factors = factors.shape[1]
    rng = np.random.default_rng(seed)
    fixed = rng.integers(num_factors, size=2 * num_votes)
    example = rng.integers(len(codes), size=2 * num_votes)
    least = np.empty(2 * num_votes, int)
    for k in range(num_factors):
        order = np.argsort(factors[:, k], kind="stable")
        counts = np.bincount(factors[:, k])
        starts = np.cumsum(counts) - counts
        for vote in np.flatnonzero(fixed == k):
            value = factors[example[vote], k]
            places = starts[value] + rng.integers(counts[value], size=group_size)
            least[vote] = codes[order[places]].var(axis=0).argmin()
    votes = np.zeros((codes.shape[1], num_factors), int)
    np.add.at(votes, (least[:num_votes], fixed[:num_votes]), 1)
    right = votes.argmax(axis=1)[least[num_votes:]] == fixed[num_votes:]
    return float(right.mean()), float(right.std(ddof=1) / math.sqrt(num_votes))


def _mutual_information(codes, factors, num_bins):
    """I(z_j; v_k) of binned codes, `(latent_dim, num_factors)`, nats."""
    num_bins = check_integer("num_bins", num_bins, minimum=2)
    information = np.zeros((codes.shape[1], factors.shape[1]))
    for j, code in enumerate(codes.T):
        edges = np.histogram_bin_edges(code, num_bins)
        bins = np.digitize(code, edges[1:-1])
        for k, values in enumerate(factors.T):
            counts = np.zeros((num_bins, values.max() + 1))
            np.add.at(counts, (bins, values), 1)
            parts = counts.sum(axis=1), counts.sum(axis=0)
            joint = _entropy(counts.ravel())
            information[j, k] = max(0.0, sum(map(_entropy, parts)) - joint)
    return information


def _entropy(counts):
    """Of the distribution that is proportional to the counts, nats."""
    p = counts[counts > 0] / counts.sum()
    return float(-np.sum(p * np.log(p)))


def _one_sided(importance, weights):
    """Weighted mean over the rows of 1 - their entropy to the base of their length."""
    base = math.log(importance.shape[1])
    used = weights > 0
    values = [1 - _entropy(row) / base for row in importance[used]]
    return float(np.average(values, weights=weights[used])) if used.any() else 0.0


def _squared_correlation(codes, values):
    codes, values = codes - codes.mean(axis=0), values - values.mean()
    product = (codes**2).sum(axis=0) * (values**2).sum()
    squares = np.zeros(codes.shape[1])
    np.divide((values @ codes) ** 2, product, out=squares, where=product > 0)
    return squares


def _linear_accuracy(codes, values, test_fraction, seed):
    """Held-out accuracy of a classifier of each single code, `(latent_dim,)`."""
    from sklearn.svm import LinearSVC  # slow to import

    train, test = _split(len(codes), test_fraction, seed)
    spread = codes.std(axis=0)
    codes = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scores = []
    for code in codes.T:
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=seed)
        machine.fit(code[train, None], values[train])
        scores.append(machine.score(code[test, None], values[test]))
    return scores


def _split(count, test_fraction, seed):
    """Row numbers to train and to test with."""
    order = np.random.default_rng(seed).permutation(count)
    num_test = min(count - 1, max(2, round(test_fraction * count)))
    return order[num_test:], order[:num_test]


def _check(codes, factors, least_codes=1, least_factors=1):
    """Codes in float64, and factors as integers from 0 on without gaps."""
    codes, factors = np.asarray(codes, "float64"), np.asarray(factors)
    if codes.ndim != 2 or len(codes) < 4 or codes.shape[1] < least_codes:
        raise ValueError(
            f"`codes` should have shape (n, latent_dim) with n >= 4 and latent_dim >= "
            f"{least_codes}. Received: shape {codes.shape}"
        )
    if not np.isfinite(codes).all():
        raise ValueError("`codes` should be finite. Received: NaN or infinity")
    if (
        factors.ndim != 2
        or len(factors) != len(codes)
        or factors.shape[1] < least_factors
        or factors.dtype.kind not in "biu"
    ):
        raise ValueError(
            f"`factors` should be integers of shape ({len(codes)}, num_factors) with "
            f"num_factors >= {least_factors}. Received: shape {factors.shape}, dtype "
            f"{factors.dtype}"
        )
    columns = [np.unique(values, return_inverse=True)[1] for values in factors.T]
    for k, values in enumerate(columns):
        if values.max() == 0:
            raise ValueError(
                f"`factors` should vary. Received: factor {k} is {factors[0, k]} in "
                f"every example. Mend: numpy.delete(factors, {k}, axis=1)"
            )
    return codes, np.stack(columns, axis=1)
