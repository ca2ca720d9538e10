"""Files and folders: whole or not at all, whoever is killed, whoever else is there."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from keras_vae import files
from keras_vae.files import locks, places


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Killed(BaseException):
    """Stands for SIGKILL: what comes after it in the same process does not happen."""


@pytest.fixture
def kill(monkeypatch):
    """Ends the process, as it were, at the n-th rename: nothing is cleaned up."""

    def at(rename):
        count = 0

        def counted(self, target, method=places.Path.rename):
            nonlocal count
            count += 1
            if count == rename:
                # What only a living process can do: clean up, and hold locks.
                monkeypatch.setattr(
                    places, "_remove", lambda folder, lock: os.close(lock)
                )
                raise Killed
            return method(self, target)

        monkeypatch.setattr(places.Path, "rename", counted)

    yield at
    monkeypatch.undo()


def test_a_failure_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), files.atomic(path) as temporary:
        raise KeyError(temporary.write_text("new"))
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]
    with files.atomic(path) as temporary:
        assert temporary.name == "a.txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["a.txt"]


def test_a_file_has_the_permissions_that_open_would_give_it(tmp_path):
    mask = os.umask(0o027)
    try:
        files.write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(mask)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_folder_appears_whole_and_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "er" / "new"
    with pytest.raises(KeyError), files.staged(path) as folder:
        raise KeyError
    assert names(tmp_path) == []
    with files.staged(path) as folder:
        (folder / "a").touch()
        assert not path.exists()
    assert names(path) == ["a"]
    with pytest.raises(FileExistsError), files.staged(path):
        pass
    with pytest.raises(KeyError), files.staged(path, replace=True) as folder:
        raise KeyError
    assert names(path) == ["a"]
    with files.staged(path, replace=True) as folder:
        (folder / "b").touch()
    assert names(path) == ["b"] and names(path.parent) == ["new"]


@pytest.mark.parametrize("rename", [1, 2, 3])
def test_a_replacement_killed_at_any_rename_leaves_a_whole_folder(
    tmp_path, kill, monkeypatch, rename
):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    kill(rename)
    with pytest.raises(Killed):
        files.take_place(tmp_path / "new", tmp_path / "old")
    monkeypatch.undo()
    assert len(names(tmp_path)) == 3 - (rename > 1)
    files.sweep(tmp_path)
    if rename < 3:
        assert names(tmp_path) == ["new", "old"]
        assert names(tmp_path / "old") == ["old"]
    else:
        assert names(tmp_path) == ["old"]
        assert names(tmp_path / "old") == ["new"]


@pytest.mark.parametrize("rename", [2, 3])
def test_what_was_set_aside_is_kept_if_somebody_else_took_the_place(
    tmp_path, kill, monkeypatch, rename
):
    """Killed between two renames; then there is another folder where it was."""
    old = tmp_path / "old"
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    kill(rename)
    with pytest.raises(Killed):
        files.take_place(tmp_path / "new", old)
    monkeypatch.undo()
    if rename == 3:  # the successor was there
        old.rename(tmp_path / "elsewhere")
    old.mkdir()
    (old / "theirs").touch()
    for _ in range(2):
        files.sweep(tmp_path)
        assert names(old) == ["theirs"]
        (kept,) = tmp_path.glob(".keras_vae-tmp-*/.keras_vae-old-*/old/old")
        assert kept.exists()
    # An empty folder is in nobody's way.
    (old / "theirs").unlink()
    files.sweep(tmp_path)
    assert names(old) == ["old"]
    assert names(tmp_path) == [{2: "new", 3: "elsewhere"}[rename], "old"]


def test_what_cannot_be_moved_stays_in_use(tmp_path, monkeypatch):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()

    def busy(self, target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self))

    monkeypatch.setattr(places.Path, "rename", busy)
    with pytest.raises(OSError, match="busy"):
        files.take_place(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path) == ["new", "old"]


def test_a_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path):
    """A process is killed in the middle of a file and of a folder, another lives."""
    program = """
