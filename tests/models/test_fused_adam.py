"""One pass over memory is the Adam of Keras, on its own variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.models.fused_adam import fused

RNG = np.random.default_rng(0)
START = [RNG.normal(size=shape).astype("float32") for shape in ((5, 3), (3,), (2,))]
GRADIENTS = [
    [RNG.normal(scale=10.0**-k, size=w.shape).astype("float32") for w in START]
    for k in (0, 3, 1, 8, 2)
]
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.97, epsilon=1e-5),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "clipped": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.5),
    "averaged": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "accumulated": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "scheduled": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(0.1, 4)
    ),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
}


def numbers(optimizer):
    return {v.path: np.array(v) for v in optimizer.variables}


def train(optimizer, context, jit_compile=False):
    """Weights and state after all gradients."""
    variables = [keras.Variable(w, name=f"w{i}") for i, w in enumerate(START)]
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(*gradients):
        with context(optimizer):
            optimizer.apply(gradients, variables)

    for gradients in GRADIENTS:
        step(*map(tf.constant, gradients))
    return [np.array(v) for v in [*variables, *optimizer.variables]]


def assert_equal_to_rounding(received, expected):
    """Of five steps, each of which rounds a few times at the size of the numbers.

    The state may differ by more: in float32 1 - 0.999 is 1.3e-5 of itself less.
    """
    of_beta = abs(np.float64(np.float32(0.999)) - 0.999) / (1 - 0.999)
    for index, (a, b) in enumerate(zip(received, expected, strict=True)):
        rtol = 1e-6 if index < len(START) else 1e-6 + of_beta
        atol = 8 * 2.0**-24 * np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


class Plain:
    """What `fused` is where it leaves all to Keras."""

    def __init__(self, optimizer):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_and_state_are_those_of_keras(name, jit_compile):
    of_keras, ours = OPTIMIZERS[name](), OPTIMIZERS[name]()
    expected = train(of_keras, Plain)
    received = train(ours, fused, jit_compile=jit_compile)
    assert_equal_to_rounding(received, expected)
    assert "update_step" not in vars(ours)


def test_a_step_by_hand():
    """Equations of Kingma & Ba, in float64."""
    w, *_ = train(OPTIMIZERS["adam"](), fused)
    m = v = 0.0
    expected = np.float64(START[0])
    for t, (g, *_) in enumerate(np.float64(g[:1]) for g in GRADIENTS):
        m, v = 0.8 * m + 0.2 * g, 0.97 * v + 0.03 * g**2
        rate = 0.01 * np.sqrt(1 - 0.97 ** (t + 1)) / (1 - 0.8 ** (t + 1))
        expected = expected - rate * m / (np.sqrt(v) + 1e-5)
    np.testing.assert_allclose(w, expected, rtol=1e-5)


@pytest.mark.parametrize("first", [Plain, fused])
def test_the_one_goes_on_with_what_the_other_began(first):
    then = {Plain: fused, fused: Plain}[first]
    whole = train(OPTIMIZERS["adam"](), Plain)
    optimizer = OPTIMIZERS["adam"]()
    variables = [keras.Variable(w) for w in START]
    optimizer.build(variables)
    for context, part in ((first, GRADIENTS[:2]), (then, GRADIENTS[2:])):
        for gradients in part:
            with context(optimizer):
                optimizer.apply(list(map(tf.constant, gradients)), variables)
    received = [np.array(v) for v in [*variables, *optimizer.variables]]
    assert_equal_to_rounding(received, whole)


def operations(optimizer, dtype="float32", indexed=False):
    """Types of the operations of an update."""
    variable = keras.Variable(np.ones((4, 2)), dtype=dtype, autocast=False)
    optimizer.build([variable])

    @tf.function
    def step():
        gradient = tf.ones((4, 2), dtype)
        if indexed:
            gradient = tf.IndexedSlices(gradient[:1], [1], dense_shape=(4, 2))
        with fused(optimizer):
            optimizer.apply([gradient], [variable])

    graph = step.get_concrete_function().graph
    return {operation.type for operation in graph.get_operations()}


def test_the_kernel_is_used_where_it_says_the_same():
    kernel = "ResourceApplyAdam"
    assert kernel in operations(keras.optimizers.Adam())
    assert kernel in operations(keras.optimizers.AdamW())
    assert kernel not in operations(keras.optimizers.Adam(amsgrad=True))
    assert kernel not in operations(keras.optimizers.Adam(), dtype="float16")
    assert kernel not in operations(keras.optimizers.Adam(), indexed=True)
    assert kernel not in operations(keras.optimizers.Nadam())

    class Own(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, learning_rate * gradient)

    assert kernel not in operations(Own())


def types_in(function):
    library = function.graph.as_graph_def().library.function
    return {node.op for f in library for node in f.node_def}


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_vae_trains_with_it_and_its_file_is_of_keras(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    networks = keras_vae.networks.dense((6,), 2, hidden_units=(4,), seed=0)
    vae = keras_vae.VAE(*networks, seed=0)
    vae.compile("adam")
    x = RNG.uniform(size=(32, 6)).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices(x).batch(16)
    vae.fit(batches, epochs=1, verbose=0)
    step = tf.function(vae.train_step).get_concrete_function((tf.constant(x),))
    assert "ResourceApplyAdam" in types_in(step)
    vae.save(tmp_path / "model.keras")
    loaded = keras_vae.load(tmp_path / "model.keras")
    inner = getattr(loaded.optimizer, "inner_optimizer", loaded.optimizer)
    assert type(inner) is keras.optimizers.Adam
    assert (
        numbers(inner).keys()
        == numbers(getattr(vae.optimizer, "inner_optimizer", vae.optimizer)).keys()
    )
