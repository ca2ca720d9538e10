"""Scores against closed forms, and what becomes of them."""

import json
import math
import shutil

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_vae
from keras_vae.applications import AnomalyDetector
from keras_vae.applications.scores import SCORES
from keras_vae.likelihoods import Gaussian

DIM, SCALE = 3, 0.5
RNG = np.random.default_rng(0)
W = RNG.normal(size=(DIM, 1)).astype("float32")  # decoder: z -> W z + b
B = RNG.normal(size=DIM).astype("float32")
A = RNG.normal(size=(1, DIM)).astype("float32")  # encoder: x -> A x, variance 0.3
LOG_VAR = math.log(0.3)


def linear_vae(**kwargs):
    """p(x|z) = N(W z + b, 0.5^2), q(z|x) = N(A x, 0.3): all is known of it."""
    likelihood = Gaussian(scale=SCALE)
    encoder, decoder = keras_vae.networks.dense(
        (DIM,), 1, likelihood, hidden_units=(), seed=0
    )
    vae = keras_vae.VAE(encoder, decoder, likelihood=likelihood, seed=0, **kwargs)
    by_name = {layer.name: layer for m in (encoder, decoder) for layer in m.layers}
    for layer in by_name.values():
        if layer.name == "z_mean":
            layer.set_weights([A.T, np.zeros(1)])
        elif layer.name == "z_log_var":
            layer.set_weights([np.zeros((DIM, 1)), np.array([LOG_VAR])])
        elif isinstance(layer, keras.layers.Dense):
            layer.set_weights([W.T, B])
    return vae


@pytest.fixture(scope="module")
def vae():
    return linear_vae()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(40, DIM)).astype("float32")


def log_marginal(x):
    """log N(x; b, W W' + 0.5^2): p(x) of the linear model."""
    covariance = W @ W.T + SCALE**2 * np.eye(DIM)
    return scipy.stats.multivariate_normal(B, covariance).logpdf(x)


def expected_log_likelihood(x, mean, variance):
    """E log N(x; W z + b, 0.5^2) for z ~ N(mean, variance)."""
    residual = x - mean * W[:, 0] - B
    squares = (residual**2).sum(-1) + variance * (W**2).sum()
    return -squares / (2 * SCALE**2) - DIM / 2 * math.log(2 * math.pi * SCALE**2)


def kl_of(mean, variance):
    return ((mean**2 + variance - 1 - math.log(variance)) / 2)[:, 0]


def residuals(x):
    return x - (x @ A.T) * W[:, 0] - B


def test_errors_of_the_reconstruction(vae, x):
    squares = (residuals(x) ** 2).sum(-1)
    score = AnomalyDetector(vae, "squared_error").score(x)
    np.testing.assert_allclose(score, squares, rtol=1e-5)
    score = AnomalyDetector(vae, "relative_error").score(x)
    np.testing.assert_allclose(score, squares / np.linalg.norm(x, axis=-1), 1e-5)


def test_the_parts_of_the_elbo(vae, x):
    mean, variance = x @ A.T, math.exp(LOG_VAR)
    kl = kl_of(mean, variance)
    np.testing.assert_allclose(AnomalyDetector(vae, "kl").score(x), kl, rtol=1e-5)
    expected = -expected_log_likelihood(x, mean, variance)
    draws = 4000
    error = 6 * np.abs(expected).max() / math.sqrt(draws)
    loss = AnomalyDetector(vae, "reconstruction_loss", num_samples=draws).score(x)
    np.testing.assert_allclose(loss, expected, atol=error)
    negative_elbo = AnomalyDetector(vae, "negative_elbo", num_samples=draws).score(x)
    np.testing.assert_allclose(negative_elbo - loss, kl, atol=1e-3)


def test_importance_weighted_is_minus_log_p(vae, x):
    score = AnomalyDetector(vae, "importance_weighted", num_samples=20_000).score(x[:9])
    result = keras_vae.evaluation.importance_weighted(vae, x[:9], 20_000, seed=5)
    size = result["effective_sample_size"]
    exact = -log_marginal(x[:9])
    # Of those that many draws speak for; the others lie above, as a bound does.
    error = 6 * result["standard_error"]
    assert np.sum(size > 1000) >= 5
    assert np.all(np.abs(score - exact)[size > 1000] < error[size > 1000])


