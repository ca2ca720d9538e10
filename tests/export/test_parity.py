"""parity.npz: plain arrays, with the answers that the trained model gives."""

import contextlib
import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae import VAE, networks, noise
from keras_vae.export import exported_models
from keras_vae.export.parity import (
    deviation,
    mean_deviation,
    read_parity,
    write_parity,
)
from keras_vae.layers import Standardize

COLOUR = (4, 5, 3)
NUM_EXAMPLES = 5


def image_vae():
    encoder, decoder = networks.dense(COLOUR, 2, hidden_units=(8,), seed=0)
    return VAE(encoder, decoder)


def tabular_vae():
    encoder, decoder = networks.dense((3,), 2, "gaussian", hidden_units=(8,), seed=0)
    standardize = Standardize([100.0, 0.0, -5.0], [10.0, 0.5, 1.0])
    return VAE(encoder, decoder, likelihood="gaussian", standardize=standardize)


@pytest.fixture(scope="module")
def vae():
    return image_vae()


@pytest.fixture(scope="module")
def path(vae, tmp_path_factory):
    path = tmp_path_factory.mktemp("parity") / "parity.npz"
    write_parity(vae, path, version=3, num_examples=NUM_EXAMPLES, seed=8)
    return path


SIGNATURES = {
    "encoder": {
        "encode": ({"x"}, {"z_mean", "z_log_var"}),
        "encode_sample": ({"x", "seed"}, {"z", "z_mean", "z_log_var"}),
        "encode_uint8": ({"x"}, {"z_mean", "z_log_var"}),
        "encode_bytes": ({"image_bytes"}, {"z_mean", "z_log_var"}),
    },
    "decoder": {
        "decode": ({"z"}, {"reconstruction"}),
        "decode_uint8": ({"z"}, {"reconstruction"}),
        "sample": ({"seed"}, {"z", "reconstruction"}),
    },
}


def test_holds_every_signature(path):
    parity = read_parity(path)
    assert parity.version == 3
    assert {
        model: {
            signature: (set(example.inputs), set(example.outputs))
            for signature, example in examples.items()
        }
        for model, examples in parity.references.items()
    } == SIGNATURES


