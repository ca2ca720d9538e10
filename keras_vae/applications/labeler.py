"""Labels for all the data, from the labels of a few."""

import keras
import numpy as np

from keras_vae import likelihoods, networks
from keras_vae.applications.model_folder import DAMAGES, ModelFolder
from keras_vae.arguments import check_integer, check_integers, check_number
from keras_vae.datasets import MixedBatches
from keras_vae.distributions import LOG_VAR_RANGE, Normal
from keras_vae.evaluation import active_units
from keras_vae.models import VAE, SemiSupervisedVAE, checks
from keras_vae.models.semi_supervised_vae import check_labels

FOLDER = ModelFolder("labeler", "labeler", "labeler.json", second="codes.keras")
ARGUMENTS = (
    "likelihood",
    "standardize",
    "latent_dim",
    "hidden_units",
    "alpha",
    "labelled_share",
    "batch_size",
    "epochs",
    "learning_rate",
    "seed",
    "jit_compile",
)


class Labeler:
    """Learns classes from a few labels and all of the data: M2, or M1+M2.

    With a trained VAE, M1, the `SemiSupervisedVAE`, M2, is one of its codes, drawn anew
    from q(z|x) each time that they are used, in the dimensions that say something of x
    (`evaluation.active_units`); without, one of the data themselves.

    When to use it: with some labels of each class, and many examples without; on the
    codes of a good VAE, if there is one (with 100 labels of MNIST the paper reports an
    error of 3.33 % there, and 11.97 % on the data themselves). When not: where classes
    are not what makes the data differ; or with as many labels as examples.

    Args:
        vae: Trained `keras_vae.VAE` with vectors or maps for codes, or `None`.
        likelihood: Without a `vae`, p(x|y, z): name or instance of a likelihood.
        standardize: Without a `vae`, a `keras_vae.layers.Standardize`, or `None`.
        latent_dim: Integer, of M2.
        hidden_units: Tuple of integers, hidden layers of each network of M2.
        alpha: Weight of the classifier's loss; see `SemiSupervisedVAE`. The defaults of
            this and of `labelled_share` are for some thousand examples, which make few
            steps; of many, a small share with the paper's weight wastes less on the
            labels: `benchmarks/few_labels.py` takes 0.05 and 2.
        labelled_share: Share of each batch that has labels.
        batch_size: Integer.
        epochs: Integer; an epoch is once through the examples without a label.
        learning_rate: Number, of Adam; it falls to 0 as a cosine.
        seed: Integer >= 0, of weights, batches and noise.
        jit_compile: Whether M2 is trained by XLA, which has to be compiled: for long
            trainings.

    Attributes:
        model: The `SemiSupervisedVAE`, after `fit`.
        active: Booleans `(latent_dim,)`, the dimensions of the codes that M2 is of; of
            data `None`, as the next.
        code_means: float32 array `(latent_dim,)`; the other dimensions are decoded at
            these.
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
    ...                   batch_size=20, epochs=2)
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
        jit_compile=False,
    ):
        if vae is not None and not isinstance(vae, VAE):
            raise ValueError(
                "`vae` should be a trained keras_vae.VAE or None. Received: "
                f"vae={vae!r}"
            )
        if vae is not None and len(vae.input_specs) > 1:
            raise ValueError(
                "`vae` should take x alone: new examples have nothing beside it. "
                f"Received: a {type(vae).__name__} that takes "
                f"{', '.join(vae.input_specs)}"
            )
        self.vae = vae
        self.likelihood = likelihood
        self.standardize = standardize
        self.latent_dim = check_integer("latent_dim", latent_dim, minimum=1)
        self.hidden_units = check_integers("hidden_units", hidden_units)
        self.alpha = check_number("alpha", alpha, minimum=0.0)
        self.labelled_share = labelled_share
        self.batch_size = check_integer("batch_size", batch_size, minimum=2)
        self.epochs = check_integer("epochs", epochs, minimum=1)
        self.learning_rate = check_number("learning_rate", learning_rate, minimum=0.0)
        self.seed = check_integer("seed", seed, minimum=0)
        self.jit_compile = jit_compile
        self.model = self.active = self.code_means = None
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
        num_classes = _check_classes(labels, num_classes)
        x, deviation = self._codes(x) if self.vae is not None else (x, None)
        batches = MixedBatches(
            checks.as_floats(x),
            labels,
            min(self.batch_size, len(x)),
            self.labelled_share,
            standard_deviation=deviation,
            seed=self.seed,
        )
        self.model = self._build(x, num_classes)
        steps = len(batches) * self.epochs
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        optimizer = keras.optimizers.Adam(schedule)
        self.model.compile(optimizer, jit_compile=self.jit_compile)
        self.model.fit(
            batches,
            epochs=self.epochs,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )
        return self

    def _build(self, x, num_classes):
        """M2 of these data, or of these codes."""
        if self.vae is None:
            # Of its own: training changes the state of a likelihood.
            given = likelihoods.get(self.likelihood)
            likelihood = likelihoods.get(keras.saving.serialize_keras_object(given))
            standardize = self.standardize
        else:
            # Of codes of unlike spread: some latent dimensions say nothing of x.
            likelihood = likelihoods.Gaussian(scale="learned_per_output")
            standardize = None
        seen = x if standardize is None else np.asarray(standardize(x))
        checks.check_finite("x", seen)
        message = likelihoods.misfit(likelihood, seen)
        if message is not None:
            raise ValueError(message)
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
        """Means and standard deviations of q(z|x) in the dimensions that M2 is of."""
        parameters = self.vae.encode(x)
        z = self.vae.codes(x).reshape(len(x), -1)
        self.code_means, self.active = z.mean(axis=0), np.full(z.shape[1], True)
        if type(self.vae.posterior(self.vae.prepare(x[:1]))) is not Normal:
            return z, None
        # The others are noise, and say nothing of x: nor of its class.
        active = active_units(z)
        self.active = active if active.any() else self.active
        log_var = np.clip(parameters[1], *LOG_VAR_RANGE).reshape(z.shape)
        return z[:, self.active], np.exp(log_var / 2)[:, self.active]

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
        return z.reshape(len(z), -1)[:, self.active]

    def _data(self, decoded):
        """Data of what M2 makes: of codes, what M1 decodes them to."""
        if self.vae is None:
            return decoded
        z = np.tile(self.code_means, (len(decoded), 1))
        z[:, self.active] = decoded
        return self.vae.decode(z.reshape(-1, *self.vae.latent_shape))

    def _fitted(self):
        if self.model is None:
            raise ValueError("The labeler is not trained yet: call fit(x, labels)")
        return self.model

    def save(self, directory):
        """Saves the trained labeler to a folder: its models and its settings.

        ```
        directory/
          model.keras        labeler.json        codes.keras: the `vae`, if there is one
        ```

        Nothing is pickled. The folder appears whole or not at all; an earlier labeler
        there is replaced, other files in its folder stay.

        Args:
            directory: Path of the folder.

        Raises:
            FileExistsError: If it holds something that is no labeler.
        """
        settings = {name: getattr(self, name) for name in ARGUMENTS}
        model = self._fitted()
        about = {
            "settings": keras.saving.serialize_keras_object(settings),
            "label_names": self.label_names,
            "active": None,
            "code_means": None,
        }
        if self.vae is not None:
            about["active"] = self.active.tolist()
            about["code_means"] = self.code_means.tolist()
        FOLDER.write(directory, model, about, second=self.vae)

    @classmethod
    def load(cls, directory):
        """Loads what `save` wrote.

        Args:
            directory: Path of the folder.

        Returns:
            The trained `Labeler`.

        Raises:
            ValueError: If there is none, or a file of it is damaged or is not the one
                that was saved with the others.
        """
        names = ("settings", "label_names", "active", "code_means")
        model, about, _, vae = FOLDER.read(directory, names)
        try:
            settings = keras.saving.deserialize_keras_object(about["settings"])
            labeler = cls(vae, **settings)
        except DAMAGES as error:
            raise ValueError(
                f"The settings of the labeler at {directory} are damaged "
                f"({type(error).__name__}: {error})"
            ) from error
        labeler.model, labeler.label_names = model, about["label_names"]
        if vae is not None:
            labeler.active = np.asarray(about["active"], bool)
            labeler.code_means = np.asarray(about["code_means"], "float32")
        return labeler


def _check_classes(labels, num_classes):
    """The number of classes: as given, or as many as the labels say."""
    if labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` should be integers from 0, -1 where there is none. Received: "
            f"dtype {labels.dtype}"
        )
    if num_classes is None:
        num_classes = int(labels.max(initial=-1)) + 1
    if num_classes < 2:
        raise ValueError(
            "`labels` should be of two classes or more. Received: labels of "
            f"{num_classes}"
        )
    check_labels(labels, num_classes)
    return num_classes
