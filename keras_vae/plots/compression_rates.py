"""What a model's compression takes, beside other codecs."""

import numpy as np

from keras_vae.plots.figure import BLUE, GREY, ORANGE, Figure, legend_below, tidy

# The bar that is told from the others.
OURS = "keras_vae"


def compression_rates(rates, unit="bits per value", bound=None):
    """Draws the rate of each codec as a bar, the lowest above.

    Args:
        rates: Dictionary from the name of each codec to its rate; `"keras_vae"` among
            them is drawn in a colour of its own.
        unit: What a rate is counted in, a string.
        bound: The rate that the model promises, its negative ELBO, drawn as a line; or
            `None`.

    Returns:
        Figure.

    Raises:
        ValueError: If there is no codec.

    Example:

    >>> figure = compression_rates({"gzip": 0.33, "keras_vae": 0.17}, bound=0.168)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['keras_vae', 'gzip']

    Reference:
        `keras_vae.applications.compressed_sizes`, which measures the other codecs.
    """
    if not rates:
        raise ValueError("`rates` should hold one codec at least. Received: none")
    names = sorted(rates, key=rates.get)
    values = np.array([rates[name] for name in names], "float64")
    figure = Figure(6.4, 0.32 * len(names) + 1.4, layout="constrained")
    axes = figure.subplots()
    colors = [BLUE if name == OURS else GREY for name in names]
    bars = axes.barh(np.arange(len(names)), values, color=colors)
    axes.bar_label(bars, [f"{value:.4g}" for value in values], padding=3)
    axes.set_yticks(np.arange(len(names)), names)
    axes.invert_yaxis()
    # Room for the number beside the longest bar.
    axes.set_xlim(0, 1.15 * max(values.max(), bound or 0.0, 1e-12))
    if bound is not None:
        axes.axvline(bound, color=ORANGE, linewidth=1.2, label=f"-ELBO: {bound:.4g}")
        legend_below(figure, axes)
    axes.set_xlabel(unit)
    axes.set_title("Compression: a shorter bar is fewer bytes")
    tidy(axes)
    return figure
