"""The bounds of M2 by enumeration, what it learns from, and what it answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, logsumexp, softmax

import keras_vae
from keras_vae import datasets, evaluation, networks, noise
from keras_vae.models.semi_supervised_vae import check_labels
from tests.models.members import X

NUM_CLASSES = 3
LABELS = np.arange(48) % NUM_CLASSES
NONE = np.full(48, -1)
SOME = np.where(np.arange(48) % 4 == 0, LABELS, NONE)
PRIOR = np.array([0.5, 0.3, 0.2])


def given(labels, x=X):
    return {"x": x, "condition": np.asarray(labels)}


def make(hidden_units=(), seed=0, **arguments):
    """Weights of a size at which classes differ."""
    parts = networks.dense(
        (12,), 2, hidden_units=hidden_units, condition_dim=NUM_CLASSES, seed=0
    )
    vae = keras_vae.SemiSupervisedVAE(
        *parts, num_classes=NUM_CLASSES, hidden_units=hidden_units, seed=0, **arguments
    )
    rng = np.random.default_rng(seed)
    for weight in vae.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return vae


def seeds(n=48):
    return noise.example_seeds(0, 0, n)


def linear(model):
    """The kernel and bias of each dense layer, in float64."""
    return [
        [np.asarray(weight, "float64") for weight in layer.weights]
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
    ]


def losses_by_hand(vae, prior):
    """L(x, y) for every y, `(48, num_classes)`, of a model without hidden layers."""
    (mean_kernel, mean_bias), (var_kernel, var_bias) = linear(vae.encoder)
    [(kernel, bias)] = linear(vae.decoder)
    draws = np.asarray(noise.draws(seeds(), vae.num_samples, (2,)), "float64")
    columns = []
    for y in range(NUM_CLASSES):
        one_hot = np.tile(np.eye(NUM_CLASSES)[y], (48, 1))
        joined = np.concatenate([X.astype("float64"), one_hot], axis=1)
        mean = joined @ mean_kernel + mean_bias
        log_var = joined @ var_kernel + var_bias
        z = mean + np.exp(log_var / 2) * draws
        y_of_z = np.broadcast_to(one_hot, (len(z), 48, NUM_CLASSES))
        logits = np.concatenate([z, y_of_z], axis=-1) @ kernel + bias
        # Bernoulli: x log p + (1 - x) log(1 - p).
        log_p = X * -np.logaddexp(0, -logits) + (1 - X) * -np.logaddexp(0, logits)
        kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=-1)
        columns.append(-log_p.sum(axis=-1).mean(axis=0) + kl - np.log(prior[y]))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("prior", [None, PRIOR])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_bounds_are_those_of_an_enumeration(prior, num_samples):
    alpha = 2.5
    vae = make(alpha=alpha, label_prior=prior, num_samples=num_samples)
    p = np.full(3, 1 / 3) if prior is None else prior
    by_class = losses_by_hand(vae, p)
    [(kernel, bias)] = linear(vae.classifier)
    log_q = log_softmax(X.astype("float64") @ kernel + bias, axis=1)
    entropy = -(np.exp(log_q) * log_q).sum(axis=1)
    of_none = (np.exp(log_q) * by_class).sum(axis=1) - entropy  # equation 7
    of_label = by_class[np.arange(48), LABELS]  # equation 6
    cross_entropy = -log_q[np.arange(48), LABELS]
    has = SOME >= 0
    terms = vae.deterministic_terms(given(SOME), seeds())
    expected = np.where(has, of_label, of_none)
    np.testing.assert_allclose(-terms.elbo, expected, rtol=1e-5)
    # Equation 9.
    np.testing.assert_allclose(
        vae.objective(terms), expected + alpha * has * cross_entropy, rtol=1e-5
    )
    np.testing.assert_allclose(
        terms.further["label_loss"], has * cross_entropy, rtol=1e-4, atol=1e-6
    )
    wrong = has & (log_q.argmax(axis=1) != LABELS)
    np.testing.assert_array_equal(terms.further["label_error"], wrong)


def test_with_all_labels_it_is_a_conditional_vae():
    """elbo(x, y) = elbo(x|y) + log p(y), and alpha times the cross-entropy."""
    vae = make((16,), label_prior=PRIOR, alpha=0.7)
    conditional = keras_vae.ConditionalVAE(
        vae.encoder, vae.decoder, num_classes=NUM_CLASSES, seed=0
    )
    elbo = conditional.score(given(LABELS))["elbo"] + np.log(PRIOR)[LABELS]
    found = vae.score(given(LABELS))
    np.testing.assert_allclose(found["elbo"], elbo, rtol=1e-5)
    vae.compile("sgd")
    log_q = log_softmax(vae.classifier(X).numpy(), axis=1)[np.arange(48), LABELS]
    loss = vae.evaluate(given(LABELS), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(np.mean(-elbo - 0.7 * log_q), rel=1e-5)
    # And without labels it is no better: it has to bound log p(x) for every q(y|x).
    of_none = vae.score(given(NONE))["elbo"]
    losses = [-vae.score(given(np.full(48, y)))["elbo"] for y in range(3)]
    assert np.all(of_none <= logsumexp(np.negative(losses), axis=0) + 1e-4)


def gradients(vae, labels, variables):
    with tf.GradientTape() as tape:
        terms = vae.deterministic_terms(given(labels), seeds())
        loss = tf.reduce_sum(vae.objective(terms))
    return tape.gradient(loss, variables)


def test_labels_teach_the_classifier_by_alpha_alone():
    vae = make(alpha=0.0)
    variables = vae.classifier.trainable_variables
    for gradient in gradients(vae, LABELS, variables):
        np.testing.assert_array_equal(gradient, 0.0)
    assert np.abs(gradients(vae, NONE, variables)[0]).max() > 0.01
    # Of all labels known the rest is the gradient of a softmax regression.
    vae.alpha = 2.0
    residual = softmax(vae.classifier(X).numpy(), axis=1) - np.eye(3)[LABELS]
    kernel, bias = gradients(vae, LABELS, variables)
    np.testing.assert_allclose(kernel, 2 * X.T @ residual, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias, 2 * residual.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_without_labels_the_gradient_is_that_of_the_closed_form():
    """dU/dlogit_k = q_k (L_k + log q_k - U); 0 at q_k ~ exp(-L_k), its optimum."""
    vae = make()
    by_class = losses_by_hand(vae, np.full(3, 1 / 3))
    log_q = log_softmax(vae.classifier(X).numpy().astype("float64"), axis=1)
    inner = by_class + log_q
    bound = (np.exp(log_q) * inner).sum(axis=1, keepdims=True)
    expected = (np.exp(log_q) * (inner - bound)).sum(axis=0)
    bias = vae.classifier.trainable_variables[1]
    np.testing.assert_allclose(
        gradients(vae, NONE, [bias])[0], expected, rtol=1e-3, atol=1e-3
    )
    # Where the networks do not look at the label, its best posterior is its prior.
    blind = make(label_prior=PRIOR)
    for network, first in ((blind.encoder, 12), (blind.decoder, 2)):
        for layer in network.layers:
            if isinstance(layer, keras.layers.Dense):
                kernel = layer.kernel.numpy()
                kernel[first:] = 0
                layer.kernel.assign(kernel)
    kernel, bias = blind.classifier.trainable_variables
    kernel.assign(tf.zeros_like(kernel))
    bias.assign(np.log(PRIOR))
    for gradient in gradients(blind, NONE, [kernel, bias]):
        np.testing.assert_allclose(gradient, 0.0, atol=1e-3)
    bias.assign(np.zeros(3))
    assert np.abs(gradients(blind, NONE, [bias])[0]).max() > 1


def test_the_importance_weights_are_of_the_sum_over_classes():
    """p(x) = sum_y p(x, y), exactly: the draws are the same."""
    vae = make((8,), label_prior=PRIOR)

    def estimate(labels):
        return evaluation.marginal_log_likelihood(vae, given(labels), 20, seed=3)

    of_classes = [estimate(np.full(48, y)) for y in range(NUM_CLASSES)]
    np.testing.assert_allclose(estimate(NONE), logsumexp(of_classes, axis=0), rtol=1e-5)


def two_clusters(n=400):
    """Two clouds in the plane, far apart, with one label each."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, size=n)
    # Long ones: the nearest labelled point is often of the other cloud.
    centres = np.array([[-2.0, 0.0], [2.0, 0.0]])
    x = centres[truth] + rng.normal(size=(n, 2)) * [0.5, 4.0]
    labels = np.full(n, -1)
    # At opposite ends.
    for y, sign in ((0, 1), (1, -1)):
        rows = np.flatnonzero(truth == y)
        labels[rows[np.argmax(sign * x[rows, 1])]] = y
    return x.astype("float32"), truth, labels


