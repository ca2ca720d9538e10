"""Laws that hold for every member of a family: one call for each new member."""

import inspect
import json

import keras
import numpy as np
import tensorflow as tf

from keras_vae import likelihoods, noise


def check_likelihood(likelihood, x, parameters):
    """Holds a likelihood to the laws of `keras_vae.likelihoods.Likelihood`.

    Args:
        likelihood: `Likelihood`.
        x: float32 array `(batch, *data_shape)`, at least two examples, in the support,
            its last axis longer than one, its mean over the batch one that the
            likelihood can have.
        parameters: float32 array `(batch, *parameter_shape(data_shape))`.
    """
    _check_shapes_and_dtypes(likelihood, x, parameters)
    _check_shape_errors(likelihood, x, parameters)
    _check_examples_are_independent(likelihood, x, parameters)
    _check_outside_support(likelihood, x, parameters)
    _check_per_value(likelihood, x, parameters)
    _check_support(likelihood, x)
    _check_sample(likelihood, parameters)
    _check_seeds(likelihood, parameters)
    _check_initial_bias(likelihood, x)
    _check_graph_and_xla(likelihood, x, parameters)
    _check_mixed_precision(likelihood, x, parameters)
    _check_serialization(likelihood, x, parameters)


def _check_shapes_and_dtypes(likelihood, x, parameters):
    assert likelihood.parameter_shape(x.shape[1:]) == parameters.shape[1:]
    assert likelihood.identifier
    inside = likelihood.in_support(x)
    assert inside.dtype == tf.bool and inside.shape == (len(x),)
    assert np.all(inside)
    log_prob = likelihood.log_prob(x, parameters)
    assert log_prob.dtype == tf.float32 and log_prob.shape == (len(x),)
    assert np.all(np.isfinite(log_prob))
    mean = likelihood.mean(parameters)
    assert mean.dtype == tf.float32 and mean.shape == x.shape
    assert np.all(np.isfinite(mean))


def _check_shape_errors(likelihood, x, parameters):
    """What does not fit is an error: nothing broadcasts."""
    for wrong in (x[:1], x[..., :1], x[..., 0], x[:, None], np.repeat(x, 2, axis=-1)):
        for training in (False, True):
            _assert_raises(
                ValueError, likelihood.log_prob, wrong, parameters, training=training
            )
    # A batch size that is known only when the graph runs.
    batch_of_any_size = [tf.TensorSpec((None, *v.shape[1:])) for v in (x, parameters)]
    for jit_compile in (False, True):
        compiled = tf.function(
            likelihood.log_prob,
            input_signature=batch_of_any_size,
            jit_compile=jit_compile,
        )
        error = tf.errors.InvalidArgumentError
        _assert_raises(error, compiled, x[:1], parameters)
        _assert_raises(error, compiled, x, parameters[:1])


def _check_examples_are_independent(likelihood, x, parameters):
    together = likelihood.log_prob(x, parameters)
    alone = likelihood.log_prob(x[1:2], parameters[1:2])
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-6, atol=1e-6)


