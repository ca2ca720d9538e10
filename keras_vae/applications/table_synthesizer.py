"""Synthetic rows of a data frame: from pandas to pandas."""

import keras
import tensorflow as tf

from keras_vae import networks
from keras_vae.applications import table_rows
from keras_vae.applications.model_folder import DAMAGES, ModelFolder
from keras_vae.arguments import check_integer, check_number
from keras_vae.datasets import TableSchema
from keras_vae.likelihoods import Columns
from keras_vae.models import VAE

FOLDER = ModelFolder("table_synthesizer", "synthesizer", "synthesizer.json")
FEWEST_STEPS = 1500  # of training, however few the rows are


class TableSynthesizer:
    """Learns the rows of a data frame, and makes new ones.

    `fit` finds out what the columns are (`keras_vae.datasets.TableSchema`), trains a
    VAE of dense layers with a distribution for each column
    (`keras_vae.likelihoods.Columns`), and `sample` draws rows with the columns, types,
    ranges and decimals of the original, missing values among them: all of them, or
    those under conditions on columns.

    ```
    z ~ p(z),   x_j ~ p_j(x_j | z)  for each column j
    ```

    When to use it: for rows to share, to test with, to fill up rare cases with. When
    not: where it has to be proven that no row of the original can be found out from
    them: nothing here bounds that (there is no differential privacy), although rows are
    drawn from distributions and not copied. It costs a training in each `fit`.

    Args:
        latent_dim: Integer, size of the code.
        hidden_units: Tuple of integers, hidden layers of the encoder; the decoder has
            them in reverse order.
        beta: Weight of the KL in training. Below 1 rows are reconstructed more closely,
            and codes lie less where the prior draws them.
        epochs: Integer, or `None`: as many as make 1,500 steps, at least 30.
        batch_size: Integer.
        learning_rate: Positive number, of Adam; it falls to 0 over the training.
        kinds: Dictionary from names of columns to what they are, where what would be
            found is not right; see `TableSchema`.
        seed: Integer, of weights, order and noise: the same gives the same model.

    Attributes:
        vae: The trained `keras_vae.VAE`; `None` before `fit`.
        schema: The `TableSchema` of the rows.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import pandas
    >>> ages = [*range(18, 43)] * 2
    >>> frame = pandas.DataFrame({"age": ages, "sex": ["f", "m"] * 25})
    >>> synthesizer = TableSynthesizer(epochs=1, seed=0).fit(frame)
    >>> rows = synthesizer.sample(3, conditions={"sex": "f"}, seed=0)
    >>> rows["sex"].tolist(), rows["age"].between(18, 42).all().item()
    (['f', 'f', 'f'], True)

    Reference:
        Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, "Modeling Tabular data using
        Conditional GAN" (2019), section 4.4, for a VAE of tables.
    """

    def __init__(
        self,
        *,
        latent_dim=16,
        hidden_units=(256, 256),
        beta=1.0,
        epochs=None,
        batch_size=64,
        learning_rate=1e-3,
        kinds=None,
        seed=0,
    ):
        self.latent_dim = check_integer("latent_dim", latent_dim, minimum=1)
        self.hidden_units = tuple(hidden_units)
        self.beta = check_number("beta", beta, minimum=0.0)
        self.epochs = None if epochs is None else check_integer("epochs", epochs, 1)
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.learning_rate = check_number("learning_rate", learning_rate, 1e-9)
        self.kinds = dict(kinds or {})
        self.seed = check_integer("seed", seed, minimum=0)
        self.vae = None

    @property
    def schema(self):
        return table_rows.schema_of(self._fitted())

    def fit(self, frame):
        """Learns rows.

        Args:
            frame: `pandas.DataFrame`.

        Returns:
            The synthesizer itself.

        Raises:
            ValueError: If the table is empty, names are not distinct, or a column has
                no value or none that can be modelled.
        """
        schema = TableSchema.find(frame, kinds=self.kinds)
        x = schema.encode(frame)
        likelihood = Columns(schema)
        encoder, decoder = networks.dense(
            schema.data_shape,
            self.latent_dim,
            likelihood,
            hidden_units=self.hidden_units,
            seed=self.seed,
        )
        vae = VAE(
            encoder,
            decoder,
            likelihood=likelihood,
            beta=self.beta,
            seed=self.seed,
        )
        steps = -(-len(x) // self.batch_size)
        epochs = self.epochs or max(30, -(-FEWEST_STEPS // steps))
        vae.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(
                    self.learning_rate, steps * epochs
                )
            )
        )
        batches = tf.data.Dataset.from_tensor_slices(x)
        batches = batches.shuffle(len(x), seed=self.seed).batch(self.batch_size)
        vae.fit(batches, epochs=epochs, shuffle=False, verbose=0)
        self.vae = vae
        return self

    def sample(self, num_samples, conditions=None, seed=None):
        """Synthetic rows; see `sample_rows`.

        Args:
            num_samples: Integer, how many.
            conditions: Dictionary from names of columns to a value, to a pair
                `(low, high)` of numbers or dates, both included (`None`: no end), or to
                `None` for missing.
            seed: Integer; the same gives the same rows. `None`: new ones each call.

        Returns:
            `pandas.DataFrame`.

        Raises:
            ValueError: If nothing was learned, or a condition is on a column or value
                that the table has not.
        """
        return table_rows.sample_rows(
            self._fitted(), num_samples, conditions=conditions, seed=seed
        )

    def score(self, frame):
        """The ELBO of each row, a lower bound of its log-probability.

        Args:
            frame: `pandas.DataFrame` with the columns that were learned.

        Returns:
            NumPy array `(n,)`, nats.
        """
        return self._fitted().elbo(self.schema.encode(frame))

    def save(self, directory):
        """Saves what was learned to a folder: `model.keras` and `synthesizer.json`.

        Nothing is pickled; the folder appears whole or not at all.

        Args:
            directory: Path: new, empty, or that of an earlier synthesizer.

        Raises:
            FileExistsError: If it holds something else.
        """
        settings = {
            "latent_dim": self.latent_dim,
            "hidden_units": list(self.hidden_units),
            "beta": self.beta,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "kinds": self.kinds,
            "seed": self.seed,
        }
        FOLDER.write(directory, self._fitted(), {"settings": settings})

    @classmethod
    def load(cls, directory):
        """Loads what `save` wrote.

        Args:
            directory: Path of the folder.

        Returns:
            `TableSynthesizer`.

        Raises:
            ValueError: If there is none, or a file of it is damaged.
        """
        vae, about, *_ = FOLDER.read(directory, ("settings",))
        try:
            synthesizer = cls(**about["settings"])
        except DAMAGES as error:
            raise ValueError(
                f"The settings of the synthesizer at {directory} are damaged: {error}"
            ) from error
        synthesizer.vae = vae
        table_rows.schema_of(vae)
        return synthesizer

    def _fitted(self):
        if self.vae is None:
            raise ValueError(
                "The synthesizer has learned nothing yet. Mend: synthesizer.fit(frame)"
            )
        return self.vae
