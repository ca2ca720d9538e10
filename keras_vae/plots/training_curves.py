"""How training went: the ELBO and its parts over the epochs."""

import numpy as np

from keras_vae.plots.figure import BLUE, ORANGE, Figure, panels, tidy


def training_curves(history):
    """Draws the ELBO and its two parts over the epochs, for training and validation.

    Args:
        history: What `fit` returns, or a mapping from `elbo`, `reconstruction_loss`,
            `kl_loss` and the same with `val_` (those there are) to one value an epoch,
            nats, such as the columns of `history.csv`.

    Returns:
        Figure with one panel for each of the three that there are.

    Raises:
        ValueError: If the history has none of them.

    Example:

    >>> figure = training_curves({"elbo": [-9.0, -8.0], "val_elbo": [-9.5, -9.0]})
    >>> figure.axes[0].get_ylabel()
    'nats per example'
    """
    history = getattr(history, "history", history)
    titles = {
        "elbo": "ELBO (higher is better)",
        "reconstruction_loss": "Reconstruction loss, −log p(x|z)",
        "kl_loss": "KL loss, KL(q(z|x) ‖ p(z))",
    }
    names = [name for name in titles if name in history or f"val_{name}" in history]
    if not names:
        raise ValueError(
            f"`history` should have one of {list(titles)} at least. "
            f"Received: {sorted(history)}"
        )
    figure = Figure(4.2 * len(names), 3.4, layout="constrained")
    for axes, name in zip(panels(figure, len(names), len(names)), names, strict=True):
        axes.set_title(titles[name])
        axes.set_xlabel("epoch")
        axes.set_ylabel("nats per example")
        axes.xaxis.get_major_locator().set_params(integer=True)
        for key, label, color in (
            (name, "training", BLUE),
            (f"val_{name}", "validation", ORANGE),
        ):
            if key in history:
                values = np.asarray(history[key], dtype="float64")
                epochs = np.arange(1, len(values) + 1)
                marker = "o" if len(values) == 1 else None
                axes.plot(epochs, values, color=color, label=label, marker=marker)
                axes.set_xlim(0, max(len(values), 2))
        _label_ends(axes)
        tidy(axes)
    return figure


def _label_ends(axes):
    """Writes each line's label at its end, the upper one's above the other's."""
    ends = []
    for line in axes.lines:
        finite = line.get_xydata()[np.isfinite(line.get_ydata())]
        if len(finite):
            ends.append((finite[-1], line))
    ends.sort(key=lambda end: end[0][1])
    for (end, line), va in zip(ends, ["top", "bottom"][-len(ends) :], strict=False):
        style = {"color": line.get_color(), "va": va}
        offset = {"xytext": (4, 0), "textcoords": "offset points"}
        axes.annotate(line.get_label(), end, **offset, **style)
