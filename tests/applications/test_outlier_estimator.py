"""scikit-learn's own checks of outlier detectors, and what is ours."""

import numpy as np
import pytest
import sklearn.base
import sklearn.model_selection
import sklearn.pipeline
import sklearn.preprocessing
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_vae
from keras_vae.applications import VAEOutlierDetector

SMALL = {"latent_dim": 1, "hidden_units": (4,), "epochs": 2, "batch_size": 256}


@pytest.mark.slow
@parametrize_with_checks(
    # The checks fit as few as two rows, of which one calibrates.
    [VAEOutlierDetector(**SMALL, level=0.5, calibration_fraction=0.5)],
    legacy=True,
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    """Rows on a line in five dimensions, and rows beside it."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(1, 5))
    normal = rng.normal(size=(700, 1)) @ directions + 0.1 * rng.normal(size=(700, 5))
    odd = 3 * rng.normal(size=(50, 5)) * np.abs(directions)
    return normal * [1, 10, 100, 1, 1] + 5, odd * [1, 10, 100, 1, 1] + 5


@pytest.fixture(scope="module")
def fitted(table):
    options = {"latent_dim": 1, "hidden_units": (16,), "epochs": 100, "random_state": 0}
    return VAEOutlierDetector(**options).fit(table[0][:400])


def test_outliers_are_found_and_few_others(table, fitted):
    normal, odd = table
    assert fitted.predict(odd).tolist().count(-1) > 40
    # 300 rows, 120 of calibration: Beta(6, 115), and a binomial of it.
    flagged = np.sum(fitted.predict(normal[400:]) == -1)
    assert flagged / 300 < 6 / 121 + 4 * (0.0197**2 + 0.05 * 0.95 / 300) ** 0.5
    p_values = fitted.p_values(odd)
    np.testing.assert_array_equal(p_values <= 0.05, fitted.predict(odd) == -1)
    np.testing.assert_array_equal(
        fitted.score_samples(odd), -fitted.detector_.score(odd.astype("float32"))
    )


def test_a_trained_vae_is_wrapped(table, fitted):
    vae, normal = fitted.detector_.vae, table[0]
    wrapped = VAEOutlierDetector(vae, anomaly_score="negative_elbo", level=0.1)
    wrapped.fit(normal[400:])
    assert wrapped.detector_.vae is vae
    assert len(wrapped.detector_.calibration) == 300
    copy = sklearn.base.clone(wrapped).fit(normal[400:])
    np.testing.assert_allclose(copy.offset_, wrapped.offset_, rtol=1e-5)


def test_in_a_pipeline_and_a_grid_search(table):
    normal, odd = table
    pipeline = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.RobustScaler(),
        VAEOutlierDetector(**SMALL, level=0.2, random_state=0),
    )
    search = sklearn.model_selection.GridSearchCV(
        pipeline,
        {"vaeoutlierdetector__anomaly_score": ["squared_error", "kl"]},
        scoring=lambda found, x, y: np.mean(found.predict(x) == y),
        cv=2,
        error_score="raise",
    )
    x = np.concatenate([normal[:100], odd])
    search.fit(x, np.repeat([1, -1], [100, 50]))
    assert set(search.predict(x)) == {-1, 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"level": 0.0}, "`level` should lie"),
        ({"level": 0.001}, "it takes 999 for anything to be an outlier"),
        ({"calibration_fraction": 1.0}, "`calibration_fraction` should lie"),
        ({"anomaly_score": "elbo"}, "`score` should be one of"),
        ({"latent_dim": 0}, "`latent_dim` should"),
    ],
)
def test_arguments_that_are_none(table, arguments, words):
    with pytest.raises(ValueError, match=words):
        VAEOutlierDetector(**SMALL | arguments).fit(table[0][:100])


def test_nothing_global_is_seeded(table):
    keras_vae.noise.uniform([[0, 0]], 1)
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    VAEOutlierDetector(**SMALL, level=0.2, random_state=0).fit(table[0][:100])
    assert np.random.random() == expected  # noqa: NPY002
