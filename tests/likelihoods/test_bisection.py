"""Bisection against functions whose inverse is known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods.bisection import invert


@settings(max_examples=25)
@given(st.lists(st.floats(-90, 90), min_size=1, max_size=5))
def test_undoes_an_increasing_function(points):
    points = np.array(points)
    np.testing.assert_allclose(
        invert(lambda x: x**3 + x, points**3 + points, -100, 100), points, atol=1e-9
    )
