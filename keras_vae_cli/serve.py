"""`keras-vae serve`: an export, answered as TensorFlow Serving answers."""

import contextlib
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import debug_option, examples
from keras_vae_cli.package import import_keras_vae


@click.command(epilog=examples("serve runs/digits", "serve serving --port 8502 --cors"))
@click.argument("directory", type=click.Path(path_type=Path), metavar="EXPORT")
@click.option(
    "--port",
    type=click.IntRange(0, 2**16 - 1),
    default=8501,
    show_default=True,
    help="Port of this machine; 0 takes a free one.",
)
@click.option("--cors", is_flag=True, help="Let web pages of other addresses ask.")
@debug_option
def serve(directory, port, cors):
    """Answer TF Serving's REST protocol from an export, for development.

    EXPORT is the directory of an export or of a run. It listens on this machine alone,
    until Ctrl-C; versions that are exported meanwhile are served too.
    """
    folder = directory / "export" if (directory / "export").is_dir() else directory
    if not any(folder.glob("*/[0-9]*/saved_model.pb")):
        raise click.BadParameter(
            f"there is no exported model in {folder}. keras-vae export writes some.",
            param_hint="EXPORT",
        )
    keras_vae = import_keras_vae()
    with report.progress("Loading the models"):
        try:
            server = keras_vae.export.RestServer(folder, port, cors=cors)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise click.BadParameter(
                f"port {port} is in use, or not to be had ({error.strerror}). "
                "--port 0 takes a free one.",
                param_hint="--port",
            ) from error
        states = {name: server.models.status(name) for name in server.models.names}
    with server:
        for name, status in states.items():
            for version in status["model_version_status"]:
                error = version["status"]["error_message"]
                click.echo(
                    f"{name} {version['version']}: {error or version['state'].lower()}"
                )
        click.echo(f"Serving {folder} at {server.url} until Ctrl-C. Ask for example:")
        click.echo(f"  curl {server.url}/v1/models/{server.models.names[0]}/metadata")
        click.echo(f"  keras-vae verify {directory} --rest {server.url}")
        with contextlib.suppress(KeyboardInterrupt):  # which is how it ends
            server.serve_forever()
