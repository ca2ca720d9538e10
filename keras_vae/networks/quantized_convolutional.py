"""Convolutional networks with a map of vectors for a code, for images."""

import keras
from keras import layers

from keras_vae.arguments import check_integer, check_integers
from keras_vae.networks.builder import Builder, image_sizes


def quantized_convolutional(
    data_shape,
    code_dim,
    likelihood="bernoulli",
    *,
    filters=(32, 64),
    num_blocks=2,
    activation="leaky_relu",
    data_mean=None,
    seed=None,
    name=None,
):
    """Builds the convolutional networks of a `keras_vae.VQVAE`, for images of any size.

    ```
    encoder:  x -> convolutions, each of stride 2 -> residual blocks
                -> 1x1 convolution -> a map of vectors
    decoder:  z -> 1x1 convolution -> residual blocks -> transposed convolutions, each
                of stride 2 -> convolution -> parameters
    ```

    Args:
        data_shape: Shape of one image, `(height, width, channels)`.
        code_dim: Integer, size of the vector at each position.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        filters: Tuple of integers >= 2, the channels after each halving; the map of
            codes has the size after the last.
        num_blocks: Integer, residual blocks in each network.
        activation: Name of the hidden layers' activation.
        data_mean: Mean of the training images, an array that broadcasts to
            `data_shape`, in the units that the likelihood sees: the decoder's output
            starts around its mean over each channel. `None` starts with a bias of 0.
        seed: Integer: the same seed gives the same initial weights.
        name: Prefix of the models' names, `encoder` and `decoder`.

    Returns:
        `(encoder, decoder)`, two `keras.Model`s: `x`, `(batch, *data_shape)`, to
        vectors, `(batch, height, width, code_dim)`, which are to be quantized; and
        such vectors to the unconstrained parameters,
        `(batch, *likelihood.parameter_shape(data_shape))`. Both float32.

    Raises:
        ValueError: If an argument is out of its range, or an image has fewer than
            `2 ** len(filters)` rows or columns.

    Example:

    >>> encoder, decoder = quantized_convolutional((28, 28, 1), code_dim=8, seed=0)
    >>> encoder.output.shape, decoder.output.shape
    ((None, 7, 7, 8), (None, 28, 28, 1))

    Reference:
        van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning"
        (2017), section 4.1.
    """
    builder = Builder(
        data_shape, code_dim, likelihood, activation, data_mean, seed, name
    )
    filters = check_integers("filters", filters, minimum=2)
    num_blocks = check_integer("num_blocks", num_blocks, minimum=0)
    builder.num_blocks = max(1, num_blocks)
    sizes = image_sizes(builder.data_shape, filters)

    x = builder.x()
    hidden = x
    for index, channels in enumerate(filters, start=1):
        last = index == len(filters)  # blocks begin with the activation
        hidden = builder.convolution(
            channels, 3, f"encoder_conv_{index}", strides=2, activate=not last
        )(hidden)
    for index in range(1, num_blocks + 1):
        hidden = builder.residual_block(hidden, f"encoder_block_{index}")
    hidden = layers.Activation(builder.activation, name="encoder_activation")(hidden)
    encoder = builder.encoder_of(x, builder.vectors(hidden, code_dim))

    z = keras.Input((*sizes[-1], code_dim), dtype="float32", name="z")
    hidden = builder.convolution(filters[-1], 1, "decoder_in", activate=False)(z)
    for index in range(1, num_blocks + 1):
        hidden = builder.residual_block(hidden, f"decoder_block_{index}")
    hidden = layers.Activation(builder.activation, name="decoder_activation")(hidden)
    for index in reversed(range(len(filters))):
        channels, size = filters[max(index - 1, 0)], sizes[index]
        hidden = builder.upsample(
            hidden, channels, 3, size, f"decoder_conv_{index + 1}"
        )
    return encoder, builder.convolutional_decoder(z, hidden, 3)
