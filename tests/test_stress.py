"""The short form of `make stress`, in a process that has computed nothing before."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_left_behind():
    result = subprocess.run(
        [sys.executable, "-m", "tests.stress", "--kills", "2", "--damaged", "12"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[:2]] == ["overwrite", "resume"]
    assert lines[-1] == "nothing lost, nothing left behind"
