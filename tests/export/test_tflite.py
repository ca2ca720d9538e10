"""The .tflite files: they compute what was trained, and are what their names say.

Expected numbers come from the trained model; the files are run by LiteRT itself.
"""

import contextlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, datasets, likelihoods, networks, noise
from keras_vae.distributions import Delta
from keras_vae.export import (
    exported_models,
    format_report,
    litert,
    tflite,
    tflite_convert,
    tflite_elbo,
)
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.tflite import export_tflite
from keras_vae.export.tflite_metadata import read_tflite_metadata
from keras_vae.layers import Standardize

interpreter = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the extra tflite is not installed"
)

QUANTIZATIONS = ("float32", "float16", "dynamic", "int8")
DATA_SHAPE = (6, 6, 1)
BATCHES = (1, 3, 17)


def dense_vae(seed=0, **options):
    """A model whose answers differ from one example to the next, as a trained one's."""
    encoder, decoder = networks.dense(DATA_SHAPE, 3, hidden_units=(40,), seed=seed)
    for model in (encoder, decoder):
        model.set_weights([2 * weights for weights in model.get_weights()])
    return VAE(encoder, decoder, **options)


def images(num_examples):
    return np.random.default_rng(0).random((num_examples, *DATA_SHAPE), "float32")


@pytest.fixture(scope="module")
def vae():
    return dense_vae()


@pytest.fixture(scope="module")
def exported(vae, tmp_path_factory):
    """One conversion of everything: the folder and the report."""
    folder = tmp_path_factory.mktemp("export") / "tflite"
    report = export_tflite(
        vae,
        folder,
        quantize=QUANTIZATIONS[1:],
        representative_data=images(64),
        test_data=images(200)[64:],
        labels=["zero", "one"],
        version=7,
    )
    return folder, report


def file_of(exported, model, quantization="float32"):
    suffix = "" if quantization == "float32" else f"_{quantization}"
    return exported[0] / f"{model}{suffix}.tflite"


def run(path, signature, **inputs):
    """LiteRT's own answer, without anything of this package."""
    model = interpreter.Interpreter(model_path=str(path), num_threads=1)
    return model.get_signature_runner(signature)(**inputs)


def test_signatures_are_those_of_the_servers(exported):
    signatures = {}
    for model in ("encoder", "decoder"):
        file = interpreter.Interpreter(str(file_of(exported, model)))
        signatures |= file.get_signature_list()
    assert signatures == {
        "encode": {"inputs": ["x"], "outputs": ["z_log_var", "z_mean"]},
        "decode": {"inputs": ["z"], "outputs": ["reconstruction"]},
        "sample": {"inputs": ["seed"], "outputs": ["reconstruction", "z"]},
    }


@pytest.mark.parametrize("batch", BATCHES)
def test_float32_answers_what_was_trained(vae, exported, batch):
    x = images(batch)
    answer = run(file_of(exported, "encoder"), "encode", x=x)
    z_mean, z_log_var = vae.encode(x)
    np.testing.assert_allclose(answer["z_mean"], z_mean, rtol=0, atol=1e-5)
    np.testing.assert_allclose(answer["z_log_var"], z_log_var, rtol=0, atol=1e-5)
    assert z_mean.std() > 0.1 or batch == 1

    decoder = file_of(exported, "decoder")
    answer = run(decoder, "decode", z=z_mean)["reconstruction"]
    np.testing.assert_allclose(answer, vae.decode(z_mean), rtol=0, atol=1e-5)

    seed = noise.example_seeds(11, 0, batch).numpy()
    answer = run(decoder, "sample", seed=seed)["reconstruction"]
    np.testing.assert_allclose(answer, vae.sample(batch, seed=11), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("quantization", "allowed"), [("float16", 1e-3), ("dynamic", 0.1), ("int8", 0.1)]
)
def test_quantized_answers_are_near(vae, exported, quantization, allowed):
    x = images(BATCHES[-1])
    z_mean, _ = vae.encode(x)
    answer = run(file_of(exported, "encoder", quantization), "encode", x=x)["z_mean"]
    assert 0 < np.abs(answer - z_mean).max() <= allowed * np.abs(z_mean).max()
    decoder = file_of(exported, "decoder", quantization)
    answer = run(decoder, "decode", z=z_mean)["reconstruction"]
    assert 0 < np.abs(answer - vae.decode(z_mean)).max() <= allowed


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_seed_draws_the_same_noise_in_every_file(vae, exported, quantization):
    # float16 has no 2^-32 and int8 no normal numbers: the noise must escape both.
    seed = np.array([[0, 0], [5, 9], [-(2**31), 2**31 - 1], [-1, 7]], "int32")
    path = file_of(exported, "decoder", quantization)
    z = run(path, "sample", seed=seed)["z"]
    np.testing.assert_array_equal(z, noise.normal(seed, vae.latent_dim))
    alone = run(path, "sample", seed=seed[2:3])["z"]
    np.testing.assert_array_equal(alone, z[2:3])


