"""The file of a figure."""

import io
import os
import subprocess
import sys

import pytest
from matplotlib.figure import Figure
from PIL import Image

from keras_vae import plots


def test_save_writes_a_whole_png(tmp_path):
    path = tmp_path / "figures" / "curves.png"
    figure = plots.training_curves({"elbo": [-3.0, -2.0]})
    assert plots.save(figure, path) == path
    with Image.open(path) as image:
        image.verify()
        assert image.format == "PNG"
        assert image.width == round(figure.get_figwidth() * 150)
    assert [p.name for p in path.parent.iterdir()] == ["curves.png"]


def test_save_leaves_what_was_there_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    path.write_text("before")

    def breaks_off(self, name, **arguments):
        with open(name, "w") as file:
            file.write("half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        plots.save(Figure(), path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_neither_a_display_nor_pyplot_is_used_and_no_setting_changed(tmp_path):
    """In a process of its own: no DISPLAY, a backend that needs one."""
    script = f"""
import matplotlib
matplotlib.use("TkAgg", force=False)
settings = dict(matplotlib.rcParams)
from keras_vae import plots
plots.save(plots.training_curves({{"elbo": [-3.0, -2.0]}}), {str(tmp_path / "a.png")!r})
plots.training_curves({{"elbo": [-3.0, -2.0]}})._repr_png_()
import matplotlib.pyplot as plt
assert plt.get_fignums() == []
assert dict(matplotlib.rcParams) == settings
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "MPLBACKEND")
    }
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_notebook_is_given_twice_the_pixels_that_it_shows():
    png, shown = plots.training_curves({"elbo": [-3.0, -2.0]})._repr_png_()
    with Image.open(io.BytesIO(png)) as image:
        assert image.width == pytest.approx(2 * shown["width"], abs=1)
        assert image.height == pytest.approx(2 * shown["height"], abs=1)
