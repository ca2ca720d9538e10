"""Writing a run, ended at every moment: the old one, the new one, the user's files."""

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest

from keras_vae import files
from keras_vae.runs import settings
from keras_vae.runs.run import Run, is_run, write_config
from keras_vae.runs.writing import foreign, keep_foreign, written
from tests.stress import check_nothing_left, ended

OURS = [
    "config.json",
    "history.csv",
    "metrics.json",
    "model.keras",
    "checkpoint.keras",
    "figures/samples.png",
    "logs/train/events.out.tfevents.1.v2",
    "export/encoder/12/saved_model.pb",
    "export/encoder/12/variables/variables.data-00000-of-00001",
    "export/encoder/12/assets.extra/tf_serving_warmup_requests",
    "export/models.config",
    "export/parity.npz",
    "export/tflite/encoder_int8.tflite",
    "export/tflite/decoder.tflite",
    "export/tflite/report.json",
    "export/onnx/encoder.onnx",
    "export/onnx/report.json",
]
MINE = [
    "notes.txt",
    "config.json.bak",
    "figures/mine.png",
    "export/encoder/notes.txt",
    "export/encoder/12/notes.txt",
    "export/classifier/1/saved_model.pb",
    "export/classifier/1/variables/variables.index",
    "export/tflite/mine.tflite",
    "export/tflite/encoder_mine.tflite",
    "export/onnx/mine.onnx",
    "export/tflite/labels/mine.txt",
    "mine/config.json",
]


def build(folder, seed):
    """What training writes, in the order in which it does."""
    write_config(folder, {**settings.defaults(), "dataset": "digits", "seed": seed})
    for name in OURS[1:]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic(path) as temporary:
            temporary.write_text(f"{seed}")


def write(output, seed, resume=False, overwrite=False):
    said = []
    with written(output, resume=resume, overwrite=overwrite, say=said.append) as folder:
        build(folder, seed)
    return said


def seed_of(output):
    """The seed of a run, every file of which is from one training."""
    seed = Run(output).config["seed"]
    for name in OURS[1:]:
        assert (output / name).read_text() == f"{seed}"
    return seed


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    """A run with the user's files in it."""
    output = tmp_path / "run"
    write(output, seed=1)
    for name in MINE:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_text(name)
    (output / "link").symlink_to("notes.txt")
    return output


def check_mine(output):
    for name in MINE:
        assert (output / name).read_text() == name
    assert (output / "link").is_symlink()


def test_a_run_is_built_where_nothing_or_an_empty_folder_is(tmp_path):
    for output in (tmp_path / "a" / "b", tmp_path / "c"):
        if output.name == "c":
            output.mkdir()
        assert write(output, seed=1) == []
        assert seed_of(output) == 1
    check_nothing_left(tmp_path)


def test_a_run_is_replaced_when_the_new_one_is_complete(old):
    with written(old, overwrite=True) as folder:
        assert folder != old and is_run(old) and seed_of(old) == 1
        build(folder, seed=2)
        assert seed_of(old) == 1
    assert seed_of(old) == 2
    check_mine(old)
    check_nothing_left(old.parent)
    assert names(old.parent) == ["run"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, errno.ENOSPC])
def test_overwriting_ended_at_every_file_operation(old, how, tmp_path_factory):
    """The old run in use, or the new one; resumed, the new one; nothing is lost."""
    parent, kept = old.parent, tmp_path_factory.mktemp("kept") / "run"
    shutil.copytree(old, kept, symlinks=True)
    _, length, words = ended(lambda: write(old, 2, overwrite=True), parent, how=how)
    assert words == "" and seed_of(old) == 2
    assert length > 50
    seen = set()
    # Most of the end, when one run takes the place of the other, and some of the rest.
    for at in (*range(1, length - 40, 23), *range(length - 40, length + 1, 2)):
        shutil.rmtree(parent)
        shutil.copytree(kept, old, symlinks=True)
        action = lambda: write(old, 2, overwrite=True)  # noqa: E731
        status, _, words = ended(action, parent, at, how)
        if how == signal.SIGKILL:
            assert status == -how
        Run(old)  # what was ended between two renames is healed by who looks at it
        beside = old.with_name(f".keras_vae-new-{old.name}")
        seen.add((seed_of(old), is_run(beside)))
        check_mine(old)
        if how == errno.ENOSPC and is_run(beside):
            assert "--resume" in words
        if is_run(beside):
            assert write(old, 2, resume=True) == []
        elif seed_of(old) == 1:  # ended before the new one had begun
            write(old, 2, overwrite=True)
        assert seed_of(old) == 2
        check_mine(old)
        with files.locked(old, wait=0):  # whoever writes next takes a left lock away
            pass
        check_nothing_left(parent)
        assert names(parent) == ["run"]
    assert seen >= {(1, False), (1, True)}
    assert how == errno.ENOSPC or (2, False) in seen


