"""`keras-vae train`: its options are the settings of a run."""

import contextlib
import json
from pathlib import Path

import click

from keras_vae_cli import report
from keras_vae_cli.options import (
    DataSource,
    Spelled,
    check_folder,
    debug_option,
    examples,
    nearest,
    successor,
)
from keras_vae_cli.package import import_keras_vae, silent_stderr, standalone

settings = standalone("runs/settings.py", "runs/kinds.py")
tf_config = standalone("runs/tf_config.py")

MULTI_WORKER = "multi-worker"
INTERRUPTED = 128 + 2  # what a shell tells of a command that Ctrl-C ended


class Value(Spelled):
    """A value of a setting."""

    def __init__(self, setting):
        self.kind, self.name = setting.kind, setting.kind.name

    def convert(self, value, param, ctx):
        try:
            return self.kind.parse(value)
        except (TypeError, ValueError) as error:
            hint = f" {error}" if "Did you mean" in str(error) else ""
            self.fail(f"{value!r} is not {self.kind}.{hint}", param, ctx)


class Option(click.Option):
    """An option with the heading under which the help shows it."""

    def __init__(self, *declarations, group=settings.RUN, **attributes):
        super().__init__(*declarations, **attributes)
        self.group = group


class Train(click.Command):
    """A command whose help shows its options in groups."""

    def __init__(self, *arguments, params, **attributes):
        made = [_option(setting) for setting in settings.SETTINGS.values()]
        super().__init__(*arguments, params=[*made, *params], **attributes)

    def format_options(self, ctx, formatter):
        groups = {}
        for param in self.get_params(ctx):
            group = getattr(param, "group", settings.RUN)
            groups.setdefault(group, []).append(param.get_help_record(ctx))
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def _option(setting):
    if setting.kind.name is None:
        kind = {"is_flag": True, "default": None}
    else:
        kind = {"type": Value(setting)}
    if setting.name == "dataset":
        kind = {"type": DataSource()}
    return Option([setting.option], help=setting.described, group=setting.group, **kind)


@click.command(
    cls=Train,
    epilog=examples(
        "train --dataset letters --output runs/letters",
        "train --dataset mnist --output runs/mnist --network convolutional --epochs 30",
        "train --output runs/mnist --resume --epochs 60",
        "train --config runs/mnist/config.json --seed 1 --output runs/again",
    ),
)
@click.option(
    "--output",
    cls=Option,
    required=True,
    type=click.Path(path_type=Path),
    help="Directory to write the run to.",
)
@click.option(
    "--config",
    cls=Option,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings of another run, its config.json; options go before them.",
)
@click.option(
    "--resume",
    cls=Option,
    is_flag=True,
    help="Go on with the run in --output, with its settings. May be new: "
    + ", ".join(
        setting.option
        for setting in settings.SETTINGS.values()
        if setting.resumable and setting.name != "dataset"
    )
    + ".",
)
@click.option(
    "--overwrite",
    cls=Option,
    is_flag=True,
    help="Replace the run in --output, once the new one is complete; other files in "
    "it are kept.",
)
@click.option(
    "--strategy",
    cls=Option,
    type=click.Choice(["mirrored", MULTI_WORKER]),
    help="Train on all GPUs of this machine, or in all processes that TF_CONFIG names, "
    "each started by the same command. The first writes --output, which all can read. "
    " [default: one device]",
)
@click.option("--quiet", cls=Option, is_flag=True, help="Print nothing but errors.")
@debug_option
def train(output, config, resume, overwrite, strategy, quiet, **given):
    """Train a VAE on a data set; write model, numbers, figures and export."""
    given = {name: value for name, value in given.items() if value is not None}
    given = _checked(given, config, output, resume, overwrite)
    if strategy == MULTI_WORKER:
        _check_tf_config()
    shown = report.Progress()
    arguments = {} if quiet else {"say": click.echo, "progress": report.progress}
    with silent_stderr() if quiet else contextlib.nullcontext():
        # Where processes find one another, nothing may be computed before.
        keras_vae = import_keras_vae(warm=strategy != MULTI_WORKER)
        if not quiet:
            arguments["callbacks"] = [shown.callback()]
        try:
            run = keras_vae.runs.train(
                given.pop("dataset", None),
                output,
                resume=resume,
                overwrite=overwrite,
                strategy=strategy,
                **arguments,
                **given,
            )
        except keras_vae.datasets.UnknownNameError as error:
            raise click.BadParameter(str(error), param_hint="--dataset") from error
        except KeyboardInterrupt:
            shown.close()
            hint = ""
            if _is_begun(output):
                hint = f" Go on with: keras-vae train --output {output} --resume"
            click.echo(f"Stopped.{hint}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        finally:
            shown.close()
    if quiet or run is None:  # another process writes it
        return
    report.print_run(run)
    if run.config["exports"] != "none":
        with report.progress("Verifying the export"):
            results = keras_vae.export.verify(run.directory / "export")
        report.print_results(results)
        if not all(result.passed for result in results):
            raise click.ClickException("The export deviates from the trained model.")
    report.print_next(run)


def _checked(given, config, output, resume, overwrite):
    """What can be told before anything is loaded; the settings."""

    def spell(name):
        return settings.SETTINGS[name].option

    try:
        if resume:
            settings.check_resumed(given, spell)
            if overwrite or config is not None:
                other = "--overwrite" if overwrite else "--config"
                raise ValueError(f"--resume and {other} exclude each other.")
        elif config is not None:
            saved = _read_config(config)
            if "likelihood" in given:
                saved.pop("scale", None)  # that of the likelihood there
            given = saved | given
        settings.check_together(given, spell)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if not resume and "dataset" not in given:
        raise click.UsageError("Missing option '--dataset'.")
    hint = "--output"
    if resume and not _is_begun(output):
        message = f"there is no run at {output} to go on with.{nearest(output)}"
        raise click.BadParameter(message, param_hint=hint)
    if output.is_file():
        raise click.BadParameter(f"{output} is a file.", param_hint=hint)
    check_folder(output)
    return given


def _check_tf_config():
    try:
        tf_config.check()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--strategy") from error


def _read_config(path):
    """The settings in the config.json of a run."""
    try:
        config = json.loads(path.read_text())
        known = {name: config[name] for name in settings.SETTINGS if name in config}
        return settings.check(known)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the config.json of a run: {error}") from error


def _is_begun(output):
    """Whether there is a run in a place, or one that is to replace it."""
    places = Path(output), successor(output)
    return any((folder / "config.json").is_file() for folder in places)
