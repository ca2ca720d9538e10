"""What every likelihood is: p(x|z), given the parameters that a decoder returns."""

import math
import numbers

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.likelihoods.support import Interval

# The second word of the counters from which a draw of p(x|z) is made, so that z may
# have been drawn from the same seed: its counters end in 0.
_STREAM = int.from_bytes(b"p(x)", "big")


class Likelihood(keras.layers.Layer):
    """The distribution p(x|z) of one example, given its parameters.

    ```
    log p(x|z) = sum over the values x_i of log p(x_i | parameters_i)     (nats)
    ```

    The values of an example are independent given z. A decoder returns unconstrained
    `parameters`, shape `(batch, *parameter_shape(data_shape))`: for each value
    `num_parameters` numbers, laid out in blocks one after another along the last axis.
    Everything is computed in float32, under a mixed-precision policy too. A likelihood
    is a Keras layer only to own weights (a learned scale) and to be saved with a model.

    A new likelihood is a subclass, registered with
    `keras.saving.register_keras_serializable`, that sets `identifier`, `support` and
    `num_parameters` and implements, elementwise on float32 tensors of the data's shape
    (`blocks` are the `num_parameters` blocks):

    - `_value_log_prob(x, *blocks)`: log p(x_i), finite for possible values and 0;
    - `_mean(*blocks)`, made of operators that TFLite has built in;
    - `_sample(*blocks, seed)`: one draw of each value, made from int32 rows by
      `noise_like(keras_vae.noise.uniform, seed, blocks[0])` or `noise.normal`;
    - `_bias(data_mean)`: a sequence of blocks, arrays, of which `_mean` is `data_mean`.

    Args:
        name: Name of the layer.
        trainable: Whether weights of the likelihood, if it has any, are trained.

    Attributes:
        identifier: The name of the distribution, as `keras_vae.likelihoods.get` knows
            it.
        num_parameters: Integer, parameters for each value of the data.
        support: The possible values, a `keras_vae.likelihoods.support.Support`.

    Example:

    >>> from keras_vae.likelihoods import Bernoulli
    >>> likelihood = Bernoulli()
    >>> log_prob = likelihood.log_prob([[1.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]])
    >>> round(float(log_prob[0]), 4)  # 3 log(1/2)
    -2.0794
    """

    identifier = None
    num_parameters = 1
    support = None

    def __init__(self, *, name=None, trainable=True):
        super().__init__(name=name, trainable=trainable, dtype="float32")
        self.built = True

    def get_config(self):
        config = super().get_config()
        del config["dtype"]  # Always float32.
        return config

    def parameter_shape(self, data_shape):
        """Shape of the parameters of one example.

        Args:
            data_shape: Tuple of integers, shape of one example, at least one axis.

        Returns:
            Tuple: `data_shape` with its last axis `num_parameters` times as long.

        Raises:
            ValueError: If `data_shape` has no axis.

        Example:

        >>> from keras_vae.likelihoods import DiscretizedLogistic
        >>> DiscretizedLogistic().parameter_shape((32, 32, 3))
        (32, 32, 6)
        """
        data_shape = tuple(data_shape)
        if not data_shape:
            raise ValueError(
                "`data_shape` should have at least one axis; data that are single "
                "numbers have shape (1,). Received: data_shape=()"
            )
        return (*data_shape[:-1], data_shape[-1] * self.num_parameters)

    def in_support(self, x):
        """Whether the distribution can produce each example.

        Args:
            x: Tensor `(batch, *data_shape)`.

        Returns:
            Boolean tensor `(batch,)`: every value is finite and, with 1e-6 of slack for
            rounding, in the support.

        Example:

        >>> from keras_vae.likelihoods import Poisson
        >>> Poisson().in_support([[0.0, 3.0], [0.5, 3.0]]).numpy().tolist()
        [True, False]
        """
        x = _float32(x)
        return tf.reduce_all(self.support.contains(x), axis=_data_axes(x))

    def log_prob_per_value(self, x, parameters, training=False):
        """Log-probability (or log-density) of each value of the data.

        Args:
            x: Tensor `(batch, *data_shape)`.
            parameters: Tensor `(batch, *parameter_shape(data_shape))`.
            training: As for `log_prob`.

        Returns:
            float32 tensor `(batch, *data_shape)`, nats; `-inf` for a value outside the
            support (NaN included), which leaves the gradients of the others as they
            were.

        Raises:
            ValueError: If the shapes of `x` and `parameters` do not fit.

        Example:

        >>> from keras_vae.likelihoods import Poisson
        >>> log_prob = Poisson().log_prob_per_value([[0.0, 0.5]], [[0.0, 0.0]])
        >>> log_prob.numpy().tolist()
        [[-1.0, -inf]]
        """
        values, inside = self._log_prob(x, parameters, training)
        return tf.where(inside, values, -np.inf)

    def log_prob(self, x, parameters, training=False):
        """Log-probability (or log-density) of each example, all constants kept.

        It is the sum of `log_prob_per_value` over the axes of the data.

        Args:
            x: Tensor `(batch, *data_shape)`.
            parameters: Tensor `(batch, *parameter_shape(data_shape))`.
            training: Whether this is a training step. It changes nothing but where a
                scale is `"optimal"`.

        Returns:
            float32 tensor `(batch,)`, nats; `-inf` for an example outside the support
            (NaN included), which leaves the gradients of the others as they were.

        Raises:
            ValueError: If the shapes of `x` and `parameters` do not fit.

        Example:

        >>> from keras_vae.likelihoods import Poisson
        >>> log_prob = Poisson().log_prob([[0.0], [0.5]], [[0.0], [0.0]])
        >>> log_prob.numpy().tolist()  # log(exp(-1)); half a count
        [-1.0, -inf]
        """
        values, inside = self._log_prob(x, parameters, training)
        axes = _data_axes(values)
        total = tf.reduce_sum(values, axis=axes)
        # Chosen as a whole: of an impossible example no value has a gradient.
        return tf.where(tf.reduce_all(inside, axis=axes), total, -np.inf)

    def mean(self, parameters):
        """Mean of p(x|z): the `reconstruction`.

        Args:
            parameters: Tensor `(batch, *parameter_shape(data_shape))`.

        Returns:
            float32 tensor `(batch, *data_shape)`, in the units of the data.

        Raises:
            ValueError: If the shape of `parameters` does not fit.

        Example:

        >>> from keras_vae.likelihoods import Bernoulli
        >>> Bernoulli().mean([[0.0, 0.0]]).numpy().tolist()
        [[0.5, 0.5]]
        """
        return self._mean(*self._split(parameters))

    def sample(self, parameters, seed):
        """One draw from p(x|z) for each example.

        Args:
            parameters: Tensor `(batch, *parameter_shape(data_shape))`.
            seed: Integer, of which the lower 32 bits count; a
                `keras.random.SeedGenerator`, which moves on; or int32 tensor
                `(batch, 2)`, rows as of `keras_vae.noise`. Of rows, the draw of an
                example depends on its own alone, whatever else is in the batch; they
                may be those of which z was drawn.

        Returns:
            float32 tensor `(batch, *data_shape)`, in the support. The same eagerly, in
            a graph and, to the rounding of logarithms, under XLA.

        Raises:
            ValueError: If the shape of `parameters` does not fit, or `seed` is none of
                these.

        Example:

        >>> from keras_vae.likelihoods import Bernoulli
        >>> Bernoulli().sample([[-50.0, 50.0]], seed=0).numpy().tolist()
        [[0.0, 1.0]]
        """
        blocks = self._split(parameters)
        return self._sample(*blocks, seed=_seed_rows(seed, blocks[0]))

    def squared_errors(self, x, mean):
        """How far each value is from its mean, squared.

        Args:
            x: Tensor `(batch, *data_shape)`.
            mean: As `mean` returns it.

        Returns:
            float32 tensor `(batch, *data_shape)`, in squared units of the data.

        Example:

        >>> from keras_vae.likelihoods import Bernoulli
        >>> Bernoulli().squared_errors([[1.0]], [[0.5]]).numpy().tolist()
        [[0.25]]
        """
        return tf.square(_float32(x) - _float32(mean))

    def initial_bias(self, data_mean):
        """Decoder output bias with which the mean of p(x|z) is the data's mean.

        Args:
            data_mean: Array of the data's shape, or of the shape of its last axis (one
                mean for each channel).

        Returns:
            float32 array, `parameter_shape` of the shape of `data_mean`. A mean at the
            very edge of the support, which takes infinite parameters, is held a little
            inside.

        Raises:
            ValueError: If a mean is not finite or the distribution cannot have it.

        Example:

        >>> from keras_vae.likelihoods import Bernoulli
        >>> bias = Bernoulli().initial_bias([0.75, 0.5])
        >>> round(float(bias[0]), 4)  # log(0.75 / 0.25)
        1.0986
        """
        data_mean = np.asarray(data_mean, dtype="float64")
        means = Interval(self.support.low, self.support.high)
        if not np.all(means.contains(data_mean)):
            raise ValueError(
                "`data_mean` should be a mean that the likelihood "
                f"{self.identifier!r} can have: {means}. {means.explain(data_mean)}"
            )
        self.parameter_shape(data_mean.shape)
        blocks = self._bias(np.clip(data_mean, means.low, means.high))
        return np.concatenate(blocks, axis=-1).astype("float32")

    def _log_prob(self, x, parameters, training):
        """log p of each value, anything finite for impossible ones; which they are."""
        x, blocks, inside = self._prepare(x, parameters)
        return self._value_log_prob(x, *blocks), inside

    def _prepare(self, x, parameters):
        """`x` with 0 in place of impossible values; blocks; which were possible."""
        blocks = self._split(parameters)
        x = _float32(x)
        if not x.shape.is_compatible_with(blocks[0].shape):
            raise ValueError(
                f"`x` should have the shape {tuple(blocks[0].shape)} that `parameters` "
                f"of shape {self.parameter_shape(blocks[0].shape)} describe. Received: "
                f"x.shape={tuple(x.shape)}"
            )
        inside = self.support.contains(x)
        # log p of 0 is finite. Without it the -inf of one value would turn into NaN
        # gradients for all. And `Select`, unlike `tf.where`, does not broadcast: a
        # batch of one, of a size known only when the graph runs, is an error.
        zeros = tf.zeros_like(blocks[0])
        return tf.raw_ops.Select(condition=inside, x=x, y=zeros), blocks, inside

    def _split(self, parameters):
        """The blocks of `parameters`, float32, each of the data's shape."""
        parameters = float32_parameters(parameters)
        if parameters.shape[-1] % self.num_parameters:
            raise ValueError(
                f"The last axis of `parameters` should hold {self.num_parameters} "
                f"numbers for each value of the data (likelihood {self.identifier!r}). "
                f"Received: shape {tuple(parameters.shape)}"
            )
        return tf.split(parameters, self.num_parameters, axis=-1)


