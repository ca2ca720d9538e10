"""Programs in fresh processes, copies of one that has TensorFlow imported."""

import os
import signal
import subprocess
import sys
import types

import pytest

from keras_vae.export import programs


@pytest.fixture
def program(tmp_path):
    """A function that makes a program of lines of Python."""

    def make(*lines):
        path = tmp_path / "program.py"
        path.write_text("\n".join(lines))
        return types.SimpleNamespace(__file__=str(path))

    return make


@pytest.fixture(params=[True, False], ids=["copied", "started"])
def way(request, monkeypatch):
    if request.param and sys.platform != "linux":
        pytest.skip("processes are copied on Linux alone")
    monkeypatch.setattr(programs, "_CAN_COPY", request.param)


def test_a_program_runs_as_from_a_shell(way, program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLOUR", "green")
    code = program(
        "import os, sys",
        "print(__name__, sys.argv[1:], os.getcwd(), os.environ['COLOUR'])",
        "print(repr(sys.stdin.read()), file=sys.stderr)",
        "print([name for name in sys.modules if name.startswith('keras_vae')])",
    )
    status, said = programs.run(code, tmp_path, "two words")
    arguments = [str(tmp_path), "two words"]
    expected = {f"__main__ {arguments} {tmp_path} green", "''", "[]"}
    assert (status, {*said.splitlines()}) == (0, expected)


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no such file')", 1, "no such file"),
        ("raise ValueError('a number')", 1, "ValueError: a number"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_how_a_program_ended(way, program, line, status, words):
    ended, said = programs.run(program(line))
    assert ended == status and words in said


def test_nothing_of_one_run_is_left_for_the_next(way, program):
    code = program(
        "import numpy, sys, tensorflow as tf",
        "assert not hasattr(numpy, 'mark') and tf.config.list_physical_devices('CPU')",
        "numpy.mark = 1",
        "assert tf.reduce_sum(tf.ones(5)) == 5",
    )
    assert [programs.run(code)[0] for _ in range(2)] == [0, 0]


@pytest.fixture
def server():
    if sys.platform != "linux":
        pytest.skip("processes are copied on Linux alone")
    programs.prepare()
    return programs._server


def test_a_server_that_was_killed_is_missed_by_nobody(server, program):
    os.kill(server.pid, signal.SIGKILL)
    code = program("print('here')")
    assert programs.run(code) == (0, "here\n")  # by itself or by another server
    server.wait()
    assert programs.run(code) == (0, "here\n")
    assert programs._server.pid != server.pid


def test_ctrl_c_ends_what_runs(server, program, tmp_path):
    """The program would stay for ever; that it has ended, the end of its file tells."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = program(
        "import os, signal, sys",
        "file = open(sys.argv[1], 'w')",
        "print('here', file=file, flush=True)",
        "os.kill(int(sys.argv[2]), signal.SIGINT)",
        "signal.pause()",
    )
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    with pytest.raises(KeyboardInterrupt):
        programs.run(code, fifo, os.getpid())
    assert reader.communicate()[0] == b"here\n"
    assert server.returncode == -signal.SIGKILL
    assert programs.run(program("print('again')")) == (0, "again\n")


def test_a_copy_of_this_process_has_a_server_of_its_own(server):
    process = os.fork()
    if process == 0:
        os._exit(int(programs._server is not None))
    assert os.waitpid(process, 0)[1] == 0
    assert programs._server is server and server.poll() is None
