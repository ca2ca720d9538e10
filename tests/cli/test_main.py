"""All commands: their help, what is told at once, and how failures are told."""

import json
import os
import subprocess
import sys

import click
import numpy as np
import pytest

from keras_vae_cli import SECTIONS, main

COMMANDS = [command.name for commands in SECTIONS.values() for command in commands]


def test_every_command_is_in_one_section():
    assert sorted(COMMANDS) == sorted(main.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_can_be_typed(call, command):
    result = call(command, "--help")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    shown = [line for line in lines if line.startswith("keras-vae ")]
    assert shown
    for line in shown:
        # Every option of the example is one of the command.
        _, name, *words = line.split()
        options = {word for word in words if word.startswith("--")}
        command = main.commands[name]
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        params = command.params
        assert options <= {opt for param in params for opt in param.opts}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder with a file for each way to be mistaken."""
    folder = tmp_path_factory.mktemp("places")
    for name in ("run", "begun", "empty"):
        (folder / name).mkdir()
    (folder / "run" / "config.json").write_text("{}")
    (folder / "run" / "model.keras").write_text("")
    (folder / "begun" / "config.json").write_text("{}")
    (folder / "model.keras").write_text("")
    (folder / "data.csv").write_text("1,2")
    return folder


TOLD_AT_ONCE = [
    ("", ""),
    ("--version", ""),
    *((f"{command} --help", "") for command in COMMANDS),
    ("evaluate rum", "Did you mean run?"),
    ("encode rum --output z.csv", "Did you mean run?"),
    ("evaluate empty", "it has no config.json"),
    ("info begun", "--resume"),
    ("info data.csv", "neither the directory of a run nor a .keras file"),
    ("evaluate model.keras", "--input"),
    ("score model.keras --output s.csv", "--input"),
    ("plot model.keras training_curves --output f.png", "run's directory"),
    ("evaluate run --input dota.csv", "Did you mean data.csv?"),
    ("evaluate run --input ./nothing", "there is no ./nothing"),
    ("evaluate run --split tset", "Did you mean 'test'?"),
    ("encode run --output z.gif", ".csv"),
    ("encode run --output no/such/z.csv", "no folder"),
    ("sample run --output data.csv/s.csv", "no folder"),
    ("export model.keras", "--output"),
    ("export run --output data.csv/x", "not a folder"),
    ("convert run --output data.csv/x", "not a folder"),
    ("convert run --quantize int4", "'int4' is not one of"),
    ("verify nowhere", "keras-vae export"),
    ("interpolate run --from 0,x --output i.png", "200,200"),
    # Absurd numbers: D15, D16, D17, D18.
    ("sample run --num-samples 99999999999999999999 --output s.npy", "--num-samples"),
    ("sample run --num-samples 100000 --output s.png", "1024"),
    ("sample run --batch-size 1000000000000 --output s.npy", "--batch-size"),
    ("sample run --seed 4294967296 --output s.npy", "--seed"),
    ("sample run --seed -1 --output s.npy", "--seed"),
    ("evaluate run --num-importance-samples 9999999999", "--num-importance-samples"),
    ("interpolate run --num-steps 1 --output i.png", "--num-steps"),
    ("traverse run --num-steps 10000000 --output i.png", "--num-steps"),
    ("export run --model-version 99999999999999999999", "--model-version"),
    ("export run --max-batch-size 99999999999", "--max-batch-size"),
    ("verify run --timeout nan", "--timeout"),
    ("compress run --output x.npy", ".kvae"),
    ("compress run --lossy 0 --output x.kvae", "--lossy"),
    ("decompress run dota.csv --output x.npy", "Did you mean data.csv?"),
    ("decompress run data.csv --output x.npy", "no archive of keras_vae"),
]

SCRIPT = """
import json, os, sys
from click.testing import CliRunner
from keras_vae_cli import main
results = [CliRunner().invoke(main, line.split()) for line in json.load(sys.stdin)]
loaded = [name for name in ("tensorflow", "numpy", "keras") if name in sys.modules]
print(json.dumps([loaded, [[r.exit_code, r.output] for r in results]]))
"""


def test_what_is_wrong_is_told_before_tensorflow_is_imported(places):
    """U6: a mistyped path was told after ten seconds. All of them in one process."""
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([line for line, _ in TOLD_AT_ONCE]),
        cwd=places,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, results = json.loads(process.stdout)
    assert loaded == []
    for (line, words), (status, output) in zip(TOLD_AT_ONCE, results, strict=True):
        assert "Traceback" not in output
        if words:
            assert status == 2, (line, output)
            told = " ".join(output.split())
            assert words in told, (line, told)


def test_a_folder_that_cannot_be_written_to(call, run, tmp_path, monkeypatch):
    """Told at once; os.access is asked, as for root every folder can be written to."""
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    for arguments in (
        ["sample", run, "--output", tmp_path / "s.npy"],
        ["convert", run, "--output", tmp_path / "phone"],
        ["export", run, "--output", tmp_path / "serving"],
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "cannot be written to" in result.stderr


def test_choices_are_taken_as_the_help_shows_them_and_in_capitals(call, run, tmp_path):
    """D26: the help showed spellings that were refused."""
    assert "float16,dynamic,int8" in call("convert", "--help").stdout
    for split in ("test", "TEST"):
        output = tmp_path / "m.json"
        assert (
            call("evaluate", run, "--split", split, "--output", output).exit_code == 0
        )
    output = tmp_path / "l.png"
    assert call("plot", run, "LATENT_SPACE", "--output", output).exit_code == 0


def test_what_fails_at_run_time_is_one_line_and_status_1(call, run, tmp_path):
    damaged = tmp_path / "model.keras"
    damaged.write_bytes(b"nonsense")
    result = call("sample", damaged, "--output", tmp_path / "s.npz")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("Error: ") and result.stdout == ""
    result = call("sample", damaged, "--output", tmp_path / "s.npz", "--debug")
    assert isinstance(result.exception, ValueError)
    # U4: in the words of the command line.
    np.save(tmp_path / "x.npy", np.zeros((3, 5, 5, 1), "float32"))
    result = call("evaluate", run, "--input", tmp_path / "x.npy")
    assert result.exit_code == 1 and "`" not in result.stderr


def test_a_disk_that_is_full_leaves_no_half_file(call, run, tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_2_0", full)
    result = call("sample", run, "--output", tmp_path / "s.npz")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_imported_is_not_looked_through_for_garbage_and_all_else_is():
    script = """
import gc
from keras_vae_cli.package import import_keras_vae
for _ in range(2):  # the second time nothing is imported, and what is there may go
    import_keras_vae(warm=False)
    print(gc.isenabled(), gc.get_freeze_count())
"""
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    first, second = [line.split() for line in process.stdout.splitlines()]
    assert first[0] == second[0] == "True"
    assert int(first[1]) >= int(second[1]) > 100_000
