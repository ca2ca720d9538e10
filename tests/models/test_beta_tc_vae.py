"""The three parts of the KL against enumeration of the data set."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_vae
from tests.models.members import MonteCarloNormal, X, make, seeds

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")
N = 6  # examples of the data set that is enumerated


def parts(vae, x, noise):
    """NumPy arrays `(batch,)` of the three parts."""
    terms = vae.elbo_terms(tf.constant(x), tf.constant(x), noise)
    return [terms.further[name].numpy() for name in PARTS]


def draws(vae, x, noise):
    mean, log_var = (np.float64(v) for v in vae.encode(x))
    return mean + np.exp(log_var / 2) * np.float64(noise)


def log_densities(vae, x, z):
    """SciPy's log q(z_ij|x_n), `(num_samples, i, n, j)`."""
    mean, log_var = (np.float64(v) for v in vae.encode(x))
    return stats.norm.logpdf(z[:, :, None], mean, np.exp(log_var / 2))


@pytest.mark.parametrize("estimator", ["mss", "mws"])
def test_where_the_batch_is_the_data_set_the_parts_are_enumerated(estimator):
    vae = make(keras_vae.BetaTCVAE, 3, dataset_size=N, estimator=estimator)
    x, noise = X[:N], keras_vae.noise.draws(seeds(N), 4, (3,))
    z = draws(vae, x, noise)
    log_q = log_densities(vae, x, z)
    own = np.einsum("kiij->ki", log_q)
    joint = special.logsumexp(log_q.sum(-1), axis=2) - np.log(N)
    marginals = (special.logsumexp(log_q, axis=2) - np.log(N)).sum(-1)
    log_p = stats.norm.logpdf(z).sum(-1)
    if estimator == "mws":  # another 1/N in each density
        joint, marginals = joint - np.log(N), marginals - 3 * np.log(N)
    expected = own - joint, joint - marginals, marginals - log_p
    for found, part in zip(parts(vae, x, noise), expected, strict=True):
        np.testing.assert_allclose(found, part.mean(0), rtol=1e-4, atol=1e-4)


def test_the_stratified_estimate_is_unbiased_over_all_batches():
    """Of q(z), not of its logarithm: z of x_0, with every two of the other five."""
    vae = make(keras_vae.BetaTCVAE, dataset_size=N)
    noise = keras_vae.noise.draws(seeds(N), 1, (2,))
    estimates = []
    for others in itertools.combinations(range(1, N), 2):
        rows = [0, *others]
        batch = X[rows], tf.gather(noise, rows, axis=1)
        terms = vae.elbo_terms(batch[0], batch[0], batch[1])
        log_q = terms.q.log_prob(terms.z)[0, 0]
        estimates.append(np.exp(log_q - terms.further["mutual_information"][0]))
    z = draws(vae, X[:N], noise)
    expected = np.exp(log_densities(vae, X[:N], z).sum(-1))[0, 0].mean()
    assert np.std(estimates) > 0.01 * expected
    assert np.mean(estimates) == pytest.approx(expected, rel=1e-5)


def test_the_weights_are_the_papers_averaged_over_the_one_that_differs():
    """Chen et al. (2018), appendix C.2, for batches of M + 1: own, others, the last."""
    for size, num_others in ((6, 2), (1000, 63), (64, 63)):
        papers = [1 / num_others] * (num_others - 1)
        papers.append((size - num_others) / (size * num_others))
        assert np.mean(papers) == pytest.approx((size - 1) / (size * num_others))
        assert 1 / size + np.sum(papers) == pytest.approx(1.0)


