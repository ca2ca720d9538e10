"""Folders of files that belong together: they appear, and are replaced, as one."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

# What a folder of ours holds: a file with the version of the package in it.
REPORT = "report.json"


def check_directory(directory):
    """Makes sure that a folder may be written: new, empty, or of an earlier export.

    Args:
        directory: Path.

    Returns:
        `pathlib.Path`.

    Raises:
        FileExistsError: If it is a file, or holds something else.
    """
    directory = Path(directory)
    if directory.exists() and not (directory.is_dir() and _is_ours(directory)):
        raise FileExistsError(
            "`directory` should be new, empty, or of an earlier export, which has a "
            f"{REPORT}. Received: {str(directory)!r}, which holds something else"
        )
    return directory


def _is_ours(directory):
    if not any(directory.iterdir()):
        return True
    with contextlib.suppress(OSError, ValueError):
        return "keras_vae" in json.loads((directory / REPORT).read_text())
    return False


@contextlib.contextmanager
def replacing(directory):
    """A new folder that takes the place of `directory` when the block ends well.

    A failure leaves what was there before, and nothing else.

    Args:
        directory: Path that `check_directory` returned.

    Yields:
        `pathlib.Path` of an empty folder to write to.

    Example:

    >>> folder = Path(tempfile.mkdtemp()) / "tflite"
    >>> with replacing(folder) as new:
    ...     _ = (new / "note.txt").write_text("whole")
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-")
    try:
        new = Path(staging, "new")
        new.mkdir()
        yield new
        if directory.exists():
            directory.rename(Path(staging, "old"))
        new.rename(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
