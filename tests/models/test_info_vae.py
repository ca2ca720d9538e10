"""The maximum mean discrepancy against a double loop and a closed form."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from tests.contracts import two_devices
from tests.models.members import X, assert_trains_as_vae, make, seeds


def kernel(kind, scales, a, b):
    distance, dim = np.square(a - b).sum(), len(a)
    spans = [2.0 * scale * dim for scale in scales]
    if kind == "imq":
        return sum(span / (span + distance) for span in spans)
    return sum(np.exp(-distance / span) for span in spans)


def loop(kind, scales, z, y):
    """Tolstikhin et al. (2018), algorithm 2, written out."""
    n, total = len(z), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += kernel(kind, scales, z[i], z[j]) / (n * (n - 1))
                total += kernel(kind, scales, y[i], y[j]) / (n * (n - 1))
            total -= 2 * kernel(kind, scales, z[i], y[j]) / n**2
    return total


@pytest.mark.parametrize("kind", ["imq", "rbf"])
def test_the_mmd_is_the_double_loop(kind):
    scales = (0.2, 1.0, 3.0)
    vae = make(keras_vae.InfoVAE, 3, kernel=kind, scales=scales, num_samples=2)
    x = X[:7]
    terms = vae.deterministic_terms(x, seeds(7))
    y = np.float64(vae.prior.sample(vae.step_seeds(1, 7), (3,)))
    expected = np.mean([loop(kind, scales, np.float64(z), y) for z in terms.z])
    np.testing.assert_allclose(terms.further["mmd"], expected, rtol=1e-4, atol=1e-6)
    loss = vae.objective(terms)
    # alpha = 0.5, lambda = 100
    by_hand = terms.reconstruction_loss + 0.5 * terms.kl_loss + 99.5 * expected
    np.testing.assert_allclose(loss, by_hand, rtol=1e-4)


def mmd_of_many_steps(vae, num_steps):
    @tf.function
    def mmd(seed):
        return vae.deterministic_terms(X, seed).further["mmd"][0]

    found = []
    for step in range(num_steps):
        vae.step.assign(step)
        found.append(float(mmd(seeds(48, step))))
    return np.array(found)


def test_it_is_unbiased_against_the_closed_form_of_normals():
    """E k of two normals with rbf: that of the normal which is their difference."""
    mean, variance, scales = np.array([0.8, -0.3]), np.array([0.3, 2.0]), (0.5, 2.0)
    vae = make(keras_vae.InfoVAE, kernel="rbf", scales=scales)
    *rest, _ = weights = vae.encoder.get_weights()
    weights[-4:] = 0 * rest[-3], mean, 0 * rest[-1], np.log(variance)
    vae.encoder.set_weights(weights)  # q(z|x) = N(mean, variance), whatever x

    def expected_kernel(mean, variance):
        total = 0.0
        for span in (4 * scale for scale in scales):
            # Of one dimension of the difference, N(mean, variance).
            each = np.exp(-(mean**2) / (span + 2 * variance))
            total += np.prod(each / np.sqrt(1 + 2 * variance / span))
        return total

    one = np.ones(2)
    expected = expected_kernel(0 * mean, 2 * variance)
    expected += expected_kernel(0 * mean, 2 * one)
    expected -= 2 * expected_kernel(mean, variance + one)
    found = mmd_of_many_steps(vae, 300)
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error
    # The biased estimate, with each draw's kernel with itself, would be seen.
    assert len(scales) / 48 > 8 * error


def test_of_draws_of_the_prior_itself_it_is_0_on_average():
    vae = make(keras_vae.InfoVAE)
    vae.encoder.set_weights([0 * w for w in vae.encoder.get_weights()])
    found = mmd_of_many_steps(vae, 200)
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert np.min(found) < 0 < np.max(found)


def test_the_draws_of_the_prior_are_those_of_the_step_and_the_seed():
    vae = make(keras_vae.InfoVAE)
    first = vae.step_seeds(1, 48)
    np.testing.assert_array_equal(vae.step_seeds(1, 48), first)
    np.testing.assert_array_equal(vae.step_seeds(1, 5), first[:5])
    assert len(np.unique(first, axis=0)) == 48
    assert not np.isin(vae.step_seeds(2, 48), first).all(axis=1).any()
    vae.step.assign(1)
    assert not np.isin(vae.step_seeds(1, 48), first).all(axis=1).any()


def test_replicas_have_draws_of_their_own():
    with two_devices().scope():
        vae = make(keras_vae.InfoVAE)
    first, second = two_devices().run(lambda: vae.step_seeds(1, 5)).values
    np.testing.assert_array_equal(first, vae.step_seeds(1, 5))
    assert not np.isin(first, second).all(axis=1).any()


def test_at_alpha_0_and_weight_0_it_trains_as_vae():
    assert_trains_as_vae(make(keras_vae.InfoVAE, alpha=0.0, lambda_mmd=1.0))


def test_at_alpha_1_it_is_a_wasserstein_autoencoder():
    """No KL in the loss: the variance of q is free."""
    vae = make(keras_vae.InfoVAE, alpha=1.0, lambda_mmd=10.0)
    terms = vae.deterministic_terms(X, seeds(48))
    expected = terms.reconstruction_loss + 10.0 * terms.further["mmd"]
    np.testing.assert_allclose(vae.objective(terms), expected, rtol=1e-6)


def test_a_batch_of_one_has_no_mmd():
    vae = make(keras_vae.InfoVAE)
    with tf.GradientTape() as tape:
        mmd = vae.deterministic_terms(X[:1], seeds(1)).further["mmd"]
    assert mmd.numpy().tolist() == [0.0]
    for gradient in tape.gradient(mmd, vae.encoder.trainable_variables):
        assert gradient is None or not np.any(gradient)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.5}, "`alpha` should be a number <= 1"),
        ({"alpha": 0.2, "lambda_mmd": 0.5}, "should not be negative.*0.5.*alpha=0.2"),
        ({"kernel": "gauss"}, "`kernel` should be one of 'imq', 'rbf'"),
        ({"scales": ()}, "`scales` should be a tuple of positive"),
        ({"scales": (1.0, -1.0)}, "`scales` should be a tuple of positive"),
        ({"beta": 4.0}, "`beta` has no effect in InfoVAE.*1 - alpha"),
    ],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(keras_vae.InfoVAE, **arguments)
