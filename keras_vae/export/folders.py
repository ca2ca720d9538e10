"""Folders of files that belong together: which may be replaced, and what is kept."""

import contextlib
import errno
import json
from pathlib import Path

from keras_vae import files

# What a folder of ours holds: a file with the version of the package in it, the kind of
# the files beside it, and their names.
REPORT = "report.json"


def check_directory(directory, kind):
    """Makes sure that a folder may be written: new, empty, or of an earlier export.

    Args:
        directory: Path.
        kind: `"tflite"` or `"onnx"`, how the names of the files end.

    Returns:
        `pathlib.Path`.

    Raises:
        FileExistsError: If it is a file, or holds something else, an export of another
            kind for one.
    """
    directory = Path(directory)
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return directory
    found, _ = _read(directory)
    if found == kind:
        return directory
    what = "something else" if found is None else f"an export of the kind {found}"
    raise FileExistsError(
        f"`directory` should be new, empty, or of an earlier {kind} export, which has "
        f"a {REPORT}. Received: {str(directory)!r}, which holds {what}"
    )


@contextlib.contextmanager
def replaced(directory, kind):
    """A new folder that takes the place of `directory` when the block ends well.

    What the report of the earlier export does not list is somebody else's, and is in
    the new folder too.

    Args:
        directory: Path; `check_directory` says whether it may be replaced.
        kind: `"tflite"` or `"onnx"`.

    Yields:
        `pathlib.Path` of an empty folder to write to, the report included.

    Raises:
        FileExistsError: If a file that is not of the earlier export has the name of a
            new one.
        OSError: If the folder cannot be written, or is no longer what may be replaced.
            Nothing has changed then.
    """
    with files.staged(directory, replace=True) as staging:
        yield staging
        # It may have changed since the work began.
        if check_directory(directory, kind).exists():
            ours = {REPORT, *_read(directory)[1]}
            kept = [p for p in files.inside(directory) if p.as_posix() not in ours]
            for path in kept:
                if (staging / path).exists():
                    words = "not of the earlier export, but called as a new file is"
                    words = f"{words} (move it away)"
                    raise FileExistsError(errno.EEXIST, words, directory / path)
            files.carry_over(directory, staging, kept)


def _read(directory):
    """Kind and names of the files of an export; `None` and no names of anything else.

    The reports of version 0.1.0 do not say the kind: the names do.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        report = json.loads((directory / REPORT).read_text())
        names = [row["file"] for row in report["files"]]
        kinds = {name.rpartition(".")[2] for name in names}
        if "keras_vae" in report and len(kinds) == 1:
            return report.get("kind", *kinds), names
    return None, []
