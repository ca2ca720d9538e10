"""Models with flows and other priors: that they learn, and what they answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_vae
from keras_vae import layers, networks, noise, priors

RNG = np.random.default_rng(0)
# Four kinds of rows, with some noise.
KINDS = RNG.integers(4, size=256)
X = (RNG.uniform(size=(256, 12)) < RNG.uniform(0.05, 0.95, (4, 12))[KINDS]) * 1.0
X = X.astype("float32")

POSTERIORS = {
    "autoregressive": lambda: {
        "flow": layers.InverseAutoregressiveFlow(hidden_units=(16,), seed=0)
    },
    "coupling": lambda: {"flow": layers.CouplingFlow(hidden_units=(16,), seed=0)},
}
PRIORS = {
    "mixture": lambda: {"prior": priors.MixturePrior(4, seed=0)},
    "vamp": lambda: {"prior": priors.VampPrior(8, X, seed=0)},
    "weighted vamp": lambda: {"prior": priors.VampPrior(8, X, weighted=True, seed=0)},
    "flow": lambda: {"prior": priors.FlowPrior(layers.CouplingFlow(seed=0))},
}


@pytest.mark.parametrize("member", [*POSTERIORS, *PRIORS])
def test_fit_lowers_the_loss_and_moves_every_weight(member):
    arguments = {**POSTERIORS, **PRIORS}[member]()
    context_dim = 6 if "flow" in arguments else None
    parts = networks.dense(
        (12,), 2, hidden_units=(16,), context_dim=context_dim, seed=0
    )
    vae = keras_vae.VAE(*parts, **arguments, seed=0)
    vae.compile(keras.optimizers.Adam(1e-2))
    before = vae.evaluate(X, verbose=0, return_dict=True)
    part = vae.flow or vae.prior
    weights = [weight.numpy() for weight in part.trainable_weights]
    vae.fit(X, epochs=12, batch_size=32, verbose=0)
    after = vae.evaluate(X, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] - 0.3
    assert after["loss"] == pytest.approx(-after["elbo"], rel=1e-5)
    for old, weight in zip(weights, part.trainable_weights, strict=True):
        assert not np.array_equal(weight, old), weight.path
    # A bound of what importance sampling estimates.
    gap = keras_vae.evaluation.marginal_log_likelihood(vae, X, 100) - vae.elbo(X)
    assert np.mean(gap) > -4 * np.std(gap) / np.sqrt(len(gap))


def clusters(rng):
    """Two, and log p of each row."""
    scale = np.array([0.4, 0.8])
    z = rng.normal(size=(4096, 2)) * scale + 2 * rng.choice([-1, 1], (4096, 1))
    parts = [stats.norm.logpdf(z, mean, scale).sum(-1) for mean in (-2, 2)]
    return z, np.logaddexp(*parts) - np.log(2)


def crescent(rng):
    """z_2 around the square of z_1."""
    start = rng.normal(size=(4096, 2)) * [1.0, 0.3]
    z = start + np.stack([np.zeros(4096), start[:, 0] ** 2], axis=1)
    return z, stats.norm.logpdf(start, 0, [1.0, 0.3]).sum(-1)


@pytest.mark.parametrize(("name", "draw"), [("mixture", clusters), ("flow", crescent)])
def test_a_prior_learns_the_density_of_what_it_is_given(name, draw):
    """The mean of log p comes near that of the truth, of new draws and not above."""
    prior = PRIORS[name]()["prior"]
    prior.build((2,))
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(prior.trainable_variables)
    z = tf.constant(draw(np.random.default_rng(1))[0][None], tf.float32)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior.log_prob(z))
        gradients = tape.gradient(loss, prior.trainable_variables)
        optimizer.apply(gradients, prior.trainable_variables)

    new, log_prob = draw(np.random.default_rng(2))
    new = tf.constant(new[None], tf.float32)
    before = np.mean(prior.log_prob(new))
    for _ in range(400):
        step()
    gap = log_prob - prior.log_prob(new).numpy()[0]  # its mean is a KL: not negative
    assert before < np.mean(log_prob) - 1.0
    assert -4 * gap.std() / 64 < gap.mean() < 0.15
    # And draws are like those that it learned from.
    drawn = prior.sample(noise.example_seeds(1, 0, 4096), (2,))
    for drawn_values, values in zip(drawn.numpy().T, new[0].numpy().T, strict=True):
        assert stats.ks_2samp(drawn_values, values).statistic < 0.1


def test_a_flow_that_stands_still_changes_nothing():
    """A coupling at the start, as a posterior and as a prior: the plain model."""
    parts = networks.dense((12,), 2, hidden_units=(16,), seed=0)
    plain = keras_vae.VAE(*parts)
    flows = keras_vae.VAE(
        *parts, flow=layers.CouplingFlow(), prior=priors.FlowPrior(), seed=0
    )
    # The plain model's KL is exact, the other's an estimate of the same noise.
    seeds = noise.example_seeds(0, 0, 256)
    expected = plain.deterministic_terms(X, seeds)
    found = flows.deterministic_terms(X, seeds)
    np.testing.assert_allclose(found.log_weights, expected.log_weights, rtol=1e-5)
    np.testing.assert_allclose(
        found.elbo, np.mean(expected.log_weights, axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        flows.sample(4, seed=1), plain.sample(4, seed=1), rtol=1e-6
    )


def test_the_context_reaches_the_posterior():
    parts = networks.dense((12,), 2, hidden_units=(16,), context_dim=6, seed=0)
    flow = layers.InverseAutoregressiveFlow(seed=0)
    vae = keras_vae.VAE(*parts, flow=flow, seed=0)
    rng = np.random.default_rng(1)
    flow.set_weights([rng.normal(0, 0.3, w.shape) for w in flow.get_weights()])
    before = vae.codes(X)
    head = vae.encoder.get_layer("context")
    head.set_weights([0 * weight for weight in head.get_weights()])
    assert np.abs(vae.codes(X) - before).max() > 0.05
    assert [len(part) for part in vae.encode(X)] == [256, 256, 256]
