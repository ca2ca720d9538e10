"""Dense networks of several levels, for data of any shape."""

import keras
from keras import layers

from keras_vae.arguments import check_integers
from keras_vae.layers import TopDown
from keras_vae.networks.builder import Builder

# Of the heads, as of a single level's. Vectors have few dimensions, and with heads a
# tenth of that size little comes through the codes at first.
GAIN = 0.1


def hierarchical_dense(
    data_shape,
    latent_dims,
    likelihood="bernoulli",
    *,
    hidden_units=((128, 128), (256, 256)),
    skip=False,
    activation="silu",
    data_mean=None,
    seed=None,
    name=None,
):
    """Builds the dense networks of a `keras_vae.HierarchicalVAE`.

    For two levels, the top being 0:

    ```
    encoder:    x   -> flatten -> hidden_units[1] -> f_1 -> hidden_units[0] -> f_0
    top:        f_0 -> q(z_0|x)
                z_0 -> hidden_units[0] reversed -> h_0
    bottom:     [h_0, f_1] -> dense -> q(z_1|z_0, x)
                h_0 -> p(z_1|z_0),   z_1 -> hidden_units[1] reversed -> h_1
    decoder:    h_1 -> parameters
    ```

    Args:
        data_shape: Shape of one example, a tuple: `(784,)`, `(28, 28, 1)`.
        latent_dims: Tuple of integers, the size of each level's code, the top first.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        hidden_units: Tuple with a tuple of integers for each level, the top first: the
            dense layers between it and what is below it, in the encoder's order.
        skip: Whether what a level passes on depends on the levels above by more than
            its own code.
        activation: Name of the hidden layers' activation.
        data_mean: Mean of the training examples, an array that broadcasts to
            `data_shape`, in the units that the likelihood sees: the decoder's output
            starts around it. `None` starts with a bias of 0.
        seed: Integer: the same seed gives the same initial weights.
        name: Prefix of the models' names, `encoder` and `decoder`.

    Returns:
        `(encoder, decoder)`, two `keras.Model`s: `x`, `(batch, *data_shape)`, to a list
        of features, `(batch, hidden_units[l][-1])`; and `z`, `(batch, total_dim)`, to
        the unconstrained parameters, `(batch, *likelihood.parameter_shape(data_shape))`
        in float32.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    The two stochastic layers of Burda et al. (2016), 784-200-200-100-100-100-50:

    >>> encoder, decoder = hierarchical_dense(
    ...     (784,), (50, 100), hidden_units=((100, 100), (200, 200)), activation="tanh"
    ... )
    >>> decoder.input.shape, decoder.output.shape
    ((None, 150), (None, 784))

    Reference:
        Sonderby et al., "Ladder Variational Autoencoders" (2016), figure 1b; Burda et
        al., "Importance Weighted Autoencoders" (2016), section 5.
    """
    latent_dims = check_integers("latent_dims", latent_dims, example="(50, 100)")
    hidden_units = _hidden_units(hidden_units, len(latent_dims))
    builder = Builder(
        data_shape, sum(latent_dims), likelihood, activation, data_mean, seed, name
    )

    x = builder.x()
    hidden = builder.flattened(x)
    features = []
    for level in reversed(range(len(latent_dims))):
        prefix = f"encoder_level_{level}"
        hidden = builder.dense_layers(hidden, hidden_units[level], prefix)
        features.insert(0, hidden)
    encoder = builder.encoder_of(x, features)

    updates, posteriors, priors, width = [], [], [], None
    for level, (dim, units) in enumerate(zip(latent_dims, hidden_units, strict=True)):
        prefix = f"level_{level}"
        feature = keras.Input((units[-1],), name="features")
        value = keras.Input((dim,), name="value")
        if level == 0:
            q = builder.normal(feature, dim, f"{prefix}_posterior", gain=GAIN)
            posteriors.append(keras.Model(feature, q))
            inputs, hidden = value, value
        else:
            state = keras.Input((width,), name="state")
            merged = layers.Concatenate(name=f"{prefix}_merge")([state, feature])
            merged = builder.dense(units[-1], f"{prefix}_posterior_dense")(merged)
            q = builder.normal(merged, dim, f"{prefix}_posterior", gain=GAIN)
            posteriors.append(keras.Model([state, feature], q))
            p = builder.normal(state, dim, f"{prefix}_prior", gain=GAIN)
            priors.append(keras.Model(state, p))
            inputs, hidden = [state, value], value
            if skip:
                hidden = layers.Concatenate(name=f"{prefix}_skip")(inputs)
        hidden = builder.dense_layers(hidden, units[::-1], prefix)
        updates.append(keras.Model(inputs, hidden))
        width = units[0]

    z = builder.z()
    state = TopDown(updates, posteriors, priors, name="top_down")(z)
    return encoder, builder.dense_decoder(z, state)


def _hidden_units(hidden_units, num_levels):
    try:
        units = tuple(check_integers("hidden_units", u) for u in hidden_units)
    except (TypeError, ValueError):
        units = ()
    if len(units) != num_levels:
        raise ValueError(
            "`hidden_units` should hold a tuple of integers for each of the "
            f"{num_levels} levels of `latent_dims`, such as "
            f"{((128, 128),) * num_levels}. Received: hidden_units={hidden_units!r}"
        )
    return units
