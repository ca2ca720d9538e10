"""Every model of the family, and every prior, held to the contracts: a row each."""

import numpy as np
import pytest

from keras_vae import priors
from tests.contracts import check_prior, check_vae
from tests.models import distributions as made
from tests.models import variants

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(40, 12)) < RNG.uniform(size=12)).astype("float32")
CONDITION = np.eye(3, dtype="float32")[np.arange(40) % 3]
IMAGES = RNG.uniform(size=(40, 6, 6, 1)).astype("float32")

MODELS = {
    "vae": (variants.make_plain, X, True),
    "maps": (variants.make_maps, IMAGES, True),
    "iwae": (variants.make_iwae, X, True),
    "conditional": (variants.make_conditional, {"x": X, "condition": CONDITION}, True),
    "autoencoder": (variants.make_autoencoder, X, False),
    "flow": (variants.make_flow, X, True),
    "hierarchical": (variants.make_hierarchical, X, True),
    "flow posterior and prior": (made.make_flows, X, True),
    "vamp": (made.make_vamp, X, True),
    "mixture of maps": (made.make_mixture, IMAGES, True),
}
PRIORS = {
    "standard_normal": (priors.StandardNormal, (3,), None),
    "standard_normal of maps": (priors.StandardNormal, (2, 2, 1), None),
    "mixture": (lambda: made.mixture_prior((3,)), (3,), None),
    "mixture of maps": (lambda: made.mixture_prior((2, 2, 1)), (2, 2, 1), None),
    "flow": (lambda: made.flow_prior((3,)), (3,), None),
    "flow of maps": (lambda: made.flow_prior((2, 2, 1)), (2, 2, 1), None),
    "vamp": (lambda: priors.VampPrior(4, X, seed=0), (2,), variants.make_plain()),
    "vamp of maps": (
        lambda: priors.VampPrior(4, IMAGES[:, :4, :4], weighted=True, seed=0),
        (2, 2, 1),
        made.make_small_maps(),
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of Keras, on shuffling
@pytest.mark.parametrize("member", MODELS)
def test_models(member):
    check_vae(*MODELS[member])


@pytest.mark.parametrize("prior", PRIORS)
def test_priors(prior):
    check_prior(*PRIORS[prior])
