"""Priors p(z): where new data begin."""

import difflib

import keras

from keras_vae import divergences, noise


class Prior(keras.layers.Layer):
    """A distribution over the latent space, perhaps with weights of its own.

    Subclasses implement the three methods below. Always float32.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.built = True

    def kl(self, z_mean, z_log_var, z):
        """KL(q(z|x) || p(z)), split over the latent dimensions.

        Args:
            z_mean: Tensor `(batch, latent_dim)`.
            z_log_var: Tensor `(batch, latent_dim)`.
            z: Draws of q(z|x), `(num_samples, batch, latent_dim)`, for priors
                whose KL has no closed form.

        Returns:
            Tensor `(batch, groups)` in nats; its sum over the groups is the KL. A
            prior that factorises over dimensions returns one group for each.
        """
        raise NotImplementedError

    def log_prob(self, z):
        """log p(z) of a tensor `(..., latent_dim)`: a tensor `(...)`, in nats."""
        raise NotImplementedError

    def sample(self, seed, latent_dim):
        """One draw for each seed.

        Args:
            seed: int32 tensor `(batch, 2)`; a row determines its draw alone.
            latent_dim: Integer.

        Returns:
            Tensor `(batch, latent_dim)`.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """The prior p(z) = N(0, I).

    ```
    KL(q(z|x) || p(z)) = sum_j (z_mean_j^2 + exp(z_log_var_j) - 1 - z_log_var_j) / 2
    ```

    Example:

    >>> prior = StandardNormal()
    >>> prior.sample([[0, 0], [0, 1]], latent_dim=3).shape
    TensorShape([2, 3])

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.
    """

    def kl(self, z_mean, z_log_var, z=None):
        """The closed form, one value per dimension: `(batch, latent_dim)`, nats."""
        return divergences.kl_normal_per_dimension(z_mean, z_log_var)

    def log_prob(self, z):
        """log N(z; 0, I): `(..., latent_dim)` to `(...)`, in nats."""
        return divergences.normal_log_prob(z)

    def sample(self, seed, latent_dim):
        """`noise.normal`: seeds `(batch, 2)` to draws `(batch, latent_dim)`."""
        return noise.normal(seed, latent_dim)


_PRIORS = {"standard_normal": StandardNormal}


def get(identifier):
    """Returns the prior that a name, a config or a prior stands for.

    Args:
        identifier: `"standard_normal"`, a `Prior`, or a serialized one.

    Returns:
        A `Prior`.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> type(get("standard_normal")).__name__
    'StandardNormal'
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Prior):
        return identifier
    if identifier in _PRIORS:
        return _PRIORS[identifier]()
    near = difflib.get_close_matches(str(identifier), _PRIORS, n=1, cutoff=0.0)
    raise ValueError(
        f"`prior` should be one of {sorted(_PRIORS)} or a keras_vae.priors.Prior. "
        f"Received: prior={identifier!r}. Did you mean {near[0]!r}?"
    )
