"""`fit` as Keras users know it, and what stops it."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.schedules import Cyclical, LinearWarmup
from tests.contracts import put_back

LOGS = {"loss", "reconstruction_loss", "kl_loss", "elbo"}


def make_vae(optimizer=None, compile_arguments=None, **arguments):
    networks = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    vae = keras_vae.VAE(*networks, seed=0, **arguments)
    vae.compile(optimizer or keras.optimizers.Adam(1e-2), **(compile_arguments or {}))
    return vae


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    x = (rng.uniform(size=(80, 12)) < rng.uniform(size=12)).astype("float32")
    x.setflags(write=False)  # one for all tests
    return x


def batches(*arrays):
    def generate():
        for start in range(0, 80, 16):
            yield tuple(None if a is None else a[start : start + 16] for a in arrays)

    return generate()


def dataset(*arrays):
    data = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(data).batch(16)


@pytest.mark.parametrize(
    "validation", ["split", "array", "tuple", "weights", "dataset"]
)
def test_validation_logs(x, validation):
    weights = np.ones(80, "float32")
    data = {
        "split": {"validation_split": 0.25},
        "array": {"validation_data": x},
        "tuple": {"validation_data": (x, x)},
        "weights": {"validation_data": (x, None, weights)},
        "dataset": {"validation_data": dataset(x)},
    }[validation]
    # A few steps are sooner made than a graph of one.
    vae = make_vae(compile_arguments={"run_eagerly": True})
    history = vae.fit(x, batch_size=40, epochs=2, verbose=0, **data).history
    assert set(history) == LOGS | {f"val_{name}" for name in LOGS}
    assert np.isfinite(list(history.values())).all()


def test_validation_weights_without_a_target_are_not_dropped(x):
    weights = (np.arange(80) < 20).astype("float32")
    vae = make_vae(keras.optimizers.SGD(0.0))
    history = vae.fit(x, validation_data=(x, None, weights), verbose=0).history
    assert history["val_elbo"][0] == pytest.approx(vae.elbo(x)[:20].mean(), rel=1e-5)


def test_every_form_of_data_trains_alike(x):
    """SGD over the same batches in the same order, whatever they came in."""
    ones = np.ones(80, "float32")
    forms = [
        {"x": x, "batch_size": 16, "shuffle": False},
        {"x": x.astype("float64"), "y": x, "batch_size": 16, "shuffle": False},
        {"x": x, "sample_weight": ones, "batch_size": 16, "shuffle": False},
        {"x": tf.constant(x), "batch_size": 16, "shuffle": False},
        {"x": dataset(x)},
        {"x": tf.data.Dataset.from_tensor_slices((x,)).batch(16)},
        {"x": dataset(x, x)},
        {"x": dataset(x, x, ones)},
        {"x": batches(x)},
        {"x": batches(x, x)},
        {"x": batches(x, None, ones)},
    ]
    vae, results = make_vae(keras.optimizers.SGD(0.05)), []
    for form in forms:
        with put_back(vae), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of Keras, on shuffling
            vae.fit(**form, verbose=0)
            assert int(vae.step) == 5
            results.append(np.concatenate([w.ravel() for w in vae.get_weights()]))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def plain(x):
    """The model as it begins: what it answers does not depend on how it is compiled."""
    return make_vae().evaluate(x, return_dict=True, verbose=0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"jit_compile": True},
        {"run_eagerly": True},
        {"metrics": ["mae"]},
    ],
    ids=lambda a: next(iter(a)),
)
def test_compile_arguments(x, plain, arguments):
    vae = make_vae(keras.optimizers.Adam(0.05), compile_arguments=arguments)
    logs = vae.evaluate(x, return_dict=True, verbose=0)
    for name in LOGS:
        assert logs[name] == pytest.approx(plain[name], rel=1e-5)
    if "metrics" in arguments:
        expected = np.abs(vae.reconstruct(x) - x).mean()
        assert logs["mae"] == pytest.approx(expected, rel=1e-5)
    before = logs["elbo"]
    vae.fit(x, batch_size=16, epochs=5, verbose=0)
    assert int(vae.step) == 25
    assert vae.evaluate(x, return_dict=True, verbose=0)["elbo"] > before + 0.5


@pytest.fixture(scope="module")
def expected(x):
    """How the ELBO rises in float32."""
    return make_vae().fit(x, batch_size=16, epochs=20, verbose=0).history["elbo"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_what_float32_learns(x, expected, policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = make_vae()
        scaled = isinstance(vae.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (policy == "mixed_float16")
        history = vae.fit(x, batch_size=16, epochs=20, verbose=0).history["elbo"]
        assert vae.encode(x)[1].dtype == vae.reconstruct(x).dtype == "float32"
        assert vae.encoder.layers[-3].compute_dtype != "float32"
    finally:
        keras.config.set_dtype_policy("float32")
    assert expected[-1] > expected[0] + 0.5
    assert history[-1] == pytest.approx(expected[-1], abs=0.2)


def test_accumulated_gradients_are_those_of_the_large_batch(x):
    """Four batches of 20 accumulated make one update, as SGD over all 80 would; the KL
    alone is compared, which has no noise in it."""

    class OnlyKL(keras_vae.VAE):
        def objective(self, terms):
            return tf.reduce_sum(terms.kl, axis=-1)

    results = []
    for accumulation, batch_size in ((None, 80), (4, 20)):
        networks = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
        vae = OnlyKL(*networks)
        vae.encoder.get_layer("z_mean").bias.assign([1.0, -1.0])
        vae.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=accumulation))
        vae.fit(x, batch_size=batch_size, verbose=0, shuffle=False)
        results.append(vae.encoder.get_layer("z_mean").bias.numpy())
    assert not np.allclose(results[0], [1.0, -1.0])
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_gradient_clipping_bounds_the_update(x):
    vae = make_vae(keras.optimizers.SGD(1.0, global_clipnorm=0.01))
    before = [variable.numpy() for variable in vae.trainable_variables]
    vae.train_on_batch(x)
    squares = [
        np.sum((a.numpy() - b) ** 2)
        for a, b in zip(vae.trainable_variables, before, strict=True)
    ]
    assert np.sqrt(np.sum(squares)) == pytest.approx(0.01, rel=1e-3)


def test_callbacks(x, tmp_path):
    vae = make_vae(keras.optimizers.SGD(0.0))
    stopping = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=2)
    path = tmp_path / "best.keras"
    history = vae.fit(
        x,
        validation_split=0.2,
        epochs=10,
        verbose=0,
        callbacks=[
            stopping,
            keras.callbacks.ModelCheckpoint(
                str(path), monitor="val_elbo", mode="max", save_best_only=True
            ),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.TensorBoard(str(tmp_path / "board")),
        ],
    ).history
    # Nothing is learned and evaluation is deterministic: no epoch beats the first.
    assert len(set(history["val_elbo"])) == 1 and len(history["val_elbo"]) == 3
    np.testing.assert_array_equal(keras.models.load_model(path)(x), vae(x))
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert "val_elbo" in header and "kl_loss" in header
    assert any((tmp_path / "board").rglob("events*"))


@pytest.mark.parametrize("name", ["beta", "capacity"])
def test_a_schedule_that_outlasts_training_warns_before_it_starts(x, name):
    still = keras.optimizers.SGD
    vae = make_vae(still(0.0), **{name: LinearWarmup(1000)})
    with pytest.warns(UserWarning, match=f"`{name}` takes 1000 steps.*ends at step 10"):
        vae.fit(x, batch_size=16, epochs=2, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae = make_vae(still(0.0), **{name: Cyclical(10)})
        vae.fit(x, batch_size=16, epochs=2, verbose=0)


@pytest.mark.filterwarnings("ignore:The schedule")
def test_a_schedule_moves_with_the_steps_of_training(x):
    vae = make_vae(keras.optimizers.SGD(0.0), beta=LinearWarmup(10))
    ratios = []
    for _ in range(3):  # betas of the steps: 0 to .4, .5 to .9, 1
        logs = vae.fit(x, batch_size=16, verbose=0).history
        kl, loss = logs["kl_loss"][0], logs["loss"][0]
        ratios.append((loss - logs["reconstruction_loss"][0]) / kl)
    np.testing.assert_allclose(ratios, [0.2, 0.7, 1.0], atol=0.02)


@pytest.mark.parametrize("arguments", [{}, {"jit_compile": True}], ids=["", "jit"])
def test_data_that_turn_bad_in_a_stream_stop_training_at_that_step(x, arguments):
    vae = make_vae(compile_arguments=arguments)
    start = vae.get_weights()
    with put_back(vae):
        vae.fit(dataset(x).take(2), verbose=0)
        expected = vae.get_weights()
    assert not np.array_equal(expected[0], start[0])
    for value, cause in ((np.nan, "reconstruction_loss became inf"), (3.0, "support")):
        bad = x.copy()
        bad[40, 3] = value  # the third batch of 16
        with put_back(vae):
            np.testing.assert_array_equal(vae.get_weights()[0], start[0])
            with pytest.raises(FloatingPointError, match="step 3 .*") as error:
                vae.fit(dataset(bad), verbose=0)
            assert cause in str(error.value)
            for a, b in zip(vae.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(a, b)
            vae.fit(dataset(x), verbose=0)  # and it can go on


def test_a_gradient_that_is_not_finite_changes_no_weight(x):
    class Broken(keras_vae.VAE):
        def objective(self, terms):  # sqrt has an infinite slope at 0
            zero = tf.reduce_sum(terms.z_mean * 0.0, axis=-1)
            return terms.reconstruction_loss + tf.sqrt(zero)

    vae = Broken(*keras_vae.networks.dense((12,), 2, hidden_units=(16,)))
    vae.compile("adam")
    before = vae.get_weights()
    with pytest.raises(FloatingPointError, match="step 1 .*gradient"):
        vae.fit(x, verbose=0)
    for a, b in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