def operators(path):
    """Each operator by TensorFlow's own reading: `(name, types of its tensors)`."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        tf.lite.experimental.Analyzer.analyze(model_path=str(path))
    for graph in text.getvalue().split("\nSubgraph#")[1:]:
        types = dict(re.findall(r"^  T#(\w+)\(.* type:(\w+)", graph, re.MULTILINE))
        for name, tensors in re.findall(
            r"^  Op#\d+ (\S+?)\((.*)$", graph, re.MULTILINE
        ):
            used = re.findall(r"T#(\w+)", tensors)
            yield name, {types[index] for index in used if index in types}


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("model", ["encoder", "decoder"])
def test_all_operators_are_built_in(exported, model, quantization):
    names = {name for name, _ in operators(file_of(exported, model, quantization))}
    assert "FULLY_CONNECTED" in names
    assert not {name for name in names if re.match("Flex|CUSTOM", name)}


@pytest.mark.parametrize(
    ("quantization", "types"),
    [
        ("float32", {"FLOAT32"}),
        ("float16", {"FLOAT32"}),  # its weights are made float32 as it is loaded
        ("dynamic", {"FLOAT32", "INT8"}),
        ("int8", {"INT8", "INT32"}),
    ],
)
@pytest.mark.parametrize("model", ["encoder", "decoder"])
def test_files_compute_as_they_say_in_every_signature(
    exported, model, quantization, types
):
    # The converter can leave a model of several signatures in float32 without a word.
    products = [
        used
        for name, used in operators(file_of(exported, model, quantization))
        if name == "FULLY_CONNECTED"
    ]
    assert len(products) == {"encoder": 3, "decoder": 4}[model]
    assert set.union(*products) <= types
    if quantization == "int8":
        assert all("INT8" in used for used in products)
    if quantization == "dynamic":
        assert (
            sum("INT8" in used for used in products)
            == {"encoder": 1, "decoder": 2}[model]
        )


@pytest.mark.parametrize(
    ("quantization", "dtype"),
    [("float16", "float16"), ("dynamic", "int8"), ("int8", "int8")],
)
def test_quantized_weights_are_stored_as_the_name_says(exported, quantization, dtype):
    folder, report = exported
    for row in report["files"]:
        if row["quantization"] == quantization:
            path, float32 = folder / row["file"], file_of(exported, row["model"])
            share = path.stat().st_size / float32.stat().st_size
            assert row["share_of_float32"] == pytest.approx(share, abs=1e-4)
            assert share < 1
            # The matrix of 36 x 40, whichever else is stored so.
            stored = row["weight_bytes"][dtype.upper()]
            assert stored >= 36 * 40 * np.dtype(dtype).itemsize
            assert row["weight_bytes"].get("FLOAT32", 0) < 36 * 40 * 4


def test_report_is_measured(vae, exported):
    folder, report = exported
    assert json.loads((folder / "report.json").read_text()) == report
    assert {row["file"] for row in report["files"]} | {"report.json"} == {
        path.name for path in folder.iterdir()
    }
    assert report["data"] == "test_data"
    x = images(200)[64:128]
    expected = np.stack(vae.encode(x))
    for row in report["files"]:
        path = folder / row["file"]
        assert row["bytes"] == path.stat().st_size
        assert row["latency_ms"] > 0
        if row["model"] == "encoder":
            answer = run(path, "encode", x=x)
            answer = np.stack([answer["z_mean"], answer["z_log_var"]])
            difference = np.abs(answer - expected)
            scale = np.maximum(1, np.abs(expected).max(axis=(1, 2), keepdims=True))
            assert row["deviation"] == pytest.approx(
                (difference / scale).max(), rel=0.1
            )
            mean = (difference / scale).mean()
            assert row["mean_deviation"] == pytest.approx(mean, rel=0.1)


def test_elbo_is_that_of_the_pair(vae, exported):
    _, report = exported
    elbo = {row["quantization"]: row["elbo"] for row in report["files"]}
    # `VAE.elbo` draws from the same seeds, so nothing but rounding is between them.
    expected = vae.elbo(images(200)[64:], seed=0).mean()
    assert elbo["float32"] == pytest.approx(expected, rel=1e-5)
    assert elbo["float16"] == pytest.approx(expected, rel=1e-3)
    assert elbo["int8"] == pytest.approx(expected, rel=0.03)
    assert len(set(elbo.values())) == len(QUANTIZATIONS)


def test_report_as_a_table(exported):
    lines = format_report(exported[1]).splitlines()
    for heading in ("bytes", "largest deviation", "ELBO of the pair", "ms"):
        assert heading in lines[0]
    assert [line.split()[0] for line in lines[2:10]] == [
        row["file"] for row in exported[1]["files"]
    ]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_metadata_travels_inside_the_file(exported, quantization):
    path = file_of(exported, "decoder", quantization)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        metadata = json.loads(archive.read("metadata.json"))
        assert archive.read("labels.txt").decode() == "zero\none\n"
    assert metadata["model"] == "decoder"
    assert metadata["quantization"] == quantization
    assert metadata["data_shape"] == list(DATA_SHAPE)
    assert metadata["latent_dim"] == 3
    assert metadata["likelihood"] == "bernoulli"
    assert metadata["value_range"] == [0.0, 1.0]
    assert metadata["version"] == 7
    assert metadata["signatures"]["sample"]["inputs"] == {
        "seed": {"dtype": "int32", "shape": [None, 2]}
    }
    assert read_tflite_metadata(path) == metadata | {"labels": ["zero", "one"]}


def test_metadata_of_another_file_is_an_error(tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes(b"TFL3")
    with pytest.raises(ValueError, match=r"metadata\.json.*other\.tflite"):
        read_tflite_metadata(path)


def test_tabular_mixed_precision_with_integer_inputs_and_outputs(tmp_path, monkeypatch):
    """All that is left to chance elsewhere, in one conversion."""
    keras.config.set_dtype_policy("mixed_float16")
    encoder, decoder = networks.dense((5,), 2, "gaussian", hidden_units=(8,), seed=0)
    mean, scale = [100.0, -3.0, 0.0, 5.0, 1.0], [20.0, 1.0, 0.1, 2.0, 1.0]
    vae = VAE(
        encoder,
        decoder,
        likelihood="gaussian",
        standardize=Standardize(mean, scale),
    )
    keras.config.set_dtype_policy("float32")
    x = np.random.default_rng(1).normal(mean, scale, (64, 5)).astype("float32")
    x[0] = np.add(mean, np.multiply(3, scale))
    # Temporary files are where they can be counted, and nothing converts in here.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", None)

    folder = tmp_path / "made" / "tflite"
    batches = tf.data.Dataset.from_tensor_slices(x).batch(10)
    report = export_tflite(vae, folder, "int8", batches, integer_io=True)

    assert not list(temporary.glob("keras_vae-*"))
    assert [path.name for path in folder.parent.iterdir()] == ["tflite"]
    assert report["data"] == "representative_data"
    z_mean, _ = vae.encode(x)
    answer = run(folder / "encoder.tflite", "encode", x=x)["z_mean"]
    # The trained model computes in float16: the export is the better one of the two.
    np.testing.assert_allclose(answer, z_mean, rtol=0, atol=5e-3)
    answer = run(folder / "decoder.tflite", "decode", z=z_mean)["reconstruction"]
    assert np.abs((answer - vae.decode(z_mean)) / scale).max() < 5e-3

    file = LiteRTModel((folder / "encoder_int8.tflite").read_bytes())
    tensors = file.tensors("encode")
    assert tensors["inputs"]["x"]["dtype"] == "int8"
    assert {tensor["dtype"] for tensor in tensors["outputs"].values()} == {"int8"}
    raw = run(
        folder / "encoder_int8.tflite",
        "encode",
        x=np.full((1, 5), tensors["inputs"]["x"]["zero_point"], "int8"),
    )
    real = file.run("encode", {"x": np.zeros((1, 5), "float32")})
    for name, tensor in tensors["outputs"].items():
        expected = tensor["scale"] * (raw[name].astype(float) - tensor["zero_point"])
        np.testing.assert_allclose(real[name], expected, rtol=1e-6)
    metadata = read_tflite_metadata(folder / "decoder_int8.tflite")
    assert metadata["value_range"] is None
    assert metadata["signatures"]["sample"]["inputs"]["seed"]["dtype"] == "int32"
    assert "labels" not in metadata

    # So small a model does not get smaller, and the report says why.
    notes = {row["file"]: row["notes"] for row in report["files"]}
    assert notes["encoder.tflite"] == []
    assert "not smaller than the float32 file" in notes["encoder_int8.tflite"][0]
    assert "encoder_int8.tflite: not smaller" in format_report(report)


def test_conditions_and_maps_of_latents(tmp_path):
    """A row of features and a condition; the code is a map of 2 x 3."""
    x, given = keras.Input((4,), name="x"), keras.Input((3,), name="condition")
    hidden = keras.layers.Concatenate()([x, given])
    heads = [
        keras.layers.Reshape((2, 3))(keras.layers.Dense(6)(hidden)) for _ in range(2)
    ]
    z, again = keras.Input((2, 3), name="z"), keras.Input((3,), name="condition")
    hidden = keras.layers.Concatenate()([keras.layers.Flatten()(z), again])
    vae = VAE(
        keras.Model({"x": x, "condition": given}, heads),
        keras.Model({"z": z, "condition": again}, keras.layers.Dense(4)(hidden)),
        likelihood=likelihoods.Gaussian(scale=1.0),
    )
    rng = np.random.default_rng(0)
    condition = np.eye(3, dtype="float32")[rng.integers(0, 3, 20)]
    data = {"x": rng.normal(size=(20, 4)).astype("float32"), "condition": condition}
    folder = tmp_path / "tflite"
    report = export_tflite(vae, folder, test_data=data, feature_names="abcd")
    z_mean, _ = vae.encode(data)
    answer = run(folder / "encoder.tflite", "encode", **data)["z_mean"]
    np.testing.assert_allclose(answer, z_mean, rtol=0, atol=1e-5)
    given = {"z": z_mean, "condition": condition}
    answer = run(folder / "decoder.tflite", "decode", **given)["reconstruction"]
    np.testing.assert_allclose(answer, vae.reconstruct(data), rtol=0, atol=1e-5)
    elbo = vae.elbo(data, seed=0).mean()
    assert [row["elbo"] for row in report["files"]] == [
        pytest.approx(elbo, rel=1e-5)
    ] * 2
    metadata = read_tflite_metadata(folder / "encoder.tflite")
    assert metadata["latent_shape"] == [2, 3]
    assert metadata["feature_names"] == ["a", "b", "c", "d"]
    assert metadata["conditions"]["condition"]["shape"] == [None, 3]
    inputs = metadata["signatures"]["encode"]["inputs"]
    assert inputs["condition"] == {"dtype": "float32", "shape": [None, 3]}


class Autoencoder(VAE):
    """Another posterior than the normal one, whose parameters mean something else."""

    def posterior(self, inputs, training=False):
        return Delta(super().posterior(inputs, training).mean)


def test_no_elbo_of_a_posterior_that_is_not_known_here(vae):
    models = exported_models(vae)
    assert list(tflite_elbo.parameters_endpoint(vae, models)) == ["parameters"]
    other = Autoencoder(vae.encoder, vae.decoder)
    assert tflite_elbo.parameters_endpoint(other, exported_models(other)) is None
    row = {"file": "encoder.tflite", "bytes": 10, "share_of_float32": 1.0, "notes": []}
    row |= {"deviation": 0.0, "mean_deviation": 0.0, "latency_ms": 0.5, "elbo": None}
    assert format_report({"files": [row]}).endswith(" 0.50")


def test_litert_says_nothing_of_itself(capfd):
    with litert._without_information():
        os.write(
            2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: a\n"
        )
    assert capfd.readouterr().err == "ERROR: a\n"


class Unusual(keras.layers.Layer):
    """Operators that LiteRT does not have: one that Flex has, one that nobody has."""

    def call(self, x):
        square = x[:, :, None] * x[:, None, :] + tf.eye(x.shape[-1])
        inverse = tf.linalg.inv(square)[:, :, 0]
        return x + inverse + tf.math.betainc(tf.exp(x), tf.exp(x), tf.sigmoid(x))


def test_an_operator_that_is_not_built_in_is_named_and_nothing_is_left(
    vae, exported, tmp_path, monkeypatch
):
    x = keras.Input(DATA_SHAPE)
    hidden = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    hidden = Unusual(name="my_layer")(hidden)
    z_mean, z_log_var = (keras.layers.Dense(3)(hidden) for _ in range(2))
    bad = VAE(keras.Model(x, [z_mean, z_log_var]), vae.decoder)
    folder = tmp_path / "tflite"
    folder.mkdir()
    report = '{"keras_vae": "0.1.0", "files": [{"file": "encoder.tflite"}]}'
    (folder / "report.json").write_text(report)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    with pytest.raises(ValueError, match="built in") as error:
        export_tflite(bad, folder)

    assert "`encode`" in str(error.value)
    assert re.search(r"MatrixInverse at \S*my_layer\S*", str(error.value))
    assert re.search(r"Betainc at \S*my_layer\S*", str(error.value))
    assert not list(temporary.glob("keras_vae-*"))
    assert sorted(tmp_path.iterdir()) == [temporary, folder]
    assert [path.name for path in folder.iterdir()] == ["report.json"]


def test_a_flex_operator_in_a_file_is_an_error():
    @tf.function(input_signature=[tf.TensorSpec((None, 2, 2))])
    def inverse(x):
        return tf.linalg.inv(x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [inverse.get_concrete_function()]
    )
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    with pytest.raises(ValueError, match="FlexMatrixInverse"):
        tflite._check_types(converter.convert(), "encoder", "float32")


def convert(function, **options):
    """A .tflite file of a function of two numbers, converted in here."""
    spec = tf.TensorSpec((None, 2), name="x")
    concrete = tf.function(function, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()


def test_a_file_that_is_not_what_its_name_says_is_an_error():
    product = tf.random.stateless_normal((2, 3), (0, 0))
    content = convert(lambda x: tf.matmul(x, product))
    assert tflite._check_types(content, "encoder", "float32") == []
    for quantization in ("int8", "float16"):
        with pytest.raises(RuntimeError, match=rf"encoder_{quantization}\.tflite"):
            tflite._check_types(content, "encoder", quantization)
    (note,) = tflite._check_types(content, "encoder", "dynamic")
    assert "1024" in note


def test_an_operator_without_an_integer_form_is_noted():
    product = tf.random.stateless_normal((2, 3), (0, 0))
    content = convert(
        lambda x: tf.sin(tf.matmul(x, product)),
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([np.eye(2, dtype="float32")] for _ in "ab"),
    )
    (note,) = tflite._check_types(content, "encoder", "int8")
    assert note.startswith("SIN in float32")


def test_a_converter_that_dies_is_an_error_with_its_words(vae, tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "print('the last words', file=sys.stderr, flush=True)\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    monkeypatch.setattr(tflite_convert, "__file__", str(program))
    with pytest.raises(RuntimeError, match="status -9.*the last words"):
        export_tflite(vae, tmp_path / "tflite")
    assert list(tmp_path.iterdir()) == [program]


def test_somebody_elses_folder_is_left_alone(vae, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=re.escape(str(tmp_path))):
        export_tflite(vae, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(FileExistsError, match="something else"):
        export_tflite(vae, tmp_path / "thesis.tex")


@pytest.fixture
def quick(monkeypatch):
    """Without the converter and LiteRT, which take seconds."""
    content = convert(lambda x: tf.matmul(x, tf.eye(2)))
    converted = {(m, "float32"): content for m in ("encoder", "decoder")}
    monkeypatch.setattr(tflite, "_convert", lambda *_: converted)
    monkeypatch.setattr(
        tflite, "measure_file", lambda *_: {"deviation": 0.0, "share_of_float32": 1.0}
    )


def earlier(folder, **report):
    """A folder with an export of one file, and with files of the user's."""
    report = {"files": [{"file": "encoder_int8.tflite"}], **report}
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps({"keras_vae": "0.1.0", **report}))
    (folder / "encoder_int8.tflite").write_bytes(b"of an earlier export")
    (folder / "mine.txt").write_text("mine")
    (folder / "notes").mkdir()
    (folder / "notes" / "encoder_int8.tflite").write_text("mine too")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("report", [{}, {"kind": "tflite"}])
