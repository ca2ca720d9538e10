"""`keras-vae train`: its help, what it tells before any work, what it says."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from keras_vae import runs
from keras_vae_cli import main, options
from tests.short_runs import without_figures

TINY = ["--epochs", "2", "--latent-dim", "3", "--hidden-units", "8"]
TINY += ["--exports", "none"]
NEW = ["--dataset", "digits", "--output", "r"]


def call(*arguments):
    with without_figures():
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    result = call("train", "--dataset", "digits", "--output", path, *TINY)
    assert result.exit_code == 0, result.output
    return path, result


def test_the_help_shows_groups_and_an_example():
    text = call("train", "--help").output
    groups = [line for line in text.splitlines() if line.endswith(":")]
    assert {"Data:", "Model:", "Objective:", "Training:", "The run:"} <= {*groups}
    assert "keras-vae train --dataset" in text
    assert "NUMBER|learned|learned_per_output|optimal" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digits"], "--output"),
        (["--output", "r"], "--dataset"),
        (["--latent-dim", "0"], "--latent-dim"),
        (["--likelihood", "bernouli"], "Did you mean 'bernoulli'"),
        (["--network", "convolutions"], "Did you mean 'convolutional'"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--learning-rate", "inf"], "--learning-rate"),
        (["--image-size", "28by28"], "28x32"),
        (["--hidden-units", "a,b"], "200,200"),
        (["--scale", "-1"], "--scale"),
        (["--seed", "-1"], "--seed"),
        (["--no-such-option"], "No such option"),
        (["--dataset", "no/such/x.npz", "--output", "r"], "there is no"),
        (["--output", "r", "--resume"], "no run at r"),
        (["--output", "r", "--resume", "--overwrite"], "exclude"),
        (["--output", "r", "--resume", "--beta", "2"], "leave out --beta"),
        (["--config", "no.json", "--output", "r"], "--config"),
        ([*NEW, "--strategy", "multi-worker"], "TF_CONFIG"),
        (
            [*NEW, "--likelihood", "poisson", "--scale", "1"],
            "--scale belongs to",
        ),
        (
            [*NEW, "--validation-fraction", "0.6", "--test-fraction", "0.4"],
            "--validation-fraction and --test-fraction",
        ),
    ],
)
def test_mistakes_are_told_without_the_package(arguments, message, monkeypatch):
    folder = Path(tempfile.mkdtemp())
    monkeypatch.chdir(folder)
    module = sys.modules[main.commands["train"].callback.__module__]
    monkeypatch.setattr(module, "import_keras_vae", lambda: pytest.fail("imported"))
    result = call("train", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert list(folder.iterdir()) == []


def test_it_says_what_it_reads_builds_and_what_comes_next(run):
    path, result = run
    out = result.stdout
    said = ["1,437 train", "parameters", "epoch 1/2", "ELBO", "Next:"]
    assert [out.index(words) for words in said] == sorted(map(out.index, said))
    assert f"keras-vae sample {path}" in out
    for words in ("Reading data", "Measuring", "Drawing figures"):
        assert words in result.stderr
    assert "export/" not in out


def test_quiet_prints_nothing(tmp_path, capfd):
    arguments = ["--dataset", "digits", "--output", tmp_path / "r", *TINY[:-2]]
    whole = ["train", *map(str, arguments), "--quiet"]
    result = CliRunner().invoke(main, whole)
    assert (result.exit_code, result.output) == (0, "")
    captured = capfd.readouterr()  # what C++ writes
    assert captured.out + captured.err == ""


def test_a_run_is_repeated_by_its_settings(run, tmp_path):
    path, _ = run
    config, again = path / "config.json", tmp_path / "again"
    result = call("train", "--config", config, "--output", again, "--quiet")
    assert result.exit_code == 0, result.output
    assert (again / "history.csv").read_text() == (path / "history.csv").read_text()
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"seed": "x"}))
    result = call("train", "--config", broken, "--output", tmp_path / "no")
    assert result.exit_code == 2 and "broken.json" in result.stderr


def test_a_resumed_run_keeps_its_settings(run):
    path, _ = run
    result = call("train", "--output", path, "--resume", "--epochs", 3)
    assert result.exit_code == 0, result.output
    assert len(runs.Run(path).history) == 3
    assert runs.Run(path).config["exports"] == "none"
    assert "export/" not in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_how_to_go_on(run, tmp_path, how):
    """Ctrl-C and SIGTERM are the same: nothing is left half done."""
    path = tmp_path / "run"
    arguments = ["--dataset", "digits", "--output", str(path), *TINY, "--epochs", "999"]
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_vae_cli", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            process.send_signal(how)
            break
    _, stderr = process.communicate()
    assert process.returncode == 130
    command = f"keras-vae train --output {path} --resume"
    assert stderr.strip().splitlines()[-1] == f"Stopped. Go on with: {command}"
    assert not list(path.rglob(".keras_vae-*"))


def test_a_run_that_was_ended_between_two_renames_is_found(tmp_path):
    """Before the package is imported, which would heal it too."""
    path = tmp_path / "run"
    aside = tmp_path / ".keras_vae-tmp-1" / ".keras_vae-old-0" / "run"
    aside.mkdir(parents=True)
    (tmp_path / ".keras_vae-tmp-1" / ".keras_vae-lock").touch()
    for name in ("config.json", "model.keras"):
        (aside / name).touch()
    assert options.ModelPath().convert(str(path), None, None) == path
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
