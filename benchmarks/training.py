"""How the benchmarks train on MNIST, the same for all models, and what they test on.

The 60,000 training images, binarized anew in each epoch (Burda et al. 2016); Adam, with
a learning rate that falls to 0 as a cosine; the weights measured are the moving average
at the end. Nothing is chosen by the test images. MNIST is looked for where
tensorflow-datasets keeps its data (`TFDS_DATA_DIR`).
"""

import time

import numpy as np


def load():
    """MNIST, all of its training images for training."""
    import keras_vae

    return keras_vae.datasets.load("mnist", validation_fraction=0)


def warmup(data, epochs, batch_size, fraction, num_images=None):
    """A beta that rises to 1 over the first part of training, or 1."""
    import keras_vae

    steps = round(fraction * epochs * _steps(data, batch_size, num_images))
    return keras_vae.schedules.LinearWarmup(steps) if steps > 0 else 1.0


def train(
    vae,
    data,
    *,
    epochs,
    batch_size,
    learning_rate,
    seed,
    num_images=None,
    binarize="dynamic",
):
    """Trains a model, and says how long it took.

    Args:
        vae: The `keras_vae.VAE`.
        data: What `load` returned.
        epochs: Integer.
        batch_size: Integer.
        learning_rate: Number, where the cosine begins.
        seed: Integer, of the order and the binarization.
        num_images: Images in an epoch, to try it; `None` is all of them.
        binarize: How the images are binarized.

    Returns:
        Dictionary: `training_minutes`, on the clock; `cpu_seconds_per_epoch`, of all
        cores together, without the first epoch; `num_parameters`.
    """
    import keras

    steps = _steps(data, batch_size, num_images)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps * epochs)
    # Over so many steps as are an epoch, or the last tenth of a short training.
    momentum = 1 - 1 / min(1000, max(2, steps * epochs // 10))
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=momentum)
    # A divisor: the last steps of an epoch would be taken from the next one.
    together = max(k for k in range(1, min(32, steps) + 1) if steps % k == 0)
    vae.compile(optimizer, steps_per_execution=together)
    batches = data.train.training_batches(
        batch_size, seed=seed, num_epochs=epochs, binarize=binarize
    )
    progress = _Progress(epochs)
    vae.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[progress.callback()],
    )
    return {
        "training_minutes": round((time.perf_counter() - progress.started) / 60, 1),
        "cpu_seconds_per_epoch": progress.cpu_seconds_per_epoch(),
        "num_parameters": vae.count_params(),
    }


def first_test_images(data, num_images, seed, binarize="dynamic"):
    """The first test images, binarized once: an array."""
    batches = data.test.batches(1000, binarize=binarize, seed=seed)
    parts, missing = [], num_images
    for x in batches.as_numpy_iterator():
        parts.append(x[:missing])
        missing -= len(parts[-1])
        if missing <= 0:
            break
    return np.concatenate(parts)


def _steps(data, batch_size, num_images):
    if num_images is None:
        return data.train.steps_per_epoch(batch_size)
    return max(1, num_images // batch_size)


class _Progress:
    """A line now and then, and the time of an epoch."""

    def __init__(self, epochs):
        self.epochs = epochs
        self.started, self.cpu = time.perf_counter(), []

    def callback(self):
        import keras

        return keras.callbacks.LambdaCallback(on_epoch_end=self._epoch)

    def _epoch(self, epoch, logs):
        self.cpu.append(time.process_time())
        if (epoch + 1) % max(1, self.epochs // 50) == 0:
            minutes = (time.perf_counter() - self.started) / 60
            numbers = ", ".join(f"{k} {v:.2f}" for k, v in sorted(logs.items()))
            print(f"epoch {epoch + 1}, {minutes:.1f} min: {numbers}", flush=True)

    def cpu_seconds_per_epoch(self):
        """From the end of the first epoch, in which graphs are made; `None` of one."""
        if len(self.cpu) < 2:
            return None
        return round((self.cpu[-1] - self.cpu[0]) / (len(self.cpu) - 1), 3)
