"""Runs programs in processes that have TensorFlow: a program, for `programs.py`.

It imports TensorFlow, which takes seconds, and nothing else; then for each line of its
input it makes a copy of itself that runs one program, so that each has a fresh process
of its own in which nothing was computed before. A line is a JSON object with

    program      path of the file to run, as __main__
    arguments    list of strings
    folder       the working directory
    environment  all variables by name
    output       path of the file that standard output and standard error go to

and is answered by a line with the exit status (-9 after SIGKILL). It ends by itself:
when its input does, or after five minutes without work.
"""

import gc
import json
import os
import runpy
import signal
import sys

import numpy as np  # noqa: F401
import tensorflow as tf

IDLE_SECONDS = 300


def main():
    """Serves until the input ends; what runs a program comes back from here to end."""
    # TensorFlow imports these when they are first looked at.
    tf.lite.TFLiteConverter, tf.saved_model.load  # noqa: B018
    # The converter collects garbage for each file, and Python at the end: to look
    # through all that was imported takes a quarter of a second, and copies its pages.
    gc.freeze()
    while line := _next_line():
        process = os.fork()
        if process == 0:
            return _become(**json.loads(line))
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _next_line():
    signal.alarm(IDLE_SECONDS)  # which ends the process
    line = sys.stdin.readline()
    signal.alarm(0)
    return line


def _become(program, arguments, folder, environment, output):
    """Runs a program in this process."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    said = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
