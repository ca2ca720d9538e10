"""How many nats a code costs, and how many its reconstruction then does."""

from collections.abc import Iterator

from keras_vae.moments import RunningMoments


def rate_distortion(models, x, batch_size=128, seed=0):
    """Rate and distortion of models on data: the points of a rate-distortion curve.

    ```
    rate       = E[KL(q(z|x) || p(z))]      = kl_loss
    distortion = E[-log p(x|z)]             = reconstruction_loss
    elbo       = -(rate + distortion)
    ```

    Models trained with different `beta` lie along the curve: a high one saves rate. On
    a line of slope -1 all have the same ELBO. A point near rate 0 is a model that has
    collapsed, one near distortion 0 (of discrete data) an autoencoder. Compare models
    with one likelihood, on the same data.

    Args:
        models: Dictionary from a name to a `keras_vae.VAE`, or a list of them, which
            are then called by their place.
        x: Data, as for `vae.score`: an array, or an iterable of batches that can be
            read again for each model.
        batch_size: Examples computed at a time; does not change the numbers.
        seed: Integer; example `i` gets its noise from `[seed, i]` alone.

    Returns:
        A list, a dict of plain Python values for each model in the given order, ready
        for JSON: `model`, its name; `beta`, its argument of that name at its present
        step, or `None`; `num_examples`; `rate`, `distortion` and `elbo`, means in nats
        per example, each with its `..._standard_error` over the examples (`None` of one
        example).

    Raises:
        ValueError: If there is no model, one has no ELBO, or the data can be read once
            only.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(encoder, decoder, beta=4.0)
    >>> x = np.random.default_rng(0).uniform(size=(20, 4)).astype("float32")
    >>> (point,) = rate_distortion({"beta 4": vae}, x)
    >>> point["model"], point["beta"], point["num_examples"]
    ('beta 4', 4.0, 20)

    Reference:
        Alemi et al., "Fixing a Broken ELBO" (2018), section 2.2.
    """
    if not isinstance(models, dict):
        models = {str(place): vae for place, vae in enumerate(models)}
    if not models:
        raise ValueError("`models` should hold at least one VAE. Received: none")
    if isinstance(x, Iterator) and len(models) > 1:
        raise ValueError(
            "`x` should be data that can be read again for each model, such as an "
            f"array. Received: {type(x).__name__}. Mend: list({type(x).__name__})"
        )
    return [
        _point(name, vae, vae.score(x, batch_size, seed))
        for name, vae in models.items()
    ]


def _point(name, vae, scores):
    if "elbo" not in scores:
        raise ValueError(
            "`models` should have an ELBO, whose parts are rate and distortion. "
            f"Received: {name!r}, a {type(vae).__name__}, which has "
            f"{', '.join(scores)}"
        )
    point = {
        "model": name,
        "beta": None if "beta" in vae.UNUSED else float(vae.beta(vae.step)),
        "num_examples": len(scores["elbo"]),
    }
    sources = {"rate": "kl_loss", "distortion": "reconstruction_loss", "elbo": "elbo"}
    for measure, source in sources.items():
        moments = RunningMoments()
        moments.update(scores[source])
        point[measure] = float(moments.mean)
        point[f"{measure}_standard_error"] = moments.standard_error()
    return point
