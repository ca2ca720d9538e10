"""From the name of a data set to a trained, measured and exported model."""

import contextlib
import importlib.util
import inspect
import os
import textwrap
import time
from pathlib import Path

import keras
import numpy as np

from keras_vae import files, likelihoods
from keras_vae.callbacks import RunRecorder, criterion
from keras_vae.runs import settings
from keras_vae.runs.build import build, choose_likelihood, summary
from keras_vae.runs.members import SCALED, find_likelihood
from keras_vae.runs.report import report
from keras_vae.runs.run import (
    Run,
    batch_arguments,
    load,
    load_dataset,
    read_config,
    write_config,
)
from keras_vae.runs.team import gather
from keras_vae.runs.writing import unwritten, written


def train(
    dataset,
    output,
    *,
    resume=False,
    overwrite=False,
    callbacks=(),
    say=None,
    progress=None,
    strategy=None,
    **given,
):
    started = time.perf_counter()
    team = gather(strategy)
    if not team.is_chief:
        say = progress = None
    say = say or (lambda words: None)
    progress = progress or contextlib.nullcontext
    given = settings.check({"dataset": dataset, **given})
    if given.get("data_dir") is not None:
        given["data_dir"] = os.path.abspath(given["data_dir"])
    # A link stays one, and what it leads to is written.
    place = Path(os.path.realpath(output))
    if resume:
        settings.check_resumed(given)
        if overwrite:
            raise ValueError("`resume` and `overwrite` exclude each other.")
    else:
        given = settings.defaults() | given
        settings.check_together(given)
        if given["dataset"] is None:
            raise ValueError("`dataset` is what a new run needs. Received: None")
        _check_tensorboard(given)
    if team.is_chief:
        writing = written(place, resume=resume, overwrite=overwrite, say=say)
    else:
        writing = unwritten(place, resume)
    with writing as folder:
        config = _resumed_config(folder, output, given) if resume else given
        with progress("Reading data"):
            data = load_dataset(config)
        begin = _resumed if resume else _new
        with team.scope():
            config, model, history = begin(folder, config, data)
        # Until its report is written again it is not complete.
        (folder / "metrics.json").unlink(missing_ok=True)
        write_config(folder, config)
        for line in summary(model, config, data):
            say(line)
        if resume:
            done, asked = len(history), config["epochs"]
            more = "nothing is left to train" if done >= asked else f"on to {asked}"
            epochs, are = ("epoch", "is") if done == 1 else ("epochs", "are")
            say(f"{done} {epochs} of this run {are} done: {more}")
        steps = data.train.steps_per_epoch(config["batch_size"])
        chosen_by = criterion(model, steps)
        recorder = RunRecorder(folder, config["patience"], history, *chosen_by)
        if not recorder.finished(model) and len(history) < config["epochs"]:
            _fit(model, data, config, recorder, callbacks, team)
        seconds = time.perf_counter() - started
        if team.is_chief:
            report(folder, config, data, recorder, seconds, progress)
    return Run(output) if team.is_chief else None


