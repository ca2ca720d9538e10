"""An anomaly detector as a third exported model, `scorer`."""

import numpy as np
import tensorflow as tf

from keras_vae.applications.anomaly_detector import AnomalyDetector
from keras_vae.applications.scores import EXPORTABLE, SCORES
from keras_vae.export.endpoints import (
    Endpoint,
    by_name,
    exported_models,
    with_images,
)

# Examples to compare with have scores at least as far, relatively, from where the
# p-value falls: there the last bits of a score decide, which differ from one runtime to
# the next.
_MARGIN = 1e-4


@exported_models.register(AnomalyDetector)
def scorer(detector):
    """`scorer` beside encoder and decoder: `score`, `score_uint8`, `score_bytes`.

    | output | |
    |---|---|
    | `anomaly_score` | float32 `(batch,)`, higher is more anomalous |
    | `p_value` | float32 `(batch,)` |
    | `is_anomaly` | boolean `(batch,)`, whether p is at most the detector's level |

    Inputs are x (in the three forms) and the model's conditions.

    Args:
        detector: A calibrated `AnomalyDetector`.

    Returns:
        `{model: {endpoint: Endpoint}}`, as of `keras_vae.export.exported_models`.

    Raises:
        ValueError: If it is not calibrated, or its score is none that a graph computes.

    Reference:
        https://www.tensorflow.org/guide/saved_model
    """
    score = SCORES[detector.score_name]
    if score.needs is not None:
        raise ValueError(
            f"`score` should be one that can be exported: {', '.join(EXPORTABLE)}. "
            f"Received: a detector by {detector.score_name}, which {score.needs}. "
            "Mend: AnomalyDetector(vae, score='negative_elbo')"
        )
    vae, steps, num_allowed = detector.vae, detector.steps, detector.num_allowed
    inputs = {"x": tf.TensorSpec((None, *vae.data_shape), tf.float32), **vae.conditions}

    def function(inputs):
        scores = detector.score_tensor(_single(inputs))
        at_least = len(steps) - _num_below(steps, scores)
        return {
            "anomaly_score": scores,
            "p_value": tf.cast(1 + at_least, tf.float32) / float(len(steps) + 1),
            "is_anomaly": 1 + at_least <= num_allowed,
        }

    def reference(inputs):
        found = detector.detect(_single(inputs))
        return {
            "anomaly_score": found.score,
            "p_value": found.p_value.astype("float32"),
            "is_anomaly": found.is_anomaly,
        }

    def examples(data, seeds):
        given = {name: np.asarray(data[name]) for name in inputs}
        # Of images those in 8 bits too.
        levels = {**given, "x": np.round(given["x"] * 255) / np.float32(255)}
        margins = [_margins(steps, detector.score(_single(d))) for d in (given, levels)]
        margin = np.min(margins, axis=0)
        rows = np.where(margin < _MARGIN, np.argmax(margin), np.arange(len(margin)))
        return {name: values[rows] for name, values in given.items()}

    endpoint = Endpoint(
        "score",
        function,
        inputs,
        reference,
        examples,
        portable=True,
        quantizable=False,
    )
    return exported_models(vae) | {"scorer": by_name(with_images(vae, endpoint))}


def _single(inputs):
    return inputs if len(inputs) > 1 else inputs["x"]


def _num_below(steps, scores):
    """How many of `steps`, numbers in order, are below each score.

    A search by halving, of operators that LiteRT has: `tf.searchsorted` is none.
    """
    size = len(steps)
    found = tf.zeros_like(scores, tf.int32)
    steps = tf.constant(steps)
    for power in reversed(range(size.bit_length())):
        further = found + 2**power
        at = tf.gather(steps, tf.minimum(further, size) - 1)
        found = tf.where((further <= size) & (at < scores), further, found)
    return found


def _margins(steps, scores):
    """How far, relatively, each score is from the nearest step."""
    place = np.searchsorted(steps, scores)
    near = steps[np.clip([place - 1, place], 0, len(steps) - 1)]
    with np.errstate(invalid="ignore"):
        gap = np.abs(near - scores).min(axis=0)
    return np.nan_to_num(gap, nan=0.0) / np.maximum(1.0, np.abs(scores))
