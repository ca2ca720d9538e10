"""What all figures are made of: the figure itself, its file, panels and colours."""

import io
from pathlib import Path

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from keras_vae import files

# Okabe & Ito, "Color Universal Design" (2008): told apart with any colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
NUMBER_COLORS = "viridis"

FILE_DPI = 150
# A notebook shows 72 of them to the inch, as matplotlib's own figures there: twice as
# many as a common screen has.
NOTEBOOK_DPI = 144


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows as the value of a cell.

    A figure that pyplot has not made is shown by a notebook only after pyplot was
    imported there; one that pyplot has made stays open until it is closed. This one
    needs neither.

    Args:
        width: Inches.
        height: Inches.
        **kwargs: Of `matplotlib.figure.Figure`.

    Example:

    >>> Figure(3, 2)._repr_png_()[1]
    {'width': 216, 'height': 144}
    """

    def __init__(self, width, height, **kwargs):
        super().__init__(figsize=(width, height), **kwargs)
        FigureCanvasAgg(self)

    def _repr_png_(self):
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=NOTEBOOK_DPI)
        width, height = (72 * self.get_size_inches()).round().astype(int).tolist()
        return file.getvalue(), {"width": width, "height": height}


def save(figure, path):
    """Writes a figure to a file, which is either complete or not there.

    Args:
        figure: `matplotlib.figure.Figure`.
        path: Where to; the suffix, such as `.png` or `.pdf`, says the format. Folders
            that are not there are made, a file that is there is replaced.

    Returns:
        The `pathlib.Path` of the file.

    Example:

    >>> import keras_vae, tempfile
    >>> figure = keras_vae.plots.training_curves({"elbo": [-9.0, -8.0]})
    >>> save(figure, tempfile.mkdtemp() + "/curves.png").name
    'curves.png'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as temporary:
        figure.savefig(temporary, dpi=FILE_DPI)
    return path


def panels(figure, count, num_columns, **sharing):
    """Axes in reading order."""
    num_rows = -(-count // num_columns)
    axes = figure.subplots(num_rows, num_columns, squeeze=False, **sharing).ravel()
    for unused in axes[count:]:
        unused.remove()
    return axes[:count]


def tidy(axes):
    """A light grid behind the data, and no frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def legend_below(figure, axes):
    """The legend of the axes under the figure, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)


def dots(n):
    """Size and opacity of n points: one is seen, and many are not a blot."""
    return {"s": float(np.clip(6000 / n, 6, 40)), "alpha": 0.8, "linewidths": 0}
