"""HierarchicalVAE against SciPy's densities, a model of known log p(x), and VAE."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_vae
from keras_vae import noise
from keras_vae.distributions import Hierarchical, Normal
from keras_vae.evaluation import marginal_log_likelihood
from keras_vae.layers import TopDown
from keras_vae.models.float32 import layers_of

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(6, 8)) < 0.5).astype("float32")
SEEDS = noise.example_seeds(3, 0, len(X))


def make(skip=True, **kwargs):
    """Two levels, (2,) and (3,), with weights at which they have something to say."""
    networks = keras_vae.networks.hierarchical_dense(
        (8,), (2, 3), hidden_units=((5,), (6,)), skip=skip, seed=0
    )
    vae = keras_vae.HierarchicalVAE(*networks, seed=0, **kwargs)
    rng = np.random.default_rng(1)
    for weight in vae.trainable_variables:
        weight.assign(rng.normal(0.0, 0.6, weight.shape))
    return vae


def make_maps(**kwargs):
    networks = keras_vae.networks.hierarchical_convolutional(
        (9, 7, 1), 3, filters=(4, 6), levels=(1, 2), latent_channels=2, seed=0
    )
    return keras_vae.HierarchicalVAE(*networks, seed=0, **kwargs)


def walk(vae, x, eps):
    """The two levels by hand, for one draw of noise: values and their normals."""
    f0, f1 = vae.encoder(x)
    top_down = vae.top_down
    m0, l0 = (np.float64(t) for t in top_down.posteriors[0](f0))
    v0 = m0 + np.exp(l0 / 2) * eps[:, :2]
    h0 = top_down.updates[0](tf.cast(v0, tf.float32))
    mp, lp = (np.float64(t) for t in top_down.priors[0](h0))
    m1, l1 = (np.float64(t) for t in top_down.posteriors[1]([h0, f1]))
    v1 = m1 + np.exp(l1 / 2) * eps[:, 2:]
    h1 = top_down.updates[1]([h0, tf.cast(v1, tf.float32)])
    logits = np.float64(vae.decoder.layers[-2](h1))
    return (v0, m0, l0), (v1, m1, l1, mp, lp), logits


@pytest.mark.parametrize("skip", [False, True])
def test_log_weights_and_kl_are_those_of_the_values_of_the_levels(skip):
    vae = make(skip, num_samples=3)
    terms = vae.deterministic_terms(X, SEEDS)
    eps = np.float64(noise.draws(SEEDS, 3, (5,)))
    kl = np.zeros((len(X), 5))
    for k in range(3):
        (v0, m0, l0), (v1, m1, l1, mp, lp), logits = walk(vae, X, eps[k])
        norm = stats.norm.logpdf
        log_p = stats.bernoulli.logpmf(X, 1 / (1 + np.exp(-logits))).sum(-1)
        np.testing.assert_allclose(terms.log_likelihood[k], log_p, rtol=1e-4)
        log_p += norm(v0).sum(-1) + norm(v1, mp, np.exp(lp / 2)).sum(-1)
        log_q = norm(v0, m0, np.exp(l0 / 2)).sum(-1)
        log_q += norm(v1, m1, np.exp(l1 / 2)).sum(-1)
        np.testing.assert_allclose(terms.log_weights[k], log_p - log_q, rtol=1e-4)
        # The code is the value in the units of the prior.
        codes = np.concatenate([v0, (v1 - mp) / np.exp(lp / 2)], axis=-1)
        np.testing.assert_allclose(terms.z[k], codes, rtol=1e-3, atol=1e-4)
        kl += np.concatenate(
            [
                (m0**2 + np.exp(l0) - 1 - l0) / 2,
                ((m1 - mp) ** 2 / np.exp(lp) + np.exp(l1 - lp) - 1 - l1 + lp) / 2,
            ],
            axis=-1,
        )
    np.testing.assert_allclose(terms.kl, kl / 3, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("maps", [False, True])
def test_closed_form_kl_is_the_mean_of_the_log_ratio(maps):
    vae, x, k = make(), X[:2], 20_000
    if maps:
        vae, k = make_maps(), 2_000
        x = np.random.default_rng(0).uniform(size=(2, 9, 7, 1)).astype("float32")
        for weight in vae.trainable_variables:  # away from q = p
            if "posterior_z_mean" in weight.path:
                weight.assign(weight * 10.0)
    vae.num_samples = k
    terms = vae.deterministic_terms(x, SEEDS[:2])
    ratio = np.float64(terms.log_likelihood - terms.log_weights)
    difference = ratio.mean(axis=0) - np.sum(terms.kl, axis=-1)
    error = ratio.std(axis=0) / np.sqrt(k)
    assert np.all(terms.kl_loss > 20 * error)
    assert np.all(np.abs(difference) < 5 * error)
    groups = 5 if not maps else 3 + 2 + 2 + 2  # a channel is a group
    assert terms.kl.shape == (2, groups)


def test_the_state_of_inference_is_what_decoding_z_comes_to():
    """The pass down the levels is made once; made again from z, it is the same."""
    for vae, x in ((make(), X), (make_maps(), np.full((6, 9, 7, 1), 0.3, "float32"))):
        x = tf.constant(x)
        vae.num_samples = 4
        eps = noise.draws(SEEDS, 4, vae.latent_shape)
        q = vae.posterior(vae.prepare(x))
        once = vae.terms_of_draws(q, x, x, eps)
        again = vae.log_likelihood(x, x, once.z)
        np.testing.assert_allclose(once.log_likelihood, again, rtol=1e-4)
        # And q knows the density of a z that it has not drawn.
        other = vae.posterior(vae.prepare(x)).log_prob(once.z)
        np.testing.assert_allclose(q.log_prob(once.z), other, rtol=1e-3, atol=1e-3)


def test_codes_are_the_means_along_their_own_path():
    vae = make()
    (v0, *_), (v1, _, l1, mp, lp), _ = walk(vae, X, np.zeros((len(X), 5)))
    z_mean, z_log_var = vae.encode(X)
    expected = np.concatenate([v0, (v1 - mp) / np.exp(lp / 2)], axis=-1)
    np.testing.assert_allclose(z_mean, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(z_log_var[:, 2:], l1 - lp, rtol=1e-3, atol=1e-4)
    top, bottom = vae.top_down.split(z_mean)
    np.testing.assert_array_equal(np.concatenate([top, bottom], axis=-1), z_mean)


def test_one_level_is_a_vae():
    x = (RNG.uniform(size=(32, 8)) < 0.5).astype("float32")
    plain = keras_vae.VAE(
        *keras_vae.networks.dense((8,), 3, hidden_units=(6,), seed=0), seed=0
    )
    one = keras_vae.HierarchicalVAE(
        *keras_vae.networks.hierarchical_dense((8,), (3,), hidden_units=((6,),)), seed=0
    )
    of_x = plain.encoder.get_weights()
    of_z = plain.decoder.get_weights()
    one.encoder.set_weights(of_x[:2])
    one.top_down.posteriors[0].set_weights(of_x[2:])
    one.top_down.updates[0].set_weights(of_z[:2])
    one.decoder.layers[-2].set_weights(of_z[2:])
    expected, found = (
        vae.deterministic_terms(x, noise.example_seeds(0, 0, 32))
        for vae in (plain, one)
    )
    for name in ("z", "log_likelihood", "kl", "log_weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    losses = []
    for vae in (plain, one):
        vae.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        losses.append(vae.fit(x, epochs=3, batch_size=16, shuffle=False, verbose=0))
    assert losses[0].history == losses[1].history


def linear(inputs, kernel, log_var=None):
    """A model of linear layers: the mean, or `[mean, log_var]` with a constant one."""
    joined = keras.layers.Concatenate()(inputs) if isinstance(inputs, list) else inputs
    layer = keras.layers.Dense(np.shape(kernel)[1])
    outputs = layer(joined)
    layer.set_weights([kernel, np.zeros(np.shape(kernel)[1])])
    if log_var is not None:
        constant = keras.layers.Dense(np.shape(kernel)[1], kernel_initializer="zeros")
        outputs = [outputs, constant(joined)]
        constant.set_weights([np.zeros_like(kernel), log_var])
    return keras.Model(inputs, outputs)


def make_linear():
    """v0 ~ N(0, I), v1 ~ N(v0 A, 0.49 I), x ~ N(v1 B, 0.25 I), with row vectors; and q
    is the exact posterior, but for the correlations in a level."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2)), rng.normal(size=(2, 3))
    of_x_given_v0 = 0.49 * b.T @ b + 0.25 * np.eye(3)
    back = np.linalg.solve(of_x_given_v0, (a @ b).T)
    q0 = np.linalg.inv(np.eye(2) + a @ b @ back)
    q1 = np.linalg.inv(np.eye(2) / 0.49 + b @ b.T / 0.25)
    v0, v1, h = (keras.Input((2,)) for _ in range(3))
    f0, f1, x, z = (keras.Input((n,)) for n in (3, 3, 3, 4))
    identity, zeros = np.eye(2), np.zeros((2, 2))
    top_down = TopDown(
        updates=[linear(v0, identity), linear([h, v1], np.vstack([zeros, identity]))],
        posteriors=[
            linear(f0, back @ q0, np.log(np.diag(q0))),
            linear(
                [h, f1],
                np.vstack([a / 0.49, b.T / 0.25]) @ q1,
                np.log(np.diag(q1)),
            ),
        ],
        priors=[linear(h, a, np.log([0.49, 0.49]))],
    )
    pass_on = [keras.layers.Identity()(x) for _ in range(2)]
    vae = keras_vae.HierarchicalVAE(
        keras.Model(x, pass_on),
        keras.Model(z, linear(keras.Input((2,)), b)(top_down(z))),
        likelihood=keras_vae.likelihoods.Gaussian(scale=0.5),
        seed=0,
    )
    of_v1 = a.T @ a + 0.49 * np.eye(2)
    return vae, of_v1, b.T @ of_v1 @ b + 0.25 * np.eye(3)