def test_reconstruction_probability_is_the_mean_of_p_of_x_given_z(vae, x):
    """E_q[N(x; W z + b, s^2)] = N(x; W mean + b, s^2 + W W' variance)."""
    covariance = SCALE**2 * np.eye(DIM) + math.exp(LOG_VAR) * W @ W.T
    exact = scipy.stats.multivariate_normal(np.zeros(DIM), covariance).logpdf(
        residuals(x)
    )
    detector = AnomalyDetector(vae, "reconstruction_probability", num_samples=20_000)
    score = detector.score(x)
    near = (residuals(x) ** 2).sum(-1) < 3  # where enough draws explain x
    assert near.sum() >= 5
    np.testing.assert_allclose(score[near], -exact[near], atol=0.1)


def test_likelihood_regret_reaches_the_true_posterior(vae, x):
    """The best q of a linear model is its posterior, whose ELBO is log p(x)."""
    mean, variance = x @ A.T, math.exp(LOG_VAR)
    elbo = expected_log_likelihood(x, mean, variance) - kl_of(mean, variance)
    exact = log_marginal(x) - elbo
    assert np.all(exact > 0)
    score = AnomalyDetector(vae, "likelihood_regret", num_samples=500).score(x)
    # Adam goes 0.05 a step, and 100 of them: further than 5 it cannot get.
    precision = 1 + (W**2).sum() / SCALE**2
    best = ((x - B) @ W)[:, 0] / SCALE**2 / precision
    near = np.abs(best - mean[:, 0]) < 3.5
    assert near.sum() >= 20
    np.testing.assert_allclose(score[near], exact[near], rtol=0.05, atol=0.2)
    assert np.all(score >= 0)


@pytest.mark.parametrize("score", SCORES)
def test_an_item_has_one_score(vae, x, score):
    """Wherever it stands, whatever is beside it, however large the batches are."""
    detector = AnomalyDetector(vae, score)
    whole = detector.score(x)
    order = np.random.default_rng(2).permutation(len(x))
    np.testing.assert_allclose(detector.score(x[order]), whole[order], rtol=1e-4)
    np.testing.assert_allclose(detector.score(x, batch_size=24), whole, rtol=1e-4)
    np.testing.assert_allclose(detector.score(iter([x[:7], x[7:]])), whole, rtol=1e-4)
    again = AnomalyDetector(linear_vae(), score).score(x)
    np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize("score", ["negative_elbo", "importance_weighted"])
def test_another_seed_is_another_score(vae, x, score):
    scores = [AnomalyDetector(vae, score, seed=seed).score(x) for seed in (0, 1)]
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_at_most_the_level_of_normal_items_is_flagged():
    """b = 0 and W = 0: the squared error of a normal x is chi-squared."""
    vae = linear_vae()
    for model in (vae.encoder, vae.decoder):
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    x = np.random.default_rng(3).normal(size=(22_000, DIM)).astype("float32")
    n, m = 1999, 20_001
    detector = AnomalyDetector(vae, level=0.05).calibrate(x[:n])
    found = detector.detect(x[n:])
    # Given the calibration set, exactly P(chi2 > threshold); and that is Beta(100,
    # 1900) distributed around 0.05.
    share = scipy.stats.chi2(DIM).sf(detector.threshold)
    assert abs(share - 0.05) < 4 * scipy.stats.beta(100, 1900).std()
    error = math.sqrt(share * (1 - share) / m)
    assert abs(found.is_anomaly.mean() - share) < 4 * error
    # A calibration score as near as 1e-5 counts as equal, of which there are some.
    more = [
        [np.sum(detector.calibration * c >= s) for s in found.score]
        for c in (1, 1.00002)
    ]
    least, most = (1 + np.array(more)) / (n + 1)
    assert np.all((least <= found.p_value) & (found.p_value <= most))
    assert np.mean(least == most) > 0.98
    np.testing.assert_array_equal(found.is_anomaly, found.p_value <= 0.05)
    np.testing.assert_array_equal(found.is_anomaly, found.score > detector.threshold)
    # The level of many items at once is that of the false alarms among the flagged.
    together = detector.detect(x[n:], false_discovery_rate=0.1)
    assert together.is_anomaly.mean() < 0.001


