"""`serve`."""

import os
import re
import signal
import socket
import subprocess
import sys

import requests


def test_it_answers_until_it_is_interrupted(call, run, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_vae_cli", "serve", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = [process.stdout.readline() for _ in range(5)]
        assert lines[0] == "decoder 1: available\n"
        assert lines[1] == "encoder 1: available\n"
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[2])[0]
        asked = re.search(r"curl (\S+)", lines[3])[1]
        assert requests.get(asked, timeout=30).status_code == 200
        # What it says to do next is done, and passes.
        assert lines[4].split() == ["keras-vae", "verify", str(run), "--rest", url]
        result = call(*lines[4].split()[1:])
        assert result.exit_code == 0, result.output
        assert "REST" in result.stdout
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors


def test_what_cannot_be_served(call, run, tmp_path):
    result = call("serve", tmp_path)
    assert result.exit_code == 2
    assert "keras-vae export" in result.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("serve", run, "--port", port)
    assert result.exit_code == 2
    assert f"port {port} is in use" in result.stderr
    assert "--port 0" in result.stderr
