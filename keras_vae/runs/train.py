"""From the name of a data set to a trained, measured and exported model."""

import contextlib
import time
from pathlib import Path

import keras
import numpy as np

from keras_vae import (
    evaluation,
    files,
    likelihoods,
    networks,
    plots,
    schedules,
)
from keras_vae.callbacks import RunRecorder
from keras_vae.layers import Standardize
from keras_vae.models import VAE, checks
from keras_vae.runs.directory import (
    Run,
    check_output,
    claimed,
    load_dataset,
    load_vae,
    write_config,
)
from keras_vae.runs.ship import ship

NOT_SETTINGS = ("output", "resume", "overwrite", "exports", "callbacks", "started")
DEFAULTS = {"epochs": 100, "patience": 20}
FIGURE_EXAMPLES = 2000  # more dots on a page than these hide one another


def train(
    dataset,
    output,
    *,
    data_dir=None,
    image_size=None,
    label_column=None,
    validation_fraction=0.1,
    test_fraction=0.1,
    binarize="none",
    network="dense",
    hidden_units=None,
    latent_dim=16,
    likelihood=None,
    scale=None,
    beta=1.0,
    beta_schedule="constant",
    warmup_epochs=10,
    num_cycles=4,
    capacity=None,
    free_bits=0.0,
    num_samples=1,
    epochs=None,
    batch_size=128,
    learning_rate=1e-3,
    patience=None,
    mixed_precision=None,
    seed=0,
    resume=False,
    overwrite=False,
    exports="all",
    callbacks=(),
):
    """Trains a VAE on a data set and writes a run: model, numbers, figures, export.

    The weights kept are those of the best validation ELBO; test data are seen by the
    final report alone. The same seed gives the same `history.csv`, whether or not the
    training was broken off and resumed.

    Args:
        dataset: Name or path, as `keras_vae.datasets.load` takes it.
        output: Directory to write.
        data_dir: Where tensorflow-datasets keeps its data.
        image_size: `(height, width)` to which images are resized, or `None`.
        label_column: Name of the column of a table that holds labels.
        validation_fraction: Part of the training data to validate on.
        test_fraction: Part of the data for the final report, where the data set has
            no test data of its own.
        binarize: `"none"`, `"threshold"` or `"dynamic"`: binary data for a Bernoulli
            likelihood.
        network: `"dense"`, `"convolutional"` or `"residual"`.
        hidden_units: Sizes of the hidden dense layers; the network's own by default.
        latent_dim: Integer.
        likelihood: Name of the likelihood; `None` is `"bernoulli"` for images and
            `"gaussian"` for tables.
        scale: Scale of a `"gaussian"` or `"laplace"`: a number, `"learned"`,
            `"learned_per_output"` or `"optimal"`; `None` is `"learned"`.
        beta: Weight of the KL.
        beta_schedule: `"constant"`, `"linear"` (from 0, over `warmup_epochs`) or
            `"cyclical"` (`num_cycles` over all epochs).
        warmup_epochs: Epochs of the linear schedule, and of a rising `capacity`.
        num_cycles: Cycles of the cyclical schedule.
        capacity: Target of the KL in nats, reached after `warmup_epochs`, or `None`.
        free_bits: Floor under each latent dimension's KL, nats.
        num_samples: Draws of z for each example.
        epochs: At most so many; `None` is 100, or the run's own with `resume`.
        batch_size: Integer.
        learning_rate: Of Adam.
        patience: Epochs without a better validation ELBO before training stops; `None`
            is 20, or the run's own with `resume`.
        mixed_precision: `"float16"`, `"bfloat16"` or `None`.
        seed: Integer, of everything that is drawn.
        resume: Go on with the run in `output`, with its settings (only `epochs`,
            `patience` and `data_dir` may be other ones; `dataset` may be `None`).
        overwrite: Replace a run that is there.
        exports: What goes into `export/`: `"all"` (SavedModels, and `.tflite` files if
            the extra `tflite` is installed), `"saved_models"` or `"none"`.
        callbacks: Keras callbacks, called besides.

    Returns:
        The `Run`.

    Raises:
        ValueError: If an argument is wrong, or `output` is not ours to write.
        FloatingPointError: If the loss stops being finite; the best weights so far
            are kept.

    Example:

    >>> run = train("digits", "runs/digits", epochs=30)  # doctest: +SKIP
    >>> run.metrics["elbo"]  # doctest: +SKIP
    """
    started = time.perf_counter()
    output = Path(output)
    if output.is_symlink():
        output = output.resolve()
    config = {
        name: value for name, value in locals().items() if name not in NOT_SETTINGS
    }
    if resume:
        config = _resumed_config(output, config)
        data = load_dataset(config)
        vae, history = _resumed(output, config, data)
        write_config(output, config)
        directory = contextlib.nullcontext()
    else:
        check_output(output, overwrite)
        config |= {name: config[name] or value for name, value in DEFAULTS.items()}
        data = load_dataset(config)
        config = _settled(config, data)
        vae, history = _build(config, data), []
        _check_support(vae, data, config)
        directory = claimed(output, _plain(config), overwrite)

    with directory:
        recorder = RunRecorder(output, config["patience"], history)
        if not recorder.finished(vae) and len(history) < config["epochs"]:
            _fit(vae, data, config, recorder, callbacks)
        training_seconds = time.perf_counter() - started
        report(output, config, data, recorder, training_seconds, exports)
    return Run(output)


