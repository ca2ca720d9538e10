"""What a score means: conformal p-values, and decisions about many of them."""

import math

import numpy as np
import scipy.stats

from keras_vae.arguments import check_number

# Scores as near to one another as this, relatively, are taken for equal. The last bits
# of a score depend on the runtime and on the size of the batch: without it they would
# decide about an item that the calibration set has too.
TIE = 1e-5


def conformal_p_values(scores, calibration):
    """How often a normal item has a score at least as high: split-conformal p-values.

    ```
    p = (1 + #{calibration scores >= score}) / (n + 1)
    ```

    Where the calibration items and a new one are drawn alike (exchangeable), and the
    model has been trained on none of them, `P(p <= level) <= level` for every level,
    whatever the model and the score: at most that share of normal items is flagged,
    averaged over calibration sets. Of one calibration set the share is itself random,
    `Beta(k, n + 1 - k)` with `k = floor(level (n + 1))`: for 1,000 items at 0.05 it has
    a standard deviation of 0.007.

    Scores that are equal but for rounding (1e-5 of them) count as equal.

    Args:
        scores: Array `(m,)`; higher is more anomalous.
        calibration: Array `(n,)`: the same score of normal items that the model was not
            trained on.

    Returns:
        float64 array `(m,)`, from 1 / (n + 1) to 1.

    Raises:
        ValueError: If there are no calibration scores, or a score is NaN.

    Example:

    >>> conformal_p_values([0.5, 2.5, 9.0], calibration=[1.0, 2.0, 3.0]).tolist()
    [1.0, 0.5, 0.25]

    Reference:
        Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005),
        section 2.2; Bates et al., "Testing for Outliers with Conformal p-values"
        (2023), equation 3.
    """
    calibration = _check_scores("calibration", calibration)
    steps = upper_steps(calibration)
    below = np.searchsorted(steps, _check_scores("scores", scores, empty=True))
    return (1 + len(steps) - below) / (len(steps) + 1)


def upper_steps(calibration):
    """float32 array in order: a score above the k-th is above k calibration scores."""
    calibration = np.asarray(calibration, "float64")
    with np.errstate(over="ignore"):
        upper = (calibration + TIE * np.abs(calibration)).astype("float32")
    return np.sort(upper)


def smallest_calibration_set(level):
    """How many calibration items it takes for anything to be flagged at a level.

    Args:
        level: Number between 0 and 1.

    Returns:
        Integer, the smallest n with `1 / (n + 1) <= level`.

    Example:

    >>> smallest_calibration_set(0.05)
    19
    """
    n = max(1, math.ceil(1 / level) - 1)
    return n if num_allowed(level, n) else n + 1


def num_allowed(level, num_calibration):
    """`floor(level (n + 1))`: p of what is flagged is at most so many (n + 1)-ths."""
    # 0.07 * 100 is 7.000000000000001, and 0.29 * 100 is 28.999999999999996.
    return math.floor(round(level * (num_calibration + 1), 9))


def check_level(level):
    """Returns a level as a float between 0 and 1."""
    level = check_number("level", level)
    if not 0 < level < 1:
        raise ValueError(
            "`level` should lie between 0 and 1: the share of normal items that may be "
            f"flagged. Received: level={level}"
        )
    return level


def benjamini_hochberg(p_values, rate=0.1):
    """Which of many items to flag, so that few of the flagged ones are normal.

    ```
    flagged: the items of the k smallest p-values,  k = max{i: p_(i) <= rate i / m}
    ```

    At a level of 0.05 a million normal items give 50,000 false alarms, among which the
    true ones are lost. This bounds, on average, the share of false alarms among all
    that is flagged (the false discovery rate). Conformal p-values of one calibration
    set depend on one another in a way under which that holds. To flag the m-th part of
    all items it takes a calibration set of about `m / rate` items, as no p-value is
    below `1 / (n + 1)`.

    Args:
        p_values: Array `(m,)`, of all items that are looked at together.
        rate: Number between 0 and 1.

    Returns:
        Boolean array `(m,)`.

    Raises:
        ValueError: If `rate` or a p-value is out of its range.

    Example:

    >>> benjamini_hochberg([0.01, 0.9, 0.02, 0.5], rate=0.05).tolist()
    [True, False, True, False]

    Reference:
        Benjamini & Hochberg, "Controlling the False Discovery Rate" (1995), section 3;
        Bates et al., "Testing for Outliers with Conformal p-values" (2023), theorem 2.
    """
    rate = check_number("rate", rate)
    if not 0 < rate < 1:
        raise ValueError(
            "`rate` should lie between 0 and 1: the share of false alarms among what "
            f"is flagged. Received: rate={rate}"
        )
    p_values = np.asarray(p_values, "float64")
    if p_values.size == 0:
        return np.zeros(p_values.shape, bool)
    adjusted = scipy.stats.false_discovery_control(p_values)
    return adjusted <= rate * (1 + 1e-12)  # 3 * 0.1 / 3 is above 0.1


def _check_scores(name, scores, empty=False):
    scores = np.asarray(scores, "float32")
    if scores.ndim != 1 or np.isnan(scores).any() or (not empty and not len(scores)):
        found = f"an array of shape {scores.shape}"
        if np.isnan(scores).any():
            found = "NaN"
        raise ValueError(
            f"`{name}` should be scores, an array of shape (n,). Received: {found}"
        )
    return scores
