"""Runs that are trained for something else than their figures."""

import contextlib
import sys

import pytest


@contextlib.contextmanager
def without_figures():
    """Leaves out the figures, which take a third of the time of a short run."""
    report = sys.modules["keras_vae.runs.report"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_draw", lambda *arguments: None)
        yield
