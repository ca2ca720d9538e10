"""Each endpoint computes what its name says, of nothing but its arguments."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, VQVAE, likelihoods, networks, noise
from keras_vae.export import exported_models
from keras_vae.export.endpoints import describe, has_images
from keras_vae.layers import Standardize
from keras_vae.models.float32 import float32_copy

IMAGE = (6, 5, 1)
TABLE = (4,)


def make(data_shape, likelihood="bernoulli", standardize=None, **options):
    encoder, decoder = networks.dense(
        data_shape, 3, likelihood, hidden_units=(8,), seed=0, **options
    )
    return VAE(encoder, decoder, likelihood=likelihood, standardize=standardize, seed=0)


@pytest.fixture(scope="module")
def vae():
    return make(IMAGE)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(size=(7, *IMAGE)).astype("float32")


def arrays(answer):
    return {name: tensor.numpy() for name, tensor in answer.items()}


def endpoints(vae):
    """All endpoints by name, whichever model they are of."""
    return {**exported_models(vae)["encoder"], **exported_models(vae)["decoder"]}


def ask(vae, name, **inputs):
    inputs = {key: tf.convert_to_tensor(value) for key, value in inputs.items()}
    return arrays(endpoints(vae)[name].function(inputs))


def test_the_endpoints_of_images_in_order(vae):
    described = {
        endpoint.name: {
            name: (spec.dtype.name, *spec.shape)
            for name, spec in endpoint.inputs.items()
        }
        for endpoint in endpoints(vae).values()
    }
    assert list(described.items()) == [
        ("encode", {"x": ("float32", None, 6, 5, 1)}),
        ("encode_uint8", {"x": ("uint8", None, 6, 5, 1)}),
        ("encode_bytes", {"image_bytes": ("string", None)}),
        (
            "encode_sample",
            {"x": ("float32", None, 6, 5, 1), "seed": ("int32", None, 2)},
        ),
        ("decode", {"z": ("float32", None, 3)}),
        ("decode_uint8", {"z": ("float32", None, 3)}),
        ("sample", {"seed": ("int32", None, 2)}),
    ]


def test_dictionaries_and_specs_have_the_endpoints_names(vae):
    for name, endpoint in endpoints(vae).items():
        assert endpoint.name == name
        assert all(key == spec.name for key, spec in endpoint.inputs.items())


@pytest.mark.parametrize(
    ("data_shape", "likelihood", "images"),
    [
        (IMAGE, "bernoulli", True),
        (IMAGE, "continuous_bernoulli", True),
        (IMAGE, "discretized_logistic", True),
        (IMAGE, "gaussian", True),
        (IMAGE, "laplace", True),
        ((6, 5, 3), "bernoulli", True),
        ((6, 5, 4), "bernoulli", True),
        ((6, 5, 2), "bernoulli", False),
        ((6, 5), "bernoulli", False),
        (TABLE, "bernoulli", False),
        (IMAGE, "poisson", False),
        ((6, 5, 3), "categorical", False),
    ],
)
def test_what_counts_as_images(data_shape, likelihood, images):
    vae = make(data_shape, likelihood)
    assert has_images(vae) == images
    for name in ("encode_bytes", "encode_uint8", "decode_uint8"):
        assert (name in endpoints(vae)) == images


def test_standardised_data_are_no_images():
    assert not has_images(make(IMAGE, "gaussian", Standardize(0.5, 0.25)))


def test_encode_is_the_posterior(vae, x):
    answer = ask(vae, "encode", x=x)
    z_mean, z_log_var = vae.encode(x)
    assert sorted(answer) == ["z_log_var", "z_mean"]
    np.testing.assert_allclose(answer["z_mean"], z_mean, rtol=0, atol=1e-6)
    np.testing.assert_allclose(answer["z_log_var"], z_log_var, rtol=0, atol=1e-6)


def test_standardisation_is_inside():
    mean, scale = [100.0, -3.0, 0.0, 1e6], [20.0, 0.1, 1.0, 1e5]
    vae = make(TABLE, "gaussian", Standardize(mean, scale))
    standard = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    raw = standard * np.float32(scale) + np.float32(mean)
    answer = ask(vae, "encode", x=raw)
    expected = vae.encoder.predict(standard, verbose=0)[0]
    # 1e6 + 1e5 s keeps s to half a unit in the last place of 1e6.
    np.testing.assert_allclose(answer["z_mean"], expected, atol=1e-5)
    z = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    expected = vae.decoder.predict(z, verbose=0) * scale + mean
    answer = ask(vae, "decode", z=z)["reconstruction"]
    np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1e-6)


def test_eight_bits_are_divided_by_255(vae):
    levels = np.random.default_rng(0).integers(0, 256, (9, *IMAGE)).astype("uint8")
    answer = ask(vae, "encode_uint8", x=levels)
    expected, _ = vae.encode((levels / 255).astype("float32"))
    np.testing.assert_allclose(answer["z_mean"], expected, rtol=0, atol=1e-6)


def test_image_files_are_their_pixels(vae):
    levels = np.random.default_rng(0).integers(0, 256, (4, *IMAGE)).astype("uint8")
    files = [tf.io.encode_png(pixels).numpy() for pixels in levels]
    answer = ask(vae, "encode_bytes", image_bytes=tf.constant(files))
    expected = ask(vae, "encode_uint8", x=levels)
    np.testing.assert_allclose(answer["z_mean"], expected["z_mean"], atol=1e-6)


def test_encode_sample_is_the_reparameterization(vae, x):
    seed = noise.example_seeds(3, 10, 7)
    answer = ask(vae, "encode_sample", x=x, seed=seed)
    draws = noise.normal(seed, 3).numpy().astype("float64")
    z_mean, z_log_var = (part.astype("float64") for part in vae.encode(x))
    expected = z_mean + np.exp(z_log_var / 2) * draws
    np.testing.assert_allclose(answer["z"], expected, atol=1e-6)
    np.testing.assert_allclose(answer["z_mean"], z_mean, atol=1e-6)
    np.testing.assert_allclose(answer["z_log_var"], z_log_var, atol=1e-6)


def test_sample_is_what_the_model_samples(vae):
    answer = ask(vae, "sample", seed=noise.example_seeds(5, 0, 4))
    np.testing.assert_array_equal(
        answer["z"], noise.normal(noise.example_seeds(5, 0, 4), 3)
    )
    expected = vae.sample(4, seed=5)
    np.testing.assert_allclose(answer["reconstruction"], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["sample", "encode_sample"])
def test_a_seed_decides_its_row_alone(vae, x, name):
    endpoint = endpoints(vae)[name]
    seeds = np.array([[0, 0], [0, 1], [1, 0], [0, 0], [-5, 2**31 - 1]], "int32")
    same_x = np.repeat(x[:1], 5, axis=0)

    def z(rows):
        inputs = {"seed": tf.constant(seeds[rows]), "x": tf.constant(same_x[rows])}
        named = {key: inputs[key] for key in endpoint.inputs}
        return endpoint.function(named)["z"].numpy()

    together = z([0, 1, 2, 3, 4])
    # The same to rounding: the encoder's product of matrices may sum in another order
    # for a row alone or in another place.
    for row in range(5):
        np.testing.assert_allclose(z([row])[0], together[row], rtol=0, atol=1e-6)
    np.testing.assert_allclose(z([0, 1, 2, 3, 4]), together, rtol=0, atol=1e-6)
    np.testing.assert_allclose(together[0], together[3], rtol=0, atol=1e-6)
    assert len(np.unique(together.round(4), axis=0)) == 4


def test_decode_uint8_rounds_and_stays_in_range():
    x, z = keras.Input((3, 1, 1)), keras.Input((3,))
    flat = keras.layers.Flatten()(x)
    encoder = keras.Model(x, [flat, keras.layers.Dense(3)(flat)])
    decoder = keras.Model(z, keras.layers.Reshape((3, 1, 1))(z))
    vae = VAE(encoder, decoder, likelihood=likelihoods.Gaussian(scale=1.0))
    levels = np.arange(-100, 356)
    z = np.stack([levels, levels + 0.4, levels - 0.4], axis=1).astype("float32") / 255
    answer = ask(vae, "decode_uint8", z=z)["reconstruction"]
    assert answer.dtype == np.uint8
    expected = np.broadcast_to(np.clip(levels, 0, 255)[:, None], (456, 3))
    np.testing.assert_array_equal(answer[..., 0, 0], expected)


def test_decode_codes_restores_what_was_stored_as_integers():
    built = networks.quantized_convolutional(
        (6, 6, 1), 2, filters=(4, 6), num_blocks=1, seed=0
    )
    vae = VQVAE(*built, quantizer=5, seed=0)
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=(7, *vae.latent_shape[:-1])).astype("int32")
    endpoint = endpoints(vae)["decode_codes"]
    assert endpoint.inputs["codes"].dtype == tf.int32 and endpoint.portable
    z = np.stack([vae.quantizer.codebook.numpy()[row] for row in codes])
    expected = 1 / (1 + np.exp(-np.float64(vae.decoder(z))))
    answer = ask(vae, "decode_codes", codes=codes)["reconstruction"]
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    np.testing.assert_allclose(vae.decode_codes(codes, 3), expected, atol=1e-6)
    x = rng.uniform(size=(6, 6, 6, 1)).astype("float32")
    seeds = np.stack([np.zeros(6), np.arange(6)], axis=1).astype("int32")
    examples = endpoint.examples({"x": x}, seeds)["codes"]
    np.testing.assert_array_equal(examples[::2], vae.encode(x)[1][::2])
    assert examples.dtype == np.int32 and {*examples.flat} <= {*range(5)}
    for wrong, message in (
        (codes - 1, "0 to 4. Received: dtype int32, from -1 to 3"),
        (codes + 1, "0 to 4. Received: dtype int32, from 1 to 5"),
        (codes / 2, "Received: dtype float64"),
        (codes[:, 0], "`codes` should have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            vae.decode_codes(wrong)


# --- Conditions, and latents of any shape -----------------------------------------


def dense(inputs, *sizes):
    """Outputs of a dense network of inputs side by side, one for each size."""
    flat = [keras.layers.Flatten()(tensor) for tensor in inputs]
    hidden = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return [keras.layers.Dense(size)(hidden) for size in sizes]


def conditional_vae(encoder_too=True):
    """Data of 4 values, a code of 2 x 3, a condition of 3 for one or both networks."""
    x, condition = keras.Input((4,), name="x"), keras.Input((3,), name="condition")
    inputs = {"x": x, "condition": condition} if encoder_too else {"x": x}
    heads = dense(list(inputs.values()), 6, 6)
    heads = [keras.layers.Reshape((2, 3))(head) for head in heads]
    encoder = keras.Model(inputs if encoder_too else x, heads)
    z, condition = keras.Input((2, 3), name="z"), keras.Input((3,), name="condition")
    (mean,) = dense([z, condition], 4)
    decoder = keras.Model({"z": z, "condition": condition}, mean)
    return VAE(encoder, decoder, likelihood=likelihoods.Gaussian(scale=1.0))


@pytest.mark.parametrize("encoder_too", [True, False])
def test_conditions_are_inputs_of_what_uses_them(encoder_too):
    vae = conditional_vae(encoder_too)
    taken = {name: list(end.inputs) for name, end in endpoints(vae).items()}
    further = ["condition"] if encoder_too else []
    assert taken == {
        "encode": ["x", *further],
        "encode_sample": ["x", "seed", *further],
        "decode": ["z", "condition"],
        "sample": ["seed", "condition"],
    }
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4)).astype("float32")
    condition = np.eye(3, dtype="float32")[[0, 1, 2, 2, 0]]
    seed = noise.example_seeds(5, 0, 5)
    given = {"condition": condition} if encoder_too else {}
    answer = ask(vae, "encode_sample", x=x, seed=seed, **given)
    # The networks are affine: their weights and NumPy give the same.
    features = np.concatenate([x, condition], axis=1) if encoder_too else x
    mean, log_var = (
        (features @ kernel + bias).reshape(-1, 2, 3)
        for kernel, bias in zip(*[iter(vae.encoder.get_weights())] * 2, strict=True)
    )
    draws = noise.normal(seed, 6).numpy().reshape(-1, 2, 3)
    np.testing.assert_allclose(answer["z_mean"], mean, atol=1e-5)
    np.testing.assert_allclose(answer["z_log_var"], log_var, atol=1e-5)
    np.testing.assert_allclose(
        answer["z"], mean + np.exp(log_var / 2) * draws, atol=1e-5
    )

    answer = ask(vae, "sample", seed=seed, condition=condition)
    kernel, bias = vae.decoder.get_weights()
    features = np.concatenate([draws.reshape(-1, 6), condition], axis=1)
    np.testing.assert_allclose(answer["z"], draws, atol=1e-6)
    expected = features @ kernel + bias
    np.testing.assert_allclose(answer["reconstruction"], expected, atol=1e-5)
    decoded = ask(vae, "decode", z=draws, condition=condition)["reconstruction"]
    np.testing.assert_allclose(decoded, expected, atol=1e-5)


def test_what_an_export_says_of_itself():
    about = describe(conditional_vae(), 3, feature_names=["a", "b", "c", "d"])
    assert json.loads(json.dumps(about)) == about
    assert (about["version"], about["likelihood"]) == (3, "gaussian")
    assert (about["data_shape"], about["latent_shape"]) == ([4], [2, 3])
    assert about["feature_names"] == ["a", "b", "c", "d"]
    assert about["conditions"] == {
        "condition": {"dtype": "float32", "shape": [None, 3]}
    }
    with pytest.raises(ValueError, match="`feature_names` should hold 4 names"):
        describe(conditional_vae(), 3, feature_names=["a"])


# --- Precision --------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tests")
class Registered(keras.layers.Layer):
    """A layer of a user's own, with a layer inside it."""

    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = keras.layers.Dense(units)

    def build(self, shape):
        self.inner.build(shape)
        self.built = True

    def call(self, x):
        return keras.ops.tanh(self.inner(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Unregistered(keras.layers.Dense):
    """What a person writes in a notebook."""


def own_networks():
    """Nested models, wrapped layers, layers of a user's own."""
    inner_x = keras.Input((4, 2))
    inner = keras.Model(
        inner_x, keras.layers.TimeDistributed(keras.layers.Dense(3))(inner_x)
    )
    x = keras.Input((4, 2))
    hidden = keras.layers.Flatten()(inner(x))
    hidden = Unregistered(6, "relu")(Registered(5)(hidden))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(hidden))
    heads = [keras.layers.Dense(2, dtype="float32")(hidden) for _ in range(2)]
    z = keras.Input((2,))
    out = keras.layers.Dense(8)(
        keras.Sequential([keras.layers.Dense(4), Registered()])(z)
    )
    return keras.Model(x, heads), keras.Model(z, keras.layers.Reshape((4, 2))(out))


@pytest.mark.parametrize(
    ("build", "policy"),
    [
        (own_networks, "mixed_float16"),
        (own_networks, "bfloat16"),
        (lambda: networks.dense(TABLE, 2, hidden_units=(8,), seed=0), "mixed_bfloat16"),
        (lambda: networks.residual((8, 8, 1), 2, seed=0), "mixed_float16"),
    ],
    ids=["own", "own-bfloat16", "dense", "residual"],
)
def test_float32_copy_is_the_model_built_in_float32(build, policy):
    reference = VAE(*build(), likelihood="gaussian", beta=2.0)
    keras.config.set_dtype_policy(policy)
    reduced = VAE(*build(), likelihood="gaussian", beta=2.0)
    reduced.set_weights(reference.get_weights())
    weights = [weight.copy() for weight in reduced.get_weights()]
    copy = float32_copy(reduced)
    assert keras.config.dtype_policy().name == policy
    layers = [copy, *copy._flatten_layers()]
    assert {(layer.compute_dtype, layer.variable_dtype) for layer in layers} == {
        ("float32", "float32")
    }
    # bfloat16 weights are the model's weights: the reference takes them over.
    reference.set_weights([weight.astype("float32") for weight in weights])
    x = np.random.default_rng(0).uniform(size=(5, *copy.data_shape)).astype("float32")
    for result, expected in zip(copy.encode(x), reference.encode(x), strict=True):
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(copy.sample(3, seed=0), reference.sample(3, seed=0))
    assert float(copy.beta(0)) == 2.0
    # What was copied is as it was.
    assert reduced.dtype_policy.name == policy
    for weight, before in zip(reduced.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)
    difference = np.abs(reduced.encode(x)[0] - reference.encode(x)[0]).max()
    assert difference > 0  # or there was nothing to copy


def test_float32_copy_of_a_float32_model_is_the_model(vae):
    assert float32_copy(vae) is vae


def test_float32_copy_keeps_what_was_asked_for_by_name():
    # A layer may be called what a policy is called.
    x, z = keras.Input((4,)), keras.Input((2,))
    hidden = keras.layers.Dense(3, name="float16")(x)
    heads = [keras.layers.Dense(2)(hidden) for _ in range(2)]
    vae = VAE(keras.Model(x, heads), keras.Model(z, keras.layers.Dense(4)(z)))
    assert float32_copy(vae) is vae


def test_float32_copy_restores_the_policy_when_it_fails():
    keras.config.set_dtype_policy("mixed_float16")
    vae = make(TABLE)
    vae.get_config = lambda: {"encoder": None, "dtype": "mixed_float16"}
    with pytest.raises(TypeError):
        float32_copy(vae)
    assert keras.config.dtype_policy().name == "mixed_float16"