def _document():
    """The signature and the arguments of `train`, from the table of settings."""
    listed = [
        f"{name}: {setting.described}"
        for name, setting in settings.SETTINGS.items()
        if name != "dataset"
    ]
    listed = "\n".join(
        textwrap.fill(line, 84, initial_indent=" " * 4, subsequent_indent=" " * 8)
        for line in listed
    )
    train.__doc__ = f"""Trains a VAE on a data set and writes a run.

A run holds model, numbers, figures and export. The weights kept are those of the best
validation ELBO (or loss, where another objective than the ELBO is trained); test data
are seen by the final report alone. The same seed gives the
same `history.csv`, whether or not the training was broken off and resumed.

A run that is replaced stays where it is, in use, until the new one is complete: broken
off, it is gone on with by `resume`.

Args:
    dataset: Name or path, as `keras_vae.datasets.load` takes it.
    output: Directory to write.
    resume: Go on with the run in `output`, with its settings and its data.
    overwrite: Replace a run that is there. The user's own files in it are kept.
    callbacks: Keras callbacks, called besides.
    say: Function that is given lines for a person: what was read and what is built.
    progress: Function that is given what is being done ("Drawing figures"), and gives
        a context manager for as long as it takes.
    strategy: `None` trains on one device; `"mirrored"` on all GPUs of this machine;
        `"multi-worker"` in the processes that the environment variable `TF_CONFIG`
        names, each of which is started in the same way; or a `tf.distribute.Strategy`.
        `batch_size` is that of all together. Of several processes the first writes
        `output`, and the others read it where a run is resumed.
{listed}

A run that is resumed may be given other {_resumable()}.

Returns:
    The `Run`; `None` in a process that does not write it.

Raises:
    ValueError: If an argument is wrong, `output` is not ours to write, or the data of
        a run that is resumed are not what they were.
    RuntimeError: If another process is writing to `output`, or TensorFlow was in use
        before the processes of `strategy` could find one another.
    FloatingPointError: If the loss stops being finite; the best weights so far are
        kept.

Example:

>>> run = train("digits", "runs/digits", epochs=30)  # doctest: +SKIP
>>> run.metrics["elbo"]  # doctest: +SKIP
"""
    signature = inspect.signature(train)
    parameters = list(signature.parameters.values())[:-1]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=setting.default)
        for name, setting in settings.SETTINGS.items()
        if name != "dataset"
    ]
    train.__signature__ = signature.replace(parameters=parameters)


def _resumable():
    names = [f"`{n}`" for n, s in settings.SETTINGS.items() if s.resumable]
    return f"{', '.join(names[1:-1])} and {names[-1]}"


_document()


def _check_tensorboard(config):
    if config["tensorboard"] and not importlib.util.find_spec("tensorboard"):
        raise ValueError(
            "`tensorboard` needs the package of that name, which is not installed. "
            "Mend: pip install tensorboard"
        )


def _with_data(config, data):
    """The settings with what depends on the data filled in, as JSON holds them."""
    if config["model"] in settings.CONDITIONAL and not data.num_classes:
        raise ValueError(
            f"`model` {config['model']} takes the label of each example as its "
            "condition. Received: data without labels. Mend: subfolders of images or "
            "`label_column` of a table"
        )
    if not data.is_image and (
        config["network"] != "dense" or config["model"] == "vqvae"
    ):
        name = "model" if config["model"] == "vqvae" else "network"
        raise ValueError(
            f"`{name}` {config[name]} has convolutions, which are of images. Received: "
            f"data of shape {data.data_shape}. Mend: leave it out"
        )
    likelihood = config["likelihood"]
    if likelihood is not None and (likelihood == "columns") != (
        data.schema is not None
    ):
        mend = "`kind` vectors" if data.schema else "`kind` table, of a .csv file"
        raise ValueError(
            f"`likelihood` columns is of tables, and tables have no other. Received: "
            f"{likelihood} of {data.name}, which is "
            f"{'a table' if data.schema else 'none'}. Mend: leave it out, or {mend}"
        )
    if data.schema is not None and config["binarize"] != "none":
        raise ValueError(
            f"`binarize` does not go with a table of columns. Received: "
            f"{config['binarize']!r}"
        )
    if likelihood is None:
        binary = config["binarize"] != "none"
        likelihood = "bernoulli" if binary else choose_likelihood(data)
    config = {**config, "likelihood": likelihood}
    if config["model"] == "vqvae":
        config["network"] = "convolutional"
    settings.check_together(config)
    scale = (config["scale"] or "learned") if likelihood in SCALED else None
    if data.description["source"] != config["dataset"] and os.path.exists(
        data.description["source"]
    ):
        config["dataset"] = data.description["source"]  # an absolute path
    return {**config, "scale": scale, "data": data.description}


