"""Where files are written before they take their place, and whose those places are.

Whatever is unfinished lives in a temporary folder beside its place, `.keras_vae-tmp-*`,
and takes its place by a rename. Its owner holds its lock (see `locks`), by which what a
killed process left behind is told from what a living one is using.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

from keras_vae.files.locks import LOCK, MARK, hold, release

TEMPORARY = f"{MARK}tmp-"
ASIDE = f"{MARK}old"  # what is being replaced, until its successor is there
REPLACED = f"{MARK}replaced"  # and from then on

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic(path):
    """A temporary path that is renamed to `path` when the block ends well.

    A reader never sees half a file, and a failure leaves what was there before.

    Args:
        path: Path of the file to write. Its folder must exist.

    Yields:
        `pathlib.Path` of the same name, of an empty file to write to.

    Raises:
        OSError: If the file cannot be written; it names `path`.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic(folder / "note.txt") as path:
    ...     _ = path.write_text("whole")
    >>> [p.name for p in folder.iterdir()]
    ['note.txt']
    """
    path = Path(path)
    with _errors_name(path), _temporary_folder(path.parent) as folder:
        temporary = folder / path.name
        temporary.touch()
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # a disk that is full may say so only here
        temporary.replace(path)


@contextlib.contextmanager
def staged(path, replace=False):
    """A new folder that takes its place at `path` when the block ends well.

    A failure leaves what was there before, and nothing else. Folders above `path` are
    made where they are missing.

    Args:
        path: Path of the folder.
        replace: Whether a folder that is there is replaced.

    Yields:
        `pathlib.Path` of an empty folder of the same name to write to.

    Raises:
        FileExistsError: If there is something at `path` and `replace` is not given.
        OSError: If the folder cannot be written; it names `path` where nothing nearer
            is known.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> with staged(folder / "tflite") as new:
    ...     _ = (new / "note.txt").write_text("whole")
    >>> [str(p.relative_to(folder)) for p in folder.rglob("*")]
    ['tflite', 'tflite/note.txt']
    """
    path = Path(path)
    missing = [p for p in path.parents if not p.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _errors_name(path), _temporary_folder(path.parent) as folder:
            new = folder / path.name
            new.mkdir()
            yield new
            if replace:
                take_place(new, path)
            elif os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            else:
                new.rename(path)
    finally:
        with contextlib.suppress(OSError):  # no longer empty
            for parent in missing:
                parent.rmdir()


def take_place(new, path):
    """Puts a finished folder in the place of another one, which is removed.

    Between the two renames there is nothing at `path`. What is killed there is undone
    by the next `sweep` of the folder above: the old one is put back, and `new` is where
    it was. Whatever happens, there is a whole folder at `path` or one sweep away. If
    somebody else has put something there by then, the old one is kept where it is.

    Args:
        new: Path of the finished folder, in the same file system.
        path: Where it belongs.

    Raises:
        OSError: If what is at `path` cannot be moved; nothing has changed then.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("new", "old"):
    ...     (folder / name).mkdir()
    >>> take_place(folder / "new", folder / "old")
    >>> [p.name for p in folder.iterdir()]
    ['old']
    """
    new, path = Path(new), Path(path)
    if not os.path.lexists(path):
        new.rename(path)
        return
    with _temporary_folder(path.parent) as folder:
        aside = _set_aside(path, folder, new.stat().st_ino)
        new.rename(path)
        # From here on it is rubbish: a removal that is broken off is not undone.
        aside.rename(folder / REPLACED)


def inside(folder):
    """Relative paths of the files in a folder and in the folders in it.

    Links are files, those to folders too.

    Args:
        folder: Path of the folder.

    Yields:
        `pathlib.Path`.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").mkdir()
    >>> (folder / "a" / "note.txt").touch()
    >>> [path.as_posix() for path in inside(folder)]
    ['a/note.txt']
    """
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in names + links:
            yield (Path(place) / name).relative_to(folder)


def carry_over(source, target, paths):
    """Puts files of one folder into another too, at the same places.

    As hard links, where the file system has them: whatever is killed when, no file is
    in neither. What is there already stays.

    Args:
        source: Path of the one folder.
        target: Path of the other one.
        paths: Relative paths of the files.

    Example:

    >>> old, new = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    >>> (old / "note.txt").touch()
    >>> carry_over(old, new, inside(old))
    >>> [path.name for path in new.iterdir()]
    ['note.txt']
    """
    for path in paths:
        new = target / path
        if os.path.lexists(new):
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / path, new, follow_symlinks=False)
        except OSError:
            shutil.copy2(source / path, new, follow_symlinks=False)


def remove_folder(path):
    """Removes a folder as one: it is there, or it is rubbish that a sweep removes.

    Args:
        path: Path of the folder.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> remove_folder(folder)
    >>> folder.exists()
    False
    """
    path = Path(path)
    with _temporary_folder(path.parent) as folder:
        path.rename(folder / REPLACED)


def check_movable(path):
    """Moves a folder aside and back: what cannot be replaced is told before the work.

    Args:
        path: Path of the folder.

    Raises:
        OSError: If it cannot be moved, as a mount point cannot.

    Example:

    >>> check_movable(tempfile.mkdtemp())
    """
    path = Path(path)
    with _temporary_folder(path.parent) as folder:
        _set_aside(path, folder)


def _set_aside(path, folder, successor=0):
    """Moves what is at `path` into a temporary folder, whose end puts it back.

    Returns the folder in it, whose name tells the successor: by its inode number, which
    a rename does not change.
    """
    aside = folder / f"{ASIDE}-{successor}"
    aside.mkdir()
    path.rename(aside / path.name)
    return aside


def _put_back(temporary):
    """Undoes a replacement that was broken off before the successor was there.

    Raises a `FileExistsError` if anything else is there, but for an empty folder.
    """
    for old in temporary.glob(f"{ASIDE}-*/*"):
        place = temporary.parent / old.name
        if not os.path.lexists(place) or _is_empty_folder(place):
            old.rename(place)
        elif old.parent.name != f"{ASIDE}-{place.lstat().st_ino}":
            message = f"something else took its place; what was there is {old}"
            raise FileExistsError(errno.EEXIST, message, str(place))


def _is_empty_folder(path):
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def sweep(folder):
    """Removes what killed processes of ours left in a folder, and nothing else.

    That are temporary folders with our mark in their name and a lock in them that
    nobody holds, and the folder's own lock, if nobody holds it. A replacement that was
    killed half way is undone (see `take_place`). What cannot be removed or put back
    stays.

    Args:
        folder: Path; the folders in it are not searched.

    Example:

    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic(folder / "note.txt") as path:
    ...     sweep(folder)  # it is in use
    ...     _ = path.write_text("whole")
    >>> left = folder / ".keras_vae-tmp-1"
    >>> left.mkdir()
    >>> (left / ".keras_vae-lock").touch()
    >>> sweep(folder)
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    folder = Path(folder)
    with contextlib.suppress(OSError):
        for path in list(folder.glob(f"{TEMPORARY}*")):
            with contextlib.suppress(OSError):
                _sweep_temporary(path)
        if (folder / LOCK).exists():
            release(folder, hold(folder, certain=True))


