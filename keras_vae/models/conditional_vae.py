"""The conditional VAE: what is known of an example beside x is handed to it."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_integer
from keras_vae.models.vae import VAE


@keras.saving.register_keras_serializable(package="keras_vae")
class ConditionalVAE(VAE):
    """Models p(x|c): data given a condition c, a label or a vector.

    ```
    elbo(x|c) = E_q(z|x,c)[log p(x|z, c)] - KL(q(z|x, c) || p(z))  <=  log p(x|c)
    ```

    The prior p(z) is independent of c, so that z holds what c does not say. With
    `num_classes` the condition is given as integer labels everywhere (`fit`, `sample`,
    the exported models), and the networks get them one-hot; without, it is given as
    the vectors that the networks take.

    When to use it: where labels or measurements are known and wanted as knobs: draw a
    3, or encode the style of a digit without which digit it is. When not: where the
    condition of new data is not known, which encoding and the ELBO need too. It costs
    what a VAE costs. All nats are of p(x|c), not of p(x) or of p(x, c). With another
    objective: `class ConditionalIWAE(ConditionalVAE, IWAE)`; any member takes networks
    with conditions that are vectors.

    Args:
        encoder: As of `VAE`, with or without an input for the condition.
        decoder: As of `VAE`, with an input for the condition:
            `keras_vae.networks` build both with `condition_dim`.
        num_classes: Integer, for a condition that is a label from 0 to
            `num_classes - 1`; `None` for one that is a vector.
        **kwargs: What else `VAE` takes.

    Raises:
        ValueError: If the networks do not take such a condition. Of methods that take
            arrays: if a label is no integer or out of its range; in batches of
            `tf.data` such a label is NaN to the networks, which stops training.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense(
    ...     (4,), 2, hidden_units=(8,), condition_dim=3, seed=0)
    >>> vae = ConditionalVAE(*networks, num_classes=3, seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = vae.fit({"x": x, "condition": np.arange(64) % 3}, verbose=0)
    >>> vae.sample(5, seed=0, condition=2).shape
    (5, 4)

    Reference:
        Sohn, Lee & Yan, "Learning Structured Output Representation using Deep
        Conditional Generative Models" (2015), equation 4, with the prior made
        independent of the condition as its section 4.1 says.
    """

    FIXED = (*VAE.FIXED, "num_classes")

    def __init__(self, encoder, decoder, *, num_classes=None, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        if num_classes is not None:
            check_integer("num_classes", num_classes, minimum=2)
        if not self.decoder_conditions:
            size = 10 if num_classes is None else num_classes
            raise ValueError(
                "`decoder` should have an input for the condition beside z. Received: "
                "z alone. Mend: keras_vae.networks.dense(data_shape, latent_dim, "
                f"condition_dim={size})"
            )
        shapes = {n: tuple(s.shape[1:]) for n, s in self.conditions.items()}
        if num_classes is not None and [*shapes.values()] != [(num_classes,)]:
            raise ValueError(
                f"`num_classes` should be the size of the networks' one condition, "
                f"which gets the labels one-hot. Received: num_classes={num_classes}, "
                f"conditions of shapes {shapes}"
            )
        self.num_classes = num_classes

    @property
    def conditions(self):
        """`tf.TensorSpec` of each input beside x, by name; of labels `(batch,)`."""
        if getattr(self, "num_classes", None) is None:
            return super().conditions
        return {
            name: tf.TensorSpec((None,), tf.int32, name=name)
            for name in super().conditions
        }

    def check_condition(self, name, values):
        if self.num_classes is None:
            return
        wrong = (values != np.floor(values)) | (values < 0)
        wrong |= values >= self.num_classes
        if wrong.any():
            raise ValueError(
                f"`{name}` should be integers from 0 to {self.num_classes - 1}. "
                f"Received: {values[wrong][0]} at index {int(np.argmax(wrong))}"
            )

    def prepare(self, inputs):
        return self._one_hot(super().prepare(inputs))

    def decode_parameters(self, z, inputs=None, training=False):
        return super().decode_parameters(z, self._one_hot(inputs), training)

    def _one_hot(self, inputs):
        """Inputs with the label as the networks take it, if it is not already."""
        [name, *_] = self.conditions
        if self.num_classes is None or inputs[name].dtype != tf.int32:
            return inputs
        label = inputs[name]
        one_hot = tf.one_hot(label, self.num_classes)
        # No class at all would pass for one: NaN is seen, by whoever looks.
        known = (label >= 0) & (label < self.num_classes)
        one_hot = tf.where(known[:, None], one_hot, float("nan"))
        return {**inputs, name: one_hot}

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
