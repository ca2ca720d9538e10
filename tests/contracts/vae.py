"""What every model of the family promises: all that `VAE` does."""

import contextlib
import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.models.float32 import float32_copy


def check_vae(make, x, has_density=True, of_batch=()):
    """Holds a model to what Keras users and the export expect of it.

    Args:
        make: Function that returns a new model, not compiled, with a seed of its own.
        x: Data, 40 examples: an array, or a dictionary of arrays.
        has_density: Whether q has one, so that log-weights and the KL mean something.
        of_batch: Those of its `MEASURES` that are statistics of a batch, and `"loss"`
            where they are part of it: their mean over the data depends on how these
            are cut into batches.
    """

    def make_alike():
        keras.utils.set_random_seed(0)
        return make()

    _check(make_alike, x, has_density, of_batch)


def _check(make, x, has_density, of_batch):
    # Most of the time goes into graphs: a model is used for all that it can show.
    _check_terms(make, x, has_density)
    vae = _compiled(make, metrics=["mse"])
    _check_means_and_weights(vae, x, of_batch)
    expected = vae.evaluate(_rows(x, UNEVEN), **IN_BATCHES, return_dict=True)
    _check_two_devices(make, x, of_batch, expected)
    _check_compiled_ways(vae, make, x)
    _check_forms_of_data(vae, x)
    _check_mixed_precision(make, x)
    with _graphs_as_written():
        resumed = _check_saved_and_resumed(make, x)
    _check_export(resumed, x)
    _check_bad_batch(resumed, x)


# Batches of 16, 16 and 1.
UNEVEN = slice(0, 33)
IN_BATCHES = {"batch_size": 16, "verbose": 0}
IN_ORDER = {**IN_BATCHES, "shuffle": False}


@contextlib.contextmanager
def _eagerly(vae):
    """Steps as Python runs them: a graph takes the time of many of them to make."""
    graphs = vae.train_function, vae.test_function
    vae.train_function = vae.test_function = None
    vae.run_eagerly = True
    yield
    vae.run_eagerly = False
    vae.train_function, vae.test_function = graphs


def _compiled(make, optimizer=None, **compile_arguments):
    vae = make()
    vae.compile(optimizer or keras.optimizers.SGD(0.01), **compile_arguments)
    return vae


@contextlib.contextmanager
def put_back(vae):
    """Leaves a model as it was."""
    variables = [*vae.variables, *vae.optimizer_variables]
    start = [variable.numpy() for variable in variables]
    yield
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)


def _rows(x, rows):
    return tf.nest.map_structure(lambda array: array[rows], x)


def _main(x):
    return x["x"] if isinstance(x, dict) else x


def _conditions(vae, x):
    # -1, a label that is not known, is none to draw from.
    return {name: np.maximum(x[name], 0) for name in vae.decoder_conditions}


def _dataset(*data):
    data = data if len(data) > 1 else data[0]
    return tf.data.Dataset.from_tensor_slices(data).batch(16)


def _flat(vae):
    return np.concatenate([np.ravel(weight) for weight in vae.get_weights()])


def _check_terms(make, x, has_density):
    vae = make()
    seeds = keras_vae.noise.example_seeds(0, 0, len(_main(x)))
    terms = vae.deterministic_terms(x, seeds)
    n, k = len(_main(x)), vae.num_samples
    assert terms.z.shape == (k, n, *vae.latent_shape)
    assert terms.log_likelihood.shape == terms.log_weights.shape == (k, n)
    assert terms.kl.shape[0] == n and terms.kl.shape.rank == 2
    assert terms.q.mean.shape == (n, *vae.latent_shape)
    measures = dict(zip(vae.MEASURES, vae.measures(terms), strict=True))
    score = vae.score(x)
    assert set(score) == set(measures)
    for name, value in measures.items():
        assert value.shape == (n,) and value.dtype == tf.float32
        assert np.isfinite(value).all()
        np.testing.assert_allclose(score[name], value, rtol=1e-4, atol=1e-4)
    if "elbo" in measures:
        parts = measures["reconstruction_loss"] + measures["kl_loss"]
        np.testing.assert_allclose(measures["elbo"], -parts, rtol=1e-6)
    for array, parameter in zip(
        vae.encode(x), terms.q.parameters.values(), strict=True
    ):
        np.testing.assert_allclose(array, parameter, rtol=1e-4, atol=1e-5)
    if has_density:
        # The same draws weighed: log-weights average to the ELBO where the KL is an
        # estimate, and come near it where it is exact.
        difference = np.mean(terms.log_weights, axis=0) - terms.elbo
        error = np.std(difference) / np.sqrt(n) + 1e-4
        assert abs(np.mean(difference)) < 4 * error