def _check_support(vae, data, config):
    """Raises unless the first batch is what the likelihood explains."""
    batches = data.train.batches(config["batch_size"], binarize=config["binarize"])
    x = next(batches.as_numpy_iterator())
    checks.check_array("dataset", x, vae, support=True)


def _settled(config, data):
    """The settings with what depends on the data filled in, checked."""
    likelihood = config["likelihood"] or ("bernoulli" if data.is_image else "gaussian")
    scaled = likelihood in ("gaussian", "laplace")
    if config["scale"] is not None and not scaled:
        raise ValueError(
            "`scale` belongs to the likelihoods 'gaussian' and 'laplace'. Received: "
            f"scale={config['scale']!r}, likelihood={likelihood!r}"
        )
    if config["binarize"] != "none" and likelihood != "bernoulli":
        raise ValueError(
            "`binarize` makes data for the likelihood 'bernoulli'. Received: "
            f"binarize={config['binarize']!r}, likelihood={likelihood!r}"
        )
    if config["beta_schedule"] not in ("constant", "linear", "cyclical"):
        raise ValueError(
            "`beta_schedule` should be 'constant', 'linear' or 'cyclical'. Received: "
            f"{config['beta_schedule']!r}"
        )
    scale = (config["scale"] or "learned") if scaled else None
    return {**config, "likelihood": likelihood, "scale": scale}


def _plain(config):
    """The settings as JSON holds them."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in config.items()
    }


def _resumed_config(output, config):
    """The run's own settings, but for the few that may be given anew."""
    saved = Run(output).config
    if config["dataset"] not in (None, saved["dataset"]):
        raise ValueError(
            f"`dataset` of the run at {output} is {saved['dataset']!r}. Received: "
            f"dataset={config['dataset']!r}. Leave it out, or train another run."
        )
    given = {
        name: config[name]
        for name in ("epochs", "patience", "data_dir")
        if config[name] is not None
    }
    return _plain({**saved, **given})


def _resumed(output, config, data):
    """The model as it was after its last epoch, and the rows of those before."""
    checkpoint = output / "checkpoint.keras"
    if not checkpoint.exists():  # it was stopped before its first epoch ended
        return _build(config, data), []
    vae = load_vae(checkpoint)
    epochs = int(vae.step) // data.train.steps_per_epoch(config["batch_size"])
    history = [
        {**row, "epoch": int(row["epoch"])} for row in Run(output).history[:epochs]
    ]
    return vae, history


