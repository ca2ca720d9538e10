"""What an explorer asks beside encoder and decoder, as further exported models."""

import tensorflow as tf

from keras_vae import noise
from keras_vae.export.endpoints import Endpoint, by_name, exported_models
from keras_vae.models.float32 import float32_copy

SEED = tf.TensorSpec((None, 2), tf.int32)
# What a model that measures more has besides may be a statistic of a whole batch.
MEASURES = ("elbo", "reconstruction_loss", "kl_loss")
# LiteRT.js has no booleans, and `is_anomaly` follows from the p-value and the level.
SCORES = ("anomaly_score", "p_value")


class Measures:
    """What a VAE, and a detector, say of examples: models `bound` and `scorer`.

    | model | endpoint | inputs | outputs |
    |---|---|---|---|
    | bound | `elbo` | `x`, `seed` int32 `(batch, 2)` | those of `vae.score`, nats |
    | scorer | `score` | `x` | `anomaly_score`, `p_value` |

    The conditions of the model are further inputs of both. The answer to the seeds
    `[s, 0], ..., [s, n - 1]` is that of `vae.score(x, seed=s)`: `elbo`,
    `reconstruction_loss` and `kl_loss`, and of a plain autoencoder the second alone.

    Args:
        vae: A `keras_vae.VAE`.
        detector: A calibrated `keras_vae.applications.AnomalyDetector`, or `None`; its
            score is one that can be exported.

    Attributes:
        vae: The model in float32.
        about: Dictionary for JSON: names of the `models`, and the `level` of p-values
            from which on an example is no anomaly (`None` without a detector).

    Raises:
        ValueError: If the detector's score cannot be exported.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((4,), 2, hidden_units=(8,)))
    >>> models = keras_vae.export.exported_models(Measures(vae))
    >>> sorted(models["bound"]["elbo"].inputs)
    ['seed', 'x']

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), equation 3.
    """

    def __init__(self, vae, detector=None):
        self.vae = float32_copy(vae)
        self.models = {"bound": by_name([_elbo(self.vae)])}
        if detector is not None:
            score = exported_models(detector)["scorer"]["score"]
            self.models["scorer"] = by_name([_without_booleans(score)])
        level = None if detector is None else detector.level
        self.about = {"models": list(self.models), "level": level}


@exported_models.register(Measures)
def _models(measures):
    return measures.models


def _elbo(vae):
    names = [name for name in MEASURES if name in vae.MEASURES]

    def function(inputs):
        inputs = dict(inputs)
        seed = inputs.pop("seed")
        terms = vae.deterministic_terms(
            inputs if len(inputs) > 1 else inputs["x"], seed
        )
        return {name: tf.cast(getattr(terms, name), tf.float32) for name in names}

    def reference(inputs):
        x = {name: inputs[name] for name in vae.input_specs}
        scores = vae.score(x if len(x) > 1 else x["x"], seed=int(inputs["seed"][0, 0]))
        return {name: scores[name] for name in names}

    def examples(data, seeds):
        inputs = {name: data[name] for name in vae.input_specs}
        return {**inputs, "seed": noise.example_seeds(0, 0, len(seeds)).numpy()}

    return Endpoint(
        "elbo",
        function,
        {**vae.input_specs, "seed": SEED},
        reference,
        examples,
        portable=True,
        quantizable=False,
    )


def _without_booleans(score):
    def among(function):
        def answer(inputs):
            found = function(inputs)
            return {name: found[name] for name in SCORES}

        return answer

    return score._replace(
        function=among(score.function), reference=among(score.reference)
    )