import sys
from keras_vae import files
with files.locked("."), files.atomic("a.npz") as a, files.staged("b") as b:
    a.write_bytes(b"half")
    (b / "half").touch()
    print(flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    foreign = [
        tmp_path / ".keras_vae-tmp-mine",  # has no lock
        tmp_path / ".keras_vae-notes",
        tmp_path / ".hidden",
    ]
    for path in foreign:
        path.mkdir()
        (path / "precious").touch()
    (tmp_path / ".keras_vae-tmp-file").touch()
    (tmp_path / ".keras_vae-tmp-link").symlink_to(foreign[0])
    before = names(tmp_path)
    assert len(before) == 8  # lock, file, folder, and what is foreign
    files.sweep(tmp_path)
    assert names(tmp_path) == before  # its owner lives
    refused = pytest.raises(RuntimeError, match="Another process is writing")
    with refused, files.locked(tmp_path, wait=0):
        pass

    process.send_signal(signal.SIGKILL)
    process.communicate()
    # The lock of the dead is no lock, and whoever writes next sweeps.
    with files.locked(tmp_path), files.atomic(tmp_path / "c.txt"):
        pass
    assert names(tmp_path) == [
        ".hidden",
        ".keras_vae-notes",
        ".keras_vae-tmp-file",
        ".keras_vae-tmp-link",
        ".keras_vae-tmp-mine",
        "c.txt",
    ]
    assert all(names(path) == ["precious"] for path in foreign)


def test_a_lock_goes_with_the_folder(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    with files.locked(a):
        a.rename(b)
        with pytest.raises(RuntimeError), files.locked(b, wait=0):
            pass
        a.mkdir()
        with files.locked(a, wait=0):  # another folder of that name
            pass
    with files.locked(b, wait=0):
        pass
    assert names(a) == names(b) == []


def test_a_lock_removed_by_its_last_holder_is_not_taken_for_one(tmp_path, monkeypatch):
    """A waits for B's lock file while B removes it: A and a third must exclude."""
    flock = locks.fcntl.flock
    path = tmp_path / places.LOCK
    path.touch()

    def removed_meanwhile(descriptor, flags):
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        path.unlink()
        flock(descriptor, flags)

    monkeypatch.setattr(locks.fcntl, "flock", removed_meanwhile)
    refused = pytest.raises(RuntimeError)
    with files.locked(tmp_path), refused, files.locked(tmp_path, wait=0):
        pass
    assert names(tmp_path) == []


def test_without_locks_writers_go_on_and_nothing_is_swept(tmp_path, monkeypatch):
    left = tmp_path / ".keras_vae-tmp-1"
    left.mkdir()
    (left / places.LOCK).touch()
    (left / "file").touch()

    def no_locks(descriptor, flags):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    for module in (None, locks.fcntl):
        monkeypatch.setattr(locks, "fcntl", module)
        if module:
            monkeypatch.setattr(module, "flock", no_locks)
        with files.locked(tmp_path), files.locked(tmp_path):
            files.write_json(tmp_path / "a.json", 1)
        assert names(tmp_path) == [left.name, "a.json"]
        assert names(left) == [places.LOCK, "file"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        # As h5py and TensorFlow say it.
        OSError(
            "Unable to write (errno = 28, error message = 'No space left on device')"
        ),
        ValueError("RESOURCE_EXHAUSTED: model/variables; No space left on device"),
    ],
)
def test_a_full_disk_names_the_file(tmp_path, error):
    path = tmp_path / "model.keras"
    told = pytest.raises(OSError, match="No space left on device: .*model.keras'$")
    with told as e, files.atomic(path):
        raise error
    assert e.value.errno == errno.ENOSPC and ".keras_vae" not in str(e.value)
    assert names(tmp_path) == []


def test_other_errors_name_the_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "no" / "a.txt"
    with pytest.raises(FileNotFoundError, match=r"/no'$"), files.atomic(path):
        pass
    told = pytest.raises(OSError, match=r"/b/deep/c'$")
    with told as e, files.staged(tmp_path / "b") as folder:
        (folder / "deep" / "c").touch()
    assert ".keras_vae" not in str(e.value)
    for error, message in (
        (OSError("broken"), r"a.h5: broken$"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), r"too large: .*a.h5'$"),
    ):
        told = pytest.raises(OSError, match=message)
        with told, files.atomic(tmp_path / "a.h5"):
            raise error
