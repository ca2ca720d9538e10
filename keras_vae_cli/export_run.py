"""`keras-vae export | convert | verify`: what leaves for a server or a phone."""

import contextlib
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    Name,
    Quantizations,
    Seconds,
    check_folder,
    data_dir_option,
    debug_option,
    examples,
    input_option,
    model_argument,
    open_model,
)
from keras_vae_cli.package import import_keras_vae


def folder_option(default):
    return click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Directory to write to.  [default: {default} in the run]",
    )


@click.command(
    epilog=examples(
        "export runs/digits --output serving",
        "export model.keras --output serving --model-version 3",
    )
)
@model_argument
@folder_option("export/")
@click.option(
    "--model-version",
    type=click.IntRange(1, 2**63 - 1),
    help="Number of the version.  [default: the next free one]",
)
@click.option(
    "--model-base-path",
    default="/models",
    show_default=True,
    help="Where the server finds the directory, for models.config.",
)
@click.option(
    "--max-batch-size",
    type=click.IntRange(1, 2**16),
    default=128,
    show_default=True,
    help="Examples that the server computes at a time.",
)
@debug_option
def export(model, output, model_version, model_base_path, max_batch_size):
    """Export encoder and decoder as two SavedModels for TF Serving.

    MODEL is the directory of a run, or a .keras file (then with --output).
    """
    output = _folder(model, output)
    path, model = model, open_model(model)
    progress = report.progress("Exporting the model, and proving the export")
    with _one_writer(model.keras_vae, path, output), progress:
        saved = model.keras_vae.export.export_saved_models(
            model.vae,
            output,
            model_version,
            model_base_path=model_base_path,
            max_batch_size=max_batch_size,
            feature_names=model.feature_names,
        )
    for path in (*saved.models.values(), *saved.config, saved.parity):
        click.echo(path)
    for note in saved.notes:
        click.echo(f"Note: {note}")
    click.echo(f"Next:\n  keras-vae verify {output}")


@click.command(
    epilog=examples(
        "convert runs/digits --quantize float16,int8",
        "convert model.keras --output phone",
    )
)
@model_argument
@folder_option("export/tflite")
@click.option(
    "--format",
    "file_format",
    type=Name(["tflite", "onnx"]),
    default="tflite",
    show_default=True,
    help="Kind of files; onnx needs the extra onnx.",
)
@click.option(
    "--quantize",
    type=Quantizations(),
    default="",
    help="Also write smaller files: float16, dynamic (int8 weights), int8.",
)
@click.option(
    "--integer-io", is_flag=True, help="Inputs and outputs of the int8 files are int8."
)
@input_option
@data_dir_option
@debug_option
def convert(model, output, file_format, quantize, integer_io, source, data_dir):
    """Convert encoder and decoder to .tflite files for a phone, and measure them.

    MODEL is the directory of a run, or a .keras file (then with --output). The data
    calibrate the int8 files and measure all of them.
    """
    if output is None:
        output = _folder(model, None) / file_format
    check_folder(output.absolute())
    path, model = model, open_model(model)
    keras_vae, vae, data, batch_arguments = model.keras_vae, model.vae, None, None
    if source is not None or model.run is not None:
        data, batch_arguments = model.open_dataset(source, data_dir)
    progress = report.progress("Converting encoder and decoder, measuring the files")
    with _one_writer(keras_vae, path, output), progress:
        if file_format == "onnx":
            x = data and keras_vae.runs.examples(data, ("train",), batch_arguments)
            written = keras_vae.export.export_onnx(vae, output, data=x)
        elif data is None:
            written = keras_vae.export.export_tflite(
                vae, output, quantize, integer_io=integer_io
            )
        else:
            written = keras_vae.runs.convert_run(
                vae,
                output,
                data,
                quantize=quantize,
                batch_arguments=batch_arguments,
                integer_io=integer_io,
            )
    if file_format == "tflite":
        click.echo(keras_vae.export.format_report(written))
    for path in sorted(output.iterdir()):
        click.echo(path)


@click.command(
    epilog=examples("verify runs/digits", "verify serving --rest http://localhost:8501")
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="EXPORT")
@click.option("--rest", help="Also ask a running TF Serving, as http://host:8501.")
@click.option("--grpc", help="Also ask it by gRPC, as host:8500.")
@click.option(
    "--timeout",
    type=Seconds(),
    default=30.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
@debug_option
@click.pass_context
def verify(ctx, directory, rest, grpc, timeout):
    """Replay what the trained model answered through everything that was exported.

    EXPORT is the directory of an export, with its parity.npz, or of a run.
    The exit status is 1 if anything deviates.
    """
    if (directory / "export" / "parity.npz").is_file():
        directory = directory / "export"
    if not (directory / "parity.npz").is_file():
        raise click.BadParameter(
            f"there is no {directory / 'parity.npz'}, with which an export is "
            "compared. keras-vae export writes it.",
            param_hint="EXPORT",
        )
    keras_vae = import_keras_vae()
    with report.progress("Replaying what the trained model answered"):
        results = keras_vae.export.verify(
            directory, rest=rest, grpc=grpc, timeout=timeout
        )
    report.print_results(results)
    if not all(result.passed for result in results):
        ctx.exit(1)


def _folder(model, output):
    """Where an export is written, checked before it is made."""
    if output is None and not model.is_dir():
        raise click.UsageError("A .keras file needs --output.")
    folder = model / "export" if output is None else output
    check_folder(folder.absolute())
    return folder


def _one_writer(keras_vae, model, output):
    """Refuses to write to a run that another process is writing to.

    What is written elsewhere only reads the run, which may be training or read-only.
    """
    if model.is_dir() and output.resolve().is_relative_to(model.resolve()):
        return keras_vae.files.locked(model)
    return contextlib.nullcontext()
