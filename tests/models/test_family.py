"""Every model of the family, and every prior, held to the contracts: a row each."""

import numpy as np
import pytest

import keras_vae
from keras_vae import priors
from tests.contracts import check_prior, check_vae
from tests.models import variants

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(40, 12)) < RNG.uniform(size=12)).astype("float32")
CONDITION = np.eye(3, dtype="float32")[np.arange(40) % 3]
IMAGES = RNG.uniform(size=(40, 6, 6, 1)).astype("float32")


def make_hierarchical():
    units = ((6,), (8,))
    networks = keras_vae.networks.hierarchical_dense((12,), (2, 3), hidden_units=units)
    return keras_vae.HierarchicalVAE(*networks, num_samples=2, free_bits=0.01, seed=0)


def make_hierarchical_maps():
    networks = keras_vae.networks.hierarchical_convolutional(
        (6, 6, 1), 2, filters=(4,), levels=(1,), latent_channels=1, hidden_units=()
    )
    return keras_vae.HierarchicalVAE(*networks, seed=0)


def make_vqvae():
    networks = keras_vae.networks.quantized_convolutional(
        (6, 6, 1), 2, filters=(4, 6), num_blocks=1
    )
    prior = keras_vae.priors.AutoregressiveCodes(5, hidden_units=(8,))
    return keras_vae.VQVAE(*networks, quantizer=5, prior=prior, seed=0)


MODELS = {
    "vae": (variants.make_plain, X, True),
    "maps": (variants.make_maps, IMAGES, True),
    "iwae": (variants.make_iwae, X, True),
    "conditional": (variants.make_conditional, {"x": X, "condition": CONDITION}, True),
    "autoencoder": (variants.make_autoencoder, X, False),
    "flow": (variants.make_flow, X, True),
    "hierarchical": (make_hierarchical, X, True),
    "hierarchical maps": (make_hierarchical_maps, IMAGES, True),
    "vqvae": (make_vqvae, IMAGES, True),
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
