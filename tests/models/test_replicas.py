"""Training and evaluation on two devices, beside one: the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from tests.contracts import two_devices

# Batches of 16 leave one example for two replicas, of 7 unequal parts.
X = np.random.default_rng(0).uniform(size=(65, 12)).astype("float32")
WEIGHTS = np.linspace(0.0, 2.0, 65).astype("float32")


class OnlyKL(keras_vae.VAE):
    """Its loss has no noise in it: two devices learn what one does."""

    def objective(self, terms):
        return tf.reduce_sum(terms.kl, axis=-1)


def make_vae(cls=OnlyKL, normalize=False):
    encoder, decoder = keras_vae.networks.dense((12,), 2, hidden_units=(16,), seed=0)
    if normalize:
        x = keras.Input((12,))
        encoder = keras.Model(x, encoder(keras.layers.BatchNormalization()(x)))
    vae = cls(encoder, decoder, seed=0)
    vae.compile(keras.optimizers.Adam(0.01), metrics=["mse"])
    return vae


def pair(**arguments):
    with two_devices().scope():
        several = make_vae(**arguments)
    return several, make_vae(**arguments)


def test_replicas_draw_different_noise():
    several, _ = pair()
    zeros = tf.zeros((4, 2))
    draws = two_devices().run(lambda: several.sampling([zeros, zeros])).values
    assert not np.isin(draws[0], draws[1]).any()


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_short_batches_are_learned_as_on_one_device(weights):
    several, one = pair()
    before = one.get_weights()
    logs = [
        vae.fit(
            X, batch_size=16, epochs=2, shuffle=False, verbose=0, sample_weight=weights
        ).history
        for vae in (several, one)
    ]
    for a, b in zip(several.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(before[1] - one.get_weights()[1]).max() > 0.01
    for name in ("loss", "kl_loss"):
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-4)


@pytest.mark.parametrize("batch_size", [16, 7, 65])
def test_evaluation_does_not_depend_on_the_devices_or_the_batch_size(batch_size):
    several, one = pair(cls=keras_vae.VAE)
    logs = several.evaluate(X, batch_size=batch_size, verbose=0, return_dict=True)
    score = one.score(X)
    for name in ("elbo", "reconstruction_loss", "kl_loss"):
        assert logs[name] == pytest.approx(score[name].mean(), rel=1e-5), name
    expected = np.square(one.reconstruct(X) - X).mean()
    assert logs["mse"] == pytest.approx(expected, rel=1e-5)


def test_a_bad_batch_changes_nothing_and_an_empty_part_no_statistics():
    vae, _ = pair(cls=keras_vae.VAE, normalize=True)
    vae.fit(X[:32], batch_size=16, verbose=0)
    state = [*vae.variables, *vae.optimizer.variables]
    state = [v for v in state if "float" in v.dtype or "iter" in v.path]
    before = [variable.numpy() for variable in state]
    bad = X[:16].copy()
    bad[12, 3] = np.nan  # the second device has it
    data = tf.data.Dataset.from_tensor_slices(bad).batch(16)
    with pytest.raises(FloatingPointError, match="`x` is not finite"):
        vae.fit(data, verbose=0, shuffle=False)
    for variable, value in zip(state, before, strict=True):
        if "iter" not in variable.path:  # counts what was tried
            np.testing.assert_array_equal(variable.numpy(), value, variable.path)
    vae.fit(X, batch_size=16, epochs=2, verbose=0)  # the last batch is one example
    assert np.isfinite(vae.elbo(X)).all()
    assert all(np.isfinite(v.numpy()).all() for v in vae.variables)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"jit_compile": True}, r"`jit_compile`.*compile\(jit_compile=False\)"),
        ({"steps_per_execution": 4}, r"`steps_per_execution`.*=1\)"),
    ],
)
def test_what_does_not_work_there_is_refused(arguments, message):
    several, _ = pair()
    with pytest.raises(ValueError, match=message):
        several.compile("adam", **arguments)


def test_parameter_servers_are_refused(monkeypatch):
    servers = object.__new__(tf.distribute.ParameterServerStrategy)  # it has no cluster
    vae = make_vae()
    monkeypatch.setattr(keras_vae.VAE, "distribute_strategy", servers)
    with pytest.raises(ValueError, match="Mend: .*MultiWorkerMirroredStrategy"):
        vae.compile("adam")