def test_the_level_may_be_assigned(vae, x):
    detector = AnomalyDetector(vae, level=0.5).calibrate(x)
    half = detector.detect(x).is_anomaly.mean()
    detector.level = 0.1
    assert detector.detect(x).is_anomaly.mean() < half
    with pytest.raises(ValueError, match="at least 99 normal items for level=0.01"):
        detector.level = 0.01
    assert detector.level == 0.1


def test_an_explanation_adds_up_to_the_squared_error(x):
    standardize = keras_vae.layers.Standardize([1.0, 0.0, -1.0], [0.5, 1.0, 2.0])
    detector = AnomalyDetector(linear_vae(standardize=standardize))
    found = detector.explain(x)
    np.testing.assert_allclose(found.error.sum(-1), detector.score(x), rtol=1e-5)
    scaled = (x - [1.0, 0.0, -1.0]) / [0.5, 1.0, 2.0]
    np.testing.assert_allclose(
        found.error, residuals(scaled) ** 2, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(found.reconstruction, detector.vae.reconstruct(x), 1e-5)


def test_what_cannot_be_is_an_anomaly(x):
    encoder, decoder = keras_vae.networks.dense((DIM,), 2, hidden_units=(4,), seed=0)
    vae = keras_vae.VAE(encoder, decoder, likelihood="bernoulli", seed=0)
    normal = np.random.default_rng(0).uniform(size=(30, DIM)).astype("float32")
    odd = np.full((1, DIM), 1.5, "float32")
    for score in ("negative_elbo", "importance_weighted", "likelihood_regret"):
        found = AnomalyDetector(vae, score).calibrate(normal).detect(odd)
        assert found.score[0] == np.inf and found.is_anomaly[0], score
    with pytest.raises(ValueError, match="should"):
        AnomalyDetector(vae).calibrate(np.concatenate([normal, odd]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"score": "squared"}, "`score` should be one of .*Did you mean"),
        ({"level": 0}, "`level` should lie between 0 and 1"),
        ({"level": 1.0}, "`level` should lie between 0 and 1"),
        ({"level": float("nan")}, "`level` should be a finite number"),
        ({"num_samples": 3}, "`num_samples` has no effect with score='squared_error'"),
        ({"score": "kl", "num_samples": 0}, "`num_samples` should be an integer >= 1"),
        ({"seed": None}, "`seed` should be an integer"),
    ],
)
def test_arguments_that_are_none(vae, arguments, words):
    with pytest.raises(ValueError, match=words):
        AnomalyDetector(vae, **arguments)


def test_a_model_that_has_not_what_the_score_is_made_of(x):
    encoder, decoder = keras_vae.networks.dense((DIM,), 2, hidden_units=(4,), seed=0)
    autoencoder = keras_vae.Autoencoder(
        keras.Model(encoder.input, encoder.outputs[0]), decoder, likelihood="gaussian"
    )
    for score in ("negative_elbo", "kl", "importance_weighted", "likelihood_regret"):
        with pytest.raises(ValueError, match="has no ELBO"):
            AnomalyDetector(autoencoder, score)
    detector = AnomalyDetector(autoencoder).calibrate(x)
    expected = ((x - autoencoder.reconstruct(x)) ** 2).sum(-1)
    np.testing.assert_allclose(detector.score(x), expected, rtol=1e-5)


def test_a_calibration_set_that_is_too_small(vae, x):
    AnomalyDetector(vae, level=0.05).calibrate(x[:19])
    with pytest.raises(ValueError, match="at least 19 normal items for level=0.05"):
        AnomalyDetector(vae, level=0.05).calibrate(x[:18])
    with pytest.raises(ValueError, match="at least one example"):
        AnomalyDetector(vae).calibrate(x[:0])


def test_an_uncalibrated_detector_scores_and_says_no_more(vae, x, tmp_path):
    detector = AnomalyDetector(vae)
    assert detector.score(x).shape == (40,)
    for ask in (lambda: detector.detect(x), lambda: detector.save(tmp_path / "d")):
        with pytest.raises(ValueError, match="should be calibrated"):
            ask()
    assert not (tmp_path / "d").exists()


def test_training_after_calibration_is_noticed(x):
    vae = linear_vae()
    vae.compile("sgd")
    detector = AnomalyDetector(vae).calibrate(x)
    vae.fit(x, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="was trained on after the detector"):
        detector.detect(x)
    detector.calibrate(x)
    np.testing.assert_array_equal(np.sort(detector.score(x)), detector.calibration)


