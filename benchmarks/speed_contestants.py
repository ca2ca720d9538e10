"""What `speed.py` compares: the same VAE trained by this package and by its peers.

    python -m benchmarks.speed_contestants NAME TASK FOLDER

answers the questions `prepare`, `run`, `peak` and `value` that come as lines, until
they end. FOLDER has `settings.json`, `train.npy` and `test.npy`.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

DRAWS = 5000  # of the likelihood
LEARNING_RATE = 1e-3


def hidden_units(task):
    """Of the dense networks, and how many codes they have."""
    return ((200, 200), 50) if task == "likelihood" else ((512,), 16)


class _Measured:
    def __init__(self, task, settings, train, test):
        self.task, self.settings = task, settings
        self.train, self.test = train, test
        self.batch_size = settings["batch_size"]
        self.is_likelihood = task == "likelihood"


class _OfKeras(_Measured):
    """What both that use Keras share: networks with logits, and the peak."""

    def networks(self):
        import keras

        layers = keras.layers
        if self.task == "convolutional":
            return self._convolutional()
        units, latent_dim = hidden_units(self.task)
        x = hidden = keras.Input((784,))
        for width in units:
            hidden = layers.Dense(width, "relu")(hidden)
        heads = [layers.Dense(latent_dim)(hidden) for _ in range(2)]
        z = hidden = keras.Input((latent_dim,))
        for width in reversed(units):
            hidden = layers.Dense(width, "relu")(hidden)
        return keras.Model(x, heads), keras.Model(z, layers.Dense(784)(hidden))

    def _convolutional(self):
        """The networks of the example "Variational AutoEncoder" of keras.io."""
        import keras

        layers, same = keras.layers, {"strides": 2, "padding": "same"}
        x = keras.Input((28, 28, 1))
        hidden = layers.Conv2D(32, 3, activation="relu", **same)(x)
        hidden = layers.Conv2D(64, 3, activation="relu", **same)(hidden)
        hidden = layers.Dense(16, "relu")(layers.Flatten()(hidden))
        heads = [layers.Dense(2)(hidden) for _ in range(2)]
        z = keras.Input((2,))
        hidden = layers.Dense(7 * 7 * 64, "relu")(z)
        hidden = layers.Reshape((7, 7, 64))(hidden)
        hidden = layers.Conv2DTranspose(64, 3, activation="relu", **same)(hidden)
        hidden = layers.Conv2DTranspose(32, 3, activation="relu", **same)(hidden)
        logits = layers.Conv2DTranspose(1, 3, padding="same")(hidden)
        return keras.Model(x, heads), keras.Model(z, logits)

    def shaped(self, x):
        return x.reshape((-1, 28, 28, 1)) if self.task == "convolutional" else x

    def run(self):
        began = time.perf_counter()
        self.model.fit(
            self.shaped(self.train), batch_size=self.batch_size, epochs=1, verbose=0
        )
        return time.perf_counter() - began

    def peak(self):
        """Seconds of a product of matrices, the best of five."""
        import tensorflow as tf

        if not hasattr(self, "product"):
            self.matrices = tf.random.normal((2, 2048, 2048))
            self.product = tf.function(lambda a: tf.matmul(a[0], a[1])[0, 0])
        times = []
        for _ in range(5):
            began = time.perf_counter()
            self.product(self.matrices).numpy()
            times.append(time.perf_counter() - began)
        return min(times)


class OfThePackage(_OfKeras):
    def prepare(self):
        import keras

        import keras_vae

        keras.utils.set_random_seed(self.settings["seed"])
        self.model = keras_vae.VAE(*self.networks(), seed=self.settings["seed"])
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE))

    def run(self):
        if not self.is_likelihood:
            return super().run()
        from keras_vae import evaluation

        began = time.perf_counter()
        self.log_likelihood = evaluation.marginal_log_likelihood(
            self.model, self.train, num_importance_samples=DRAWS
        )
        return time.perf_counter() - began

    def value(self):
        if self.is_likelihood:
            return float(np.mean(self.log_likelihood))
        return float(self.model.score(self.shaped(self.test))["elbo"].mean())


class OfKerasAlone(_OfKeras):
    """A VAE in the manner of keras.io."""

    def prepare(self):
        import keras

        if self.is_likelihood:
            return "Keras has no likelihood of a VAE"
        keras.utils.set_random_seed(self.settings["seed"])
        self.parts = self.networks()
        self.model = _keras_io(*self.parts)
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE))
        return None

    def value(self):
        import keras_vae

        vae = keras_vae.VAE(*self.parts, seed=self.settings["seed"])
        return float(vae.score(self.shaped(self.test))["elbo"].mean())


def _keras_io(encoder, decoder):
    import keras
    import tensorflow as tf

    class Sampling(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator(0)

        def call(self, inputs):
            z_mean, z_log_var = inputs
            shape = tf.shape(z_mean)
            noise = keras.random.normal(shape, seed=self.seed_generator)
            return z_mean + tf.exp(0.5 * z_log_var) * noise

    class VAE(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder, self.sampling = encoder, decoder, Sampling()
            names = "loss", "reconstruction_loss", "kl_loss"
            self.trackers = [keras.metrics.Mean(name) for name in names]

        @property
        def metrics(self):
            return self.trackers

        def train_step(self, x):
            with tf.GradientTape() as tape:
                z_mean, z_log_var = self.encoder(x, training=True)
                logits = self.decoder(self.sampling([z_mean, z_log_var]), training=True)
                entropy = tf.nn.sigmoid_cross_entropy_with_logits(x, logits)
                axes = [*range(1, len(x.shape))]
                reconstruction = tf.reduce_mean(tf.reduce_sum(entropy, axes))
                kl = 1 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var)
                kl = tf.reduce_mean(tf.reduce_sum(-0.5 * kl, axis=1))
                loss = reconstruction + kl
            weights = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            for tracker, value in zip(
                self.trackers, (loss, reconstruction, kl), strict=True
            ):
                tracker.update_state(value)
            return {tracker.name: tracker.result() for tracker in self.trackers}

    return VAE()


class OfTorch(_Measured):
    """A loop as one writes it."""

    def networks(self):
        from torch import nn

        if self.task == "convolutional":
            encoder = nn.Sequential(
                nn.Conv2d(1, 32, 3, 2, 1),
                nn.ReLU(),
                nn.Conv2d(32, 64, 3, 2, 1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(7 * 7 * 64, 16),
                nn.ReLU(),
            )
            twice = {"stride": 2, "padding": 1, "output_padding": 1}
            decoder = nn.Sequential(
                nn.Linear(2, 7 * 7 * 64),
                nn.ReLU(),
                nn.Unflatten(1, (64, 7, 7)),
                nn.ConvTranspose2d(64, 64, 3, **twice),
                nn.ReLU(),
                nn.ConvTranspose2d(64, 32, 3, **twice),
                nn.ReLU(),
                nn.ConvTranspose2d(32, 1, 3, padding=1),
            )
            return encoder, nn.Linear(16, 2), nn.Linear(16, 2), decoder
        units, latent_dim = hidden_units(self.task)
        encoder = _dense((784, *units))
        heads = [nn.Linear(units[-1], latent_dim) for _ in range(2)]
        widths = (latent_dim, *reversed(units))
        decoder = nn.Sequential(_dense(widths), nn.Linear(widths[-1], 784))
        return encoder, *heads, decoder

    def prepare(self):
        if self.is_likelihood:
            return "a plain loop has none"
        import torch

        torch.manual_seed(self.settings["seed"])
        self.parts = torch.nn.ModuleList(self.networks())
        self.optimizer = torch.optim.Adam(self.parts.parameters(), LEARNING_RATE)
        self.x = torch.from_numpy(self.train)
        self.y = torch.from_numpy(self.test)
        if self.task == "convolutional":
            self.x, self.y = self.x.view(-1, 1, 28, 28), self.y.view(-1, 1, 28, 28)
        return None

    def loss(self, x):
        import torch
        from torch.nn import functional

        encoder, mean, log_var, decoder = self.parts
        hidden = encoder(x)
        z_mean, z_log_var = mean(hidden), log_var(hidden)
        z = z_mean + torch.exp(0.5 * z_log_var) * torch.randn_like(z_mean)
        reconstruction = functional.binary_cross_entropy_with_logits(
            decoder(z), x, reduction="sum"
        )
        kl = -0.5 * torch.sum(1 + z_log_var - z_mean**2 - z_log_var.exp())
        return (reconstruction + kl) / len(x)

    def run(self):
        import torch

        began = time.perf_counter()
        for rows in torch.randperm(len(self.x)).split(self.batch_size):
            self.optimizer.zero_grad()
            self.loss(self.x[rows]).backward()
            self.optimizer.step()
        return time.perf_counter() - began

    def value(self):
        import torch

        with torch.no_grad():
            return -float(self.loss(self.y))


def _dense(widths):
    from torch import nn

    layers = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


class OfPythae(OfTorch):
    def prepare(self):
        import tempfile

        import torch
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        torch.manual_seed(self.settings["seed"])
        encoder, mean, log_var, decoder = self.networks()

        class Encoder(BaseEncoder):
            def __init__(self):
                super().__init__()
                self.body, self.mean, self.log_var = encoder, mean, log_var

            def forward(self, x):
                hidden = self.body(x)
                return ModelOutput(
                    embedding=self.mean(hidden), log_covariance=self.log_var(hidden)
                )

        class Decoder(BaseDecoder):
            def __init__(self):
                super().__init__()
                self.body = decoder

            def forward(self, z):
                return ModelOutput(reconstruction=torch.sigmoid(self.body(z)))

        shape = (1, 28, 28) if self.task == "convolutional" else (784,)
        config = VAEConfig(
            input_dim=shape, latent_dim=mean.out_features, reconstruction_loss="bce"
        )
        self.model = VAE(config, Encoder(), Decoder())
        self.x = torch.from_numpy(self.train).view(-1, *shape)
        self.y = torch.from_numpy(self.test).view(-1, *shape)
        if self.is_likelihood:
            self._choose_batch_size()
            return
        self.trainer = BaseTrainer(
            self.model,
            BaseDataset(self.x, torch.ones(len(self.x))),
            training_config=BaseTrainerConfig(
                output_dir=tempfile.mkdtemp(),
                num_epochs=1,
                learning_rate=LEARNING_RATE,
                optimizer_cls="Adam",
                per_device_train_batch_size=self.batch_size,
                seed=self.settings["seed"],
                no_cuda=True,
            ),
            callbacks=[],
        )
        self.trainer.prepare_training()
        self.epoch = 0

    def _choose_batch_size(self):
        """The fastest for its likelihood, on two images."""

        def seconds(size):
            began = time.perf_counter()
            self.model.get_nll(self.x[:2], n_samples=DRAWS, batch_size=size)
            return time.perf_counter() - began

        self.model.eval()
        self.batch_size = min((100, 250, 500, 1000, 2500, 5000), key=seconds)

    def run(self):
        began = time.perf_counter()
        if self.is_likelihood:
            self.nll = self.model.get_nll(
                self.x, n_samples=DRAWS, batch_size=self.batch_size
            )
        else:
            self.epoch += 1
            self.trainer.train_step(self.epoch)
        return time.perf_counter() - began

    def value(self):
        if self.is_likelihood:
            return float(self.nll)
        import torch

        self.model.eval()
        with torch.no_grad():
            return -float(self.model({"data": self.y}).loss)


CONTESTANTS = {
    "keras_vae": OfThePackage,
    "keras": OfKerasAlone,
    "torch": OfTorch,
    "pythae": OfPythae,
}


def main():
    name, task, folder = sys.argv[1:]
    folder = Path(folder)
    settings = json.loads((folder / "settings.json").read_text())
    arrays = [np.load(folder / f"{part}.npy") for part in ("train", "test")]
    contestant = CONTESTANTS[name](task, settings, *arrays)
    for line in sys.stdin:
        question = line.strip()
        try:
            answer = getattr(contestant, question)()
        except ImportError as error:
            answer = f"{error.name} is not installed"
        print("answer", json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
