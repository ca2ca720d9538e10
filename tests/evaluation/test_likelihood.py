"""log p(x) on a linear Gaussian VAE, where all of it is known in closed form.

Probabilistic PCA (Tipping & Bishop 1999): z ~ N(0, I), x|z ~ N(Wz + b, s^2 I). Then

    x   ~ N(b, W W' + s^2 I)
    z|x ~ N(M^-1 W' (x - b), s^2 M^-1),    M = W' W + s^2 I

With orthogonal columns of W, M is diagonal, and so the posterior is one that an
encoder can give exactly.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.decomposition import PCA

import keras_vae
from keras_vae.evaluation import (
    bits_per_dim,
    describe_reliability,
    importance_weighted,
    likelihood,
    marginal_log_likelihood,
)

DIM, LATENT_DIM, SCALE = 5, 2, 0.5


class LinearGaussian:
    """The model in NumPy, float64; its VAE; and data drawn from it."""

    def __init__(self, scale=SCALE):
        rng = np.random.default_rng(0)
        orthogonal = np.linalg.qr(rng.normal(size=(DIM, LATENT_DIM)))[0]
        self.w = orthogonal * [2.0, 0.7]  # (DIM, LATENT_DIM)
        self.b = rng.normal(size=DIM)
        self.scale = scale
        self.m = np.diag(self.w.T @ self.w) + scale**2
        self.covariance = self.w @ self.w.T + scale**2 * np.eye(DIM)

    def sample(self, n, seed=1):
        rng = np.random.default_rng(seed)
        x = rng.multivariate_normal(self.b, self.covariance, n)
        return x.astype("float32")

    def log_prob(self, x):
        return stats.multivariate_normal(self.b, self.covariance).logpdf(np.float64(x))

    def posterior(self, x):
        """Mean `(n, LATENT_DIM)` and variance `(LATENT_DIM,)` of p(z|x)."""
        return (np.float64(x) - self.b) @ self.w / self.m, self.scale**2 / self.m

    @functools.cache  # noqa: B019 (each is compiled once, for all tests)
    def vae(self, shift=0.0, log_var_shift=0.0, **arguments):
        """A VAE whose q(z|x) is p(z|x), moved by `shift` and widened."""
        x = keras.Input((DIM,))
        z_mean, z_log_var = (keras.layers.Dense(LATENT_DIM) for _ in range(2))
        encoder = keras.Model(x, [z_mean(x), z_log_var(x)])
        z_mean.set_weights([self.w / self.m, -self.b @ self.w / self.m + shift])
        log_var = np.log(self.scale**2 / self.m) + log_var_shift
        z_log_var.set_weights([np.zeros((DIM, LATENT_DIM)), log_var])
        z = keras.Input((LATENT_DIM,))
        mean = keras.layers.Dense(DIM)
        decoder = keras.Model(z, mean(z))
        mean.set_weights([self.w.T, self.b])
        likelihood = keras_vae.likelihoods.Gaussian(scale=self.scale)
        return keras_vae.VAE(encoder, decoder, likelihood=likelihood, **arguments)

    def kl_to_posterior(self, shift, log_var_shift):
        """KL(q(z|x) || p(z|x)): log p(x) - ELBO, the same for every x."""
        squared = shift**2 / (self.scale**2 / self.m)
        widened = np.exp(log_var_shift) - 1 - log_var_shift
        return 0.5 * np.sum(squared + widened)


@pytest.fixture(scope="module")
def model():
    return LinearGaussian()


def standard_error(values):
    return values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("num_importance_samples", [1, 7, 10, 25])
def test_with_the_exact_posterior_every_weight_is_the_likelihood(
    model, num_importance_samples
):
    x = model.sample(20)
    x[0] += 1000.0  # log p(x) of -10^6: not to be left for exp() and back
    estimate = marginal_log_likelihood(model.vae(), x, num_importance_samples)
    assert model.log_prob(x)[0] < -1e6
    # 5e-7: float32 of sums of some twenty terms.
    np.testing.assert_allclose(estimate, model.log_prob(x), rtol=5e-7, atol=5e-6)


def test_with_the_exact_posterior_the_elbo_is_the_likelihood(model):
    x = model.sample(300)
    error = model.vae(num_samples=100).elbo(x) - model.log_prob(x)
    assert abs(error.mean()) < 4 * standard_error(error)
    assert standard_error(error) < 0.01


SHIFT, LOG_VAR_SHIFT = 0.25, 0.6


def test_the_elbo_is_lower_by_the_kl_to_the_posterior(model):
    x = model.sample(2000)
    expected = model.log_prob(x) - model.kl_to_posterior(SHIFT, LOG_VAR_SHIFT)
    vae = model.vae(SHIFT, LOG_VAR_SHIFT)
    for estimate in (vae.elbo(x), marginal_log_likelihood(vae, x, 1)):
        error = estimate - expected
        assert abs(error.mean()) < 4 * standard_error(error)
        assert standard_error(error) < 0.05


def test_more_draws_come_nearer_to_the_likelihood_from_below(model):
    x = model.sample(1000)
    vae = model.vae(SHIFT, LOG_VAR_SHIFT)
    log_prob, previous = model.log_prob(x), vae.elbo(x)
    for num_importance_samples in (3, 10, 100):
        estimate = marginal_log_likelihood(vae, x, num_importance_samples)
        rise, gap = estimate - previous, log_prob - estimate
        assert rise.mean() > 4 * standard_error(rise)
        assert gap.mean() > -4 * standard_error(gap)
        previous = estimate
    assert gap.mean() < 0.01 < model.kl_to_posterior(SHIFT, LOG_VAR_SHIFT) / 20


def test_training_finds_probabilistic_pca(model):
    """The best there is, by scikit-learn's closed form, within 0.1 nats."""
    x = model.sample(2000)
    best = PCA(LATENT_DIM).fit(x).score_samples(np.float64(x))
    likelihood = keras_vae.likelihoods.Gaussian(scale="learned")
    networks = keras_vae.networks.dense(
        (DIM,), LATENT_DIM, likelihood, hidden_units=(), seed=0
    )
    vae = keras_vae.VAE(*networks, likelihood=likelihood, seed=0)
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit(x, batch_size=100, epochs=30, verbose=0)
    for estimate in (vae.elbo(x), marginal_log_likelihood(vae, x, 20)):
        below = best - estimate
        assert below.mean() < 0.1
        assert below.mean() > -4 * standard_error(below)


