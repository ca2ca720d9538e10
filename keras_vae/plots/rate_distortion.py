"""Models side by side: what their codes cost, and what their reconstructions do."""

import numpy as np

from keras_vae.plots.figure import BLUE, GREY, ORANGE, Figure, legend_below, tidy

# Of Okabe & Ito too; seven colours and eight markers: pairs repeat after 56.
COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*"


def rate_distortion(points):
    """Draws models in the plane of rate and distortion, with lines of equal ELBO.

    To the lower left is better: a model on a lower line explains the data better. Of
    models on one line, that to the right says more about x in its code.

    Args:
        points: List of dictionaries with `model` (its name), `rate` and `distortion`,
            nats per example, as `keras_vae.evaluation.rate_distortion` returns it.

    Returns:
        Figure.

    Raises:
        ValueError: If there is no point.

    Example:

    >>> points = [{"model": "beta 1", "rate": 25.0, "distortion": 70.0},
    ...           {"model": "beta 4", "rate": 12.0, "distortion": 95.0}]
    >>> figure = rate_distortion(points)
    >>> figure.axes[0].get_xlabel()
    'rate: KL(q(z|x) ‖ p(z)), nats per example'

    Reference:
        Alemi et al., "Fixing a Broken ELBO" (2018), figure 1.
    """
    points = list(points)
    if not points:
        raise ValueError("`points` should hold one model at least. Received: none")
    figure = Figure(6.4, 4.8, layout="constrained")
    axes = figure.subplots()
    draw_plane(axes, points, [color_and_marker(i) for i in range(len(points))])
    tidy(axes)
    legend_below(figure, axes)
    return figure


def color_and_marker(i):
    """By which one of several models is known, in every panel of a figure."""
    return COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]


def draw_plane(axes, points, looks):
    """Draws models on axes; `looks` are a colour and a marker of each."""
    rate = np.array([point["rate"] for point in points], "float64")
    distortion = np.array([point["distortion"] for point in points], "float64")
    for point, x, y, look in zip(points, rate, distortion, looks, strict=True):
        color, marker = look
        label = f"{point['model']}: ELBO {-(x + y):.1f}"
        axes.scatter(x, y, color=color, marker=marker, label=label, zorder=3)
    low_x, high_x = _room(rate)
    low_y, high_y = _room(distortion)
    axes.set(xlim=(low_x, high_x), ylim=(low_y, high_y))
    corners = np.linspace(low_x + low_y, high_x + high_y, 9)[1:-1]
    for total in corners:  # -ELBO
        ends = np.array([low_x, high_x])
        axes.plot(ends, total - ends, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_xlabel("rate: KL(q(z|x) ‖ p(z)), nats per example")
    axes.set_ylabel("distortion: −log p(x|z), nats per example")
    axes.set_title("Rate and distortion; on a dotted line the ELBO is the same")


def _room(values):
    """Limits of an axis, with room around the points."""
    spread = max(float(np.ptp(values)), 0.1 * float(np.abs(values).max()), 1e-3)
    return values.min() - 0.3 * spread, values.max() + 0.3 * spread
