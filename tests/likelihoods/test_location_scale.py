"""The Gaussian and the Laplace likelihood and their four ways to choose a scale."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae.likelihoods import Gaussian, Laplace
from keras_vae.likelihoods.location_scale import DECAY


def laplace_logpdf(x, loc, scale):
    # SciPy's takes the logarithm of a density that underflows.
    return -np.abs(x - loc) / scale - np.log(2 * scale)


# Class, log-density, and the scale of maximum likelihood of residuals.
FAMILIES = {
    "gaussian": (
        Gaussian,
        scipy.stats.norm.logpdf,
        lambda residual: np.sqrt(np.mean(np.float64(residual) ** 2)),
    ),
    "laplace": (
        Laplace,
        laplace_logpdf,
        lambda residual: np.mean(np.abs(np.float64(residual))),
    ),
}

rng = np.random.default_rng(0)
X = rng.normal(size=(16, 3, 2)).astype("float32")
LOC = rng.normal(size=(16, 3, 2)).astype("float32")


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def total(log_prob):
    return np.sum(log_prob, axis=tuple(range(1, log_prob.ndim)))


@pytest.mark.parametrize(
    "scale",
    [1e-3, 0.5, 1, 1e6, [0.1, 2.0], [[1.0], [2.0], [3.0]], np.full((3, 2), 0.7)],
)
def test_given_scale(family, scale):
    make, logpdf, _ = family
    likelihood = make(scale=scale)
    expected = total(logpdf(np.float64(X), np.float64(LOC), np.float64(scale)))
    np.testing.assert_allclose(likelihood.log_prob(X, LOC), expected, rtol=1e-5)
    np.testing.assert_allclose(
        likelihood.scale_of(LOC) * np.ones((1, 3, 2)),
        np.broadcast_to(scale, (1, 3, 2)),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(likelihood.mean(LOC), LOC)


@settings(max_examples=25)
@given(st.floats(0.05, 20), st.floats(-3, 3), st.sampled_from(sorted(FAMILIES)))
def test_density_integrates_to_one(scale, loc, name):
    likelihood = FAMILIES[name][0](scale=scale)
    # Simpson's rule on both sides of the location, where Laplace has its edge.
    half = np.linspace(0, 40, 20_001)
    log_prob = [
        likelihood.log_prob(
            (side * half * scale)[:, None], np.zeros((len(half), 1))
        ).numpy()
        for side in (-1, 1)
    ]
    integral = scipy.integrate.simpson(np.exp(np.float64(log_prob)), dx=40 / 20_000)
    np.testing.assert_allclose(np.sum(integral) * scale, 1.0, rtol=1e-5)
    shifted = likelihood.log_prob([[loc + scale]], [[loc]])
    expected = likelihood.log_prob([[scale]], [[0.0]])
    np.testing.assert_allclose(shifted, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "scale",
    [
        0,
        -1.0,
        np.nan,
        np.inf,
        1e-40,
        True,
        None,
        "optmal",
        [1.0, 0.0],
        [],
        [[1], [2, 3]],
    ],
)
def test_scales_that_are_none(family, scale):
    with pytest.raises(ValueError, match="`scale` should be a positive number"):
        family[0](scale=scale)


@pytest.mark.parametrize("min_scale", [0.0, -1.0, np.nan, "small", 1e-40])
def test_min_scales_that_are_none(family, min_scale):
    with pytest.raises(ValueError, match="`min_scale` should be a positive number"):
        family[0](scale="optimal", min_scale=min_scale)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (1, 3, 2), (2, 3, 2)])
def test_given_scale_never_widens_the_data(family, shape):
    likelihood = family[0](scale=np.ones(shape))
    for function in (
        lambda: likelihood.log_prob(X, LOC),
        lambda: likelihood.sample(LOC, seed=0),
        lambda: likelihood.scale_of(LOC),
        lambda: likelihood.log_prob(X[..., :1], LOC[..., :1]),
    ):
        with pytest.raises(ValueError, match=r"`scale` should broadcast to the data's"):
            function()


def test_learned_scale(family):
    make, logpdf, _ = family
    likelihood = make(scale="learned")
    (weight,) = likelihood.trainable_weights
    weight.assign(np.log(0.3))
    expected = total(logpdf(np.float64(X), LOC, 0.3))
    np.testing.assert_allclose(likelihood.log_prob(X, LOC), expected, rtol=1e-5)
    # d/dlog_scale log p = mean deviation / scale^power - 1, for each value.
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(likelihood.log_prob(X, LOC))
    deviation = np.abs(np.float64(X - LOC) / 0.3) ** likelihood.power
    np.testing.assert_allclose(
        tape.gradient(log_prob, weight.value), np.sum(deviation - 1), rtol=1e-5
    )


@pytest.mark.parametrize("min_scale", [1e-3, 0.1])
def test_learned_scales_have_a_floor_and_a_gradient_near_it(family, min_scale):
    likelihood = family[0](scale="learned", min_scale=min_scale)
    (weight,) = likelihood.trainable_weights
    for value, scale in (
        (np.log(min_scale) - 10, min_scale),
        (np.log(min_scale) + 1, min_scale * np.e),
        (3.0, np.exp(3.0)),
    ):
        weight.assign(value)
        with tf.GradientTape() as tape:
            found = likelihood.scale_of(LOC)
        np.testing.assert_allclose(found, scale, rtol=1e-4)
        assert tape.gradient(found, weight.value) > 0


def test_scale_learned_per_output(family):
    make, logpdf, _ = family
    likelihood = make(scale="learned_per_output")
    log_scale = rng.uniform(-5, 5, size=LOC.shape).astype("float32")
    parameters = np.concatenate([LOC, log_scale], axis=-1)
    expected = total(logpdf(np.float64(X), LOC, np.exp(np.float64(log_scale))))
    np.testing.assert_allclose(
        likelihood.log_prob(X, parameters), expected, rtol=1e-5, atol=1e-4
    )
    np.testing.assert_array_equal(likelihood.mean(parameters), LOC)
    assert not likelihood.weights


@pytest.mark.parametrize("log_scale", [-1e4, -50.0, 50.0, 1e4])
def test_scale_learned_per_output_cannot_overflow(family, log_scale):
    likelihood = family[0](scale="learned_per_output")
    parameters = tf.concat([LOC, np.full_like(LOC, log_scale)], axis=-1)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = likelihood.log_prob(X, parameters)
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, parameters)))
    assert np.all(np.isfinite(likelihood.sample(parameters, seed=0)))
    scale = np.exp(40.0) if log_scale > 0 else 1e-3
    np.testing.assert_allclose(likelihood.scale_of(parameters), scale, rtol=1e-4)


def test_optimal_scale_is_of_maximum_likelihood(family):
    make, logpdf, best = family
    log_prob = make(scale="optimal").log_prob(X, LOC, training=True)
    expected = total(logpdf(np.float64(X), LOC, best(X - LOC)))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)
    for factor in (0.9, 0.99, 1.01, 1.1):
        other = make(scale=best(X - LOC) * factor).log_prob(X, LOC)
        assert np.sum(other) < np.sum(log_prob)


def test_gradient_goes_through_the_optimal_scale(family):
    make, logpdf, best = family
    weight = np.linspace(0.0, 2.0, 16)

    def objective(loc):
        return np.sum(weight * total(logpdf(np.float64(X), loc, best(X - loc))))

    loc = tf.constant(LOC)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        log_prob = make(scale="optimal").log_prob(X, loc, training=True)
        weighted = tf.reduce_sum(weight.astype("float32") * log_prob)
    gradient = tape.gradient(weighted, loc).numpy()
    for index in [(0, 0, 0), (7, 2, 1), (15, 1, 0)]:
        step = np.zeros(LOC.shape)
        step[index] = 1e-5
        up, down = objective(LOC + step), objective(LOC - step)
        np.testing.assert_allclose(gradient[index], (up - down) / 2e-5, rtol=1e-4)


def test_average_of_the_optimal_scale(family):
    make, _, best = family
    likelihood = make(scale="optimal")
    assert float(likelihood.scale_of(LOC)) == 1.0  # Before any training.
    # After one batch it is that batch's: no start-up bias.
    likelihood.log_prob(X, LOC, training=True)
    np.testing.assert_allclose(likelihood.scale_of(LOC), best(X - LOC), rtol=1e-5)
    # A batch of 4, five times as far: weights 16 * DECAY and 4.
    likelihood.log_prob(5 * X[:4], 5 * LOC[:4], training=True)
    power = likelihood.power
    deviations = best(X - LOC) ** power, best(5 * (X[:4] - LOC[:4])) ** power
    expected = (16 * DECAY * deviations[0] + 4 * deviations[1]) / (16 * DECAY + 4)
    expected = expected ** (1 / power)
    np.testing.assert_allclose(likelihood.scale_of(LOC), expected, rtol=1e-5)
    # Outside training it changes nothing and is what is used.
    before = [float(weight) for weight in likelihood.weights]
    np.testing.assert_allclose(
        likelihood.log_prob(X, LOC), make(scale=expected).log_prob(X, LOC), rtol=1e-5
    )
    assert [float(weight) for weight in likelihood.weights] == before
    assert not likelihood.trainable_weights
    np.testing.assert_allclose(
        np.std(likelihood.sample(np.zeros((50_000, 2)), seed=0)),
        np.std(make(scale=expected).sample(np.zeros((50_000, 2)), seed=0)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e38])
def test_average_survives_a_batch_that_is_not_finite(family, broken):
    make, _, best = family
    likelihood = make(scale="optimal")
    likelihood.log_prob(X, LOC, training=True)
    expected = float(likelihood.scale_of(LOC))
    if broken != 1e38 or make is Gaussian:  # 1e38 squared is no float32.
        bad = np.where(np.arange(16)[:, None, None] == 3, broken, LOC)
        likelihood.log_prob(X, bad, training=True)
        assert float(likelihood.scale_of(LOC)) == expected
    # Neither does data outside the support count.
    bad = np.where(np.arange(16)[:, None, None] == 3, np.nan, 9 * X)
    likelihood.log_prob(bad, np.where(np.isnan(bad), 1e6, 9 * LOC), training=True)
    power, rest = likelihood.power, np.arange(16) != 3
    deviations = best(X - LOC) ** power, best(9 * (X - LOC)[rest]) ** power
    expected = (16 * DECAY * deviations[0] + 15 * deviations[1]) / (16 * DECAY + 15)
    np.testing.assert_allclose(
        likelihood.scale_of(LOC), expected ** (1 / power), rtol=1e-5
    )
    # And a batch with none inside leaves the scale.
    expected = float(likelihood.scale_of(LOC))
    log_prob = likelihood.log_prob(np.full_like(X, np.nan), LOC, training=True)
    assert np.all(log_prob == -np.inf)
    np.testing.assert_allclose(likelihood.scale_of(LOC), expected, rtol=1e-6)


def test_optimal_scale_has_a_floor(family):
    make, logpdf, _ = family
    likelihood = make(scale="optimal", min_scale=0.01)
    loc = tf.constant(X + np.float32(1e-4))
    with tf.GradientTape() as tape:
        tape.watch(loc)
        log_prob = likelihood.log_prob(X, loc, training=True)
    expected = total(logpdf(np.float64(X), loc.numpy(), 0.01))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)
    np.testing.assert_allclose(likelihood.log_prob(X, loc), expected, rtol=1e-5)
    # Under the floor, the gradient is that of a given scale.
    with tf.GradientTape() as given_tape:
        given_tape.watch(loc)
        given_log_prob = make(scale=0.01).log_prob(X, loc)
    np.testing.assert_allclose(
        tape.gradient(log_prob, loc),
        given_tape.gradient(given_log_prob, loc),
        rtol=1e-5,
    )
    # Exact reconstructions: finite, with a finite gradient.
    loc = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        log_prob = likelihood.log_prob(X, loc, training=True)
    assert np.all(np.isfinite(log_prob))
    np.testing.assert_array_equal(tape.gradient(log_prob, loc), 0.0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_optimal_scale_in_a_compiled_step(family, jit_compile):
    make = family[0]
    eager, compiled = make(scale="optimal"), make(scale="optimal")
    step = tf.function(compiled.log_prob, jit_compile=jit_compile)
    for factor in (1.0, 3.0):
        expected = eager.log_prob(factor * X, LOC, training=True)
        found = step(tf.constant(factor * X), tf.constant(LOC), training=True)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(
        [float(weight) for weight in compiled.weights],
        [float(weight) for weight in eager.weights],
        rtol=1e-6,
    )


# Two devices have to be asked for before TensorFlow starts: in a process of its own.
ON_TWO_REPLICAS = """
import numpy as np
import tensorflow as tf

