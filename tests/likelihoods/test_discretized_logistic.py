"""The discretized logistic likelihood, level by level."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import DiscretizedLogistic

LEVELS = np.arange(256) / 255

locs = st.floats(-1, 2, width=32)
log_scales = st.floats(-7, 7, width=32)


def probabilities(loc, log_scale, levels=256):
    """Of the levels, at float64: differences of the cdf between the edges.

    Above `loc` they are differences of the upper tail, so that neither side is a
    difference of two numbers near 1.
    """
    edges = (np.arange(levels - 1) + 0.5) / (levels - 1)
    edges = np.concatenate([[-np.inf], edges, [np.inf]])
    z = (edges - float(loc)) / np.exp(float(log_scale))
    low, high = z[:-1], z[1:]
    below = scipy.special.expit(high) - scipy.special.expit(low)
    above = scipy.special.expit(-low) - scipy.special.expit(-high)
    return np.where(low + high < 0, below, above)


def log_probs(loc, log_scale):
    parameters = np.full((256, 2), [loc, log_scale])
    return DiscretizedLogistic().log_prob(LEVELS[:, None], parameters).numpy()


@settings(max_examples=25)
@given(locs, log_scales)
@example(0.5, -7.0)
@example(0.0, -7.0)
@example(1.0, 7.0)
@example(LEVELS[17], -4.0)
def test_closed_form(loc, log_scale):
    expected = probabilities(np.float32(loc), log_scale)
    found = log_probs(loc, log_scale)
    assert np.all(np.isfinite(found))
    # log p moves by at most 1 / scale for each unit of x - loc, which float32 knows
    # to 1e-7.
    tolerance = 1e-6 + 2e-7 / np.exp(log_scale)
    visible = expected > 1e-300
    np.testing.assert_allclose(
        found[visible], np.log(expected[visible]), rtol=1e-5, atol=tolerance
    )
    np.testing.assert_allclose(np.sum(np.exp(found)), 1.0, rtol=2 * tolerance)


@settings(max_examples=25)
@given(locs, log_scales)
@example(0.5, -7.0)
@example(-1.0, 0.0)
@example(2.0, -2.0)
def test_mean_is_the_expectation_over_the_levels(loc, log_scale):
    found = DiscretizedLogistic().mean([[loc, log_scale]])
    expected = np.sum(LEVELS * probabilities(np.float32(loc), log_scale))
    tolerance = 1e-6 + 2e-7 / np.exp(log_scale) / 255
    np.testing.assert_allclose(found, [[expected]], atol=tolerance)


def test_far_tails_are_exact():
    # 100 scales above: log p = -(x - loc) / scale + log(exp(h/s) - exp(-h/s)).
    scale = np.exp(-5.0)
    loc = 0.8 - 100 * scale
    x = 204 / 255
    found = DiscretizedLogistic().log_prob([[x]], [[loc, -5.0]])
    expected = -100 + np.log(2 * np.sinh(1 / 510 / scale))
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


@pytest.mark.parametrize("log_scale", [-1e4, -8.0, 8.0, 1e4])
@pytest.mark.parametrize("loc", [-1e6, 0.0, 0.4, 1.0, 1e6])
def test_limits_are_finite(loc, log_scale):
    parameters = tf.constant(np.full((256, 2), [loc, log_scale], "float32"))
    likelihood = DiscretizedLogistic()
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = likelihood.log_prob(LEVELS[:, None], parameters)
    assert np.all(np.isfinite(log_prob)) and np.all(log_prob <= 1e-6)
    assert np.all(np.isfinite(tape.gradient(log_prob, parameters)))
    mean = likelihood.mean(parameters)
    assert np.all((mean >= 0) & (mean <= 1 + 1e-6))
    assert np.all(likelihood.in_support(likelihood.sample(parameters, seed=0)))


@pytest.mark.parametrize(
    ("loc", "log_scale"), [(0.5, -3.0), (0.0, -5.0), (1.1, -2.0), (0.3, -7.0)]
)
def test_gradient(loc, log_scale):
    parameters = tf.constant(np.full((256, 2), [loc, log_scale], "float32"))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = DiscretizedLogistic().log_prob(LEVELS[:, None], parameters)
    gradient = tape.gradient(log_prob, parameters).numpy()
    loc, step = float(np.float32(loc)), 1e-6
    with np.errstate(divide="ignore", invalid="ignore"):
        differences = [
            np.log(probabilities(loc + a, log_scale + b))
            - np.log(probabilities(loc - a, log_scale - b))
            for a, b in ((step, 0), (0, step))
        ]
    differences = np.stack(differences, axis=1) / (2 * step)
    visible = probabilities(loc, log_scale) > 1e-200
    np.testing.assert_allclose(
        gradient[visible],
        differences[visible],
        rtol=2e-3,
        atol=1e-3 * np.abs(differences[visible]).max(),
    )


@pytest.mark.parametrize(
    ("loc", "log_scale"), [(0.5, -3.0), (0.0, -2.0), (1.2, -1.0), (0.3, -6.5)]
)
def test_sample_has_the_probabilities(loc, log_scale):
    draws = np.full((50_000, 1, 2), [loc, log_scale], "float32")
    sample = DiscretizedLogistic().sample(draws.reshape(-1, 2), seed=1)
    counts = np.bincount(
        np.round(255 * sample.numpy()[:, 0]).astype(int), minlength=256
    )
    expected = 50_000 * probabilities(loc, log_scale)
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    assert scipy.stats.chisquare(counts[keep], expected[keep]).pvalue > 1e-3


def test_support():
    levels = np.arange(256, dtype="uint8")
    for x in (levels / np.float32(255), levels * np.float32(1 / 255), levels / 255):
        assert np.all(DiscretizedLogistic().in_support(x[:, None]))
    for x in (0.5 / 255, 1e-4, -1 / 255, 256 / 255, 255.0):
        assert not DiscretizedLogistic().in_support([[x]])[0]


def test_rounding_within_the_slack_does_not_matter():
    likelihood, parameters = DiscretizedLogistic(), [[0.4, -6.0]]
    np.testing.assert_array_equal(
        likelihood.log_prob([[100 / 255 + 5e-7]], parameters),
        likelihood.log_prob([[100 / 255]], parameters),
    )


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 32, 100])
def test_other_numbers_of_levels(levels):
    likelihood = DiscretizedLogistic(levels=levels)
    x = np.arange(levels)[:, None] / (levels - 1)
    for loc, log_scale in ((0.3, -1.0), (0.9, -4.0), (-0.5, 2.0)):
        expected = probabilities(np.float32(loc), log_scale, levels)
        parameters = np.full((levels, 2), [loc, log_scale])
        log_prob = likelihood.log_prob(x, parameters)
        np.testing.assert_allclose(np.exp(log_prob), expected, rtol=2e-5, atol=1e-30)
        mean = likelihood.mean(parameters[:1])
        np.testing.assert_allclose(mean, [expected @ x], rtol=1e-5)
        sample = likelihood.sample(np.repeat(parameters[:1], 20_000, axis=0), seed=1)
        counts = np.bincount(
            np.rint(sample.numpy()[:, 0] * (levels - 1)).astype(int), minlength=levels
        )
        # 5 standard errors of a count, and one for counts of nearly none.
        error = np.sqrt(20_000 * expected * (1 - expected))
        assert np.all(np.abs(counts - 20_000 * expected) <= 5 * error + 1)
    assert f"the {levels} levels k / {levels - 1} in" in str(likelihood.support)
    assert not likelihood.in_support([[0.5 / (levels - 1)]])[0]


@pytest.mark.parametrize("levels", [1, 257, 0, 16.5, "16", None])
def test_levels_that_are_none(levels):
    with pytest.raises(ValueError, match="`levels` should be an integer from 2 to 256"):
        DiscretizedLogistic(levels=levels)
