"""A campaign against what writes files: kills, Ctrl-C, damaged files, full disks.

    python -m tests.stress --kills 50 --interrupts 20 --damaged 200 --full-disks 40

trains tiny models and breaks them off. Moments are file operations: an unbroken command
is counted first, then a copy of it ends at one of its operations, which the seed
chooses. Each command runs in a fork of this process, which has imported the package and
computed nothing. What must hold is in `check_nothing_left` and `check_same_run`.

`ended` alone is what other tests use: it kills at a file operation of anything.
"""

import argparse
import contextlib
import errno
import functools
import io
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py

SETTINGS = {"epochs": 3, "latent_dim": 2, "hidden_units": [4], "exports": "none"}
OPERATIONS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"}
TEXTS = ["config.json", "history.csv", "metrics.json"]
MINE = {"notes.txt": "precious", "figures/my figure.png": "precious too"}


def ended(action, folder, at=None, how=signal.SIGKILL):
    """Runs an action in a fork that ends at one of its file operations.

    Args:
        action: Function without arguments.
        folder: Operations on what is in it count.
        at: Number of the operation, from 1 on; `None` never ends it.
        how: A signal, or an error number: of what the operation fails with, if it
            opens a file to write.

    Returns:
        Status of the process (0; 1 for an exception; minus the number of a signal),
        its number of operations, and the words of its exception.
    """
    read, write = os.pipe()
    process = os.fork()
    if not process:
        os.close(read)
        with contextlib.suppress(BaseException):
            _child(action, str(folder), at, how, write)
        os._exit(2)
    os.close(write)
    with open(read, encoding="utf-8") as file:
        told = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    count, _, words = told.partition("\n")
    return status, int(count or 0), words


def _child(action, folder, at, how, write):
    count = 0
    # A shell that starts this in the background lets it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()

    def hook(event, arguments):
        nonlocal count
        if event not in OPERATIONS or folder not in str(arguments[0]):
            return
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not isinstance(how, signal.Signals) and not writes:
            return
        count += 1
        if count != at:
            return
        if isinstance(how, signal.Signals):
            os.kill(os.getpid(), how)
        else:
            raise OSError(how, os.strerror(how), str(arguments[0]))

    sys.addaudithook(hook)
    status, words = 0, ""
    try:
        action()
    except BaseException as error:  # noqa: BLE001
        status, words = 1, f"{type(error).__name__}: {error}"
    os.write(write, f"{count}\n{words}".encode())
    os._exit(status)


def check_nothing_left(folder):
    """No hidden name of ours is left anywhere."""
    left = [path for path in Path(folder).rglob(".keras_vae-*")]
    assert not left, f"left behind: {left}"


def check_mine(place):
    """The user's own files are in a run, as they were."""
    for name, content in MINE.items():
        assert (place / name).read_text() == content


def content(place):
    """What of a run must be the same, bit for bit, whatever happened to it."""
    weights = {}

    def note(name, item):  # by its place: names in it count the layers of a process
        if hasattr(item, "shape"):
            weights[name] = item[()].tobytes()

    with zipfile.ZipFile(place / "model.keras") as archive:
        weights_file = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights_file) as file:
        file.visititems(note)
    assert weights
    metrics = json.loads((place / "metrics.json").read_text())
    del metrics["training_seconds"]
    return (place / "history.csv").read_text(), weights, metrics