def test_an_earlier_export_is_replaced_and_nothing_else(vae, tmp_path, quick, report):
    folder = tmp_path / "tflite"
    earlier(folder, **report)
    for _ in range(2):
        report = export_tflite(vae, folder)
        assert (report["kind"], report["data"]) == ("tflite", "samples of the model")
        assert {row["elbo"] for row in report["files"]} == {None}
        found = contents(folder)
        assert sorted(found) == [
            "decoder.tflite",
            "encoder.tflite",
            "mine.txt",
            "notes/encoder_int8.tflite",
            "report.json",
        ]
        assert found["mine.txt"] == b"mine"
        assert found["notes/encoder_int8.tflite"] == b"mine too"
        assert list(tmp_path.iterdir()) == [folder]


def test_noisy_inputs_of_a_denoising_model_are_taken(tmp_path, quick):
    vae, x = dense_vae(), images(4)
    noisy = x + 2
    with pytest.raises(ValueError, match="`test_data`.*support"):
        export_tflite(vae, tmp_path / "tflite", test_data=noisy)
    vae.compile("sgd", run_eagerly=True)
    vae.fit((noisy, x), epochs=1, verbose=0)
    report = export_tflite(vae, tmp_path / "tflite", test_data=noisy)
    assert {(row["elbo"], report["data"]) for row in report["files"]} == {
        (None, "test_data")
    }