def test_two_labels_are_enough_for_two_clusters():
    x, truth, labels = two_clusters()
    likelihood = keras_vae.likelihoods.Gaussian(scale="learned_per_output")
    parts = networks.dense(
        (2,), 1, likelihood, hidden_units=(), condition_dim=2, seed=0
    )
    vae = keras_vae.SemiSupervisedVAE(
        *parts,
        num_classes=2,
        hidden_units=(16,),
        alpha=5.0,
        likelihood=likelihood,
        seed=0,
    )
    vae.compile(keras.optimizers.Adam(0.02))
    keras.utils.set_random_seed(0)
    vae.fit(given(labels, x), batch_size=40, labelled_share=0.1, epochs=40, verbose=0)
    error = np.mean(vae.predict_labels(x) != truth)
    labelled = np.flatnonzero(labels >= 0)
    distances = np.linalg.norm(x[:, None] - x[labelled], axis=-1)
    nearest = labels[labelled][distances.argmin(axis=1)]
    assert np.mean(nearest != truth) > 0.2  # what the two labels alone say
    assert error < 0.02
    # Each class is generated where its cloud is.
    for y, centre in ((0, -2.0), (1, 2.0)):
        samples = vae.sample(200, seed=0, draws=True, condition=y)
        assert samples[:, 0].mean() == pytest.approx(centre, abs=0.3)