def test_is_made_of_plain_arrays(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["version"] == 3
    assert arrays["encoder/encode/input/x"].shape == (NUM_EXAMPLES, *COLOUR)
    assert arrays["encoder/encode/input/x"].dtype == np.float32
    assert arrays["encoder/encode_uint8/input/x"].dtype == np.uint8
    assert arrays["decoder/sample/input/seed"].dtype == np.int32
    assert arrays["decoder/decode_uint8/output/reconstruction"].dtype == np.uint8
    content = arrays["encoder/encode_bytes/input/image_bytes"]
    offsets = arrays["encoder/encode_bytes/offsets/image_bytes"]
    assert content.dtype == np.uint8
    assert offsets[0] == 0
    assert offsets[-1] == len(content)
    for begin, end, levels in zip(
        offsets[:-1],
        offsets[1:],
        arrays["encoder/encode_uint8/input/x"],
        strict=True,
    ):
        image = Image.open(io.BytesIO(content[begin:end].tobytes()))
        np.testing.assert_array_equal(np.asarray(image), levels)


def test_answers_are_the_trained_models(vae, path):
    examples = read_parity(path).references
    x = examples["encoder"]["encode"].inputs["x"]
    np.testing.assert_array_equal(x, vae.sample(NUM_EXAMPLES, seed=8))
    expected = vae.encode(x)
    posterior = examples["encoder"]["encode"].outputs
    np.testing.assert_array_equal(posterior["z_mean"], expected[0])
    np.testing.assert_array_equal(posterior["z_log_var"], expected[1])

    sampled = examples["encoder"]["encode_sample"]
    draws = noise.normal(sampled.inputs["seed"], 2).numpy()
    z = expected[0] + np.exp(expected[1].astype("float64") / 2) * draws
    np.testing.assert_allclose(sampled.outputs["z"], z, rtol=1e-6, atol=1e-6)

    levels = examples["encoder"]["encode_uint8"]
    expected = vae.encode(levels.inputs["x"] / np.float32(255))[0]
    np.testing.assert_array_equal(levels.outputs["z_mean"], expected)
    files = examples["encoder"]["encode_bytes"].outputs["z_mean"]
    np.testing.assert_array_equal(files, expected)

    decoded = examples["decoder"]["decode"]
    # In turn codes of data and draws of the prior.
    np.testing.assert_allclose(decoded.inputs["z"][::2], z[::2], atol=1e-6)
    np.testing.assert_array_equal(decoded.inputs["z"][1::2], draws[1::2])
    expected = vae.decode(decoded.inputs["z"])
    np.testing.assert_array_equal(decoded.outputs["reconstruction"], expected)
    levels = examples["decoder"]["decode_uint8"].outputs["reconstruction"]
    assert np.abs(levels / 255 - expected).max() <= 0.5 / 255 + 1e-6

    sampled = examples["decoder"]["sample"]
    expected = vae.sample(NUM_EXAMPLES, seed=8)
    # The last seed is of the outermost integers instead of [8, 4].
    np.testing.assert_array_equal(sampled.inputs["seed"][:-1, 0], 8)
    np.testing.assert_array_equal(sampled.inputs["seed"][-1], [-(2**31), 2**31 - 1])
    np.testing.assert_allclose(
        sampled.outputs["reconstruction"][:-1], expected[:-1], atol=1e-6
    )


@pytest.mark.parametrize("kind", ["outputs", "single"])
@pytest.mark.parametrize("make", [image_vae, tabular_vae])
def test_endpoints_give_the_same_answers(make, kind, tmp_path):
    vae = make()
    write_parity(vae, tmp_path / "parity.npz", num_examples=3)
    examples = read_parity(tmp_path / "parity.npz").references
    endpoints = exported_models(vae)
    for model in endpoints:
        assert set(examples[model]) == set(endpoints[model])
        for signature, endpoint in endpoints[model].items():
            example = examples[model][signature]
            inputs = {name: tf.constant(v) for name, v in example.inputs.items()}
            answer = endpoint.function(inputs)
            assert deviation(getattr(example, kind), answer) < 1e-6


def test_tabular_models_have_no_images(tmp_path):
    write_parity(tabular_vae(), tmp_path / "parity.npz", num_examples=2)
    examples = read_parity(tmp_path / "parity.npz").references
    assert set(examples["encoder"]) == {"encode", "encode_sample"}
    assert set(examples["decoder"]) == {"decode", "sample"}


def test_takes_data(vae, tmp_path):
    x = np.random.default_rng(0).random((4, *COLOUR))
    write_parity(vae, tmp_path / "parity.npz", data=x, num_examples=3)
    example = read_parity(tmp_path / "parity.npz").references["encoder"]["encode"]
    # Spread evenly: data are often in the order of their labels.
    np.testing.assert_array_equal(example.inputs["x"], np.float32(x[[0, 2, 3]]))


def test_samples_lie_in_the_support(tmp_path):
    # The mean of counts is no count: a server would be shown what `fit` refuses.
    encoder, decoder = networks.dense((3,), 2, "poisson", hidden_units=(8,), seed=0)
    vae = VAE(encoder, decoder, likelihood="poisson")
    write_parity(vae, tmp_path / "parity.npz", num_examples=9)
    x = read_parity(tmp_path / "parity.npz").references["encoder"]["encode"].inputs["x"]
    np.testing.assert_array_equal(x, np.floor(x))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_what_is_not_finite_proves_nothing(tmp_path, bad):
    vae = image_vae()
    bias = vae.decoder.weights[-1]
    bias.assign(np.where(np.arange(bias.shape[0]) == 1, bad, bias))
    with pytest.raises(ValueError, match=r"`vae` should have weights .*bias"):
        write_parity(vae, tmp_path / "parity.npz", num_examples=2)
    assert not list(tmp_path.iterdir())


def test_answers_that_overflow_prove_nothing(tmp_path):
    vae = image_vae()
    for weights in vae.encoder.weights:
        weights.assign(tf.fill(weights.shape, 3e37))
    with pytest.raises(ValueError, match=r"answers of encoder/encode .*z_mean"):
        write_parity(vae, tmp_path / "parity.npz", num_examples=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": np.zeros((4, *COLOUR))}, "at least 16.*num_examples=4"),
        ({"data": np.zeros((20, 7))}, "`data`.*shape"),
        ({"num_examples": 0}, "`num_examples`"),
        ({"version": 0}, "`version`"),
        ({"version": 2**63}, "`version`.*to 9223372036854775807"),
    ],
)
def test_wrong_arguments_leave_nothing(vae, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_parity(vae, tmp_path / "parity.npz", **options)
    assert not list(tmp_path.iterdir())


def test_reading_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="Mend: export again"):
        read_parity(tmp_path / "parity.npz")
    for content in (b"", b"PK\x03\x04 no archive"):
        (tmp_path / "other.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"other\.npz"):
            read_parity(tmp_path / "other.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz"):
        read_parity(tmp_path / "other.npz")
    with (tmp_path / "other.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz"):
        read_parity(tmp_path / "other.npz")


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "parity.npz")
    with pytest.raises(ValueError, match="another kind of file"):
        read_parity(tmp_path / "parity.npz")