def float32_parameters(parameters):
    """Parameters as a float32 tensor.

    Args:
        parameters: Tensor `(batch, *parameter_shape(data_shape))`.

    Raises:
        ValueError: If only the batch's axis is there, or another is not known.

    Example:

    >>> float32_parameters([[1, 2]]).dtype
    tf.float32
    """
    parameters = _float32(parameters)
    rank = parameters.shape.rank
    if rank is None or rank < 2 or None in parameters.shape[1:]:
        raise ValueError(
            "`parameters` should have a known shape (batch, "
            f"*parameter_shape(data_shape)). Received: shape {parameters.shape}"
        )
    return parameters


def noise_like(make, seed, like, num_draws=None):
    """Random numbers for the values of a batch, each example's from its own row.

    Args:
        make: `keras_vae.noise.uniform` or `keras_vae.noise.normal`.
        seed: int32 tensor `(batch, 2)`.
        like: Tensor `(batch, *data_shape)`.
        num_draws: How many numbers for each value; `None` for one.

    Returns:
        float32 tensor of the shape of `like`, or `(num_draws, *like.shape)`.

    Example:

    >>> noise_like(noise.uniform, [[7, 0], [7, 1]], tf.zeros((2, 3)), num_draws=5).shape
    TensorShape([5, 2, 3])
    """
    values = make(seed, (num_draws or 1) * math.prod(like.shape[1:]))
    shape = tf.shape(like)
    if num_draws is None:
        return tf.reshape(values, shape)
    values = tf.reshape(values, tf.concat([shape[:1], [num_draws], shape[1:]], axis=0))
    return tf.stack(tf.unstack(values, num_draws, axis=1))


def _seed_rows(seed, like):
    """int32 `(batch, 2)`: for each example a seed that nothing but p(x|z) uses."""
    batch = tf.shape(like)[0]
    if isinstance(seed, numbers.Integral):
        seed = noise.example_seeds(seed, 0, batch)
    elif isinstance(seed, keras.random.SeedGenerator):
        # What it gives, two words, is the key of the whole batch.
        key = tf.bitcast(tf.cast(seed.next(), tf.int64), tf.int32)[:, 0]
        seed = noise.threefry2x32(key, noise.example_seeds(0, 0, batch))
    elif seed is None or not _are_rows(tf.convert_to_tensor(seed), like):
        raise ValueError(
            "`seed` should be an integer, a `keras.random.SeedGenerator` or int32 of "
            f"shape ({like.shape[0]}, 2), a row for each example. Received: {seed!r}"
        )
    return noise.threefry2x32(seed, [0, _STREAM])


def _are_rows(seed, like):
    expected = (like.shape[0], 2)
    return seed.dtype == tf.int32 and seed.shape.is_compatible_with(expected)


def _float32(values):
    return tf.cast(tf.convert_to_tensor(values), tf.float32)


def _data_axes(x):
    return list(range(1, x.shape.rank))
