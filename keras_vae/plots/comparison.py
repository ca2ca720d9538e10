"""Reports of models side by side: rate and distortion, samples, readout."""

import numpy as np

from keras_vae.plots.figure import Figure, panels, tidy
from keras_vae.plots.rate_distortion import color_and_marker, draw_plane

SAMPLE_MEASURES = ("precision", "recall", "density", "coverage")
FRECHET = "frechet_distance"


def comparison(reports):
    """Draws what several models measure, a panel for each group of measures.

    The plane of rate and distortion (`rate_distortion`); of samples precision, recall,
    density and coverage, and their Fréchet distance; and how well a linear classifier
    reads labels from codes, from as many principal components, and from the data. A
    panel shows the models of which its group was measured, with standard errors where
    they are known; a group that none has leaves no panel.

    Args:
        reports: Dictionary from the name of each model to what was measured of it, as
            `metrics.json` of a run holds it: `keras_vae.evaluation.evaluate` and
            `evaluate_groups` together.

    Returns:
        Figure.

    Raises:
        ValueError: If there is nothing to draw.

    Example:

    >>> report = {"kl_loss": 25.0, "reconstruction_loss": 70.0}
    >>> samples = {name: 0.5 for name in (*SAMPLE_MEASURES, FRECHET)}
    >>> figure = comparison({"a": report, "b": {**report, "samples": samples}})
    >>> [axes.get_title() for axes in figure.axes][1:]
    ['Samples: higher is better', 'Samples: Fréchet distance, lower is better']

    Reference:
        Alemi et al., "Fixing a Broken ELBO" (2018), figure 1; for the other measures
        see `sample_quality` and `linear_readout` in `keras_vae.evaluation`.
    """
    looks = {name: color_and_marker(i) for i, name in enumerate(reports)}
    drawn = [
        (draw, {name: report for name, report in reports.items() if applies(report)})
        for draw, applies in _PANELS
    ]
    drawn = [(draw, those) for draw, those in drawn if those]
    if not drawn:
        raise ValueError(
            "`reports` should hold a KL, samples or a readout of one model at least. "
            "Received: none of them"
        )
    num_columns = min(2, len(drawn))
    num_rows = -(-len(drawn) // num_columns)
    size = (6.4, 4.8) if len(drawn) == 1 else (5.2 * num_columns, 4.2 * num_rows + 0.4)
    figure = Figure(*size, layout="constrained")
    handles = {}
    for axes, (draw, those) in zip(
        panels(figure, len(drawn), num_columns), drawn, strict=True
    ):
        draw(axes, those, looks)
        tidy(axes)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label.partition(": ELBO ")[0], (handle, label))
    # By the plane's label, which says the ELBO, where a model is there.
    known = [handles[name] for name in reports if name in handles]
    figure.legend(
        *zip(*known, strict=True), loc="outside lower center", ncols=2, frameon=False
    )
    return figure


def _plane(axes, reports, looks):
    points = [
        {
            "model": name,
            "rate": report["kl_loss"],
            "distortion": report["reconstruction_loss"],
        }
        for name, report in reports.items()
    ]
    draw_plane(axes, points, [looks[name] for name in reports])


def _samples(axes, reports, looks):
    values = {
        name: [_with_error(report["samples"], measure) for measure in SAMPLE_MEASURES]
        for name, report in reports.items()
    }
    _beside_one_another(axes, SAMPLE_MEASURES, values, looks)
    axes.set_ylim(bottom=0)
    axes.set_title("Samples: higher is better")


def _frechet(axes, reports, looks):
    values = {
        name: [(report["samples"][FRECHET], 0.0)] for name, report in reports.items()
    }
    _beside_one_another(axes, [""], values, looks)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("squared features")
    axes.set_title("Samples: Fréchet distance, lower is better")


def _readout(axes, reports, looks):
    values = {}
    for name, report in reports.items():
        found = report["readout"]["readouts"]
        values[name] = [
            (of["accuracy"], of["standard_error"])
            for of in (_of_kind(found, kind) for kind in ("z_mean", "pca", "raw"))
        ]
    names = ["codes", "as many principal\ncomponents", "data"]
    _beside_one_another(axes, names, values, looks)
    axes.set_ylabel("accuracy of a linear classifier")
    axes.set_title("Readout of labels: higher is better")


_PANELS = (
    (_plane, lambda report: "kl_loss" in report),
    (_samples, lambda report: "samples" in report),
    (_frechet, lambda report: "samples" in report),
    (_readout, lambda report: "readout" in report),
)


def _of_kind(readouts, kind):
    """The readout whose name begins so: `pca_16` is a `pca`; nan where there is none.

    A code of more numbers than the data have has no principal components beside it.
    """
    found = [of for name, of in readouts.items() if name.startswith(kind)]
    return found[0] if found else {"accuracy": np.nan, "standard_error": 0.0}


def _with_error(values, name):
    return values[name], values.get(f"{name}_standard_error") or 0.0


def _beside_one_another(axes, names, values, looks):
    """A place for each name, and at it a dot for each model, its error as a bar."""
    width = 0.6 / max(1, len(values) - 1) if len(values) > 1 else 0.0
    for i, (model, of_model) in enumerate(values.items()):
        color, marker = looks[model]
        height, error = np.array(of_model, "float64").T
        place = np.arange(len(names)) + width * (i - (len(values) - 1) / 2)
        axes.errorbar(
            place, height, error, color=color, marker=marker, ls="none", label=model
        )
    axes.set_xticks(np.arange(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
