"""`keras-vae anomaly fit | score | export`: which items a model does not expect."""

from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    FIGURES,
    Application,
    Commands,
    Name,
    Share,
    check_folder,
    check_input,
    count,
    data_dir_option,
    data_options,
    debug_option,
    examples,
    input_option,
    model_argument,
    nearest,
    open_data,
    open_model,
    output_option,
    seed_option,
)
from keras_vae_cli.package import import_keras_vae

SCORES = (
    "squared_error",
    "relative_error",
    "reconstruction_loss",
    "negative_elbo",
    "importance_weighted",
    "reconstruction_probability",
    "likelihood_regret",
    "kl",
)
DETECTOR = Application("a detector", "anomaly_detector", "detector.json")

level_option = click.option(
    "--level",
    type=Share(),
    help="Share of normal items that may be flagged.  [default: 0.05, or the "
    "detector's]",
)


def detector_option(command):
    return click.option(
        "--detector",
        type=click.Path(path_type=Path),
        help="Folder of the detector.  [default: anomaly/ in the run]",
    )(command)


@click.group(
    cls=Commands,
    epilog=examples(
        "anomaly fit runs/digits --normal 3",
        "anomaly score runs/digits --output scores.csv",
    ),
)
@debug_option
def anomaly():
    """Find the items that a model does not expect, at a stated error rate."""


@anomaly.command(
    epilog=examples(
        "anomaly fit runs/table",
        "anomaly fit runs/digits --normal 3 --score relative_error --level 0.1",
        "anomaly fit model.keras --input normal.npy --output detector",
    )
)
@model_argument
@input_option
@data_dir_option
@click.option(
    "--split",
    type=Name(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Which part of the run's own data calibrates.",
)
@click.option(
    "--normal",
    multiple=True,
    metavar="LABEL",
    help="Label of normal items, may be given again: a model with the run's settings "
    "is trained anew on these alone.  [default: all items are normal]",
)
@click.option(
    "--score",
    type=Name(SCORES),
    default="squared_error",
    show_default=True,
    help="What an item is judged by.",
)
@level_option
@click.option("--num-samples", type=count, help="Draws of z, for scores that draw.")
@seed_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the detector to.  [default: anomaly/ in the run]",
)
@debug_option
def fit(model, source, data_dir, split, normal, output, **options):
    """Make a detector: score normal items, from which the threshold comes.

    The normal items are those of the run's validation split, or all of --input. At most
    the share --level of normal items will be flagged. MODEL is the directory of a run,
    or a .keras file (then with --input and --output).
    """
    if output is None:
        if not model.is_dir():
            raise click.UsageError("A .keras file needs --output.")
        output = model / "anomaly"
    check_folder(output.absolute())
    check_input(model, source)
    if normal and not model.is_dir():
        raise click.UsageError(
            "--normal trains a model anew, with the settings of a run: name the "
            "directory of one."
        )
    DETECTOR.check_place(output)
    options["level"] = 0.05 if options["level"] is None else options["level"]
    opened = open_model(model)
    data, arguments = None, {}
    if source is not None:
        data, arguments = opened.open_dataset(source, data_dir)
    words = "Training and calibrating" if normal else "Calibrating"
    with report.progress(words):
        if opened.run is not None:
            detector = opened.keras_vae.runs.fit_detector(
                opened.run,
                list(normal) or None,
                data=data,
                split=split,
                say=click.echo,
                **options,
            )
        else:
            detector = opened.keras_vae.applications.AnomalyDetector(
                opened.vae, **options
            )
            detector.calibrate(data.train.batches(512, **arguments))
    detector.save(output)
    rows = [
        ("score", detector.score_name.replace("_", " "), ""),
        ("normal", ", ".join(detector.normal_labels or ["all items"]), "labels"),
        ("calibration", f"{len(detector.calibration):,}", "normal items"),
        ("level", f"{detector.level:g}", "share of normal items flagged, at most"),
        ("threshold", f"{detector.threshold:.4g}", detector.unit),
        ("smallest p-value", f"{1 / (len(detector.calibration) + 1):.2g}", ""),
    ]
    report.print_table(f"{output}: a detector", ["", ">value", "unit"], rows)
    place = model if model.is_dir() else f"{model} --detector {output} --input DATA"
    if model.is_dir() and output != model / "anomaly":
        place = f"{model} --detector {output}"
    click.echo(f"Next:\n  keras-vae anomaly score {place} --output scores.csv")


