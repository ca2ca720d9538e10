"""What networks a model takes, and what it says of careless use."""

import tracemalloc
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae

X = (np.random.default_rng(0).uniform(size=(40, 12)) < 0.4).astype("float32")


def make_vae(**arguments):
    networks = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    vae = keras_vae.VAE(*networks, seed=0, **arguments)
    vae.compile(keras.optimizers.SGD(0.0))
    return vae


def named(**outputs):
    x = keras.Input((12,))
    heads = {name: keras.layers.Dense(2)(x) for name in outputs}
    return keras.Model(x, heads)


def test_an_encoder_may_name_its_outputs_in_any_order():
    encoder = named(z_log_var=1, z_mean=1)
    _, decoder = keras_vae.networks.dense((12,), 2)
    vae = keras_vae.VAE(encoder, decoder)
    outputs = encoder(X)
    z_mean, z_log_var = vae.encode(X)
    np.testing.assert_allclose(z_mean, outputs["z_mean"], rtol=1e-5)
    np.testing.assert_allclose(z_log_var, outputs["z_log_var"], rtol=1e-5)
    with pytest.raises(ValueError, match="outputs z_mean and z_log_var.*mean, scale"):
        keras_vae.VAE(named(mean=1, scale=1), decoder)


def conditional():
    """Base `VAE` on networks with a further input: labels of three classes."""
    x, z = keras.Input((12,), name="x"), keras.Input((2,), name="z")
    labels = [keras.Input((), dtype="int32", name="condition") for _ in range(2)]
    one_hot = [keras.layers.Embedding(3, 3)(label) for label in labels]
    hidden = keras.layers.Concatenate()([x, one_hot[0]])
    heads = [keras.layers.Dense(2, dtype="float32")(hidden) for _ in range(2)]
    joined = keras.layers.Concatenate()([z, one_hot[1]])
    parameters = keras.layers.Dense(12, dtype="float32")(joined)
    encoder = keras.Model({"x": x, "condition": labels[0]}, heads)
    decoder = keras.Model([z, labels[1]], parameters)
    vae = keras_vae.VAE(encoder, decoder, seed=0)
    vae.compile(keras.optimizers.Adam(0.01))
    return vae


LABELS = np.arange(40) % 3
DATA = {"x": X, "condition": LABELS}


def test_networks_with_further_inputs_make_a_conditional_model():
    vae = conditional()
    assert vae.encoder_conditions == vae.decoder_conditions == ("condition",)
    before = vae.elbo(DATA).mean()
    vae.fit(DATA, epochs=30, verbose=0, validation_data=DATA)
    assert vae.elbo(DATA).mean() > before + 1
    z = vae.codes(DATA)
    expected = tf.sigmoid(vae.decoder([z, LABELS]))
    np.testing.assert_allclose(
        vae.decode(z, condition=LABELS), expected, rtol=1e-4, atol=1e-6
    )
    ones = vae.sample(5, seed=0, condition=1)
    np.testing.assert_array_equal(ones, vae.sample(5, seed=0, condition=[1] * 5))
    assert np.abs(ones - vae.sample(5, seed=0, condition=2)).max() > 1e-4
    assert vae.interpolate(DATA, DATA, num_steps=3).shape == (40, 3, 12)
    metrics = keras_vae.evaluation.evaluate(vae, DATA, num_importance_samples=20)
    assert metrics["marginal_log_likelihood"] >= metrics["elbo"] - 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda vae: vae.fit(X), r"dictionary \{'x': ..., 'condition': ...\}.*x alone"),
        (lambda vae: vae.encode({"x": X}), "lacks 'condition'"),
        (lambda vae: vae.encode({**DATA, "label": LABELS}), "'label'.*not use"),
        (lambda vae: vae.encode({**DATA, "condition": LABELS[:3]}), r"\(40,\).*\(3,\)"),
        (lambda vae: vae.sample(3), "takes z, condition. Received: z"),
        (lambda vae: vae.sample(3, label=1), "takes z, condition. Received: z, label"),
    ],
)
def test_conditions_that_lack_or_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(conditional())


class Labelled(keras_vae.VAE):
    """A model with a use for labels that no network takes: one posterior a class."""

    @property
    def input_specs(self):
        label = tf.TensorSpec((None,), tf.int32, name="label")
        return {**super().input_specs, "label": label}

    def posterior(self, inputs, training=False):
        q = super().posterior(inputs, training)
        shift = tf.cast(inputs["label"], tf.float32)[:, None]
        return keras_vae.distributions.Normal(q.mean + shift, q.log_var)


def test_labels_reach_a_model_that_has_a_use_for_them():
    networks = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    plain, vae = keras_vae.VAE(*networks), Labelled(*networks, seed=0)
    vae.compile("adam")
    data = {"x": X, "label": LABELS}
    expected = plain.codes(X) + LABELS[:, None]
    np.testing.assert_allclose(vae.codes(data), expected, rtol=1e-5)
    vae.fit(data, validation_data=data, verbose=0)
    stream = tf.data.Dataset.from_tensor_slices(data).batch(16)
    vae.fit(stream, verbose=0)
    np.testing.assert_allclose(vae.elbo(stream), vae.elbo(data), rtol=1e-4)