devices = [tf.config.LogicalDeviceConfiguration()] * 2
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, devices)

from keras_vae.likelihoods import Gaussian

x = np.random.default_rng(0).normal(size=(3, 8, 2)).astype("float32")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    mirrored = Gaussian(scale="optimal")
single = Gaussian(scale="optimal")

@tf.function
def step(x):
    strategy.run(lambda x: mirrored.log_prob(x, 2 * x, training=True), args=(x,))

for factor, batch in zip([1.0, 5.0, 2.0], x):
    batch = factor * batch
    halves = tf.constant(np.split(batch, 2))
    step(strategy.experimental_distribute_values_from_function(
        lambda context: halves[context.replica_id_in_sync_group]
    ))
    single.log_prob(batch, 2 * batch, training=True)
    found, expected = mirrored.scale_of(x[0]), single.scale_of(x[0])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
# Half the examples on each replica: a sum over them would grow without end.
np.testing.assert_allclose(mirrored.example_total, single.example_total / 2, rtol=1e-5)
"""


@pytest.mark.slow
def test_average_of_the_optimal_scale_over_replicas():
    house = Path(__file__).parents[2]
    command = [sys.executable, "-c", ON_TWO_REPLICAS]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("make", "distribution"),
    [
        (Gaussian, scipy.stats.norm),
        (Laplace, scipy.stats.laplace),
    ],
    ids=["gaussian", "laplace"],
)
def test_sample_follows_the_cdf(make, distribution):
    sample = make(scale=0.5).sample(np.full((10_000, 2), 3.0, "float32"), seed=1)
    cdf = distribution(loc=3.0, scale=0.5).cdf
    assert scipy.stats.kstest(np.ravel(sample).astype("float64"), cdf).pvalue > 1e-3


def test_initial_bias():
    np.testing.assert_allclose(Gaussian().initial_bias([1.5, -2.0]), [1.5, -2.0])
    bias = Laplace(scale="learned_per_output").initial_bias([[1.5, -2.0]])
    np.testing.assert_allclose(bias, [[1.5, -2.0, 0.0, 0.0]])