def test_conditions(x):
    encoder, decoder = keras_vae.networks.dense(
        (DIM,), 2, "gaussian", hidden_units=(4,), condition_dim=2, seed=0
    )
    vae = keras_vae.ConditionalVAE(
        encoder, decoder, num_classes=2, likelihood="gaussian", seed=0
    )
    codes = np.arange(40) % 2
    data = {"x": x, "condition": codes}
    detector = AnomalyDetector(vae, "negative_elbo").calibrate(data)
    swapped = detector.score({"x": x, "condition": 1 - codes})
    assert not np.allclose(swapped, detector.score(data), rtol=1e-3)
    assert detector.explain(data).error.shape == x.shape


def test_a_hierarchy_and_codes_that_are_maps(x):
    vae = keras_vae.HierarchicalVAE(
        *keras_vae.networks.hierarchical_dense(
            (DIM,), (1, 2), "gaussian", hidden_units=((4,), (4,)), seed=0
        ),
        likelihood="gaussian",
        seed=0,
    )
    scores = AnomalyDetector(vae, "importance_weighted").calibrate(x).score(x)
    assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match="diagonal normal posterior"):
        AnomalyDetector(vae, "likelihood_regret")


def test_mixed_precision_is_scored_in_float32(x):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder, decoder = keras_vae.networks.dense(
            (DIM,), 2, "gaussian", hidden_units=(8,), seed=0
        )
        vae = keras_vae.VAE(encoder, decoder, likelihood="gaussian", seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    detector = AnomalyDetector(vae)
    copy = keras_vae.models.float32.float32_copy(vae)
    expected = ((x - copy.reconstruct(x)) ** 2).sum(-1)
    np.testing.assert_allclose(detector.score(x), expected, rtol=1e-5)


# Files.


def test_a_detector_comes_back(x, tmp_path):
    detector = AnomalyDetector(
        linear_vae(), "negative_elbo", level=0.1, num_samples=5, seed=3
    ).calibrate(x)
    detector.save(tmp_path / "detector")
    names = {path.name for path in (tmp_path / "detector").iterdir()}
    assert names == {"model.keras", "detector.json", "calibration.npz"}
    np.load(tmp_path / "detector" / "calibration.npz", allow_pickle=False)["scores"]
    back = AnomalyDetector.load(tmp_path / "detector")
    for one, other in zip(detector.detect(x), back.detect(x), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("level", "num_samples", "seed", "score_name", "threshold"):
        assert getattr(back, name) == getattr(detector, name)


def test_saving_replaces_a_detector_and_nothing_else(x, tmp_path):
    detector = AnomalyDetector(linear_vae()).calibrate(x)
    place = tmp_path / "detector"
    detector.save(place)
    (place / "notes.txt").write_text("mine")
    detector.level = 0.2
    detector.save(place)
    assert AnomalyDetector.load(place).level == 0.2
    assert (place / "notes.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "detector.json").write_text("{}")
    with pytest.raises(FileExistsError, match="holds something else"):
        detector.save(tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["detector.json"]


@pytest.mark.parametrize("name", ["model.keras", "detector.json", "calibration.npz"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "other"])
def test_damaged_files_are_told(x, tmp_path, name, damage):
    place = tmp_path / "detector"
    AnomalyDetector(linear_vae()).calibrate(x).save(place)
    path = place / name
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + b"\0\1\2" + content[middle + 3 :])
    elif damage == "gone":
        path.unlink()
    elif name == "detector.json":
        path.write_text(json.dumps({"kind": "anomaly_detector"}))
    else:  # of another detector
        AnomalyDetector(linear_vae()).calibrate(2 * x[:20]).save(tmp_path / "b")
        shutil.copy(tmp_path / "b" / name, path)
    with pytest.raises(ValueError, match=str(place)):
        AnomalyDetector.load(place)


def test_what_is_no_detector(tmp_path):
    with pytest.raises(ValueError, match="no such directory"):
        AnomalyDetector.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="its detector.json is not there"):
        AnomalyDetector.load(tmp_path)


def test_a_graph_of_any_batch_size(vae, x):
    detector = AnomalyDetector(vae, "negative_elbo")
    graph = tf.function(
        detector.score_tensor, input_signature=[tf.TensorSpec((None, DIM))]
    )
    for rows in (slice(1), slice(3), slice(40)):
        np.testing.assert_allclose(graph(x[rows]), detector.score(x[rows]), rtol=1e-5)