def test_counting_examples_does_not_stop_at_the_precision_of_a_float():
    """Beyond 2**24 a float32 counter stays: neighbours would share their noise."""
    vae = make_vae()
    vae.reset_metrics()
    start = 2**24 + 1
    vae._counters.examples.assign(start)
    vae.test_step(tf.constant(X[:8]))
    logs = vae.test_step(tf.constant(X[8:16]))
    rows = keras_vae.noise.example_seeds(0, start, 16)
    expected = vae.deterministic_terms(tf.constant(X[:16]), rows).elbo
    assert float(logs["elbo"]) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_a_file_that_would_not_load_is_not_written(tmp_path, suffix):
    with pytest.raises(ValueError, match=r"\.keras.*vae.save\('model.keras'\)"):
        make_vae().save(tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool", "uint8", "float64"])
def test_binary_data_of_any_type(dtype):
    vae = make_vae()
    np.testing.assert_array_equal(vae.elbo(X.astype(dtype)), vae.elbo(X))
    assert np.isfinite(vae.fit(X.astype(dtype), verbose=0).history["loss"]).all()


def test_data_outside_the_support_are_refused_where_they_mean_nothing():
    vae = make_vae()
    for method in (vae.encode, vae.codes, vae.reconstruct):
        with pytest.raises(ValueError, match=r"`x`.*\[0, 1\].*255"):
            method(X * 255)
        with pytest.raises(ValueError, match=r"`x`.*\[0, 1\]"):
            method([X * 255])
    assert np.all(vae.elbo(X * 255)[X.sum(1) > 0] == -np.inf)


def test_unequal_batches_in_a_list():
    vae = make_vae()
    expected = vae.encode(X)[0]
    for cuts in ([16], [16, 32], [20]):
        found = vae.encode(np.split(X, cuts))[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((None,), r"`x`.*data of shape \(n, 12\).*None"),
        (((X, None, None, None),), "tuple of 4"),
    ],
)
def test_data_that_are_none_or_too_many(data, message):
    with pytest.raises(ValueError, match=message):
        make_vae().fit(*data)


def fail(vae, x, weight=None):
    data = (x,) if weight is None else (x, x, weight)
    stream = tf.data.Dataset.from_tensor_slices(data).batch(20)
    with pytest.raises(FloatingPointError) as error:
        vae.fit(stream, verbose=0, shuffle=False)
    return str(error.value)


def test_what_stopped_training_is_named():
    bad = X.copy()
    bad[30, 2] = np.nan
    assert "`x` is not finite in this batch" in fail(make_vae(), bad)
    weight = np.ones(40, "float32")
    weight[30] = np.inf
    assert "`sample_weight` is not finite" in fail(make_vae(), X, weight)
    message = fail(make_vae(), X * 7)
    assert "outside the support" in message and "[0, 1]" in message
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(1e30))
    message = fail(vae, X)
    assert "data of this batch are in order" in message
    assert "learning rate" in message


def test_models_in_one_process_do_not_make_tensorflow_warn(caplog):
    for _ in range(8):
        vae = make_vae()
        vae.encode(X)
        vae.elbo(X)
        vae.sample(2, seed=0)
    assert "retracing" not in caplog.text


def test_metrics_are_those_of_the_last_compile():
    vae = make_vae()
    names = {"loss", "reconstruction_loss", "kl_loss", "elbo"}
    for metrics in (["mse"], ["mae", "mse"], None):
        vae.compile("adam", metrics=metrics)
        logs = vae.evaluate(X, verbose=0, return_dict=True)
        assert set(logs) == names | set(metrics or [])
        assert all(logs.values())  # none of them is left at 0


def test_what_a_denoising_model_encodes_need_not_lie_in_the_support(tmp_path):
    noisy = X + np.random.default_rng(1).normal(size=X.shape).astype("float32")
    strict = make_vae()
    strict.fit(X, X, verbose=0)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        strict.encode(noisy)
    pairs = tf.data.Dataset.from_tensor_slices((noisy, X)).batch(16)
    for data in ((noisy, X), (pairs,)):
        vae = make_vae()
        vae.fit(*data, verbose=0)
        expected = vae.encoder(noisy)[0]
        np.testing.assert_allclose(vae.codes(noisy), expected, rtol=1e-4, atol=1e-6)
        with pytest.raises(ValueError, match="finite"):
            vae.encode(np.full_like(X, np.nan))
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.codes(noisy), vae.codes(noisy))


