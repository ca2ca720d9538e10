"""What networks a model takes, and what it says of careless use."""

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
