"""Laws that hold for every network. A new one is one row of `SMALL`."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import likelihoods, networks

# Arguments that make each network small; two halvings where it has any.
SMALL = {
    "dense": {"hidden_units": (12, 10)},
    "convolutional": {"filters": (4, 6), "hidden_units": (10,)},
    "residual": {"filters": (4, 6), "hidden_units": (10,)},
}
LATENT_DIM = 3

every_network = pytest.mark.parametrize("name", SMALL)


def build(network, data_shape=(9, 11, 2), likelihood="bernoulli", **kwargs):
    return networks.get(network)(
        data_shape, LATENT_DIM, likelihood, **{**SMALL[network], **kwargs}
    )


def uniform(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype("float32")


def normal(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def elbo_loss(encoder, decoder, likelihood, x):
    """-ELBO of a batch, with noise that is the same each time."""
    z_mean, z_log_var = encoder(x, training=True)
    z = z_mean + tf.exp(z_log_var / 2) * normal(len(x), LATENT_DIM)
    kl = tf.square(z_mean) + tf.exp(z_log_var) - 1 - z_log_var
    log_prob = likelihood.log_prob(x, decoder(z, training=True), training=True)
    return tf.reduce_mean(0.5 * tf.reduce_sum(kl, axis=-1) - log_prob)


# Shapes and dtypes.


class ThreeParameters(likelihoods.Likelihood):
    """For its `parameter_shape`: more parameters than any of the package's."""

    num_parameters = 3


SIZES = [(8, 8), (9, 9), (11, 11), (28, 28), (32, 32), (13, 17), (8, 31)]


@every_network
@pytest.mark.parametrize(
    ("size", "channels", "likelihood"),
    [
        *((size, 1, "bernoulli") for size in SIZES),
        ((9, 14), 3, ThreeParameters()),
        ((9, 14), 3, likelihoods.DiscretizedLogistic()),
        ((11, 8), 5, likelihoods.Gaussian(scale="learned_per_output")),
    ],
)
def test_shapes_and_dtypes(name, size, channels, likelihood):
    data_shape = (*size, channels)
    encoder, decoder = build(name, data_shape, likelihood)
    likelihood = likelihoods.get(likelihood)
    assert [encoder.input.name, decoder.input.name] == ["x", "z"]
    assert encoder.output_names == ["z_mean", "z_log_var"]
    assert encoder.input_shape == (None, *data_shape)
    assert decoder.input_shape == (None, LATENT_DIM)
    for batch in (1, 3):
        outputs = encoder(uniform(batch, *data_shape))
        for output in outputs:
            assert output.shape == (batch, LATENT_DIM)
            assert output.dtype == tf.float32
        parameters = decoder(outputs[0])
        assert parameters.shape == (batch, *likelihood.parameter_shape(data_shape))
        assert parameters.dtype == tf.float32


