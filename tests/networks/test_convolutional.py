"""The convolutional network."""

import keras
import numpy as np
import pytest

from keras_vae import networks


@pytest.mark.parametrize(
    ("size", "halved"),
    [
        ((8, 8), [(4, 4), (2, 2), (1, 1)]),
        ((9, 11), [(5, 6), (3, 3), (2, 2)]),
        ((28, 31), [(14, 16), (7, 8), (4, 4)]),
        ((33, 8), [(17, 4), (9, 2), (5, 1)]),
    ],
)
@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
def test_the_decoder_passes_through_the_sizes_of_the_encoder(size, halved, kernel_size):
    encoder, decoder = networks.convolutional(
        (*size, 1), 2, filters=(2, 3, 4), kernel_size=kernel_size, hidden_units=(4,)
    )
    for index, expected in enumerate(halved, start=1):
        layer = encoder.get_layer(f"encoder_conv_{index}")
        assert layer.output.shape == (None, *expected, index + 1)
        layer = decoder.get_layer(f"decoder_conv_{index}")
        assert layer.input.shape == (None, *expected, index + 1)
    assert decoder.output_shape == (None, *size, 1)


def test_only_odd_sizes_are_cropped():
    def crops(height, width):
        _, decoder = networks.convolutional((height, width, 1), 2, hidden_units=())
        return {
            layer.name: layer.cropping
            for layer in decoder.layers
            if isinstance(layer, keras.layers.Cropping2D)
        }

    assert crops(28, 8) == {}
    assert crops(28, 9) == {
        "decoder_conv_1_crop": ((0, 0), (0, 1)),
        "decoder_conv_2_crop": ((0, 0), (0, 1)),
    }


def test_number_of_weights():
    """28x28x1, 14x14x32, 7x7x64, 128, (2 x 16), and the same way back."""
    encoder, decoder = networks.convolutional((28, 28, 1), 16)
    flat = 7 * 7 * 64
    assert encoder.count_params() == (
        (9 * 1 + 1) * 32 + (9 * 32 + 1) * 64 + (flat + 1) * 128 + 2 * 129 * 16
    )
    assert decoder.count_params() == (
        17 * 128 + 129 * flat + (9 * 64 + 1) * 32 + (9 * 32 + 1) * 32 + 9 * 32 + 1
    )


def test_the_dense_layers_may_be_left_out():
    encoder, decoder = networks.convolutional((8, 8, 3), 2, hidden_units=())
    assert decoder(encoder(np.zeros((1, 8, 8, 3)))[0]).shape == (1, 8, 8, 3)
