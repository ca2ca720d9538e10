"""VQVAE by enumeration of all codes, finite differences and loops."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp

import keras_vae
from keras_vae import noise
from keras_vae.evaluation import marginal_log_likelihood
from keras_vae.layers import VectorQuantizer
from keras_vae.priors import AutoregressiveCodes, UniformCodes

X = (np.random.default_rng(0).uniform(size=(64, 6)) < 0.4).astype("float32")


def make(prior=None, num_codes=3, decay=0.9, **kwargs):
    """Codes at three positions, of two numbers each."""
    x, z = keras.Input((6,), name="x"), keras.Input((3, 2), name="z")
    hidden = keras.layers.Dense(6, kernel_initializer="glorot_normal")(x)
    parameters = keras.layers.Dense(6)(keras.layers.Flatten()(z))
    return keras_vae.VQVAE(
        keras.Model(x, keras.layers.Reshape((3, 2))(hidden)),
        keras.Model(z, parameters),
        quantizer=VectorQuantizer(num_codes, decay=decay),
        prior=prior or AutoregressiveCodes(num_codes, hidden_units=(8,), seed=0),
        seed=0,
        **kwargs,
    )


def all_codes(num_codes, num_positions):
    codes = [*itertools.product(range(num_codes), repeat=num_positions)]
    return np.array(codes, "int32")


def train(vae):
    vae.compile(keras.optimizers.Adam(0.05))
    vae.fit(X, epochs=20, batch_size=16, verbose=0, shuffle=False)
    return vae


@pytest.fixture(scope="module")
def trained():
    return train(make())


def test_the_elbo_is_a_bound_by_all_codes(trained):
    vae = trained
    codes = all_codes(3, 3)
    log_prior = np.sum(vae.prior.log_prob_of_codes(codes), axis=-1, dtype="float64")
    np.testing.assert_allclose(logsumexp(log_prior), 0.0, atol=1e-5)
    logits = np.float64(vae.decode_parameters(vae.vectors(codes)))
    log_x = X[:, None] * -np.logaddexp(0, -logits)
    log_x = np.sum(log_x - (1 - X[:, None]) * np.logaddexp(0, logits), axis=-1)
    exact = logsumexp(log_x + log_prior, axis=-1)
    elbo = vae.elbo(X)
    assert np.all(elbo <= exact + 1e-4) and np.all(elbo > exact - 10)
    # It is the joint probability of x and its own code: the largest term, or near it.
    _, found = vae.encode(X)
    row = [int(np.flatnonzero((codes == code).all(-1))[0]) for code in found]
    own = (log_x + log_prior)[np.arange(len(X)), row]
    np.testing.assert_allclose(elbo, own, rtol=1e-4)
    # One code has no entropy: more draws are the same draw.
    np.testing.assert_allclose(marginal_log_likelihood(vae, X, 7), own, rtol=1e-4)
    assert vae.elbo(X).mean() > make().elbo(X).mean() + 0.5


def test_training_the_prior_leaves_the_rest_alone():
    """The uniform prior and the autoregressive one train the same autoencoder."""
    weights = []
    for prior in (UniformCodes(3), AutoregressiveCodes(3, seed=0)):
        vae = make(prior)
        for part in (vae.encoder, vae.decoder):
            rng = np.random.default_rng(0)
            for variable in part.trainable_variables:
                variable.assign(rng.normal(size=variable.shape))
        vae.compile(keras.optimizers.SGD(0.05))
        vae.fit(X, epochs=5, shuffle=False, verbose=0)
        parts = vae.encoder, vae.decoder, vae.quantizer
        weights.append(np.concatenate([np.ravel(w) for p in parts for w in p.weights]))
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    assert np.abs(vae.prior.bias).max() > 0.01


def test_gradients_pass_straight_through():
    """Of the reconstruction: the encoder's output gets the gradient of z."""
    vae = make()
    vae.posterior(X, training=True)
    z = vae.posterior(X).mean
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = tf.reduce_sum(vae.log_likelihood(X, tf.constant(X), z[None]))
    of_z = tape.gradient(value, z)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(
            vae.log_likelihood(X, tf.constant(X), vae.posterior(X).mean[None])
        )
    bias = vae.encoder.trainable_variables[1]
    gradient = tape.gradient(value, bias)
    expected = np.reshape(of_z, (len(X), 6)).sum(axis=0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)
    # And z is the codebook's, to the bit.
    np.testing.assert_array_equal(z, vae.vectors(vae.nearest_codes(z)))


