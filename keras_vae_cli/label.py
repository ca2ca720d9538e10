"""`keras-vae label`: the labels of all the data, from those of a few."""

from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    FIGURES,
    Application,
    DataSource,
    ModelPath,
    Name,
    check_folder,
    count,
    data_dir_option,
    debug_option,
    examples,
    open_model,
    output_option,
    seed_option,
)

# Rows of the figure.
NUM_ANALOGIES = 8
NONE = "-1"
LABELER = Application("a labeler", "labeler", "labeler.json")


@click.command(
    epilog=examples(
        "label runs/digits --num-labels 100 --output labels.csv",
        "label runs/mnist --input partly.npz --output labels.csv --figure classes.png",
        "label runs/table --input partly.csv --label-column kind --output labels.csv",
    )
)
@click.argument("model", metavar="RUN", type=ModelPath())
@click.option(
    "--input",
    "source",
    type=DataSource(),
    help="Data of which some have labels, and the others the label -1.  [default: the "
    "run's own, with --num-labels]",
)
@click.option(
    "--label-column",
    metavar="NAME",
    help="Column, or array of an .npz, with the labels.  [default: as of the run]",
)
@data_dir_option
@click.option(
    "--num-labels",
    type=count,
    help="Learn from so many labels of the run's own data, equally many of each class, "
    "and measure how well the others are found.",
)
@click.option(
    "--on",
    type=Name(["codes", "data"]),
    default="codes",
    show_default=True,
    help="Learn from the codes of the run's model, or from the data themselves.",
)
@click.option(
    "--epochs",
    type=count,
    default=50,
    show_default=True,
    help="Times through the examples without a label.",
)
@seed_option
@output_option(".csv", ".npz", what="File of probabilities to write")
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep the trained labeler in, for Python.",
)
@output_option(
    *FIGURES, required=False, name="--figure", what="Picture of examples as every class"
)
@debug_option
def label(model, source, label_column, data_dir, num_labels, output, save, **options):
    """Label all of the data from a few labels.

    A semi-supervised VAE (Kingma 2014) is trained on data with labels and without.
    Columns of the file: index, label (what was given, -1 for none), predicted, and the
    probability of each class, p_NAME. RUN is the directory of a run.
    """
    figure, on, epochs, seed = (
        options[name] for name in ("figure", "on", "epochs", "seed")
    )
    if not model.is_dir():
        raise click.BadParameter(
            f"{model} should be the directory of a run.", param_hint="RUN"
        )
    if (source is None) == (num_labels is None):
        raise click.UsageError(
            "Say where the labels are: --input DATA, of which some have the label -1, "
            "or --num-labels N, of the run's own."
        )
    if label_column is not None and source is None:
        raise click.UsageError("--label-column is of --input.")
    if save is not None:
        check_folder(save.absolute(), "--save")
        LABELER.check_place(save, "--save")
    opened = open_model(model)
    with report.progress("Labelling"):
        found = opened.keras_vae.runs.label(
            opened.run,
            source,
            label_column=label_column,
            num_labels=num_labels,
            on=on,
            epochs=epochs,
            seed=seed,
            data_dir=data_dir,
        )
    names = found.labeler.label_names
    rows = {
        "index": range(len(found.labels)),
        "label": [NONE if y < 0 else names[y] for y in found.labels],
        "predicted": [names[y] for y in found.probabilities.argmax(axis=1)],
        "p": found.probabilities,
    }
    columns = ["index", "label", "predicted", *(f"p_{name}" for name in names)]
    opened.write(output, [rows], len(found.labels), columns)
    _print(found)
    if figure is not None:
        _draw(opened, found, figure)
    if save is not None:
        found.labeler.save(save)
    for path in (output, figure, save):
        if path is not None:
            click.echo(path)


def _print(found):
    import numpy as np

    names = found.labeler.label_names
    few = found.labels[found.labels >= 0]
    best = found.probabilities.argmax(axis=1)[found.labels < 0]
    rows = [
        (name, f"{np.sum(few == y):,}", f"{np.sum(best == y):,}")
        for y, name in enumerate(names)
    ]
    title = f"{len(few):,} labels given, {len(best):,} predicted"
    report.print_table(title, ["class", ">given", ">predicted"], rows)
    if found.measured:
        rows = [
            (part, f"{m['num_examples']:,}", f"{m['error']:.2f}", f"{m['ece']:.4f}")
            for part, m in found.measured.items()
        ]
        header = ["measured on", ">examples", ">error, %", ">calibration error"]
        report.print_table("against the true labels", header, rows)


def _draw(opened, found, path):
    """Examples of which the label was predicted, as every class."""
    rows = (found.labels < 0).nonzero()[0][:NUM_ANALOGIES]
    x = found.x[rows]
    names = found.labeler.label_names
    figure = opened.keras_vae.plots.analogies(
        x,
        found.labeler.analogies(x),
        names,
        opened.feature_names,
        [names[y] for y in found.probabilities[rows].argmax(axis=1)],
    )
    opened.save(figure, path)
