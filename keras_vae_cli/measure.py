"""`keras-vae info | evaluate | compare | score | plot`: what a model is, how good."""

import json
import math
from pathlib import Path

import click

from keras_vae_cli import report, rows_of_metrics
from keras_vae_cli.options import (
    FIGURES,
    Measures,
    ModelPath,
    Name,
    count,
    data_options,
    debug_option,
    examples,
    model_argument,
    open_data,
    output_option,
    seed_option,
    successor,
)
from keras_vae_cli.package import import_keras_vae, standalone

settings = standalone("runs/settings.py", "runs/kinds.py")

# That the extractor of the features of samples is trained with.
FEATURE_EXAMPLES = 10_000
# What of a report the picture of compare shows.
DRAWN = ("kl_loss", "samples", "readout")
FIGURE_NAMES = (
    "training_curves",
    "reconstructions",
    "samples",
    "latent_space",
    "traversals",
    "interpolation",
)


@click.command(epilog=examples("info runs/digits", "info model.keras"))
@model_argument
@debug_option
def info(model):
    """Say what a run is: data, model, numbers, files, and what to do next.

    MODEL is the directory of a run, or a .keras file.
    """
    keras_vae = import_keras_vae()
    vae = keras_vae.load(model)
    rows = _model_rows(vae)
    if not model.is_dir():
        report.print_table(str(model), None, rows)
        return
    run = keras_vae.runs.Run(model)
    rows = [*_data_rows(run), *rows, *_training_rows(run)]
    report.print_table(f"{model}: a run of keras_vae", None, rows)
    if (model / "metrics.json").is_file():
        report.print_metrics(run.metrics["split"], run.metrics)
        click.echo(run.metrics.get("activity", ""))
    files = [
        (f"{model / name}", report.size(model / name))
        for name in report.RUN_FILES
        if (model / name).exists()
    ]
    report.print_table(None, ["file", ">size"], files)
    report.print_next(run)
    if (successor(model) / "config.json").is_file():
        click.echo(
            "A run that is to replace this one was begun and is not complete. Go on "
            f"with it: keras-vae train --output {model} --resume"
        )


def _data_rows(run):
    """What the run says of its data; older runs know only their name."""
    data = run.config.get("data") or {}
    rows = [("data", data.get("source", run.config["dataset"]))]
    if "num_examples" in data:
        sizes = [f"{n:,} {split}" for split, n in data["num_examples"].items()]
        rows.append(("examples", ", ".join(sizes)))
    if "data_shape" in data:
        low, high = data["value_range"]
        shape = " x ".join(map(str, data["data_shape"]))
        rows.append(("example", f"{shape}, values from {low:g} to {high:g}"))
    if data.get("columns"):
        rows.append(("columns", ", ".join(c["name"] for c in data["columns"])))
    if data.get("label_names"):
        names = data["label_names"]
        more = f", ... ({len(names)} in all)" if len(names) > 20 else ""
        rows.append(("labels", ", ".join(names[:20]) + more))
    return rows


def _model_rows(vae):
    def network(model):
        shapes = [
            "x".join(map(str, tensor.shape[1:]))
            for tensor in (model.inputs[0], model.outputs[0])
        ]
        return f"{' -> '.join(shapes)}, {model.count_params():,} parameters"

    rows = [
        ("model", type(vae).__name__),
        ("encoder", network(vae.encoder)),
        ("decoder", network(vae.decoder)),
        ("latent shape", " x ".join(map(str, vae.latent_shape))),
        ("likelihood", _named(vae.likelihood)),
        ("prior", _named(vae.prior)),
    ]
    if vae.conditions:
        rows.append(("conditions", ", ".join(vae.conditions)))
    return rows


def _named(part):
    """A likelihood or prior: its class, and what of its arguments has a plain value."""
    given = [
        f"{name} {value}"
        for name, value in part.get_config().items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
        if name not in ("name", "dtype")
    ]
    return ", ".join([type(part).__name__, *given])


def _training_rows(run):
    config, history = run.config, run.history
    word = "epoch" if config["epochs"] == 1 else "epochs"
    rows = []
    if not settings.is_refused(config["model"], "beta"):
        rows.append(("beta", f"{config['beta']:g} ({config['beta_schedule']})"))
    if config["penalty"] is not None:
        rows.append(("penalty", f"{config['penalty']:g}"))
    rows += [
        ("training", f"{len(history)} of at most {config['epochs']} {word}"),
        ("seed", config["seed"]),
        ("written by", f"keras_vae {config['keras_vae']}"),
    ]
    proof = run.directory / "export" / "encoder"
    versions = sorted(int(p.name) for p in proof.glob("*") if p.name.isdecimal())
    if versions:
        rows.append(("exported versions", ", ".join(map(str, versions))))
    return rows