@pytest.mark.parametrize("decay", [0.9, None])
def test_the_other_terms_reach_one_side_each(decay):
    vae = make(decay=decay)
    eps = tf.zeros((1, len(X), 3, 2))
    names = ("commitment", "codebook_loss")
    book = vae.quantizer.codebook
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(book.value)
        terms = vae.elbo_terms(tf.constant(X), tf.constant(X), eps, False)
        values = {name: tf.reduce_mean(getattr(terms.q, name)) for name in names}
        loss = tf.reduce_mean(vae.objective(terms))
        plain = tf.reduce_mean(terms.reconstruction_loss + terms.kl_loss)
    encoder = vae.encoder.trainable_variables
    assert all(np.any(g) for g in tape.gradient(values["commitment"], encoder))
    assert tape.gradient(values["commitment"], book.value) is None
    assert tape.gradient(values["codebook_loss"], encoder) == [None, None]
    gradient = tf.convert_to_tensor(tape.gradient(values["codebook_loss"], book.value))
    encoded = np.float64(vae.encoder(X)).reshape(-1, 2)
    codes = np.ravel(terms.q.codes)
    expected = [
        2 * np.sum(np.float64(book)[k] - encoded[codes == k], axis=0) / len(X)
        for k in range(3)
    ]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    assert (tape.gradient(loss, book.value) is None) == (decay is not None)
    distance = np.square(encoded - np.float64(book)[codes]).sum() / len(X)
    weight = 0.25 + (decay is None)
    np.testing.assert_allclose(loss - plain, weight * distance, rtol=1e-4)
    assert (book.path in [v.path for v in vae.trainable_variables]) == (decay is None)


def test_a_codebook_learns_by_gradients():
    vae = make(decay=None)
    before = np.array(vae.quantizer.codebook)
    distance = np.mean(vae.posterior(X).codebook_loss)
    vae.compile(keras.optimizers.Adam(0.05))
    vae.fit(X, epochs=5, verbose=0)
    assert np.all(np.any(vae.quantizer.codebook - before, axis=-1))
    assert np.mean(vae.posterior(X).codebook_loss) < 0.5 * distance
    assert 1.0 <= float(vae.quantizer.perplexity()) <= 3.0


def test_perplexity_is_logged(trained):
    history = trained.history.history
    assert 1.0 < history["perplexity"][-1] <= 3.0
    use = np.float64(trained.quantizer.use)
    expected = np.exp(stats.entropy(use))
    np.testing.assert_allclose(trained.score(X)["perplexity"], expected, rtol=1e-4)


def test_what_is_stored_restores_the_data(trained):
    vae = trained
    z, codes = vae.encode(X)
    assert codes.dtype == np.int32 and codes.shape == (64, 3)
    np.testing.assert_array_equal(vae.vectors(codes.astype("uint8")), z)
    np.testing.assert_array_equal(vae.decode(vae.vectors(codes)), vae.reconstruct(X))
    # A vector that is in no codebook is decoded as it is.
    assert np.abs(vae.decode(z + 0.1) - vae.decode(z)).max() > 1e-3


def test_samples_are_decoded_draws_of_the_prior(trained):
    vae = trained
    n = 5000
    seeds = noise.example_seeds(11, 0, n)
    codes = all_codes(3, 3)
    z = vae.prior.sample(seeds, (3, 2))
    drawn = np.array(vae.nearest_codes(z))
    counts = [(drawn == code).all(-1).sum() for code in codes]
    log_prob = np.sum(vae.prior.log_prob_of_codes(codes), -1, dtype="float64")
    expected = n * np.exp(log_prob)
    kept = expected > 5
    counts = [*np.compress(kept, counts), np.sum(np.compress(~kept, counts))]
    expected = [*expected[kept], expected[~kept].sum() + 1e-9]
    expected = np.divide(expected, np.sum(expected) / n)
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    np.testing.assert_allclose(
        vae.sample(n, seed=11, batch_size=n), vae.decode(z, n), rtol=1e-5, atol=1e-6
    )


def test_what_does_not_fit_is_named():
    vae = make()
    with pytest.raises(ValueError, match=r"over the 4 codes .*UniformCodes\(4\)"):
        keras_vae.VQVAE(vae.encoder, vae.decoder, quantizer=4, prior=UniformCodes(3))
    with pytest.raises(ValueError, match="`prior` should be"):
        keras_vae.VQVAE(vae.encoder, vae.decoder, prior="standard_normal")
    plain = keras_vae.networks.dense((6,), 2, hidden_units=(4,))
    with pytest.raises(ValueError, match="`encoder` should have one output"):
        keras_vae.VQVAE(*plain)
    with pytest.raises(ValueError, match="`commitment` should be"):
        vae.commitment = -1
    with pytest.raises(ValueError, match="`flow` has no effect"):
        keras_vae.VQVAE(vae.encoder, vae.decoder, flow=object())


def test_the_seed_reaches_codebook_and_prior():
    def weights(seed):
        networks = keras_vae.networks.quantized_convolutional((4, 4, 1), 2, seed=0)
        vae = keras_vae.VQVAE(*networks, quantizer=4, seed=seed)
        return [
            np.ravel(w) for p in (vae.quantizer, vae.prior) for w in p.get_weights()
        ]

    a, again, b = (np.concatenate(weights(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, again)
    codebook = 8
    assert not np.array_equal(a[:codebook], b[:codebook])
    assert not np.array_equal(a[codebook:], b[codebook:])
