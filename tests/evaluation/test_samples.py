"""Measures of samples against loops over all pairs, closed forms and SciPy."""

import json
import math

import keras
import numpy as np
import pytest
from scipy import linalg

import keras_vae
from keras_vae.evaluation import (
    density_coverage,
    frechet_distance,
    precision_recall,
    sample_quality,
    samples,
    train_features,
)


def normals(n, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim))


def by_loops(real, generated, k):
    """Precision, recall, density and coverage, as the papers write them."""

    def distance(a, b):
        return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))

    def radius(points, i):
        others = [distance(points[i], points[j]) for j in range(len(points)) if j != i]
        return sorted(others)[k - 1]

    n, m = len(real), len(generated)
    real_radius = [radius(real, i) for i in range(n)]
    generated_radius = [radius(generated, j) for j in range(m)]
    precision = recall = density = coverage = 0.0
    for j in range(m):
        inside = [distance(real[i], generated[j]) <= real_radius[i] for i in range(n)]
        precision += any(inside) / m
        density += sum(inside) / (k * m)
    for i in range(n):
        distances = [distance(real[i], generated[j]) for j in range(m)]
        recall += (
            any(d <= r for d, r in zip(distances, generated_radius, strict=True)) / n
        )
        coverage += any(d <= real_radius[i] for d in distances) / n
    return precision, recall, density, coverage


