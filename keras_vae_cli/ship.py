"""`keras-vae export | convert | verify`: what leaves for a server or a phone."""

from pathlib import Path

import click

from keras_vae_cli.options import (
    Name,
    data_dir_option,
    debug_option,
    input_option,
    model_argument,
    positive,
)
from keras_vae_cli.package import import_keras_vae
from keras_vae_cli.use import open_data

folder_option = click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write to.  [default: export/ in the run]",
)


class Quantizations(click.ParamType):
    """`float16,int8`: names of quantizations."""

    name = "float16,dynamic,int8"

    def convert(self, value, param, ctx):
        names = tuple(name for name in str(value).split(",") if name)
        known = self.name.split(",")
        for name in names:
            if name not in known:
                self.fail(f"{name!r} is not one of {', '.join(known)}.", param, ctx)
        return names


@click.command()
@model_argument
@folder_option
@click.option(
    "--model-version",
    type=positive,
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
    type=positive,
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
    keras_vae = import_keras_vae()
    vae = keras_vae.runs.load_vae(model)
    saved = keras_vae.export.export_saved_models(
        vae,
        output,
        model_version,
        model_base_path=model_base_path,
        max_batch_size=max_batch_size,
    )
    keras_vae.export.write_parity(vae, output / "parity.npz", version=saved.version)
    for path in (saved.encoder, saved.decoder, *saved.config, output / "parity.npz"):
        click.echo(path)


@click.command()
@model_argument
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write to.  [default: export/tflite in the run]",
)
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
    from rich.console import Console

    folder = _folder(model, output and output.parent)
    keras_vae = import_keras_vae()
    if source is None and not model.is_dir():
        vae, data, drawn = keras_vae.runs.load_vae(model), None, None
    else:
        vae, data, drawn = open_data(keras_vae, model, source, data_dir)
    output = output or folder / file_format
    if file_format == "onnx":
        x = None if data is None else keras_vae.runs.examples(data, ("train",), drawn)
        report = keras_vae.export.export_onnx(vae, output, data=x)
    elif data is None:
        report = keras_vae.export.export_tflite(
            vae, output, quantize, integer_io=integer_io
        )
    else:
        report = keras_vae.runs.tflite(
            vae,
            output,
            data,
            quantize=quantize,
            drawn=drawn,
            integer_io=integer_io,
        )
    if file_format == "tflite":
        table = keras_vae.export.format_report(report)
        Console().print(table, highlight=False, soft_wrap=True, markup=False)
    for path in sorted(output.iterdir()):
        click.echo(path)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="EXPORT")
@click.option("--rest", help="Also ask a running TF Serving, as http://host:8501.")
@click.option("--grpc", help="Also ask it by gRPC, as host:8500.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
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
    keras_vae = import_keras_vae()
    results = keras_vae.export.verify(directory, rest=rest, grpc=grpc, timeout=timeout)
    click.echo(keras_vae.export.format_results(results))
    if not all(result.passed for result in results):
        ctx.exit(1)


def _folder(model, output):
    if output is None and not model.is_dir():
        raise click.UsageError("A .keras file needs --output.")
    return model / "export" if output is None else output
