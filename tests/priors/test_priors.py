"""The prior's three methods against SciPy and one another."""

import numpy as np
import pytest
from scipy import stats

from keras_vae import noise, priors
from keras_vae.distributions import Normal


def test_standard_normal_log_prob_and_kl():
    rng = np.random.default_rng(0)
    prior = priors.StandardNormal()
    z = rng.normal(size=(5, 7, 3)).astype("float32")
    np.testing.assert_allclose(
        prior.log_prob(z), stats.norm.logpdf(z).sum(-1), rtol=1e-5
    )
    z_mean, z_log_var = rng.normal(size=(2, 5, 3)).astype("float32")
    expected = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    np.testing.assert_allclose(
        prior.kl(Normal(z_mean, z_log_var), None), expected, rtol=1e-5
    )


def test_of_another_posterior_the_kl_is_estimated_from_its_draws():
    """A normal in other clothes: 100,000 draws against the closed form."""

    class Disguised:
        def __init__(self, q):
            self.sample, self.log_prob = q.sample, q.log_prob

    q = Normal([[0.5, -1.0]], [[0.3, -2.0]])
    prior = priors.StandardNormal()
    z = q.sample(noise.draws([[0, 0]], 100_000, (2,)))
    estimate = prior.kl(Disguised(q), z)
    assert estimate.shape == (1, 1)
    exact = float(np.sum(prior.kl(q, z)))
    weights = np.asarray(q.log_prob(z) - prior.log_prob(z))
    error = weights.std() / np.sqrt(weights.size)
    assert abs(float(estimate[0, 0]) - exact) < 4 * error < 0.05


def test_standard_normal_samples_one_row_a_seed():
    prior = priors.StandardNormal()
    seeds = np.stack([np.full(4000, 3), np.arange(4000)], axis=1).astype("int32")
    z = np.asarray(prior.sample(seeds, (5,)))
    assert z.shape == (4000, 5)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(prior.sample(seeds[7:8], (5,))[0], z[7], rtol=1e-6)


def test_get():
    prior = priors.StandardNormal()
    assert priors.get(prior) is prior
    with pytest.raises(ValueError, match="'standard_norm'.*'standard_normal'"):
        priors.get("standard_norm")