@pytest.mark.parametrize("block", [2**23, 100, 1])
@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_against_loops_over_all_pairs(monkeypatch, k, block):
    monkeypatch.setattr(samples, "BLOCK", block)
    real, generated = normals(40), 1.4 * normals(25, seed=1) + 1.5
    expected = by_loops(real, generated, k)
    found = (
        *precision_recall(real, generated, k),
        *density_coverage(real, generated, k),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert min(expected) > 0 and max(expected) < 1  # nothing is trivial


def test_samples_of_the_data_themselves():
    """Expectations of Naeem et al. (2020), their lemmas 1 and 2, for k = 5."""
    n, m, k = 200, 150, 5
    values = [
        density_coverage(normals(n, seed=2 * i), normals(m, seed=2 * i + 1), k)
        for i in range(60)
    ]
    mean = np.mean(values, axis=0)
    error = np.std(values, axis=0, ddof=1) / math.sqrt(60)
    uncovered = math.prod((n - i) / (m + n - i) for i in range(1, k + 1))
    assert abs(mean[0] - 1) < 4 * error[0]
    assert abs(mean[1] - (1 - uncovered)) < 4 * error[1]
    assert error.max() < 0.02


def test_copies_are_perfect_and_what_is_far_away_is_nothing():
    real = np.repeat(normals(20), 3, axis=0)  # balls of radius 0
    assert precision_recall(real, real, 2) == (1.0, 1.0)
    assert density_coverage(real, real, 2)[1] == 1.0
    far = real + 1000
    assert precision_recall(real, far) == (0.0, 0.0)
    assert density_coverage(real, far) == (0.0, 0.0)


def test_samples_of_one_mode_are_precise_and_cover_half():
    low, high = normals(300), normals(300, seed=1) + 100
    generated = normals(600, seed=2)
    precision, recall = precision_recall(np.concatenate([low, high]), generated)
    assert precision > 0.9 and recall < 0.51
    _, coverage = density_coverage(np.concatenate([low, high]), generated)
    assert 0.4 < coverage <= 0.5


def test_frechet_against_scipy():
    real = normals(50, 4) @ normals(4, 4, seed=5)
    generated = normals(70, 4, seed=1) @ normals(4, 4, seed=6) + 2
    a, b = (np.cov(x, rowvar=False) for x in (real, generated))
    shift = np.sum((real.mean(0) - generated.mean(0)) ** 2)
    expected = shift + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(real, generated) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(generated, real) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_what_is_known():
    x = normals(100, 5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + np.array([1, 2, 0, 0, 0])) == pytest.approx(5)
    # (1 - s)^2 times the trace of the covariance.
    centred = x - x.mean(0)
    expected = 4 * np.trace(np.cov(x, rowvar=False))
    assert frechet_distance(centred, 3 * centred) == pytest.approx(expected)
    # Fewer examples than features: covariances without an inverse.
    few, others = normals(4, 6), normals(5, 6, seed=1)
    a, b = (np.cov(x, rowvar=False) for x in (few, others))
    values = linalg.eigvals(a @ b).real
    expected = np.sum((few.mean(0) - others.mean(0)) ** 2) + np.trace(a + b)
    expected -= 2 * np.sqrt(np.maximum(values, 0)).sum()
    assert frechet_distance(few, others) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def digits():
    return keras_vae.datasets.load("digits").train


def test_a_report_of_good_and_of_bad_samples(digits):
    real, same = digits.x[:500], digits.x[500:1000]
    good = sample_quality(real, same)
    noise = np.random.default_rng(0).uniform(size=same.shape)
    bad = sample_quality(real, noise)
    for name in ("precision", "recall", "density", "coverage"):
        assert good[name] > 0.6 > 0.1 > bad[name]
    assert good["frechet_distance"] < 0.1 * bad["frechet_distance"]
    assert json.loads(json.dumps(good, allow_nan=False)) == good
    assert good["nearest_k"] == 5
    assert (good["num_real"], good["num_generated"]) == (500, 500)
    assert good["features"] == {
        "name": "pca",
        "num_features": 64,
        "explained_variance": pytest.approx(1.0),
        "num_examples": 500,
        "seed": 0,
    }


def test_the_standard_errors_are_those_of_shares(digits):
    real, same = digits.x[:300].reshape(300, -1), digits.x[300:700].reshape(400, -1)
    quality = sample_quality(real, same, features=lambda x: x)
    for name, count in (("precision", 400), ("recall", 300), ("coverage", 300)):
        share = quality[name]
        error = math.sqrt(share * (1 - share) / (count - 1))
        assert quality[f"{name}_standard_error"] == pytest.approx(error)
    assert (quality["precision"], quality["recall"]) == precision_recall(real, same)
    assert (quality["density"], quality["coverage"]) == density_coverage(real, same)
    assert quality["features"]["type"] == "function"


def test_principal_components_against_numpy(digits):
    x = digits.x[:400]
    features = train_features(x)
    values = features(digits.x[400:450])
    flat = np.float64(x.reshape(400, -1))
    _, singular, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    expected = (digits.x[400:450].reshape(50, -1) - flat.mean(0)) @ axes.T
    used = singular > 1e-6 * singular[0]
    assert values.shape == (50, 64)
    np.testing.assert_allclose(
        np.abs(values[:, used]), np.abs(expected[:, used]), atol=1e-4
    )


def test_features_of_tables_count_the_same_whatever_their_unit():
    x = normals(100, 4)
    one, other = train_features(x), train_features(x * [1, 10, 1e4, 1e-3] + 5)
    distances = [
        np.linalg.norm(f(y)[0] - f(y)[1:])
        for f, y in ((one, x), (other, x * [1, 10, 1e4, 1e-3] + 5))
    ]
    assert distances[0] == pytest.approx(distances[1], rel=1e-3)


@pytest.mark.parametrize("as_images", [True, False])
def test_a_classifier_of_labelled_data_knows_them_and_follows_from_its_seed(
    digits, as_images, monkeypatch
):
    monkeypatch.setattr("keras_vae.evaluation.features.STEPS", 150)
    x, labels = digits.x, digits.labels
    x = x if as_images else x.reshape(len(x), -1)
    keras.utils.set_random_seed(1)
    features = train_features(x, labels)
    keras.utils.set_random_seed(2)
    state = np.random.default_rng(0).bit_generator.state
    again = train_features(x, labels)
    assert np.random.default_rng(0).bit_generator.state == state
    assert features.description == again.description
    np.testing.assert_array_equal(features(x[:50]), again(x[:50]))
    # As many rows at a time as one likes.
    np.testing.assert_allclose(features(x[:3]), features(x[:50])[:3], atol=1e-4)
    assert features.description["name"] == "classifier"
    assert features.description["accuracy"] > 0.9
    assert features(x[:50]).shape == (50, 64)
    assert (
        np.abs(train_features(x, labels, seed=1)(x[:50]) - features(x[:50])).max() > 0.1
    )


def test_a_model_or_a_function_may_be_handed_in():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, 2 * inputs[:, :2], name="halves")
    real, generated = np.float32(normals(50, 4)), np.float32(normals(50, 4, seed=1))
    quality = sample_quality(real, generated, features=model)
    assert quality["features"] == {"name": "halves", "type": "keras.Model"}
    expected = precision_recall(2 * real[:, :2], 2 * generated[:, :2])
    assert (quality["precision"], quality["recall"]) == expected
    trained = train_features(real)
    assert sample_quality(real, generated, trained) == sample_quality(real, generated)


def test_what_cannot_be_compared_is_refused():
    x = normals(20)
    with pytest.raises(ValueError, match=r"of one shape.*\(20, 3\) and \(20, 2"):
        sample_quality(x, x[:, :2])
    with pytest.raises(ValueError, match="more than 5 examples"):
        precision_recall(x[:5], x)
    with pytest.raises(ValueError, match="more than 20 examples"):
        density_coverage(x, x, nearest_k=20)
    with pytest.raises(ValueError, match="`generated` should be finite"):
        frechet_distance(x, x * np.nan)
    with pytest.raises(ValueError, match="equally many features"):
        frechet_distance(x, x[:, :2])
    with pytest.raises(ValueError, match="`features` should be None, a keras.Model"):
        sample_quality(x, x, features="inception")
    with pytest.raises(ValueError, match="return one array, a row for each example"):
        sample_quality(x, x, features=lambda x: [x, x])
    with pytest.raises(ValueError, match="`labels` should be integers of shape"):
        train_features(x, labels=np.zeros(20))
