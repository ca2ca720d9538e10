"""Priors p(z): where new data begin."""

import keras

from keras_vae.arguments import did_you_mean
from keras_vae.priors.autoregressive_codes import AutoregressiveCodes
from keras_vae.priors.base import Prior
from keras_vae.priors.codes import CodesPrior
from keras_vae.priors.flow import FlowPrior
from keras_vae.priors.mixture import MixturePrior, fit_mixture
from keras_vae.priors.standard_normal import StandardNormal
from keras_vae.priors.top_level import TopLevel
from keras_vae.priors.uniform_codes import UniformCodes
from keras_vae.priors.vamp import VampPrior

__all__ = [
    "AutoregressiveCodes",
    "CodesPrior",
    "FlowPrior",
    "MixturePrior",
    "Prior",
    "StandardNormal",
    "TopLevel",
    "UniformCodes",
    "VampPrior",
    "fit_mixture",
    "get",
]

_BY_NAME = {
    "standard_normal": StandardNormal,
    "mixture": MixturePrior,
    "vamp": VampPrior,
    "flow": FlowPrior,
}


def get(identifier):
    """Returns the prior that a name, a config or a prior stands for.

    Args:
        identifier: `"standard_normal"`, `"mixture"`, `"vamp"` or `"flow"`, with default
            arguments; a `Prior`; or a serialized one.

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
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    raise ValueError(
        f"`prior` should be one of {sorted(_BY_NAME)} or a keras_vae.priors.Prior. "
        f"Received: prior={identifier!r}.{did_you_mean(identifier, _BY_NAME)}"
    )
