"""Anomaly detection as an estimator of scikit-learn."""

import numpy as np
import sklearn.base
import sklearn.utils
import sklearn.utils.validation

from keras_vae.applications import rows
from keras_vae.applications.anomaly_detector import AnomalyDetector
from keras_vae.applications.conformal import check_level, smallest_calibration_set
from keras_vae.arguments import check_number


class VAEOutlierDetector(sklearn.base.OutlierMixin, sklearn.base.BaseEstimator):
    """Anomaly detection on a table, as an outlier detector of scikit-learn.

    ```
    score_samples(x)      -score(x): lower is more abnormal
    decision_function(x)  score_samples(x) - offset_
    predict(x)            -1 where it is negative: x is an outlier; 1 elsewhere
    ```

    `fit` holds `calibration_fraction` of the rows out, trains a small VAE on the others
    (columns standardised, Gaussian likelihood) and calibrates an `AnomalyDetector` with
    what was held out: of normal rows at most a share `level` is an outlier. Rows should
    be normal ones; a few anomalies among them make the threshold higher, not lower.

    When to use it: in scikit-learn's pipelines, grid searches and comparisons. For
    images, another network or an export, use `AnomalyDetector`, which is `detector_`.

    Args:
        vae: `None`, or a trained `keras_vae.VAE` of rows `(n_features,)`: it is used as
            it is, and all rows calibrate it.
        anomaly_score: Name of the score; see `AnomalyDetector`.
        level: The share of normal rows that may be an outlier, between 0 and 1.
        latent_dim: Integer, size of the code.
        hidden_units: Tuple of integers, the hidden layers of the encoder.
        epochs: Integer.
        batch_size: Integer.
        learning_rate: Positive number, of Adam.
        calibration_fraction: Share of the rows that calibrate, between 0 and 1.
        random_state: Integer, `RandomState` or `None`: of the split, the weights and
            the noise. The same integer gives the same estimator.

    Attributes:
        detector_: The calibrated `AnomalyDetector`.
        offset_: Float, `-detector_.threshold`.
        n_features_in_: Integer, the columns.
        feature_names_in_: Array of their names, where they had names.

    Raises:
        ValueError: From `fit`, if an argument is out of its range, the rows are not
            finite numbers, or there are too few for anything to be flagged.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> estimator = VAEOutlierDetector(epochs=2, level=0.1, random_state=0).fit(x)
    >>> estimator.predict([[0.0, 0.0, 0.0], [30.0, -30.0, 30.0]]).tolist()
    [1, -1]

    Reference:
        https://scikit-learn.org/stable/modules/outlier_detection.html; for the score
        and its threshold see `AnomalyDetector`.
    """

    def __init__(
        self,
        vae=None,
        *,
        anomaly_score="squared_error",
        level=0.05,
        latent_dim=4,
        hidden_units=(64,),
        epochs=100,
        batch_size=64,
        learning_rate=0.003,
        calibration_fraction=0.3,
        random_state=None,
    ):
        self.vae = vae
        self.anomaly_score = anomaly_score
        self.level = level
        self.latent_dim = latent_dim
        self.hidden_units = hidden_units
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(self, X, y=None):
        """Trains on rows, and calibrates with some that were held out.

        Args:
            X: Array or data frame `(n, n_features)`.
            y: Not used.

        Returns:
            The estimator itself.
        """
        level = check_level(self.level)
        X = rows.validated(self, X, reset=True)
        random = sklearn.utils.check_random_state(self.random_state)
        if self.vae is None:
            order = random.permutation(len(X))
            held_out = order[: self._num_calibration(len(X), level)]
            seed = int(random.randint(2**31 - 1))
            vae = self._train(X[np.setdiff1d(order, held_out)], seed)
            X = X[held_out]
        else:
            vae = self.vae
        self.detector_ = AnomalyDetector(vae, self.anomaly_score, level=level)
        self.detector_.calibrate_scores(self._scores(X))
        self.offset_ = -self.detector_.threshold
        return self

    def score_samples(self, X):
        """Minus the anomaly score of rows X, float64 `(n,)`: lower is more abnormal."""
        sklearn.utils.validation.check_is_fitted(self)
        return -self._scores(rows.validated(self, X, reset=False)).astype("float64")

    def decision_function(self, X):
        """`score_samples(X) - offset_`, float64 `(n,)`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """-1 for outliers among the rows X and 1 for the others, integers `(n,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X):
        """How often a normal row has a score as high as that of rows X, `(n,)`."""
        return self.detector_.judge(-self.score_samples(X)).p_value

    def _num_calibration(self, num_rows, level):
        fraction = check_number("calibration_fraction", self.calibration_fraction)
        if not 0 < fraction < 1:
            raise ValueError(
                "`calibration_fraction` should lie between 0 and 1. Received: "
                f"calibration_fraction={fraction}"
            )
        number = min(max(1, round(fraction * num_rows)), num_rows - 1)
        needed = smallest_calibration_set(level)
        if number < needed:
            raise ValueError(
                f"`X` should hold more rows: {number} of {num_rows} would calibrate, "
                f"and it takes {needed} for anything to be an outlier at "
                f"level={level:g}. Mend: more rows, a larger calibration_fraction, or "
                f"level={1 / (number + 1) + 5e-4:.3f}"
            )
        return number

    def _train(self, x, seed):
        return rows.train_vae(
            x,
            latent_dim=self.latent_dim,
            hidden_units=self.hidden_units,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
        )

    def _scores(self, x):
        draws = max(1, self.detector_.num_samples)
        return rows.in_batches(
            lambda x, items: self.detector_.score(x, items * draws), x
        )
