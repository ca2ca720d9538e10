"""`keras-vae explore`: the latent space of a run, in a browser."""

import contextlib
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.anomaly import DETECTOR
from keras_vae_cli.options import (
    ModelPath,
    check_folder,
    data_dir_option,
    debug_option,
    examples,
    open_model,
)

RUNTIME = Path("site-runtime")  # where `make site-runtime` puts it


@click.command(
    epilog=examples(
        "explore runs/digits",
        "explore runs/digits --rest http://localhost:8501",
        "explore runs/digits --site site --runtime site-runtime",
    )
)
@click.argument("run", type=ModelPath(), metavar="RUN")
@click.option(
    "--rest",
    metavar="URL",
    help="Ask a running TF Serving.  [default: answer from the run's own export]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 2**16 - 1),
    default=0,
    help="Port of this machine.  [default: a free one]",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a folder for any web server instead, which computes in the page.",
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUNTIME,
    show_default=True,
    help="For --site: where npm installed @litertjs/core.",
)
@data_dir_option
@debug_option
def explore(run, rest, port, site, runtime, data_dir):
    """Look at the latent space of a run in a browser.

    A map of the codes of the test data, a decoding of each point under the mouse, a
    slider for each active dimension, images of your own. The page is served to this
    machine alone, until Ctrl-C. RUN is the directory of a run.
    """
    if not run.is_dir():
        raise click.BadParameter(
            f"{run} is a model alone: the explorer shows the data of a run too.",
            param_hint="RUN",
        )
    if rest and site:
        raise click.UsageError(
            "--rest asks a server, and a page of --site computes by itself: give one "
            "of them."
        )
    if rest and not rest.startswith(("http://", "https://")):
        raise click.BadParameter(
            f"{rest!r} is not of the form http://localhost:8501.", param_hint="--rest"
        )
    _check_exports(run, rest, site)
    if site:
        check_folder(site.absolute(), "--site")
        _check_runtime(runtime)
    model = open_model(run)
    explorer = model.keras_vae.explorer
    explorer.check_model(model.vae)
    data, _ = model.open_dataset(data_dir=data_dir)
    with report.progress("Encoding"):
        shown = explorer.latent_map(model.run, data)
    measures = _measures(model, run)
    if site:
        tflite = run / "export" / "tflite"
        with report.progress("Converting what the run's files have not"):
            explorer.write_site(shown, tflite, site, runtime, measures)
        click.echo(f"{site}: host it with any web server, for example:")
        click.echo(f"  python -m http.server --bind 127.0.0.1 --directory {site}")
        return
    with report.progress("Loading the models"):
        try:
            server = explorer.ExplorerServer(
                shown, rest or run / "export", measures, port
            )
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise click.BadParameter(
                f"port {port} is in use, or not to be had ({error.strerror}). "
                "Without --port a free one is taken.",
                param_hint="--port",
            ) from error
    with server:
        click.echo(f"The latent space of {run}, until Ctrl-C:\n  {server.url}")
        with contextlib.suppress(KeyboardInterrupt):  # which is how it ends
            server.serve_forever()


def _check_exports(run, rest, site):
    """Raises unless the run has the files that are to answer."""
    if rest:
        return
    pattern, command = "*/[0-9]*/saved_model.pb", "export"
    if site:
        pattern, command = "tflite/*.tflite", "convert"
    if not any((run / "export").glob(pattern)):
        place = run / "export" / ("tflite" if site else "")
        raise click.UsageError(
            f"The run at {run} has no exported model to answer. Make one: keras-vae "
            f"{command} {run} --output {place}"
        )


def _check_runtime(folder):
    """Raises unless LiteRT.js is in the folder or its node_modules."""
    for packages in (folder, folder / "node_modules"):
        if (packages / "@litertjs" / "core").is_dir():
            return
    raise click.BadParameter(
        f"there is no LiteRT.js in {folder}. Put it there: make site-runtime, or npm "
        f"install --prefix {folder} @litertjs/core",
        param_hint="--runtime",
    )


def _measures(model, run):
    """The measures of the model, and of the detector that the run may have."""
    keras_vae, folder = model.keras_vae, run / "anomaly"
    if not DETECTOR.is_at(folder):
        return keras_vae.explorer.Measures(model.vae)
    detector = keras_vae.applications.AnomalyDetector.load(folder)
    try:
        return keras_vae.explorer.Measures(model.vae, detector)
    except ValueError as error:
        click.echo(f"No p-values are shown. {error}", err=True)
        return keras_vae.explorer.Measures(model.vae)
