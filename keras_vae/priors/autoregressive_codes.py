"""Each code given those before it."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer, check_integers
from keras_vae.priors.codes import CodesPrior


@keras.saving.register_keras_serializable(package="keras_vae")
class AutoregressiveCodes(CodesPrior):
    """The prior of a `keras_vae.VQVAE` that predicts each code from its neighbours.

    ```
    P(codes) = prod_i P(c_i | c_j: j before i, in row-major order, near i)
    ```

    Near are the codes of `context` rows above and `context` columns to each side (of a
    sequence, the last `context` codes). A network of dense layers, the same at each
    position but for a bias of its own, sees all of them at once. It is trained with the
    model and has no influence on the rest of it: no gradient goes through a code.

    When to use it: to sample from a `VQVAE`, and to know how many nats its codes take.
    When not: where codes are only stored, or predicted by a model of one's own
    (`UniformCodes`), or where structure is longer than `context`. What it costs: in
    training the network at each position; a draw takes one pass of it for each
    position, one after another.

    Args:
        num_codes: Integer, the vectors in the codebook.
        context: Integer, rows and columns.
        embedding_dim: Integer, numbers that a code goes into the network as.
        hidden_units: Tuple of integers, one for each hidden layer.
        activation: Name of the hidden layers' activation.
        seed: Integer: the same seed gives the same initial weights.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:

    >>> prior = AutoregressiveCodes(8, hidden_units=(16,), seed=0)
    >>> prior.build((7, 7, 2))
    >>> codes = prior.sample_codes(tf.constant([[0, 0], [0, 1]]))
    >>> prior.log_prob_of_codes(codes).shape
    TensorShape([2, 49])

    Reference:
        van den Oord, Kalchbrenner & Kavukcuoglu, "Pixel Recurrent Neural Networks"
        (2016), equation 1; van den Oord et al., "Neural Discrete Representation
        Learning" (2017), section 3.3.
    """

    def __init__(
        self,
        num_codes,
        context=4,
        embedding_dim=16,
        hidden_units=(128, 128),
        activation="relu",
        seed=None,
        **kwargs,
    ):
        super().__init__(num_codes, **kwargs)
        self.context = check_integer("context", context, minimum=1)
        self.embedding_dim = check_integer("embedding_dim", embedding_dim, minimum=1)
        self.hidden_units = check_integers("hidden_units", hidden_units)
        self.activation = keras.activations.get(activation)
        self.seed = seed

    def build(self, latent_shape):
        super().build(latent_shape)
        *rows, columns = (1, *latent_shape[:-1])
        self._neighbours = _neighbours(int(np.prod(rows)), columns, self.context)
        initializers = self._initializers()
        # The last row is that of what lies outside.
        self.embedding = self.add_weight(
            name="embedding",
            shape=(self.num_codes + 1, self.embedding_dim),
            initializer=keras.initializers.RandomNormal(seed=next(initializers).seed),
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.num_positions, self.hidden_units[0]),
            initializer="zeros",
        )
        units = [*self.hidden_units, self.num_codes]
        width = self._neighbours.shape[1] * self.embedding_dim
        self.dense_layers = []
        for index, size in enumerate(units):
            layer = keras.layers.Dense(
                size,
                use_bias=index > 0,
                kernel_initializer=next(initializers),
                dtype="float32",
                name=f"dense_{index + 1}",
            )
            layer.build((None, None, width))
            width = size
            self.dense_layers.append(layer)

    def _initializers(self):
        for index in itertools.count():
            seed = None if self.seed is None else self.seed + index
            yield keras.initializers.HeNormal(seed=seed)

    def log_prob_of_codes(self, codes):
        # As a product of matrices: the gradient of a lookup is slow.
        one_hot = tf.one_hot(codes, self.num_codes)
        vectors = tf.matmul(one_hot, self.embedding[:-1])
        outside = tf.zeros_like(vectors[:, :1]) + self.embedding[-1]
        vectors = tf.concat([vectors, outside], axis=1)
        context = tf.gather(vectors, self._neighbours, axis=1)
        width = self._neighbours.shape[1] * self.embedding_dim
        context = tf.reshape(context, (-1, self.num_positions, width))
        logits = self._logits(context, self.bias)
        return tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=-1)

    def sample_codes(self, seed):
        # The smallest code up to which the probabilities sum to more than a uniform
        # number.
        uniform = noise.uniform(seed, self.num_positions)
        outside = tf.zeros_like(uniform[:, :1]) + self.embedding[-1]
        codes, vectors = [], []
        for position, near in enumerate(self._neighbours):
            known = [vectors[i] if i < position else outside for i in near]
            context = tf.concat(known, axis=-1)
            logits = self._logits(context, self.bias[position])
            below = tf.cumsum(tf.nn.softmax(logits), axis=-1)
            u = uniform[:, position : position + 1]
            code = tf.reduce_sum(tf.cast(below < u, tf.int32), axis=-1)
            codes.append(tf.minimum(code, self.num_codes - 1))
            vectors.append(tf.gather(tf.convert_to_tensor(self.embedding), codes[-1]))
        return tf.stack(codes, axis=1)

    def _logits(self, context, bias):
        first, *others = self.dense_layers
        hidden = self.activation(first(context) + bias)
        for layer in others[:-1]:
            hidden = self.activation(layer(hidden))
        return others[-1](hidden)

    def get_config(self):
        return {
            **super().get_config(),
            "context": self.context,
            "embedding_dim": self.embedding_dim,
            "hidden_units": list(self.hidden_units),
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }


def _neighbours(rows, columns, context):
    """The positions near each position and before it; beyond the last, what is outside.

    `(rows * columns, number)`, row-major.
    """
    offsets = [(i, j) for i in range(-context, 1) for j in range(-context, context + 1)]
    row, column = np.divmod(np.arange(rows * columns), columns)
    near = []
    for i, j in offsets[: offsets.index((0, 0))]:
        inside = (row + i >= 0) & (column + j >= 0) & (column + j < columns)
        if inside.any():
            place = (row + i) * columns + column + j
            near.append(np.where(inside, place, rows * columns))
    return np.stack(near or [np.full(rows * columns, rows * columns)], axis=1)
