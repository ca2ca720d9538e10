"""Standardize against NumPy."""

import keras
import numpy as np
import pytest

from keras_vae.layers import Standardize

MEAN, SCALE = [10.0, -2.0, 0.0], [3.0, 0.5, 1.0]


def test_call_standardises_and_inverse_undoes_it():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32") * SCALE + MEAN
    layer = Standardize(MEAN, SCALE)
    np.testing.assert_allclose(layer(x), (x - MEAN) / SCALE, atol=1e-5)
    np.testing.assert_allclose(layer.inverse(layer(x)), x, rtol=1e-5, atol=1e-5)


def test_it_is_saved_with_a_model(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Standardize(MEAN, SCALE)(inputs))
    model.save(tmp_path / "model.keras")
    x = np.ones((2, 3), "float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("mean", "scale", "message"),
    [
        ([np.nan], [1.0], "`mean` should be finite"),
        ([0.0], [0.0], "`scale` should be positive.*constant"),
        ([0.0], [-1.0], "`scale`"),
        ([0.0], [np.inf], "`scale`"),
    ],
)
def test_errors(mean, scale, message):
    with pytest.raises(ValueError, match=message):
        Standardize(mean, scale)