def test_a_run_that_was_set_aside_comes_back_to_an_empty_folder(old):
    aside = old.parent / ".keras_vae-tmp-1" / ".keras_vae-old-1" / "run"
    aside.parent.mkdir(parents=True)
    (aside.parents[1] / ".keras_vae-lock").touch()
    old.rename(aside)
    old.mkdir()  # somebody's `mkdir -p`
    with pytest.raises(ValueError, match="holds a run already"):
        write(old, 2)
    assert seed_of(old) == 1
    check_mine(old)
    check_nothing_left(old.parent)


def test_a_second_overwrite_after_a_broken_one_starts_anew(old):
    beside = old.with_name(".keras_vae-new-run")
    broken = pytest.raises(KeyboardInterrupt)
    with broken, written(old, overwrite=True) as folder:
        build(folder, seed=2)
        (folder / "more.txt").write_text("mine, in the unfinished run")
        raise KeyboardInterrupt
    assert is_run(beside) and seed_of(old) == 1
    with pytest.raises(ValueError, match="was broken off.*--resume.*--overwrite"):
        write(old, 3)
    assert "started anew" in write(old, 3, overwrite=True)[0]
    assert seed_of(old) == 3
    check_mine(old)
    assert (old / "more.txt").exists()
    assert names(old.parent) == ["run"]


def test_a_failure_before_there_is_a_model_leaves_nothing(old):
    for output in (old, old.parent / "deep" / "new"):
        failed = pytest.raises(KeyError)
        with failed, written(output, overwrite=True) as folder:
            write_config(folder, {**settings.defaults(), "dataset": "digits"})
            raise KeyError
    assert seed_of(old) == 1
    check_mine(old)
    # Folders above it, which were made for it, may stay; they are empty.
    assert names(old.parent) in (["run"], ["deep", "run"])


def test_foreign_files_at_our_hidden_names_are_left_alone(old):
    for name in (".keras_vae-new-run", ".run-replaced", ".keras_vae-tmp-1"):
        (old.parent / name).mkdir()
        (old.parent / name / "precious").touch()
    with pytest.raises(ValueError, match="is not a run of keras_vae: it is left"):
        write(old, 2, overwrite=True)
    shutil.rmtree(old.parent / ".keras_vae-new-run")
    write(old, 2, overwrite=True)
    for name in (".run-replaced", ".keras_vae-tmp-1"):
        assert (old.parent / name / "precious").exists()


@pytest.mark.parametrize(
    "config",
    [
        '{"keras_vae": "0.1.0"}',
        '{"keras_vae": 1, "dataset": 1, "network": 1, "latent_dim": 1, "seed": 1}',
        '["keras_vae"]',
        "{",
    ],
)
def test_a_folder_is_ours_by_the_shape_of_its_settings(tmp_path, config):
    output = tmp_path / "theirs"
    output.mkdir()
    (output / "config.json").write_text(config)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="not a run of keras_vae: it is left"):
            write(output, 1, overwrite=overwrite)
    with pytest.raises(ValueError, match="is not a run"):
        Run(output)
    assert names(output) == ["config.json"]


def test_a_second_writer_is_refused_whatever_the_mode(old, tmp_path):
    refused = "Another process is writing"
    for mode in ({"overwrite": True}, {"resume": True}):
        with written(old, overwrite=True) as folder:
            build(folder, seed=2)
            with pytest.raises(RuntimeError, match=refused):
                write(old, 3, **mode)
        assert seed_of(old) == 2
    with written(tmp_path / "new") as folder:
        with pytest.raises(RuntimeError, match=refused):
            write(tmp_path / "new", 3)
        build(folder, seed=2)
        with pytest.raises(RuntimeError, match=refused):
            write(tmp_path / "new", 3, resume=True)
    assert seed_of(tmp_path / "new") == 2


def test_a_run_that_cannot_be_moved_is_refused_before_training(old, monkeypatch):
    def busy(self, target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "rename", busy)
    refused = pytest.raises(ValueError, match="mount point.*--output .*run/run")
    with refused, written(old, overwrite=True):
        pytest.fail("it was trained")
    monkeypatch.undo()
    monkeypatch.chdir(old / "figures")
    refused = pytest.raises(ValueError, match="you are in it.*cd ..")
    with refused, written(old, overwrite=True):
        pytest.fail("it was trained")
    assert seed_of(old) == 1
    check_nothing_left(old.parent)


def test_foreign_files_are_all_but_those_of_a_run(old, tmp_path):
    assert {str(path) for path in foreign(old)} == {*MINE, "link"}
    target = tmp_path / "target"
    for name in OURS:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("2")
    keep_foreign(old, target)
    keep_foreign(old, target)
    check_mine(target)
    check_mine(old)
    assert all((target / name).read_text() == "2" for name in OURS)
