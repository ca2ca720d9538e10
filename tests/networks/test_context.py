"""The third output of an encoder, for a flow."""

import keras
import numpy as np
import pytest

from keras_vae import networks

NAMES = ["dense", "convolutional", "residual"]


@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_has_a_context_where_one_is_asked_for(name):
    build, arguments = networks.get(name), {"hidden_units": (4,), "seed": 3}
    encoder, decoder = build((8, 8, 1), 2, context_dim=5, **arguments)
    assert [tuple(output.shape) for output in encoder.outputs] == [
        (None, 2),
        (None, 2),
        (None, 5),
    ]
    plain, _ = build((8, 8, 1), 2, **arguments)
    assert len(plain.outputs) == 2
    x = np.random.default_rng(0).uniform(size=(3, 8, 8, 1)).astype("float32")
    for one, other in zip(encoder(x)[:2], plain(x), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.asarray(encoder(x)[2]).std() > 0
    assert decoder.input_shape == (None, 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_context_is_float32_and_its_size_checked(name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        encoder, _ = networks.get(name)((8, 8, 1), 2, context_dim=5)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {output.dtype for output in encoder.outputs} == {"float32"}
    with pytest.raises(ValueError, match=r"`context_dim`.*context_dim=0"):
        networks.get(name)((8, 8, 1), 2, context_dim=0)
