"""scikit-learn's own checks of transformers, PCA in the linear case, and ours."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import sklearn.base
import sklearn.exceptions
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import keras_vae
from keras_vae import likelihoods
from keras_vae.applications import VAETransformer, rows

SMALL = {"latent_dim": 2, "hidden_units": (4,), "epochs": 2, "batch_size": 256}
LINEAR = {"hidden_units": (), "batch_size": 100, "learning_rate": 0.02}


@pytest.mark.slow
@parametrize_with_checks([VAETransformer(**SMALL | {"latent_dim": 1})])
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def plane():
    """Rows near a plane in six dimensions, each column in a unit of its own."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1000, 2)) * [3.0, 1.5]
    x = z @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(1000, 6))
    return x * [1, 10, 100, 1, 0.1, 1] + [5, 0, -50, 5, 0, 5]


@pytest.fixture(scope="module")
def linear(plane):
    # Large batches: the last steps then stand still.
    options = LINEAR | {"latent_dim": 2, "batch_size": 250, "epochs": 300}
    options |= {"random_state": 0}
    return VAETransformer(**options).fit(plane)


def test_a_linear_vae_finds_the_subspace_of_pca(plane, linear):
    scaler = StandardScaler().fit(plane)
    pca = PCA(2).fit(scaler.transform(plane))
    # What a step along each axis of z changes, and what each axis of z is read from.
    origin = linear.inverse_transform(np.zeros((1, 2)))
    decoded = (linear.inverse_transform(np.eye(2)) - origin) / scaler.scale_
    steps = scaler.mean_ + np.diag(scaler.scale_)
    encoded = linear.transform(steps) - linear.transform(scaler.mean_[None])
    for axes in (decoded.T, encoded):
        angles = scipy.linalg.subspace_angles(axes, pca.components_.T)
        assert np.rad2deg(angles).max() < 3
    # The ELBO reaches the likelihood of probabilistic PCA, which none can exceed.
    elbo = linear.vae_.elbo(plane.astype("float32")).astype("float64")
    gap = pca.score_samples(scaler.transform(plane)) - elbo
    error = gap.std() / np.sqrt(len(gap))
    assert -4 * error < gap.mean() < 0.05 + 4 * error
    assert linear.score(plane) == pytest.approx(elbo.mean(), abs=1e-4)


def test_easy_rows_come_back(plane, linear):
    back = linear.inverse_transform(linear.transform(plane))
    scaler = StandardScaler().fit(plane)
    error = np.mean(((back - plane) / scaler.scale_) ** 2)
    # Of the six eigenvalues PCA leaves out four. Probabilistic PCA shrinks the others,
    # l, by 1 - noise / l, which adds noise^2 / l to the error.
    values = np.linalg.eigvalsh(np.cov(scaler.transform(plane).T, bias=True))[::-1]
    noise = values[2:].mean()
    expected = (values[2:].sum() + np.sum(noise**2 / values[:2])) / 6
    assert expected < 0.12
    assert error == pytest.approx(expected, rel=0.01)


def test_a_row_has_one_code(plane, linear):
    z = linear.transform(plane)
    assert z.shape == (1000, 2) and z.dtype == np.float32
    np.testing.assert_array_equal(linear.transform(plane[7:8]), z[7:8])
    np.testing.assert_array_equal(linear.transform(plane[::-1])[::-1], z)
    back = linear.inverse_transform(z)
    np.testing.assert_array_equal(linear.inverse_transform(z[7:8]), back[7:8])
    expected = linear.vae_.codes(plane.astype("float32"))
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-5)


def test_rows_are_computed_in_whole_batches_alone(plane):
    """The last bits of a product of matrices depend on how many rows there are."""
    sizes = []

    def double(x, batch_size):
        sizes.append((len(x), batch_size))
        return 2 * x

    for size in (1, 128, 130):
        doubled = rows.in_batches(double, plane[:size])
        np.testing.assert_array_equal(doubled, 2 * plane[:size])
    assert sizes == [(128, 128), (128, 128), (256, 128)]


def test_a_seed_is_a_result(plane):
    def codes(seed):
        return VAETransformer(**SMALL, random_state=seed).fit_transform(plane[:100])

    np.testing.assert_array_equal(codes(3), codes(3))
    assert np.abs(codes(3) - codes(4)).max() > 0.01
    np.testing.assert_array_equal(codes(np.random.RandomState(3)), codes(3))


def test_a_grid_search_by_the_elbo_finds_the_plane(plane):
    search = GridSearchCV(
        VAETransformer(**LINEAR, epochs=40, random_state=0),
        {"latent_dim": [1, 2], "beta": [1.0, 50.0]},
        cv=2,
        error_score="raise",
    )
    search.fit(plane[:600])
    assert search.best_params_ == {"latent_dim": 2, "beta": 1.0}
    assert search.transform(plane).shape == (1000, 2)


