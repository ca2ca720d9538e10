"""What is saved comes back: the same outputs, optimizer and random state."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.layers import Standardize
from keras_vae.likelihoods import Gaussian
from keras_vae.schedules import Constant, Cyclical, LinearWarmup

ARGUMENTS = [
    {},
    {"beta": LinearWarmup(20), "num_samples": 3, "free_bits": 0.1},
    {"beta": 5.0, "capacity": LinearWarmup(20, end=4.0)},
    {"beta": Cyclical(20), "likelihood": Gaussian(scale="learned")},
    {"likelihood": Gaussian(scale="optimal")},
    {"likelihood": "gaussian", "standardize": Standardize([0.5] * 6, [0.2] * 6)},
]


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(size=(48, 6)).astype("float32")


def make_vae(**arguments):
    """With dropout in the encoder: its random state has to come back as well."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    hidden = keras.layers.Dropout(0.3, seed=1)(hidden)
    heads = [keras.layers.Dense(2)(hidden), keras.layers.Dense(2)(hidden)]
    encoder = keras.Model(inputs, heads)
    likelihood = arguments.get("likelihood", "bernoulli")
    _, decoder = keras_vae.networks.dense(
        (6,), 2, likelihood=likelihood, hidden_units=(8,)
    )
    vae = keras_vae.VAE(encoder, decoder, seed=3, **arguments)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


def train(vae, x, epochs=1):
    return vae.fit(x, batch_size=16, epochs=epochs, shuffle=False, verbose=0).history


@pytest.mark.filterwarnings("ignore:The schedule")
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda a: "-".join(a) or "plain")
def test_stopped_and_resumed_equals_never_stopped(x, tmp_path, arguments):
    vae = make_vae(**arguments)
    train(vae, x, epochs=2)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras_vae.VAE
    assert json.dumps(loaded.get_config()) == json.dumps(vae.get_config())
    np.testing.assert_array_equal(loaded(x), vae(x))
    np.testing.assert_array_equal(loaded.elbo(x), vae.elbo(x))
    assert int(loaded.step) == 6
    assert train(loaded, x, epochs=2) == train(vae, x, epochs=2)
    for a, b in zip(loaded.variables, vae.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(loaded.optimizer.variables, vae.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_files_carry_the_random_state_too(x, tmp_path):
    vae, other = make_vae(), make_vae()
    train(vae, x)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other.load_weights(tmp_path / "vae.weights.h5")
    for a, b in zip(other.variables, vae.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_backup_and_restore_continues_where_training_was_broken_off(x, tmp_path):
    class PowerCut(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def fit(vae, *callbacks):
        backup = keras.callbacks.BackupAndRestore(
            str(tmp_path), delete_checkpoint=False
        )
        return vae.fit(
            x,
            batch_size=16,
            epochs=4,
            shuffle=False,
            verbose=0,
            callbacks=[backup, *callbacks],
        )

    whole = make_vae()
    train(whole, x, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        fit(make_vae(), PowerCut())
    resumed = make_vae()
    fit(resumed)
    assert int(resumed.step) == 12
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_config_holds_every_argument(x):
    vae = make_vae(beta=2.0, capacity=3.0, free_bits=0.5, num_samples=2)
    again = keras_vae.VAE.from_config(vae.get_config())
    assert isinstance(again.beta, Constant) and again.beta.value == 2.0
    assert again.capacity.value == 3.0
    assert (again.free_bits, again.num_samples, again.seed) == (0.5, 2, 3)
    assert again.encoder.get_config() == vae.encoder.get_config()


def test_a_subclass_is_saved_and_trained_as_itself(x, tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class NoKL(keras_vae.VAE):
        def objective(self, terms):
            return terms.reconstruction_loss

    vae = NoKL(*keras_vae.networks.dense((6,), 2, hidden_units=(8,)))
    vae.compile("adam")
    vae.fit(x, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is NoKL
    logs = loaded.evaluate(x, return_dict=True, verbose=0)
    assert logs["loss"] == logs["reconstruction_loss"] < -logs["elbo"]


def test_keras_export_means_the_reconstruction(x, tmp_path):
    vae = make_vae()
    vae.export(tmp_path / "saved", verbose=False)
    serve = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    for part in (x, x[:1]):
        (reconstruction,) = serve(x=part).values()
        np.testing.assert_allclose(reconstruction, vae(part), atol=1e-6)


def test_the_parts_may_be_sequential_and_the_whole_a_layer(x):
    encoder, _ = keras_vae.networks.dense((6,), 2, hidden_units=(4,))
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    vae = keras_vae.VAE(encoder, decoder)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, vae(inputs))
    np.testing.assert_allclose(model(x), vae.reconstruct(x), rtol=1e-6)
    again = keras_vae.VAE.from_config(vae.get_config())
    assert isinstance(again.decoder, keras.Sequential)


def test_the_weights_of_a_subclass_itself_are_saved(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class WithWeight(keras_vae.VAE):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = self.add_weight(name="extra", shape=(2,))

    vae = WithWeight(*keras_vae.networks.dense((6,), 2, hidden_units=(4,)))
    vae.extra.assign([1.0, 2.0])
    vae.step.assign(9)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.extra, [1.0, 2.0])
    assert int(loaded.step) == 9


def test_keras_export_of_a_mixed_precision_model_is_float32(x, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    vae = make_vae()
    keras.config.set_dtype_policy("float32")
    vae.export(tmp_path / "saved", "tf_saved_model", verbose=False)
    function = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    products = [node for node in nodes if node.op == "MatMul"]
    assert products
    assert all(node.attr["T"].type == tf.float32.as_datatype_enum for node in products)
