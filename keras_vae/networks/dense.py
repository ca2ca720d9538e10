"""Networks of dense layers, for data of any shape."""

from keras_vae.arguments import check_integers
from keras_vae.networks.builder import Builder


def dense(
    data_shape,
    latent_dim,
    likelihood="bernoulli",
    *,
    hidden_units=(256, 256),
    activation="silu",
    data_mean=None,
    condition_dim=None,
    context_dim=None,
    seed=None,
    name=None,
):
    """Builds an encoder and a decoder of dense layers, for data of any shape.

    ```
    encoder:  x -> flatten -> hidden_units, in order        -> z_mean, z_log_var
    decoder:  z ->            hidden_units, in reverse order -> parameters
    ```

    With `hidden_units=()` both are linear: with a Gaussian likelihood of one learned
    scale that is probabilistic PCA (Tipping & Bishop 1999).

    Args:
        data_shape: Shape of one example, a tuple: `(784,)`, `(28, 28, 1)`.
        latent_dim: Integer, size of `z`.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        hidden_units: Tuple of integers, one for each hidden layer; may be empty.
        activation: Name of the hidden layers' activation. `silu` learns more in an
            epoch than `relu`, and takes longer for it.
        data_mean: Mean of the training examples, an array that broadcasts to
            `data_shape`, in the units that the likelihood sees: the decoder's output
            starts around it. `None` starts with a bias of 0.
        condition_dim: Integer, size of a condition that encoder and decoder take beside
            x and z, an input named `condition`: it joins x, and z, before the
            first layer
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
        ValueError: If an argument is out of its range.

    Example:

    >>> encoder, decoder = dense((28, 28, 1), latent_dim=2, seed=0)
    >>> [output.shape for output in encoder.outputs]
    [(None, 2), (None, 2)]
    >>> decoder.output.shape
    (None, 28, 28, 1)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix C.
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
    hidden_units = check_integers("hidden_units", hidden_units, empty=True)

    x = builder.x()
    hidden = builder.flattened(x)
    inputs, hidden = builder.conditioned(x, hidden, "encoder")
    hidden = builder.dense_layers(hidden, hidden_units, "encoder")
    encoder = builder.encoder(inputs, hidden)

    z = builder.z()
    inputs, hidden = builder.conditioned(z, z, "decoder")
    hidden = builder.dense_layers(hidden, reversed(hidden_units), "decoder")
    return encoder, builder.dense_decoder(inputs, hidden)
