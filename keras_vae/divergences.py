"""Divergences and densities of diagonal normal distributions, in nats."""

import math

from keras import ops


def kl_normal_per_dimension(z_mean, z_log_var, prior_mean=0.0, prior_log_var=0.0):
    """KL divergence between normal distributions, one value per dimension.

    ```
    KL(N(m, v) || N(m0, v0)) = ((m - m0)^2 / v0 + v / v0 - 1 - log(v / v0)) / 2
    ```

    where `m` is `z_mean`, `log v` is `z_log_var`, `m0` is `prior_mean` and
    `log v0` is `prior_log_var`. `v / v0 - 1` is computed by `expm1`, so that the
    result keeps its precision, and its sign, where the two distributions are close.

    Args:
        z_mean: Tensor `(batch, latent_dim)`.
        z_log_var: Tensor `(batch, latent_dim)`.
        prior_mean: Tensor that broadcasts to `z_mean`.
        prior_log_var: Tensor that broadcasts to `z_mean`.

    Returns:
        Tensor `(batch, latent_dim)`, in nats, never negative.

    Example:

    >>> kl = kl_normal_per_dimension([[0.0, 1.0]], [[0.0, 0.0]])
    >>> [round(float(v), 3) for v in kl[0]]
    [0.0, 0.5]

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.
    """
    z_mean, z_log_var = ops.convert_to_tensor(z_mean), ops.convert_to_tensor(z_log_var)
    log_ratio = z_log_var - prior_log_var
    squared_distance = ops.square(z_mean - prior_mean) * ops.exp(
        -ops.convert_to_tensor(prior_log_var, dtype=z_mean.dtype)
    )
    return 0.5 * (squared_distance + ops.expm1(log_ratio) - log_ratio)


def kl_normal(z_mean, z_log_var, prior_mean=0.0, prior_log_var=0.0):
    """KL divergence between diagonal normal distributions.

    The sum of `kl_normal_per_dimension` over the last axis; with the default
    prior this is the `kl_loss` of a VAE with a standard normal prior:

    ```
    KL(q(z|x) || N(0, I)) = sum_j (z_mean_j^2 + exp(z_log_var_j) - 1 - z_log_var_j) / 2
    ```

    Args:
        z_mean: Tensor `(batch, latent_dim)`.
        z_log_var: Tensor `(batch, latent_dim)`.
        prior_mean: Tensor that broadcasts to `z_mean`.
        prior_log_var: Tensor that broadcasts to `z_mean`.

    Returns:
        Tensor `(batch,)`, in nats.

    Example:

    >>> float(kl_normal([[0.0, 1.0]], [[0.0, 0.0]])[0])
    0.5

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.
    """
    return ops.sum(
        kl_normal_per_dimension(z_mean, z_log_var, prior_mean, prior_log_var), axis=-1
    )


def normal_log_prob(z, z_mean=0.0, z_log_var=0.0):
    """Log-density of a diagonal normal distribution.

    ```
    log N(z; m, v) = -sum_j ((z_j - m_j)^2 / v_j + log v_j + log(2 pi)) / 2
    ```

    `log q(z|x) - log p(z)` averaged over draws of q estimates the KL divergence
    where it has no closed form.

    Args:
        z: Tensor `(..., latent_dim)`.
        z_mean: Tensor that broadcasts to `z`.
        z_log_var: Tensor that broadcasts to `z`.

    Returns:
        Tensor `(...)`, in nats.

    Example:

    >>> round(float(normal_log_prob([[0.0, 0.0]])[0]), 4)
    -1.8379

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), appendix C.2.
    """
    z = ops.convert_to_tensor(z)
    z_log_var = ops.convert_to_tensor(z_log_var, dtype=z.dtype)
    per_dimension = (
        ops.square(z - z_mean) * ops.exp(-z_log_var) + z_log_var + math.log(2 * math.pi)
    )
    return -0.5 * ops.sum(per_dimension, axis=-1)
