"""The likelihoods by name, and which of them take given data."""

import keras
import numpy as np

from keras_vae.arguments import did_you_mean
from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.columns import Columns
from keras_vae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_vae.likelihoods.discretized_logistic import DiscretizedLogistic
from keras_vae.likelihoods.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.laplace import Laplace
from keras_vae.likelihoods.poisson import Poisson

_BY_NAME = {
    likelihood.identifier: likelihood
    for likelihood in (
        Bernoulli,
        ContinuousBernoulli,
        Gaussian,
        Laplace,
        Categorical,
        DiscretizedLogistic,
        DiscretizedLogisticMixture,
        Poisson,
    )
}


def get(identifier):
    """A likelihood, by name or as it is.

    Args:
        identifier: Name (`"bernoulli"`, `"continuous_bernoulli"`, `"gaussian"`,
            `"laplace"`, `"categorical"`, `"discretized_logistic"`,
            `"discretized_logistic_mixture"`, `"poisson"`), which gives the likelihood
            with its default arguments; a `Likelihood`; or the config of one, as
            `keras.saving.serialize_keras_object` returns it.

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
        if identifier == Columns.identifier:
            raise ValueError(
                "`likelihood` of a table has to know its columns. Received: 'columns'. "
                "Mend: keras_vae.likelihoods.Columns(schema)"
            )
        hint = did_you_mean(identifier, _BY_NAME)
    elif isinstance(identifier, type) and issubclass(identifier, Likelihood):
        hint = f" Make an instance: {identifier.__name__}()."
    if isinstance(likelihood, Likelihood):
        return likelihood
    raise ValueError(
        "`likelihood` should be a name, a `keras_vae.likelihoods.Likelihood` or its "
        f"config.{hint} The names are: {', '.join(_BY_NAME)}. Received: {identifier!r}"
    )


def suitable(x):
    """Names of the likelihoods, by default arguments, that take data as they are.

    Args:
        x: Array `(batch, *data_shape)`.

    Returns:
        List of strings.

    Example:

    >>> suitable([[-1.0, 0.5]])
    ['gaussian', 'laplace']
    """
    return [name for name, cls in _BY_NAME.items() if np.all(cls.support.contains(x))]


def misfit(likelihood, x, name="x", start=0):
    """What is wrong with data that a likelihood cannot produce, and what to do.

    Args:
        likelihood: `Likelihood`.
        x: Array `(batch, *data_shape)`.
        name: What the data are called in the message.
        start: Index of `x[0]` in data of which `x` is a part.

    Returns:
        String: the message of an error, with the line that makes the data fit and the
        names of the likelihoods that take them as they are. `None` if they fit.

    Example:

    >>> misfit(get("bernoulli"), [[0.0, 1.0]])
    >>> print(misfit(get("bernoulli"), [[114.0, 139.5]]))
    `x` should lie in the support of the likelihood 'bernoulli': [0, 1].
    Received: values from 114 to 139.5. Mend: x / 255, as for 8-bit images.
    Or choose another likelihood: 'gaussian', 'laplace'.
    The first example outside is number 0.
    """
    inside = likelihood.in_support(x).numpy()
    if inside.all():
        return None
    x = np.asarray(x)
    others = [name for name in suitable(x) if name != likelihood.identifier]
    others = ", ".join(map(repr, others))
    choose = f" Or choose another likelihood: {others}." if others else ""
    return (
        f"`{name}` should lie in the support of the likelihood "
        f"{likelihood.identifier!r}: {likelihood.support}. "
        f"{likelihood.support.explain(x, name)}{choose} "
        f"The first example outside is number {start + int(np.argmin(inside))}."
    )
