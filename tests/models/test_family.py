"""Every model of the family, and every prior, held to the contracts: a row each."""

import numpy as np
import pytest

from keras_vae import priors
from tests.contracts import check_prior, check_vae
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
}
PRIORS = {
    "standard_normal": (priors.StandardNormal, (3,), None),
    "standard_normal of maps": (priors.StandardNormal, (2, 2, 1), None),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of Keras, on shuffling
@pytest.mark.parametrize("member", MODELS)
def test_models(member):
    check_vae(*MODELS[member])


@pytest.mark.parametrize("prior", PRIORS)
def test_priors(prior):
    check_prior(*PRIORS[prior])