def with_real_condition():
    x, z = keras.Input((12,), name="x"), keras.Input((2,), name="z")
    c, d = (keras.Input((1,), name="condition") for _ in range(2))
    hidden = keras.layers.Dense(8, "relu")(keras.layers.Concatenate()([x, c]))
    heads = [keras.layers.Dense(2, dtype="float32")(hidden) for _ in range(2)]
    parameters = keras.layers.Dense(12)(keras.layers.Concatenate()([z, d]))
    vae = keras_vae.VAE(keras.Model([x, c], heads), keras.Model([z, d], parameters))
    vae.compile("adam")
    return vae


def test_a_condition_that_is_not_finite_is_named():
    vae = with_real_condition()
    bad = np.where(np.arange(40) == 7, np.nan, 0.5)
    with pytest.raises(ValueError, match=r"`condition`.*finite.*nan at index \(7, 0\)"):
        vae.encode({"x": X, "condition": bad})
    with pytest.raises(ValueError, match="`condition`.*finite"):
        vae.sample(2, condition=np.nan)
    stream = {"x": X, "condition": bad.astype("float32")[:, None]}
    stream = tf.data.Dataset.from_tensor_slices(stream).batch(20)
    with pytest.raises(FloatingPointError, match="`x` or `condition` is not finite"):
        vae.fit(stream, verbose=0)


def test_streams_that_are_not_finite_are_refused_by_what_measures():
    bad = X.copy()
    bad[21, 4] = np.nan
    stream = tf.data.Dataset.from_tensor_slices(bad).batch(16)
    for measure in (
        lambda vae: keras_vae.evaluation.marginal_log_likelihood(vae, stream, 10),
        lambda vae: vae.elbo(stream),
        lambda vae: vae.encode(stream),
    ):
        with pytest.raises(ValueError, match=r"finite.*nan at index \(21, 4\)"):
            measure(make_vae())


def test_a_posterior_derived_from_the_normal_has_no_closed_form_by_descent():
    class Doubled(keras_vae.distributions.Normal):
        def sample(self, noise):
            return 2.0 * super().sample(noise)

        def log_prob(self, z):
            return super().log_prob(z / 2.0) - z.shape[-1] * np.log(2.0)

    q = Doubled(tf.zeros((1, 2)), tf.zeros((1, 2)))
    z = q.sample(keras_vae.noise.draws([[0, 0]], 50_000, (2,)))
    kl = float(np.sum(keras_vae.priors.StandardNormal().kl(q, z)))
    # N(0, 4) from N(0, 1), twice.
    assert kl == pytest.approx(2 * 0.5 * (4 - 1 - np.log(4)), abs=0.03)


def test_a_function_for_beta_is_in_no_export_s_way():
    keras.config.set_dtype_policy("mixed_bfloat16")
    vae = make_vae(beta=lambda step: 1.0)
    keras.config.set_dtype_policy("float32")
    copy = keras_vae.models.float32.float32_copy(vae)
    np.testing.assert_allclose(copy.codes(X), vae.codes(X), atol=0.05)
    assert copy.encoder.layers[-1].compute_dtype == "float32"


def test_batches_of_pairs_and_of_dictionaries_in_a_list():
    vae, parts = make_vae(), np.split(X, [16, 32])
    expected = vae.codes(X)
    for batches in (
        [(part, part) for part in parts],
        [(part,) for part in parts],
        [{"x": part} for part in parts],
    ):
        np.testing.assert_allclose(vae.codes(batches), expected, rtol=1e-5, atol=1e-6)
    rows = [tuple(map(float, row)) for row in X]  # rows of one array
    np.testing.assert_allclose(vae.codes(rows), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="`x_a`.*dictionary of arrays"):
        conditional().interpolate([DATA], [DATA])


def test_a_mapped_array_of_bytes_is_not_copied_as_a_whole(tmp_path):
    """Half a gigabyte as float32: what is read at a time is a batch."""
    path = tmp_path / "x.npy"
    shape = (10_000_000, 12)
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype="bool", shape=shape)
    batches = keras_vae.models.checks.batches_of("x", mapped, make_vae(), 100)
    tracemalloc.start()
    first = next(batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.dtype == np.float32 and peak < 50e6


@pytest.mark.parametrize(
    ("likelihood", "activation", "warns"),
    [
        ("bernoulli", "sigmoid", True),
        ("categorical", "softmax", True),
        ("bernoulli", None, False),
        ("gaussian", "sigmoid", False),  # a mean may be held in [0, 1]
    ],
)
def test_a_link_that_would_be_applied_twice_is_warned_of(likelihood, activation, warns):
    encoder, _ = keras_vae.networks.dense((12,), 2)
    z = keras.Input((2,))
    decoder = keras.Model(z, keras.layers.Dense(12, activation)(z))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras_vae.VAE(encoder, decoder, likelihood=likelihood)
    told = [str(w.message) for w in caught if "applied twice" in str(w.message)]
    assert bool(told) == warns
    assert not warns or (activation in told[0] and "linear" in told[0])


def test_a_data_set_is_told_from_its_arrays():
    digits = keras_vae.datasets.load("digits")
    for data in (digits, digits.train):
        with pytest.raises(ValueError, match=r"fit\(dataset.train.x\)"):
            make_vae().fit(data)
