"""Scores of codes whose scores are known: perfect, rotated, copied, coarse, random.

Factors are a full grid, repeated: between two of them the counted information and the
correlation are 0, not nearly 0.
"""

import itertools
import json
import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from keras_vae.evaluation import (
    dci,
    disentanglement,
    disentanglement_scores,
    factor_vae_score,
    mig,
    modularity,
    sap,
)


def grid(*sizes, repeats=20):
    """All combinations of the values of some factors, each as often."""
    combinations = list(itertools.product(*map(range, sizes)))
    return np.repeat(np.array(combinations), repeats, axis=0)


THREE = grid(5, 4, 3, repeats=30)
SQUARE = grid(5, 5, repeats=60)
TURN = np.array([[1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2)


def by_two_codes(factors):
    """Each factor in two codes, beside each other: redundant, but modular."""
    return np.concatenate([factors, -2.0 * factors], axis=1)


# --- Perfect ----------------------------------------------------------------------


def test_one_code_for_each_factor_is_perfect():
    codes = THREE * [1.0, -3.0, 0.1] + [5.0, 0.0, 0.0]
    assert mig(codes, THREE) == pytest.approx(1)
    assert modularity(codes, THREE) == pytest.approx(1)
    assert sap(codes, THREE) == pytest.approx(1)
    assert factor_vae_score(codes, THREE) == (1.0, 0.0)
    result = dci(codes, THREE)
    assert result.informativeness == 1.0
    assert result.informativeness_standard_error == 0.0
    np.testing.assert_allclose(result.importance, np.eye(3), atol=1e-3)
    assert result.disentanglement > 0.99 and result.completeness > 0.99


def test_the_order_of_values_does_not_matter_where_nothing_is_linear():
    codes = np.take(np.random.default_rng(0).normal(size=5), THREE[:, :1])
    codes = np.concatenate([codes, THREE[:, 1:]], axis=1)
    assert mig(codes, THREE) == pytest.approx(1)
    assert modularity(codes, THREE) == pytest.approx(1)
    assert factor_vae_score(codes, THREE)[0] == 1.0
    assert sap(codes, THREE) < 1


# --- Rotated by 45 degrees --------------------------------------------------------


def test_rotated_codes_are_not_disentangled_and_as_informative():
    """By symmetry each code says the same of each factor."""
    codes = SQUARE @ TURN
    assert mig(codes, SQUARE) == pytest.approx(0, abs=1e-12)
    assert modularity(codes, SQUARE) == pytest.approx(0, abs=1e-12)
    assert sap(codes, SQUARE) == pytest.approx(0, abs=1e-12)
    # Where one factor is fixed, both codes vary the same: a guess of two.
    score, error = factor_vae_score(codes, SQUARE)
    assert abs(score - 0.5) < 4 * error < 0.03
    result = dci(codes, SQUARE)
    assert result.informativeness == 1.0
    assert result.disentanglement < 0.05 and result.completeness < 0.05


@pytest.mark.parametrize("degrees", [0, 20, 40])
def test_sap_of_a_rotation_is_the_difference_of_the_squares(degrees):
    """R^2 of the two codes: cos^2 and sin^2, for factors of equal variance."""
    angle = math.radians(degrees)
    turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    assert sap(SQUARE @ turn, SQUARE) == pytest.approx(math.cos(2 * angle))


# --- Random -----------------------------------------------------------------------


def test_random_codes_say_nothing():
    factors = grid(4, 4, repeats=1250)
    codes = np.random.default_rng(0).normal(size=(20_000, 5))
    # Counts overestimate information by (bins - 1) (values - 1) / 2n: 0.0014 nats.
    assert mig(codes, factors) < 0.0015
    assert sap(codes, factors) < 15 / 20_000  # R^2 n is a chi-squared
    score, error = factor_vae_score(codes, factors)
    assert abs(score - 0.5) < 4 * error
    result = dci(codes[::4], factors[::4])
    chance = abs(result.informativeness - 1 / 4)
    assert chance < 4 * result.informativeness_standard_error < 0.05
    assert result.disentanglement < 0.01 and result.completeness < 0.01


# --- In between -------------------------------------------------------------------


def test_copies_leave_a_factor_without_a_gap_and_incomplete():
    codes = by_two_codes(SQUARE)[:, [0, 2, 1]]  # factor 0 twice, factor 1 once
    assert mig(codes, SQUARE) == pytest.approx(0.5)
    assert sap(codes, SQUARE) == pytest.approx(0.5)
    assert modularity(codes, SQUARE) == pytest.approx(1)
    assert factor_vae_score(codes, SQUARE)[0] == 1.0
    result = dci(codes, SQUARE)
    assert result.disentanglement > 0.99
    # Trees choose among equal codes by chance; at best each has half of it.
    assert 0.5 * (2 - math.log(2) / math.log(3)) - 0.02 < result.completeness < 0.99


def test_a_code_of_two_factors_says_as_much_of_each_as_that_has():
    """v1 and v2 in one number: I = log 5 and log 4, and the other code has v3."""
    codes = np.stack([4 * THREE[:, 0] + THREE[:, 1], THREE[:, 2]], axis=1)
    shared = 1 - (math.log(4) / math.log(5)) ** 2 / 2
    assert modularity(codes, THREE) == pytest.approx((shared + 1) / 2)
    assert mig(codes, THREE) == pytest.approx(1)


def test_the_gap_to_a_coarse_copy_is_what_that_leaves_open():
    """Of 4 values the second code tells 2: half of the entropy."""
    factors = grid(4, 5)
    codes = np.stack([factors[:, 0], factors[:, 0] // 2, factors[:, 1]], axis=1)
    assert mig(codes, factors) == pytest.approx((0.5 + 1) / 2)


def test_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 6, size=(300, 2))
    codes = factors @ rng.normal(size=(2, 3)) + rng.normal(size=(300, 3))
    found = disentanglement._mutual_information(codes, factors, 20)
    for j, k in itertools.product(range(3), range(2)):
        low, high = codes[:, j].min(), codes[:, j].max()
        bins = np.minimum(19, (20 * (codes[:, j] - low) / (high - low)).astype(int))
        expected = mutual_info_score(bins, factors[:, k])
        assert found[j, k] == pytest.approx(expected)


def test_disentanglement_and_completeness_of_importances_by_hand():
    importance = np.array([[0.75, 0.0], [0.25, 1.0]])
    # Rows, with shares 0.75 and 1.25 of 2: (1, 0), and (0.2, 0.8).
    bits = -(0.2 * math.log2(0.2) + 0.8 * math.log2(0.8))
    found = disentanglement._one_sided(importance, importance.sum(axis=1))
    assert found == pytest.approx((0.75 + 1.25 * (1 - bits)) / 2)
    # Columns: (0.75, 0.25), and (0, 1).
    bits = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    found = disentanglement._one_sided(importance.T, importance.sum(axis=0))
    assert found == pytest.approx((1 - bits + 1) / 2)


def test_codes_that_are_constant_tell_nothing_and_are_no_error():
    codes = np.concatenate([THREE, np.full((len(THREE), 1), 7.0)], axis=1)
    assert mig(codes, THREE) == pytest.approx(1)
    assert modularity(codes, THREE) == pytest.approx(3 / 4)
    assert sap(codes, THREE, categorical=(0,)) > 0.5
    assert factor_vae_score(codes, THREE) == (1.0, 0.0)
    assert dci(codes, THREE).disentanglement > 0.99
    assert factor_vae_score(codes[:, [3, 3]], THREE) == (0.0, 0.0)


def test_a_categorical_factor_is_classified():
    """Two values: a threshold tells them, from one code alone; the other guesses."""
    factors = grid(2, 5, repeats=100)
    perfect = sap(factors, factors, categorical=(0,))
    assert perfect == pytest.approx((0.5 + 1) / 2, abs=0.05)
    # Held out: of random codes nothing is learned.
    random = np.random.default_rng(0).normal(size=factors.shape)
    assert sap(random, factors, categorical=(0, 1)) < 0.06


# --- Laws of all of them ----------------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(1)
    factors = rng.integers(0, [5, 4, 6], size=(2000, 3))
    codes = factors @ rng.normal(size=(3, 4)) ** 3 + 0.3 * rng.normal(size=(2000, 4))
    return codes, factors


def test_order_and_sign_and_unit_of_the_codes_do_not_matter(mixed):
    codes, factors = mixed
    moved = codes[:, [2, 0, 3, 1]] * [-1.0, 1.0, -1000.0, -0.01]
    for score in (mig, modularity, sap):
        assert score(moved, factors) == pytest.approx(score(codes, factors), rel=1e-6)
        assert 0.02 < score(codes, factors) < 0.98
    score, _ = factor_vae_score(codes, factors)
    assert factor_vae_score(moved, factors)[0] == pytest.approx(score, abs=1e-3)
    for one, other in zip(
        dci(codes, factors)[:3], dci(moved, factors)[:3], strict=True
    ):
        assert one == pytest.approx(other, abs=0.02)


def test_the_values_of_the_factors_are_names(mixed):
    codes, factors = mixed
    renamed = 10 * factors - 7
    for score in (mig, modularity, sap):
        assert score(codes, renamed) == pytest.approx(score(codes, factors))
    assert factor_vae_score(codes, renamed) == factor_vae_score(codes, factors)


def test_all_at_once_and_the_seed_decides(mixed):
    codes, factors = mixed
    scores = disentanglement_scores(codes, factors, categorical=(1,), seed=3)
    assert scores["mig"] == mig(codes, factors)
    assert scores["sap"] == sap(codes, factors, (1,), seed=3)
    assert scores["modularity"] == modularity(codes, factors)
    vote = factor_vae_score(codes, factors, seed=3)
    assert scores["factor_vae_score"] == vote[0]
    assert vote[1] == pytest.approx(math.sqrt(vote[0] * (1 - vote[0]) / 4999))
    result = dci(codes, factors, seed=3)
    assert scores["dci_completeness"] == result.completeness
    assert scores["dci_informativeness"] == result.informativeness
    # At most as if one right answer was three, at least as if they were independent.
    share = result.informativeness
    most = math.sqrt(share * (1 - share) / 499)
    assert 0.9 * most / math.sqrt(3) < result.informativeness_standard_error < most
    again = disentanglement_scores(codes, factors, categorical=(1,), seed=3)
    assert json.loads(json.dumps(again, allow_nan=False)) == scores
    small, other = (
        factor_vae_score(codes, factors, group_size=2, seed=seed) for seed in (3, 4)
    )
    assert other != small and small[0] < 1


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (THREE[:, 0], THREE, r"`codes` should have shape \(n, latent_dim\)"),
        (THREE[:, :1], THREE, "latent_dim >= 2. Received: shape"),
        (THREE * np.nan, THREE, "`codes` should be finite"),
        (THREE, THREE[:-1], r"`factors` should be integers of shape \(1800, num_fac"),
        (THREE, THREE / 2, "dtype float64"),
        (
            THREE,
            THREE * [1, 0, 1],
            "factor 1 is 0 in every example. Mend: numpy",
        ),
    ],
)
@pytest.mark.parametrize("score", [mig, sap, dci])
def test_what_has_no_score_is_refused(score, codes, factors, message):
    with pytest.raises(ValueError, match=message):
        score(codes, factors)


@pytest.mark.parametrize("score", [modularity, dci, factor_vae_score])
def test_one_factor_alone_has_nothing_to_be_told_from(score):
    with pytest.raises(ValueError, match="num_factors >= 2"):
        score(THREE, THREE[:, :1])
