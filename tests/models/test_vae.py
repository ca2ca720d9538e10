"""The numbers of a VAE against the formulas, written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae import Sampling, noise
from keras_vae.schedules import LinearWarmup

LATENT_DIM = 3


def make_vae(data_shape=(12,), seed=0, **arguments):
    networks = keras_vae.networks.dense(
        data_shape, LATENT_DIM, hidden_units=(16,), seed=seed
    )
    vae = keras_vae.VAE(*networks, seed=seed, **arguments)
    # The heads start near the prior: move them, so that the KL is worth measuring.
    rng = np.random.default_rng(seed)
    for model in networks:
        model.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in model.weights])
    return vae


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(size=(50, 12)).astype("float32")


def numpy_terms(vae, x, target, rows, num_samples=1):
    """reconstruction_loss and KL per dimension, from the networks' plain outputs."""
    z_mean, z_log_var = (np.float64(v) for v in vae.encoder.predict(x, verbose=0))
    draws = np.float64(noise.normal(rows, num_samples * LATENT_DIM))
    reconstruction_loss = 0.0
    for k in range(num_samples):
        part = draws[:, k * LATENT_DIM : (k + 1) * LATENT_DIM]
        z = z_mean + np.exp(z_log_var / 2) * part
        logits = np.float64(vae.decoder.predict(z, verbose=0))
        log_prob = target * logits - np.logaddexp(0.0, logits)
        reconstruction_loss -= log_prob.sum(axis=1) / num_samples
    kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    return reconstruction_loss, kl


def rows_for(n, seed=0):
    return np.stack([np.full(n, seed), np.arange(n)], axis=1).astype("int32")


@pytest.mark.parametrize("num_samples", [1, 4])
def test_evaluate_is_the_mean_of_the_formula(x, num_samples):
    vae = make_vae(num_samples=num_samples)
    vae.compile()
    logs = vae.evaluate(x, batch_size=16, return_dict=True, verbose=0)
    loss, kl = numpy_terms(vae, x, x, rows_for(50), num_samples)
    assert logs["reconstruction_loss"] == pytest.approx(loss.mean(), rel=1e-5)
    assert logs["kl_loss"] == pytest.approx(kl.sum(1).mean(), rel=1e-5)
    assert logs["elbo"] == pytest.approx(-(loss + kl.sum(1)).mean(), rel=1e-5)
    assert logs["loss"] == pytest.approx(-logs["elbo"], rel=1e-6)
    np.testing.assert_allclose(vae.elbo(x), -(loss + kl.sum(1)), rtol=1e-5)


def test_evaluate_does_not_depend_on_the_batch_size_or_the_call(x):
    vae = make_vae()
    vae.compile()
    results = [
        vae.evaluate(x, batch_size=size, verbose=0) for size in (1, 7, 16, 50, 50)
    ]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-6)
    np.testing.assert_allclose(vae.elbo(x, batch_size=7), vae.elbo(x), rtol=1e-6)
    assert not np.allclose(vae.elbo(x, seed=1), vae.elbo(x))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"beta": 4.0}, lambda loss, kl: loss + 4 * kl.sum(1)),
        (
            {"beta": 10.0, "capacity": 2.0},
            lambda loss, kl: loss + 10 * abs(kl.sum(1) - 2),
        ),
        (
            {"free_bits": 0.3},
            lambda loss, kl: loss + np.maximum(0.3, kl.mean(0)).sum(),
        ),
        (
            {"beta": LinearWarmup(100, start=0.5)},
            lambda loss, kl: loss + 0.5 * kl.sum(1),
        ),
    ],
    ids=["beta", "capacity", "free_bits", "warmup"],
)
def test_loss_is_what_was_asked_for_and_the_elbo_stays_at_beta_1(
    x, arguments, expected
):
    vae = make_vae(**arguments)
    vae.compile()
    logs = vae.evaluate(x, batch_size=50, return_dict=True, verbose=0)
    loss, kl = numpy_terms(vae, x, x, rows_for(50))
    if "free_bits" in arguments:  # the case is only one if some are below, some above
        assert (kl.mean(0) < 0.3).any() and (kl.mean(0) > 0.3).any()
    assert logs["loss"] == pytest.approx(expected(loss, kl).mean(), rel=1e-5)
    assert logs["elbo"] == pytest.approx(-(loss + kl.sum(1)).mean(), rel=1e-5)
    assert logs["kl_loss"] == pytest.approx(kl.sum(1).mean(), rel=1e-5)


