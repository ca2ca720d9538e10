"""The prior of a flow against automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_vae import layers, noise, priors

RNG = np.random.default_rng(0)


def make(latent_shape):
    flow = layers.CouplingFlow(num_steps=3, hidden_units=(8,), seed=0)
    prior = priors.FlowPrior(flow)
    prior.build(latent_shape)
    rng = np.random.default_rng(1)
    prior.set_weights([rng.normal(0, 0.5, w.shape) for w in prior.get_weights()])
    return prior


def test_at_the_start_it_is_the_standard_normal():
    prior, standard = priors.get("flow"), priors.StandardNormal()
    prior.build((2, 2, 1))
    z = RNG.normal(size=(5, 7, 2, 2, 1)).astype("float32")
    np.testing.assert_allclose(prior.log_prob(z), standard.log_prob(z), rtol=1e-6)
    seeds = noise.example_seeds(3, 0, 9)
    np.testing.assert_array_equal(
        prior.sample(seeds, (2, 2, 1)), standard.sample(seeds, (2, 2, 1))
    )


def test_density_of_draws_is_that_of_their_noise_and_the_jacobian():
    """log p(f(e)) = log N(e) - log |det df/de|, with the determinant of autodiff."""
    prior = make((3,))
    seeds = noise.example_seeds(3, 0, 5)
    start = noise.normal(seeds, 3)
    z = prior.sample(seeds, (3,))
    with tf.GradientTape() as tape:
        tape.watch(start)
        moved = prior.flow(start[None])[0][0]
    jacobian = tape.batch_jacobian(moved, start)
    expected = stats.norm.logpdf(start).sum(-1) - np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(prior.log_prob(z[None])[0], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "flow", [layers.InverseAutoregressiveFlow(), layers.Sampling(), "coupling"]
)
def test_a_flow_that_cannot_be_turned_round(flow):
    with pytest.raises(ValueError, match="`flow` should be a flow with an inverse"):
        priors.FlowPrior(flow)


def test_a_flow_with_a_context():
    flow = layers.CouplingFlow()
    flow.build((3,), (2,))
    with pytest.raises(ValueError, match="`flow` should take no context"):
        priors.FlowPrior(flow)
