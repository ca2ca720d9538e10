"""The codes of a VAE as a transformer of scikit-learn."""

import math

import keras
import numpy as np
import sklearn.base
import sklearn.utils
import sklearn.utils.validation

from keras_vae.applications import rows
from keras_vae.applications.model_folder import DAMAGES, ModelFolder
from keras_vae.models import VAE, checks

FOLDER = ModelFolder("transformer", "transformer", "transformer.json")
SETTINGS = ("settings", "wraps_vae", "n_features_in", "feature_names_in")


class VAETransformer(
    sklearn.base.ClassNamePrefixFeaturesOutMixin,
    sklearn.base.TransformerMixin,
    sklearn.base.BaseEstimator,
):
    """Codes of the rows of a table, as a transformer of scikit-learn.

    ```
    transform(x)          mean of q(z|x)
    inverse_transform(z)  mean of p(x|z), in the units of the rows
    score(x)              mean ELBO, nats per row, at beta 1: higher is better
    ```

    `fit` trains a small VAE of dense layers, or takes one that is trained: then rows
    are its examples, flattened, images too. With `hidden_units=()` and the default
    likelihood it is probabilistic PCA of the standardised columns, found by gradient
    descent: the same subspace, and a `score` that reaches the log-likelihood.

    By default columns are taken for real numbers: they are standardised, so that none
    counts more for its unit, and explained by a normal distribution of one scale, that
    of maximum likelihood (`likelihood="gaussian"`: `scale="optimal"`, at least a
    hundredth of a standard deviation). A scale that is fixed would be one more setting
    to search for, and decide what is noise: with 1, that of the columns themselves, it
    is nearly everything, and codes say nothing. Columns of another kind want another
    likelihood, and are not standardised: `"bernoulli"` for numbers in [0, 1] such as
    pixels, `"poisson"` for counts, `"laplace"` (standardised too) where outliers are.

    When to use it: before a classifier where rows are many and labels few, or to have
    few coordinates that are not linear in the columns, in pipelines and grid searches.
    When not: where PCA explains the rows as well (try it first: it takes no training
    and no settings), or trees are what follows, which want the columns. It costs a
    training in each `fit`, in a grid search for each split and setting.

    Args:
        vae: `None`, or a trained `keras_vae.VAE` without conditions: it is used as it
            is, and the other arguments are not.
        latent_dim: Integer, size of the code.
        hidden_units: Tuple of integers, the hidden layers of the encoder; the decoder
            has them in reverse order. May be empty.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`. By name,
            `"gaussian"` and `"laplace"` have the scale of maximum likelihood.
        beta: Weight of the KL in training, a number or a schedule of
            `keras_vae.schedules`.
        epochs: Integer.
        batch_size: Integer.
        learning_rate: Positive number, of Adam.
        random_state: Integer, `RandomState` or `None`: of weights, order and noise.
            The same integer gives the same codes.

    Attributes:
        vae_: The trained `keras_vae.VAE`.
        n_features_in_: Integer, the columns.
        feature_names_in_: Array of their names, where they had names.

    Raises:
        ValueError: From `fit`, if an argument is out of its range, the rows are not
            finite numbers or lie outside the likelihood's support, or `vae` takes
            other rows.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> transformer = VAETransformer(latent_dim=2, epochs=2, random_state=0).fit(x)
    >>> z = transformer.transform(x)
    >>> z.shape, transformer.inverse_transform(z).shape
    ((60, 2), (60, 3))
    >>> transformer.get_feature_names_out().tolist()
    ['vaetransformer0', 'vaetransformer1']

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014); Rybkin, Daniilidis &
        Levine, "Simple and Effective VAE Training with Calibrated Decoders" (2021),
        equation 5, for the scale; Lucas et al., "Don't Blame the ELBO!" (2019),
        section 4, for the linear case.
    """

    def __init__(
        self,
        vae=None,
        *,
        latent_dim=4,
        hidden_units=(64,),
        likelihood="gaussian",
        beta=1.0,
        epochs=100,
        batch_size=64,
        learning_rate=0.003,
        random_state=None,
    ):
        self.vae = vae
        self.latent_dim = latent_dim
        self.hidden_units = hidden_units
        self.likelihood = likelihood
        self.beta = beta
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X, y=None):
        """Trains on rows, or sees that they are what the trained `vae` takes.

        Args:
            X: Array or data frame `(n, n_features)`.
            y: Not used.

        Returns:
            The transformer itself.
        """
        X = rows.validated(self, X, reset=True)
        if self.vae is not None:
            self.vae_ = _check_vae(self.vae, X.shape[1])
            self._examples(X)
            return self
        random = sklearn.utils.check_random_state(self.random_state)
        self.vae_ = rows.train_vae(
            X,
            latent_dim=self.latent_dim,
            hidden_units=self.hidden_units,
            likelihood=self.likelihood,
            beta=self.beta,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=int(random.randint(2**31 - 1)),
        )
        return self

    def transform(self, X):
        """Codes of rows: means of q(z|x), flattened.

        Args:
            X: Array or data frame `(n, n_features)`.

        Returns:
            float32 array `(n, latent_dim)`, or what `set_output` asked for.
        """
        sklearn.utils.validation.check_is_fitted(self)
        x = self._examples(rows.validated(self, X, reset=False))
        return rows.in_batches(self.vae_.codes, x).reshape(len(x), -1)

    def inverse_transform(self, X):
        """Rows of codes: means of p(x|z), in the units of the rows.

        Args:
            X: Array or data frame `(n, latent_dim)`.

        Returns:
            float32 array `(n, n_features)`.
        """
        sklearn.utils.validation.check_is_fitted(self)
        z = sklearn.utils.validation.check_array(X, dtype="float32", input_name="X")
        if z.shape[1] != self.vae_.latent_dim:
            raise ValueError(
                f"X has {z.shape[1]} features, but codes of this "
                f"{type(self).__name__} have {self.vae_.latent_dim}"
            )
        z = z.reshape(-1, *self.vae_.latent_shape)
        return rows.in_batches(self.vae_.decode, z).reshape(len(z), -1)

    def score(self, X, y=None):
        """Mean ELBO of rows, for a grid search: nats per row.

        It is always at beta 1, and its noise is the same in every call. Of standardised
        columns it is the density: settings compare on the same columns.

        Args:
            X: Array or data frame `(n, n_features)`.
            y: Not used.

        Returns:
            Float.

        Raises:
            ValueError: If the model has no ELBO, as an `Autoencoder`.
        """
        sklearn.utils.validation.check_is_fitted(self)
        x = self._examples(rows.validated(self, X, reset=False))
        return float(np.mean(self.vae_.elbo(x, rows.ROWS), dtype="float64"))

    def save(self, directory):
        """Saves the fitted transformer to a folder: its model and its settings.

        ```
        directory/
          model.keras        transformer.json
        ```

        Nothing is pickled. The folder appears whole or not at all; an earlier
        transformer there is replaced, other files in its folder stay. A `RandomState`
        is not saved: `random_state` comes back as `None`.

        Args:
            directory: Path of the folder.

        Raises:
            FileExistsError: If it holds something that is no transformer.
        """
        sklearn.utils.validation.check_is_fitted(self)
        settings = self.get_params(deep=False)
        wraps_vae = settings.pop("vae") is not None
        if isinstance(settings["random_state"], np.random.RandomState):
            settings["random_state"] = None
        names = getattr(self, "feature_names_in_", None)
        about = {
            "settings": keras.saving.serialize_keras_object(settings),
            "wraps_vae": wraps_vae,
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else names.tolist(),
        }
        FOLDER.write(directory, self.vae_, about)

    @classmethod
    def load(cls, directory):
        """Loads what `save` wrote.

        Args:
            directory: Path of the folder.

        Returns:
            The fitted `VAETransformer`.

        Raises:
            ValueError: If there is none, or a file of it is damaged or is not the one
                that was saved with the others.
        """
        vae, about, *_ = FOLDER.read(directory, SETTINGS)
        try:
            settings = keras.saving.deserialize_keras_object(about["settings"])
            settings["hidden_units"] = tuple(settings["hidden_units"])  # not JSON's
            transformer = cls(vae if about["wraps_vae"] else None, **settings)
        except DAMAGES as error:
            raise ValueError(
                f"The settings of the transformer at {directory} are damaged "
                f"({type(error).__name__}: {error})"
            ) from error
        transformer.vae_ = vae
        transformer.n_features_in_ = about["n_features_in"]
        if about["feature_names_in"] is not None:
            names = np.asarray(about["feature_names_in"], dtype=object)
            transformer.feature_names_in_ = names
        return transformer

    @property
    def _n_features_out(self):
        return self.vae_.latent_dim

    def _examples(self, X):
        """Rows as the model takes them: in its shape, and in its support."""
        x = X.reshape(-1, *self.vae_.data_shape)
        return checks.check_array("X", x, self.vae_, checks.wants_support(self.vae_))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _check_vae(vae, num_columns):
    """Returns a model that takes rows of so many values and nothing else."""
    if not isinstance(vae, VAE):
        raise ValueError(
            f"`vae` should be a trained keras_vae.VAE or None. Received: vae={vae!r}"
        )
    if vae.conditions or len(vae.input_specs) > 1:
        raise ValueError(
            "`vae` should take x alone: rows have nothing beside it. Received: a "
            f"{type(vae).__name__} that takes {', '.join(vae.input_specs)}"
        )
    if math.prod(vae.data_shape) != num_columns:
        raise ValueError(
            f"`X` should have {math.prod(vae.data_shape)} columns, the values of an "
            f"example of `vae`, {vae.data_shape}. Received: {num_columns} columns"
        )
    return vae