def test_free_bits_leave_no_gradient_below_the_floor(x):
    vae = make_vae(free_bits=1e3)
    with tf.GradientTape() as tape:
        terms = vae.deterministic_terms(x, rows_for(50))
        loss = tf.reduce_mean(vae.objective(terms)) - tf.reduce_mean(
            terms.reconstruction_loss
        )
    gradients = tape.gradient(loss, vae.encoder.trainable_variables)
    assert all(g is None or not np.any(g) for g in gradients)


def test_one_training_step_follows_the_gradient_of_the_formula(x):
    """SGD by hand, with the noise that the Sampling layer draws first for its seed."""
    vae, other = make_vae(beta=2.0, seed=5), make_vae(beta=2.0, seed=5)
    vae.compile(keras.optimizers.SGD(0.1))
    vae.train_on_batch(x)

    epsilon = Sampling(seed=5).noise((50, LATENT_DIM))
    with tf.GradientTape() as tape:
        z_mean, z_log_var = other.encoder(x)
        logits = other.decoder(z_mean + tf.exp(z_log_var / 2) * epsilon)
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
        kl = 0.5 * (z_mean**2 + tf.exp(z_log_var) - 1 - z_log_var)
        loss = tf.reduce_mean(
            tf.reduce_sum(cross_entropy, 1) + 2 * tf.reduce_sum(kl, 1)
        )
    variables = other.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, variables), strict=True
    ):
        variable.assign_sub(0.1 * gradient)
    for trained, expected in zip(vae.trainable_variables, variables, strict=True):
        np.testing.assert_allclose(trained, expected, rtol=1e-4, atol=1e-6)


def test_training_logs_are_exact_means_when_the_last_batch_is_short(x):
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(x, batch_size=16, verbose=0).history  # 16 + 16 + 16 + 2
    _, kl = numpy_terms(vae, x, x, rows_for(50))
    assert logs["kl_loss"][0] == pytest.approx(kl.sum(1).mean(), rel=1e-6)
    total = logs["reconstruction_loss"][0] + logs["kl_loss"][0]
    assert logs["loss"][0] == pytest.approx(total, rel=1e-6)
    assert logs["elbo"][0] == pytest.approx(-total, rel=1e-6)


def test_sample_weight_weighs_the_examples(x):
    vae = make_vae()
    vae.compile()
    weights = np.random.default_rng(2).uniform(0, 3, size=50)
    logs = vae.evaluate(
        x, sample_weight=weights, batch_size=16, return_dict=True, verbose=0
    )
    elbo = vae.elbo(x)
    assert logs["elbo"] == pytest.approx(np.average(elbo, weights=weights), rel=1e-5)
    assert logs["loss"] == pytest.approx(-(weights * elbo).mean(), rel=1e-5)


