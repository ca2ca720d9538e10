"""A linear readout against what is known of the data, and against scikit-learn."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import keras_vae
from keras_vae.evaluation import linear_readout


def two_clouds(n=4000, distance=2.0, dim=6, seed=0):
    """Unit normals at plus and minus half of a distance, along the second axis."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x = rng.normal(size=(n, dim))
    x[:, 1] += distance * (labels - 0.5)
    return x, labels


def test_two_normal_clouds_are_told_as_well_as_they_can_be():
    x, labels = two_clouds()
    best = stats.norm.cdf(1.0)  # half of the distance
    codes = {"all": x, "other": x[:, 2:], "scaled": 1e5 * x[:, 1:2] + 3}
    result = linear_readout(codes, labels)
    for name, expected in (("all", best), ("other", 0.5), ("scaled", best)):
        readout = result["readouts"][name]
        # What the classifier does not find of 3000 examples is far below an error.
        assert abs(readout["accuracy"] - expected) < 4 * readout["standard_error"]
        share = readout["accuracy"]
        error = math.sqrt(share * (1 - share) / 999)
        assert readout["standard_error"] == pytest.approx(error)
    assert (result["num_train"], result["num_test"]) == (3000, 1000)
    assert result["readouts"]["other"]["num_features"] == 4
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_components_and_pixels_are_beside_the_codes():
    digits = keras_vae.datasets.load("digits").train
    x, labels = digits.x, digits.labels
    random = np.random.default_rng(0).normal(size=(64, 4))
    codes = {"random": x.reshape(len(x), -1) @ random}
    result = linear_readout(codes, labels, x, seed=2)["readouts"]
    assert [*result] == ["random", "pca_4", "raw"]
    assert result["pca_4"]["num_features"] == 4 and result["raw"]["num_features"] == 64
    assert result["raw"]["accuracy"] > 0.93
    assert result["random"]["accuracy"] < result["pca_4"]["accuracy"]
    assert result["pca_4"]["accuracy"] < result["raw"]["accuracy"]
    # The same by hand: the same parts, components of the training part alone.
    flat = np.float64(x.reshape(len(x), -1))
    train, test = train_test_split(
        np.arange(len(x)), test_size=0.25, stratify=labels, random_state=2
    )
    mean = flat[train].mean(0)
    axes = np.linalg.svd(flat[train] - mean, full_matrices=False)[2][:4]
    components = (flat - mean) @ axes.T
    components /= components[train].std(0)
    model = LogisticRegression(max_iter=1000).fit(components[train], labels[train])
    expected = model.score(components[test], labels[test])
    assert result["pca_4"]["accuracy"] == pytest.approx(expected, abs=1 / len(test))


def test_components_are_those_of_what_is_not_held_out():
    """Where the held-out part, or a few rows, have another direction of their own."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    _, test = train_test_split(
        np.arange(400), test_size=0.25, stratify=labels, random_state=0
    )
    x = 0.01 * rng.normal(size=(400, 5))
    x[:, 1] += 2 * labels  # a variance of 1
    x[test, 0] += 50 * rng.normal(size=100)
    x[:50, 2] += 2 * rng.normal(size=50)  # and of 0.5 among all
    result = linear_readout(x[:, :1], labels, x)["readouts"]
    assert result["pca_1"]["accuracy"] > 0.95


def test_few_labels_are_fewer_of_the_same():
    x, labels = two_clouds(distance=1.0, dim=40)
    many, few, two = (
        linear_readout(x, labels, num_labels=n, seed=1) for n in (None, 30, 2)
    )
    assert (many["num_train"], few["num_train"], two["num_train"]) == (3000, 30, 2)
    assert few["num_test"] == many["num_test"] == 1000
    gap = many["readouts"]["codes"]["accuracy"] - few["readouts"]["codes"]["accuracy"]
    assert gap > 0.05
    nearly_all = linear_readout(x, labels, num_labels=2999, seed=1)
    assert nearly_all["num_train"] == 2999


def test_the_seed_decides():
    x, labels = two_clouds(400)
    assert linear_readout(x, labels, x, seed=1) == linear_readout(x, labels, x, seed=1)
    other = linear_readout(x, labels, x, seed=2)
    assert other["readouts"] != linear_readout(x, labels, x, seed=1)["readouts"]


def test_maps_and_labels_with_names_are_taken():
    x, labels = two_clouds(400, dim=12)
    names = np.array(["cat", "dog"])[labels]
    result = linear_readout(x.reshape(-1, 2, 3, 2), names)
    expected = linear_readout(x, labels)
    assert result["readouts"] == expected["readouts"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.zeros(8, int)}, "two classes or more.*{0: 8}"),
        ({"labels": np.array([0] * 7 + [1])}, "two examples or more each"),
        ({"labels": np.zeros((8, 2), int)}, r"of shape \(n,\). Received: shape \(8, 2"),
        ({"labels": np.linspace(0, 1, 8)}, "integers or strings"),
        ({"codes": {"z": np.zeros((7, 2))}}, "`z` should be an array of 8 rows"),
        ({"x": np.zeros(8)}, "`x` should be an array of 8 rows"),
        ({"test_fraction": 1.0}, "`test_fraction` should be between 0 and 1"),
        ({"num_labels": 1}, "`num_labels` should be an integer from 2 to 6"),
        ({"num_labels": 7}, "`num_labels` should be an integer from 2 to 6"),
    ],
)
def test_what_cannot_be_read_is_refused(arguments, message):
    given = {"codes": np.zeros((8, 2)), "labels": np.arange(8) % 2, **arguments}
    with pytest.raises(ValueError, match=message):
        linear_readout(**given)