@every_network
@pytest.mark.parametrize("size", [(8, 8), (9, 11)])
def test_every_value_is_seen_and_explained(name, size):
    """No pixel at an edge falls between the strides, whatever the size."""
    data_shape = (*size, 1)
    encoder, decoder = build(name, data_shape, activation="tanh")
    x = tf.constant(uniform(1, *data_shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(encoder(x)[0])
    assert np.all(tape.gradient(total, x) != 0)
    first, second = decoder(normal(2, LATENT_DIM))
    assert np.all(first != second)


@every_network
def test_names(name):
    encoder, decoder = build(name)
    assert [encoder.name, decoder.name] == ["encoder", "decoder"]
    # Distinct, so that an optimizer or a regulariser can tell them apart by path.
    paths = [weight.path for weight in encoder.weights + decoder.weights]
    assert len(set(paths)) == len(paths)
    encoder, decoder = build(name, name="mine")
    assert [encoder.name, decoder.name] == ["mine_encoder", "mine_decoder"]


@every_network
def test_the_activation_is_everywhere_but_at_the_ends(name):
    encoder, decoder = build(name, activation="silu")
    ends = {"z_mean", "z_log_var", "flat_parameters", "parameters"}
    for layer in encoder.layers + decoder.layers:
        if not hasattr(layer, "activation"):
            continue
        linear = layer.name in ends or (
            # Of a residual block the activation is a layer of its own, before.
            name == "residual" and ("conv" in layer.name or "stages" in layer.name)
        )
        expected = keras.activations.linear if linear else keras.activations.silu
        assert layer.activation is expected, layer.name


# Precision.


@every_network
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_ends_are_float32_under_mixed_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    encoder, decoder = build(name, seed=0)
    half = policy.removeprefix("mixed_")
    for model, ends in [
        (encoder, {"z_mean", "z_log_var"}),
        (decoder, {"flat_parameters", "parameters"}),
    ]:
        assert model.input.dtype == "float32"
        in_half = [n.name for n in model.layers if n.compute_dtype == half]
        assert in_half and not ends & set(in_half)
        assert all(weight.dtype == "float32" for weight in model.weights)
    x = uniform(4, 9, 11, 2)
    z_mean, z_log_var = encoder(x)
    parameters = decoder(z_mean)
    for output in (z_mean, z_log_var, parameters):
        assert output.dtype == tf.float32
        # Not a half-precision result that was cast.
        rounded = tf.cast(tf.cast(output, half), "float32")
        assert np.mean(rounded != output) > 0.9
    # And close to what float32 computes throughout.
    keras.config.set_dtype_policy("float32")
    exact = build(name, seed=0)[0](x)
    atol = 2e-3 if half == "float16" else 2e-2
    np.testing.assert_allclose(z_mean, exact[0], atol=atol)
    np.testing.assert_allclose(z_log_var, exact[1], atol=atol)


# Files.


@every_network
def test_a_keras_file_gives_the_same_outputs(name, tmp_path):
    pair = build(name, activation="silu", data_mean=0.3)
    for model, inputs in zip(
        pair, (uniform(4, 9, 11, 2), normal(4, LATENT_DIM)), strict=True
    ):
        # Keras' own layers alone: nothing of this package is needed to load them.
        modules = {type(layer).__module__.split(".")[0] for layer in model.layers}
        assert modules == {"keras"}
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        for found, expected in zip(
            tf.nest.flatten(loaded(inputs)),
            tf.nest.flatten(model(inputs)),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)


@every_network
def test_tflite_computes_the_same_with_builtin_operators(name):
    """In one batch or another: the batch dimension stays free."""
    from ai_edge_litert.interpreter import Interpreter

    pair = build(name, data_mean=0.3)
    for model, inputs in zip(
        pair, (uniform(5, 9, 11, 2), normal(5, LATENT_DIM)), strict=True
    ):
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        interpreter = Interpreter(model_content=content)
        operators = {op["op_name"] for op in interpreter._get_ops_details()}
        assert operators and not [op for op in operators if op.startswith("Flex")]
        run = interpreter.get_signature_runner()
        (input_name,) = run.get_input_details()
        assert run.get_input_details()[input_name]["shape_signature"][0] == -1
        for batch in (inputs[:1], inputs):
            expected = [v.numpy() for v in tf.nest.flatten(model(batch))]
            found = [*run(**{input_name: batch}).values()]
            # The converter may order the outputs in another way.
            assert len(found) == len(expected)
            for array in expected:
                assert min(np.abs(array - other).max() for other in found) <= 1e-5


# Initial values.


@every_network
def test_a_seed_decides_the_weights_alone(name):
    def weights(**kwargs):
        encoder, decoder = build(name, **kwargs)
        return [w.numpy() for w in encoder.weights + decoder.weights]

    keras.utils.set_random_seed(1)
    first = weights(seed=5)
    keras.utils.set_random_seed(2)
    again, other, free = weights(seed=5), weights(seed=6), weights()
    keras.utils.set_random_seed(2)
    weights(seed=5)
    unseeded_again = weights()
    for a, b, c, d, e in zip(first, again, other, free, unseeded_again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(d, e)
        if a.ndim > 1:
            assert np.all(a != c) and np.all(a != d)


@every_network
def test_every_layer_has_a_seed_of_its_own(name):
    """Else layers of one shape, z_mean and z_log_var first, would be the same."""
    encoder, decoder = build(name, seed=0)
    kernels = [
        w.numpy().ravel() for w in encoder.weights + decoder.weights if w.shape.rank > 1
    ]
    for a, b in itertools.combinations(kernels, 2):
        length = min(len(a), len(b))
        ratio = a[:length] / b[:length]
        assert not np.allclose(ratio, ratio[0], rtol=1e-3)


@every_network
@pytest.mark.parametrize(
    ("likelihood", "low", "high"),
    [
        ("bernoulli", 0.05, 0.95),
        ("continuous_bernoulli", 0.05, 0.95),
        (likelihoods.Gaussian(scale="learned_per_output"), -2.0, 2.0),
        ("categorical", 0.1, 0.9),
        ("discretized_logistic", 0.05, 0.95),
        ("poisson", 0.5, 20.0),
    ],
)
def test_the_decoder_starts_at_the_mean_of_the_data(name, likelihood, low, high):
    data_shape = (9, 8, 3)
    data_mean = np.linspace(low, high, 9 * 8 * 3).reshape(data_shape)
    if likelihood == "categorical":  # Frequencies of the classes.
        data_mean /= data_mean.sum(axis=-1, keepdims=True)
    _, decoder = build(name, data_shape, likelihood, data_mean=data_mean)
    mean = likelihoods.get(likelihood).mean(decoder(np.zeros((1, LATENT_DIM))))[0]
    if name != "dense":  # One bias for each channel.
        data_mean = np.broadcast_to(data_mean.mean(axis=(0, 1)), data_shape)
    np.testing.assert_allclose(mean, data_mean, rtol=1e-4, atol=1e-4)


@every_network
def test_without_a_mean_the_decoder_starts_at_zero(name):
    _, decoder = build(name)
    np.testing.assert_array_equal(decoder(np.zeros((1, LATENT_DIM))), 0.0)


@every_network
def test_the_ends_start_near_the_prior_and_the_mean(name):
    """Full-sized heads start far away, and some runs lose all latent dimensions."""
    encoder, decoder = networks.get(name)((28, 28, 1), 50, seed=0)
    x = uniform(64, 28, 28, 1)
    z_mean, z_log_var = (output.numpy() for output in encoder(x))
    kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    assert 0 < kl.mean() < 0.1
    parameters = decoder(normal(64, 50)).numpy()
    assert 0.05 < parameters.std() < 0.5


# Training.


@every_network
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_one_step_moves_every_weight(name, policy):
    keras.config.set_dtype_policy(policy)
    encoder, decoder = build(name, seed=0)
    x = uniform(16, 9, 11, 2)
    variables = encoder.trainable_variables + decoder.trainable_variables
    assert len(variables) == len(encoder.weights + decoder.weights)
    before = [variable.numpy() for variable in variables]
    with tf.GradientTape() as tape:
        loss = elbo_loss(encoder, decoder, likelihoods.Bernoulli(), x)
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, variables), variables)
    for variable, old in zip(variables, before, strict=True):
        assert np.any(variable.numpy() != old), variable.path
        assert np.all(np.isfinite(variable)), variable.path


@every_network
def test_training_lowers_the_loss(name):
    """Below the best that a decoder which ignores z can do.

    That is the cost of the mean image, the sum of the entropies of its values.
    """
    templates = uniform(4, 9, 11, 2) > 0.5
    x = np.tile(templates, (8, 1, 1, 1)).astype("float32")
    encoder, decoder = build(name, data_mean=x.mean(axis=0), seed=0)
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = elbo_loss(encoder, decoder, likelihoods.Bernoulli(), x)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = [float(step()) for _ in range(60)]
    mean = np.clip(x.mean(axis=0), 1e-6, 1 - 1e-6)
    entropy = -np.sum(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))
    assert losses[-1] < entropy


@every_network
def test_an_example_does_not_depend_on_its_batch_nor_on_training(name):
    encoder, decoder = build(name)
    for model, inputs in [
        (encoder, uniform(6, 9, 11, 2)),
        (decoder, normal(6, LATENT_DIM)),
    ]:
        alone = tf.nest.flatten(model(inputs[:1]))
        together = tf.nest.flatten(model(inputs, training=True))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a[0], b[0], rtol=1e-5, atol=1e-6)


# By name.


@every_network
def test_get(name):
    builder = getattr(networks, name)
    assert networks.get(name) is builder
    assert networks.get(builder) is builder


def test_get_unknown():
    with pytest.raises(ValueError, match="network='convolution'.*'convolutional'"):
        networks.get("convolution")
    with pytest.raises(ValueError, match="convolutional.*dense.*residual.*None"):
        networks.get(None)
