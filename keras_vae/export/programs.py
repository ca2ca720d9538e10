"""Programs that import TensorFlow alone, each run in a fresh process.

`tflite_convert.py` and `saved_model_replay.py` are such programs: a fault of the
converter must not end the process that trained, and what an export answers proves
something only where nothing of the trained model is in reach. Where the system can copy
a process (`fork`), `program_server.py` stands by with TensorFlow imported, which is
most of the time that they take.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from keras_vae.export import program_server

# -P: modules beside a program are named like packages, onnx for one.
_PYTHON = (sys.executable, "-P")
# Elsewhere a process that has threads cannot be copied safely, or not at all.
_CAN_COPY = sys.platform == "linux"

_lock = threading.Lock()
_server = None


def run(program, *arguments):
    """Runs a program in a fresh process and waits for its end.

    Args:
        program: Module of the program, which is run as a file.
        *arguments: Its arguments: strings or paths.

    Returns:
        Pair `(status, said)`: the exit status, negative where a signal ended it, and
        what it wrote to standard output and standard error, a string.
    """
    command = [program.__file__, *map(str, arguments)]
    with tempfile.NamedTemporaryFile(prefix="keras_vae-") as said:
        with _lock:
            status = _ask_server(command, said.name) if _CAN_COPY else None
        if status is None:
            status = subprocess.run(
                [*_PYTHON, *command],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            ).returncode
        return status, Path(said.name).read_text(errors="replace")


def prepare():
    """Starts importing TensorFlow in another process, for a `run` soon after."""
    if _CAN_COPY:
        with _lock:
            _running_server()


def _environment():
    return os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}


def _running_server():
    global _server
    if _server is None or _server.poll() is not None:
        _end_server()
        _server = subprocess.Popen(
            [*_PYTHON, program_server.__file__],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C is for this process, which ends the server.
            process_group=0,
        )
    return _server


def _ask_server(command, output):
    """The exit status, or `None` if the server ended without an answer."""
    program, *arguments = command
    job = {
        "program": program,
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": _environment(),
        "output": output,
    }
    server = _running_server()
    try:
        print(json.dumps(job), file=server.stdin, flush=True)
        answer = server.stdout.readline()
    except BrokenPipeError:
        return None
    except BaseException:  # Ctrl-C: nobody waits for the answer any more
        _end_server()
        raise
    return int(answer) if answer else None


@atexit.register
def _end_server():
    """Ends the server and what it runs."""
    global _server
    server, _server = _server, None
    if server is None:
        return
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    server.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        server.stdin.close()


def _forget_server():
    """In a copy of this process, which would mix its lines with those of the first."""
    global _lock, _server
    _lock, _server = threading.Lock(), None


if _CAN_COPY:
    os.register_at_fork(after_in_child=_forget_server)
