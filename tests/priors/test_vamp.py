"""The VampPrior against the posteriors that it is made of."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp

import keras_vae
from keras_vae import noise, priors
from keras_vae.distributions import Delta

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(64, 4)).astype("float32")


def make(prior, data_shape=(4,), scatter=True, **kwargs):
    networks = keras_vae.networks.dense(
        data_shape, 3, kwargs.get("likelihood", "bernoulli"), hidden_units=(8,), seed=0
    )
    vae = keras_vae.VAE(*networks, prior=prior, seed=0, **kwargs)
    if scatter:
        rng = np.random.default_rng(1)
        weights = [rng.normal(0, 0.7, w.shape) for w in vae.encoder.get_weights()]
        vae.encoder.set_weights(weights)
    return vae


@pytest.mark.parametrize("weighted", [False, True])
def test_density_is_that_of_the_posteriors_of_the_pseudo_inputs(weighted):
    prior = priors.VampPrior(5, X, weighted, seed=0)
    vae = make(prior)
    weights = np.full(5, 0.2)
    if weighted:
        weights = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
        prior.logits.assign(np.log(weights) + 1.7)
    z_mean, z_log_var = vae.encode(prior.pseudo_inputs())
    z = RNG.normal(size=(6, 7, 3)).astype("float32")
    parts = stats.norm.logpdf(z[..., None, :], z_mean, np.exp(z_log_var / 2)).sum(-1)
    expected = logsumexp(parts, b=weights, axis=-1)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-4, atol=1e-5)
    drawn = np.float64(prior.sample(noise.example_seeds(3, 0, 20_000), (3,)))

    def cdf(value):
        scale = np.exp(z_log_var[:, 1] / 2)
        return stats.norm.cdf(np.asarray(value)[:, None], z_mean[:, 1], scale) @ weights

    assert stats.kstest(drawn[:, 1], cdf).pvalue > 1e-3


def test_one_standard_component_is_the_standard_normal():
    prior, standard = priors.VampPrior(1), priors.StandardNormal()
    vae = make(prior)
    vae.encoder.set_weights([np.zeros(w.shape) for w in vae.encoder.get_weights()])
    z = RNG.normal(size=(5, 7, 3)).astype("float32")
    np.testing.assert_allclose(prior.log_prob(z), standard.log_prob(z), rtol=1e-6)
    seeds = noise.example_seeds(3, 0, 9)
    np.testing.assert_array_equal(
        prior.sample(seeds, (3,)), standard.sample(seeds, (3,))
    )


def test_the_encoder_is_the_model_s_alone():
    """Trained, saved and counted once."""
    vae = make(priors.VampPrior(5, X))
    assert len(vae.prior.weights) == 2
    assert [w.name for w in vae.prior.trainable_weights] == ["inputs"]
    paths = [id(w) for w in vae.weights]
    assert len(paths) == len({*paths})


def test_pseudo_inputs_begin_where_they_are_told():
    in_data = make(priors.VampPrior(5, X, seed=0)).prior.pseudo_inputs()
    assert all(any(np.array_equal(row, x) for x in X) for row in in_data)
    assert len(np.unique(in_data, axis=0)) == 5
    again = make(priors.VampPrior(5, X, seed=0)).prior.pseudo_inputs()
    np.testing.assert_array_equal(in_data, again)
    mean = np.float32([0.2, 0.5, 0.7, 0.4])
    around = make(priors.VampPrior(4000, mean, seed=0)).prior.pseudo_inputs()
    np.testing.assert_allclose(around.mean(axis=0), mean, atol=0.005)
    np.testing.assert_allclose(around.std(axis=0), 0.05, rtol=0.1)
    middle = make(priors.VampPrior(100, seed=0)).prior.pseudo_inputs()
    assert abs(middle.mean() - 0.5) < 0.02
    real = make(priors.VampPrior(100, seed=0), likelihood="gaussian")
    assert abs(real.prior.pseudo_inputs().mean()) < 0.02


def test_units_are_the_data_s_where_the_model_standardises():
    x = 100 + 20 * X
    standardize = keras_vae.layers.Standardize([100.0] * 4, [20.0] * 4)
    prior = priors.VampPrior(5, x, seed=0)
    vae = make(prior, likelihood="gaussian", standardize=standardize)
    rows = prior.pseudo_inputs()
    assert rows.min() > 99 and rows.max() < 121
    z_mean, z_log_var = vae.encode(rows)
    z = RNG.normal(size=(2, 3, 3)).astype("float32")
    parts = stats.norm.logpdf(z[..., None, :], z_mean, np.exp(z_log_var / 2)).sum(-1)
    expected = logsumexp(parts, axis=-1) - np.log(5)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_moves_pseudo_inputs_and_keeps_them_in_the_range(optimizer):
    x = np.round(X)  # zeros and ones: at the ends of the range from the start
    vae = make(priors.VampPrior(8, x, seed=0))
    before = vae.prior.pseudo_inputs()
    optimizer = keras.optimizers.get(optimizer)
    optimizer.learning_rate = 0.1
    vae.compile(optimizer)
    vae.fit(x, epochs=3, batch_size=16, verbose=0)
    after = vae.prior.pseudo_inputs()
    assert np.any((after > 0) & (after < 1)) and not np.array_equal(before, after)
    assert after.min() >= 0 and after.max() <= 1


def test_one_density_whatever_the_encoder_does_in_training():
    """Dropout and moving statistics: pseudo-inputs are taken as in inference."""
    x = keras.Input((4,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(x))
    heads = [keras.layers.Dense(3)(hidden) for _ in range(2)]
    z = keras.Input((3,))
    networks = keras.Model(x, heads), keras.Model(z, keras.layers.Dense(4)(z))
    prior = priors.VampPrior(5, X)
    vae = keras_vae.VAE(*networks, prior=prior, seed=0)
    z = tf.ones((1, 2, 3))
    before = prior.log_prob(z)
    np.testing.assert_array_equal(prior.log_prob(z), before)
    vae.elbo_terms(tf.constant(X), tf.constant(X), tf.zeros((1, 64, 3)), training=True)
    assert not np.allclose(prior.log_prob(z), before)  # the moving statistics moved


def counting_networks(calls):
    """An encoder whose hidden layer has an activity regulariser, and is counted."""

    class Counted(keras.layers.Dense):
        def call(self, inputs):
            calls.append(inputs.shape[0])
            return super().call(inputs)

    x, z = keras.Input((4,)), keras.Input((3,))
    hidden = Counted(8, activity_regularizer="l2")(x)
    heads = [keras.layers.Dense(3)(hidden) for _ in range(2)]
    calls.clear()
    return keras.Model(x, heads), keras.Model(z, keras.layers.Dense(4)(z))


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (keras_vae.VAE, {}),
        (keras_vae.IWAE, {"num_samples": 2}),
        (keras_vae.IWAE, {"num_samples": 2, "gradient": "doubly_reparameterized"}),
    ],
)
def test_a_step_encodes_pseudo_inputs_once_and_their_layers_add_no_loss(cls, arguments):
    calls = []
    networks = counting_networks(calls)
    vae = cls(*networks, prior=priors.VampPrior(5, X), seed=0, **arguments)
    vae.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = vae.evaluate(X, batch_size=64, verbose=0, return_dict=True)
    assert sorted(calls) == [5, 64]
    penalty = 0.01 * np.square(networks[0].layers[1](X)).sum()
    bound = "elbo" if cls is keras_vae.VAE else "iwae_bound"
    assert logs["loss"] + logs[bound] == pytest.approx(penalty / len(X), rel=1e-3)


def test_levels_encode_pseudo_inputs_once(monkeypatch):
    networks = keras_vae.networks.hierarchical_dense(
        (4,), (2, 3), hidden_units=((8,), (8,)), seed=0
    )
    prior = priors.VampPrior(5, X)
    vae = keras_vae.HierarchicalVAE(*networks, prior=prior, seed=0)
    calls, posterior = [], prior._posterior
    monkeypatch.setattr(
        prior, "_posterior", lambda inputs: calls.append(1) or posterior(inputs)
    )
    noise_of_z = tf.constant(RNG.normal(size=(2, 64, 5)), tf.float32)
    terms = vae.elbo_terms(tf.constant(X), tf.constant(X), noise_of_z)
    assert len(calls) == 1
    kl = vae.prior.kl(terms.q, terms.z)
    np.testing.assert_allclose(terms.kl, kl, rtol=1e-5)
    log_weights = terms.log_likelihood + vae.prior.log_prob(terms.z)
    log_weights -= terms.q.log_prob(terms.z)
    np.testing.assert_allclose(terms.log_weights, log_weights, rtol=1e-5)


def test_a_model_around_the_same_networks_may_have_the_same_prior():
    prior = priors.VampPrior(5, X)
    vae = make(prior)
    other = keras_vae.VAE(vae.encoder, vae.decoder, prior=prior, beta=2.0)
    z = tf.ones((1, 2, 3))
    np.testing.assert_array_equal(other.prior.log_prob(z), vae.prior.log_prob(z))


class Labelled(keras_vae.VAE):
    """`fit` is given more than x, of which the encoder knows nothing."""

    @property
    def input_specs(self):
        label = tf.TensorSpec((None, 2), tf.float32, name="label")
        return {**super().input_specs, "label": label}

    def posterior(self, inputs, training=False):
        assert inputs["label"].shape[1:] == (2,)
        return super().posterior(inputs, training)


def test_further_inputs_of_the_model():
    networks = keras_vae.networks.dense((4,), 3, hidden_units=(8,), seed=0)
    vae = Labelled(*networks, prior=priors.VampPrior(5, X, seed=0))
    plain = keras_vae.VAE(*networks, prior=priors.VampPrior(5, X, seed=0))
    z = tf.ones((1, 2, 3))
    np.testing.assert_array_equal(vae.prior.log_prob(z), plain.prior.log_prob(z))


class Plain(keras_vae.VAE):
    def posterior(self, inputs, training=False):
        return Delta(super().posterior(inputs, training).mean)


def test_refusals():
    networks = keras_vae.networks.dense((4,), 3, hidden_units=(8,), context_dim=5)
    flow = keras_vae.layers.InverseAutoregressiveFlow()
    with pytest.raises(ValueError, match=r"density at every z.*flow=<Inv.*Mend: prior"):
        keras_vae.VAE(*networks, prior="vamp", flow=flow)
    x, condition = keras.Input((4,), name="x"), keras.Input((2,), name="condition")
    joined = keras.layers.Concatenate()([x, condition])
    encoder = keras.Model(
        [x, condition], [keras.layers.Dense(3)(joined) for _ in range(2)]
    )
    with pytest.raises(ValueError, match="an encoder that takes condition beside x"):
        keras_vae.VAE(encoder, networks[1], prior="vamp")
    networks = keras_vae.networks.dense((4,), 3, hidden_units=(8,))
    with pytest.raises(ValueError, match="a posterior Delta"):
        Plain(*networks, prior="vamp").score(X)
    with pytest.raises(ValueError, match="Mend: VAE"):
        priors.VampPrior().build((3,))
    used = make(priors.VampPrior(5)).prior
    other = keras_vae.networks.dense((7,), 3, hidden_units=(8,))
    with pytest.raises(ValueError, match=r"the data's shape \(7,\). Received: \(4,\)"):
        keras_vae.VAE(*other, prior=used)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X[:3], r"at least 5 examples, or one of shape \(4,\).*shape \(3, 4\)"),
        (X[:, :3], r"Received: shape \(64, 3\)"),
        (255 * X, "from 0 to 1. Received:"),
        (np.full((6, 4), np.nan), "finite"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(ValueError, match=message):
        make(priors.VampPrior(5, inputs))