@anomaly.command(
    epilog=examples(
        "anomaly score runs/digits --output scores.csv --figure anomalies.png",
        "anomaly score runs/table --input new.csv --false-discovery-rate 0.1",
    )
)
@data_options
@detector_option
@level_option
@click.option(
    "--false-discovery-rate",
    type=Share(),
    help="Judge all items together: the share of normal ones among what is flagged "
    "(Benjamini-Hochberg).  [default: each by itself, by its level]",
)
@output_option(".csv", ".npz", required=False)
@output_option(
    *FIGURES, required=False, name="--figure", what="Picture of the most anomalous"
)
def score(detector, level, false_discovery_rate, output, figure, **data):
    """Say which items are anomalies.

    Columns of the file: index, label (if the data have labels), anomaly_score (higher
    is more anomalous), p_value (how often a normal item has a score as high) and
    is_anomaly. MODEL is the directory of a run, or a .keras file (then with --input and
    --detector), of which `anomaly fit` made a detector.
    """
    place = _detector_of(data["model"], detector)
    if level is not None and false_discovery_rate is not None:
        raise click.UsageError(
            "--level judges each item by itself, --false-discovery-rate all together: "
            "give one of them."
        )
    check_input(data["model"], data["source"])
    keras_vae = import_keras_vae()
    detector = keras_vae.applications.AnomalyDetector.load(place)
    if level is not None:
        detector.level = level
    data = open_data(**data)
    found = detector.judge(
        detector.score(data.batches("Scoring")),
        false_discovery_rate=false_discovery_rate,
    )
    rows = {"index": range(data.num_examples)}
    if data.labels is not None:
        rows["label"] = data.labels
    rows |= {
        "anomaly_score": found.score,
        "p_value": found.p_value,
        "is_anomaly": found.is_anomaly.astype("int8"),
    }
    if output is not None:
        data.write(output, [rows], data.num_examples)
    title = f"{data.words}: {data.num_examples:,} items, by {detector.score_name}"
    groups = _groups(data.labels, detector.normal_labels, found.is_anomaly)
    _print_groups(title, groups)
    if data.labels is not None and detector.normal_labels:
        _print_ranking(data.labels, detector.normal_labels, found.score)
    if figure is not None:
        _draw(data, detector, found, figure)
    for path in (output, figure):
        if path is not None:
            click.echo(path)


@anomaly.command(epilog=examples("anomaly export runs/digits --output serving"))
@model_argument
@detector_option
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write to.",
)
@debug_option
def export(model, detector, output):
    """Export a detector as SavedModels and .tflite files: encoder, decoder, scorer."""
    place = _detector_of(model, detector)
    check_folder(output.absolute())
    keras_vae = import_keras_vae()
    detector = keras_vae.applications.AnomalyDetector.load(place)
    with report.progress("Exporting the detector, and proving the export"):
        saved = keras_vae.export.export_saved_models(detector, output)
        keras_vae.export.export_tflite(
            detector, output / "tflite", version=saved.version
        )
    for path in (*saved.models.values(), *saved.config, saved.parity):
        click.echo(path)
    for path in sorted((output / "tflite").iterdir()):
        click.echo(path)
    click.echo(f"Next:\n  keras-vae verify {output}")


def _detector_of(model, detector):
    """The folder of a detector, found without TensorFlow."""
    if detector is None:
        if not model.is_dir():
            raise click.UsageError("A .keras file needs --detector.")
        detector = model / "anomaly"
        if not detector.exists():
            raise click.UsageError(
                f"The run at {model} has no detector yet. Make one: keras-vae anomaly "
                f"fit {model}"
            )
    if not DETECTOR.is_at(detector):
        what = f"there is no {detector}.{nearest(detector)}"
        if detector.exists():
            missing = f"it has no readable {DETECTOR.settings}"
            what = f"{detector} is no detector: {missing}."
        raise click.BadParameter(what, param_hint="--detector")
    return detector


def _groups(labels, normal, flagged):
    """Pairs of a name and whether each item of that group was flagged."""
    if labels is None:
        return [("all", flagged)]
    if not normal:
        return [(name, flagged[labels == name]) for name in sorted({*labels})]
    is_normal = sum(labels == name for name in normal).astype(bool)
    groups = [(f"{', '.join(normal)}: normal", flagged[is_normal])]
    groups += [
        (name, flagged[labels == name]) for name in sorted({*labels} - {*normal})
    ]
    return [(name, group) for name, group in groups if len(group)]


def _print_groups(title, groups):
    rows = [
        (name, f"{len(flagged):,}", f"{flagged.sum():,}", f"{flagged.mean():.1%}")
        for name, flagged in groups
    ]
    report.print_table(title, ["items", ">number", ">flagged", ">share"], rows)


def _print_ranking(labels, normal, scores):
    """How well the scores tell normal items from the others."""
    from sklearn.metrics import roc_auc_score

    odd = ~sum(labels == name for name in normal).astype(bool)
    if 0 < odd.sum() < len(odd):
        words = f"{roc_auc_score(odd, scores):.4f}"
        click.echo(f"area under the ROC curve, normal against the others: {words}")


def _draw(data, detector, found, path):
    """The most anomalous items, and why."""
    order = (-found.score).argsort(kind="stable")[:8].tolist()
    items = data.at("--figure", order)
    why = detector.explain(items)
    labels = [f"{i:,}" for i in order]
    if data.labels is not None:
        labels = [f"{data.labels[i]}" for i in order]
    figure = data.keras_vae.plots.anomalies(
        items["x"] if isinstance(items, dict) else items,
        why.reconstruction,
        why.error,
        found.p_value[order],
        found.is_anomaly[order],
        data.feature_names,
        labels,
    )
    data.save(figure, path)