class Campaign:
    """Runs to break, and what they are when nothing breaks them."""

    def __init__(self, folder, seed):
        import keras_vae

        self.runs = keras_vae.runs
        self.random = random.Random(seed)
        self.folder = folder
        self.numbers = itertools.count()
        self.old = self.unbroken("old", seed=1, epochs=1)
        self.whole = self.unbroken("whole")
        for name, text in MINE.items():
            (self.old / name).write_text(text)
        self.contents = content(self.old), content(self.whole)
        self.lengths = {}

    @functools.cached_property
    def longer(self):
        """What the old run is when it is resumed."""
        return content(self.unbroken("longer", seed=1))

    @functools.cached_property
    def short(self):
        """The unbroken run, before its last epochs."""
        return self.unbroken("short", epochs=1)

    def unbroken(self, name, **settings):
        place = self.folder / name
        status, _, words = ended(lambda: self.train(place, **settings), self.folder)
        assert status == 0, words
        return place

    def train(self, place, resume=False, **settings):
        if resume:
            self.runs.train(None, place, resume=True, epochs=SETTINGS["epochs"])
        else:
            self.runs.train("digits", place, **{**SETTINGS, **settings})

    def command(self, *arguments):
        from keras_vae_cli import main

        main([str(each) for each in arguments], standalone_mode=False)

    def place(self, like=None):
        place = self.folder / f"case-{next(self.numbers)}" / "run"
        place.parent.mkdir()
        if like is not None:
            shutil.copytree(like, place)
        return place

    # What is broken off: a run to begin with, the action, the same again.

    def new(self):
        place = self.place()
        return place, lambda: self.train(place)

    def overwrite(self):
        place = self.place(self.old)
        return place, lambda: self.train(place, overwrite=True)

    def resume(self):
        place = self.place(self.short)
        return place, lambda: self.train(place, resume=True)

    def export(self):
        place = self.place(self.whole)
        return place, lambda: self.command("export", place)

    def convert(self):
        place = self.place(self.whole)
        return place, lambda: self.command("convert", place, "--quantize", "float16")

    def break_off(self, name, how):
        """Ends a command at a random operation, and looks at what there is."""
        if (name, how) not in self.lengths:
            place, action = getattr(self, name)()
            status, length, words = ended(action, place.parent, how=how)
            assert status == 0, words
            self.lengths[name, how] = length
            shutil.rmtree(place.parent)
        place, action = getattr(self, name)()
        at = self.random.randint(1, self.lengths[name, how])
        status, _, words = ended(action, place.parent, at, how)
        said = f"{name}, operation {at}, {how!r}: status {status} {words}"
        try:
            self.check(name, place, action, how, words)
        except AssertionError as error:
            raise AssertionError(f"{said}; {error}; in {place}") from error
        shutil.rmtree(place.parent)
        return said

    def check(self, name, place, action, how, words):
        if how == errno.ENOSPC:
            assert "No space left" in words or not words, words
        if name in ("export", "convert"):
            assert content(place) == self.contents[1]
            status, _, words = ended(action, place.parent)
            assert status == 0, words
            check_nothing_left(place.parent)
            return
        expected = self.contents[1]
        if name == "overwrite":
            # Whatever happened, there is a whole run: the next command sees it.
            status, _, words = ended(lambda: self.runs.Run(place).config, place.parent)
            assert status == 0, words
            assert content(place) in self.contents
            check_mine(place)
            beside = place.with_name(f".keras_vae-new-{place.name}")
            if content(place) != expected and not (beside / "config.json").exists():
                expected = self.longer  # the new run was ended before it began
        again = lambda: self.train(place, resume=True)  # noqa: E731
        status, _, words = ended(again, place.parent)
        if status and "no run to resume" in words:  # it was ended before it began
            status, _, words = ended(action, place.parent)
        assert status == 0, words
        assert content(place) == expected, "it is not the unbroken run"
        check_nothing_left(place.parent)
        if name == "overwrite":
            check_mine(place)

    def damage(self, count):
        """Reads runs with a damaged file: see `_check_damaged`."""
        names = [*TEXTS, "model.keras", "checkpoint.keras"]
        place = self.place(self.whole)
        cases = []
        for _ in range(count):
            name = self.random.choice(names)
            kind = self.random.choice(["cut", "empty", "noise", "flipped"])
            whole = (place / name).read_bytes()
            cut = self.random.randrange(len(whole))
            flipped = whole[:cut] + bytes([whole[cut] ^ 0x55]) + whole[cut + 1 :]
            noise = self.random.randbytes(64)
            damaged = {"cut": whole[:cut], "empty": b"", "noise": noise}
            cases.append((name, kind, whole, damaged.get(kind, flipped)))

        def read():
            whole = {name: self._read(place, name) for name in names}
            for name, kind, content, damaged in cases:
                path = place / name
                path.write_bytes(damaged)
                try:
                    self._check_damaged(place, name, kind, whole)
                except AssertionError as error:
                    raise AssertionError(f"{name}, {kind}: {error}") from error
                assert path.read_bytes() == damaged, "it was changed"
                path.write_bytes(content)

        status, _, words = ended(read, place.parent)
        assert status == 0, words
        shutil.rmtree(place.parent)
        return f"{count} damaged files"

    def _read(self, place, name):
        """What a file of a run says: settings, numbers, or the weights of a model."""
        if name in TEXTS:
            return getattr(self.runs.Run(place), name.partition(".")[0])
        weights = self.runs.load(place / name).get_weights()
        return [weight.tobytes() for weight in weights]

    def _check_damaged(self, place, name, kind, whole):
        """An error that names the run, or what the whole file says.

        But for a text in which a byte is another one: that may be another number, which
        nothing tells; and but for the end of a table, which may be missing. The other
        files are read as if nothing had happened.
        """
        try:
            received = self._read(place, name)
        except ValueError as error:
            if str(place) not in str(error):
                raise AssertionError(f"not a clear error: {error}") from error
        else:
            if name == "history.csv" and kind in ("cut", "empty"):
                received = received[:-1]  # it may end in the middle of a number
                assert received == whole[name][: len(received)]
            elif name not in TEXTS or kind != "flipped":
                assert received == whole[name]
        for other in TEXTS:
            if name not in (other, "config.json"):  # by its settings a run is known
                assert self._read(place, other) == whole[other]


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("kills", "interrupts", "damaged", "full-disks", "seed"):
        parser.add_argument(f"--{name}", type=int, default=0)
    given = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    folder = Path(tempfile.mkdtemp(prefix="stress-"))
    campaign = Campaign(folder, given.seed)
    names = itertools.cycle(["overwrite", "resume", "new", "export", "convert"])
    for count, how, which in (
        (given.kills, signal.SIGKILL, names),
        (given.interrupts, signal.SIGINT, names),
        (given.full_disks, errno.ENOSPC, names),
    ):
        for _, name in zip(range(count), which, strict=False):
            say(campaign.break_off(name, how))
    if given.damaged:
        say(campaign.damage(given.damaged))
    shutil.rmtree(folder)
    say("nothing lost, nothing left behind")


if __name__ == "__main__":
    main()
