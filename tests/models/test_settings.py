"""What is assigned to a model later: converted as in the constructor, and in effect."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.schedules import Constant, LinearWarmup

X = (np.random.default_rng(0).uniform(size=(48, 12)) < 0.4).astype("float32")


def make_vae(**arguments):
    networks = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    networks[0].get_layer("z_mean").bias.assign([1.0, -2.0])  # a KL worth weighing
    vae = keras_vae.VAE(*networks, seed=0, **arguments)
    vae.compile(keras.optimizers.SGD(0.0))  # nothing is learned: logs are comparable
    return vae


def weight(logs):
    """The beta that the logs of an epoch were made with."""
    return (logs["loss"] - logs["reconstruction_loss"]) / logs["kl_loss"]


def test_a_callback_that_sets_beta_is_heard_in_each_epoch():
    class Anneal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.beta = [0.0, 0.5, 4][epoch]

    vae = make_vae()
    history = vae.fit(X, epochs=3, verbose=0, callbacks=[Anneal()]).history
    logs = {name: np.array(values) for name, values in history.items()}
    np.testing.assert_allclose(weight(logs), [0.0, 0.5, 4.0], atol=1e-5)
    assert vae.beta == vae.beta and isinstance(vae.beta, Constant)


def test_a_number_that_changes_makes_no_new_graph():
    vae = make_vae()
    vae.fit(X, verbose=0)
    before = vae.train_function
    vae.beta = 3.0
    assert vae.train_function is before
    logs = vae.evaluate(X, verbose=0, return_dict=True)
    assert weight(logs) == pytest.approx(3.0, rel=1e-5)


@pytest.mark.filterwarnings("ignore:The schedule")
@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (np.float32(2.0), 2.0),
        (tf.constant(2.0), 2.0),
        (LinearWarmup(4, end=2.0), [0.0, 0.5, 1.0]),
        (keras.optimizers.schedules.PolynomialDecay(2.0, 4, 0.0), [2.0, 1.5, 1.0]),
        (lambda step: 0.25 * tf.cast(step, tf.float32), [0.0, 0.25, 0.5]),
    ],
    ids=["numpy", "tensor", "ours", "keras", "function"],
)
def test_beta_in_every_form_between_two_fits(beta, expected):
    vae = make_vae()
    vae.fit(X, batch_size=16, verbose=0)  # three steps, with beta 1
    vae.step.assign(0)
    vae.beta = beta
    logs = {k: v[0] for k, v in vae.fit(X, batch_size=16, verbose=0).history.items()}
    # The KL of each batch weighs in: weights of the batches by their KL.
    kl = vae.score(X)["kl_loss"].reshape(3, 16).mean(1)
    betas = np.broadcast_to(expected, 3)
    if np.ndim(expected):
        assert betas.min() <= weight(logs) <= betas.max()
        assert weight(logs) == pytest.approx(np.mean(betas), abs=0.05)
    else:
        assert weight(logs) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(kl).all()


def test_draws_and_free_bits_and_capacity_take_effect():
    vae = make_vae()
    first = vae.elbo(X)
    vae.evaluate(X, verbose=0)
    vae.num_samples = 50
    many = vae.elbo(X)
    assert np.abs(many - first).max() > 0.1  # not what was compiled for one draw
    assert vae.evaluate(X, verbose=0, return_dict=True)["elbo"] == pytest.approx(
        many.mean(), rel=1e-5
    )
    vae.free_bits = 100
    logs = vae.evaluate(X, verbose=0, return_dict=True)
    assert weight(logs) * logs["kl_loss"] == pytest.approx(200.0, rel=1e-5)
    vae.free_bits = 0.0
    vae.capacity = 7
    logs = vae.evaluate(X, verbose=0, return_dict=True)
    kl = vae.score(X)["kl_loss"]
    expected = np.abs(kl - 7).mean()
    assert logs["loss"] - logs["reconstruction_loss"] == pytest.approx(
        expected, rel=1e-4
    )


def test_two_models_do_not_share_what_one_constant_said():
    beta = Constant(1.0)
    one, other = make_vae(beta=beta), make_vae(beta=beta)
    one.beta = 5.0
    assert other.beta.value == beta.value == 1.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beta", -1, "`beta`.*>= 0.*-1"),
        ("beta", LinearWarmup(10, end=-3), "`beta`.*negative.*-0.3 at step 1"),
        ("beta", lambda step: -1.0, "`beta`.*negative.*-1 at step 0"),
        ("beta", "linear", "`beta`.*function of the step.*'linear'"),
        ("free_bits", "x", "`free_bits`.*finite number >= 0.*'x'"),
        ("free_bits", None, "`free_bits`.*None"),
        ("num_samples", 0, "`num_samples`.*integer >= 1.*0"),
        ("num_samples", True, "`num_samples`.*True"),
        ("capacity", np.nan, "`capacity`.*nan"),
    ],
)
def test_what_is_no_value_is_refused_and_the_old_one_stays(name, value, message):
    vae = make_vae()
    before = getattr(vae, name)
    with pytest.raises(ValueError, match=message):
        setattr(vae, name, value)
    assert getattr(vae, name) is before
    with pytest.raises(ValueError, match=message):
        make_vae(**{name: value})


@pytest.mark.parametrize(
    "name", ["encoder", "decoder", "likelihood", "prior", "standardize", "seed"]
)
def test_parts_stay_and_the_error_says_what_to_do(name):
    vae = make_vae()
    with pytest.raises(
        AttributeError, match=rf"{name}.*VAE\(vae.encoder.*{name}=...\)"
    ):
        setattr(vae, name, "gaussian")


def test_seeds_of_numpy_and_no_seed():
    assert make_vae().seed == 0
    networks = keras_vae.networks.dense((12,), 2, hidden_units=(4,))
    assert keras_vae.VAE(*networks, seed=np.int64(3)).seed == 3
    vae = make_vae()
    with pytest.raises(ValueError, match="`seed`.*integer.*None"):
        vae.elbo(X, seed=None)
    np.testing.assert_array_equal(vae.elbo(X, seed=np.int64(4)), vae.elbo(X, seed=4))
    with pytest.raises(ValueError, match="`seed`.*4294967295.*4294967296"):
        vae.sample(2, seed=2**32)


def test_a_model_with_a_function_for_beta_is_saved_if_that_has_a_name(tmp_path):
    vae = make_vae()
    vae.beta = lambda step: 1.0
    with pytest.raises(ValueError, match="register_keras_serializable"):
        vae.save(tmp_path / "model.keras")
    vae.beta = halving
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.beta(2)) == 0.25
    vae.beta = keras.optimizers.schedules.PolynomialDecay(2.0, 4, 0.0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.beta(2)) == 1.0


@keras.saving.register_keras_serializable("tests")
def halving(step):
    return 0.5 ** tf.cast(step, tf.float32)
