"""The residual network."""

import keras
import numpy as np
import pytest

from keras_vae import networks


def block_names(model):
    return [layer.name for layer in model.layers if layer.name.endswith("_add")]


@pytest.mark.parametrize("blocks_per_stage", [1, 2])
def test_blocks_of_each_stage(blocks_per_stage):
    encoder, decoder = networks.residual(
        (9, 12, 1), 2, filters=(4, 6), blocks_per_stage=blocks_per_stage
    )
    for model, part in ((encoder, "encoder"), (decoder, "decoder")):
        assert sorted(block_names(model)) == [
            f"{part}_stage_{stage}_block_{block}_add"
            for stage in (1, 2)
            for block in range(1, blocks_per_stage + 1)
        ]
        shape = {1: (None, 5, 6, 4), 2: (None, 3, 3, 6)}
        for stage, expected in shape.items():
            layer = model.get_layer(f"{part}_stage_{stage}_block_1_add")
            assert layer.output.shape == expected


def test_a_block_adds_what_it_computes():
    """h + conv(relu(norm(conv(relu(norm(h)))))), in NumPy, at a single pixel.

    One pixel sees of each kernel its centre alone.
    """
    encoder, _ = networks.residual(
        (2, 2, 1), 2, filters=(4,), activation="relu", seed=0
    )
    block = "encoder_stage_1_block_1"
    hidden = np.random.default_rng(0).normal(size=(5, 1, 1, 4)).astype("float32")
    found = expected = hidden
    for index in (1, 2):
        for part in ("norm", "activation", "conv"):
            found = encoder.get_layer(f"{block}_{index}_{part}")(found)
        variance = expected.var(axis=-1, keepdims=True)
        expected = (expected - expected.mean(axis=-1, keepdims=True)) / np.sqrt(
            variance + 1e-3
        )
        kernel, bias = encoder.get_layer(f"{block}_{index}_conv").get_weights()
        expected = np.maximum(expected, 0) @ kernel[1, 1] + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    add = encoder.get_layer(f"{block}_add")
    inputs = {tensor._keras_history.operation.name for tensor in add.input}
    assert inputs == {"encoder_stage_1_conv", f"{block}_2_conv"}


def test_many_blocks_add_the_variance_of_about_one():
    """Each of N blocks adds 1/N of what an unscaled one would.

    An unscaled block turns a normalised signal, of power 1/2 after relu, into one of
    power 2 x 1/2 = 1, twice; N of them would raise the power of the sum by N.
    """
    encoder, _ = networks.residual(
        (16, 16, 1), 2, filters=(32,), blocks_per_stage=12, activation="relu", seed=0
    )
    name = "encoder_stage_1"
    stream = keras.Model(
        encoder.input,
        [
            encoder.get_layer(f"{name}_conv").output,
            encoder.get_layer(f"{name}_block_12_add").output,
        ],
    )
    x = np.random.default_rng(0).normal(size=(8, 16, 16, 1))
    start, end = (np.mean(np.square(tensor)) for tensor in stream(x))
    assert 0.3 < end - start < 1.5


def test_one_channel_is_refused():
    """Layer normalisation over one channel is 0."""
    with pytest.raises(ValueError, match=r"`filters`.*>= 2.*filters=\(1, 4\)"):
        networks.residual((8, 8, 1), 2, filters=(1, 4))
    with pytest.raises(ValueError, match="`blocks_per_stage`.*blocks_per_stage=0"):
        networks.residual((8, 8, 1), 2, blocks_per_stage=0)
