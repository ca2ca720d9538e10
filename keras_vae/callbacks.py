"""Callbacks: what watches a training and keeps its results."""

import math
from pathlib import Path

import keras

from keras_vae import files
from keras_vae.models import VAE


class RunRecorder(keras.callbacks.Callback):
    """Writes a run after each epoch, keeps the best weights and stops early.

    After each epoch it writes, whole or not at all,

    - `model.keras`, if the epoch is the best so far by `criterion` (without validation
      data: after every epoch);
    - `history.csv`: a row of logs for each epoch, and `beta` at the end of it;
    - `checkpoint.keras`: the model, its optimizer and random state as they are, from
      which training goes on as if it had not stopped.

    An epoch whose ELBO is not finite is never the best, and leaves only its row.

    When to stop is a function of the history alone, so that a resumed run stops where
    an unbroken one does: after `patience` epochs without a better one, but not
    before the model's schedules have settled.

    Args:
        directory: Where to write; it must exist.
        patience: Integer, epochs; `None` never stops early.
        history: Rows of the epochs before, where a run is resumed.
        criterion: Name of the log that says how good an epoch is: the higher the
            better, and of one that ends in `loss` the lower.
        first_epoch: Integer, from 1: epochs before it count only if there are no
            others.

    Attributes:
        history: List of dictionaries, the rows of `history.csv`.

    Example:

    >>> import tempfile
    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> recorder = RunRecorder(tempfile.mkdtemp())
    >>> _ = vae.fit(x, validation_data=x, epochs=2, callbacks=[recorder], verbose=0)
    >>> sorted(path.name for path in recorder.directory.iterdir())
    ['checkpoint.keras', 'history.csv', 'model.keras']
    """

    def __init__(
        self,
        directory,
        patience=None,
        history=(),
        criterion="val_elbo",
        first_epoch=1,
    ):
        super().__init__()
        self.directory = Path(directory)
        self.patience = patience
        self.history = list(history)
        self.criterion = criterion
        self.first_epoch = first_epoch

    @property
    def best_epoch(self):
        """Number of the best epoch, from 1; `None` before there is one."""
        rows = {i: row for i, row in enumerate(self.history, 1) if _is_finite(row)}
        counted = {
            epoch: row[self.criterion]
            for epoch, row in rows.items()
            if self.criterion in row and epoch >= self.first_epoch
        }
        if not counted:  # then the last is the best
            return max(rows, default=None)
        return (min if self.criterion.endswith("loss") else max)(
            counted, key=counted.get
        )

    def finished(self, model):
        """Whether `model` should stop: no better epoch for long, schedules settled."""
        if self.patience is None or self.best_epoch is None:
            return False
        step = keras.ops.convert_to_numpy(model.step)
        schedules = [s for s in (model.beta, model.capacity) if s is not None]
        settled = all(step >= schedule.num_steps for schedule in schedules)
        return settled and len(self.history) - self.best_epoch >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        step = keras.ops.convert_to_numpy(self.model.step)
        row = {"epoch": epoch + 1, "beta": float(self.model.beta(step)), **logs}
        if "beta" in self.model.UNUSED:
            del row["beta"]
        self.history.append(row)
        # In this order: what is lost when the process ends between two of them is
        # made again, the same, from the checkpoint.
        if self.best_epoch == len(self.history):
            self._save("model.keras")
        files.write_csv(self.directory / "history.csv", self.history)
        if _is_finite(row):
            self._save("checkpoint.keras")
        if self.finished(self.model):
            self.model.stop_training = True

    def _save(self, name):
        with files.atomic(self.directory / name) as path:
            self.model.save(path)


def criterion(vae, steps_per_epoch):
    """By which of its logs the best epoch of a model is known, and from which epoch on.

    The bound, where that is what is trained. A model with another objective (beta other
    than 1, a capacity, free bits, a penalty) is chosen by its loss, from the epoch on
    in which its schedules have settled: before, the loss is another one.

    Args:
        vae: `keras_vae.VAE`.
        steps_per_epoch: Integer.

    Returns:
        `criterion` and `first_epoch` of a `RunRecorder`.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> criterion(keras_vae.VAE(encoder, decoder), 10)
    ('val_elbo', 1)
    >>> criterion(keras_vae.VAE(encoder, decoder, beta=4.0), 10)
    ('val_loss', 1)
    """
    if "iwae_bound" in vae.MEASURES:
        return "val_iwae_bound", 1
    schedules = [s for s in (vae.beta, vae.capacity) if s is not None]
    settled = max(schedule.num_steps for schedule in schedules)
    trains_the_elbo = (
        type(vae).objective is VAE.objective
        and "elbo" in vae.MEASURES
        and vae.capacity is None
        and vae.free_bits == 0
        and float(vae.beta(settled)) == 1.0
    )
    if trains_the_elbo:
        return "val_elbo", 1
    return "val_loss", 1 + math.ceil(settled / steps_per_epoch)


def _is_finite(row):
    """Whether the loss and the ELBO of an epoch, on any data, are numbers."""
    names = ("loss", "val_loss", "elbo", "val_elbo")
    return all(math.isfinite(row.get(name, 0)) for name in names)