def test_what_is_predicted():
    vae = make((8,))
    expected = softmax(vae.classifier(X).numpy(), axis=1)
    batches = tf.data.Dataset.from_tensor_slices(given(SOME)).batch(10)
    for x in (X, given(SOME), given(LABELS), batches, batches.map(lambda d: d["x"])):
        found = vae.predict_proba(x, batch_size=7)
        assert found.dtype == "float32" and found.shape == (48, NUM_CLASSES)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    best = vae.predict_labels(X)
    np.testing.assert_array_equal(best, expected.argmax(axis=1))
    assert len({*best.tolist()}) > 1
    # An example without a label is taken for one of that class.
    for method in (vae.encode, vae.codes, vae.reconstruct):
        np.testing.assert_allclose(method(given(NONE)), method(given(best)), rtol=1e-5)
        other = method(given((best + 1) % 3))
        assert np.abs(np.subtract(method(given(NONE)), other)).max() > 1e-3
    with pytest.raises(ValueError, match="`x` should have shape"):
        vae.predict_proba(X[:, :3])


def test_analogies_are_one_style_in_every_class():
    vae = make((8,))
    found = vae.analogies(given(SOME), batch_size=7)
    assert found.shape == (48, NUM_CLASSES, 12)
    z = vae.codes(given(SOME))
    for y in range(NUM_CLASSES):
        np.testing.assert_allclose(found[:, y], vae.decode(z, condition=y), rtol=1e-5)
    # As what it is, an example is its reconstruction.
    own = vae.analogies(given(LABELS))[np.arange(48), LABELS]
    np.testing.assert_allclose(own, vae.reconstruct(given(LABELS)), rtol=1e-4)


def test_labels_that_cannot_be_are_named():
    vae = make()
    vae.compile("sgd")
    for wrong in (NONE - 1, LABELS + 1, LABELS + 0.5):
        with pytest.raises(ValueError, match="from 0 to 2.*without a label has -1"):
            vae.fit(given(wrong), verbose=0)
    for call in (
        lambda: vae.sample(2, condition=-1),
        lambda: vae.decode(np.zeros((2, 2)), condition=[0, -1]),
    ):
        with pytest.raises(ValueError, match="`condition` should be a class"):
            call()
    bad = np.where(np.arange(48) == 20, 3, LABELS)
    batches = tf.data.Dataset.from_tensor_slices(given(bad)).batch(16)
    with pytest.raises(FloatingPointError, match="`x` or `condition` is not finite"):
        vae.fit(batches, verbose=0)
    assert int(vae.step) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1}, "`alpha` should be a finite number >= 0"),
        ({"label_prior": [0.5, 0.5]}, "`label_prior` should be 3 probabilities"),
        ({"label_prior": [0.5, 0.5, 0.5]}, "`label_prior` should be 3 probabilities"),
        ({"label_prior": [1.0, 0.0, 0.0]}, "`label_prior` should be 3 probabilities"),
        ({"classifier": keras.Sequential([keras.Input((12,))])}, "`classifier` should"),
        ({"num_classes": None}, "`num_classes` should be an integer >= 2"),
        ({"num_classes": 4}, "`num_classes` should be the size of the networks'"),
    ],
)
def test_arguments_that_cannot_be_are_named(arguments, message):
    parts = networks.dense((12,), 2, hidden_units=(), condition_dim=3, seed=0)
    with pytest.raises(ValueError, match=message):
        keras_vae.SemiSupervisedVAE(*parts, **{"num_classes": 3, **arguments})