@pytest.mark.parametrize("estimator", ["mss", "mws"])
def test_at_1_1_1_it_is_vae(estimator):
    arguments = {"dataset_size": 1000, "beta": 1.0, "estimator": estimator}
    prior = {"prior": MonteCarloNormal()}
    vae, plain = make(keras_vae.BetaTCVAE, **arguments, **prior), make(**prior)
    results = []
    for model in (vae, plain):
        with tf.GradientTape() as tape:
            terms = model.deterministic_terms(X, seeds(48))
            loss = tf.reduce_sum(model.objective(terms))
        results.append([loss, *tape.gradient(loss, model.trainable_variables)])
    # With the same noise and the KL estimated, exactly;
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-4)
    # with the KL in closed form, in expectation.
    vae = make(keras_vae.BetaTCVAE, **arguments)
    kl = make().score(X)["kl_loss"]
    noise = keras_vae.noise.draws(seeds(48, 5), 400, (2,))
    errors = [sum(parts(vae, X, ten)) - kl for ten in tf.split(noise, 40)]
    means = np.mean(errors, axis=1)
    assert abs(means.mean()) < 4 * means.std() / np.sqrt(len(means))


def test_the_loss_weighs_the_parts():
    vae = make(
        keras_vae.BetaTCVAE,
        dataset_size=200,
        alpha=0.5,
        beta=keras_vae.schedules.LinearWarmup(10, start=4.0, end=8.0),
        gamma=2.0,
    )

    def check(alpha, beta):
        terms = vae.deterministic_terms(X, seeds(48))
        expected = terms.reconstruction_loss + 2.0 * terms.further[PARTS[2]]
        expected += alpha * terms.further[PARTS[0]] + beta * terms.further[PARTS[1]]
        np.testing.assert_allclose(vae.objective(terms), expected, rtol=1e-5)

    check(0.5, 4.0)
    vae.step.assign(5)
    check(0.5, 6.0)
    vae.beta, vae.alpha = 1.0, 0.0
    check(0.0, 1.0)


def test_narrow_posteriors_that_do_not_overlap_tell_all_about_the_example():
    """I(x; z) = log N, also where z - z_mean has no digits left."""
    vae = make(keras_vae.BetaTCVAE, dataset_size=N)
    *rest, bias = vae.encoder.get_weights()
    rest[-1][:] = 0.0
    vae.encoder.set_weights([*rest, np.full_like(bias, -28.0)])
    noise = keras_vae.noise.draws(seeds(N), 3, (2,))
    information, correlation, _ = parts(vae, X[:N], noise)
    np.testing.assert_allclose(information, np.log(N), atol=1e-4)
    np.testing.assert_allclose(correlation, np.log(N), atol=1e-4)


@pytest.mark.parametrize("estimator", ["mss", "mws"])
def test_a_batch_of_one_has_constants_and_a_finite_gradient(estimator):
    vae = make(keras_vae.BetaTCVAE, 3, dataset_size=50, estimator=estimator)
    with tf.GradientTape(persistent=True) as tape:
        terms = vae.deterministic_terms(X[:1], seeds(1))
        loss = vae.objective(terms)
        information, correlation, _ = (terms.further[name] for name in PARTS)
    assert float(information[0]) == pytest.approx(np.log(50), rel=1e-4)
    assert float(correlation[0]) == pytest.approx(2 * np.log(50), rel=1e-4)
    weights = vae.encoder.trainable_variables
    for gradient in tape.gradient(loss, weights):
        assert np.isfinite(gradient).all()
    for constant in (information, correlation):
        for gradient in tape.gradient(constant, weights):
            np.testing.assert_allclose(gradient, 0.0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset_size": 0}, "`dataset_size` should be an integer >= 1"),
        ({"dataset_size": 9, "alpha": -1.0}, "`alpha` should be.*>= 0"),
        ({"dataset_size": 9, "estimator": "mms"}, "`estimator`.*'mss', 'mws'"),
        ({"dataset_size": 9, "free_bits": 1.0}, "`free_bits` has no effect in BetaTC"),
        ({"dataset_size": 9, "flow": keras.layers.Dense(2)}, "`flow` has no effect"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(keras_vae.BetaTCVAE, **arguments)
