"""An anomaly detector from a run: its model, or one like it of normal items alone."""

import numpy as np

from keras_vae.applications import AnomalyDetector
from keras_vae.applications.conformal import smallest_calibration_set
from keras_vae.arguments import did_you_mean
from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.sources import ArraySource
from keras_vae.runs import settings
from keras_vae.runs.build import build
from keras_vae.runs.run import batch_arguments

# Of the normal items, where a model is trained anew: enough to calibrate with, and most
# are left to train on.
CALIBRATION_FRACTION = 0.25


def fit_detector(
    run,
    normal=None,
    score="squared_error",
    *,
    level=0.05,
    num_samples=None,
    seed=0,
    data=None,
    split="validation",
    say=print,
):
    """An `AnomalyDetector` from a run.

    Without `normal` all of the run's data are normal: its trained model is used, and
    calibrated with a split that it was not trained on. The best epoch was chosen by the
    validation split, which is therefore not wholly new to it: where the share of false
    alarms has to hold to the letter, calibrate with data of your own.

    With `normal` a model with the run's settings is trained anew, on items of these
    labels alone: one that has seen the others reconstructs them too. A quarter of the
    normal items of train and validation is kept from training and calibrates it. Test
    data are left out of both.

    Args:
        run: `Run`.
        normal: Names of labels, or `None`.
        score: Name of the score; see `keras_vae.applications.AnomalyDetector`.
        level: The share of normal items that may be flagged.
        num_samples: Integer, draws of z for each item, or `None`.
        seed: Integer, of the draws and of the choice of the calibration items.
        data: `keras_vae.datasets.Dataset` to use in place of the run's own; its train
            split calibrates where there is no `normal`.
        split: Name of the split that calibrates.
        say: Function that is given lines for a person.

    Returns:
        The calibrated `AnomalyDetector`.

    Raises:
        ValueError: If the data have no such labels, or too few normal items.

    Example:

    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> detector = fit_detector(run, normal=["3"])  # doctest: +SKIP
    >>> detector.save("runs/digits/anomaly")  # doctest: +SKIP
    """
    arguments = batch_arguments(run.config)
    options = {"level": level, "num_samples": num_samples, "seed": seed}
    if not normal:
        if data is not None:
            part, words = data.train, "the data given"
        else:
            part, words = getattr(run.dataset(), split), f"the {split} split"
        if part is None:
            raise ValueError(
                f"`split` should be one that the run's data have. Received: {split}"
            )
        detector = AnomalyDetector(run.vae, score, **options)
        detector.calibrate(part.batches(512, **arguments))
        say(f"calibrated with {part.num_examples:,} items: {words}")
        return detector
    data = run.dataset() if data is None else data
    labels = _check_normal(normal, run, data)
    parts = [part for part in (data.train, data.validation) if part is not None]
    x = np.concatenate([_items(part, labels) for part in parts])
    order = np.random.RandomState(seed).permutation(len(x))
    number = max(round(CALIBRATION_FRACTION * len(x)), smallest_calibration_set(level))
    if number >= len(x):
        raise ValueError(
            f"`normal` should leave items to train on: there are {len(x)}, and it "
            f"takes {smallest_calibration_set(level)} to calibrate with for anything "
            f"to be flagged at level={level:g}. Mend: more data, or a higher level"
        )
    calibration, train = (
        _dataset(data, x[np.sort(rows)]) for rows in np.split(order, [number])
    )
    say(f"training anew on {len(x) - number:,} normal items, {number:,} calibrate")
    vae = _trained(run.config, train)
    detector = AnomalyDetector(vae, score, **options)
    detector.calibrate(calibration.train.batches(512, **arguments))
    detector.normal_labels = [data.label_names[code] for code in labels]
    return detector


def _check_normal(normal, run, data):
    """The codes of the normal labels."""
    if run.config["model"] in settings.CONDITIONAL:
        raise ValueError(
            f"`normal` should be left out: a {run.config['model']} takes the labels as "
            "its condition, and scores each item by what its own label is expected "
            "to look like"
        )
    if not data.label_names:
        raise ValueError("`normal` names labels, and the data have none")
    for name in normal:
        if name not in data.label_names:
            raise ValueError(
                f"`normal` should be among the labels: {', '.join(data.label_names)}. "
                f"Received: {name}.{did_you_mean(name, data.label_names)}"
            )
    return [code for code, name in enumerate(data.label_names) if name in normal]


def _items(split, labels):
    """The items of some labels, an array."""
    batches = split.batches(1024, with_labels=True).as_numpy_iterator()
    return np.concatenate([x[np.isin(codes, labels)] for x, codes in batches])


def _dataset(data, x):
    """Items as a data set of the same kind, all of it in train."""
    parts = {"train": ArraySource(x)}
    origin = {name: data.description.get(name) for name in ("columns", "schema")}
    return Dataset(data.name, parts, kind=data.kind, levels=data.levels, origin=origin)


def _trained(config, data):
    """A model by a run's settings, trained on other data for as many epochs."""
    model = build(config, data)
    batch_size = config["batch_size"]
    batches = data.train.training_batches(
        batch_size, num_epochs=config["epochs"], **batch_arguments(config)
    )
    model.fit(
        batches,
        steps_per_epoch=data.train.steps_per_epoch(batch_size),
        epochs=config["epochs"],
        shuffle=False,  # the pipeline has done it
        verbose=0,
    )
    return model
