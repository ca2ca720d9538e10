"""Which latent dimensions a VAE uses, and what to do when it uses none."""

import numpy as np

# Burda et al. saw variances either far below it or far above.
ACTIVE_VARIANCE = 0.01
# Trainings that end in a collapse and ones that do not look alike before.
FEW_EPOCHS = 5


def active_units(z_mean, threshold=ACTIVE_VARIANCE):
    """Which latent dimensions are active: their posterior mean depends on x.

    ```
    active_j  <=>  Var_x( E_q(z|x)[z_j] ) > threshold
    ```

    The variance is over the examples. That of an inactive dimension is close to 0,
    that of one which tells all about x close to 1, the prior's.

    Args:
        z_mean: Array `(n, latent_dim)`, means of q(z|x) as `vae.encode(x)[0]` gives.
        threshold: Variance above which a dimension is active.

    Returns:
        Boolean NumPy array `(latent_dim,)`; its sum is their number.

    Raises:
        ValueError: If `z_mean` has another rank, or fewer than two examples, which have
            no variance.

    Example:

    >>> active_units([[1.0, 0.01], [-1.0, 0.02]]).tolist()
    [True, False]

    Reference:
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016),
        section 5.2.
    """
    z_mean = np.asarray(z_mean, dtype="float64")
    if z_mean.ndim != 2 or len(z_mean) < 2:
        raise ValueError(
            "`z_mean` should have shape (n, latent_dim) with n >= 2, such as "
            f"vae.encode(x)[0]. Received: shape {z_mean.shape}"
        )
    return z_mean.var(axis=0) > threshold


def describe_activity(active, epochs=None):
    """Says in words how many latent dimensions are active, and what to do if none is.

    Args:
        active: Booleans `(latent_dim,)`, from `active_units` or the entry of that name
            in what `evaluate` returns; `None` where that is not known.
        epochs: Epochs that the model was trained for, if known: after a few of them
            nothing is said of a collapse, since dimensions become active one by one.

    Returns:
        A few sentences.

    Example:

    >>> print(describe_activity([True, True, False]))
    Active latent dimensions: 2 of 3. Inactive, the same for every x: z[2].

    >>> print(describe_activity([False, False]))
    Active latent dimensions: 0 of 2. The posterior has collapsed: z says nothing ...

    >>> print(describe_activity([False, False], epochs=2))
    Active latent dimensions: 0 of 2, after 2 epochs: train longer before ...

    Reference:
        Bowman et al., "Generating Sentences from a Continuous Space" (2016), section
        3.1 (the collapse and the warm-up); Kingma et al., "Improving Variational
        Inference with Inverse Autoregressive Flow" (2016), appendix C.8 (free bits).
    """
    if active is None:
        return "Active latent dimensions: unknown, it takes two examples to tell."
    active = np.asarray(active, dtype=bool)
    count = f"Active latent dimensions: {active.sum()} of {len(active)}"
    if active.all():
        return f"{count}."
    if active.any():
        inactive = [f"z[{j}]" for j in np.flatnonzero(~active)]
        if len(inactive) > 10:
            inactive[10:] = [f"and {len(inactive) - 10} more"]
        return f"{count}. Inactive, the same for every x: {', '.join(inactive)}."
    if epochs is not None and epochs < FEW_EPOCHS:
        return (
            f"{count}, after {epochs} epoch{'s' * (epochs != 1)}: train longer before "
            "anything is concluded from that."
        )
    return (
        f"{count}. The posterior has collapsed: z says nothing about x, and every "
        "reconstruction is almost the same. Try a lower beta, a warm-up "
        "(beta=keras_vae.schedules.LinearWarmup(num_steps)) or free bits "
        "(free_bits=0.1)."
    )