def test_fit_mixes_arrays():
    few = np.where(np.arange(48) < 6, LABELS, -1)

    def train(vae, epochs, **more):
        return vae.fit(
            given(few), batch_size=10, labelled_share=0.3, epochs=epochs, verbose=0,
            **more,
        )  # fmt: skip

    whole, parts, by_hand = (make((8,)) for _ in range(3))
    for vae in (whole, parts, by_hand):
        vae.compile(keras.optimizers.SGD(0.01))
    history = train(whole, 3).history
    assert int(whole.step) == 3 * 6  # 42 without a label, 7 in a batch
    assert set(history) == {"loss", *whole.MEASURES}
    train(parts, 1)
    train(parts, 3, initial_epoch=1)
    batches = datasets.MixedBatches(X, few, 10, 0.3, seed=0)
    by_hand.fit(batches, epochs=3, shuffle=False, verbose=0)
    for vae in (parts, by_hand):
        for a, b in zip(vae.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        (given(np.where(LABELS == 2, -1, LABELS)), {}, "none of class 2"),
        (given(NONE), {}, "none of class 0, 1, 2"),
        (given(LABELS), {}, "Some examples should have no label, -1"),
        (given(SOME), {"labelled_share": 1.0}, "`labelled_share` should be a number"),
        (given(SOME), {"y": X}, "Received: a target or weights"),
        (given(SOME), {"sample_weight": np.ones(48)}, "a target or weights"),
        (X, {}, "Received: ndarray"),
        (given(SOME, X + 5), {}, "support|between"),
    ],
)
def test_what_cannot_be_mixed_is_named(data, more, message):
    vae = make()
    vae.compile("sgd")
    with pytest.raises(ValueError, match=message):
        vae.fit(data, **{"labelled_share": 0.5, "verbose": 0, **more})


def test_labels_are_checked():
    check_labels(np.array([0, 1, -1]), 2)
    with pytest.raises(ValueError, match="none of class 1"):
        check_labels(np.array([0, 0, -1]), 2)


def test_it_is_saved(tmp_path):
    vae = make((8,), label_prior=PRIOR, alpha=3.0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.num_classes, loaded.alpha) == (NUM_CLASSES, 3.0)
    assert loaded.label_prior == pytest.approx(PRIOR)
    np.testing.assert_array_equal(loaded.predict_proba(X), vae.predict_proba(X))
    for name, value in vae.score(given(SOME)).items():
        np.testing.assert_array_equal(loaded.score(given(SOME))[name], value)


def test_alpha_takes_effect_when_it_is_assigned():
    vae = make(alpha=0.0)
    vae.compile("sgd")
    logs = [vae.evaluate(given(LABELS), verbose=0, return_dict=True)]
    vae.alpha = 2.0
    logs.append(vae.evaluate(given(LABELS), verbose=0, return_dict=True))
    difference = logs[1]["loss"] - logs[0]["loss"]
    assert difference == pytest.approx(2 * logs[0]["label_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_classifier_is_exported(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(24, 6, 6, 1)).astype("float32")
    parts = networks.dense((6, 6, 1), 2, hidden_units=(8,), condition_dim=3, seed=0)
    vae = keras_vae.SemiSupervisedVAE(*parts, num_classes=3, hidden_units=(8,), seed=0)
    data = {"x": images, "condition": np.where(np.arange(24) % 2, 1, -1)}
    vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(data, epochs=2, verbose=0)
    models = keras_vae.export.endpoints.exported_models(vae)
    assert list(models) == ["encoder", "decoder", "classifier"]
    assert [*models["classifier"]] == ["classify", "classify_uint8", "classify_bytes"]
    answer = models["classifier"]["classify"].function({"x": images})["probabilities"]
    np.testing.assert_allclose(answer, vae.predict_proba(images), rtol=1e-5)
    export = keras_vae.export.export_saved_models(vae, tmp_path, data=data)
    assert list(export.models) == ["encoder", "decoder", "classifier"]
    keras_vae.export.export_tflite(vae, tmp_path / "tflite", test_data=data)
    results = keras_vae.export.verify(tmp_path)
    places = {(r.signature, r.where) for r in results}
    assert ("classifier/classify", "classifier.tflite") in places
    for name in models["classifier"]:
        assert (f"classifier/{name}", "SavedModel") in places
    assert [r for r in results if not r.passed] == []
