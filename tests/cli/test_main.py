"""The command line: what it writes, what it says, and its exit status."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import keras_vae
from keras_vae import runs
from keras_vae_cli import main, options

TINY = ["--epochs", "2", "--latent-dim", "3", "--hidden-units", "8"]


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    result = call("train", "--dataset", "digits", "--output", path, *TINY)
    assert result.exit_code == 0, result.output
    return path, result


def test_train_reports_and_names_what_it_wrote(run):
    path, result = run
    metrics = json.loads((path / "metrics.json").read_text())
    assert f"{metrics['elbo']:.2f}" in result.stdout
    assert f"{metrics['kl_loss']:.2f}" in result.stdout
    assert f"{metrics['bits_per_dim']:.3f}" in result.stdout
    assert f"{metrics['num_active_units']} of 3" in result.stdout
    assert metrics["collapse_report"] in result.stdout
    for name in ("model.keras", "figures", "export/encoder/1", "export/decoder/1"):
        assert str(path / name) in result.stdout
        assert (path / name).exists()
    # The export is verified: every signature, in the SavedModels and in the files.
    for row in ("decoder/sample         SavedModel", "decoder_float16.tflite"):
        assert row in result.stdout
    assert result.stderr == ""


def test_quiet_prints_nothing(tmp_path):
    quiet = ["--quiet", "--exports", "none"]
    result = call(
        "train", "--dataset", "digits", "--output", tmp_path / "r", *TINY, *quiet
    )
    assert (result.exit_code, result.output) == (0, "")


def test_evaluate(run, tmp_path):
    path, _ = run
    result = call("evaluate", path, "--output", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "m.json").read_text())
    expected = json.loads((path / "metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(expected["elbo"], rel=1e-6)
    result = call("evaluate", path, "--split", "train", "--num-importance-samples", 5)
    assert "1437 examples" in result.stdout and "log p(x), 5 draws" in result.stdout


def test_sample(run, tmp_path):
    path, _ = run
    vae = runs.load_vae(path)
    for name in ("s.npy", "s.npz", "s.csv", "s.png"):
        result = call(
            "sample", path, "--num-samples", 5, "--seed", 3, "--output", tmp_path / name
        )
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == str(tmp_path / name)
    expected = vae.sample(5, seed=3)
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), expected, rtol=1e-6)
    np.testing.assert_allclose(np.load(tmp_path / "s.npz")["x"], expected, rtol=1e-6)
    table = np.loadtxt(tmp_path / "s.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table, expected.reshape(5, 64), rtol=1e-6)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_encode_and_reconstruct(run, tmp_path):
    path, _ = run
    vae, test = runs.load_vae(path), runs.Run(path).dataset().test
    z_mean, z_log_var = vae.encode(test.x)
    assert call("encode", path, "--output", tmp_path / "z.npz").exit_code == 0
    arrays = np.load(tmp_path / "z.npz")
    np.testing.assert_allclose(arrays["z_mean"], z_mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(arrays["z_log_var"], z_log_var, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(arrays["label"].astype(int), test.labels)
    assert call("encode", path, "--output", tmp_path / "z.csv").exit_code == 0
    header = (tmp_path / "z.csv").read_text().splitlines()[0]
    assert header == ",".join(
        [f"{n}_{j}" for n in ("z_mean", "z_log_var") for j in range(3)] + ["label"]
    )
    # A model file alone, on data of one's own.
    np.save(tmp_path / "x.npy", test.x[:7])
    result = call(
        "reconstruct",
        path / "model.keras",
        "--input",
        tmp_path / "x.npy",
        "--output",
        tmp_path / "r.npy",
    )
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(
        np.load(tmp_path / "r.npy"), vae.reconstruct(test.x[:7]), rtol=1e-5
    )
    assert call("reconstruct", path, "--output", tmp_path / "r.png").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--dataset", "digits"], "--output"),
        (["train", "--latent-dim", "0"], "--latent-dim"),
        (["train", "--likelihood", "bernouli"], "Did you mean 'bernoulli'"),
        (["train", "--network", "convolutions"], "Did you mean 'convolutional'"),
        (["train", "--learning-rate", "0"], "--learning-rate"),
        (["train", "--image-size", "28by28"], "28x32"),
        (["train", "--hidden-units", "a,b"], "200,200"),
        (["train", "--scale", "-1"], "--scale"),
        (["train", "--no-such-option"], "No such option"),
        (["paint"], "No such command"),
        (["evaluate", "nowhere"], "does not exist"),
        (["train", "--output", "r"], "--dataset"),
        (["train", "--seed", "-1"], "--seed"),
        (["sample", ".", "--output", "s.gif"], ".png"),
        (["sample", ".", "--output", "no/such/folder/s.png"], "no folder"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_data_set_names_the_nearest(tmp_path):
    result = call("train", "--dataset", "digit", "--output", tmp_path / "r")
    assert result.exit_code == 2
    assert "'digits'" in result.stderr
    assert not (tmp_path / "r").exists()


def test_what_fails_at_run_time_exits_with_1_and_one_line(run, tmp_path):
    path, _ = run
    (tmp_path / "mine.txt").write_text("precious")
    damaged = tmp_path / "model.keras"
    damaged.write_bytes(b"nonsense")
    for arguments in (
        ["train", "--dataset", "digits", "--output", tmp_path],
        ["train", "--dataset", "digits", "--output", path],
        ["sample", damaged, "--output", tmp_path / "s.npz"],
    ):
        result = call(*arguments)
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stderr.startswith("Error: ") and result.stdout == ""
    result = call("sample", damaged, "--output", tmp_path / "s.npz", "--debug")
    assert isinstance(result.exception, ValueError)


def test_a_disk_that_is_full_leaves_no_half_file(run, tmp_path, monkeypatch):
    path, _ = run

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    result = call("sample", path, "--output", tmp_path / "s.npz")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_keeps_its_settings(run):
    path, _ = run
    train = ["train", "--output", path, "--resume"]
    result = call(*train, "--latent-dim", 5)
    assert result.exit_code == 2 and "--latent-dim" in result.stderr
    result = call(*train, "--overwrite")
    assert result.exit_code == 2
    result = call(*train, "--epochs", 3, "--exports", "none")
    assert result.exit_code == 0, result.output
    assert len(runs.Run(path).history) == 3


def test_the_choices_are_those_of_the_package():
    """Written down in the command line, which imports no package for its help."""
    assert set(options.NETWORKS) == set(keras_vae.networks.__all__) - {"get"}
    classes = [
        value
        for value in vars(keras_vae.likelihoods).values()
        if isinstance(value, type) and value is not keras_vae.likelihoods.Likelihood
    ]
    assert set(options.LIKELIHOODS) == {cls.identifier for cls in classes}


def test_export_convert_and_verify(run, tmp_path):
    path, _ = run
    export = tmp_path / "export"
    result = call("export", path, "--output", export, "--model-base-path", "/srv")
    assert result.exit_code == 0, result.output
    assert "/srv/encoder" in (export / "models.config").read_text()
    assert call("export", path, "--output", export).exit_code == 0
    assert (export / "decoder" / "2" / "saved_model.pb").exists()
    result = call("export", path, "--output", export, "--model-version", 2)
    assert result.exit_code == 1 and "never overwritten" in result.stderr
    result = call("convert", path / "model.keras", "--output", export / "tflite")
    assert result.exit_code == 0, result.output
    assert (export / "tflite" / "decoder.tflite").exists()

    result = call("verify", export)
    assert result.exit_code == 0, result.output
    for part in ("encoder/encode_sample", "SavedModel", "decoder.tflite", "equal"):
        assert part in result.stdout
    with np.load(export / "parity.npz") as file:
        arrays = dict(file)
    arrays["decoder/decode/output/reconstruction"] += 0.01
    np.savez(export / "parity.npz", **arrays)
    result = call("verify", export)
    assert result.exit_code == 1
    assert "deviates" in result.stdout
