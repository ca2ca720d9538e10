"""Residual convolutional networks of several levels, for images."""

import math

import keras
from keras import layers

from keras_vae.arguments import check_integer, check_integers
from keras_vae.layers import TopDown
from keras_vae.networks.builder import (
    Builder,
    image_sizes,
)


def hierarchical_convolutional(
    data_shape,
    latent_dim,
    likelihood="bernoulli",
    *,
    filters=(32, 64),
    levels=(2, 2),
    latent_channels=4,
    blocks_per_stage=1,
    hidden_units=(128,),
    activation="leaky_relu",
    data_mean=None,
    seed=None,
    name=None,
):
    """Builds the convolutional networks of a `keras_vae.HierarchicalVAE`, for images.

    ```
    encoder:  x -> stages, each a convolution of stride 2 and residual blocks, whose
                output are the features f of the levels at that size
                -> flatten -> dense layers -> features of the top
    top:      a vector z of latent_dim -> dense layers -> h, the smallest map
    level:    q(z|h, f) = block([h, f]),     p(z|h), r = block(h)
              h -> h + r + convolution(z) -> residual block
              the last level of a size doubles it
    decoder:  h -> convolution -> parameters
    block:    1x1 convolution to half the channels, 3x3, 1x1
    ```

    There is no normalisation: the last convolution of each residual block starts small
    instead, and the deeper the network the smaller.

    Args:
        data_shape: Shape of one image, `(height, width, channels)`.
        latent_dim: Integer, size of the top level's code, a vector.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        filters: Tuple of integers >= 2, the channels after each halving.
        levels: Tuple of as many integers, the levels of maps at each of those sizes;
            0 for none.
        latent_channels: Integer, channels of the code of a level of maps.
        blocks_per_stage: Integer, residual blocks of the encoder after each halving.
        hidden_units: Tuple of integers, dense layers between the maps and the top
            level, in the encoder's order; may be empty.
        activation: Name of the hidden layers' activation.
        data_mean: Mean of the training images, an array that broadcasts to
            `data_shape`, in the units that the likelihood sees: the decoder's output
            starts around its mean over each channel. `None` starts with a bias of 0.
        seed: Integer: the same seed gives the same initial weights.
        name: Prefix of the models' names, `encoder` and `decoder`.

    Returns:
        `(encoder, decoder)`, two `keras.Model`s: `x`, `(batch, *data_shape)`, to a list
        of features, one for each level, the top first; and `z`, `(batch, total_dim)`,
        to the unconstrained parameters,
        `(batch, *likelihood.parameter_shape(data_shape))` in float32.

    Raises:
        ValueError: If an argument is out of its range, or an image has fewer than
            `2 ** len(filters)` rows or columns.

    Example:

    >>> encoder, decoder = hierarchical_convolutional((28, 28, 1), 16, levels=(1, 2))
    >>> decoder.get_layer("top_down").latent_shapes
    [(16,), (7, 7, 4), (7, 7, 4), (14, 14, 4)]

    Reference:
        Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them
        on Images" (2021), section 3: the block and its initial scale; Vahdat & Kautz,
        "NVAE" (2020).
    """
    filters = check_integers("filters", filters, minimum=2)
    levels = check_integers("levels", levels, minimum=0)
    if len(levels) != len(filters):
        raise ValueError(
            "`levels` should hold a number of levels for each entry of `filters`. "
            f"Received: levels={levels}, filters={filters}"
        )
    latent_channels = check_integer("latent_channels", latent_channels, minimum=1)
    blocks_per_stage = check_integer("blocks_per_stage", blocks_per_stage, minimum=0)
    hidden_units = check_integers("hidden_units", hidden_units, empty=True)
    builder = _Levels(
        data_shape, latent_dim, likelihood, activation, data_mean, seed, name
    )
    builder.num_blocks = sum(levels) + blocks_per_stage * len(filters)
    sizes = image_sizes(builder.data_shape, filters)

    x = builder.x()
    hidden, features = x, []
    for stage, channels in enumerate(filters):
        prefix = f"encoder_stage_{stage + 1}"
        hidden = builder.convolution(
            channels, 3, f"{prefix}_conv", strides=2, activate=False
        )(hidden)
        for index in range(blocks_per_stage):
            hidden = builder.residual_block(hidden, f"{prefix}_block_{index + 1}")
        features = [hidden] * levels[stage] + features
    top = layers.Activation(builder.activation, name="encoder_activation")(hidden)
    top = layers.Flatten(name="encoder_flatten")(top)
    top = builder.dense_layers(top, hidden_units, "encoder")
    encoder = builder.encoder_of(x, [top, *features])

    posteriors = [builder.top_posterior(top.shape[1:])]
    updates, priors = [], []
    value = keras.Input((builder.latent_dim,), name="value")
    hidden = builder.dense_layers(value, reversed(hidden_units), "level_0")
    smallest = (*sizes[-1], filters[-1])
    hidden = builder.dense(math.prod(smallest), "level_0_map", activate=False)(hidden)
    hidden = layers.Reshape(smallest, name="level_0_reshape")(hidden)
    inputs = value
    for stage in reversed(range(len(filters))):
        for _ in range(levels[stage]):
            updates.append(keras.Model(inputs, hidden))
            shape, prefix = hidden.shape[1:], f"level_{len(updates)}"
            priors.append(builder.prior(shape, latent_channels, prefix))
            posteriors.append(builder.posterior(shape, latent_channels, prefix))
            inputs, hidden = builder.update(shape, latent_channels, prefix)
        if stage > 0:
            # To the channels of the stage before.
            hidden = builder.upsample(
                hidden, filters[stage - 1], 3, sizes[stage], f"stage_{stage}_up", False
            )
    updates.append(keras.Model(inputs, hidden))

    top_down = TopDown(updates, posteriors, priors, name="top_down")
    z = keras.Input((top_down.latent_dim,), dtype="float32", name="z")
    state = top_down(z)
    hidden = layers.Activation(builder.activation, name="decoder_activation")(state)
    hidden = builder.upsample(hidden, filters[0], 3, sizes[0], "decoder_up")
    return encoder, builder.convolutional_decoder(z, hidden, 3)


