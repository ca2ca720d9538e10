"""`export`, `convert`, `verify`."""

import shutil

import numpy as np
import pytest

from keras_vae import files


@pytest.mark.slow
def test_export_convert_and_verify(call, run, tmp_path):
    export = tmp_path / "export"
    result = call("export", run, "--output", export, "--model-base-path", "/srv")
    assert result.exit_code == 0, result.output
    assert "/srv/encoder" in (export / "models.config").read_text()
    assert f"keras-vae verify {export}" in result.stdout
    assert "Exporting" in result.stderr
    assert call("export", run, "--output", export).exit_code == 0
    assert (export / "decoder" / "2" / "saved_model.pb").exists()
    result = call("export", run, "--output", export, "--model-version", 2)
    assert result.exit_code == 1 and "--model-version 2" in result.stderr
    result = call("convert", run / "model.keras", "--output", export / "tflite")
    assert result.exit_code == 0, result.output
    assert "Converting" in result.stderr
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


def test_only_what_is_written_to_the_run_waits_for_its_writer(call, run, tmp_path):
    """It trains, or cannot be written to: it is exported elsewhere all the same."""
    place = tmp_path / "run"
    shutil.copytree(run, place)
    with files.locked(place):
        for output in ([], ["--output", place / "deep" / "export"]):
            result = call("export", place, *output)
            assert result.exit_code == 1
            assert "Another process is writing" in result.stderr
        result = call("export", place, "--output", tmp_path / "export")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "export" / "encoder" / "1" / "saved_model.pb").exists()


def test_verify_names_the_version(call, run):
    result = call("verify", run)
    assert result.exit_code == 0, result.output
    heading = result.stdout.splitlines()[0].split()
    assert "version" in heading


def test_in_the_current_folder(call, run, tmp_path, monkeypatch):
    """D12: `--output .` had "an empty name"."""
    monkeypatch.chdir(tmp_path)
    result = call("export", run, "--output", ".")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "encoder" / "1" / "saved_model.pb").exists()
    result = call("convert", run / "model.keras", "--output", ".")
    assert result.exit_code in (0, 1)
    assert "empty name" not in result.stderr
