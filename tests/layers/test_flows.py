"""Masks, flows and their inverses against automatic differentiation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import layers
from keras_vae.layers import (
    AutoregressiveNetwork,
    CouplingFlow,
    InverseAutoregressiveFlow,
    MaskedDense,
)

RNG = np.random.default_rng(0)
FLOWS = [InverseAutoregressiveFlow, CouplingFlow]


def scatter(layer, scale=0.5):
    """Weights somewhere: at the start a flow is nearly the identity."""
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(0, scale, w.shape) for w in layer.get_weights()])
    return layer


def make(flow_class, latent_shape, context_shape=None, **kwargs):
    flow = flow_class(hidden_units=(9, 7), **kwargs)
    flow.build(latent_shape, context_shape)
    return scatter(flow)


def jacobian(function, z):
    """d function(z) / dz for one vector z, `(dim, dim)`, a row at a time."""
    z = tf.constant(z)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        values = tf.unstack(function(z))
    zero = tf.UnconnectedGradients.ZERO
    return np.float64([tape.gradient(v, z, unconnected_gradients=zero) for v in values])


# Masks.


def test_an_output_sees_the_inputs_up_to_its_degree():
    layer = scatter(MaskedDense([1, 2, 2, 5], [0, 2, 5, 1, 4]))
    seen = jacobian(lambda z: layer(z[None])[0], RNG.normal(size=4).astype("float32"))
    expected = [[i <= j for i in (1, 2, 2, 5)] for j in (0, 2, 5, 1, 4)]
    np.testing.assert_array_equal(seen != 0, expected)
    strict = scatter(MaskedDense([1, 2], [1, 2], strict=True))
    seen = jacobian(lambda z: strict(z[None])[0], np.ones(2, "float32"))
    np.testing.assert_array_equal(seen != 0, [[False, False], [True, False]])


@pytest.mark.parametrize("hidden_units", [(), (4,), (12, 9)])
@pytest.mark.parametrize("degrees", [[1, 2, 3, 4], [3, 1, 4, 2], [2, 1, 2, 1], [1]])
def test_an_output_depends_on_values_of_lower_degrees_alone(degrees, hidden_units):
    network = AutoregressiveNetwork(degrees, 2, hidden_units, activation="tanh")
    network.build((None, len(degrees)), (None, 3))
    scatter(network)
    z, context = RNG.normal(size=len(degrees)), RNG.normal(size=(1, 3))
    for k in range(2):
        seen = jacobian(
            lambda z, k=k: network(z[None], context)[k][0], z.astype("float32")
        )
        expected = np.less.outer(degrees, degrees).T
        np.testing.assert_array_equal(seen != 0, expected)
        # The context is for all, the first value too.
        of_context = jacobian(
            lambda c, k=k: network(z[None].astype("float32"), c[None])[k][0],
            context[0].astype("float32"),
        )
        assert np.all(of_context != 0)


# Flows.


@pytest.mark.parametrize("flow_class", FLOWS)
@pytest.mark.parametrize(
    ("latent_shape", "context_shape"),
    [((5,), None), ((5,), (3,)), ((2, 2, 1), (2, 3)), ((1,), (2,)), ((1,), None)],
)
def test_log_det_is_that_of_the_jacobian(flow_class, latent_shape, context_shape):
    flow = make(flow_class, latent_shape, context_shape, num_steps=3)
    z = RNG.normal(size=(2, 3, *latent_shape)).astype("float32")
    context = None
    if context_shape is not None:
        context = RNG.normal(size=(3, *context_shape)).astype("float32")
    moved, log_det = flow(z, context)
    assert moved.shape == z.shape and log_det.shape == (2, 3)
    assert np.abs(moved - z).max() > 0.1
    for k in range(2):
        for i in range(3):

            def one(flat, i=i):
                row = None if context is None else context[i : i + 1]
                value, _ = flow(tf.reshape(flat, (1, 1, *latent_shape)), row)
                return tf.reshape(value, (-1,))

            sign, expected = np.linalg.slogdet(jacobian(one, z[k, i].reshape(-1)))
            assert sign == 1
            assert float(log_det[k, i]) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("context_shape", [None, (3,)])
@pytest.mark.parametrize("latent_shape", [(5,), (2, 3, 1), (1,)])
def test_inverse_of_a_coupling_undoes_it(latent_shape, context_shape):
    flow = make(CouplingFlow, latent_shape, context_shape, num_steps=6)
    z = RNG.normal(size=(7, 3, *latent_shape)).astype("float32")
    context = context_shape and RNG.normal(size=(3, *context_shape))
    moved, log_det = flow(z, context)
    back, minus = flow.inverse(moved, context)
    np.testing.assert_allclose(back, z, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(minus, -log_det, rtol=1e-4, atol=1e-4)


def test_at_the_start_a_coupling_is_the_identity_and_an_autoregression_near_it():
    z = RNG.normal(size=(2, 3, 4)).astype("float32")
    coupling = CouplingFlow()
    coupling.build((4,))
    moved, log_det = coupling(z)
    np.testing.assert_array_equal(moved, z)
    np.testing.assert_array_equal(log_det, np.zeros((2, 3)))
    flow = InverseAutoregressiveFlow(num_steps=2)
    flow.build((4,))
    moved, log_det = flow(z)
    # sigmoid(2) of z in each of two steps.
    kept = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(moved, kept**2 * z, rtol=1e-5)
    np.testing.assert_allclose(log_det, np.full((2, 3), 8 * np.log(kept)), rtol=1e-5)


def test_a_step_of_the_autoregression_sees_those_before_and_the_next_those_after():
    for steps, upper in ((1, False), (2, True)):
        flow = make(InverseAutoregressiveFlow, (4,), num_steps=steps)
        found = jacobian(lambda z: flow(z[None, None])[0][0, 0], np.ones(4, "float32"))  # noqa: B023
        assert np.any(np.triu(found, 1) != 0) == upper
        assert np.all(found[np.tril_indices(4)] != 0)


@pytest.mark.parametrize("dim", [2, 3, 5, 8])
def test_couplings_separate_any_two_values(dim):
    num_bits = (dim - 1).bit_length()
    changed = [CouplingFlow._changed(dim, step) for step in range(2 * num_bits)]
    for step in range(0, 2 * num_bits, 2):
        np.testing.assert_array_equal(changed[step] + changed[step + 1], np.ones(dim))
    for i in range(dim):
        for j in range(i):
            assert any(step[i] != step[j] for step in changed)


@pytest.mark.parametrize("flow_class", FLOWS)
def test_gradients_are_finite_where_the_networks_overshoot(flow_class):
    flow = make(flow_class, (4,))
    scatter(flow, scale=100.0)
    with tf.GradientTape() as tape:
        z, log_det = flow(tf.fill((1, 2, 4), 3.0))
        total = tf.reduce_sum(z) + tf.reduce_sum(log_det)
    assert np.isfinite(total)
    for gradient in tape.gradient(total, flow.trainable_variables):
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("flow_class", FLOWS)
def test_draws_share_the_context_of_their_example(flow_class):
    flow = make(flow_class, (4,), (3,))
    z = RNG.normal(size=(5, 2, 4)).astype("float32")
    context = RNG.normal(size=(2, 3)).astype("float32")
    together, _ = flow(z, context)
    for k in range(5):
        alone, _ = flow(z[k : k + 1, 1:], context[1:])
        np.testing.assert_allclose(alone[0, 0], together[k, 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("flow_class", FLOWS)
def test_seeds_and_files(flow_class, tmp_path):
    flows = [flow_class(seed=seed) for seed in (3, 3, 4)]
    for flow in flows:
        flow.build((4,), (3,))
    first, same, other = (np.concatenate([*map(np.ravel, f.weights)]) for f in flows)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    config = keras.saving.serialize_keras_object(flows[0])
    clone = keras.saving.deserialize_keras_object(config)
    assert type(clone) is flow_class and clone.built
    assert clone.get_config() == flows[0].get_config()
    np.testing.assert_array_equal(
        np.concatenate([*map(np.ravel, clone.weights)]), first
    )


def test_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        for flow_class in FLOWS:
            flow = make(flow_class, (4,))
            z, log_det = flow(tf.ones((1, 2, 4), tf.float16))
            assert z.dtype == log_det.dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: CouplingFlow(num_steps=0), "`num_steps` should be an integer >= 1"),
        (lambda: CouplingFlow(hidden_units=64), r"`hidden_units`.*hidden_units=64"),
        (lambda: CouplingFlow(seed=-1), "`seed`.*seed=-1"),
        (
            lambda: AutoregressiveNetwork([]),
            "`degrees` should be a tuple of integers >= 1",
        ),
        (lambda: AutoregressiveNetwork([0, 1]), r"integers >= 1.*\[0, 1\]"),
        (lambda: MaskedDense([1], [-1]), r"`output_degrees`.*\[-1\]"),
        (
            lambda: make(CouplingFlow, (4,))(tf.ones((1, 2, 4)), tf.ones((2, 3))),
            "`context` should be what the flow was built for: no context",
        ),
        (
            lambda: make(CouplingFlow, (4,), (3,)).inverse(tf.ones((1, 2, 4))),
            "a context. Received: context=None",
        ),
    ],
)
def test_errors(function, message):
    with pytest.raises(ValueError, match=message):
        function()


def test_what_has_no_inverse_says_so():
    flow = make(InverseAutoregressiveFlow, (4,))
    with pytest.raises(NotImplementedError, match="Mend: keras_vae.layers.CouplingF"):
        flow.inverse(tf.ones((1, 2, 4)))
    assert layers.Flow in InverseAutoregressiveFlow.__mro__
