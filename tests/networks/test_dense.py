"""The dense network."""

import keras
import numpy as np
import pytest

from keras_vae import networks


def count(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize("data_shape", [(1,), (7,), (4, 6), (2, 3, 4, 5)])
def test_data_of_any_shape(data_shape):
    encoder, decoder = networks.dense(data_shape, 2, hidden_units=(5,))
    z_mean, _ = encoder(np.ones((3, *data_shape), "float32"))
    assert decoder(z_mean).shape == (3, *data_shape)


def test_number_of_weights():
    """784-256-256-(2 x 16) and back: (inputs + 1) x outputs for each layer."""
    encoder, decoder = networks.dense((28, 28, 1), 16)
    assert count(encoder) == 785 * 256 + 257 * 256 + 2 * 257 * 16
    assert count(decoder) == 17 * 256 + 257 * 256 + 257 * 784
    encoder, decoder = networks.dense(
        (6,), 2, "discretized_logistic", hidden_units=(5, 4)
    )
    assert count(encoder) == 7 * 5 + 6 * 4 + 2 * 5 * 2
    assert count(decoder) == 3 * 4 + 5 * 5 + 6 * 12


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_without_hidden_layers_both_are_affine_and_float32(policy):
    """What a linear Gaussian VAE, probabilistic PCA, asks for."""
    keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(0)
    encoder, decoder = networks.dense((4, 3), 2, hidden_units=(), data_mean=0.3)
    for model, shape in [(encoder, (5, 4, 3)), (decoder, (5, 2))]:
        inputs = rng.normal(size=shape).astype("float32")
        outputs = model(inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        layers = [layer for layer in model.layers if layer.weights]
        assert len(layers) == len(outputs)
        for layer, output in zip(layers, outputs, strict=True):
            kernel, bias = (w.astype("float64") for w in layer.get_weights())
            expected = inputs.reshape(5, -1) @ kernel + bias
            np.testing.assert_allclose(
                np.reshape(output, (5, -1)), expected, rtol=1e-5, atol=1e-6
            )


def test_the_decoder_mirrors_the_encoder():
    encoder, decoder = networks.dense((8,), 2, hidden_units=(7, 6, 5))
    for index, units in enumerate((7, 6, 5), start=1):
        assert encoder.get_layer(f"encoder_dense_{index}").units == units
        assert decoder.get_layer(f"decoder_dense_{4 - index}").units == units


def test_a_mean_for_each_value():
    """With p(x) = 0.2 or 0.9 by position, the logits are those of each position."""
    data_mean = np.where(np.arange(12).reshape(4, 3) % 2, 0.2, 0.9)
    _, decoder = networks.dense((4, 3), 2, data_mean=data_mean)
    bias = decoder.get_layer("flat_parameters").bias
    np.testing.assert_allclose(
        np.reshape(bias, (4, 3)), np.log(data_mean / (1 - data_mean)), rtol=1e-5
    )