class _Levels(Builder):
    """The networks of a level."""

    def top_posterior(self, feature_shape):
        features = keras.Input(feature_shape, name="features")
        q = self.normal(features, self.latent_dim, "level_0_posterior")
        return keras.Model(features, q)

    def posterior(self, shape, channels, prefix):
        """`[h, features]` to `[mean, log_var]`."""
        state = keras.Input(shape, name="state")
        features = keras.Input(shape, name="features")
        merged = layers.Concatenate(name=f"{prefix}_merge")([state, features])
        prefix = f"{prefix}_posterior"
        hidden = self.bottleneck(merged, shape[-1], prefix)
        return keras.Model([state, features], self.maps(hidden, channels, prefix))

    def prior(self, shape, channels, prefix):
        """`h` to `[mean, log_var, h + r]`."""
        state = keras.Input(shape, name="state")
        prefix = f"{prefix}_prior"
        hidden = self.bottleneck(state, shape[-1], prefix)
        rest = self.widen(hidden, shape[-1], f"{prefix}_out")
        rest = layers.Add(name=f"{prefix}_add")([state, rest])
        return keras.Model(state, [*self.maps(hidden, channels, prefix), rest])

    def update(self, shape, channels, prefix):
        """Inputs `[h, v]` and the next `h`, of the same size."""
        state = keras.Input(shape, name="state")
        value = keras.Input((*shape[:-1], channels), name="value")
        hidden = self.convolution(shape[-1], 1, f"{prefix}_in", activate=False)(value)
        hidden = layers.Add(name=f"{prefix}_add")([state, hidden])
        return [state, value], self.residual_block(hidden, f"{prefix}_block")

    def maps(self, hidden, channels, prefix):
        return self.normal(hidden, channels, prefix, layers.Conv2D, kernel_size=1)