def test_a_file_of_the_users_with_our_name_is_not_written_over(vae, tmp_path, quick):
    folder = tmp_path / "tflite"
    earlier(folder)
    (folder / "decoder.tflite").write_text("mine")
    before = contents(folder)
    with pytest.raises(FileExistsError, match=r"not of the earlier.*decoder\.tflite"):
        export_tflite(vae, folder)
    assert contents(folder) == before and list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"files": [{"file": "encoder.onnx"}]}, "of the kind onnx"),
        ({"kind": "onnx", "files": [{"file": "encoder.onnx"}]}, "of the kind onnx"),
        ({"files": []}, "something else"),
        ({"files": [{"file": "a.tflite"}, {"file": "a.onnx"}]}, "something else"),
        ({"files": [1]}, "something else"),
    ],
)
def test_an_export_of_another_kind_is_left_alone(vae, tmp_path, report, words):
    earlier(tmp_path / "phone", **report)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=f"earlier tflite export.*{words}"):
        export_tflite(vae, tmp_path / "phone")
    assert contents(tmp_path) == before


def test_without_litert_the_error_says_what_to_install(vae, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'keras-vae[tflite]'")):
        export_tflite(vae, tmp_path / "tflite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": ["int4"]}, "`quantize`.*float16.*int4"),
        ({"quantize": "int8"}, "`representative_data`.*x_train"),
        ({"test_data": 2 * np.ones((3, *DATA_SHAPE))}, "`test_data`.*support"),
        ({"representative_data": np.ones((3, 5))}, "`representative_data`.*shape"),
        ({"version": 0}, "`version`"),
    ],
)
def test_wrong_arguments(vae, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export_tflite(vae, tmp_path / "tflite", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "data_shape", "likelihood"),
    [
        ("dense", (5,), "laplace"),
        ("dense", (2, 3), "poisson"),
        ("convolutional", (7, 5, 3), "categorical"),
        ("convolutional", (9, 6, 1), "continuous_bernoulli"),
        ("residual", (6, 7, 3), "discretized_logistic"),
        ("residual", (8, 8, 1), "gaussian"),
    ],
)
def test_every_kind_of_model(network, data_shape, likelihood, tmp_path):
    # Narrow ones where that keeps the answers in 8 bits as near.
    small = {
        "dense": {"hidden_units": (40,)},
        "convolutional": {"filters": (8, 16), "hidden_units": (40,)},
        "residual": {},
    }
    encoder, decoder = getattr(networks, network)(
        data_shape, 3, likelihood, seed=0, **small[network]
    )
    vae = VAE(encoder, decoder, likelihood=likelihood)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (64, *data_shape)).astype("float32")
    if likelihood == "categorical":
        x = np.eye(data_shape[-1], dtype="float32")[rng.integers(0, 3, (64, 7, 5))]
    report = export_tflite(vae, tmp_path / "tflite", QUANTIZATIONS[1:], x)
    deviations = {row["file"]: row["deviation"] for row in report["files"]}
    for model in ("encoder", "decoder"):
        assert deviations[f"{model}.tflite"] <= 1e-5
        assert deviations[f"{model}_float16.tflite"] <= 1e-3
        assert deviations[f"{model}_int8.tflite"] < 0.2
    float32, int8 = (report["files"][i]["elbo"] for i in (0, -1))
    # Of densities the ELBO may be near 0, where a share says nothing.
    assert int8 == pytest.approx(float32, rel=0.03, abs=0.03)


@pytest.mark.slow
@pytest.mark.mnist
def test_deviation_and_elbo_on_mnist(tmp_path):
    mnist = datasets.load("mnist")
    x_train, x_test = np.asarray(mnist.train.x), np.asarray(mnist.test.x)
    encoder, decoder = networks.dense(
        x_train.shape[1:], 16, hidden_units=(256,), data_mean=x_train.mean(0), seed=0
    )
    vae = VAE(encoder, decoder, seed=0)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(x_train[:20_000], batch_size=128, epochs=3, verbose=0)
    report = export_tflite(
        vae,
        tmp_path / "tflite",
        QUANTIZATIONS[1:],
        x_train[:256],
        test_data=x_test,
    )
    rows = {(row["model"], row["quantization"]): row for row in report["files"]}
    for model in ("encoder", "decoder"):
        assert rows[model, "float32"]["deviation"] <= 1e-5
        assert rows[model, "float16"]["deviation"] <= 1e-3
    float32, int8 = (rows["encoder", q]["elbo"] for q in ("float32", "int8"))
    assert -130 < float32 < -80
    assert int8 == pytest.approx(float32, rel=0.03)
