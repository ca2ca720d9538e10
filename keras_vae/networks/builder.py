"""What every network is built with: checks, initial values, and the two ends."""

import math
import random

import keras
import numpy as np
from keras import layers

from keras_vae import likelihoods
from keras_vae.arguments import check_integer, check_integers, did_you_mean
from keras_vae.layers import ColumnFeatures

# Gain and fan of the initial weights that keep the scale of a signal through many
# layers: Glorot & Bengio (2010) for what is linear near 0, Klambauer et al. (2017)
# for selu, and He et al. (2015) for what is half closed, like relu and its kin.
_GLOROT = (1.0, "fan_avg")
_GAIN_AND_FAN = {
    **dict.fromkeys(["linear", "tanh", "hard_tanh", "softsign"], _GLOROT),
    **dict.fromkeys(["sigmoid", "hard_sigmoid"], _GLOROT),
    "selu": (1.0, "fan_in"),
}
_HE = (2.0, "fan_in")


class Builder:
    """The layers of one encoder-decoder pair, each with a seed of its own.

    Attributes:
        data_shape: Tuple, shape of one example.
        parameter_shape: Tuple, shape of the likelihood's parameters for one example.
    """

    def __init__(
        self,
        data_shape,
        latent_dim,
        likelihood,
        activation,
        data_mean,
        seed,
        name,
        condition_dim=None,
        context_dim=None,
    ):
        self.data_shape = _data_shape(data_shape)
        self.latent_dim = check_integer("latent_dim", latent_dim, minimum=1)
        self.likelihood = likelihoods.get(likelihood)
        self.parameter_shape = tuple(self.likelihood.parameter_shape(self.data_shape))
        self.activation = _activation(activation)
        self.data_mean = _data_mean(data_mean, self.data_shape)
        # Without a seed the weights follow `keras.utils.set_random_seed`.
        self.random = None
        if seed is not None:
            self.random = random.Random(check_integer("seed", seed, minimum=0))
        self.name = name
        self.condition_dim = condition_dim
        if condition_dim is not None:
            check_integer("condition_dim", condition_dim, minimum=1)
        if context_dim is not None:
            context_dim = check_integer("context_dim", context_dim, minimum=1)
        self.context_dim = context_dim

    # The two ends.

    def x(self):
        return keras.Input(self.data_shape, dtype="float32", name="x")

    def z(self):
        return keras.Input((self.latent_dim,), dtype="float32", name="z")

    def flattened(self, x):
        """What the first dense layer takes: x in one row, or what columns are to it."""
        # float32: without hidden layers this is part of the float32 end.
        if isinstance(self.likelihood, likelihoods.Columns):
            schema = self.likelihood.schema
            return ColumnFeatures(schema, dtype="float32", name="column_features")(x)
        return layers.Flatten(dtype="float32", name="encoder_flatten")(x)

    def conditioned(self, inputs, hidden, prefix):
        """`inputs` with the condition among them, and `hidden` beside it, if any.

        Args:
            inputs: The main input, x or z.
            hidden: What was made of it, `(batch, units)`.
            prefix: Of the layer's name.

        Returns:
            `(inputs, hidden)`; inputs are a dictionary where there is a condition.
        """
        if self.condition_dim is None:
            return inputs, hidden
        condition = keras.Input(
            (self.condition_dim,), dtype="float32", name="condition"
        )
        join = layers.Concatenate(name=f"{prefix}_join", dtype="float32")
        return {inputs.name: inputs, "condition": condition}, join([hidden, condition])

    def encoder(self, x, hidden):
        """The encoder, given its input and its last hidden layer `(batch, units)`."""
        z_mean = self._head(layers.Dense, self.latent_dim, name="z_mean")(hidden)
        z_log_var = self._head(layers.Dense, self.latent_dim, name="z_log_var")(hidden)
        outputs = [z_mean, z_log_var]
        if self.context_dim is not None:
            context = self.dense(self.context_dim, "context", dtype="float32")
            outputs.append(context(hidden))
        return keras.Model(x, outputs, name=self._named("encoder"))

    def dense_decoder(self, z, hidden):
        """The decoder that ends with a dense layer: a bias for each data value."""
        units = math.prod(self.parameter_shape)
        head = self._head(layers.Dense, units, name="flat_parameters")
        parameters = layers.Reshape(
            self.parameter_shape, dtype="float32", name="parameters"
        )(head(hidden))
        if self.data_mean is not None or isinstance(
            self.likelihood, likelihoods.Columns
        ):
            head.bias.assign(self.likelihood.initial_bias(self.data_mean).reshape(-1))
        return keras.Model(z, parameters, name=self._named("decoder"))

    def convolutional_decoder(self, z, hidden, kernel_size):
        """The decoder that ends with a convolution: a bias for each channel."""
        head = self._head(
            layers.Conv2D,
            self.parameter_shape[-1],
            kernel_size=kernel_size,
            padding="same",
            name="parameters",
        )
        parameters = head(hidden)
        if self.data_mean is not None:
            channel_mean = self.data_mean.mean(axis=(0, 1))
            head.bias.assign(self.likelihood.initial_bias(channel_mean))
        return keras.Model(z, parameters, name=self._named("decoder"))

    def _head(self, layer_class, units, name, gain=0.1, **kwargs):
        """The linear layer of an end, in float32 under any dtype policy.

        exp() of a float16 overflows at 11, and an ELBO is the sum of many terms.
        """
        # A tenth of the usual variance: q(z|x) starts close to the prior (means near
        # 0, variances near 1), and p(x|z) close to the data's mean. With z_log_var of
        # full size a run on MNIST lost all latent dimensions in its first epoch, and
        # with parameters of full size they came back nats later. Not zero: neither
        # end would have a gradient for the layers before it.
        initializer = self._initializer(gain, "fan_avg")
        return layer_class(
            units, kernel_initializer=initializer, dtype="float32", name=name, **kwargs
        )

    # Hidden layers, in the global dtype policy.

    def dense_layers(self, hidden, units, prefix):
        """Dense layers one after another, with the activation."""
        for index, width in enumerate(units, start=1):
            hidden = self.dense(width, f"{prefix}_dense_{index}")(hidden)
        return hidden

    def dense(self, units, name, activate=True, dtype=None):
        return layers.Dense(
            units,
            activation=self.activation if activate else None,
            kernel_initializer=self._hidden_initializer(),
            dtype=dtype,
            name=name,
        )

    def convolution(
        self, filters, kernel_size, name, strides=1, activate=True, scale=1.0
    ):
        """A convolution: `(height, width)` to `ceil(size / strides)`."""
        return layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            activation=self.activation if activate else None,
            kernel_initializer=self._hidden_initializer(scale),
            name=name,
        )

    def upsample(self, hidden, filters, kernel_size, size, name, activate=True):
        """A transposed convolution to twice the size, cropped to `size`.

        The halvings of an odd size round up: going back, one row or column is too
        much.
        """
        # Keras counts the fans of a transposed kernel the other way round, and with
        # a stride of 2 each pixel is reached by a quarter of the weights.
        gain, _ = self._gain_and_fan()
        hidden = layers.Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            activation=self.activation if activate else None,
            kernel_initializer=self._initializer(4.0 * gain, "fan_out"),
            name=name,
        )(hidden)
        excess = tuple(2 * -(-length // 2) - length for length in size)
        if any(excess):
            cropping = tuple((0, length) for length in excess)
            hidden = layers.Cropping2D(cropping, name=f"{name}_crop")(hidden)
        return hidden

    def _gain_and_fan(self):
        return _GAIN_AND_FAN.get(getattr(self.activation, "__name__", None), _HE)

    def _hidden_initializer(self, scale=1.0):
        gain, fan = self._gain_and_fan()
        return self._initializer(scale * gain, fan)

    def _initializer(self, gain, fan):
        """Weights of variance `gain / fan`, from a seed of their own.

        One seed for all would give layers of one shape the same weights.
        """
        seed = None if self.random is None else self.random.getrandbits(31)
        return keras.initializers.VarianceScaling(gain, fan, seed=seed)

    def _named(self, name):
        return name if self.name is None else f"{self.name}_{name}"

    # Several levels, and codes that are quantized.

    def normal(
        self, hidden, units, prefix, layer_class=layers.Dense, gain=1e-3, **kwargs
    ):
        """Two heads: mean and log-variance of a level's normal distribution."""
        # Smaller than the heads of a single level: maps have many more dimensions
        # between them, whose KL adds up. With 0.1, that of (14, 14, 4) and (7, 7, 4)
        # twice went to thousands of nats in the first steps.
        return [
            self._head(layer_class, units, f"{prefix}_{part}", gain, **kwargs)(hidden)
            for part in ("z_mean", "z_log_var")
        ]

    def encoder_of(self, x, outputs):
        """An encoder that returns something else than `z_mean` and `z_log_var`."""
        return keras.Model(x, outputs, name=self._named("encoder"))

    def vectors(self, hidden, units):
        """The head of what is quantized, of the usual size: the codebook follows it."""
        head = self._head(layers.Conv2D, units, "vectors", 1.0, kernel_size=1)
        return head(hidden)

    # Residual blocks without normalisation.

    num_blocks = 1  # of a network, one after another

    def residual_block(self, hidden, name):
        """`h + block(h)`, of three convolutions with half the channels between them."""
        channels = hidden.shape[-1]
        branch = self.bottleneck(hidden, channels, name)
        branch = self.widen(branch, channels, f"{name}_out")
        return layers.Add(name=f"{name}_add")([hidden, branch])

    def bottleneck(self, hidden, channels, name):
        """All of such a block but its last convolution."""
        hidden = layers.Activation(self.activation, name=f"{name}_activation")(hidden)
        hidden = self.convolution(max(1, channels // 2), 1, f"{name}_conv_1")(hidden)
        return self.convolution(hidden.shape[-1], 3, f"{name}_conv_2")(hidden)

    def widen(self, hidden, channels, name):
        """The last convolution, small where there are many blocks."""
        # Each adds its variance to the sum: together they should add about that of one.
        scale = 1 / self.num_blocks
        return self.convolution(channels, 1, name, activate=False, scale=scale)(hidden)


# Images.


def image_sizes(data_shape, filters):
    """Sizes of an image before and after each halving: `[(height, width), ...]`.

    Raises:
        ValueError: If the data are not images, or too small to be halved that often.
    """
    if len(data_shape) != 3:
        mend = ". Data of any shape: keras_vae.networks.dense"
        if len(data_shape) == 2:
            grey = (*data_shape, 1)
            mend = f". Grey images have one channel: data_shape={grey}{mend}"
        raise ValueError(
            "`data_shape` should be (height, width, channels) for a network of "
            f"convolutions. Received: data_shape={data_shape}{mend}"
        )
    smallest = min(data_shape[:2])
    if smallest < 2 ** len(filters):
        fitting = filters[: smallest.bit_length() - 1]
        mend = "keras_vae.networks.dense takes any shape"
        if fitting:
            mend = f"fewer halvings, filters={fitting}, fit"
        raise ValueError(
            f"`data_shape` should have a height and a width of at least "
            f"{2 ** len(filters)}: each of the {len(filters)} entries of `filters` "
            f"halves the image. Received: data_shape={data_shape}, "
            f"filters={filters}. Mend: {mend}"
        )
    sizes = [data_shape[:2]]
    for _ in filters:
        sizes.append(tuple(-(-length // 2) for length in sizes[-1]))
    return sizes


# Arguments.


def _data_shape(data_shape):
    if isinstance(data_shape, list | tuple) and None in data_shape[:1]:
        raise ValueError(
            "`data_shape` should be the shape of one example, without the batch axis: "
            f"{tuple(data_shape[1:])}. Received: data_shape={data_shape!r}"
        )
    return check_integers("data_shape", data_shape, example="(28, 28, 1)")


def _data_mean(data_mean, data_shape):
    if data_mean is None:
        return None
    mean = np.asarray(data_mean, dtype="float64")
    try:
        return np.broadcast_to(mean, data_shape)
    except ValueError as error:
        raise ValueError(
            f"`data_mean` should have the shape {data_shape} of one example, or "
            f"broadcast to it: x_train.mean(axis=0). Received: shape {mean.shape}"
        ) from error


def _activation(identifier):
    """The activation as a function that a `.keras` file can name."""
    try:
        activation = keras.activations.get(identifier)
        # A file holds the name; code (a lambda) it could hold only by pickling.
        keras.activations.get(keras.activations.serialize(activation))
    except (ValueError, TypeError, OSError) as error:
        names = [n for n in dir(keras.activations) if not n.startswith("_")]
        raise ValueError(
            "`activation` should be the name of a Keras activation, such as 'relu', or "
            "a function registered with keras.saving.register_keras_serializable. "
            f"Received: activation={identifier!r}.{did_you_mean(identifier, names)}"
        ) from error
    return activation