@contextlib.contextmanager
def _precision(mixed_precision):
    policy = keras.config.dtype_policy()
    if mixed_precision is not None:
        keras.config.set_dtype_policy(f"mixed_{mixed_precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _build(config, data):
    """The model, compiled, under the precision that was asked for."""
    with _precision(config["mixed_precision"]):
        return _build_vae(config, data)


def _build_vae(config, data):
    keras.utils.set_random_seed(config["seed"])
    likelihood = likelihoods.get(config["likelihood"])
    if config["scale"] is not None:
        likelihood = type(likelihood)(scale=_number_or_name(config["scale"]))
    standardize = None
    if data.is_image:
        data_mean, _ = data.train.moments(max_examples=10_000)
    else:
        # Standardised data have the mean 0.
        data_mean = np.zeros(data.data_shape, "float32")
        if config["likelihood"] in ("gaussian", "laplace"):
            standardize = Standardize(data.mean, data.scale)
        else:
            data_mean = data.mean
    architecture = {}
    if config["hidden_units"] is not None:
        architecture["hidden_units"] = tuple(config["hidden_units"])
    encoder, decoder = networks.get(config["network"])(
        data.data_shape,
        config["latent_dim"],
        likelihood,
        data_mean=data_mean,
        seed=config["seed"],
        **architecture,
    )
    steps = data.train.steps_per_epoch(config["batch_size"])
    warmup_steps = max(1, steps * config["warmup_epochs"])
    beta, capacity = config["beta"], config["capacity"]
    if config["beta_schedule"] == "linear":
        beta = schedules.LinearWarmup(warmup_steps, end=beta)
    elif config["beta_schedule"] == "cyclical":
        beta = schedules.Cyclical(
            steps * config["epochs"], num_cycles=config["num_cycles"], end=beta
        )
    if capacity is not None:
        capacity = schedules.LinearWarmup(warmup_steps, end=capacity)
    vae = VAE(
        encoder,
        decoder,
        likelihood=likelihood,
        beta=beta,
        capacity=capacity,
        free_bits=config["free_bits"],
        num_samples=config["num_samples"],
        standardize=standardize,
        seed=config["seed"],
    )
    vae.compile(keras.optimizers.Adam(config["learning_rate"]))
    return vae


def _number_or_name(scale):
    try:
        return float(scale)
    except ValueError:
        return scale


def _fit(vae, data, config, recorder, callbacks):
    start = len(recorder.history)
    batch_size, binarize = config["batch_size"], config["binarize"]
    batches = data.train.training_batches(
        batch_size,
        seed=config["seed"],
        start_epoch=start,
        num_epochs=config["epochs"] - start,
        binarize=binarize,
    )
    validation = None
    if data.validation is not None:
        validation = data.validation.batches(
            batch_size, binarize=binarize, seed=config["seed"]
        )
    try:
        vae.fit(
            batches,
            steps_per_epoch=data.train.steps_per_epoch(batch_size),
            initial_epoch=start,
            epochs=config["epochs"],
            validation_data=validation,
            callbacks=[recorder, *callbacks],
            shuffle=False,  # the pipeline has done it
            verbose=0,
        )
    except FloatingPointError:
        # Before an epoch is complete the last good step is the best there is.
        if not recorder.history and int(vae.step) > 0:
            with files.atomic(recorder.directory / "model.keras") as path:
                vae.save(path)
        raise


def report(output, config, data, recorder, training_seconds, exports):
    """Measures the best weights on test data; writes numbers, figures and export."""
    vae = load_vae(output)
    name, split = next(
        (name, split)
        for name in ("test", "validation", "train")
        if (split := getattr(data, name)) is not None
    )
    drawn = {"binarize": config["binarize"], "seed": config["seed"]}
    metrics = evaluation.evaluate(vae, split.batches(config["batch_size"], **drawn))
    files.write_json(
        output / "metrics.json",
        {
            "split": name,
            **metrics,
            "latent_dim": vae.latent_dim,
            "epochs": len(recorder.history),
            "best_epoch": recorder.best_epoch,
            "training_seconds": round(training_seconds, 3),
            "collapse_report": evaluation.collapse_report(metrics["active_units"]),
        },
    )
    _draw(output / "figures", vae, data, split, drawn, recorder.history)
    ship(vae, output / "export", data, exports=exports, drawn=drawn)


def _draw(folder, vae, data, split, drawn, history):
    columns = {name: [row[name] for row in history] for name in history[0]}
    labels = None
    if data.num_classes:
        batches = split.batches(FIGURE_EXAMPLES, with_labels=True, **drawn)
        x, labels = next(batches.as_numpy_iterator())
        labels = np.asarray(data.label_names)[labels]
    else:
        x = next(split.batches(FIGURE_EXAMPLES, **drawn).as_numpy_iterator())
    names = data.feature_names if not data.is_image else None
    figures = {
        "training_curves": plots.training_curves(columns),
        "reconstructions": plots.reconstructions(vae, x, feature_names=names),
        "samples": plots.samples(vae, x=x, feature_names=names),
        "latent_space": plots.latent_space(vae, x, labels),
        "traversals": plots.traversals(vae, x, feature_names=names),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")
