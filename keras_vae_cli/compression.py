"""`keras-vae compress | decompress`: data in fewer bytes."""

import importlib.util
import math
import time
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    ARRAYS,
    FIGURES,
    Seconds,
    Spelled,
    data_options,
    debug_option,
    examples,
    model_argument,
    nearest,
    open_data,
    open_model,
    output_option,
)
from keras_vae_cli.package import standalone

SUFFIX = ".kvae"


class Step(Seconds):
    """A number above 0: nan is none."""

    def __init__(self):
        click.FloatRange.__init__(self, min=0, min_open=True, max=1e6)


class ArchivePath(Spelled, click.Path):
    """A file that `compress` wrote, whole."""

    def __init__(self):
        click.Path.__init__(self, path_type=Path, dir_okay=False)
        self.name = "ARCHIVE"

    def convert(self, value, param, ctx):
        path = Path(value)
        if not path.exists():
            self.fail(f"there is no {path}.{nearest(path)}", param, ctx)
        path = click.Path.convert(self, value, param, ctx)
        try:
            # Told before the package is imported.
            archive = standalone("applications/archive.py")
            archive.read(path.read_bytes(), None)
        except (OSError, ValueError) as error:
            self.fail(f"{path}: {error}.", param, ctx)
        return path


@click.command(
    epilog=examples(
        "compress runs/binary --output digits.kvae --figure rates.png",
        "compress runs/binary --input new.npy --output new.kvae",
        "compress runs/digits --lossy 1 --output small.kvae",
    )
)
@data_options
@click.option(
    "--lossy",
    metavar="STEP",
    type=Step(),
    help="Keep a likeness alone: codes, rounded to STEP of their posterior's "
    "deviations. The larger, the fewer bytes.",
)
@output_option(SUFFIX)
@output_option(
    *FIGURES,
    required=False,
    name="--figure",
    what="Picture of the rates, or with --lossy of the likenesses",
)
def compress(output, figure, lossy, **data):
    """Compress images by a trained model, without loss or (--lossy) with.

    Without loss the model has to know its data's values: 0 and 1 (trained with
    --binarize, or on such data), or 8 bits (--likelihood discretized_logistic). What
    was written is decompressed again and compared. Other codecs are measured beside it.
    It takes the same model and machine to decompress. MODEL is the directory of a run,
    or a .keras file (then with --input).
    """
    _check_coder()
    data = open_data(**data)
    import numpy as np

    applications = data.keras_vae.applications
    if lossy is None:
        compressor = applications.Compressor(data.vae)
    else:
        compressor = applications.LossyCompressor(data.vae, step=lossy)
    x = np.concatenate([*data.batches("Reading")])
    with report.progress("Compressing"):
        compressor.compress(x[:1])  # graphs are made once, and no measure of speed
        compressed, seconds = _timed(compressor.compress, x)
    with report.progress("Decompressing, to compare"):
        images, seconds_back = _timed(compressor.decompress, compressed)
    with data.keras_vae.files.atomic(output) as temporary:
        temporary.write_bytes(compressed)
    values = x.size
    unit = "bits/pixel" if x.ndim == 4 and x.shape[-1] == 1 else "bits/value"
    header = ["", ">bytes", f">{unit}", ">ratio", ">images/s", ">back, images/s"]
    speeds = [f"{len(x) / s:,.0f}" for s in (seconds, seconds_back)]
    if lossy is None:
        levels = data.vae.likelihood.support.levels or 2
        sizes = applications.compressed_sizes(images, levels)
        raw = sizes.pop("raw")
        rows = [_row("keras_vae", len(compressed), values, raw, *speeds)]
        bits = compressor.expected_bits(x)
        named = {"keras_vae": len(compressed), **sizes}
        rates = {name: 8 * size / values for name, size in named.items()}
        rows.append(_row("the model's bound, -ELBO", bits / 8, values, raw))
        rows += [_row(name, size, values, raw) for name, size in sizes.items()]
        rows.append(_row("as it is", raw, values, raw))
        title = f"{data.words}: {len(x):,} examples, decompressed equal"
    else:
        error = float(np.mean((images / 255.0 - x) ** 2))
        rows = [_row("keras_vae, lossy", len(compressed), values, values, *speeds)]
        quality = f"{-10 * math.log10(error):.1f} dB" if error else "no error"
        title = f"{data.words}: {len(x):,} examples, mean squared error {error:.4g} "
        title += f"(PSNR {quality})"
    report.print_table(title, header, rows)
    click.echo(output)
    if figure is not None:
        plots = data.keras_vae.plots
        if lossy is None:
            drawn = plots.compression_rates(rates, unit, bits / values)
        else:
            names, decoded = data.feature_names, images / np.float32(255)
            drawn = plots.reconstructions(data.vae, x, None, names, decoded)
        data.save(drawn, figure)
        click.echo(figure)


@click.command(
    epilog=examples(
        "decompress runs/binary digits.kvae --output digits.npy",
        "decompress runs/binary digits.kvae --output digits.csv",
    )
)
@model_argument
@click.argument("archive", type=ArchivePath())
@output_option(*ARRAYS)
@debug_option
def decompress(model, archive, output):
    """Decompress what compress wrote, with the same model.

    The array is uint8, of the shape that the images had: 0 and 1 of a binary model,
    else 0 to 255 (of fewer levels, their numbers). MODEL is the directory of a run, or
    a .keras file.
    """
    _check_coder()
    model = open_model(model)
    with report.progress("Decompressing"):
        images = model.keras_vae.applications.decompress(
            model.vae, archive.read_bytes()
        )
    model.write(output, [{"x": images}], len(images), model.feature_names)
    click.echo(output)


def _check_coder():
    if importlib.util.find_spec("constriction") is None:
        raise click.ClickException(
            "Compression codes with the library constriction, which is not installed. "
            "Install it: pip install 'keras-vae[compression]'"
        )


def _timed(function, argument):
    start = time.perf_counter()
    result = function(argument)
    return result, time.perf_counter() - start


def _row(name, size, values, raw, *speeds):
    bits = f"{8 * size / values:.4f}"
    return (name, f"{size:,.0f}", bits, f"{raw / size:.2f}", *(speeds or ("", "")))
