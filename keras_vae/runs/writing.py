"""How a run is written: beside what it replaces, until it is complete.

Where nothing stands, a run is built in its place. Where a run stands that is to be
replaced, the new one is built beside it, in `.keras_vae-new-NAME`, and takes its place
when it is complete. Until then the old one is in use, and `resume` goes on with the new
one. All the while both are locked.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

from keras_vae import files
from keras_vae.runs.run import is_run, sweep_run

LOCK = f"{files.MARK}lock"

# What a training that goes on reads of a run.
READ = ("config.json", "history.csv", "model.keras", "checkpoint.keras")

# What a run consists of, and the exports in it. All else in its folder is the user's,
# models of their own among them.
MODEL = "(encoder|decoder|scorer)"
OURS = re.compile(
    r"(config\.json|history\.csv|metrics\.json|model\.keras|checkpoint\.keras"
    r"|figures/(training_curves|reconstructions|samples|latent_space|traversals)\.png"
    r"|logs/(train|validation)/events\.out\.tfevents[^/]*"
    r"|export/((models|batching|monitoring)\.config|parity\.npz)"
    rf"|export/{MODEL}/\d+/((saved_model|fingerprint|keras_metadata)\.pb"
    r"|variables/variables\.[\w-]+|assets(\.extra)?/[^/]+)"
    rf"|export/tflite/({MODEL}(_float16|_dynamic|_int8)?\.tflite|report\.json)"
    rf"|export/onnx/({MODEL}\.onnx|report\.json)"
    r"|anomaly/(model\.keras|detector\.json|calibration\.npz)"
    rf"|(.*/)?{re.escape(LOCK)})"
)


@contextlib.contextmanager
def written(output, *, resume=False, overwrite=False, say=print):
    """The folder in which a run is built, locked; it takes its place at the end.

    Args:
        output: Absolute path of the run.
        resume: Whether to go on with the run that is there, or that is being built to
            replace it.
        overwrite: Whether a run that is there is replaced.
        say: Function that is given what a person should know.

    Yields:
        `pathlib.Path` of the folder.

    Raises:
        ValueError: If there is no run to resume, or something that is not to be
            replaced.
        RuntimeError: If another process is writing to the run.
    """
    sweep_run(output)
    beside = _beside(output)
    for folder in (output, beside):  # one that was killed may not be a run yet
        files.sweep(folder)
    _check(output, beside, resume, overwrite)
    with contextlib.ExitStack() as locks:
        made = [beside]
        if not (resume and is_run(beside)):
            made += _make(output)
        if output.is_dir():
            locks.enter_context(files.locked(output))
            # What was so before the lock may have changed.
            _check(output, beside, resume, overwrite)
        if is_run(beside):
            locks.enter_context(files.locked(beside))
            if not resume:
                say(f"A new run for {output} was broken off: it is started anew.")
                keep_foreign(beside, output)
                files.remove_folder(beside)
        folder = output
        if is_run(beside) or (is_run(output) and not resume):
            folder = beside
            if not resume:
                _check_movable(output)
                beside.mkdir(exist_ok=True)
                locks.enter_context(files.locked(beside))
        try:
            yield folder
            if folder is beside:
                keep_foreign(output, beside)
                files.take_place(beside, output)
        except Exception as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            if full and is_run(folder):
                hint = "make room, then go on with --resume (resume=True)"
                message = f"{error.strerror} ({hint})"
                raise OSError(error.errno, message, error.filename) from error
            if not resume and not (folder / "model.keras").exists():
                _clear(folder)  # there is nothing to go on with
            raise
        finally:
            locks.close()
            for path in made:
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()
            files.sweep(output)  # the lock came with the new run


@contextlib.contextmanager
def unwritten(output, resume):
    """A folder in place of a run's, for a process that trains along and writes nothing.

    Args:
        output: Absolute path of the run.
        resume: Whether to go on with the run that `written` goes on with: what is read
            of it is copied.

    Yields:
        `pathlib.Path` of the folder, which goes when the block ends.

    Raises:
        ValueError: If there is no run to resume.
    """
    with tempfile.TemporaryDirectory(prefix="keras_vae-") as folder:
        folder = Path(folder)
        if resume:
            beside = _beside(output)
            source = beside if is_run(beside) else output
            if not is_run(source):
                raise ValueError(
                    f"There is no run to resume: {output}. Every process has to see "
                    "the folder that the first one writes."
                )
            for name in READ:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(source / name, folder)
        yield folder


def _beside(output):
    return output.with_name(f"{files.MARK}new-{output.name}")


def _check(output, beside, resume, overwrite):
    """Raises a `ValueError` unless `output` may be written to in this way."""
    if resume:
        if not (is_run(output) or is_run(beside)):
            what = "is not a run" if output.exists() else "no such directory"
            raise ValueError(f"There is no run to resume: {output}: {what}.")
        return
    if is_run(beside):
        if not overwrite:
            raise ValueError(
                f"A new run for `output` {output} was broken off. Go on with it "
                "(--resume, resume=True), or start anew (--overwrite, overwrite=True)."
            )
    elif not _is_free(beside):
        raise ValueError(
            f"{beside} is where a new run for {output.name} would be built, and is not "
            "a run of keras_vae: it is left as it is. Move it away."
        )
    if _is_free(output):
        return
    if not output.is_dir():
        raise ValueError(f"`output` should be a directory. Received: {output}")
    if not is_run(output):
        raise ValueError(
            f"`output` {output} exists and is not a run of keras_vae: it is left as it "
            "is. Choose another directory."
        )
    if not overwrite:
        raise ValueError(
            f"`output` {output} holds a run already. Go on with it (--resume, "
            "resume=True), replace it (--overwrite, overwrite=True), or choose another "
            "directory."
        )


def _is_free(folder):
    """Whether nothing is there, or an empty folder."""
    if not os.path.lexists(folder):
        return True
    return folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())


def _check_movable(output):
    """Raises unless a run can be moved aside, which a mount point cannot."""
    if Path.cwd().is_relative_to(output):
        raise ValueError(
            f"`output` {output} is replaced by another folder, and you are in it. Go "
            "to another folder first (cd ..)."
        )
    try:
        files.check_movable(output)
    except OSError as error:
        raise ValueError(
            f"`output` {output} cannot be replaced, as it cannot be moved "
            f"({error.strerror}): is it a mount point? Write the run to a folder in "
            f"it: --output {output / 'run'}"
        ) from error


def _make(folder):
    """Makes a folder; returns those that were missing, the deepest first."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def foreign(folder):
    """Relative paths of the files in a run's folder that are not the run's."""
    for path in files.inside(folder):
        if not OURS.fullmatch(path.as_posix()):
            yield path


def keep_foreign(source, target):
    """Puts the user's files in one folder into another too, at the same places."""
    files.carry_over(source, target, foreign(source))


def _clear(folder):
    """Removes what a run consists of from a folder, and nothing else."""
    kept = set(foreign(folder))
    for place, _, names in os.walk(folder, topdown=False):
        # By its settings it is known as ours: they go last.
        for name in sorted(names, key="config.json".__eq__):
            path = Path(place) / name
            if path.relative_to(folder) not in kept and name != LOCK:
                path.unlink()
        if Path(place) != folder:
            with contextlib.suppress(OSError):
                Path(place).rmdir()