def test_sample_weight_without_a_target_reaches_the_training_step(x):
    """With a weight of 0, examples might as well not be there."""
    weights = (np.arange(50) < 10).astype("float32")
    results = []
    for data in (
        {"x": x, "sample_weight": weights},
        {"x": x, "y": x, "sample_weight": weights},
        {"x": tf.data.Dataset.from_tensors((x, x, weights))},
    ):
        vae = make_vae()
        vae.compile(keras.optimizers.SGD(0.1))
        vae.fit(
            **data,
            batch_size=None if len(data) == 1 else 50,
            verbose=0,
            **({} if len(data) == 1 else {"shuffle": False}),
        )
        results.append(vae.get_weights())
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    changed = x.copy()
    changed[10:] = 1 - changed[10:]
    vae = make_vae()
    vae.compile(keras.optimizers.SGD(0.1))
    vae.fit(changed, sample_weight=weights, batch_size=50, shuffle=False, verbose=0)
    for a, b in zip(vae.get_weights(), results[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_denoising_encodes_x_and_explains_the_target(x):
    vae = make_vae()
    vae.compile()
    noisy = np.clip(x + 5.0, None, 7.0).astype("float32")  # x may leave the support
    logs = vae.evaluate(noisy, x, return_dict=True, verbose=0)
    loss, kl = numpy_terms(vae, noisy, x, rows_for(50))
    assert logs["reconstruction_loss"] == pytest.approx(loss.mean(), rel=1e-5)
    assert logs["kl_loss"] == pytest.approx(kl.sum(1).mean(), rel=1e-5)


def test_regularisation_losses_of_the_networks_are_part_of_the_loss(x):
    inputs = keras.Input((12,))
    regularizer = keras.regularizers.L2(0.5)
    dense = keras.layers.Dense(2 * LATENT_DIM, kernel_regularizer=regularizer)
    outputs = dense(inputs)
    encoder = keras.Model(inputs, [outputs[:, :LATENT_DIM], outputs[:, LATENT_DIM:]])
    _, decoder = keras_vae.networks.dense((12,), LATENT_DIM, hidden_units=(8,))
    vae = keras_vae.VAE(encoder, decoder)
    vae.compile()
    logs = vae.evaluate(x, return_dict=True, verbose=0)
    penalty = 0.5 * np.sum(np.square(dense.kernel))
    assert logs["loss"] == pytest.approx(-logs["elbo"] + penalty, rel=1e-5)


def test_answers_agree_with_the_networks(x):
    vae = make_vae()
    z_mean, z_log_var = vae.encode(x, batch_size=16)
    expected = vae.encoder.predict(x, verbose=0)
    np.testing.assert_allclose(z_mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(z_log_var, expected[1], rtol=1e-6)
    decoded = 1 / (1 + np.exp(-np.float64(vae.decoder.predict(z_mean, verbose=0))))
    for reconstruction in (
        vae.decode(z_mean, batch_size=7),
        vae.reconstruct(x, batch_size=16),
        vae(x),
        vae.predict(x, verbose=0),
    ):
        np.testing.assert_allclose(reconstruction, decoded, rtol=1e-5)
    a, b = vae.encode(x[:4])[0], vae.encode(x[4:8])[0]
    line = vae.interpolate(x[:4], x[4:8], num_steps=5)
    assert line.shape == (4, 5, 12)
    np.testing.assert_allclose(line[:, 0], vae.decode(a), rtol=1e-5)
    np.testing.assert_allclose(line[:, 2], vae.decode((a + b) / 2), rtol=1e-5)
    np.testing.assert_allclose(line[:, -1], vae.decode(b), rtol=1e-5)


def test_sample_decodes_draws_of_the_prior():
    vae = make_vae()
    samples = vae.sample(300, seed=7)
    z = noise.normal(rows_for(300, seed=7), LATENT_DIM)
    np.testing.assert_allclose(samples, vae.decode(z), rtol=1e-5)
    np.testing.assert_array_equal(samples, vae.sample(300, seed=7))
    np.testing.assert_allclose(
        samples[:5], vae.sample(5, seed=7, batch_size=2), rtol=1e-5
    )
    assert not np.allclose(vae.sample(5), vae.sample(5))
    keras.utils.set_random_seed(3)
    first = vae.sample(5)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(first, vae.sample(5))


def test_arrays_and_batches_agree_and_graphs_are_made_once(x, monkeypatch):
    vae = make_vae()
    for network in (vae.encoder, vae.decoder):
        network.traced = []
        call = network.call

        def spy(*args, network=network, call=call, **kwargs):
            network.traced.append(args[0].shape)
            return call(*args, **kwargs)

        monkeypatch.setattr(network, "call", spy)
    dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(50))).batch(16)
    np.testing.assert_allclose(vae.encode(dataset)[0], vae.encode(x)[0], rtol=1e-6)
    np.testing.assert_allclose(vae.elbo(dataset), vae.elbo(x), rtol=1e-6)
    for size in (1, 3, 50):
        vae.encode(x[:size])
        vae.decode(vae.encode(x)[0][:size])
        vae.sample(size)
        vae.reconstruct(x[:size])
        vae.elbo(x[:size])
    assert len(vae.encoder.traced) == 3 and len(vae.decoder.traced) == 4


def test_standardize_takes_and_gives_the_data_s_own_units():
    rng = np.random.default_rng(0)
    mean, scale = np.array([100.0, -3.0]), np.array([20.0, 0.1])
    x = (mean + scale * rng.normal(size=(40, 2))).astype("float32")
    networks = keras_vae.networks.dense(
        (2,), 2, likelihood="gaussian", hidden_units=(8,), seed=0
    )
    plain = keras_vae.VAE(*networks, likelihood="gaussian")
    vae = keras_vae.VAE(
        *networks,
        likelihood="gaussian",
        standardize=keras_vae.layers.Standardize(mean, scale),
    )
    y = ((x - mean) / scale).astype("float32")
    np.testing.assert_allclose(vae.encode(x)[0], plain.encode(y)[0], atol=1e-4)
    np.testing.assert_allclose(vae.elbo(x), plain.elbo(y), rtol=1e-4)
    np.testing.assert_allclose(
        vae.sample(9, seed=1), plain.sample(9, seed=1) * scale + mean, rtol=1e-4
    )


def test_extreme_log_variances_stay_finite_and_keep_their_gradient(x):
    vae = make_vae()
    bias = vae.encoder.get_layer("z_log_var").bias
    for extreme in (1e4, -1e4):
        bias.assign(np.full(LATENT_DIM, extreme))
        with tf.GradientTape() as tape:
            terms = vae.deterministic_terms(x, rows_for(50))
            kl = tf.reduce_mean(terms.kl)
        assert np.isfinite(terms.kl).all()
        gradient = tape.gradient(kl, bias)
        assert np.all(np.sign(gradient) == np.sign(extreme))  # back to the range
        assert np.isfinite(gradient).all()


def test_a_linear_gaussian_vae_reaches_probabilistic_pca():
    """Tipping & Bishop (1999): the maximum of log p(x) is known in closed form, and a
    linear VAE with a diagonal posterior reaches it (Lucas et al. 2019)."""
    rng = np.random.default_rng(0)
    n, dim, latent_dim = 2000, 6, 2
    loadings = np.linalg.qr(rng.normal(size=(dim, latent_dim)))[0] * [3.0, 1.5]
    x = rng.normal(size=(n, latent_dim)) @ loadings.T + 0.5 * rng.normal(size=(n, dim))
    x = (x + rng.normal(size=dim)).astype("float32")

    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    noise_variance = eigenvalues[latent_dim:].mean()
    log_likelihood = -0.5 * (
        dim * np.log(2 * np.pi)
        + np.log(eigenvalues[:latent_dim]).sum()
        + (dim - latent_dim) * np.log(noise_variance)
        + dim
    )

    likelihood = keras_vae.likelihoods.Gaussian(scale="learned")
    networks = keras_vae.networks.dense(
        (dim,), latent_dim, likelihood=likelihood, hidden_units=(), seed=0
    )
    vae = keras_vae.VAE(*networks, likelihood=likelihood, seed=0)
    for rate, epochs in ((0.02, 15), (0.002, 15)):
        vae.compile(keras.optimizers.Adam(rate))
        vae.fit(x, batch_size=100, epochs=epochs, verbose=0)
    elbo = np.mean([vae.elbo(x, seed=seed).mean() for seed in range(20)])
    assert elbo <= log_likelihood + 0.01
    assert elbo == pytest.approx(log_likelihood, abs=0.1)


def test_seeds_of_a_step():
    """Of another model, another use, another batch of an evaluation: others."""
    encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    first, second = (keras_vae.VAE(encoder, decoder) for _ in range(2))
    one = first.step_seeds(1, 3).numpy()
    assert len(np.unique(one, axis=0)) == 3
    np.testing.assert_array_equal(first.step_seeds(1, 3), one)
    assert not np.array_equal(second.step_seeds(1, 3), one)  # seeds of their own
    assert not np.array_equal(first.step_seeds(2, 3), one)
    first.compile("sgd")
    first.evaluate(np.zeros((4, 4), "float32"), verbose=0)  # counts the examples
    assert not np.array_equal(first.step_seeds(1, 3), one)
    first.reset_metrics()
    np.testing.assert_array_equal(first.step_seeds(1, 3), one)


def test_evaluating_on_targets_leaves_the_check_of_x_on():
    encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    vae = keras_vae.VAE(encoder, decoder)
    vae.compile("sgd")
    x = np.full((8, 4), 0.5, "float32")
    vae.evaluate(3 * x, x, verbose=0)
    with pytest.raises(ValueError, match="support"):
        vae.encode(3 * x)
    vae.fit(3 * x, x, verbose=0)
    assert vae.encode(3 * x)[0].shape == (8, 2)


@pytest.mark.parametrize("form", ["dataset", "generator", "arrays"])
def test_targets_that_are_x_leave_the_check_of_x_on(form):
    """Batches of (x, x) are those of x, in whatever form; (noisy, x) are not."""
    encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    x = np.full((8, 4), 0.5, "float32")

    def data(x, target):
        if form == "dataset":
            return (tf.data.Dataset.from_tensor_slices((x, target)).batch(4),)
        if form == "generator":
            return (((x[i : i + 4], target[i : i + 4]) for i in (0, 4)),)
        return x, target

    vae = keras_vae.VAE(encoder, decoder)
    vae.compile("sgd")
    vae.fit(*data(x, x.copy()), verbose=0)
    with pytest.raises(ValueError, match="support"):
        vae.encode(3 * x)
    other = x.copy()
    other[7, 3] = 3.0  # one value of the last batch
    vae.fit(*data(other, x), verbose=0)
    assert vae.encode(3 * x)[0].shape == (8, 2)
