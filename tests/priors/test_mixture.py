"""Mixtures of Gaussians against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import keras_vae
from keras_vae import noise, priors
from keras_vae.distributions import Normal

RNG = np.random.default_rng(0)
SEEDS = noise.example_seeds(3, 0, 20_000)


def mixture(means, log_vars, weights):
    means = np.asarray(means, "float32")
    prior = priors.MixturePrior(len(means))
    prior.build(means.shape[1:])
    prior.set_weights([means, log_vars, np.log(weights) + 1.7])  # up to a constant
    return prior


@pytest.mark.parametrize("latent_shape", [(4,), (2, 2, 1)])
def test_density(latent_shape):
    means, log_vars = RNG.normal(size=(2, 3, *latent_shape))
    weights = np.array([0.2, 0.5, 0.3])
    z = RNG.normal(size=(6, 5, *latent_shape)).astype("float32")
    expected = logsumexp(
        [
            np.log(w) + stats.norm.logpdf(z, m, np.exp(v / 2)).reshape(6, 5, -1).sum(-1)
            for w, m, v in zip(weights, means, log_vars, strict=True)
        ],
        axis=0,
    )
    found = mixture(means, log_vars, weights).log_prob(z)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_draws_have_the_distribution():
    """Each component's share of the draws, and the distribution of each dimension."""
    weights, means = np.array([0.1, 0.6, 0.3]), np.array([-3.0, 0.0, 4.0])
    log_vars = np.log([0.25, 1.0, 0.5])
    prior = mixture(means[:, None], log_vars[:, None], weights)
    z = np.float64(prior.sample(SEEDS, (1,)))[:, 0]

    def cdf(x):
        parts = stats.norm.cdf(np.asarray(x)[:, None], means, np.exp(log_vars / 2))
        return parts @ weights

    assert stats.kstest(z, cdf).pvalue > 1e-3


def test_which_component_is_drawn_says_nothing_of_the_noise_in_it():
    prior = mixture([[-100.0], [100.0]], np.zeros((2, 1)), [0.5, 0.5])
    z = np.float64(prior.sample(SEEDS, (1,)))[:, 0]
    residual = z - 100 * np.sign(z)
    correlation = np.corrcoef(np.sign(z), residual)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(z))
    assert stats.kstest(residual, "norm").pvalue > 1e-3


def test_one_component_is_the_standard_normal():
    prior, standard = priors.MixturePrior(1), priors.StandardNormal()
    prior.build((3,))
    z = RNG.normal(size=(5, 7, 3)).astype("float32")
    np.testing.assert_allclose(prior.log_prob(z), standard.log_prob(z), rtol=1e-6)
    np.testing.assert_array_equal(
        prior.sample(SEEDS, (3,)), standard.sample(SEEDS, (3,))
    )
    q = Normal(*RNG.normal(size=(2, 4, 3)))
    z = q.sample(noise.draws(noise.example_seeds(1, 0, 4), 100_000, (3,)))
    exact = np.sum(standard.kl(q, z), axis=1)
    ratio = np.float64(q.log_prob(z) - prior.log_prob(z))
    error = ratio.std(axis=0) / np.sqrt(len(ratio))
    assert np.all(np.abs(np.sum(prior.kl(q, z), axis=1) - exact) < 4 * error)


def test_many_components_begin_near_the_standard_normal():
    prior = priors.MixturePrior(2000, seed=0)
    prior.build((2,))
    z = prior.sample(SEEDS, (2,)).numpy()
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.06)
    assert np.abs(z.mean(axis=0)).max() < 0.06


def test_a_fitted_mixture_recovers_a_known_one():
    means = np.array([[-2.0, 1.0], [2.0, 1.0], [0.0, -3.0]])
    scales = np.array([[0.3, 0.6], [0.5, 0.2], [0.8, 0.4]])
    weights = np.array([0.5, 0.3, 0.2])
    index = RNG.choice(3, size=20_000, p=weights)
    codes = means[index] + scales[index] * RNG.normal(size=(20_000, 2))
    fitted = priors.fit_mixture(codes, 3, seed=0)
    nearest = [np.argmin(np.abs(fitted.means - mean).sum(-1)) for mean in means]
    # Standard errors: of a mean scale / sqrt(n weight), about 0.01 at most here.
    np.testing.assert_allclose(fitted.means.numpy()[nearest], means, atol=0.06)
    found = np.exp(fitted.log_vars.numpy()[nearest] / 2)
    np.testing.assert_allclose(found, scales, rtol=0.05)
    found = np.exp(fitted.logits.numpy()[nearest])
    np.testing.assert_allclose(found, weights, atol=0.02)
    # Maps are fitted as the vectors that they are.
    maps = priors.fit_mixture(codes.reshape(-1, 1, 2, 1), 3, seed=0)
    np.testing.assert_array_equal(maps.means.numpy().reshape(3, 2), fitted.means)


def test_a_model_with_a_fitted_mixture_samples_from_it_and_keeps_it(tmp_path):
    networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    fitted = priors.fit_mixture(RNG.normal(5.0, 0.1, size=(100, 2)), 2)
    vae = keras_vae.VAE(*networks, prior=fitted)
    assert vae.prior is fitted
    z = fitted.sample(noise.example_seeds(7, 0, 9), (2,))
    np.testing.assert_allclose(z, np.full((9, 2), 5.0), atol=1.0)
    np.testing.assert_allclose(vae.sample(9, seed=7), vae.decode(z), rtol=1e-6)
    vae.save(tmp_path / "model.keras")
    loaded = keras_vae.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.sample(9, seed=7), vae.sample(9, seed=7))


def test_errors():
    with pytest.raises(ValueError, match="`num_components` should be an integer >= 1"):
        priors.MixturePrior(0)
    for codes in (np.zeros((2, 3)), np.zeros(30), np.full((30, 2), np.nan)):
        with pytest.raises(ValueError, match="`codes` should be an array"):
            priors.fit_mixture(codes, 3)


def test_names():
    kinds = {"mixture": "MixturePrior", "vamp": "VampPrior", "flow": "FlowPrior"}
    for name, kind in kinds.items():
        assert type(priors.get(name)).__name__ == kind
