"""Moments of rows that come in batches, against NumPy on all of them at once."""

import numpy as np
import pytest

from keras_vae.moments import RunningMoments


@pytest.mark.parametrize("sizes", [(7,), (1, 6), (3, 3, 1), (1,) * 7])
def test_they_are_those_of_all_rows(sizes):
    rows = np.random.RandomState(0).randn(7, 2, 3) * 1e-3 + 1e5
    moments = RunningMoments()
    for block in np.split(rows, np.cumsum(sizes)[:-1]):
        moments.update(block)
    assert moments.count == 7
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-15)
    np.testing.assert_allclose(moments.variance, rows.var(0), rtol=1e-6)


def test_the_standard_error_of_a_mean():
    moments = RunningMoments()
    moments.update([2.0])
    assert moments.standard_error() is None
    moments.update([4.0, 9.0])
    # Deviations from 5: -3, -1, 4; variance 26 / 2 = 13.
    assert moments.standard_error() == pytest.approx(np.sqrt(13 / 3))


def test_a_constant_has_no_spread():
    moments = RunningMoments()
    for _ in range(10):
        moments.update(np.full((3, 1), np.float32(0.1)))
    assert moments.variance == [0]
