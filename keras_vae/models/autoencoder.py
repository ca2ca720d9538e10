"""The plain autoencoder: the baseline that shows what a VAE adds."""

import keras

from keras_vae.distributions import Delta
from keras_vae.models import network_checks
from keras_vae.models.vae import VAE

_NO_KL = "an autoencoder has no KL"


@keras.saving.register_keras_serializable(package="keras_vae")
class Autoencoder(VAE):
    """An encoder and a decoder trained to reconstruct, without sampling and without KL.

    ```
    loss = reconstruction_loss = -log p(x|z),     z = encoder(x)
    ```

    When to use it: as the baseline that shows what the VAE adds, and where only
    compression or codes for another model are wanted. When not: to draw new data
    (`sample` decodes draws of the prior, which nothing ties to the codes, and so shows
    the holes between them), to score anomalies by a likelihood, or for codes that vary
    smoothly. It costs what a VAE costs, less the noise. Without a density there is no
    ELBO: `elbo` and `marginal_log_likelihood` say so.

    Args:
        encoder: Functional Keras model, `x` -> `z`, `(batch, *latent_shape)`. Of the
            usual `x` -> `[z_mean, z_log_var]`, as `keras_vae.networks` build it, the
            part that ends in `z_mean` is taken, with its weights.
        decoder: As of `VAE`.
        prior: Of `sample` alone: `"standard_normal"`, or a `keras_vae.priors.Prior`
            whose weights are known, as of `fit_mixture`.
        **kwargs: `likelihood`, `standardize`, `seed` and what else `VAE` takes; `beta`,
            `capacity`, `free_bits`, `num_samples` and `flow` have no effect here and
            are refused.

    Raises:
        ValueError: If the networks do not fit one another, or for an argument without
            effect.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> autoencoder = Autoencoder(*networks, seed=0)
    >>> autoencoder.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> sorted(autoencoder.fit(x, verbose=0).history)
    ['loss', 'reconstruction_loss']
    >>> [z] = autoencoder.encode(x)
    >>> z.shape
    (64, 2)

    Reference:
        Hinton & Salakhutdinov, "Reducing the Dimensionality of Data with Neural
        Networks" (2006).
    """

    MEASURES = ("reconstruction_loss",)
    UNUSED = {
        **dict.fromkeys(("beta", "capacity", "free_bits"), _NO_KL),
        "num_samples": "all draws of z would be the same",
        "flow": "its codes are points, and a flow transforms a density",
    }

    def __init__(self, encoder, decoder, *, prior="standard_normal", **kwargs):
        if isinstance(prior, str) and prior != "standard_normal":
            raise ValueError(
                "`prior` should be 'standard_normal', or one whose weights are known: "
                "an autoencoder has no KL that would train them. Received: "
                f"prior={prior!r}. Mend: keras_vae.priors.fit_mixture(vae.codes(x)) "
                "after training"
            )
        super().__init__(_to_one_output(encoder), decoder, prior=prior, **kwargs)
        [z] = self.encoder.outputs
        if tuple(z.shape[1:]) != self.latent_shape:
            raise ValueError(
                f"`decoder` should take z of shape {tuple(z.shape)}, which the encoder "
                f"returns. Received: input shape {(None, *self.latent_shape)}"
            )

    def posterior(self, inputs, training=False):
        outputs = self._interface.encoder(inputs, inputs, training)
        [z] = outputs.values() if isinstance(outputs, dict) else [outputs]
        return Delta(z)

    def objective(self, terms):
        return terms.reconstruction_loss


def _to_one_output(encoder):
    """The encoder itself, or the part of it that ends in `z_mean`."""
    if len(getattr(encoder, "outputs", None) or [0]) == 1:
        return encoder
    # Not left in place: a head that nothing is computed of has no gradient.
    outputs = network_checks.named_outputs(encoder.output)
    if set(outputs) != {"z_mean", "z_log_var"}:
        raise ValueError(
            "`encoder` should have one output, keras.Model(x, z), or be a VAE's, with "
            f"[z_mean, z_log_var]. Received: {len(encoder.outputs)} outputs"
        )
    return keras.Model(encoder.input, outputs["z_mean"], name=encoder.name)