def test_in_a_pipeline_and_a_grid_search(plane):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, size=200)
    x = plane[:200] + 40 * labels[:, None] * [1, 10, 0, 0, 0, 0]
    options = {"batch_size": 50, "epochs": 40, "learning_rate": 0.01}
    transformer = VAETransformer(**options, random_state=0)
    pipeline = make_pipeline(transformer, LogisticRegression())
    grid = {"vaetransformer__latent_dim": [1, 3], "vaetransformer__beta": [0.5]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(x, labels)
    assert search.score(x, labels) > 0.9


def test_columns_have_names(plane):
    names = ["a", "b", "c", "d", "e", "f"]
    frame = pd.DataFrame(plane[:50], columns=names)
    transformer = VAETransformer(**SMALL, random_state=0).set_output(transform="pandas")
    z = transformer.fit_transform(frame)
    assert [*z.columns] == ["vaetransformer0", "vaetransformer1"]
    assert transformer.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(
        transformer.inverse_transform(z), transformer.inverse_transform(z.to_numpy())
    )
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.transform(frame[names[::-1]])


@pytest.fixture(scope="module")
def pictures():
    """A VAE of images, for a moment trained, and rows of their pixels."""
    digits = keras_vae.datasets.load("digits").validation.x
    networks = keras_vae.networks.dense((8, 8, 1), 3, hidden_units=(8,), seed=0)
    vae = keras_vae.VAE(*networks, seed=0)
    vae.compile("adam")
    vae.fit(digits, verbose=0)
    return vae, digits.reshape(len(digits), -1)


def test_a_trained_vae_is_wrapped_and_its_images_are_rows(pictures):
    vae, x = pictures
    before = [weight.copy() for weight in vae.get_weights()]
    wrapped = VAETransformer(vae).fit(x)
    assert wrapped.vae_ is vae
    images = x.reshape(-1, 8, 8, 1)
    z = wrapped.transform(x)
    np.testing.assert_allclose(z, vae.codes(images), rtol=1e-4, atol=1e-5)
    expected = vae.decode(z).reshape(len(x), 64)
    np.testing.assert_allclose(wrapped.inverse_transform(z), expected, rtol=1e-4)
    assert wrapped.score(x) == pytest.approx(vae.elbo(images).mean(), rel=1e-5)
    for weight, old in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    copy = sklearn.base.clone(wrapped).fit(x)
    assert copy.vae_ is not vae
    np.testing.assert_allclose(copy.transform(x), z, rtol=1e-5, atol=1e-6)


def test_members_whose_codes_are_maps_or_points(pictures):
    _, x = pictures
    parts = keras_vae.networks.quantized_convolutional((8, 8, 1), 2, filters=(4, 4))
    vqvae = VAETransformer(keras_vae.VQVAE(*parts, quantizer=4)).fit(x)
    z = vqvae.transform(x)
    assert z.shape == (len(x), vqvae.vae_.latent_dim)
    assert len(vqvae.get_feature_names_out()) == z.shape[1]
    assert vqvae.inverse_transform(z).shape == x.shape
    encoder, decoder = keras_vae.networks.dense((64,), 2, hidden_units=(4,))
    encoder = keras.Model(encoder.input, encoder.outputs[0])
    plain = VAETransformer(keras_vae.Autoencoder(encoder, decoder)).fit(x)
    assert plain.transform(x).shape == (len(x), 2)
    with pytest.raises(ValueError, match="has no ELBO"):
        plain.score(x)


def test_other_columns_want_another_likelihood(pictures):
    _, x = pictures
    options = SMALL | {"random_state": 0}
    transformer = VAETransformer(likelihood="bernoulli", **options).fit(x)
    assert transformer.vae_.standardize is None
    # Before it has learned anything it decodes to the mean of the columns.
    back = transformer.inverse_transform(np.zeros((1, 2)))[0]
    assert np.abs(back - x.mean(axis=0)).max() < 0.1
    for unfit in (x * 16, x - 0.5):
        with pytest.raises(ValueError, match=r"`X` should lie in the support"):
            VAETransformer(likelihood="bernoulli", **options).fit(unfit)
        with pytest.raises(ValueError, match=r"`X` should lie in the support"):
            transformer.transform(unfit)
    laplace = VAETransformer(likelihood="laplace", **options).fit(x * 16)
    assert laplace.vae_.standardize is not None
    assert laplace.vae_.likelihood.get_config()["scale"] == "optimal"


def test_a_likelihood_that_is_given_stays_as_it_is(plane):
    likelihood = likelihoods.Gaussian(scale="learned")
    before = likelihood.get_weights()
    transformer = VAETransformer(likelihood=likelihood, **SMALL).fit(plane)
    assert transformer.vae_.likelihood is not likelihood
    assert transformer.vae_.likelihood.mode == "learned"
    assert likelihood.get_weights() == before
    sklearn.base.clone(transformer).fit(plane[:50])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"latent_dim": 0}, "`latent_dim` should"),
        ({"hidden_units": (0,)}, "`hidden_units` should"),
        ({"epochs": 0}, "`epochs` should"),
        ({"batch_size": 0}, "`batch_size` should"),
        ({"learning_rate": 0.0}, "`learning_rate` should be above 0"),
        ({"beta": -1.0}, "`beta` should"),
        ({"likelihood": "gausian"}, "Did you mean 'gaussian'"),
        ({"vae": "model.keras"}, "`vae` should be a trained keras_vae.VAE"),
    ],
)
def test_arguments_that_are_none(plane, arguments, words):
    with pytest.raises(ValueError, match=words):
        VAETransformer(**SMALL | arguments).fit(plane)


