"""One of the processes that `test_team.py` starts: what it trains, its folder."""

import contextlib
import os
import signal

import keras
import numpy as np
import tensorflow as tf

import keras_vae
from tests.models.test_replicas import X, make_vae
from tests.short_runs import without_figures

SETTINGS = {
    "epochs": 3,
    "latent_dim": 2,
    "hidden_units": [8],
    "exports": "none",
    "seed": 1,
}


def weights(folder):
    """Trains models of small networks, and keeps what the first process knows."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = strategy.cluster_resolver.task_id
    with strategy.scope():
        without_noise, vae = make_vae(), make_vae(keras_vae.VAE)
    zeros = tf.zeros((4, 2))
    noise = strategy.run(lambda: vae.sampling([zeros, zeros]))
    arguments = {"batch_size": 16, "shuffle": False, "verbose": 0}
    backup = keras.callbacks.BackupAndRestore(folder / f"backup{index}")
    history = without_noise.fit(
        X, epochs=2, validation_data=X, callbacks=[backup], **arguments
    ).history
    vae.fit(X, **arguments)
    logs = vae.evaluate(X, batch_size=7, verbose=0, return_dict=True)
    score = vae.score(X)
    vae.save(folder / f"{index}.keras")
    np.savez(
        folder / f"{index}.npz",
        *without_noise.get_weights(),
        noise=noise,
        loss=history["loss"],
        val_loss=history["val_loss"],
        elbo=logs["elbo"],
        score=score["elbo"].mean(),
        mse=logs["mse"],
        reconstruction=vae.reconstruct(X),
    )


class Kill(keras.callbacks.Callback):
    """Ends its process in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == 15:
            os.kill(os.getpid(), signal.SIGKILL)


def run(folder, resume="", killed=""):
    """Trains a run, or goes on with it."""
    with without_figures(), contextlib.chdir(folder):
        keras_vae.runs.train(
            "digits",
            folder,
            resume=bool(resume),
            strategy="multi-worker",
            callbacks=[Kill()] if killed else [],
            **({} if resume else SETTINGS),
        )


def main(tf_config, said, task, folder, *words):
    """Does a task as the worker that a `TF_CONFIG` describes."""
    file = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ["TF_CONFIG"] = tf_config
    {"weights": weights, "run": run}[task](folder, *words)