class _Batches(keras.utils.PyDataset):
    def __init__(self, data):
        super().__init__()
        self.data = list(data)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def _check_forms_of_data(vae, x):
    """SGD over the same batches in the same order, whatever they came in."""
    ones, target = np.ones(len(_main(x)), "float32"), _main(x)
    parts = [slice(i, i + 16) for i in range(0, len(ones), 16)]
    in_order = {"batch_size": 16, "shuffle": False}
    forms = [
        {"x": x, **in_order},
        {"x": x, "y": target, "sample_weight": ones, **in_order},
        {"x": (x, None, ones), **in_order},
        {"x": _dataset(x)},
        {"x": tf.data.Dataset.from_tensor_slices((x,)).batch(16)},
        {"x": _dataset(x, target, ones)},
        {"x": (_rows(x, part) for part in parts)},
        {"x": ((_rows(x, part), None, ones[part]) for part in parts)},
        *(
            {"x": _Batches((_rows(x, part), *more(part)) for part in parts)}
            | {"shuffle": False}
            for more in (
                lambda part: (None, ones[part]),
                lambda part: (target[part],),
            )
        ),
    ]
    start, results = _flat(vae), []

    def train(forms):
        for form in forms:
            with put_back(vae):
                history = vae.fit(**form, verbose=0).history
                assert set(history) == {"loss", *vae.MEASURES, "mse"}
                assert int(vae.step) == len(parts)
                results.append(_flat(vae))

    # Each in a graph of its own: x alone, and with all that may come with it.
    train(forms[:2])
    with _eagerly(vae):
        train(forms[2:])
    assert not np.array_equal(results[0], start)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-6)