def test_rows_that_are_none(plane, linear, pictures):
    bad = plane[:20].copy()
    bad[3, 1] = np.nan
    for ask in (linear.transform, linear.score, VAETransformer(**SMALL).fit):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            ask(bad)
    with pytest.raises(ValueError, match="X has 4 features, but VAETransformer is exp"):
        linear.transform(plane[:, :4])
    with pytest.raises(ValueError, match="X has 3 features, but codes of this"):
        linear.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        linear.inverse_transform([[np.nan, 0.0]])
    vae, x = pictures
    with pytest.raises(ValueError, match="`X` should have 64 columns"):
        VAETransformer(vae).fit(x[:, :60])
    networks = keras_vae.networks.dense((6,), 2, hidden_units=(4,), condition_dim=3)
    conditional = keras_vae.ConditionalVAE(*networks, num_classes=3)
    with pytest.raises(ValueError, match="`vae` should take x alone"):
        VAETransformer(conditional).fit(plane)


# Files.


def test_a_transformer_comes_back(plane, tmp_path):
    frame = pd.DataFrame(plane[:60], columns=list("abcdef"))
    options = {**SMALL, "latent_dim": np.int64(2), "beta": np.float64(0.5)}
    likelihood = likelihoods.Gaussian(scale="learned")
    transformer = VAETransformer(likelihood=likelihood, random_state=1, **options)
    transformer.fit(frame).save(tmp_path / "t")
    names = {path.name for path in (tmp_path / "t").iterdir()}
    assert names == {"model.keras", "transformer.json"}
    back = VAETransformer.load(tmp_path / "t")
    z = transformer.transform(frame)
    np.testing.assert_array_equal(back.transform(frame), z)
    np.testing.assert_array_equal(
        back.inverse_transform(z), transformer.inverse_transform(z)
    )
    assert back.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        back.transform(frame[list("fedcba")])
    # It is fitted again as the first was: with the same settings.
    assert back.hidden_units == (4,) and back.random_state == 1 and back.vae is None
    np.testing.assert_array_equal(back.fit(frame).transform(frame), z)


def test_a_wrapped_vae_comes_back_wrapped(pictures, tmp_path):
    vae, x = pictures
    random = np.random.RandomState(0)
    VAETransformer(vae, random_state=random).fit(x).save(tmp_path / "t")
    back = VAETransformer.load(tmp_path / "t")
    assert back.vae is back.vae_ and back.random_state is None
    with pytest.raises(ValueError, match="expecting 64 features"):
        back.transform(x[:, :4])
    assert not hasattr(back, "feature_names_in_")
    z = VAETransformer(vae).fit(x).transform(x)
    np.testing.assert_array_equal(back.transform(x), z)


def test_a_folder_is_replaced_only_where_it_is_a_transformers(linear, tmp_path):
    place = tmp_path / "t"
    linear.save(place)
    (place / "notes.txt").write_text("mine")
    linear.save(place)
    assert (place / "notes.txt").read_text() == "mine"
    about = json.loads((place / "transformer.json").read_text())
    assert about["kind"] == "transformer"
    about["kind"] = "anomaly_detector"
    (place / "transformer.json").write_text(json.dumps(about))
    with pytest.raises(FileExistsError, match="of an earlier transformer"):
        linear.save(place)
    with pytest.raises(ValueError, match="holds no transformer"):
        VAETransformer.load(place)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        VAETransformer().save(tmp_path / "unfitted")


@pytest.mark.parametrize("name", ["model.keras", "transformer.json"])
def test_damaged_files_are_told(linear, tmp_path, name):
    place = tmp_path / "t"
    linear.save(place)
    content = (place / name).read_bytes()
    (place / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=str(place)):
        VAETransformer.load(place)
    (place / name).unlink()
    with pytest.raises(ValueError, match=str(place)):
        VAETransformer.load(place)


def test_settings_of_another_version_are_told(linear, tmp_path):
    linear.save(tmp_path / "t")
    path = tmp_path / "t" / "transformer.json"
    about = json.loads(path.read_text())
    about["settings"]["depth"] = 3
    path.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"settings .* are damaged.*depth"):
        VAETransformer.load(tmp_path / "t")
