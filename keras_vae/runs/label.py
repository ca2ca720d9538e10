"""The labels of all the data, from a run and the labels of a few."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_vae import datasets, evaluation
from keras_vae.applications import Labeler
from keras_vae.runs import settings

NONE = "-1"


class Labelled(NamedTuple):
    """What `label` returns.

    Attributes:
        labeler: The trained `keras_vae.applications.Labeler`.
        x: Array `(n, *data_shape)`, the data.
        labels: Integers `(n,)`: the labels that were given, -1 for none.
        probabilities: Array `(n, num_classes)`.
        measured: Dictionary from the name of a part of the data, of which all labels
            are known and were not used, to `num_examples`, `error` (per cent) and `ece`
            (`keras_vae.evaluation.calibration_error`).
    """

    labeler: Any
    x: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    measured: dict


def label(
    run,
    source=None,
    *,
    label_column=None,
    num_labels=None,
    on="codes",
    epochs=50,
    seed=0,
    data_dir=None,
):
    """Trains a `keras_vae.applications.Labeler` with a run, and labels the data.

    Args:
        run: `Run` of a model that takes x alone.
        source: Name or path of data with labels, of which those that are -1 are to be
            found; or `None` for the training data of the run, with `num_labels`.
        label_column: Name of the column, or array, of the labels.
        num_labels: Integer: so many labels of the run's own data are used, and the
            others to measure with.
        on: `"codes"`, M1+M2 with the run's model, or `"data"`, M2.
        epochs: Integer.
        seed: Integer.
        data_dir: Where tensorflow-datasets keeps its data.

    Returns:
        `Labelled`.

    Raises:
        ValueError: If the data have no labels, one class only, a class without a label,
            no example without one, or labels that the run does not know.

    Example:

    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> label(run, num_labels=100).measured["test"]["error"]  # doctest: +SKIP
    4.4
    """
    if run.config["model"] in settings.CONDITIONAL:
        raise ValueError(
            f"A {run.config['model']} takes labels as its condition, of all examples: "
            "train a model that takes none, such as --model vae"
        )
    own = run.dataset(data_dir=data_dir)
    if source is None:
        x, truth = _arrays(own.train)
        if truth is None:
            raise ValueError("`num_labels` needs labels, and the run's data have none")
        names = list(own.label_names)
        labels = datasets.hide_labels(truth, num_labels, seed)
    else:
        x, labels, names = _read(run, own, source, label_column, data_dir)
        truth = None
    labeler = _labeler(run, on, epochs, seed, len(x))
    try:
        labeler.fit(x, labels, len(names))
    except ValueError as error:
        given = ", ".join(f"{y} is {name!r}" for y, name in enumerate(names))
        raise ValueError(f"{error} ({given})") from error
    labeler.label_names = names
    probabilities = labeler.predict_proba(x)
    measured = {}
    if truth is not None:
        rest = labels < 0
        measured["the others"] = _measure(probabilities[rest], truth[rest])
    if own.test is not None and list(own.label_names or ()) == names:
        test, truth = _arrays(own.test)
        measured["test"] = _measure(labeler.predict_proba(test), truth)
    return Labelled(labeler, x, labels, probabilities, measured)


def _labeler(run, on, epochs, seed, num_examples):
    arguments = {"epochs": epochs, "seed": seed}
    # Small data have small batches, for enough steps.
    arguments["batch_size"] = int(np.clip(num_examples // 15, 20, 200))
    if on == "codes":
        return Labeler(run.vae, **arguments)
    serialize = keras.saving.serialize_keras_object
    likelihood, standardize = (
        part and keras.saving.deserialize_keras_object(serialize(part))
        for part in (run.vae.likelihood, run.vae.standardize)
    )
    return Labeler(likelihood=likelihood, standardize=standardize, **arguments)


def _read(run, own, source, label_column, data_dir):
    """Data, their labels with -1 for none, and the names of the classes."""
    data = datasets.load(
        source,
        data_dir=data_dir,
        label_column=label_column,
        missing_labels=source.lower().endswith(".csv") or None,
        validation_fraction=0,
        test_fraction=0,
        like=run.config["data"],
    )
    x, codes = _arrays(data.train)
    if codes is None:
        raise ValueError(
            f"{source} has no labels. Name their column: label_column='...'"
        )
    found = np.asarray(data.label_names)[codes]
    known = [name for name in own.label_names or () if name != NONE]
    names = known or [name for name in data.label_names if name != NONE]
    unknown = sorted({*found.tolist()} - {*names, NONE})
    if unknown:
        raise ValueError(
            f"The labels of {source} should be those of the run, {', '.join(known)}, "
            f"or -1 for none. Received: {', '.join(unknown[:5])}"
        )
    place = {name: y for y, name in enumerate(names)}
    labels = np.array([place.get(name, -1) for name in found])
    return x, labels, names


def _arrays(split):
    """x and the labels of a split, `None` without."""
    if split.in_memory:
        return split.x, split.labels
    batches = split.batches(1024, with_labels=True).as_numpy_iterator()
    x, labels = zip(*batches, strict=True)
    return np.concatenate(x), np.concatenate(labels)


def _measure(probabilities, truth):
    wrong = probabilities.argmax(axis=1) != truth
    return {
        "num_examples": len(truth),
        "error": 100 * float(wrong.mean()),
        "ece": evaluation.calibration_error(probabilities, truth),
    }