def test_bound_of_a_linear_model_whose_likelihood_is_known():
    vae, _, covariance = make_linear()
    x = np.random.default_rng(1).multivariate_normal(np.zeros(3), covariance, 50)
    exact = stats.multivariate_normal(np.zeros(3), covariance).logpdf(x)
    x = x.astype("float32")
    vae.num_samples = 20_000
    terms = vae.deterministic_terms(x, noise.example_seeds(5, 0, len(x)))
    log_weights = np.float64(terms.log_weights)
    assert np.all(terms.elbo < exact - 0.01)
    # The gap is KL(q(z|x) || p(z|x)): that of leaving correlations out, the same for
    # every x.
    gap = exact - terms.elbo
    assert np.ptp(gap) < 5 * log_weights.std() / math.sqrt(20_000)
    vae.num_samples = 1
    means = [np.mean(marginal_log_likelihood(vae, x, k)) for k in (10, 1000)]
    assert terms.elbo.numpy().mean() < means[0] < means[1]
    # Importance weighting converges to log p(x), within the error of the weights.
    weights = np.exp(log_weights - exact)
    error = weights.std(axis=0) / math.sqrt(len(weights))
    assert error.max() < 0.1
    assert np.all(np.abs(weights.mean(axis=0) - 1) < 5 * error)
    found = marginal_log_likelihood(vae, x, 20_000)
    assert np.all(np.abs(found - exact) < 5 * error)


