"""Callbacks: what watches a training and keeps its results."""

import math
from pathlib import Path

import keras

from keras_vae import files


class RunRecorder(keras.callbacks.Callback):
    """Writes a run after each epoch, keeps the best weights and stops early.

    After each epoch it writes, whole or not at all,

    - `model.keras`, if the epoch's `val_elbo` is the best so far (of an `IWAE`
      `val_iwae_bound`, of a model without a bound `val_loss`; without validation data:
      after every epoch);
    - `history.csv`: a row of logs for each epoch, and `beta` at the end of it;
    - `checkpoint.keras`: the model, its optimizer and random state as they are, from
      which training goes on as if it had not stopped.

    An epoch whose ELBO is not finite is never the best, and leaves only its row.

    When to stop is a function of the history alone, so that a resumed run stops where
    an unbroken one does: after `patience` epochs without a better `val_elbo`, but not
    before the model's schedules have settled.

    Args:
        directory: Where to write; it must exist.
        patience: Integer, epochs; `None` never stops early.
        history: Rows of the epochs before, where a run is resumed.

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

    def __init__(self, directory, patience=None, history=()):
        super().__init__()
        self.directory = Path(directory)
        self.patience = patience
        self.history = list(history)

    @property
    def best_epoch(self):
        """Number of the epoch with the best `val_elbo`, from 1; `None` before it."""
        goodness = {
            epoch: _goodness(row, epoch)
            for epoch, row in enumerate(self.history, start=1)
            if _is_finite(row)
        }
        return max(goodness, key=goodness.get, default=None)

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


def _goodness(row, epoch):
    """Higher is better: the bound that was trained, without one the negative loss."""
    for name in ("val_iwae_bound", "val_elbo"):
        if name in row:
            return row[name]
    # Without validation data the last epoch is the best.
    return -row["val_loss"] if "val_loss" in row else epoch


def _is_finite(row):
    """Whether the loss and the ELBO of an epoch, on any data, are numbers."""
    names = ("loss", "val_loss", "elbo", "val_elbo")
    return all(math.isfinite(row.get(name, 0)) for name in names)
