"""`keras-vae train`."""

from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    LIKELIHOODS,
    NETWORKS,
    Integers,
    Name,
    Scale,
    Shape,
    debug_option,
    not_negative,
    positive,
)
from keras_vae_cli.package import import_keras_vae


@click.command()
@click.option(
    "--dataset",
    help="digits, the name of an image data set of tensorflow-datasets (mnist, "
    "fashion_mnist, cifar10, ...), a folder of images, or a .npz, .npy or .csv file.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Directory to write the run to.",
)
@click.option(
    "--data-dir",
    type=click.Path(),
    help="Where tensorflow-datasets keeps its data.  "
    "[default: TFDS_DATA_DIR, or its own]",
)
@click.option("--image-size", type=Shape(), help="Resize images to this size.")
@click.option("--label-column", help="Column of a .csv file that holds labels.")
@click.option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Part of the training data to validate on.",
)
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Part of the data for the final report, where there are no test data.",
)
@click.option(
    "--binarize",
    type=Name(["none", "threshold", "dynamic"]),
    default="none",
    show_default=True,
    help="Binary data for a Bernoulli: drawn anew each epoch (dynamic), or x > 0.5.",
)
@click.option(
    "--model",
    type=Name(["vae"]),
    default="vae",
    show_default=True,
    help="Kind of model.",
)
@click.option(
    "--network",
    type=Name(NETWORKS),
    default="dense",
    show_default=True,
    help="Kind of encoder and decoder.",
)
@click.option(
    "--hidden-units",
    type=Integers(),
    help="Sizes of the hidden dense layers.  [default: the network's own]",
)
@click.option(
    "--latent-dim",
    type=positive,
    default=16,
    show_default=True,
    help="Number of latent dimensions.",
)
@click.option(
    "--likelihood",
    type=Name(LIKELIHOODS),
    help="p(x|z).  [default: bernoulli for images, gaussian for tables]",
)
@click.option(
    "--scale",
    type=Scale(),
    help="Scale of a gaussian or laplace likelihood.  [default: learned]",
)
@click.option(
    "--beta",
    type=not_negative,
    default=1.0,
    show_default=True,
    help="Weight of the KL.",
)
@click.option(
    "--beta-schedule",
    type=Name(["constant", "linear", "cyclical"]),
    default="constant",
    show_default=True,
    help="How beta comes to its value.",
)
@click.option(
    "--warmup-epochs",
    type=positive,
    default=10,
    show_default=True,
    help="Epochs of the linear schedule, and of a rising --capacity.",
)
@click.option(
    "--num-cycles",
    type=positive,
    default=4,
    show_default=True,
    help="Cycles of the cyclical schedule.",
)
@click.option("--capacity", type=not_negative, help="Target of the KL, in nats.")
@click.option(
    "--free-bits",
    type=not_negative,
    default=0.0,
    show_default=True,
    help="Floor under each latent dimension's KL, in nats.",
)
@click.option(
    "--num-samples",
    type=positive,
    default=1,
    show_default=True,
    help="Draws of z for each example.",
)
@click.option(
    "--epochs",
    type=positive,
    help="Train for at most so many epochs.  [default: 100]",
)
@click.option("--batch-size", type=positive, default=128, show_default=True)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Of Adam.",
)
@click.option(
    "--patience",
    type=positive,
    help="Stop after so many epochs without a better validation ELBO.  [default: 20]",
)
@click.option(
    "--mixed-precision",
    type=Name(["float16", "bfloat16"]),
    help="Compute hidden layers in this precision.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of everything that is drawn.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --output, with its settings; --epochs and --patience "
    "may be new.",
)
@click.option(
    "--exports",
    type=Name(["all", "saved_models", "none"]),
    default="all",
    show_default=True,
    help="What goes into export/: SavedModels and .tflite files, SavedModels, nothing.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@debug_option
@click.pass_context
def train(ctx, quiet, model, **settings):
    """Train a VAE on a data set; write model, numbers, figures and export."""
    if settings["resume"]:
        _check_resumed(ctx, settings)
    else:
        _check_new(settings)
    keras_vae = import_keras_vae()
    progress = report.Progress()
    try:
        run = keras_vae.runs.train(
            **settings, callbacks=[] if quiet else [progress.callback()]
        )
    except keras_vae.datasets.UnknownNameError as error:
        raise click.BadParameter(str(error), param_hint="--dataset") from error
    except KeyboardInterrupt:
        progress.close()
        output = settings["output"]
        raise click.ClickException(
            f"Stopped. Go on with: keras-vae train --output {output} --resume"
        ) from None
    finally:
        progress.close()
    results = []
    if settings["exports"] != "none" and not quiet:
        results = keras_vae.export.verify(run.directory / "export")
    if not quiet:
        report.print_run(run)
        if results:
            report.print_results(results)
    if not all(result.passed for result in results):
        raise click.ClickException("The export deviates from the trained model.")


def _check_new(settings):
    """What can be told before anything is loaded."""
    if settings["dataset"] is None:
        raise click.UsageError("Missing option '--dataset'.")
    likelihood = settings["likelihood"]
    if settings["binarize"] != "none" and likelihood not in (None, "bernoulli"):
        raise click.UsageError(f"--binarize makes no data for a {likelihood}.")
    if settings["scale"] is not None and likelihood not in (
        None,
        "gaussian",
        "laplace",
    ):
        raise click.UsageError(f"A {likelihood} has no --scale.")
    if settings["validation_fraction"] + settings["test_fraction"] >= 1:
        raise click.UsageError(
            "--validation-fraction and --test-fraction leave nothing to train with."
        )


def _check_resumed(ctx, settings):
    """A resumed run has its own settings: refuses other ones."""
    given = {
        name
        for name in settings
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    allowed = {"output", "resume", "dataset", "data_dir", "epochs", "patience"}
    allowed |= {"exports"}  # none of these changes what is trained
    if settings["overwrite"]:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    if given - allowed:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given - allowed)
        raise click.UsageError(
            f"A resumed run keeps its settings: leave out {options}."
        )
