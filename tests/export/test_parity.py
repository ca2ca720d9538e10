"""parity.npz: plain arrays, with the answers that the trained model gives."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_vae import VAE, networks, noise
from keras_vae.export import decoder_endpoints, encoder_endpoints
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
        for model, examples in parity.examples.items()
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
    examples = read_parity(path).examples
    x = examples["encoder"]["encode"].inputs["x"]
    np.testing.assert_array_equal(x, vae.sample(NUM_EXAMPLES, seed=8))
    expected = vae.encode(x)
    posterior = examples["encoder"]["encode"].outputs
    np.testing.assert_array_equal(posterior["z_mean"], expected[0])
    np.testing.assert_array_equal(posterior["z_log_var"], expected[1])

    drawn = examples["encoder"]["encode_sample"]
    draws = noise.normal(drawn.inputs["seed"], 2).numpy()
    z = expected[0] + np.exp(expected[1].astype("float64") / 2) * draws
    np.testing.assert_allclose(drawn.outputs["z"], z, rtol=1e-6, atol=1e-6)

    levels = examples["encoder"]["encode_uint8"]
    expected = vae.encode(levels.inputs["x"] / np.float32(255))[0]
    np.testing.assert_array_equal(levels.outputs["z_mean"], expected)
    files = examples["encoder"]["encode_bytes"].outputs["z_mean"]
    np.testing.assert_array_equal(files, expected)

    decoded = examples["decoder"]["decode"]
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


@pytest.mark.parametrize("kind", ["outputs", "alone"])
@pytest.mark.parametrize("make", [image_vae, tabular_vae])
def test_endpoints_give_the_same_answers(make, kind, tmp_path):
    vae = make()
    write_parity(vae, tmp_path / "parity.npz", num_examples=3)
    examples = read_parity(tmp_path / "parity.npz").examples
    endpoints = {"encoder": encoder_endpoints(vae), "decoder": decoder_endpoints(vae)}
    for model in endpoints:
        assert set(examples[model]) == set(endpoints[model])
        for signature, endpoint in endpoints[model].items():
            example = examples[model][signature]
            inputs = {
                k: v.tolist() if v.dtype == object else v
                for k, v in example.inputs.items()
            }
            answer = endpoint.function(**inputs)
            assert deviation(getattr(example, kind), answer) < 1e-6


def test_tabular_models_have_no_images(tmp_path):
    write_parity(tabular_vae(), tmp_path / "parity.npz", num_examples=2)
    examples = read_parity(tmp_path / "parity.npz").examples
    assert set(examples["encoder"]) == {"encode", "encode_sample"}
    assert set(examples["decoder"]) == {"decode", "sample"}


def test_takes_data(vae, tmp_path):
    x = np.random.default_rng(0).random((4, *COLOUR))
    write_parity(vae, tmp_path / "parity.npz", data=x, num_examples=3)
    example = read_parity(tmp_path / "parity.npz").examples["encoder"]["encode"]
    np.testing.assert_array_equal(example.inputs["x"], x[:3].astype("float32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": np.zeros((4, *COLOUR))}, "at least 16.*num_examples=4"),
        ({"data": np.zeros((20, 7))}, "`data`.*shape"),
        ({"num_examples": 0}, "`num_examples`"),
        ({"version": 0}, "`version`"),
    ],
)
def test_wrong_arguments_leave_nothing(vae, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_parity(vae, tmp_path / "parity.npz", **options)
    assert not list(tmp_path.iterdir())


def test_reading_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="write_parity"):
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