def _check_outside_support(likelihood, x, parameters):
    """-inf for one example; the others and their gradients as if it were not there."""
    rest = np.arange(len(x)) != 1
    for value in (np.nan, np.inf, -np.inf):
        for training in (False, True):
            broken = x.copy()
            broken[1].flat[0] = value
            assert likelihood.in_support(broken).numpy().tolist() == rest.tolist()
            found, gradient = _log_prob_and_gradient(
                likelihood, broken, parameters, training
            )
            expected, expected_gradient = _log_prob_and_gradient(
                likelihood, x[rest], parameters[rest], training
            )
            assert found[1] == -np.inf
            np.testing.assert_allclose(found[rest], expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(gradient[1], 0.0)
            np.testing.assert_allclose(
                gradient[rest], expected_gradient, rtol=1e-4, atol=1e-5
            )


def _check_per_value(likelihood, x, parameters):
    """Its sum is `log_prob`; what is outside is -inf and has no gradient."""
    values, gradient = _log_prob_and_gradient(
        likelihood, x, parameters, function=likelihood.log_prob_per_value
    )
    assert values.dtype == np.float32 and values.shape == x.shape
    np.testing.assert_allclose(
        values.reshape(len(x), -1).sum(axis=1, dtype="float64"),
        likelihood.log_prob(x, parameters),
        rtol=1e-5,
        atol=1e-5,
    )
    broken = x.copy()
    broken[1].flat[0] = np.nan
    inside = likelihood.support.contains(broken).numpy()
    found, broken_gradient = _log_prob_and_gradient(
        likelihood, broken, parameters, function=likelihood.log_prob_per_value
    )
    assert not inside[1].flat[0] and inside.sum() >= inside.size - x.shape[-1]
    np.testing.assert_array_equal(found, np.where(inside, values, -np.inf))
    num_blocks = parameters.shape[-1] // x.shape[-1]
    blocks = np.concatenate([inside] * num_blocks, axis=-1)
    np.testing.assert_array_equal(broken_gradient, np.where(blocks, gradient, 0.0))


def _check_support(likelihood, x):
    support = likelihood.support
    assert str(support) and support.kind and "object at" not in str(support)
    assert isinstance(support.low, float) and isinstance(support.high, float)
    assert np.all((x >= support.low - 1e-6) & (x <= support.high + 1e-6))
    inside = support.contains(x)
    assert inside.dtype == tf.bool and inside.shape == x.shape and np.all(inside)
    # Outside are what is not finite and what is beyond its ends.
    for value in (np.nan, support.low - 1, support.high + 1, np.inf, -np.inf):
        broken = x.copy()
        broken[1].flat[0] = value
        assert not support.contains(broken).numpy()[1].flat[0]
        if np.isfinite(value):
            assert f"{value:g}" in support.explain(broken)


def _check_sample(likelihood, parameters):
    sample = likelihood.sample(parameters, seed=7)
    assert sample.dtype == tf.float32
    assert sample.shape == likelihood.mean(parameters).shape
    assert np.all(likelihood.in_support(sample))
    np.testing.assert_array_equal(sample, likelihood.sample(parameters, seed=7))
    generator = keras.random.SeedGenerator(7)
    many = np.concatenate([parameters] * 8)
    first, second = (likelihood.sample(many, generator) for _ in range(2))
    assert np.any(first != second), "A SeedGenerator should move on."


def _check_seeds(likelihood, parameters):
    """Of rows, an example's draw depends on its own alone, however it is computed."""
    seed = noise.threefry2x32([3, 4], noise.example_seeds(5, 0, len(parameters)))
    expected = likelihood.sample(parameters, seed)
    assert np.all(likelihood.in_support(expected))
    order = np.arange(len(parameters))[::-3]
    found = likelihood.sample(parameters[order], seed.numpy()[order])
    np.testing.assert_allclose(found, expected.numpy()[order], rtol=1e-5, atol=1e-6)
    alike = np.repeat(parameters[:1], len(parameters), axis=0)
    once = likelihood.sample(alike, np.repeat(seed[:1], len(alike), axis=0))
    np.testing.assert_allclose(once, np.repeat(once[:1], len(alike), axis=0), rtol=1e-5)
    assert np.any(likelihood.sample(alike, seed) != once)
    specs = [
        tf.TensorSpec((None, *parameters.shape[1:])),
        tf.TensorSpec((None, 2), "int32"),
    ]
    for jit_compile in (False, True):
        sample = tf.function(likelihood.sample, specs, jit_compile=jit_compile)
        found = sample(tf.constant(parameters), seed)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        _assert_raises(
            tf.errors.InvalidArgumentError, sample, tf.constant(parameters), seed[:1]
        )
    for wrong in (None, 0.5, "7", seed[:1], seed[0], tf.cast(seed, tf.int64)):
        _assert_raises(ValueError, likelihood.sample, parameters, wrong)


def _check_initial_bias(likelihood, x):
    data_mean = x.mean(axis=0, dtype="float64")
    bias = likelihood.initial_bias(data_mean)
    assert bias.dtype == np.float32
    assert bias.shape == likelihood.parameter_shape(x.shape[1:])
    np.testing.assert_allclose(
        likelihood.mean(bias[None])[0], data_mean, rtol=1e-5, atol=1e-5
    )
    _assert_raises(ValueError, likelihood.initial_bias, np.full_like(data_mean, np.nan))


def _check_graph_and_xla(likelihood, x, parameters):
    def everything(x, parameters):
        results = _log_prob_and_gradient_tensors(likelihood, x, parameters)
        return (*results, likelihood.mean(parameters))

    x, parameters = tf.constant(x), tf.constant(parameters)
    expected = everything(x, parameters)
    for jit_compile in (False, True):
        found = tf.function(everything, jit_compile=jit_compile)(x, parameters)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def _check_mixed_precision(likelihood, x, parameters):
    """Inside a float16 layer too, everything is float32, weights included."""
    parameters = parameters.astype("float16")
    expected = likelihood.log_prob(x, parameters.astype("float32"))
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        clone = _clone(likelihood)
        layer = _LogProb(clone)
        found = layer(parameters, x)
        sample = clone.sample(parameters, seed=7)
    finally:
        keras.config.set_dtype_policy(policy)
    assert clone.compute_dtype == clone.variable_dtype == "float32"
    assert found.dtype == tf.float32 and sample.dtype == tf.float32
    assert clone.mean(parameters).dtype == tf.float32
    np.testing.assert_array_equal(found, expected)


class _LogProb(keras.layers.Layer):
    """A layer that works in the global policy, with a likelihood as its part."""

    def __init__(self, likelihood):
        super().__init__(autocast=False)
        self.likelihood = likelihood

    def call(self, parameters, x):
        return self.likelihood.log_prob(x, parameters)


def _check_serialization(likelihood, x, parameters):
    clone = _clone(likelihood)
    assert type(clone) is type(likelihood)
    config = likelihood.get_config()
    assert clone.get_config() == config
    for argument in _arguments(type(likelihood)):
        assert argument in config
        np.testing.assert_array_equal(
            getattr(clone, argument), getattr(likelihood, argument)
        )
    assert likelihoods.get(likelihood) is likelihood
    np.testing.assert_array_equal(
        clone.log_prob(x, parameters), likelihood.log_prob(x, parameters)
    )


def _arguments(cls):
    """Names of all arguments of a likelihood's constructor and of its bases'."""
    bases = cls.__mro__[: cls.__mro__.index(likelihoods.Likelihood) + 1]
    signatures = [inspect.signature(base.__init__) for base in bases]
    return {
        parameter.name
        for signature in signatures
        for parameter in signature.parameters.values()
        if parameter.name != "self" and parameter.kind != parameter.VAR_KEYWORD
    }


def _clone(likelihood):
    """What comes back from JSON, with the weights copied."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(likelihood)))
    clone = likelihoods.get(config)
    assert clone is not likelihood
    for weight, original in zip(clone.weights, likelihood.weights, strict=True):
        weight.assign(original)
    return clone


def _log_prob_and_gradient(likelihood, x, parameters, training=False, function=None):
    weights = [weight.numpy() for weight in likelihood.weights]
    log_prob, gradient = _log_prob_and_gradient_tensors(
        likelihood, tf.constant(x), tf.constant(parameters), training, function
    )
    for weight, value in zip(likelihood.weights, weights, strict=True):
        weight.assign(value)  # A training step may have moved an average.
    return log_prob.numpy(), gradient.numpy()


def _log_prob_and_gradient_tensors(
    likelihood, x, parameters, training=False, function=None
):
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        function = function or likelihood.log_prob
        log_prob = function(x, parameters, training=training)
        total = tf.reduce_sum(log_prob)
    return log_prob, tape.gradient(total, parameters)


def _assert_raises(error, function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
    except error:
        return
    raise AssertionError(f"Expected a {error.__name__}. Received: {result}")