def _check_means_and_weights(vae, x, of_batch):
    n = len(_main(x))
    score = vae.score(x)
    for batch_size in (16, 7):  # the last batch is short
        logs = vae.evaluate(x, batch_size=batch_size, verbose=0, return_dict=True)
        for name in vae.MEASURES:
            if name in of_batch:
                assert np.isfinite(logs[name])
                continue
            assert logs[name] == pytest.approx(score[name].mean(), rel=1e-5, abs=1e-6)
    squares = np.square(vae.reconstruct(x) - _main(x)).mean()
    assert logs["mse"] == pytest.approx(squares, rel=1e-4)
    weights = (np.arange(n) % 3 == 0).astype("float32")
    whole = {"batch_size": n, "verbose": 0, "return_dict": True}
    with _eagerly(vae):
        logs = vae.evaluate(x, sample_weight=weights, **whole)
    for name in vae.MEASURES:
        expected = score[name][weights == 1].mean()
        assert logs[name] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def _check_compiled_ways(vae, make, x):
    """XLA and several steps per execution train what the plain graph trains.

    Layers of Keras that draw (dropout) draw other numbers under XLA: of a model with
    any the evaluation is compared, which has no dropout.
    """

    def results(vae, x):
        with put_back(vae):
            logs = vae.evaluate(x, **IN_BATCHES, return_dict=True)
            vae.fit(x, **IN_ORDER)
            return logs, _flat(vae)

    def check(x, has_same_draws, **arguments):
        expected_logs, expected = results(vae, x)
        logs, trained = results(_compiled(make, metrics=["mse"], **arguments), x)
        assert np.isfinite(trained).all()
        for name, value in expected_logs.items():
            assert logs[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
        if has_same_draws:
            np.testing.assert_allclose(trained, expected, rtol=1e-3, atol=1e-4)

    # Whole batches: each further size is compiled, which takes seconds.
    whole = _rows(x, slice(0, 32))
    if len(vae.variables) - len(vae.weights) > 1:  # draws, beside `Sampling`
        check(x, True, steps_per_execution=3)
        check(whole, False, jit_compile=True)
    else:
        check(whole, True, jit_compile=True, steps_per_execution=3)


def _check_mixed_precision(make, x):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = _compiled(make)
        losses = vae.fit(x, **IN_BATCHES, epochs=2).history["loss"]
        scores = vae.score(x).values()
        arrays = [*vae.encode(x), vae.reconstruct(x), *scores, vae.codes(x)]
        copy = float32_copy(vae)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(losses).all()
    floats = [array.dtype for array in arrays if array.dtype.kind != "i"]  # codes are
    assert {*floats} == {np.dtype("float32")}
    np.testing.assert_allclose(copy.codes(x), arrays[-1], atol=0.05)


@contextlib.contextmanager
def _graphs_as_written():
    """Without TensorFlow's graph optimizer, which orders sums in one way or another:
    two models made and trained alike then differ in their last bits."""
    options = {"disable_meta_optimizer": True}
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options(options)
    try:
        yield
    finally:
        options["disable_meta_optimizer"] = before.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options(options)


def _check_saved_and_resumed(make, x):
    """Two epochs, or a .keras file after the first and another: the same to the bit."""
    # An optimizer with a state, and with a tenth of the operators of Adam.
    unbroken = _compiled(make, keras.optimizers.SGD(0.01, momentum=0.9))
    unbroken.fit(x, **IN_ORDER)
    with tempfile.TemporaryDirectory() as folder:
        unbroken.save(Path(folder) / "model.keras")
        resumed = keras.models.load_model(Path(folder) / "model.keras")
    assert type(resumed) is type(unbroken)
    np.testing.assert_array_equal(resumed.codes(x), unbroken.codes(x))
    for vae in (unbroken, resumed):
        vae.fit(x, **IN_ORDER)
    for a, b in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    scores = resumed.score(x)
    for name, value in unbroken.score(x).items():
        np.testing.assert_array_equal(scores[name], value)
    return resumed


def _check_bad_batch(vae, x):
    """NaN among the data stops training, and leaves all as the good steps left it."""
    bad = tf.nest.map_structure(np.array, x)
    _main(bad)[20].flat[0] = np.nan
    variables = [
        variable
        for variable in (*vae.variables, *vae.optimizer_variables)
        if "float" in variable.dtype
    ]
    before = [variable.numpy() for variable in variables]
    with pytest.raises(FloatingPointError, match="`x`.* is not finite"):
        vae.fit(_dataset(_rows(bad, slice(16, 32))), verbose=0)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


@functools.cache
def two_devices():
    # One for all: TensorFlow numbers the collectives of each strategy from the same
    # beginning, and takes two of one number for one.
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def _check_two_devices(make, x, of_batch, expected):
    """Evaluation as on one device; training on unequal and empty parts of batches."""
    with two_devices().scope():
        vae = _compiled(make, metrics=["mse"])
    x, start = _rows(x, UNEVEN), _flat(vae)
    logs = vae.evaluate(x, **IN_BATCHES, return_dict=True)
    for name in {"loss", *vae.MEASURES, "mse"} - {*of_batch}:
        assert logs[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    history = vae.fit(x, **IN_BATCHES, epochs=2, validation_data=x).history
    assert np.isfinite(list(history.values())).all() and vae.step.numpy() == 6
    assert np.isfinite(vae.score(x)["reconstruction_loss"]).all()
    assert not np.array_equal(_flat(vae), start)


def _check_export(vae, x):
    conditions = _conditions(vae, x)
    samples = vae.sample(len(_main(x)), seed=1, **conditions)
    assert samples.shape == _main(x).shape and np.isfinite(samples).all()
    draws = vae.sample(len(_main(x)), seed=1, draws=True, **conditions)
    assert np.all(vae.likelihood.in_support(draws))
    with tempfile.TemporaryDirectory() as folder:
        saved = keras_vae.export.export_saved_models(vae, folder)
        keras_vae.export.write_parity(
            vae, Path(folder) / "parity.npz", version=saved.version, data=x
        )
        keras_vae.export.export_tflite(vae, Path(folder) / "tflite", test_data=x)
        results = keras_vae.export.verify(folder)
    places = {(result.signature, result.where) for result in results}
    for signature in ("encoder/encode", "decoder/decode", "decoder/sample"):
        assert (signature, "SavedModel") in places
        assert (signature, f"{signature.split('/')[0]}.tflite") in places
    assert [result for result in results if not result.passed] == []
