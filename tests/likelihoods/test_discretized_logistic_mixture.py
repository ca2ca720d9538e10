"""The discretized mixture of logistics: every level, and every colour of few levels."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from scipy.special import expit, softmax

import keras_vae
from keras_vae.likelihoods import DiscretizedLogistic, DiscretizedLogisticMixture

RNG = np.random.default_rng(0)


def level_probs(loc, log_scale, levels):
    """Of the levels, at float64: differences of the cdf between the edges."""
    edges = (np.arange(levels - 1) + 0.5) / (levels - 1)
    cdf = expit((edges - loc) / np.exp(log_scale))
    return np.diff(np.concatenate([[0.0], cdf, [1.0]]))


def colour_probs(parameters, levels):
    """`(levels, levels, levels)`: of all colours, by the formulas of the docstring."""
    num = len(parameters) // 10
    weights = softmax(parameters[:num])
    loc, log_scale, coefficients = parameters[num:].reshape(3, num, 3)
    a, b, c = np.tanh(coefficients).T
    total = np.zeros((levels,) * 3)
    x = np.arange(levels) / (levels - 1) - 0.5
    for k in range(num):
        red = level_probs(loc[k, 0], log_scale[k, 0], levels)
        for i, j in itertools.product(range(levels), repeat=2):
            green = level_probs(loc[k, 1] + a[k] * x[i], log_scale[k, 1], levels)
            shift = b[k] * x[i] + c[k] * x[j]
            blue = level_probs(loc[k, 2] + shift, log_scale[k, 2], levels)
            total[i, j] += weights[k] * red[i] * green[j] * blue
    return total


def draw_parameters(num, rng=RNG):
    logits = rng.normal(size=num)
    loc, log_scale = rng.uniform(0, 1, (num, 3)), rng.uniform(-4, -1, (num, 3))
    coefficients = 2 * rng.normal(size=(num, 3))
    return np.concatenate([x.ravel() for x in (logits, loc, log_scale, coefficients)])


def test_of_one_channel_every_level():
    logits, loc = RNG.normal(size=3), np.array([-0.1, 0.4, 0.9])
    log_scale = np.array([-2.0, -4.0, -5.5])
    expected = softmax(logits) @ [
        level_probs(m, s, 256) for m, s in zip(loc, log_scale, strict=True)
    ]
    parameters = np.tile([*logits, *loc, *log_scale], (256, 1))
    x = np.arange(256)[:, None] / 255
    likelihood = DiscretizedLogisticMixture(num_components=3)
    found = np.exp(np.float64(likelihood.log_prob(x, parameters)))
    # float32 knows x - loc to 1e-7, and log p moves by 1 / scale for each unit of it.
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    mean = float(likelihood.mean(parameters[:1])[0, 0])
    assert mean == pytest.approx(expected @ x[:, 0], abs=1e-5)


@pytest.mark.parametrize("num_components", [1, 3])
def test_of_colours_every_one(num_components):
    levels = 5
    parameters = draw_parameters(num_components)
    expected = colour_probs(parameters, levels).ravel()
    assert expected.sum() == pytest.approx(1.0)
    x = np.array([*itertools.product(range(levels), repeat=3)]) / (levels - 1)
    likelihood = DiscretizedLogisticMixture(num_components, levels)
    rows = np.tile(parameters, (len(x), 1))
    found = np.exp(np.float64(likelihood.log_prob(x, rows)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    # Values: what is known of a channel given those before it.
    probs = expected.reshape((levels,) * 3)
    red, green = probs.sum(axis=(1, 2)), probs.sum(axis=2)
    index = np.rint(x * (levels - 1)).astype(int).T
    conditional = [
        red[index[0]],
        green[*index[:2]] / red[index[0]],
        probs[*index] / green[*index[:2]],
    ]
    values = np.exp(np.float64(likelihood.log_prob_per_value(x, rows)))
    likely = expected > 1e-8
    np.testing.assert_allclose(
        values[likely], np.stack(conditional, axis=1)[likely], rtol=1e-3
    )
    # The mean: red's to rounding, the others over 64 points.
    error = np.abs(likelihood.mean(rows[:1])[0] - expected @ x)
    assert error[0] < 1e-5 and error.max() < 0.01


def test_draws_have_the_probabilities_of_colours():
    levels = 4
    parameters = draw_parameters(2)
    expected = 50_000 * colour_probs(parameters, levels).ravel()
    rows = np.tile(parameters.astype("float32"), (50_000, 1))
    x = DiscretizedLogisticMixture(2, levels).sample(rows, seed=1)
    index = np.rint(x.numpy() * (levels - 1)).astype(int) @ [levels**2, levels, 1]
    counts = np.bincount(index, minlength=levels**3)
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


def test_the_mean_of_colours_of_256_levels():
    likelihood = DiscretizedLogisticMixture(num_components=3)
    for seed in range(3):
        parameters = draw_parameters(3, np.random.default_rng(seed))
        rows = np.tile(parameters.astype("float32"), (100_000, 1))
        sample = np.float64(likelihood.sample(rows, seed=seed))
        error = np.abs(likelihood.mean(rows[:1])[0] - sample.mean(axis=0))
        standard_error = sample.std(axis=0) / np.sqrt(len(sample))
        assert np.all(error < 4 * standard_error + [0.0, 0.003, 0.003])


def test_one_component_is_the_discretized_logistic():
    one, single = DiscretizedLogisticMixture(1), DiscretizedLogistic()
    x = np.round(255 * RNG.uniform(size=(9, 4))) / 255
    loc, log_scale = RNG.uniform(size=(9, 4)), RNG.uniform(-4, 0, size=(9, 4))
    parameters = np.concatenate([RNG.normal(size=(9, 4)), loc, log_scale], axis=-1)
    expected = np.concatenate([loc, log_scale], axis=-1)
    for name in ("log_prob", "log_prob_per_value"):
        np.testing.assert_allclose(
            getattr(one, name)(x, parameters),
            getattr(single, name)(x, expected),
            rtol=1e-5,
        )
    np.testing.assert_allclose(one.mean(parameters), single.mean(expected), rtol=1e-5)
    # Of a colour without coefficients the channels are independent.
    colours, zeros = x[:, :3], np.zeros((9, 3))
    parameters = [RNG.normal(size=(9, 1)), loc[:, :3], log_scale[:, :3], zeros]
    parameters = np.concatenate(parameters, axis=-1)
    expected = np.concatenate([loc[:, :3], log_scale[:, :3]], axis=-1)
    np.testing.assert_allclose(
        one.log_prob_per_value(colours, parameters),
        single.log_prob_per_value(colours, expected),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        one.mean(parameters), single.mean(expected), atol=0.5 / 255
    )


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("value", [-1e6, -50.0, 50.0, 1e6])
def test_limits_are_finite(value, size):
    likelihood = DiscretizedLogisticMixture(2)
    shape = likelihood.parameter_shape((size,))
    signs = np.where(np.arange(shape[0]) % 3, 1.0, -1.0)
    parameters = tf.constant(np.tile(value * signs, (3, 1)), tf.float32)
    x = np.tile(np.array([[0.0], [100 / 255], [1.0]]), (1, size))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = likelihood.log_prob(x, parameters)
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, parameters)))
    mean = likelihood.mean(parameters)
    assert np.all((mean >= -1e-6) & (mean <= 1 + 1e-6))
    assert np.all(likelihood.in_support(likelihood.sample(parameters, seed=0)))


def test_components_begin_apart_with_the_mean_of_the_data():
    likelihood = DiscretizedLogisticMixture(5)
    bias = likelihood.initial_bias([[0.1, 0.4, 0.97], [0.5, 0.5, 0.5]])
    assert bias.shape == (2, 50)
    np.testing.assert_allclose(
        likelihood.mean(bias[None])[0], [[0.1, 0.4, 0.97], [0.5] * 3], atol=1e-4
    )
    log_scales = bias[:, 20:35].reshape(2, 5, 3)
    assert len(np.unique(log_scales)) == 5


def test_a_colour_counts_as_a_whole():
    likelihood = DiscretizedLogisticMixture(2)
    x = np.float32([[[0.0, 1.0, 0.123], [0.0, 1.0, 0.2]]])
    assert not likelihood.in_support(x)[0]
    values = likelihood.log_prob_per_value(x, np.zeros((1, 2, 20), "float32"))
    assert np.all(np.isneginf(values[0, 0])) and np.all(np.isfinite(values[0, 1]))


def test_parameters_of_colours_taken_for_three_values():
    with pytest.raises(ValueError, match="hold 20 numbers for each colour"):
        DiscretizedLogisticMixture(2).mean(np.zeros((4, 18)))
    with pytest.raises(ValueError, match="hold 6 numbers for each value"):
        DiscretizedLogisticMixture(2).mean(np.zeros((4, 7)))


@pytest.mark.parametrize(
    ("argument", "value"), [("num_components", 0), ("levels", 1), ("levels", 257)]
)
def test_arguments(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` should be an integer"):
        DiscretizedLogisticMixture(**{argument: value})


@pytest.mark.slow
def test_a_model_of_colour_images_learns_and_its_mean_runs_on_a_phone(tmp_path):
    likelihood = DiscretizedLogisticMixture(2, levels=16)
    grey = RNG.uniform(size=(64, 8, 8, 1))
    x = np.round(15 * np.clip(grey + 0.05 * RNG.normal(size=(64, 8, 8, 3)), 0, 1)) / 15
    x = x.astype("float32")
    networks = keras_vae.networks.convolutional(
        (8, 8, 3), 2, likelihood, filters=(4,), hidden_units=(8,), seed=0
    )
    vae = keras_vae.VAE(*networks, likelihood=likelihood, seed=0)
    vae.compile("adam")
    losses = vae.fit(x, epochs=4, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    saved = keras_vae.export.export_saved_models(vae, tmp_path)
    keras_vae.export.write_parity(
        vae, tmp_path / "parity.npz", version=saved.version, data=x
    )
    keras_vae.export.export_tflite(vae, tmp_path / "tflite", test_data=x)
    results = keras_vae.export.verify(tmp_path)
    assert len(results) > 6 and all(result.passed for result in results)
