"""Anomalies: which items a trained VAE does not expect, at a stated error rate."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import noise, plots
from keras_vae.applications import conformal, detector_files
from keras_vae.applications.scores import SCORES, reconstruction_of, target_of
from keras_vae.arguments import check_integer
from keras_vae.models import checks
from keras_vae.models.float32 import float32_copy
from keras_vae.models.inference import concatenate, num_rows


class Detection(NamedTuple):
    """What `AnomalyDetector.detect` says of items.

    Attributes:
        score: float32 array `(n,)`; higher is more anomalous.
        p_value: float64 array `(n,)`; see `conformal_p_values`.
        is_anomaly: Boolean array `(n,)`.
    """

    score: np.ndarray
    p_value: np.ndarray
    is_anomaly: np.ndarray


class Explanation(NamedTuple):
    """What `AnomalyDetector.explain` says of items.

    Attributes:
        reconstruction: float32 array `(n, *data_shape)`: what the model would have
            expected instead, in the data's units.
        error: float32 array `(n, *data_shape)`: the squared difference of each value,
            in the units of the model: of standardised columns where it standardises.
    """

    reconstruction: np.ndarray
    error: np.ndarray


class AnomalyDetector:
    """Finds the items that a trained VAE does not expect, at a stated error rate.

    ```
    score(x)       how anomalous x is: higher is more
    p_value(x)     (1 + #{calibration scores >= score(x)}) / (n + 1)
    is_anomaly(x)  p_value(x) <= level
    ```

    The VAE is trained on normal items. `calibrate` scores others, normal too and kept
    from training. From then on at most a share `level` of normal items is flagged, on
    average, whatever the model and the score are worth: these decide how many of the
    anomalies are found.

    | score | formula | draws |
    |---|---|---|
    | `squared_error` | `sum_i (x_i - reconstruction_i)^2` | |
    | `relative_error` | `squared_error / sqrt(sum_i x_i^2)` | |
    | `reconstruction_loss` | `-E_q[log p(x\\|z)]` | 16 |
    | `negative_elbo` | `-E_q[log p(x\\|z)] + KL(q(z\\|x) \\|\\| p(z))` | 16 |
    | `importance_weighted` | `-log mean_k p(x\\|z_k) p(z_k) / q(z_k\\|x)` | 100 |
    | `reconstruction_probability` | `-log mean_k p(x\\|z_k)` | 16 |
    | `likelihood_regret` | `max_q elbo(x; q) - elbo(x)` | 8 |
    | `kl` | `KL(q(z\\|x) \\|\\| p(z))` | 16 |

    `reconstruction` is the mean of p(x|z) at the posterior's mean. Where the model
    standardises its data, errors are of standardised values. Draws are the same for
    every item: an item has one score, wherever it stands and whatever is beside it.

    `squared_error` is the default: it draws nothing, every member of the family has it,
    and `explain` says of which values it is made. It is not the best everywhere: on a
    table of few columns the `kl` may rank higher, and on images with a dark ground
    `relative_error`, as few bright pixels have little to be wrong about.
    `benchmarks/anomaly.py` measures all of them.

    When to use it: there are many normal items and few or no examples of what is wrong.
    Where there are labelled anomalies enough, a classifier finds more of that kind. An
    anomaly that a model of normal items explains as well as those is not found: keep
    the code small, and look at `explain`. Costs one pass of encoder and decoder for an
    item, `num_samples` of the decoder for the scores that draw, and some 100 passes
    forth and back with each draw for `likelihood_regret`.

    Args:
        vae: A trained `keras_vae.VAE`, used in float32 whatever it was trained in.
        score: Name of the score.
        level: The share of normal items that may be flagged, between 0 and 1.
        num_samples: Integer, draws of z for each item, or `None` for the table's.
        seed: Integer, of the draws.

    Attributes:
        vae, score_name, num_samples, seed: As given.
        calibration: float32 array `(n,)` of calibration scores in order, or `None`.
        normal_labels: Names of the labels that are normal, for whoever looks at the
            detector later, or `None`; may be assigned.

    `level` may be assigned at any time.

    Raises:
        ValueError: If an argument is out of its range, or the model has not what the
            score is made of.

    Example:

    >>> import keras_vae
    >>> x = np.random.default_rng(0).uniform(size=(120, 4)).astype("float32")
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder, seed=0)
    >>> vae.compile("adam")
    >>> history = vae.fit(x[:80], verbose=0)
    >>> detector = AnomalyDetector(vae, level=0.05).calibrate(x[80:])
    >>> found = detector.detect(np.array([[0.5] * 4, [9.0] * 4], "float32"))
    >>> found.is_anomaly.tolist()
    [False, True]

    Reference:
        An & Cho, "Variational Autoencoder based Anomaly Detection using Reconstruction
        Probability" (2015), algorithm 4; Xiao, Yan & Amit, "Likelihood Regret" (2020),
        equation 6; Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders"
        (2016), equation 8; for p-values see `conformal_p_values`.
    """

    def __init__(
        self, vae, score="squared_error", *, level=0.05, num_samples=None, seed=0
    ):
        kind = SCORES[checks.check_one_of("score", score, tuple(SCORES))]
        self.score_name = score
        self.num_samples = _check_num_samples(num_samples, score, kind)
        if kind.needs_elbo:
            checks.check_density(vae)
        if score == "likelihood_regret":
            checks.check_normal(vae, _posterior_of_zeros(vae))
        self.vae = float32_copy(vae)
        self.seed = checks.check_seed(seed)
        self.calibration = None
        self.normal_labels = None
        self._steps = None
        self._trained_steps = None
        self._trained_by = vae
        self.level = level

    @property
    def level(self):
        """The share of normal items that may be flagged."""
        return self._level

    @level.setter
    def level(self, level):
        level = conformal.check_level(level)
        if self.calibration is not None:
            check_calibration_size(len(self.calibration), level)
        self._level = level

    def calibrate(self, x, batch_size=512, *, on_progress=None):
        """Takes the scores of normal items for what is normal.

        Args:
            x: Data, as `vae.encode` takes them: normal items that the model was not
                trained on, at least `1 / level - 1` of them.
            batch_size: Rows that go through the decoder at a time.
            on_progress: Function that is called with the number of items done so far,
                or `None`.

        Returns:
            The detector itself.

        Raises:
            ValueError: If there are too few items for anything ever to be flagged, or
                one is not what the model takes.
        """
        scores = self._scores(x, batch_size, on_progress, support=True)
        return self.calibrate_scores(scores)

    def calibrate_scores(self, scores):
        """`calibrate` with scores at hand: float array `(n,)`, finite."""
        scores = np.asarray(scores, "float32")
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise ValueError(
                "`scores` should be finite, an array of shape (n,): those of normal "
                f"items. Received: shape {scores.shape}, "
                f"{np.sum(~np.isfinite(scores))} not finite"
            )
        check_calibration_size(len(scores), self.level)
        self.calibration = np.sort(scores)
        self._steps = conformal.upper_steps(scores)
        self._trained_steps = int(self._trained_by.step)
        return self

    @property
    def unit(self):
        """String: what the score is measured in."""
        return SCORES[self.score_name].unit

    @property
    def metadata(self):
        """Dictionary of what an exported file says of the detector, for JSON."""
        about = {
            "score": self.score_name,
            "unit": self.unit,
            "level": self.level,
            "threshold": self.threshold,
            "num_calibration": len(self.steps),
            "normal_labels": self.normal_labels,
        }
        return {"anomaly_detector": about}

    @property
    def steps(self):
        """float32 array `(n,)` in order: `p_value` falls by 1 / (n + 1) above each."""
        if self._steps is None:
            raise ValueError(
                "The detector should be calibrated with normal items that the model "
                "was not trained on. Mend: detector.calibrate(x_normal)"
            )
        if int(self._trained_by.step) != self._trained_steps:
            raise ValueError(
                "The model was trained on after the detector was calibrated: what its "
                "scores mean is no longer known. Mend: detector.calibrate(x_normal), "
                "and AnomalyDetector(vae, ...) before that for a model of mixed "
                "precision"
            )
        return self._steps

    @property
    def num_allowed(self):
        """Integer: an item is flagged if p is at most so many (n + 1)-ths."""
        return conformal.num_allowed(self.level, len(self.steps))

    @property
    def threshold(self):
        """Float: the items with a score above it are flagged."""
        return float(self.steps[-self.num_allowed])

    def score(self, x, batch_size=512, *, on_progress=None):
        """How anomalous items are.

        Args:
            x: Data, as `vae.encode` takes them.
            batch_size: Rows that go through the decoder at a time; an item with 16
                draws is 16 of them. It does not change the scores but for the last
                bits.
            on_progress: Function that is called with the number of items done so far,
                or `None`.

        Returns:
            float32 array `(n,)`, higher is more anomalous; infinite for what the
            likelihood cannot produce, where the score is made of probabilities.

        Raises:
            ValueError: If the data have another shape or are not finite.
        """
        return self._scores(x, batch_size, on_progress, support=False)

    def p_values(self, x, batch_size=512):
        """How often a normal item has a score at least as high; see `detect`.

        Args:
            x: Data, as `vae.encode` takes them.
            batch_size: As for `score`.

        Returns:
            float64 array `(n,)`.
        """
        return self.detect(x, batch_size).p_value

    def detect(self, x, batch_size=512, *, false_discovery_rate=None, on_progress=None):
        """Which items are anomalies.

        Args:
            x: Data, as `vae.encode` takes them.
            batch_size: As for `score`.
            false_discovery_rate: `None`: each item is judged by itself, by `level`. A
                number between 0 and 1: all items are judged together, so that on
                average at most that share of what is flagged is normal
                (`benjamini_hochberg`).
            on_progress: As for `score`.

        Returns:
            `Detection`.

        Raises:
            ValueError: If the detector is not calibrated, the data have another shape
                or are not finite, or the rate is not between 0 and 1.
        """
        scores = self.score(x, batch_size, on_progress=on_progress)
        return self.judge(scores, false_discovery_rate=false_discovery_rate)

    def judge(self, scores, *, false_discovery_rate=None):
        """`detect` with scores at hand.

        Args:
            scores: float32 array `(n,)`, what `score` returned.
            false_discovery_rate: As for `detect`.

        Returns:
            `Detection`.
        """
        scores = np.asarray(scores, "float32")
        at_least = len(self.steps) - np.searchsorted(self.steps, scores)
        p_values = (1 + at_least) / (len(self.steps) + 1)
        if false_discovery_rate is None:
            flagged = 1 + at_least <= self.num_allowed
        else:
            flagged = conformal.benjamini_hochberg(p_values, false_discovery_rate)
        return Detection(scores, p_values, flagged)

    def explain(self, x, batch_size=512):
        """Why items are anomalous: where they differ from what the model expects.

        ```
        error_i = (x_i - reconstruction_i)^2,     squared_error = sum_i error_i
        ```

        The same whatever the score: the other scores weigh these differences, or add
        how unusual the code is, which no single value is to blame for.

        Args:
            x: Data, as `vae.encode` takes them.
            batch_size: Items computed at a time.

        Returns:
            `Explanation`.
        """
        function = self.vae.graph(_explain, self.vae.input_spec_structure)
        batches = checks.batches_of("x", x, self.vae, batch_size)
        return Explanation(*concatenate(function(batch) for batch in batches))

    def figure(self, x, num_items=8, feature_names=None, batch_size=512):
        """Draws the most anomalous items beside what the model expects, and why.

        Args:
            x: Array `(n, *data_shape)`, or a dictionary of arrays for a model with
                conditions.
            num_items: Integer, how many to draw, the most anomalous first.
            feature_names: Names of the columns of data that are no images.
            batch_size: As for `score`.

        Returns:
            Figure of `keras_vae.plots.anomalies`; an item is called by its row in x.
        """
        found = self.detect(x, batch_size)
        rows = np.argsort(-found.score, kind="stable")[:num_items]
        items = tf.nest.map_structure(lambda array: np.asarray(array)[rows], x)
        why = self.explain(items)
        return plots.anomalies(
            items["x"] if isinstance(items, dict) else items,
            why.reconstruction,
            why.error,
            found.p_value[rows],
            found.is_anomaly[rows],
            feature_names,
            labels=[f"{row:,}" for row in rows],
        )

    def save(self, directory):
        """Saves the detector to a folder: model, settings and calibration scores.

        ```
        directory/
          model.keras        detector.json        calibration.npz
        ```

        Nothing is pickled. The folder appears whole or not at all; an earlier detector
        there is replaced, other files in its folder stay.

        Args:
            directory: Path of the folder.

        Raises:
            FileExistsError: If it holds something that is not a detector.
            ValueError: If the detector is not calibrated.
        """
        detector_files.save(self, directory)

    @classmethod
    def load(cls, directory):
        """Loads what `save` wrote.

        Args:
            directory: Path of the folder.

        Returns:
            The `AnomalyDetector`.

        Raises:
            ValueError: If there is none, or a file of it is damaged or is not the one
                that was saved with the others.
        """
        model, settings, normal, calibration = detector_files.read(directory)
        detector = cls(model, **settings).calibrate_scores(calibration)
        detector.normal_labels = normal
        return detector

    @functools.cached_property
    def draws(self):
        """float32 array `(num_samples, 1, *latent_shape)`: the noise of every item."""
        with tf.init_scope():  # a constant, in a graph too
            seeds = noise.example_seeds(self.seed, 0, 1)
            size = max(1, self.num_samples)
            return noise.draws(seeds, size, self.vae.latent_shape).numpy()

    def score_tensor(self, inputs):
        """The score of a batch as a tensor, inside a graph.

        Args:
            inputs: A batch as `vae.prepare` takes it.

        Returns:
            float32 tensor `(batch,)`.
        """
        inputs = self.vae.prepare(inputs)
        size = tf.shape(target_of(inputs))[0]
        ones = [1] * len(self.vae.latent_shape)
        draws = tf.tile(tf.constant(self.draws), tf.stack([1, size, *ones]))
        score = SCORES[self.score_name].function(self.vae, inputs, draws)
        return tf.ensure_shape(score, (None,))

    @functools.cached_property
    def _graph(self):
        specs = [self.vae.input_spec_structure]
        function = tf.function(self.score_tensor, input_signature=specs)
        return function.get_concrete_function()

    def __getstate__(self):
        # scikit-learn copies and pickles its estimators. A graph is made again.
        return {name: v for name, v in self.__dict__.items() if name != "_graph"}

    def _scores(self, x, batch_size, on_progress, support):
        check_integer("batch_size", batch_size, minimum=1)
        at_a_time = max(1, batch_size // max(1, self.num_samples))
        support = support and checks.wants_support(self.vae)
        parts, done = [], 0
        for batch in checks.batches_of("x", x, self.vae, at_a_time, support=support):
            # A batch of an iterable is as large as it is.
            for start in range(0, num_rows(batch), at_a_time):
                stop = start + at_a_time
                part = tf.nest.map_structure(lambda a, s=start, e=stop: a[s:e], batch)
                parts.append(self._graph(part).numpy())
                done += len(parts[-1])
            if on_progress is not None:
                on_progress(done)
        return np.concatenate(parts)


def _explain(vae, inputs):
    inputs = vae.prepare(inputs)
    reconstruction = reconstruction_of(vae, inputs)
    error = vae.likelihood.squared_errors(target_of(inputs), reconstruction)
    if vae.standardize is not None:
        reconstruction = vae.standardize.inverse(reconstruction)
    return reconstruction, error


def check_calibration_size(num_calibration, level):
    """Raises unless something can be flagged at a level."""
    needed = conformal.smallest_calibration_set(level)
    if num_calibration < needed:
        raise ValueError(
            f"`x` should hold at least {needed} normal items for level={level:g}: no "
            f"p-value is below 1 / (n + 1), and with {num_calibration} nothing could "
            "ever be flagged. Mend: more items, or "
            f"level={1 / (num_calibration + 1) + 5e-4:.3f}"
        )


def _check_num_samples(num_samples, score, kind):
    if num_samples is None:
        return kind.num_samples
    num_samples = check_integer("num_samples", num_samples, minimum=1)
    if not kind.num_samples:
        raise ValueError(
            f"`num_samples` has no effect with score={score!r}, which draws nothing. "
            f"Received: num_samples={num_samples}. Mend: leave it out"
        )
    return num_samples


def _posterior_of_zeros(vae):
    zeros = {
        name: tf.zeros((1, *spec.shape[1:]), spec.dtype)
        for name, spec in vae.input_specs.items()
    }
    return vae.posterior(vae.prepare(zeros if len(zeros) > 1 else zeros["x"]))
