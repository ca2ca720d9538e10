"""Locks on folders: one writer at a time, and none that outlives its process.

A lock is held (`flock`) on a file in the folder. The operating system gives it up when
its owner ends, however that ends: by no process number, which another process may have
by now, and by no file that was left behind, is a living owner told from a dead one.

This file imports nothing but the standard library, as `places` does.
"""

import contextlib
import errno
import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MARK = ".keras_vae-"  # every hidden name of ours begins with it
LOCK = f"{MARK}lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)


@contextlib.contextmanager
def locked(folder, wait=1.0):
    """Holds a folder for one writer; refuses another one, in any process.

    Args:
        folder: Path of the folder; it must exist. The lock stays on it where it is
            renamed.
        wait: Seconds until another writer is taken at its word: `sweep` holds the lock
            for an instant.

    Raises:
        RuntimeError: If somebody else is writing to it.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with locked(folder):
    ...     with locked(folder, wait=0):
    ...         pass
    Traceback (most recent call last):
      ...
    RuntimeError: Another process is writing to ...: wait until it has ended.
    """
    folder = Path(folder)
    until = time.monotonic() + wait
    while (descriptor := hold(folder)) is None:
        if time.monotonic() >= until:
            raise RuntimeError(
                f"Another process is writing to {folder}: wait until it has ended."
            )
        time.sleep(0.01)
    try:
        yield
    finally:
        release(folder, descriptor)


def hold(folder, certain=False):
    """A descriptor that holds the lock of a folder; `None` if somebody else does.

    Some network file systems know no locks. A writer goes on there without protection;
    with `certain`, as what is going to remove something, it is an `OSError`.
    """
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _holds(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno in NO_LOCKS and not certain:
                return descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)


def _holds(descriptor, path):
    """Locks; false if the file was removed meanwhile by the one who held it."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def release(folder, descriptor):
    """Removes the lock and gives it up, in this order: see `_holds`."""
    if descriptor is None:
        return
    path = folder / LOCK
    with contextlib.suppress(OSError):
        # The folder may have been renamed, and another one be in its place.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            path.unlink()
    os.close(descriptor)