def _resumed_config(folder, output, given):
    """The run's own settings, but for the few that may be given anew."""
    saved = read_config(folder)
    dataset = given.pop("dataset", saved["dataset"])
    if dataset != saved["dataset"] and os.path.abspath(dataset) != saved["dataset"]:
        raise ValueError(
            f"`dataset` of the run at {output} is {saved['dataset']!r}. Received: "
            f"dataset={dataset!r}. Leave it out, or train another run."
        )
    ends = {
        "its learning rate ends at 0": saved["learning_rate_schedule"] != "constant",
        "the cycles of its beta end": saved["beta_schedule"] == "cyclical",
    }
    for what, is_so in ends.items():
        if is_so and given.get("epochs", saved["epochs"]) != saved["epochs"]:
            raise ValueError(
                f"`epochs` of the run at {output} is {saved['epochs']}, where {what}. "
                f"Received: epochs={given['epochs']}. Leave it out, or train another "
                "run."
            )
    return {**saved, **given}


def _new(folder, config, data):
    """Settings that fit the data, the model as it begins, and no history."""
    config = _with_data(config, data)
    likelihood = find_likelihood(config, data)
    batches = data.train.batches(config["batch_size"], binarize=config["binarize"])
    x = next(batches.as_numpy_iterator())
    # Values of later examples are known by their range.
    if not _contains(likelihood.support, x, data.train.value_range):
        others = ", ".join(
            name
            for name in likelihoods.suitable(x)
            if _contains(likelihoods.get(name).support, x, data.train.value_range)
        )
        raise ValueError(
            f"`dataset` should be in the support of the likelihood "
            f"{likelihood.identifier!r}: {likelihood.support}. Received: "
            f"{data.values_in_words} A `likelihood` that takes them: {others}."
        )
    return config, build(config, data), []


def _contains(support, x, value_range):
    """Whether a support has the values of some examples, and the range of all."""
    ends = np.float32(value_range)
    in_range = np.all(ends == np.clip(ends, support.low, support.high))
    return in_range and np.all(support.contains(x))


def _resumed(folder, config, data):
    """Settings, the model as it was after its last epoch, the rows of those before."""
    config.setdefault("data", data.description)
    history = [{**row, "epoch": int(row["epoch"])} for row in Run(folder).history]
    places = [folder / name for name in ("model.keras", "checkpoint.keras")]
    missing = [path for path in places if not path.exists()]
    if len(history) <= 1 and places[1] in missing:
        return config, build(config, data), []  # stopped before its first epoch ended
    model, epochs = None, 0
    if not missing:
        model = load(places[1])
        epochs = int(model.step.numpy()) // data.train.steps_per_epoch(
            config["batch_size"]
        )
        if len(history) < epochs:
            missing = [folder / "history.csv"]
    if missing:
        done = max(epochs, len(history))
        raise ValueError(
            f"The run at {folder} was trained for {done} "
            f"{'epoch' if done == 1 else 'epochs'}, and {missing[0].name} does not "
            "hold them: which epoch was the best is not known. Bring that file back, "
            "or start anew (--overwrite, overwrite=True)."
        )
    return config, model, history[:epochs]


def _fit(model, data, config, recorder, callbacks, team):
    start = len(recorder.history)
    batch_size, arguments = config["batch_size"], batch_arguments(config)
    batches = data.train.training_batches(
        batch_size,
        start_epoch=start,
        num_epochs=config["epochs"] - start,
        **arguments,
    )
    validation = None
    if data.validation is not None:
        validation = data.validation.batches(batch_size, **arguments)
    callbacks = [recorder, *callbacks]
    if config["tensorboard"]:
        callbacks.append(keras.callbacks.TensorBoard(recorder.directory / "logs"))
    try:
        model.fit(
            team.share(batches),
            steps_per_epoch=data.train.steps_per_epoch(batch_size),
            initial_epoch=start,
            epochs=config["epochs"],
            validation_data=team.share(validation),
            callbacks=callbacks,
            shuffle=False,  # the pipeline has done it
            verbose=0,
        )
    except FloatingPointError:
        # Before an epoch has ended well the last good step is the best there is.
        if recorder.best_epoch is None and int(model.step.numpy()) > 0:
            with files.atomic(recorder.directory / "model.keras") as path:
                model.save(path)
        raise
