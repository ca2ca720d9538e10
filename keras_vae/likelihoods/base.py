"""What every likelihood is: p(x|z), given the parameters that a decoder returns."""

import keras
import numpy as np
import tensorflow as tf

# Room for rounding, in the units of the data, around the edges of a support.
SLACK = 1e-6


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
    `keras.saving.register_keras_serializable`, that sets `identifier`, `support`,
    `num_parameters` and `mean_range` and implements, elementwise on float32 tensors of
    the data's shape (`blocks` are the `num_parameters` blocks):

    - `_values_in_support(x)`: which values are possible; booleans;
    - `_value_log_prob(x, *blocks)`: log p(x_i), finite for possible values;
    - `_mean(*blocks)`, made of operators that TFLite has built in;
    - `_sample(*blocks, seed)`: one draw of each value;
    - `_bias(data_mean)`: a sequence of blocks, arrays, of which `_mean` is `data_mean`.

    Args:
        name: Name of the layer.
        trainable: Whether weights of the likelihood, if it has any, are trained.

    Attributes:
        identifier: The name of the distribution, as `keras_vae.likelihoods.get` knows
            it.
        num_parameters: Integer, parameters for each value of the data.
        support: The possible values, in words.
        mean_range: `(lowest, highest)` mean the distribution can have.

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
    mean_range = (-np.inf, np.inf)

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
        inside = tf.math.is_finite(x) & self._values_in_support(x)
        return tf.reduce_all(inside, axis=_data_axes(x))

    def log_prob(self, x, parameters, training=False):
        """Log-probability (or log-density) of each example, all constants kept.

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
        x, blocks, inside = self._prepare(x, parameters)
        return self._total(self._value_log_prob(x, *blocks), inside)

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
            seed: Integer, or a `keras.random.SeedGenerator`, which moves on.

        Returns:
            float32 tensor `(batch, *data_shape)`, in the support.

        Raises:
            ValueError: If the shape of `parameters` does not fit.

        Example:

        >>> from keras_vae.likelihoods import Bernoulli
        >>> Bernoulli().sample([[-50.0, 50.0]], seed=0).numpy().tolist()
        [[0.0, 1.0]]
        """
        return self._sample(*self._split(parameters), seed=seed)

    def initial_bias(self, data_mean):
        """Decoder output bias with which the mean of p(x|z) is the data's mean.

        Args:
            data_mean: Array of the data's shape, or of the shape of its last axis (one
                mean for each channel).

        Returns:
            float32 array, `parameter_shape` of the shape of `data_mean`. A mean at the
            very edge of `mean_range`, which takes infinite parameters, is held a little
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
        low, high = self.mean_range
        if not np.all((data_mean >= low - SLACK) & (data_mean <= high + SLACK)) or (
            not np.all(np.isfinite(data_mean))
        ):
            raise ValueError(
                f"`data_mean` should be finite and within {self.mean_range}, the means "
                f"that the likelihood {self.identifier!r} can have. Received: values "
                f"from {data_mean.min()} to {data_mean.max()}"
            )
        self.parameter_shape(data_mean.shape)
        blocks = self._bias(np.clip(data_mean, low, high))
        return np.concatenate(blocks, axis=-1).astype("float32")

    def _prepare(self, x, parameters):
        """`x` of the support in place of examples that are not; blocks; who was in."""
        blocks = self._split(parameters)
        x = _float32(x)
        if not x.shape.is_compatible_with(blocks[0].shape):
            raise ValueError(
                f"`x` should have the shape {tuple(blocks[0].shape)} that `parameters` "
                f"of shape {tuple(blocks[0].shape[:-1])} + "
                f"({self.num_parameters * blocks[0].shape[-1]},) describe. Received: "
                f"x.shape={tuple(x.shape)}"
            )
        inside = self.in_support(x)
        # Every support has 0. Without it the -inf of one example would turn into NaN
        # gradients for all. And `Select`, unlike `tf.where`, does not broadcast: a
        # batch of one, of a size known only when the graph runs, is an error.
        zeros = tf.zeros_like(blocks[0])
        return tf.raw_ops.Select(condition=inside, x=x, y=zeros), blocks, inside

    def _split(self, parameters):
        """The blocks of `parameters`, float32, each of the data's shape."""
        parameters = _float32(parameters)
        rank = parameters.shape.rank
        if rank is None or rank < 2 or None in parameters.shape[1:]:
            raise ValueError(
                "`parameters` should have a known shape (batch, "
                f"*parameter_shape(data_shape)). Received: shape {parameters.shape}"
            )
        if parameters.shape[-1] % self.num_parameters:
            raise ValueError(
                f"The last axis of `parameters` should hold {self.num_parameters} "
                f"numbers for each value of the data (likelihood {self.identifier!r}). "
                f"Received: shape {tuple(parameters.shape)}"
            )
        return tf.split(parameters, self.num_parameters, axis=-1)

    def _total(self, values, inside):
        """Sum over each example, and -inf for those outside the support."""
        log_prob = tf.reduce_sum(values, axis=_data_axes(values))
        return tf.where(inside, log_prob, -np.inf)


def _float32(values):
    return tf.cast(tf.convert_to_tensor(values), tf.float32)


def _data_axes(x):
    return list(range(1, x.shape.rank))
