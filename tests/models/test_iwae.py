"""The importance-weighted bound, and the two gradients of its encoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_vae
from tests.models.members import MonteCarloNormal, X, make, seeds

DOUBLY = "doubly_reparameterized"


def gradients(vae, x=X, seed=0):
    """Of the summed objective, by the weights and, for each example, by q."""
    with tf.GradientTape() as tape:
        terms = vae.deterministic_terms(x, seeds(len(x), seed))
        total = tf.reduce_sum(vae.objective(terms))
    of_q = terms.q.mean, terms.q.log_var
    sources = vae.encoder.trainable_variables, vae.decoder.trainable_variables, of_q
    return total, *tape.gradient(total, sources)


@pytest.mark.parametrize("gradient", ["reparameterized", DOUBLY])
def test_the_bound_is_the_formula(gradient):
    vae = make(keras_vae.IWAE, num_samples=4, gradient=gradient)
    mean, log_var = (np.float64(v) for v in vae.encode(X))
    scale = np.exp(log_var / 2)
    z = mean + scale * np.float64(keras_vae.noise.draws(seeds(48), 4, (2,)))
    logits = np.float64(vae.decoder(z.reshape(-1, 2).astype("float32")))
    log_likelihood = (X * logits.reshape(4, 48, 12)).sum(-1)
    log_likelihood -= np.logaddexp(0.0, logits).reshape(4, 48, 12).sum(-1)
    log_weights = log_likelihood + stats.norm.logpdf(z).sum(-1)
    log_weights -= stats.norm.logpdf(z, mean, scale).sum(-1)
    expected = special.logsumexp(log_weights, axis=0) - np.log(4)
    terms = vae.deterministic_terms(X, seeds(48))
    np.testing.assert_allclose(terms.further["iwae_bound"], expected, rtol=1e-5)
    np.testing.assert_allclose(vae.objective(terms), -expected, rtol=1e-5)
    # The ELBO beside it is the average over the draws, as of `VAE`.
    plain = make(num_samples=4)
    elbo = plain.deterministic_terms(X, seeds(48)).elbo
    np.testing.assert_allclose(terms.elbo, elbo, rtol=1e-5)


def test_with_one_draw_it_is_vae_value_and_gradient():
    iwae = make(keras_vae.IWAE, num_samples=1, prior=MonteCarloNormal())
    vae = make(prior=MonteCarloNormal())
    found, expected = gradients(iwae), gradients(vae)
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-6)
    for a, b in zip(
        tf.nest.flatten(found[1:]), tf.nest.flatten(expected[1:]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def linear_gaussian(num_samples, log_var):
    """x = W z + noise: log p(x) is that of a normal distribution. q is too wide."""
    rng = np.random.default_rng(3)
    weights, scale = rng.normal(size=(2, 12)), 0.7
    x, z = keras.Input((12,)), keras.Input((2,))
    heads = [keras.layers.Dense(2)(x) for _ in range(2)]
    networks = keras.Model(x, heads), keras.Model(z, keras.layers.Dense(12)(z))
    posterior = np.linalg.inv(np.eye(2) + weights @ weights.T / scale**2)
    networks[0].set_weights(
        [weights.T @ posterior / scale**2, np.zeros(2), np.zeros((12, 2)), log_var]
    )
    networks[1].set_weights([weights, np.zeros(12)])
    vae = keras_vae.IWAE(
        *networks,
        num_samples=num_samples,
        likelihood=keras_vae.likelihoods.Gaussian(scale=scale),
    )
    marginal = stats.multivariate_normal(
        cov=weights.T @ weights + scale**2 * np.eye(12)
    )
    return vae, marginal


def test_bounds_rise_with_the_draws_to_log_p():
    marginal = linear_gaussian(1, np.zeros(2))[1]
    x = np.float32(marginal.rvs(2000, random_state=4))
    log_p = marginal.logpdf(x)
    below = []
    for num_samples in (1, 4, 16, 64):
        vae, _ = linear_gaussian(num_samples, np.array([-1.0, -1.5]))
        below.append(log_p - vae.score(x)["iwae_bound"])
    for fewer, more in zip(below, [*below[1:], np.zeros(2000)], strict=True):
        rise = fewer - more
        assert rise.mean() > 4 * rise.std() / np.sqrt(len(rise))
    assert below[-1].mean() < 0.1 * below[0].mean()


def test_the_doubly_reparameterized_gradient_is_the_same_with_less_variance():
    x = np.repeat(X[:1], 2000, axis=0)  # each with noise of its own
    ratios = []
    for num_samples in (4, 128):
        found = {}
        for gradient in ("reparameterized", DOUBLY):
            vae = make(keras_vae.IWAE, num_samples=num_samples, gradient=gradient)
            *rest, head, bias = vae.encoder.get_weights()
            vae.encoder.set_weights([*rest, 0 * head, 0 * bias + 1.0])  # a wide q
            *_, of_decoder, of_q = gradients(vae, x)
            found[gradient] = of_decoder, np.concatenate(of_q, axis=1)
        (decoder, plain), (other_decoder, doubly) = found.values()
        for a, b in zip(decoder, other_decoder, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=0.05)
        difference = plain - doubly
        error = difference.std(axis=0) / np.sqrt(len(x))
        assert np.all(np.abs(difference.mean(axis=0)) < 4 * error)
        # The test can tell: one of the means is many errors away from 0.
        assert np.max(np.abs(doubly.mean(axis=0)) / error) > 10
        ratios.append(doubly.var(axis=0) / plain.var(axis=0))
    few, many = ratios
    assert np.all(few < 1.0) and np.all(many < 0.15) and np.all(many < few / 4)


def test_the_doubly_reparameterized_gradient_is_the_formula():
    """sum_k v_k^2 d log w_k/dz_k dz_k/dphi, by SciPy and finite differences in z."""
    vae = make(keras_vae.IWAE, num_samples=3, gradient=DOUBLY)
    *_, (of_mean, of_log_var) = gradients(vae, X[:5])
    mean, log_var = (np.float64(v) for v in vae.encode(X[:5]))
    scale = np.exp(log_var / 2)
    noise = np.float64(keras_vae.noise.draws(seeds(5), 3, (2,)))
    (kernel, bias), (head, head_bias) = (
        [np.float64(w) for w in vae.decoder.get_weights()[i : i + 2]] for i in (0, 2)
    )

    def log_weights(z):
        hidden = z @ kernel + bias
        hidden = hidden * special.expit(hidden)
        logits = hidden @ head + head_bias
        log_p = (X[:5] * logits - np.logaddexp(0.0, logits)).sum(-1)
        log_p += stats.norm.logpdf(z).sum(-1)
        return log_p - stats.norm.logpdf(z, mean, scale).sum(-1)

    z = mean + scale * noise
    weights = special.softmax(log_weights(z), axis=0)
    step = 1e-5 * np.eye(2)
    slopes = np.stack(
        [(log_weights(z + s) - log_weights(z - s)) / 2e-5 for s in step], axis=-1
    )
    expected = -(weights[..., None] ** 2 * slopes)
    np.testing.assert_allclose(of_mean, expected.sum(0), rtol=1e-3, atol=1e-4)
    expected = (expected * scale * noise / 2).sum(0)
    np.testing.assert_allclose(of_log_var, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 2.0}, "`beta` has no effect in IWAE.*beta=2"),
        ({"free_bits": 0.1}, "`free_bits` has no effect in IWAE"),
        ({"gradient": "doubly"}, "`gradient` should be one of 'rep.*'doubly'"),
        ({"num_samples": 0}, "`num_samples`.*>= 1"),
    ],
)
def test_arguments_without_effect_or_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(keras_vae.IWAE, **arguments)


def test_settings_may_be_assigned():
    vae = make(keras_vae.IWAE, num_samples=1)
    one = vae.score(X)["iwae_bound"]
    vae.num_samples = 50
    assert vae.score(X)["iwae_bound"].mean() > one.mean()
    with pytest.raises(ValueError, match="`beta` has no effect"):
        vae.beta = 0.5
    vae.gradient = DOUBLY
    assert vae.get_config()["gradient"] == DOUBLY
