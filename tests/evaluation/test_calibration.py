"""The expected calibration error, by hand."""

import numpy as np
import pytest

from keras_vae.evaluation import calibration_error


def binary(confidence):
    confidence = np.asarray(confidence, "float64")
    return np.stack([confidence, 1 - confidence], axis=1)


def test_known_cases():
    # All right and sure; all wrong and sure.
    assert calibration_error(binary(np.ones(8)), np.zeros(8, int)) == 0
    assert calibration_error(binary(np.ones(8)), np.ones(8, int)) == 1
    # Two bins of ten: 0.65, of which six are right, and 0.95, of which two are wrong.
    confidence = np.repeat([0.65, 0.95], 10)
    labels = np.array([0] * 6 + [1] * 4 + [0] * 8 + [1] * 2)
    expected = 0.5 * abs(0.6 - 0.65) + 0.5 * abs(0.8 - 0.95)
    found = calibration_error(binary(confidence), labels, num_bins=10)
    assert found == pytest.approx(expected)
    # In one bin over- and underconfidence meet.
    labels = np.array([0] * 8 + [1] * 2 + [0] * 8 + [1] * 2)
    one = calibration_error(binary(confidence), labels, num_bins=1)
    assert one == pytest.approx(abs(0.8 - 0.8))
    assert calibration_error(binary(confidence), labels, num_bins=10) > 0.1


def test_bins_are_closed_above():
    """0.8 of ten bins is the last of (0.7, 0.8], with 0.75 and not with 0.85."""
    confidence = np.array([0.75, 0.75, 0.8, 0.8])
    labels = np.array([1, 1, 0, 0])
    found = calibration_error(binary(confidence), labels, num_bins=10)
    assert found == pytest.approx(abs(0.5 - 0.775))


def test_what_is_calibrated_comes_to_0():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), size=100_000)
    labels = (rng.uniform(size=(100_000, 1)) > np.cumsum(p, axis=1)).sum(axis=1)
    # By chance each of 12 bins is off by some 0.5 / sqrt(n_b).
    assert calibration_error(p, labels) < 0.01
    sharpened = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert calibration_error(sharpened, labels) > 0.1


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.5, 0.5], [0], "`probabilities` should be rows"),
        ([[0.5, 0.4]], [0], "`probabilities` should be rows"),
        (np.zeros((0, 2)), [], "`probabilities` should be rows"),
        ([[0.5, 0.5]], [2], "from 0 to 1"),
        ([[0.5, 0.5]], [-1], "from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "float64"),
        ([[0.5, 0.5]], [0, 1], r"`labels` should be 1 integers"),
    ],
)
def test_what_is_no_probability_is_named(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        calibration_error(probabilities, np.asarray(labels))
