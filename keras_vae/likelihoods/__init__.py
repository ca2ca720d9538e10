"""Likelihoods p(x|z): what a decoder's output means."""

import difflib

import keras

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_vae.likelihoods.discretized_logistic import DiscretizedLogistic
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.laplace import Laplace
from keras_vae.likelihoods.poisson import Poisson

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "Poisson",
    "get",
]

_BY_NAME = {
    likelihood.identifier: likelihood
    for likelihood in (
        Bernoulli,
        ContinuousBernoulli,
        Gaussian,
        Laplace,
        Categorical,
        DiscretizedLogistic,
        Poisson,
    )
}


def get(identifier):
    """A likelihood, by name or as it is.

    Args:
        identifier: Name (`"bernoulli"`, `"continuous_bernoulli"`, `"gaussian"`,
            `"laplace"`, `"categorical"`, `"discretized_logistic"`, `"poisson"`), which
            gives the likelihood with its default arguments; a `Likelihood`; or the
            config of one, as `keras.saving.serialize_keras_object` returns it.

    Returns:
        `Likelihood`.

    Raises:
        ValueError: If `identifier` is none of these.

    Example:

    >>> get("gaussian").num_parameters
    1
    >>> get("gausian")
    Traceback (most recent call last):
    ...
    ValueError: `likelihood` should be a name, ... Did you mean 'gaussian'? ...
    """
    likelihood, hint = identifier, ""
    if isinstance(identifier, dict):
        likelihood = keras.saving.deserialize_keras_object(identifier)
    elif isinstance(identifier, str):
        if identifier in _BY_NAME:
            return _BY_NAME[identifier]()
        for nearest in difflib.get_close_matches(identifier.lower(), _BY_NAME, n=1):
            hint = f"Did you mean {nearest!r}? "
    elif isinstance(identifier, type) and issubclass(identifier, Likelihood):
        hint = f"Make an instance: {identifier.__name__}(). "
    if isinstance(likelihood, Likelihood):
        return likelihood
    raise ValueError(
        "`likelihood` should be a name, a `keras_vae.likelihoods.Likelihood` or its "
        f"config. {hint}The names are: {', '.join(_BY_NAME)}. Received: {identifier!r}"
    )
