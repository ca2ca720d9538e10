"""One tiny run of images and one of a table, trained once, for all commands."""

import numpy as np
import pytest
from click.testing import CliRunner

from keras_vae import runs
from keras_vae_cli import main
from tests.short_runs import digits_run, without_figures


@pytest.fixture(scope="session")
def call():
    """Calls a command in this process."""

    def call(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Directory of a run on digits, with its SavedModels."""
    path = tmp_path_factory.mktemp("cli") / "digits"
    digits_run(path)
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """Directory of a run on a table with names and labels, and the table."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3)) * [1, 10, 0.1] + [0, 100, 5]
    lines = ["height,width,kind,depth"]
    lines += [f"{a},{b},{'xy'[i % 2]},{c}" for i, (a, b, c) in enumerate(values)]
    (folder / "table.csv").write_text("\n".join(lines))
    small = {"epochs": 2, "latent_dim": 2, "hidden_units": [4], "exports": "none"}
    data = str(folder / "table.csv")
    with without_figures():
        runs.train(data, folder / "run", label_column="kind", **small)
    return folder / "run", folder / "table.csv"
