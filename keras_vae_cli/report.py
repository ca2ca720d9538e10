"""What a person sees on the terminal: progress and tables."""

import contextlib
import sys
import threading
import time

import click

from keras_vae_cli import rows_of_metrics

SECONDS_BETWEEN_LINES = 5.0
# Most data are read before anybody wonders.
SECONDS_BEFORE_READING = 2.0
# What a run is made of, for a person.
RUN_FILES = (
    "model.keras",
    "config.json",
    "history.csv",
    "metrics.json",
    "checkpoint.keras",
    "figures",
    "export",
)


@contextlib.contextmanager
def progress(words, total=None):
    """Says what is being done for as long as it takes.

    On a terminal a moving line that is gone in the end; elsewhere lines on stderr: one
    for work that cannot be counted, and for what is counted one now and then. Standard
    output holds results alone.

    Args:
        words: What is being done, "Drawing figures".
        total: Of how many, or `None` where it is not counted.

    Yields:
        `advance(n, words=None)`, called when n more are done.
    """
    if not sys.stderr.isatty():
        yield _Lines(words, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is None:
        columns += [TimeElapsedColumn()]
    else:
        columns += [BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda n, words=None: bar.update(task, advance=n, description=words)


@contextlib.contextmanager
def reading():
    """Says that data are read, where nothing can move only if that takes long."""
    words = "Reading data"
    if sys.stderr.isatty():
        with progress(words):
            yield
        return
    line = [f"{words} ..."]
    timer = threading.Timer(SECONDS_BEFORE_READING, click.echo, line, {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Lines:
    """Progress where nothing can move."""

    def __init__(self, words, total):
        self.words, self.total, self.done = words, total, 0
        self.last = time.monotonic()
        if total is None:
            click.echo(f"{words} ...", err=True)

    def __call__(self, n, words=None):
        self.words, self.done = words or self.words, self.done + n
        if time.monotonic() - self.last > SECONDS_BETWEEN_LINES:
            click.echo(f"{self.words}: {self.done:,} of {self.total:,}", err=True)
            self.last = time.monotonic()


def counted(batches, words, total):
    """The batches of an iterable, with the progress of their examples."""
    with progress(words, total) as advance:
        for batch in batches:
            yield batch
            advance(len(batch))


class Progress:
    """The progress of training: an epoch after the other."""

    def __init__(self):
        self.context = contextlib.ExitStack()

    def callback(self):
        import keras

        callback = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: self.open(callback.params),
            on_epoch_end=lambda epoch, logs: self.update(epoch + 1, logs),
            on_train_end=lambda logs: self.close(),
        )
        if sys.stderr.isatty():
            callback.on_train_batch_end = lambda batch, logs: self.advance_to(batch + 1)
            callback.every_batch = False
        return callback

    def open(self, params):
        self.epochs, self.steps = params["epochs"], params["steps"]
        total = self.epochs * self.steps if sys.stderr.isatty() else None
        self.advance = self.context.enter_context(progress("Training", total))
        self.done = 0

    def advance_to(self, step):
        """To a step of this epoch: several are taken at once."""
        step = min(step, self.steps)
        self.advance(step - self.done)
        self.done = step

    def update(self, epoch, logs):
        prefix = "val_" if "val_loss" in logs else ""
        text = ", ".join(
            f"{label} {logs[prefix + name]:.2f}"
            for label, name in (
                ("ELBO", "elbo"),
                ("reconstruction", "reconstruction_loss"),
                ("KL", "kl_loss"),
            )
            if prefix + name in logs
        )
        kind = "validation " if prefix else ""
        line = f"epoch {epoch}/{self.epochs}  {kind}{text} nats"
        if sys.stderr.isatty():
            self.advance(0, line)
            self.done = 0
        elif epoch % max(1, self.epochs // 10) == 0 or epoch == 1:
            click.echo(line)

    def close(self):
        self.context.close()


def print_table(title, columns, rows):
    """Prints a table, without a heading where there are no columns' names.

    A column whose name begins with ">" is aligned to the right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_header=columns is not None,
    )
    for name in columns or [""] * len(rows[0]):
        justify = "right" if name.startswith(">") else "left"
        table.add_column(name.removeprefix(">"), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    # In a file nothing is cut to the width of a terminal that is not there.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, markup=False, highlight=False).print(table)


def print_run(run):
    metrics = run.metrics
    print_metrics(metrics["split"], metrics)
    click.echo(metrics["activity"])
    click.echo()
    for name in (
        "model.keras",
        "history.csv",
        "metrics.json",
        "figures",
        "export/encoder",
        "export/decoder",
        "export/tflite",
    ):
        if name.startswith("export") and run.config["exports"] == "none":
            continue
        path = run.directory / name
        versions = [p for p in path.glob("*") if p.name.isdecimal()]
        if path.exists():
            click.echo(max(versions, key=lambda p: int(p.name), default=path))


def print_next(run):
    """What can be done with a run."""
    place = run.directory
    lines = [
        f"keras-vae sample {place} --output samples.png",
        f"keras-vae score {place} --output scores.csv",
    ]
    if not (place / "metrics.json").exists():
        lines = [f"keras-vae train --output {place} --resume"]
    elif (place / "export" / "parity.npz").exists():
        lines.append(f"keras-vae verify {place}")
    else:
        lines.append(f"keras-vae export {place}")
    click.echo("Next:")
    for line in lines:
        click.echo(f"  {line}")


def print_metrics(data, metrics):
    title = f"{data}: {metrics['num_examples']} examples"
    rows = rows_of_metrics.metric_rows(metrics)
    print_table(title, ["measure", ">value", "unit"], rows)


def print_results(results):
    """What `keras_vae.export.verify` returns."""
    from keras_vae.export import format_results

    click.echo(format_results(results))


def size(path):
    """Bytes of a file or of all files in a folder, in words."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    number = sum(file.stat().st_size for file in files)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