def test_samples_have_the_distribution_of_the_model():
    vae, of_v1, covariance = make_linear()
    n = 50_000
    x = vae.sample(n, seed=0, draws=True, batch_size=n)
    z = vae.prior.sample(noise.example_seeds(0, 0, n), vae.latent_shape)
    for draws, expected in ((vae.top_down(z), of_v1), (x, covariance)):
        found = np.cov(np.transpose(draws))
        scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)) + expected**2)
        assert np.all(np.abs(found - expected) < 5 * scale / math.sqrt(n))


@keras.saving.register_keras_serializable("tests")
class Shifted(keras_vae.priors.Prior):
    """N(1, 4 I), which asks for the posterior of one level."""

    def connect(self, vae):
        q = vae.posterior(tf.constant(X))
        assert type(q) is keras_vae.distributions.Normal and q.mean.shape == (6, 2)

    def log_prob(self, z):
        z = (z - 1) / 2
        return tf.reduce_sum(-(z**2) / 2 - 0.5 * math.log(8 * math.pi), axis=-1)

    def sample(self, seed, latent_shape):
        return 1 + 2 * noise.normal(seed, latent_shape)


def test_another_prior_is_that_of_the_top_level(tmp_path):
    vae, plain = make(prior=Shifted(), num_samples=4), make(num_samples=4)
    terms, expected = (v.deterministic_terms(X, SEEDS) for v in (vae, plain))
    np.testing.assert_array_equal(terms.z, expected.z)
    top = np.float64(terms.z)[..., :2]
    change = stats.norm.logpdf(top, 1, 2).sum(-1) - stats.norm.logpdf(top).sum(-1)
    np.testing.assert_allclose(
        terms.log_weights - expected.log_weights, change, rtol=1e-3, atol=1e-4
    )
    # Below the top the KL is the closed form that it was.
    np.testing.assert_allclose(terms.kl[:, 1:], expected.kl[:, 2:], rtol=1e-6)
    z_mean, z_log_var = (part[:, :2] for part in vae.encode(X))
    log_q = stats.norm.logpdf(top, z_mean, np.exp(z_log_var / 2)).sum(-1)
    estimate = np.mean(log_q - stats.norm.logpdf(top, 1, 2).sum(-1), axis=0)
    np.testing.assert_allclose(terms.kl[:, 0], estimate, rtol=1e-3, atol=1e-4)
    z = vae.prior.sample(noise.example_seeds(0, 0, 4000), (5,))
    for j, prior in enumerate([(1, 2)] * 2 + [(0, 1)] * 3):
        assert stats.kstest(z[:, j], "norm", prior).pvalue > 1e-3
    assert np.abs(np.corrcoef(np.transpose(z)) - np.eye(5)).max() < 5 / np.sqrt(4000)
    vae.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(other.sample(3, seed=0), vae.sample(3, seed=0))


