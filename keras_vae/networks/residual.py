"""Networks of residual blocks, for images."""

import math

from keras import layers

from keras_vae.arguments import check_integer, check_integers
from keras_vae.networks.builder import (
    Builder,
    image_sizes,
)


def residual(
    data_shape,
    latent_dim,
    likelihood="bernoulli",
    *,
    filters=(32, 64),
    blocks_per_stage=1,
    kernel_size=3,
    hidden_units=(128,),
    activation="leaky_relu",
    data_mean=None,
    condition_dim=None,
    context_dim=None,
    seed=None,
    name=None,
):
    """Builds an encoder and a decoder of residual blocks, for images of any size.

    ```
    stage:    convolution of stride 2, then blocks_per_stage times
              h -> h + conv(activation(norm(conv(activation(norm(h))))))
    encoder:  x -> stages -> activation(norm) -> flatten -> dense layers
                -> z_mean, z_log_var
    decoder:  z -> dense layers -> stages backwards -> activation(norm)
                -> convolution -> parameters
    ```

    Deeper than `convolutional`, and about three times slower.

    Args:
        data_shape: Shape of one image, `(height, width, channels)`.
        latent_dim: Integer, size of `z`.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        filters: Tuple of integers >= 2, the channels of each stage; each stage halves
            the image.
        blocks_per_stage: Integer, residual blocks in each stage.
        kernel_size: Integer >= 2, height and width of the kernels in pixels.
        hidden_units: Tuple of integers, dense layers between the stages and the latent
            space, in the encoder's order; may be empty.
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

    >>> encoder, decoder = residual((32, 32, 3), latent_dim=16, seed=0)
    >>> decoder.output.shape
    (None, 32, 32, 3)

    Reference:
        He et al., "Identity Mappings in Deep Residual Networks" (2016), figure 4e: the
        block; Child, "Very Deep VAEs Generalize Autoregressive Models" (2021),
        section 3: its initial scale.
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
    # With one channel, layer normalisation would leave nothing of the signal.
    filters = check_integers("filters", filters, minimum=2)
    blocks_per_stage = check_integer("blocks_per_stage", blocks_per_stage, minimum=1)
    kernel_size = check_integer("kernel_size", kernel_size, minimum=2)
    hidden_units = check_integers("hidden_units", hidden_units, empty=True)
    sizes = image_sizes(builder.data_shape, filters)
    num_blocks = blocks_per_stage * len(filters)

    def blocks(hidden, prefix):
        for index in range(1, blocks_per_stage + 1):
            name = f"{prefix}_block_{index}"
            hidden = _block(builder, hidden, kernel_size, num_blocks, name)
        return hidden

    x = builder.x()
    hidden = x
    for index, channels in enumerate(filters, start=1):
        prefix = f"encoder_stage_{index}"
        hidden = builder.convolution(
            channels, kernel_size, f"{prefix}_conv", strides=2, activate=False
        )(hidden)
        hidden = blocks(hidden, prefix)
    hidden = _normalize_and_activate(builder, hidden, "encoder")
    hidden = layers.Flatten(name="encoder_flatten")(hidden)
    inputs, hidden = builder.conditioned(x, hidden, "encoder")
    hidden = builder.dense_layers(hidden, hidden_units, "encoder")
    encoder = builder.encoder(inputs, hidden)

    z = builder.z()
    inputs, hidden = builder.conditioned(z, z, "decoder")
    smallest = (*sizes[-1], filters[-1])
    hidden = builder.dense_layers(hidden, reversed(hidden_units), "decoder")
    hidden = builder.dense(
        math.prod(smallest), name="decoder_stages_dense", activate=False
    )(hidden)
    hidden = layers.Reshape(smallest, name="decoder_reshape")(hidden)
    for index in reversed(range(len(filters))):
        prefix = f"decoder_stage_{index + 1}"
        hidden = blocks(hidden, prefix)
        # To the channels of the stage before; the first keeps its own.
        channels, size = filters[max(index - 1, 0)], sizes[index]
        hidden = builder.upsample(
            hidden, channels, kernel_size, size, f"{prefix}_conv", activate=False
        )
    hidden = _normalize_and_activate(builder, hidden, "decoder")
    return encoder, builder.convolutional_decoder(inputs, hidden, kernel_size)


def _block(builder, hidden, kernel_size, num_blocks, name):
    """`h + conv(activation(norm(conv(activation(norm(h))))))`."""
    channels = hidden.shape[-1]
    branch = hidden
    for index in (1, 2):
        branch = _normalize_and_activate(builder, branch, f"{name}_{index}")
        branch = builder.convolution(
            channels,
            kernel_size,
            f"{name}_{index}_conv",
            activate=False,
            # Each block adds its variance to the sum: together they should add about
            # that of one, however many they are.
            scale=1 / num_blocks if index == 2 else 1,
        )(branch)
    return layers.Add(name=f"{name}_add")([hidden, branch])


def _normalize_and_activate(builder, hidden, name):
    # Layer normalisation, at each pixel over its channels. Batch normalisation would
    # make q(z|x), and with it the ELBO of an example, depend on what else is in its
    # batch, and would compute something else in training than in what is exported.
    # Group normalisation, as Keras has it, goes through tensors of rank 5 and
    # E[h^2] - E[h]^2, which loses digits.
    hidden = layers.LayerNormalization(name=f"{name}_norm")(hidden)
    return layers.Activation(builder.activation, name=f"{name}_activation")(hidden)