def _sweep_temporary(path):
    if path.is_symlink() or not path.is_dir():
        return
    if not (path / LOCK).exists():
        path.rmdir()  # killed before it had a lock; what is not empty is not ours
        return
    descriptor = hold(path, certain=True)
    if descriptor is None:
        return
    _remove(path, descriptor)


@contextlib.contextmanager
def _temporary_folder(parent):
    """A marked folder in `parent`, locked, and gone when the block ends."""
    sweep(parent)
    descriptor = None
    while descriptor is None:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=TEMPORARY))
        # A sweep may come before the lock, and take the folder for a dead one's.
        with contextlib.suppress(FileNotFoundError):
            descriptor = hold(folder)
    try:
        yield folder
    finally:
        _remove(folder, descriptor)


def _remove(folder, descriptor):
    """Removes a temporary folder; the lock last, so that it is ours until then.

    What was set aside in it is put back first. Where that fails it stays, for a sweep.
    """
    try:
        _put_back(folder)
    except BaseException:
        os.close(descriptor)
        raise
    for path in folder.iterdir():
        if path.name != LOCK:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    release(folder, descriptor)
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _errors_name(path):
    """Errors of the operating system name the file that was to be written."""
    try:
        yield
    except Exception as error:
        name = str(getattr(error, "filename", None) or path)
        name = re.sub(rf"[/\\]{re.escape(TEMPORARY)}[^/\\]*", "", name)
        if getattr(error, "errno", None) in FULL or "No space left" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name) from error
        if isinstance(error, OSError):
            if error.errno is None:  # h5py's
                raise OSError(f"{name}: {error}") from error
            error.filename = name
        raise
