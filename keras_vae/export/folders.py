"""Folders of files that belong together: which may be replaced."""

import contextlib
import json
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
