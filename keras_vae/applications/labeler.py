"""Labels for all the data, from the labels of a few."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from keras_vae import files, likelihoods, networks
from keras_vae.arguments import check_integer, check_number
from keras_vae.datasets import MixedBatches
from keras_vae.distributions import Normal
from keras_vae.models import SemiSupervisedVAE
from keras_vae.models.loading import load_model
from keras_vae.models.semi_supervised_vae import check_labels
from keras_vae.version import __version__

MODEL, CODES, SETTINGS = "model.keras", "codes.keras", "labeler.json"
KIND = "labeler"


class Labeler:
    """Learns classes from a few labels and all of the data: M2, or M1+M2.

    With a trained VAE, M1, the `SemiSupervisedVAE`, M2, is one of its codes, drawn anew
    from q(z|x) each time that they are used; without, one of the data themselves.

    When to use it: with some labels of each class, and many examples without. With a
    good VAE of the data, codes are the better start, and cheap. When not: where classes
    are not what makes the data differ; or with as many labels as examples.

    Args:
        vae: Trained `keras_vae.VAE` with vectors or maps for codes, or `None`.
        likelihood: Without a `vae`, p(x|y, z): name or instance of a likelihood.
        standardize: Without a `vae`, a `keras_vae.layers.Standardize`, or `None`.
        latent_dim: Integer, of M2.
        hidden_units: Tuple of integers, hidden layers of each network of M2.
        alpha: Weight of the classifier's loss; see `SemiSupervisedVAE`.
        labelled_share: Share of each batch that has labels.
        batch_size: Integer.
        epochs: Integer; an epoch is once through the examples without a label.
        learning_rate: Number, of Adam; it falls to 0 as a cosine.
        seed: Integer >= 0, of weights, batches and noise.

    Attributes:
        model: The `SemiSupervisedVAE`, after `fit`.
        label_names: Names of the classes, a list, or `None`; may be assigned.

    Raises:
        ValueError: If an argument is out of its range. From `fit`: if a class has no
            label, there is one class only, or no example is without a label.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> truth = np.arange(60) % 2
    >>> x = (rng.normal(size=(60, 3)) + 6 * truth[:, None]).astype("float32")
    >>> labels = np.where(np.arange(60) < 6, truth, -1)
    >>> labeler = Labeler(likelihood="gaussian", hidden_units=(8,), latent_dim=1,
    ...                   batch_size=20, epochs=20, learning_rate=0.01)
    >>> labeler.fit(x, labels).predict_proba(x).shape
    (60, 2)

    Reference:
        Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep
        Generative Models" (2014), sections 3.1 and 4.1.
    """

    def __init__(
        self,
        vae=None,
        *,
        likelihood="bernoulli",
        standardize=None,
        latent_dim=50,
        hidden_units=(500,),
        alpha=10.0,
        labelled_share=0.5,
        batch_size=200,
        epochs=50,
        learning_rate=1e-3,
        seed=0,
    ):
        if vae is not None and len(vae.input_specs) > 1:
            raise ValueError(
                "`vae` should take x alone. Received: a model that takes "
                f"{', '.join(vae.input_specs)}"
            )
        self.vae = vae
        self.likelihood = likelihood
        self.standardize = standardize
        self.latent_dim = check_integer("latent_dim", latent_dim, minimum=1)
        self.hidden_units = tuple(hidden_units)
        self.alpha = check_number("alpha", alpha, minimum=0.0)
        self.labelled_share = labelled_share
        self.batch_size = check_integer("batch_size", batch_size, minimum=2)
        self.epochs = check_integer("epochs", epochs, minimum=1)
        self.learning_rate = check_number("learning_rate", learning_rate, minimum=0.0)
        self.seed = check_integer("seed", seed, minimum=0)
        self.model = None
        self.label_names = None

    def fit(self, x, labels, num_classes=None, callbacks=()):
        """Trains M2.

        Args:
            x: Array `(n, *data_shape)`.
            labels: Integers `(n,)` from 0, -1 where there is no label.
            num_classes: Integer, or `None` for what the labels say.
            callbacks: Keras callbacks.

        Returns:
            The labeler itself.
        """
        x, labels = np.asarray(x), np.asarray(labels)
        if num_classes is None:
            num_classes = int(labels.max(initial=-1)) + 1
        if num_classes < 2:
            raise ValueError(
                "`labels` should be of two classes or more. Received: labels of "
                f"{num_classes}"
            )
        if labels.min() < -1 or labels.max() >= num_classes:
            raise ValueError(
                f"`labels` should be from 0 to {num_classes - 1}, or -1 where there is "
                f"none. Received: {labels.min()} to {labels.max()}"
            )
        check_labels(labels, num_classes)
        x, deviation = self._codes(x) if self.vae is not None else (x, None)
        batches = MixedBatches(
            x,
            labels,
            min(self.batch_size, len(x)),
            self.labelled_share,
            standard_deviation=deviation,
            seed=self.seed,
        )
        self.model = self._build(x, num_classes)
        steps = len(batches) * self.epochs
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        self.model.compile(keras.optimizers.Adam(schedule))
        self.model.fit(
            batches,
            epochs=self.epochs,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )
        return self

    def _build(self, x, num_classes):
        likelihood, standardize = likelihoods.get(self.likelihood), self.standardize
        if self.vae is not None:
            # Of codes of unlike spread: some latent dimensions say nothing of x.
            likelihood = likelihoods.Gaussian(scale="learned_per_output")
            standardize = None
        seen = x if standardize is None else standardize(x)
        parts = networks.dense(
            x.shape[1:],
            self.latent_dim,
            likelihood,
            hidden_units=self.hidden_units,
            data_mean=np.mean(seen, axis=0),
            condition_dim=num_classes,
            seed=self.seed,
        )
        return SemiSupervisedVAE(
            *parts,
            num_classes=num_classes,
            hidden_units=self.hidden_units,
            alpha=self.alpha,
            likelihood=likelihood,
            standardize=standardize,
            seed=self.seed,
        )

    def _codes(self, x):
        """Means and standard deviations of q(z|x), as vectors."""
        parameters = self.vae.encode(x)
        z = self.vae.codes(x).reshape(len(x), -1)
        if type(self.vae.posterior(self.vae.prepare(x[:1]))) is not Normal:
            return z, None
        log_var = np.clip(parameters[1], -30, 20).reshape(z.shape)
        return z, np.exp(log_var / 2)

    def predict_proba(self, x, batch_size=512):
        """Probabilities of the classes: of x, or of the mean of its codes.

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time.

        Returns:
            float32 array `(n, num_classes)`.
        """
        return self._fitted().predict_proba(self._seen(x, batch_size), batch_size)

    def predict_labels(self, x, batch_size=512):
        """The most probable classes.

        Args:
            x: As of `predict_proba`.
            batch_size: Examples computed at a time.

        Returns:
            Integers `(n,)`.
        """
        return self.predict_proba(x, batch_size).argmax(axis=-1)

    def analogies(self, x, labels=None):
        """Examples with the style of x, of every class.

        ```
        z = E q(z|x, y),     x_k = E p(x|z, y = k)
        ```

        Args:
            x: Array `(n, *data_shape)`.
            labels: Integers `(n,)`, or `None` for those that it predicts.

        Returns:
            Array `(n, num_classes, *data_shape)`.
        """
        model, seen = self._fitted(), self._seen(x)
        if labels is None:
            labels = np.full(len(seen), -1)
        found = model.analogies({"x": seen, "condition": labels})
        n, k = found.shape[:2]
        return self._data(found.reshape(n * k, *found.shape[2:])).reshape(
            n, k, *np.shape(x)[1:]
        )

    def sample(self, num_samples, label, seed=0):
        """New examples of a class.

        Args:
            num_samples: Integer.
            label: Integer, or an array `(num_samples,)` of them.
            seed: Integer.

        Returns:
            Array `(num_samples, *data_shape)`.
        """
        # Of codes a draw, which has a code's spread: the mean of many is no code.
        drawn = self._fitted().sample(
            num_samples, seed, draws=self.vae is not None, condition=label
        )
        return self._data(drawn)

    def _seen(self, x, batch_size=512):
        if self.vae is None:
            return x
        z = self.vae.codes(x, batch_size)
        return z.reshape(len(z), -1)

    def _data(self, decoded):
        """Data of what M2 makes: of codes, what M1 decodes them to."""
        if self.vae is None:
            return decoded
        return self.vae.decode(decoded.reshape(-1, *self.vae.latent_shape))

    def _fitted(self):
        if self.model is None:
            raise ValueError("The labeler is not trained yet: call fit(x, labels)")
        return self.model

    def save(self, directory):
        """Writes a folder: the models and what is known of them, nothing pickled.

        Args:
            directory: Path of a folder that is new, or an earlier labeler's.
        """
        model, directory = self._fitted(), Path(directory)
        if directory.exists() and any(directory.iterdir()) and not _is_ours(directory):
            raise FileExistsError(
                "`directory` should be new, empty, or that of an earlier labeler. "
                f"Received: {str(directory)!r}, which holds something else"
            )
        with files.staged(directory.absolute(), replace=True) as staging:
            model.save(staging / MODEL)
            if self.vae is not None:
                self.vae.save(staging / CODES)
            names = [MODEL] + ([CODES] if self.vae is not None else [])
            about = {
                "keras_vae": __version__,
                "kind": KIND,
                "label_names": self.label_names,
                "sha256": {name: _digest(staging / name) for name in names},
            }
            files.write_json(staging / SETTINGS, about)

    @classmethod
    def load(cls, directory):
        """What `save` wrote.

        Args:
            directory: Path of the folder.

        Returns:
            `Labeler`, to predict with.

        Raises:
            ValueError: If it is none, or damaged.
        """
        directory = Path(directory)
        if not _is_ours(directory):
            raise ValueError(
                f"{directory} is no labeler: it has no readable {SETTINGS}."
            )
        about = json.loads((directory / SETTINGS).read_text())
        models = {}
        for name, digest in about["sha256"].items():
            path = directory / name
            if not path.is_file() or _digest(path) != digest:
                raise ValueError(
                    f"{path} is not the file that was saved with {SETTINGS}: it is "
                    "damaged, or of another labeler."
                )
            models[name] = load_model(path)
        labeler = cls(models.get(CODES))
        labeler.model, labeler.label_names = models[MODEL], about["label_names"]
        return labeler


def _is_ours(directory):
    try:
        about = json.loads((directory / SETTINGS).read_text())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("kind") == KIND


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