def test_damaged_files_are_refused_in_words(path, tmp_path):
    whole, other = path.read_bytes(), tmp_path / "parity.npz"
    rng = np.random.default_rng(0)
    harmless = 0
    for _ in range(200):
        content = bytearray(whole)
        if rng.integers(2):
            content = content[: rng.integers(len(content))]
        for _ in range(rng.integers(1, 20)):
            if content:
                content[rng.integers(len(content))] = rng.integers(256)
        other.write_bytes(content)
        with contextlib.suppress(ValueError):
            read_parity(other)
            harmless += 1
    assert harmless < 50


def test_files_of_version_0_1_0_are_read(path, tmp_path):
    with np.load(path) as file:
        arrays = {name.replace("/single/", "/alone/"): file[name] for name in file}
    np.savez(tmp_path / "old.npz", **arrays)
    old, new = read_parity(tmp_path / "old.npz"), read_parity(path)
    for name, reference in new.references["encoder"].items():
        assert deviation(reference.single, old.references["encoder"][name].single) == 0


@pytest.mark.parametrize(
    ("expected", "received", "largest", "mean"),
    [
        ([0.5, -0.25], [0.5, -0.375], 0.125, 0.0625),  # absolute within [-1, 1]
        ([50.0, -200.0], [50.0, -201.0], 0.005, 0.0025),  # relative beyond
        ([50.0, -200.0], [51.0, -200.0], 0.005, 0.0025),  # to the largest value
        (np.uint8([0, 255]), np.uint8([3, 255]), 3.0, 1.5),  # in levels, no overflow
        ([1.0, 2.0], [1.0, np.nan], np.inf, np.inf),
        ([1.0, 2.0], [[1.0, 2.0]], np.inf, np.inf),
        ([1.0, 2.0], [1.0], np.inf, np.inf),
    ],
)
def test_deviation(expected, received, largest, mean):
    pair = {"z": np.asarray(expected)}, {"z": np.asarray(received)}
    assert deviation(*pair) == largest
    assert mean_deviation(*pair) == mean


def test_deviation_is_the_largest_over_the_outputs():
    expected = {"z": np.array([0.0]), "reconstruction": np.array([1000.0])}
    received = {"z": np.array([0.5]), "reconstruction": np.array([1001.0])}
    assert deviation(expected, received) == 0.5
    assert deviation(expected, {"z": received["z"]}) == np.inf
    assert deviation({"z": expected["z"]}, received) == np.inf
