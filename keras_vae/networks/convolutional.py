"""Networks of strided convolutions, for images."""

import math

from keras import layers

from keras_vae.arguments import check_integer, check_integers
from keras_vae.networks.builder import (
    Builder,
    image_sizes,
)


def convolutional(
    data_shape,
    latent_dim,
    likelihood="bernoulli",
    *,
    filters=(32, 64),
    kernel_size=3,
    hidden_units=(128,),
    activation="leaky_relu",
    data_mean=None,
    condition_dim=None,
    context_dim=None,
    seed=None,
    name=None,
):
    """Builds an encoder and a decoder of convolutions, for images of any size.

    ```
    encoder:  x -> convolutions, each of stride 2 -> flatten -> dense layers
                -> z_mean, z_log_var
    decoder:  z -> dense layers -> transposed convolutions, each of stride 2
                -> convolution -> parameters
    ```

    Each stride takes a height or width `n` to `ceil(n / 2)`. The decoder passes through
    the same sizes on its way back.

    Args:
        data_shape: Shape of one image, `(height, width, channels)`.
        latent_dim: Integer, size of `z`.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        filters: Tuple of integers, the channels after each halving.
        kernel_size: Integer >= 2, height and width of the kernels in pixels.
        hidden_units: Tuple of integers, dense layers between the convolutions and the
            latent space, in the encoder's order; may be empty.
        activation: Name of the hidden layers' activation. `leaky_relu` is about as
            fast as `relu` and learns faster here.
        data_mean: Mean of the training images, an array that broadcasts to
            `data_shape`, in the units that the likelihood sees: the decoder's output
            starts around its mean over each channel. `None` starts with a bias of 0.
        condition_dim: Integer, size of a condition that encoder and decoder take beside
            x and z, an input named `condition`: it joins the features of an image
            where the dense layers begin, and z where the decoder begins
            (see `keras_vae.ConditionalVAE`). `None` for none.
        context_dim: Integer: the encoder has a third output of that size, `context`,
            for a flow (`VAE(..., flow=...)`). `None`: it has two.
        seed: Integer: the same seed gives the same initial weights.
        name: Prefix of the models' names, `encoder` and `decoder`.

    Returns:
        `(encoder, decoder)`, two `keras.Model`s: `x`, `(batch, *data_shape)`, to
        `[z_mean, z_log_var]`, each `(batch, latent_dim)` (and `context`, `(batch,
        context_dim)`, where there is one); and `z`,
        `(batch, latent_dim)`, to the unconstrained parameters,
        `(batch, *likelihood.parameter_shape(data_shape))`. All float32. With a
        condition, inputs are the dictionaries `{"x": ..., "condition": ...}` and
        `{"z": ..., "condition": ...}`.

    Raises:
        ValueError: If an argument is out of its range, or an image has fewer than
            `2 ** len(filters)` rows or columns.

    Example:

    >>> encoder, decoder = convolutional((33, 20, 3), latent_dim=16, seed=0)
    >>> encoder.get_layer("encoder_conv_2").output.shape
    (None, 9, 5, 64)
    >>> decoder.output.shape
    (None, 33, 20, 3)

    Reference:
        Radford et al., "Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks" (2016), section 3: strides instead of pooling.
    """
    builder = Builder(
        data_shape,
        latent_dim,
        likelihood,
        activation,
        data_mean,
        seed,
        name,
        condition_dim,
        context_dim,
    )
    filters = check_integers("filters", filters)
    # A kernel smaller than the stride would leave pixels unseen.
    kernel_size = check_integer("kernel_size", kernel_size, minimum=2)
    hidden_units = check_integers("hidden_units", hidden_units, empty=True)
    sizes = image_sizes(builder.data_shape, filters)

    x = builder.x()
    hidden = x
    for index, channels in enumerate(filters, start=1):
        hidden = builder.convolution(
            channels, kernel_size, f"encoder_conv_{index}", strides=2
        )(hidden)
    hidden = layers.Flatten(name="encoder_flatten")(hidden)
    inputs, hidden = builder.conditioned(x, hidden, "encoder")
    hidden = builder.dense_layers(hidden, hidden_units, "encoder")
    encoder = builder.encoder(inputs, hidden)

    z = builder.z()
    inputs, hidden = builder.conditioned(z, z, "decoder")
    smallest = (*sizes[-1], filters[-1])
    units = (*reversed(hidden_units), math.prod(smallest))
    hidden = builder.dense_layers(hidden, units, "decoder")
    hidden = layers.Reshape(smallest, name="decoder_reshape")(hidden)
    for index in reversed(range(len(filters))):
        # To the channels that the encoder has at this size; at full size, where it
        # has the image's, as many as after its first convolution.
        channels, size = filters[max(index - 1, 0)], sizes[index]
        hidden = builder.upsample(
            hidden, channels, kernel_size, size, f"decoder_conv_{index + 1}"
        )
    return encoder, builder.convolutional_decoder(inputs, hidden, kernel_size)
