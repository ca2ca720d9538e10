"""Likelihoods p(x|z): what a decoder's output means."""

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
from keras_vae.likelihoods.location_scale import LocationScale
from keras_vae.likelihoods.poisson import Poisson
from keras_vae.likelihoods.registry import get, misfit, suitable

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "LocationScale",
    "Poisson",
    "get",
    "misfit",
    "suitable",
]
