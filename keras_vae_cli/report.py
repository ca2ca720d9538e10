"""What a person sees on the terminal: progress and tables."""

import click


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self):
        self.bar = None

    def callback(self):
        import keras

        callback = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: self.open(callback.params["epochs"]),
            on_epoch_end=lambda epoch, logs: self.update(epoch + 1, logs),
            on_train_end=lambda logs: self.close(),
        )
        return callback

    def open(self, epochs):
        self.epochs = epochs
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console()
        if self.console.is_terminal:
            columns = ("epoch {task.completed}/{task.total}", "{task.description}")
            self.bar = Progress(
                TextColumn(columns[0]),
                BarColumn(bar_width=24),
                TextColumn(columns[1]),
                TimeRemainingColumn(),
                console=self.console,
            )
            self.task = self.bar.add_task("", total=self.epochs)
            self.bar.start()

    def update(self, epoch, logs):
        prefix = "val_" if "val_elbo" in logs else ""
        text = ", ".join(
            f"{label} {logs[prefix + name]:.2f}"
            for label, name in (
                ("validation ELBO" if prefix else "ELBO", "elbo"),
                ("reconstruction", "reconstruction_loss"),
                ("KL", "kl_loss"),
            )
        )
        if self.bar is not None:
            self.bar.update(self.task, completed=epoch, description=text)
        elif epoch % max(1, self.epochs // 10) == 0 or epoch == 1:
            click.echo(f"epoch {epoch}/{self.epochs}  {text} nats")

    def close(self):
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def print_run(run):
    metrics = run.metrics
    print_metrics(metrics["split"], metrics)
    click.echo(metrics["collapse_report"])
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
        path = run.directory / name
        versions = [p for p in path.glob("*") if p.name.isdecimal()]
        if path.exists():
            click.echo(max(versions, key=lambda p: int(p.name), default=path))


def print_metrics(data, metrics):
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{data}: {metrics['num_examples']} examples", title_justify="left"
    )
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    error = metrics["elbo_standard_error"]
    spread = "" if error is None else f" ± {error:.2f}"
    rows = [
        ("ELBO", f"{metrics['elbo']:.2f}{spread}", "nats per example"),
        (
            "reconstruction loss",
            f"{metrics['reconstruction_loss']:.2f}",
            "nats per example",
        ),
        ("KL", f"{metrics['kl_loss']:.2f}", "nats per example"),
    ]
    if "marginal_log_likelihood" in metrics:
        draws = metrics["num_importance_samples"]
        value = f"{metrics['marginal_log_likelihood']:.2f}"
        rows.append((f"log p(x), {draws} draws", value, "nats per example"))
    active = metrics["num_active_units"]
    active = "unknown" if active is None else f"{active} of {metrics['latent_dim']}"
    rows += [
        ("active latent dimensions", active, ""),
        ("bits per dimension", f"{metrics['bits_per_dim']:.3f}", "bits"),
    ]
    if "training_seconds" in metrics:
        epochs = f"{metrics['epochs']} epochs, best {metrics['best_epoch']}"
        rows.append(("training", f"{metrics['training_seconds']:.1f}", f"s ({epochs})"))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