def test_neither_batches_nor_their_size_change_the_numbers(model):
    vae, x = model.vae(SHIFT, LOG_VAR_SHIFT), model.sample(50)
    expected = marginal_log_likelihood(vae, x, 23, batch_size=10_000)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(17)
    for data, batch_size in ((x, 64), (batches, 1), (x[:3], 64)):
        estimate = marginal_log_likelihood(vae, data, 23, batch_size)
        np.testing.assert_allclose(estimate, expected[: len(estimate)], rtol=1e-5)


def test_the_seed_decides(model):
    vae, x = model.vae(SHIFT, LOG_VAR_SHIFT), model.sample(5)
    one, again, other = (
        marginal_log_likelihood(vae, x, 10, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.all(np.abs(one - other) > 1e-3)


def test_the_draws_of_one_example_are_independent(model):
    """The spread of the estimate falls like that of a mean of so many draws."""
    vae, x = model.vae(0.1), np.repeat(model.sample(1), 2000, axis=0)
    relative_variance = np.expm1(np.sum(0.1**2 / (SCALE**2 / model.m)))
    estimate = marginal_log_likelihood(vae, x, 100)
    # exp(log-mean - log p) is a mean of 100 weights of mean 1 and that variance; the
    # standard error of a variance of 2000 near-normal values is sqrt(2 / 2000).
    weights = np.exp(estimate - model.log_prob(x))
    ratio = weights.var(ddof=1) / (relative_variance / 100)
    assert abs(ratio - 1) < 4 * np.sqrt(2 / 2000)


def log_weights(model, vae, x, num_draws):
    """The weights of `importance_weighted`, of its draws, in NumPy's float64."""
    z_mean, z_log_var = map(np.float64, vae.encode(x))
    seeds = keras_vae.noise.example_seeds(0, 0, len(x))
    rows = []
    for first in range(0, num_draws, 10):
        block = keras_vae.noise.threefry2x32(seeds, tf.constant([first, 1]))
        rows.append(keras_vae.noise.draws(block, 10, (LATENT_DIM,)).numpy())
    noise = np.float64(np.concatenate(rows)[:num_draws])
    z = z_mean + np.exp(z_log_var / 2) * noise
    log_q = stats.norm(z_mean, np.exp(z_log_var / 2)).logpdf(z).sum(-1)
    log_x = stats.norm(z @ model.w.T + model.b, SCALE).logpdf(np.float64(x)).sum(-1)
    return log_x + stats.norm.logpdf(z).sum(-1) - log_q


def test_effective_sample_size_and_error_are_those_of_the_weights(model):
    vae, x = model.vae(SHIFT, LOG_VAR_SHIFT), model.sample(40)
    w = np.exp((logs := log_weights(model, vae, x, 25)) - logs.max(0))
    result = importance_weighted(vae, x, 25, batch_size=70)
    expected = {
        "marginal_log_likelihood": logs.max(0) + np.log(w.mean(0)),
        # The error of a mean, over the mean: that of its logarithm.
        "standard_error": w.std(0, ddof=1) / np.sqrt(25) / w.mean(0),
        "effective_sample_size": w.sum(0) ** 2 / (w**2).sum(0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(result[name], values, rtol=2e-5)
    same = marginal_log_likelihood(vae, x, 25, batch_size=70)
    np.testing.assert_array_equal(result["marginal_log_likelihood"], same)


def test_the_standard_error_is_the_spread_of_estimates_from_other_seeds(model):
    """Over 2000 copies of an example; with the bias that belongs to it."""
    x = np.repeat(model.sample(1), 2000, axis=0)
    result = importance_weighted(model.vae(0.1), x, 100)
    estimate, error = result["marginal_log_likelihood"], result["standard_error"]
    # The standard error of a variance of 2000 near-normal values is sqrt(2 / 2000).
    ratio = estimate.var(ddof=1) / np.mean(error**2)
    assert abs(ratio - 1) < 4 * np.sqrt(2 / 2000)
    bias = estimate - model.log_prob(x)
    expected = np.mean(1 / result["effective_sample_size"] - 1 / 100) / -2
    assert abs(bias.mean() - expected) < 4 * standard_error(bias)


def test_equal_weights_count_in_full_and_one_that_outweighs_all_counts_alone(model):
    x = model.sample(5)
    result = importance_weighted(model.vae(), x, 30)
    np.testing.assert_allclose(result["effective_sample_size"], 30, rtol=1e-6)
    assert np.all(result["standard_error"] < 1e-4)
    far = importance_weighted(model.vae(30.0), x, 30)
    assert np.all(far["effective_sample_size"] < 2)
    assert np.all(far["effective_sample_size"] >= 1)
    one = importance_weighted(model.vae(SHIFT), x, 1)
    assert np.all(one["effective_sample_size"] == 1)
    assert np.all(np.isnan(one["standard_error"]))


def test_progress_is_told(model, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # parts that are computed at once
    told = []
    x = model.sample(25)
    importance_weighted(model.vae(), x, 10, batch_size=100, on_progress=told.append)
    assert told == [10, 20, 25]


def test_what_cannot_be_trusted_is_said():
    assert describe_reliability(0, 50, 100) is None
    words = describe_reliability(7, 50, 100)
    for part in ("7 of 50", "fewer than 5 of 100", "num_importance_samples", "bound"):
        assert part in words


class PointVAE(keras_vae.VAE):
    """A posterior without a density."""

    def posterior(self, inputs, training=False):
        return keras_vae.distributions.Delta(super().posterior(inputs, training).mean)


def test_a_posterior_without_a_density_has_no_likelihood():
    vae = PointVAE(*keras_vae.networks.dense((3,), 2, hidden_units=(4,), seed=0))
    with pytest.raises(ValueError, match="a density.*Received: a PointVAE"):
        importance_weighted(vae, np.zeros((2, 3), "float32"))


def test_memory_is_bounded_and_nothing_is_compiled_twice(model, monkeypatch):
    vae, rows, traces = model.vae(name="spied"), [], []
    log_likelihood = vae.log_likelihood

    def spy(inputs, x, z, training=False):
        traces.append(z.shape)
        size = tf.numpy_function(
            lambda z: rows.append(z.shape) or np.float32(0.0), [z], tf.float32
        )
        return log_likelihood(inputs, x, z) + size

    monkeypatch.setattr(vae, "log_likelihood", spy)
    batches = (model.sample(n) for n in (7, 30, 1, 13))
    marginal_log_likelihood(vae, batches, 95, batch_size=80)
    marginal_log_likelihood(vae, model.sample(1), 10)
    assert traces == [(10, None, LATENT_DIM)]
    assert max(draws * examples for draws, examples, _ in rows) == 80
    assert sum(draws * examples for draws, examples, _ in rows) == 51 * 100 + 10


def test_of_many_draws_xla_computes_the_same(model, monkeypatch):
    """Parts of every size, in their order, whatever the first batch was."""
    vae, x = model.vae(SHIFT, LOG_VAR_SHIFT), model.sample(50)
    expected = importance_weighted(vae, x, 23)
    monkeypatch.setattr(likelihood, "DRAWS_FOR_XLA", 23)
    for sizes in ((50,), (3, 20, 27), (30, 19, 1)):
        parts = np.split(x, np.cumsum(sizes)[:-1])
        received = importance_weighted(vae, parts, 23, batch_size=70)
        for name, values in expected.items():
            np.testing.assert_allclose(received[name], values, rtol=2e-5)
    compiled = [jit for _, jit in vae._graphs.by_function]
    assert True in compiled and False in compiled


def test_what_xla_cannot_compile_is_computed_without_it(model, monkeypatch):
    """A layer of somebody's own may call Python."""
    vae, x = model.vae(name="of Python"), model.sample(5)
    expected = marginal_log_likelihood(vae, x, 10)
    log_likelihood = vae.log_likelihood

    def with_python(inputs, x, z, training=False):
        zero = tf.numpy_function(lambda z: np.float32(0.0), [z], tf.float32)
        return log_likelihood(inputs, x, z) + zero

    monkeypatch.setattr(vae, "log_likelihood", with_python)
    vae._graphs.by_function.clear()
    monkeypatch.setattr(likelihood, "DRAWS_FOR_XLA", 1)
    received = marginal_log_likelihood(vae, x, 10)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_standardised_data_have_the_likelihood_of_their_standardised_values(model):
    x = model.sample(10)
    standardize = keras_vae.layers.Standardize(mean=[3.0] * DIM, scale=[20.0] * DIM)
    estimate = marginal_log_likelihood(
        model.vae(SHIFT, standardize=standardize), 20.0 * x + 3.0, 10
    )
    expected = marginal_log_likelihood(model.vae(SHIFT), x, 10)
    np.testing.assert_allclose(estimate, expected, rtol=1e-4)


def test_outside_the_support_nothing_is_likely():
    vae = keras_vae.VAE(*keras_vae.networks.dense((3,), 2, hidden_units=(4,), seed=0))
    x = np.array([[0.0, 1.0, 0.5], [0.0, 2.0, 0.5]], "float32")
    estimate = marginal_log_likelihood(vae, x, 15)
    assert np.isfinite(estimate[0])
    assert estimate[1] == -np.inf
    result = importance_weighted(vae, x, 15)
    assert result["effective_sample_size"][1] == 0
    assert np.isnan(result["standard_error"][1])


@pytest.mark.parametrize("argument", ["num_importance_samples", "batch_size"])
def test_a_number_that_is_not_positive_is_named(model, argument):
    with pytest.raises(ValueError, match=f"`{argument}` should be an integer >= 1"):
        marginal_log_likelihood(model.vae(), model.sample(2), **{argument: 0})


def test_binary_data_of_all_kinds_have_probability_one():
    """The code lengths of all x in {0, 1}^3 fill the Kraft sum: a lossless code."""
    vae = keras_vae.VAE(*keras_vae.networks.dense((3,), 2, hidden_units=(4,), seed=0))
    x = np.array(np.meshgrid(*[[0, 1]] * 3), "float32").reshape(3, -1).T
    bits = bits_per_dim(marginal_log_likelihood(vae, x, 20_000), (3,))
    # Each probability is an average of 20,000 weights that are below 2 and nearly
    # the same; together they are within 1e-2 of 1 (five standard errors are 0.008).
    assert np.sum(2.0 ** (-3 * bits)) == pytest.approx(1.0, abs=1e-2)


def test_bits_per_dim_of_what_is_known():
    # 24 fair coins cost a bit each; 8-bit values that are all alike, 8.
    assert bits_per_dim(24 * np.log(0.5), (2, 3, 4)) == pytest.approx(1.0)
    assert bits_per_dim(10 * np.log(1 / 256), (10,)) == pytest.approx(8.0)
    # A normal density: its differential entropy, log2(sqrt(2 pi e) s) bits, which is
    # negative for a narrow one.
    log_prob = stats.norm(0, 0.01).logpdf(np.full(4, 0.01)).sum()  # 1 s off, as usual
    expected = stats.norm(0, 0.01).entropy() / np.log(2)
    assert bits_per_dim(log_prob, (4,)) == pytest.approx(expected)
    assert expected < 0
    assert bits_per_dim(np.array([-1.0, -2.0]), (1,)).shape == (2,)


@pytest.mark.parametrize("data_shape", [(), (3, 0), (-1,)])
def test_bits_per_dim_of_no_dimension(data_shape):
    with pytest.raises(ValueError, match="`data_shape` should be the shape of one"):
        bits_per_dim(-1.0, data_shape)
