"""Runs that are trained for something else than their figures."""

import contextlib
import sys

import pytest

from keras_vae import runs


@contextlib.contextmanager
def without_figures():
    """Leaves out the figures, which take a third of the time of a short run."""
    report = sys.modules["keras_vae.runs.report"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_draw", lambda *arguments: None)
        yield


def digits_run(path):
    """Trains a run on digits with its SavedModels."""
    small = {"epochs": 2, "latent_dim": 3, "hidden_units": [16]}
    # Fast enough for its latent dimensions to become active.
    fast = {"batch_size": 16, "learning_rate": 0.01}
    with without_figures():
        return runs.train("digits", path, exports="saved_models", **small, **fast)
