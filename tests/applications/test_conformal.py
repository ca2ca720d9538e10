"""p-values and decisions about many of them."""

import fractions
import itertools

import numpy as np
import pytest

from keras_vae.applications import benjamini_hochberg, conformal_p_values
from keras_vae.applications.conformal import num_allowed, smallest_calibration_set


def test_p_values_by_counting():
    rng = np.random.default_rng(0)
    # Of few values, so that there are many ties.
    calibration, scores = rng.integers(0, 12, 40), rng.integers(-2, 15, 60)
    expected = [(1 + sum(c >= s for c in calibration)) / 41 for s in scores]
    np.testing.assert_array_equal(conformal_p_values(scores, calibration), expected)


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_is_equal_but_for_rounding_is_equal(sign):
    calibration = sign * np.array([1.0, 1234.5, 3e7], "float32")
    for direction in (-np.inf, np.inf):
        scores = np.nextafter(calibration, np.float32(direction))
        np.testing.assert_array_equal(
            conformal_p_values(scores, calibration),
            conformal_p_values(calibration, calibration),
        )
    # And no more than that.
    above = conformal_p_values(calibration + 1e-4 * abs(calibration), calibration)
    assert np.all(above < conformal_p_values(calibration, calibration))


def test_what_cannot_be_is_the_least_normal():
    assert conformal_p_values([np.inf], [1.0, 2.0, 3.0]).tolist() == [0.25]


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1])
def test_the_share_of_normal_items_below_a_level_is_that_level(level):
    """Over calibration sets it is exactly floor(level (n + 1)) / (n + 1)."""
    rng = np.random.default_rng(1)
    num_sets, n, m = 1000, 199, 50
    flagged = 0
    for _ in range(num_sets):
        scores = rng.gamma(2.0, size=n + m)
        flagged += np.sum(conformal_p_values(scores[n:], scores[:n]) <= level)
    k = level * 200
    share = k / 200
    # Beta-binomial: the items of one set share its threshold.
    within = share * (1 - share) / m
    between = share * (1 - share) / (n + 2)
    error = np.sqrt((within + between) / num_sets)
    assert abs(flagged / (num_sets * m) - share) < 4 * error


def test_a_level_is_counted_exactly():
    """0.29 * 100 is 28.999999999999996 in floating point."""
    for percent, n in itertools.product(range(1, 100), (18, 19, 98, 99, 199, 999)):
        expected = fractions.Fraction(percent, 100) * (n + 1) // 1
        assert num_allowed(percent / 100, n) == expected
    for percent in range(1, 100):
        level = fractions.Fraction(percent, 100)
        expected = next(n for n in itertools.count(1) if (n + 1) * level >= 1)
        assert smallest_calibration_set(percent / 100) == expected


def test_benjamini_hochberg_by_its_definition():
    rng = np.random.default_rng(2)
    for size, rate in itertools.product((1, 2, 5, 30), (0.05, 0.1, 0.3)):
        for _ in range(30):
            # Ties, as conformal p-values have them.
            p = rng.integers(1, 41, size) / 40 * rng.choice([0.1, 1.0])
            ordered = np.sort(p)
            allowed = rate * np.arange(1, size + 1) / size
            passed = np.flatnonzero(ordered <= allowed + 1e-12)
            expected = p <= ordered[passed[-1]] if len(passed) else p < 0
            np.testing.assert_array_equal(benjamini_hochberg(p, rate), expected)


def test_of_what_benjamini_hochberg_flags_few_are_normal():
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(300):
        calibration = rng.normal(size=500)
        normal, odd = rng.normal(size=90), rng.normal(4.0, size=10)
        p = conformal_p_values(np.concatenate([normal, odd]), calibration)
        flagged = benjamini_hochberg(p, 0.2)
        shares.append(flagged[:90].sum() / max(1, flagged.sum()))
    error = np.std(shares) / np.sqrt(len(shares))
    # 90 of 100 are normal: 0.18, on average.
    assert abs(np.mean(shares) - 0.18) < 4 * error


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "0.1"])
def test_a_rate_lies_between_0_and_1(rate):
    with pytest.raises(ValueError, match="`rate` should"):
        benjamini_hochberg([0.5], rate)


def test_scores_that_are_none():
    with pytest.raises(ValueError, match="`calibration` should be scores"):
        conformal_p_values([1.0], [])
    with pytest.raises(ValueError, match="`scores` should be .* Received: NaN"):
        conformal_p_values([np.nan], [1.0])
    assert len(benjamini_hochberg([])) == 0