def test_the_bound_rises_with_draws_under_the_objective_of_an_iwae():
    class IWAE(keras_vae.HierarchicalVAE):
        def objective(self, terms):
            k = math.log(self.num_samples)
            return k - tf.reduce_logsumexp(terms.log_weights, axis=0)

    plain = make()
    iwae = IWAE(plain.encoder, plain.decoder, seed=0)
    x = np.tile(X, (50, 1))
    losses = []
    for iwae.num_samples in (1, 5, 50):
        iwae.compile("adam")
        losses.append(iwae.evaluate(x, verbose=0, return_dict=True)["loss"])
    assert losses[0] > losses[1] > losses[2]


def test_training_reaches_every_weight():
    vae = make_maps()
    x = np.random.default_rng(0).uniform(size=(4, 9, 7, 1)).astype("float32")
    with tf.GradientTape() as tape:
        terms = vae.elbo_terms(x, x, tf.random.normal((1, 4, *vae.latent_shape)), True)
        loss = tf.reduce_mean(vae.objective(terms))
    gradients = tape.gradient(loss, vae.trainable_variables)
    for variable, gradient in zip(vae.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.any(gradient), variable.path


def test_training_starts_near_the_prior():
    """Many dimensions, and yet few nats of KL before there is something to learn."""
    encoder, decoder = keras_vae.networks.hierarchical_convolutional((28, 28, 1), 16)
    vae = keras_vae.HierarchicalVAE(encoder, decoder, seed=0)
    x = np.random.default_rng(0).uniform(size=(8, 28, 28, 1)).astype("float32")
    assert vae.latent_dim == 16 + 2 * 14 * 14 * 4 + 2 * 7 * 7 * 4
    assert vae.score(x)["kl_loss"].max() < 100.0


def test_conditions_join_below_the_levels():
    networks = make()
    z, condition = keras.Input((5,), name="z"), keras.Input((2,), name="condition")
    top_down = TopDown.from_config(networks.top_down.get_config())
    joined = keras.layers.Concatenate()([top_down(z), condition])
    decoder = keras.Model([z, condition], keras.layers.Dense(8)(joined))
    vae = keras_vae.HierarchicalVAE(networks.encoder, decoder, num_samples=2, seed=0)
    inputs = {"x": X, "condition": np.eye(2, dtype="float32")[[0, 1, 0, 1, 0, 1]]}
    inputs = tf.nest.map_structure(tf.constant, inputs)
    terms = vae.deterministic_terms(inputs, SEEDS)
    again = vae.log_likelihood(inputs, tf.constant(X), terms.z)
    np.testing.assert_allclose(terms.log_likelihood, again, rtol=1e-5)


def test_what_does_not_fit_is_named():
    vae = make()
    plain = keras_vae.networks.dense((8,), 5, hidden_units=(4,))
    with pytest.raises(ValueError, match="`decoder` should be a functional model"):
        keras_vae.HierarchicalVAE(vae.encoder, plain[1])
    with pytest.raises(ValueError, match="`encoder` should return a list of features"):
        keras_vae.HierarchicalVAE(plain[0], vae.decoder)
    with pytest.raises(ValueError, match="`flow` has no effect.*one level"):
        keras_vae.HierarchicalVAE(vae.encoder, vae.decoder, flow=object())
    parts = vae.top_down
    with pytest.raises(ValueError, match=r"Received: \(1, 2, 1\) models"):
        TopDown(parts.updates[:1], parts.posteriors, parts.priors)
    with pytest.raises(ValueError, match=r"`posteriors\[0\]` should return"):
        TopDown(parts.updates[:1], [parts.updates[0]])
    with pytest.raises(ValueError, match=r"`posteriors\[0\]` should take one input"):
        TopDown(parts.updates[::-1], parts.posteriors[::-1], parts.priors)
    build = keras_vae.networks.hierarchical_dense
    with pytest.raises(ValueError, match="`hidden_units` should hold a tuple"):
        build((8,), (2, 3), hidden_units=(4, 4))
    build = keras_vae.networks.hierarchical_convolutional
    with pytest.raises(ValueError, match="`levels` should hold a number of levels"):
        build((8, 8, 1), 2, levels=(1,))


def test_the_mean_is_inferred_as_in_inference():
    """Whatever draws or counts in training (dropout, statistics) does it once."""
    modes = []

    def infer(draw, training=False):
        modes.append(training)
        top = Normal(tf.zeros((1, 1)), tf.zeros((1, 1)))
        draw(0, top)
        return None, [top]

    q = Hierarchical(infer, [(1,)], training=True)
    q.sample(tf.zeros((1, 1, 1)))
    assert q.mean.shape == (1, 1) and modes == [True, False]


def test_layers_in_the_levels_are_found():
    networks = keras_vae.networks.hierarchical_dense(
        (4,), (1, 2), hidden_units=((8,), (8,))
    )
    vae = keras_vae.HierarchicalVAE(*networks)
    found = {id(layer) for layer in layers_of(vae)}
    parts = [layer for net in vae.top_down.networks for layer in net.layers]
    assert parts and {id(layer) for layer in parts} <= found
