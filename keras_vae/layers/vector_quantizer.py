"""The codebook of a VQ-VAE as a layer."""

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer, check_number

# Of the number of vectors that a code is chosen by (Laplace smoothing).
_SMOOTHING = 1e-5


@keras.saving.register_keras_serializable(package="keras_vae")
class VectorQuantizer(keras.layers.Layer):
    """Replaces vectors by the nearest of a codebook's.

    ```
    code(v) = argmin_k |v - e_k|^2,     z = e_code(v)
    ```

    The codebook learns by moving averages of the vectors that chose each code, which is
    k-means, online:

    ```
    n_k <- decay n_k + (1 - decay) sum_i [code(v_i) = k]
    m_k <- decay m_k + (1 - decay) sum_i [code(v_i) = k] v_i
    e_k  = m_k / n_k                                    (n_k smoothed)
    ```

    with the sums over all vectors of a batch (on several replicas, of all of them; a
    sample's weight does not count). A code whose average use `n_k` has fallen below
    `restart_below` vectors a batch starts again from a vector of the batch; in the
    first step all do. With `decay=None` the codebook is trained by gradients (of
    `VQVAE.objective`), and no code is started again.

    Args:
        num_codes: Integer, the vectors in the codebook.
        decay: Number in [0, 1), or `None`.
        restart_below: Number, vectors a batch; 0 for no new starts.
        seed: Integer, of which vectors codes start again from.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, ..., code_dim)`.

    Output shape:
        `(batch, ...)`, int32: the codes. `vectors` makes vectors of them.

    Example:

    >>> quantizer = VectorQuantizer(num_codes=2)
    >>> quantizer.build((None, 1))
    >>> quantizer.codebook.assign([[0.0], [1.0]]).shape
    TensorShape([2, 1])
    >>> codes = quantizer(tf.constant([[0.2], [0.9]]))
    >>> codes.numpy().tolist(), quantizer.vectors(codes).numpy().tolist()
    ([0, 1], [[0.0], [1.0]])

    Reference:
        van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning"
        (2017), equations 1 and 2 and appendix A.1; Dhariwal et al., "Jukebox" (2020),
        section 3.1: new starts.
    """

    def __init__(self, num_codes, decay=0.99, restart_below=0.1, seed=0, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.num_codes = check_integer("num_codes", num_codes, minimum=2)
        if decay is not None and check_number("decay", decay, minimum=0.0) >= 1.0:
            raise ValueError(
                "`decay` should be a number below 1, or None for a codebook trained by "
                f"gradients. Received: decay={decay!r}"
            )
        self.decay = decay
        self.restart_below = check_number("restart_below", restart_below, minimum=0.0)
        self.seed = check_integer("seed", seed, minimum=0, maximum=2**31 - 1)

    def build(self, input_shape):
        shape = (self.num_codes, input_shape[-1])
        first = {"trainable": False, "aggregation": "only_first_replica"}
        seeded = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        by_gradients = self.decay is None
        self.codebook = self.add_weight(
            name="codebook",
            shape=shape,
            initializer=seeded,
            **({} if by_gradients else first),
        )
        # Vectors a batch that choose each code, and their sum.
        self.use = self.add_weight(
            name="use", shape=shape[:1], initializer="zeros", **first
        )
        if not by_gradients:
            self.total = self.add_weight(
                name="total", shape=shape, initializer="zeros", **first
            )
            # A float, like all that a model puts back after a step that was not finite.
            self.step = self.add_weight(
                name="step", shape=(), initializer="zeros", **first
            )
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return self.nearest(inputs)
        flat = tf.stop_gradient(tf.reshape(inputs, (-1, inputs.shape[-1])))
        if self.decay is not None and self.restart_below > 0:
            self._restart(flat)
        codes = self.nearest(inputs)
        self._update(flat, tf.reshape(codes, (-1,)))
        return codes

    def nearest(self, inputs):
        """Codes of the nearest vectors in the codebook; the first of equals.

        Args:
            inputs: Tensor `(..., code_dim)`.

        Returns:
            int32 tensor `(...)`.
        """
        inputs = tf.cast(inputs, tf.float32)
        codebook = tf.convert_to_tensor(self.codebook)
        # |v - e|^2 without |v|^2, which is the same for all codes.
        flat = tf.reshape(inputs, (-1, inputs.shape[-1]))
        distance = tf.reduce_sum(tf.square(codebook), axis=-1) - 2.0 * tf.matmul(
            flat, codebook, transpose_b=True
        )
        codes = tf.argmin(distance, axis=-1, output_type=tf.int32)
        rest = [size or -1 for size in inputs.shape[1:-1]]
        if inputs.shape.rank == 2:
            return codes
        return tf.reshape(codes, (-1, *rest))

    def vectors(self, codes):
        """Vectors of the codebook.

        Args:
            codes: int32 tensor `(...)`.

        Returns:
            Tensor `(..., code_dim)`.
        """
        codebook = tf.convert_to_tensor(self.codebook)
        if self.decay is None:
            # Of a lookup, optimizers would get a gradient in a form of its own.
            return tf.tensordot(tf.one_hot(codes, self.num_codes), codebook, 1)
        return tf.gather(codebook, codes)

    def perplexity(self):
        """How many codes are in use, by the moving average of their use.

        ```
        exp(-sum_k p_k log p_k),     p_k = n_k / sum n
        ```

        Returns:
            Scalar tensor, from 1 to `num_codes`; `num_codes` of a new codebook.
        """
        use = tf.convert_to_tensor(self.use) + 1e-10
        p = use / tf.reduce_sum(use)
        return tf.exp(-tf.reduce_sum(p * tf.math.log(p)))

    def _update(self, vectors, codes):
        chosen = tf.one_hot(codes, self.num_codes, dtype=tf.float32)
        use = _over_replicas(tf.reduce_sum(chosen, axis=0))
        decay = 0.99 if self.decay is None else self.decay
        use = decay * self.use + (1.0 - decay) * use
        self.use.assign(use)
        if self.decay is None:
            return
        total = _over_replicas(tf.matmul(chosen, vectors, transpose_a=True))
        total = decay * self.total + (1.0 - decay) * total
        self.total.assign(total)
        everything = tf.reduce_sum(use)
        smoothed = (use + _SMOOTHING) / (everything + self.num_codes * _SMOOTHING)
        # A code that was never chosen, and is not started again, stays where it is.
        moved = total / (smoothed * everything)[:, None]
        self.codebook.assign(tf.where(use[:, None] > 0, moved, self.codebook))

    def _restart(self, vectors):
        """Codes out of use become vectors of the batch."""
        seed = tf.stack([self.seed, tf.cast(self.step, tf.int32)])
        with tf.control_dependencies([vectors]):  # not before there are data
            self.step.assign_add(1.0)
        rows = tf.cast(tf.shape(vectors)[0], tf.float32)
        place = noise.uniform(seed[None], self.num_codes)[0] * rows
        place = tf.minimum(tf.cast(place, tf.int32), tf.shape(vectors)[0] - 1)
        chosen = tf.gather(vectors, place)
        if _num_replicas() > 1:
            # From the replicas in turn, and the same on all of them.
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = tf.range(self.num_codes) % _num_replicas() == replica
            chosen = _over_replicas(tf.where(own[:, None], chosen, 0.0))
        out_of_use = self.use < self.restart_below
        use = tf.where(out_of_use, 1.0, self.use)
        self.use.assign(use)
        self.total.assign(tf.where(out_of_use[:, None], chosen, self.total))
        self.codebook.assign(tf.where(out_of_use[:, None], chosen, self.codebook))

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape[:-1], dtype="int32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_codes": self.num_codes,
            "decay": self.decay,
            "restart_below": self.restart_below,
            "seed": self.seed,
        }


def _num_replicas():
    if tf.distribute.in_cross_replica_context():
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def _over_replicas(tensor):
    """The sum over the replicas."""
    if _num_replicas() == 1:
        return tensor
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)
