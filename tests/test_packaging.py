"""What a stranger meets first: a wheel, a command, an import."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent


def run(*command, cwd, **variables):
    """Runs a command as a user would who has set nothing for Python or Keras."""
    unset = {"PYTHONPATH", "KERAS_BACKEND", "KERAS_HOME"}
    inherited = {k: v for k, v in os.environ.items() if k not in unset}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def succeed(*command, cwd):
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# --- The wheel --------------------------------------------------------------------

PIP = [sys.executable, "-m", "pip"]
OFFLINE = ["--no-deps", "--no-index"]


@pytest.fixture(scope="session")
def wheel(project_files, tmp_path_factory):
    """A wheel of a clean copy of the checkout, changes not yet committed included."""
    clean, wheels = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("wheels")
    for path in project_files:
        target = clean / path.relative_to(HOUSE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    succeed(*PIP, "wheel", clean, *OFFLINE, "--no-build-isolation", cwd=wheels)
    (wheel,) = wheels.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel, project_files):
    files = [path.relative_to(HOUSE).as_posix() for path in project_files]
    package = {f for f in files if f.startswith(("keras_vae/", "keras_vae_cli/"))}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == package
    assert any(name.endswith("/LICENSE") for name in metadata)


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory):
    """An environment of its own with the wheel in it.

    Without a network: the dependencies are found in the environment of the tests.
    """
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    succeed(*PIP, "--python", python, "install", wheel, *OFFLINE, cwd=environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    # Python does not follow what that folder itself refers to, so this checkout, if it
    # is installed there in editable form, is not found.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment


@pytest.mark.slow
def test_the_wheel_runs_outside_the_checkout(environment, tmp_path):
    python = environment / "bin" / "python"
    command = environment / "bin" / "keras-vae"
    code = "import keras_vae; print(keras_vae.__file__, keras_vae.__version__)"
    file, version = succeed(python, "-c", code, cwd=tmp_path).split()
    assert Path(file).is_relative_to(environment)
    assert version in succeed(command, "--version", cwd=tmp_path)
    options = ["--dataset", "digits", "--epochs", "1", "--output", "run"]
    succeed(command, "train", *options, cwd=tmp_path)
    assert (tmp_path / "run" / "model.keras").is_file()
    for part in ["encoder", "decoder"]:
        assert (tmp_path / "run" / "export" / part / "1" / "saved_model.pb").is_file()


# --- The command and the import ---------------------------------------------------


def test_help_does_without_tensorflow(tmp_path):
    code = """
import sys
from keras_vae_cli import main
for name in ["--version", "--help", *main.commands]:
    arguments = [name] if name.startswith("--") else [name, "--help"]
    main(arguments, standalone_mode=False)
slow = {"tensorflow", "keras", "keras_vae", "numpy", "matplotlib", "sklearn"}
sys.exit(f"imported: {slow & set(sys.modules)}" if slow & set(sys.modules) else 0)
"""
    succeed(sys.executable, "-c", code, cwd=tmp_path)


# Stands for a Keras whose configuration file chose jax, which is not installed here.
KERAS_ON_JAX = """
import sys, types
backend = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = types.SimpleNamespace(backend=backend)
"""


@pytest.mark.parametrize(
    ("before", "variables"), [("", {"KERAS_BACKEND": "jax"}), (KERAS_ON_JAX, {})]
)
def test_another_backend_is_refused_in_one_clear_error(before, variables, tmp_path):
    code = f"{before}\nimport keras_vae"
    result = run(sys.executable, "-c", code, cwd=tmp_path, **variables)
    assert result.returncode == 1
    assert result.stderr.count("Error: ") == 1
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError: ")
    assert "TensorFlow" in message
    assert "'jax'" in message
    assert "KERAS_BACKEND=tensorflow" in message
