"""What goes in wrong gets a sentence that says what would be right."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae


def dense(data_shape=(12,), latent_dim=2, **arguments):
    return keras_vae.networks.dense(
        data_shape, latent_dim, hidden_units=(4,), **arguments
    )


@pytest.fixture(scope="module")
def vae():
    vae = keras_vae.VAE(*dense())
    vae.compile("adam")
    return vae


X = np.full((8, 12), 0.5, "float32")
IMAGES = np.full((8, 4, 4, 1), 0.5, "float32")


def stream(*data, batch=4):
    dataset = tf.data.Dataset.from_tensor_slices(data if len(data) > 1 else data[0])
    return dataset.batch(batch) if batch else dataset


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([X, np.arange(8)], r"labels.*map\(lambda x, y: x\)"),
        ([X, np.eye(10)[:8]], r"labels.*map\(lambda x, y: x\)"),
        ([stream(X, np.arange(8))], r"labels.*map\(lambda x, y: x\)"),
        ([stream(X, batch=None)], r"not batched: dataset\.batch"),
        ([stream((X * 255).astype("uint8"))], r"uint8.*/ 255"),
        ([(X * 255).astype("uint8")], r"uint8.*/ 255"),
        ([(X * 4).astype("int64")], r"support.*\[0, 1\].*Received: values from"),
        ([X.astype(str)], r"numbers.*astype\('float32'\)"),
        ([X * 255], r"\[0, 1\].*127\.5.*/ 255"),
        ([X - 1], r"support.*\[0, 1\].*-0\.5"),
        ([np.where(np.arange(12) == 3, np.nan, X)], r"finite.*nan at index \(0, 3\)"),
        ([np.where(np.arange(12) == 3, np.inf, X)], r"finite.*inf at index \(0, 3\)"),
        ([X[:0]], "at least one example"),
        ([X[0]], r"one example.*x\[None\]"),
        ([[[0.5, 0.5], [0.5]]], "ragged"),
        ([X[:, :5]], r"\(batch, 12\).*\(8, 5\)"),
        ([X, X[:, :5]], r"`target`.*\(batch, 12\).*\(8, 5\)"),
    ],
)
def test_fit_and_evaluate_say_what_is_wrong(vae, data, message):
    before = vae.get_weights()
    with pytest.raises(ValueError, match=message):
        vae.fit(*data, verbose=0)
    with pytest.raises(ValueError, match=message):
        vae.evaluate(*data, verbose=0)
    for a, b in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_trains_after_what_was_wrong_is_mended(vae):
    step = int(vae.step)
    vae.fit(X, verbose=0)
    assert int(vae.step) == step + 1


def test_ragged_tensors_are_refused(vae):
    ragged = tf.ragged.constant([[0.5] * 12, [0.5] * 11])
    with pytest.raises(ValueError, match="dense"):
        vae.fit(tf.data.Dataset.from_tensors(ragged), verbose=0)


def test_an_image_without_its_channel_axis():
    vae = keras_vae.VAE(*dense((4, 4, 1)))
    vae.compile()
    with pytest.raises(ValueError, match=r"channel axis is missing: x\[\.\.\., None\]"):
        vae.fit(stream(IMAGES[..., 0]), verbose=0)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "elbo"])
def test_answers_check_their_data(vae, method):
    with pytest.raises(ValueError, match=r"\(batch, 12\)"):
        getattr(vae, method)(X[:, :5])
    with pytest.raises(ValueError, match="finite"):
        getattr(vae, method)(np.full((2, 12), np.nan))
    with pytest.raises(ValueError, match="at least one"):
        getattr(vae, method)(X[:0])
    with pytest.raises(ValueError, match="at least one"):
        getattr(vae, method)(stream(X).take(0))


def test_predict_checks_its_arrays_as_reconstruct_does():
    vae = keras_vae.VAE(*dense())
    vae.compile()
    for data, message in (
        (X[:, :5], r"\(batch, 12\)"),
        (np.full((2, 12), np.nan), "finite"),
        (X * 3, "support"),
    ):
        with pytest.raises(ValueError, match=message):
            vae.predict(data, verbose=0)
    np.testing.assert_allclose(vae.predict(X, verbose=0), vae.reconstruct(X), 1e-5)


def test_other_answers_check_their_arguments(vae):
    with pytest.raises(ValueError, match=r"`z`.*\(batch, 2\).*\(3, 5\)"):
        vae.decode(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="`num_samples`.*from 1"):
        vae.sample(0)
    with pytest.raises(ValueError, match="equally many"):
        vae.interpolate(X[:2], X[:3])
    with pytest.raises(ValueError, match="`num_steps`.*>= 2"):
        vae.interpolate(X, X, num_steps=1)


def with_three_outputs():
    encoder, _ = dense()
    z = keras_vae.Sampling()(encoder.outputs)
    return keras.Model(encoder.inputs, [*encoder.outputs, z])


def with_unequal_outputs():
    x = keras.Input((12,))
    return keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)])


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (lambda: dense()[1], lambda: dense()[1], "two outputs.*samples z itself"),
        (with_three_outputs, lambda: dense()[1], "two outputs.*samples z itself.*3"),
        (with_unequal_outputs, lambda: dense()[1], r"one shape.*2\).*3\)"),
        (lambda: len, lambda: dense()[1], "`encoder` should be a Keras model"),
        (lambda: dense()[0], lambda: None, "`decoder` should be a Keras model"),
        (lambda: dense()[0], lambda: dense(latent_dim=3)[1], r"\(batch, 2\).*None, 3"),
        (lambda: dense()[0], lambda: dense((13,))[1], r"bernoulli.*12\).*13\)"),
        (lambda: dense()[0], lambda: dense()[0], r"latent_dim|\(batch, 2\)"),
    ],
)
def test_networks_that_do_not_fit(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        keras_vae.VAE(encoder(), decoder())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"likelihood": "bernouli"}, "bernoulli"),
        ({"prior": "standard"}, "standard_normal"),
        ({"beta": -1.0}, "`beta`"),
        ({"beta": "warm"}, "`beta`"),
        ({"capacity": float("inf")}, "`capacity`"),
        ({"free_bits": -0.1}, "`free_bits`"),
        ({"num_samples": 0}, "`num_samples`"),
        ({"num_samples": 1.5}, "`num_samples`"),
        ({"standardize": "x"}, "`standardize` should be a keras_vae.layers.Standard"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_vae.VAE(*dense(), **arguments)


def test_a_likelihood_that_wants_more_parameters_says_how_many():
    likelihood = keras_vae.likelihoods.Gaussian(scale="learned_per_output")
    with pytest.raises(ValueError, match=r"2 for each value.*24\).*12\)"):
        keras_vae.VAE(*dense(), likelihood=likelihood)


def test_compile_refuses_a_loss():
    vae = keras_vae.VAE(*dense())
    with pytest.raises(ValueError, match="likelihood"):
        vae.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="likelihood"):
        vae.compile("adam", "mse")


def test_fit_refuses_class_weights_and_batches_of_nothing(vae):
    with pytest.raises(ValueError, match="`sample_weight`"):
        vae.fit(X, class_weight={0: 1.0})
    with pytest.raises(ValueError, match="`batch_size`.*>= 1"):
        vae.encode(X, batch_size=0)
    with pytest.raises(ValueError, match="`batch_size`.*>= 1"):
        vae.sample(3, batch_size=0)


def test_validation_data_outside_the_support_stop_training(vae):
    with pytest.raises(FloatingPointError, match="val_loss is inf.*support"):
        vae.fit(X, validation_data=stream(X * 9), verbose=0)