@click.command(
    epilog=examples(
        "evaluate runs/digits --num-importance-samples 100",
        "evaluate runs/digits --measures all",
        "evaluate runs/digits --input new.npy --output metrics.json",
    )
)
@data_options
@click.option(
    "--num-importance-samples",
    type=count,
    help="Also estimate log p(x) with so many draws.",
)
@click.option(
    "--measures",
    type=Measures(),
    default=(),
    help="Also the quality of samples, what a linear classifier reads from codes, "
    "disentanglement (of data with known factors): a minute or so each.",
)
@seed_option
@output_option(".json", required=False)
def evaluate(num_importance_samples, measures, seed, output, **data):
    """Measure a trained VAE: ELBO, its parts, where its KL goes, active dimensions.

    MODEL is the directory of a run, or a .keras file (then with --input). What is
    measured of a run on the data of its report is written into its metrics.json too,
    for `keras-vae compare`.
    """
    data = open_data(**data)
    words = "Measuring"
    if num_importance_samples is not None:
        words = f"Measuring, with {num_importance_samples} draws of z for each example"
    evaluation = data.keras_vae.evaluation
    metrics = evaluation.evaluate(
        data.vae,
        data.batches(words),
        batch_size=data.batch_size,
        num_importance_samples=num_importance_samples,
        seed=seed,
    )
    measured, others = _groups(data, measures, seed)
    metrics |= measured
    if output is not None:
        data.keras_vae.files.write_json(output, metrics)
    report.print_metrics(data.words, {**metrics, "latent_dim": data.vae.latent_dim})
    click.echo(evaluation.describe_activity(metrics["active_units"]))
    if num_importance_samples is not None:
        words = evaluation.describe_reliability(
            metrics["num_unreliable"], metrics["num_examples"], num_importance_samples
        )
        if words is not None:
            click.echo(words)
    for name, reason in others.items():
        click.echo(f"{rows_of_metrics.GROUPS[name]} not measured: {reason}.")
    if data.is_report:
        data.run.add_metrics(metrics)
        click.echo(data.run.directory / "metrics.json")


def _groups(data, measures, seed):
    """What else applies to the model and its data, and why the rest does not."""
    evaluation, labels, train = data.keras_vae.evaluation, None, None
    most = evaluation.MOST_EXAMPLES
    x, labels = data.coded(max(most.values()) if measures else most["kl_parts"])
    if "samples" in measures:
        train = data.coded(FEATURE_EXAMPLES, training=True)
        if isinstance(train[0], dict):
            train = train[0]["x"], train[1]
    measured, others = evaluation.evaluate_groups(
        data.vae,
        x,
        labels,
        groups=("kl_parts", *measures),
        train=train,
        factors=data.dataset.factors,
        seed=seed,
        progress=report.progress,
    )
    return measured, others


@click.command(
    epilog=examples(
        "compare runs/vae runs/iwae",
        "compare runs/beta1 runs/beta4 --output compared.png",
        "compare runs/* --output compared.csv",
    )
)
@click.argument("models", nargs=-1, required=True, type=ModelPath())
@output_option(".csv", *FIGURES, required=False)
@debug_option
def compare(models, output):
    """Put runs side by side: what they measured on their test data.

    MODELS are directories of runs. A picture shows their rate (KL), distortion
    (reconstruction loss) and ELBO, and of what `keras-vae evaluate --measures all` adds
    the quality of samples and the readout.
    """
    reports = {}
    for model in models:
        path = model / "metrics.json"
        if not path.is_file():
            raise click.UsageError(f"{model} has no metrics.json: it is no whole run.")
        reports[str(model)] = json.loads(path.read_text())
    _warn_of_other_data(models)
    tables = [dict(_cells(metrics)) for metrics in reports.values()]
    measures = list(dict.fromkeys(name for table in tables for name in table))
    rows = [[*name, *(table.get(name, "") for table in tables)] for name in measures]
    header = ["measure", "unit", *(f">{name}" for name in reports)]
    report.print_table(None, header, rows)
    if output is None:
        return
    keras_vae = import_keras_vae()
    if output.suffix == ".csv":
        rows = {run: dict(_scalars(metrics)) for run, metrics in reports.items()}
        names = dict.fromkeys(name for row in rows.values() for name in row)
        table = [
            {"run": run, **{name: row.get(name) for name in names}}
            for run, row in rows.items()
        ]
        keras_vae.files.write_csv(output, table)
    else:
        names = {run: Path(run).name for run in reports}
        if len(set(names.values())) < len(names):
            names = {run: run for run in reports}
        if not any({*metrics} & {*DRAWN} for metrics in reports.values()):
            raise click.UsageError(
                "None of the runs has anything to draw: a KL, and so a rate, or with "
                "keras-vae evaluate --measures all samples and a readout."
            )
        named = {names[run]: metrics for run, metrics in reports.items()}
        keras_vae.plots.save(keras_vae.plots.comparison(named), output)
    click.echo(output)


