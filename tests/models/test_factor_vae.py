"""The discriminator of the FactorVAE: what it learns, and from what."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_vae
from tests.models.members import X, assert_trains_as_vae, make, seeds

SMALL = {"hidden_units": (16, 16)}


def test_at_weight_0_it_trains_as_vae():
    vae = make(keras_vae.FactorVAE, gamma=0.0, **SMALL)
    before = vae.discriminator.get_weights()
    assert_trains_as_vae(vae)
    after = vae.discriminator.get_weights()
    assert np.abs(after[0] - before[0]).max() > 1e-4  # it learns beside it


def test_the_loss_is_that_of_vae_and_the_mean_logit():
    vae = make(keras_vae.FactorVAE, gamma=3.0, num_samples=2, **SMALL)
    vae.compile()
    vae.fit(X, verbose=0)
    logs = vae.evaluate(X, batch_size=48, verbose=0, return_dict=True)
    z = vae.deterministic_terms(X, seeds(48)).z
    logits = vae.discriminator(tf.reshape(z, (-1, 2)))
    total_correlation = np.mean(logits)
    assert logs["total_correlation"] == pytest.approx(total_correlation, rel=1e-4)
    expected = -logs["elbo"] + 3.0 * total_correlation
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    plain = keras_vae.VAE(vae.encoder, vae.decoder, num_samples=2)
    assert logs["elbo"] == pytest.approx(plain.elbo(X).mean(), rel=1e-5)


def test_each_network_learns_from_its_own_loss():
    """The gradients of the one pass, against those of two passes with plain calls."""
    vae = make(keras_vae.FactorVAE, gamma=3.0, **SMALL)
    vae.discriminator.set_weights([5.0 * w for w in vae.discriminator.get_weights()])
    others, own = vae.encoder.trainable_variables, vae.discriminator.trainable_variables
    with tf.GradientTape() as tape:
        terms = vae.deterministic_terms(X, seeds(48))
        loss = tf.reduce_sum(vae.objective(terms))
    found = tape.gradient(loss, [*others, *own])

    noise = keras_vae.noise.draws(seeds(48), 1, (2,))[0]
    with tf.GradientTape(persistent=True) as tape:
        mean, log_var = vae.encoder(X)
        z = mean + tf.exp(log_var / 2) * noise
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=X, logits=vae.decoder(z)
        )
        kl = 0.5 * (mean**2 + tf.exp(log_var) - 1 - log_var)
        loss = tf.reduce_sum(cross_entropy) + tf.reduce_sum(kl)
        loss += 3.0 * tf.reduce_sum(vae.discriminator(z))
        permuted = vae._permuted(tf.stop_gradient(z), (1, 48))
        logits, of_permuted = vae.discriminator(z), vae.discriminator(permuted)
        real, fake = tf.ones_like(logits), tf.zeros_like(logits)
        binary = tf.nn.sigmoid_cross_entropy_with_logits
        its_loss = 0.5 * tf.reduce_sum(binary(real, logits) + binary(fake, of_permuted))
    expected = tape.gradient(loss, others) + tape.gradient(its_loss, own)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert float(its_loss) == pytest.approx(
        float(tf.reduce_sum(terms.further["discriminator_loss"])), rel=1e-5
    )


def test_each_dimension_is_permuted_by_itself_and_by_the_step():
    vae = make(keras_vae.FactorVAE, 3, **SMALL)
    z = np.random.default_rng(0).normal(size=(2 * 40, 3)).astype("float32")
    draws = z.reshape(2, 40, 3)
    permuted = np.reshape(vae._permuted(z, (2, 40)), (2, 40, 3))
    orders = set()
    for k in range(2):
        for j in range(3):
            column = permuted[k, :, j]
            np.testing.assert_array_equal(np.sort(column), np.sort(draws[k, :, j]))
            orders.add(tuple(np.argmax(draws[k, :, j] == column[:, None], axis=1)))
    assert len(orders) == 6
    again = np.reshape(vae._permuted(z, (2, 40)), (2, 40, 3))
    np.testing.assert_array_equal(again, permuted)
    vae.step.assign(1)
    assert np.any(np.reshape(vae._permuted(z, (2, 40)), (2, 40, 3)) != permuted)


def of_squares():
    """Logits of all quadratic functions: the log-ratio of two normals is one."""
    z = keras.Input((2,))
    products = keras.layers.Multiply()([z[:, :1], z[:, 1:]])
    features = keras.layers.Concatenate()([z, z * z, products])
    return keras.Model(z, keras.layers.Dense(1, kernel_initializer="zeros")(features))


def test_the_discriminator_learns_the_density_ratio():
    """Codes of correlation r: log q(z) / prod q(z_j), of mean -log(1 - r^2) / 2."""
    r, n = 0.7, 20_000
    rng = np.random.default_rng(5)
    x = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], n).astype("float32")
    data, z = keras.Input((2,)), keras.Input((2,))
    heads = [keras.layers.Dense(2)(data) for _ in range(2)]
    networks = keras.Model(data, heads), keras.Model(z, keras.layers.Dense(2)(z))
    networks[0].set_weights(
        [np.eye(2), np.zeros(2), np.zeros((2, 2)), np.full(2, -20.0)]
    )
    for network in networks:
        network.trainable = False
    vae = keras_vae.FactorVAE(
        *networks,
        likelihood=keras_vae.likelihoods.Gaussian(scale=1.0),
        discriminator=of_squares(),
        seed=0,
    )
    rate = keras.optimizers.schedules.CosineDecay(0.05, 200)
    vae.compile("sgd", discriminator_optimizer=keras.optimizers.Adam(rate))
    vae.fit(x, batch_size=1000, epochs=10, verbose=0)

    points = rng.normal(size=(500, 2)).astype("float32")
    joint = stats.multivariate_normal(cov=[[1, r], [r, 1]]).logpdf(points)
    expected = joint - stats.norm.logpdf(points).sum(axis=1)
    # Weights fitted to n draws of each of two densities lie that far from the best:
    # the inverse of the Fisher information of logistic regression.
    features = np.column_stack(
        [points, points**2, points[:, 0] * points[:, 1], np.ones(500)]
    )
    both = np.concatenate([x, np.column_stack([x[:, 0], rng.permutation(x[:, 1])])])
    design = np.column_stack(
        [both, both**2, both[:, 0] * both[:, 1], np.ones(len(both))]
    )
    logits = stats.multivariate_normal(cov=[[1, r], [r, 1]]).logpdf(both)
    logits -= stats.norm.logpdf(both).sum(axis=1)
    p = 1 / (1 + np.exp(-logits))
    covariance = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))
    error = np.sqrt(np.einsum("ij,jk,ik->i", features, covariance, features))
    found = np.ravel(vae.discriminator(points))
    assert np.mean(np.square((found - expected) / error)) < 4
    assert np.std(expected) > 10 * np.mean(error)

    total_correlation = vae.score(x)["total_correlation"]
    spread = total_correlation.std() / np.sqrt(n) + error.mean()
    expected = -0.5 * np.log(1 - r**2)
    assert abs(total_correlation.mean() - expected) < 4 * spread < 0.5 * expected


def test_the_second_optimizer_is_saved_and_resumed(tmp_path):
    vae = make(keras_vae.FactorVAE, gamma=6.4, **SMALL)
    rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.5)
    vae.compile("adam", discriminator_optimizer=keras.optimizers.Adam(rate, 0.4))
    vae.fit(X, batch_size=16, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    optimizer, expected = loaded.discriminator_optimizer, vae.discriminator_optimizer
    assert optimizer.get_config() == expected.get_config()
    assert int(optimizer.iterations) == 3
    assert len(optimizer.variables) == 1 + 2 * 6  # iterations and moments
    for a, b in zip(loaded.optimizer_variables, vae.optimizer_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert loaded.gamma == 6.4 and loaded.hidden_units == (16, 16)
    # The main one keeps no state of the discriminator: that of 10 weights, and a rate.
    assert len(loaded.optimizer.variables) == 2 + 2 * 10


def test_a_given_discriminator_is_saved_with_it(tmp_path):
    vae = make(keras_vae.FactorVAE, discriminator=of_squares())
    vae.compile("adam")
    vae.fit(X, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, value in vae.score(X).items():
        np.testing.assert_array_equal(loaded.score(X)[name], value)


def test_under_float16_both_optimizers_see_the_gradient_unscaled():
    steps = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        vae = make(keras_vae.FactorVAE, **SMALL)
        before = vae.discriminator.get_weights()
        sgd = keras.optimizers.SGD(1e-4), keras.optimizers.SGD(1.0)
        vae.compile(sgd[0], discriminator_optimizer=sgd[1])
        vae.train_on_batch(X)
        after = vae.discriminator.get_weights()
        steps.append([a - b for a, b in zip(after, before, strict=True)])
    for found, expected in zip(*steps, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0.05, atol=1e-4)
    assert np.abs(steps[0][0]).max() > 5e-3


def test_settings_and_arguments():
    vae = make(keras_vae.FactorVAE, **SMALL)
    vae.gamma = 0
    assert vae.gamma == 0.0
    with pytest.raises(AttributeError, match="`discriminator` is a part of this model"):
        vae.discriminator = of_squares()
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="an optimizer of its own"):
        vae.compile(adam, discriminator_optimizer=adam)
    with pytest.raises(ValueError, match=r"`gamma` should be.*>= 0"):
        make(keras_vae.FactorVAE, gamma=-1.0, **SMALL)
    with pytest.raises(ValueError, match=r"`discriminator`.*\(batch, 3\).*\(None, 2\)"):
        make(keras_vae.FactorVAE, 3, discriminator=of_squares())
    with pytest.raises(
        ValueError, match="`hidden_units` should be a tuple of integers >= 1"
    ):
        make(keras_vae.FactorVAE, hidden_units=(16, 0))
