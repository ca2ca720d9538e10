"""Every model of the family, and every prior, held to the contracts: a row each."""

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import priors
from tests.contracts import check_prior, check_vae
from tests.models import distributions as made
from tests.models import variants

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(40, 12)) < RNG.uniform(size=12)).astype("float32")
IMAGES = RNG.uniform(size=(40, 6, 6, 1)).astype("float32")


def member(cls, condition_dim=None, **arguments):
    """A function that makes a model of the package on small dense networks."""

    def make():
        networks = keras_vae.networks.dense(
            (12,), 2, hidden_units=(16,), condition_dim=condition_dim, seed=0
        )
        return cls(*networks, seed=0, **arguments)

    return make


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
    "iwae": (member(keras_vae.IWAE, num_samples=3), X),
    "iwae, doubly reparameterized": (
        member(keras_vae.IWAE, num_samples=3, gradient="doubly_reparameterized"),
        X,
    ),
    "conditional": (
        member(keras_vae.ConditionalVAE, condition_dim=3, num_classes=3),
        {"x": X, "condition": np.arange(40) % 3},
    ),
    "autoencoder": (member(keras_vae.Autoencoder), X, False),
    "beta_tc": (
        member(keras_vae.BetaTCVAE, dataset_size=40),
        X,
        True,
        ("loss", "mutual_information", "total_correlation", "dimension_wise_kl"),
    ),
    "factor": (
        member(keras_vae.FactorVAE, hidden_units=(16, 16)),
        X,
        True,
        ("discriminator_loss",),
    ),
    "dip": (
        member(keras_vae.DIPVAE, kind="ii"),
        X,
        True,
        ("loss", "covariance_penalty"),
    ),
    # Of the default weight the loss may be near 0, where a share of it says nothing.
    "info": (member(keras_vae.InfoVAE, lambda_mmd=10.0), X, True, ("loss", "mmd")),
    "flow posterior and prior": (made.make_flows, X, True),
    "vamp": (made.make_vamp, X, True),
    "mixture of maps": (made.make_mixture, IMAGES, True),
    "flow of one's own": (variants.make_flow, X, True),
    "hierarchy of one's own": (variants.make_hierarchical, X, True),
    # The floor of `free_bits` is under the mean of a batch.
    "hierarchical": (make_hierarchical, X, True, ("loss",)),
    "hierarchical maps": (make_hierarchical_maps, IMAGES, True),
    "vqvae": (make_vqvae, IMAGES, True),
    "semi-supervised": (
        member(
            keras_vae.SemiSupervisedVAE,
            condition_dim=3,
            num_classes=3,
            hidden_units=(8,),
        ),
        # -1 of every other one: known, unknown, ...
        {"x": X, "condition": np.where(np.arange(40) % 2, np.arange(40) % 3, -1)},
    ),
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
@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    check_vae(*MODELS[name])


@pytest.mark.parametrize(
    ("make", "cls", "data"),
    [
        (variants.make_iwae, keras_vae.IWAE, X),
        (variants.make_autoencoder, keras_vae.Autoencoder, X),
        (
            variants.make_conditional,
            keras_vae.ConditionalVAE,
            {"x": X, "condition": np.eye(3, dtype="float32")[np.arange(40) % 3]},
        ),
    ],
)
def test_a_variant_of_a_few_lines_learns_what_the_member_does(make, cls, data):
    short = make()
    networks = [keras.models.clone_model(n) for n in (short.encoder, short.decoder)]
    full = cls(*networks, num_samples=short.num_samples, seed=0)
    full.set_weights(short.get_weights())
    for vae in (short, full):
        vae.compile(keras.optimizers.SGD(0.01))
        vae.fit(data, batch_size=16, shuffle=False, verbose=0)
    for found, expected in zip(full.get_weights(), short.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prior", PRIORS)
def test_priors(prior):
    check_prior(*PRIORS[prior])
