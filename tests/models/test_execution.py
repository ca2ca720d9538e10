"""Several steps at once, where that helps and nobody looks at each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.models.execution import looks_at_batches, multiplications, steps_together

X = np.random.default_rng(0).uniform(size=(400, 6)).astype("float32")


def make_vae(**arguments):
    networks = keras_vae.networks.dense((6,), 2, hidden_units=(4,), seed=0)
    vae = keras_vae.VAE(*networks, seed=0)
    vae.compile("adam", **arguments)
    return vae


def batches(n=400, batch_size=2):
    return tf.data.Dataset.from_tensor_slices(X[:n]).batch(batch_size)


class EachBatch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)


class SomeBatches(EachBatch):
    every_batch = False


@pytest.mark.parametrize(
    ("x", "batch_size", "steps_per_epoch", "expected"),
    [
        (X, None, None, 1),  # 13 batches of 32: too few to put together
        (X, 2, None, 10),  # a twentieth of 200
        (np.tile(X, (10, 1)), 2, None, 16),
        ({"x": X}, 1, None, 16),
        (batches(), None, None, 10),
        (batches().repeat(), None, None, 1),  # an epoch without an end
        (batches().repeat(), None, 211, 1),  # a prime number
        (batches().repeat(), None, 210, 10),
        (batches().repeat(), None, 338, 13),  # the largest divisor up to 16
        (batches().filter(lambda x: True), None, None, 1),  # of unknown length
        ((batch for batch in batches()), None, None, 1),
    ],
)
def test_how_many(x, batch_size, steps_per_epoch, expected):
    assert steps_together(make_vae(), x, batch_size, steps_per_epoch, []) == expected


def test_none_where_steps_are_looked_at_or_long():
    vae = make_vae()
    assert steps_together(vae, X, 2, None, [SomeBatches()]) == 10
    assert steps_together(vae, X, 2, None, [EachBatch()]) == 1
    assert steps_together(make_vae(run_eagerly=True), X, 2, None, []) == 1
    vae.num_samples = 100_000_000
    assert steps_together(vae, X, 2, None, []) == 1


def test_who_looks_at_batches(tmp_path):
    of_keras = keras.callbacks
    backup = of_keras.BackupAndRestore
    for callback in (
        of_keras.EarlyStopping(),
        of_keras.LambdaCallback(on_epoch_end=print),
        of_keras.ModelCheckpoint(tmp_path / "a.keras"),
        backup(tmp_path / "a"),
        of_keras.TensorBoard(tmp_path),
        keras_vae.callbacks.RunRecorder(tmp_path),
    ):
        assert not looks_at_batches(callback), callback
    for callback in (
        of_keras.LambdaCallback(on_train_batch_end=print),
        of_keras.LambdaCallback(on_test_batch_begin=print),
        of_keras.ModelCheckpoint(tmp_path / "a.keras", save_freq=3),
        backup(tmp_path / "a", save_freq=3),
        of_keras.TensorBoard(tmp_path, update_freq="batch"),
    ):
        assert looks_at_batches(callback), callback


def test_multiplications_are_counted_by_the_networks():
    # x to 4, 4 to mean and log-variance of 2; z to 4, 4 to 6.
    assert multiplications(make_vae()) == 6 * 4 + 2 * 4 * 2 + 2 * 4 + 4 * 6
    networks = keras_vae.networks.convolutional((8, 8, 1), 2, filters=(3,))
    vae = keras_vae.VAE(*networks)
    kernels = [
        (layer, layer.kernel.shape)
        for network in networks
        for layer in network.layers
        if hasattr(layer, "kernel")
    ]
    expected = 0
    for layer, shape in kernels:
        positions = 1
        if len(shape) == 4:  # each kernel at each place of the larger map
            sizes = layer.input.shape[1], layer.output.shape[1]
            positions = max(sizes) ** 2
        expected += int(np.prod(shape)) * positions
    assert multiplications(vae) == expected > 0


def test_training_is_the_same_but_for_the_visits():
    histories, weights, ends = [], [], []
    for arguments in ({"steps_per_execution": 1}, {}):
        keras.utils.set_random_seed(0)
        vae, callback = make_vae(**arguments), SomeBatches()
        history = vae.fit(
            X, batch_size=3, epochs=2, verbose=0, callbacks=callback, validation_data=X
        )
        histories.append(history.history)
        weights.append(vae.get_weights())
        ends.append(callback.ends)
    # 134 batches an epoch, the last of one example: 6 at once, in 23 visits.
    assert len(ends[0]) == 2 * 134 and len(ends[1]) == 2 * 23
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-6)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    # What uses the model afterwards is given every batch.
    assert vae.steps_per_execution == 6
    np.testing.assert_allclose(
        vae.predict(X[:50], batch_size=3, verbose=0), vae.reconstruct(X[:50]), atol=1e-6
    )
    logs = vae.evaluate(X[:50], batch_size=3, verbose=0, return_dict=True)
    alone = vae.evaluate(X[:50], batch_size=50, verbose=0, return_dict=True)
    for name, value in logs.items():
        np.testing.assert_allclose(value, alone[name], rtol=1e-5)
    vae.train_on_batch(X[:3])
    assert int(vae.step) == 2 * 134 + 1
    # One who looks at each gets each again, and a graph made anew.
    callback = EachBatch()
    vae.fit(X, batch_size=3, verbose=0, callbacks=callback)
    assert callback.ends == [*range(134)]


def test_epochs_of_endless_batches_do_not_run_into_one_another():
    vae = make_vae()
    endless = batches().repeat()
    vae.fit(endless, steps_per_epoch=70, epochs=3, verbose=0, shuffle=False)
    assert vae.steps_per_execution == 2 and int(vae.step) == 210


def test_what_was_compiled_is_in_the_file(tmp_path):
    for arguments in ({}, {"steps_per_execution": 5}):
        vae = make_vae(**arguments)
        vae.save(tmp_path / "model.keras")
        loaded = keras_vae.load(tmp_path / "model.keras")
        loaded.fit(X, batch_size=2, verbose=0)
        assert loaded.steps_per_execution == arguments.get("steps_per_execution", 10)


def test_the_first_bad_batch_is_the_one_that_is_explained():
    """Good ones follow it in the same execution."""
    x = X.copy()
    x[5] = np.nan
    bad = tf.data.Dataset.from_tensor_slices(x).batch(2)
    vae = make_vae()
    with pytest.raises(FloatingPointError, match=r"step 3 .*`x` is not finite"):
        vae.fit(bad, shuffle=False, verbose=0)
    assert vae.steps_per_execution == 10 and vae.faults == [
        "inputs",
        "target",
        "support",
    ]