def _scalars(metrics, prefix=""):
    """Names and values of all that a cell of a table can hold."""
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float | None):
            yield prefix + name, value


def _cells(metrics):
    """The rows of a report as pairs of (measure, unit) and value."""
    for measure, value, unit in rows_of_metrics.metric_rows(metrics):
        if measure == "training":  # its unit says how many epochs, of each run its own
            yield ("epochs", ""), f"{metrics['epochs']}, best {metrics['best_epoch']}"
            unit = "s"
        yield (measure, unit), value


def _warn_of_other_data(models):
    """Nats of other data do not compare, nor do those of another part of them."""
    known = {}
    for model in models:
        config = json.loads((model / "config.json").read_text())
        described = config.get("data") or {}
        data = described.get("fingerprint") or config["dataset"]
        # They say which examples are test data, and how those are drawn.
        names = ("binarize", "seed", "test_fraction", "image_size")
        key = str([data, *(config[name] for name in names)])
        known.setdefault(key, []).append(str(model))
    if len(known) > 1:
        groups = "; ".join(", ".join(names) for names in known.values())
        click.echo(
            "Warning: these runs differ in their data, or in the seed by which test "
            f"examples are chosen and drawn: {groups}",
            err=True,
        )


@click.command(
    epilog=examples(
        "score runs/digits --output scores.csv",
        "score runs/digits --input new.npy --output scores.npz",
    )
)
@data_options
@seed_option
@output_option(".csv", ".npz")
def score(seed, output, **data):
    """Score each example: its ELBO and the two parts of it, in nats.

    Columns: index, label (if the data have labels), elbo, reconstruction_loss, kl_loss,
    and what else the model measures (an autoencoder has reconstruction_loss alone). The
    lower the elbo, the less the model expects the example: what its likelihood cannot
    produce has -inf, and is counted in a warning. MODEL is the directory of a run, or a
    .keras file (then with --input).
    """
    data = open_data(**data)
    scores = data.vae.score(data.batches("Scoring"), seed=seed)
    _warn_of_the_impossible(data.vae, scores)
    rows = {"index": range(data.num_examples)}
    if data.labels is not None:
        rows["label"] = data.labels
    data.write(output, [rows | scores], data.num_examples)
    click.echo(output)


def _warn_of_the_impossible(vae, scores):
    """Rows of infinite numbers are easily overlooked in a file."""
    name, values = next(iter(scores.items()))
    rows = [i for i, value in enumerate(values.tolist()) if math.isinf(value)]
    if rows:
        click.echo(
            f"Warning: {len(rows):,} of {len(values):,} examples have {name} "
            f"{values[rows[0]]}, the first is number {rows[0]}: to the model they are "
            f"impossible. Its likelihood, {vae.likelihood.identifier!r}, takes "
            f"{vae.likelihood.support}.",
            err=True,
        )


@click.command(
    epilog=examples(
        "plot runs/digits latent_space --output latent_space.png",
        "plot runs/digits reconstructions --input new.npy --output new.pdf",
    )
)
@data_options
@click.argument("figure", type=Name(FIGURE_NAMES))
@output_option(*FIGURES)
def plot(figure, output, **data):
    """Draw a figure of a run, or of other data.

    MODEL is the directory of a run, or a .keras file (then with --input). The commands
    sample, reconstruct, interpolate and traverse draw theirs with more options.
    """
    if figure == "training_curves":
        drawn = _training_curves(data["model"])
    else:
        data = open_data(**data)
        with report.progress(f"Drawing {figure}"):
            drawn = _figure(data, figure)
    import_keras_vae().plots.save(drawn, output)
    click.echo(output)


def _training_curves(model):
    if not (model / "history.csv").is_file():
        raise click.UsageError("Training curves are those of a run's directory.")
    keras_vae = import_keras_vae()
    run = keras_vae.runs.Run(model)
    history = run.history
    columns = {name: [row[name] for row in history] for name in history[0]}
    return keras_vae.plots.training_curves(columns)


def _figure(data, figure):
    from keras_vae_cli.data import rows_of

    plots, vae, names = data.keras_vae.plots, data.vae, data.feature_names
    x, labels = data.first()
    if figure == "latent_space":
        return plots.latent_space(vae, x, labels)
    if figure == "interpolation":
        pairs = min(data.num_examples // 2, 4)
        if not pairs:
            raise click.ClickException("An interpolation needs two examples.")
        return plots.interpolation(
            vae,
            rows_of(x, slice(pairs)),
            rows_of(x, slice(pairs, 2 * pairs)),
            feature_names=names,
        )
    if figure == "samples":
        return plots.samples(vae, x=x, feature_names=names)
    return getattr(plots, figure)(vae, x, feature_names=names)
