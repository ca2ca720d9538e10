"""What the page is given, and who serves it; no browser, and no trained run."""

import io
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import requests
from PIL import Image

import keras_vae
from keras_vae import datasets, explorer, export, networks
from keras_vae.explorer import site, web_page
from keras_vae.export import RestServer

RNG = np.random.default_rng(0)


def run_of(vae, directory="runs/some", **batch_arguments):
    """What of a run the explorer asks for."""
    return SimpleNamespace(
        vae=vae,
        directory=web_page.Path(directory),
        config={"binarize": "none"},
        batch_arguments=batch_arguments,
    )


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def vae(digits):
    """A VAE of which the second of three dimensions says most, the third nothing."""
    built = networks.dense(digits.data_shape, 3, hidden_units=(8,), seed=0)
    vae = keras_vae.VAE(*built, likelihood="bernoulli", seed=0)
    kernel = vae.encoder.get_layer("z_mean").kernel
    kernel.assign(kernel * np.array([5.0, 20.0, 0.0], "float32"))
    return vae


@pytest.fixture(scope="module")
def shown(vae, digits):
    return explorer.latent_map(run_of(vae), digits)


def test_codes_and_what_each_dimension_tells(shown, vae, digits):
    x = np.round(digits.test.x * 255) / 255
    z_mean, z_log_var = (a.astype("float64") for a in vae.encode(x.astype("float32")))
    about = shown.about
    np.testing.assert_allclose(about["codes"], z_mean, atol=1e-6)
    assert about["labels"] == digits.test.labels.tolist()
    # Kingma & Welling (2014), appendix B.
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).mean(axis=0)
    assert about["activity"]["measure"] == "KL, nats"
    np.testing.assert_allclose(about["activity"]["values"], kl, rtol=1e-5)
    assert about["active"] == [1, 0]
    json.dumps(about, allow_nan=False)


def test_thumbnails_are_the_examples(shown, digits):
    sprite = np.asarray(Image.open(io.BytesIO(shown.thumbnails)))
    columns = shown.about["thumbnails"]["columns"]
    for i in (0, columns, 179):
        top, left = 8 * (i // columns), 8 * (i % columns)
        expected = np.round(digits.test.x[i, ..., 0] * 255)
        np.testing.assert_array_equal(sprite[top : top + 8, left : left + 8], expected)


def test_principal_components(shown):
    codes = np.array(shown.about["codes"])
    found = shown.about["principal"]
    components = np.array(found["components"])
    np.testing.assert_allclose(components @ components.T, np.eye(3), atol=1e-8)
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    projected = (codes - found["mean"]) @ components.T
    np.testing.assert_allclose(
        np.cov(projected.T), np.diag(values), atol=1e-7 * values[0]
    )
    np.testing.assert_allclose(found["shares"], values / values.sum(), rtol=1e-6)


def test_large_images_are_fewer(digits, vae, monkeypatch):
    module = keras_vae.explorer.latent_map.__globals__
    monkeypatch.setitem(module, "MOST_PIXELS", 64 * 10)
    assert len(explorer.latent_map(run_of(vae), digits).about["codes"]) == 10
    few = explorer.latent_map(run_of(vae), digits, max_examples=4)
    assert len(few.about["codes"]) == 4


def test_the_family(digits):
    """Members whose codes say what each dimension tells otherwise, or not at all."""
    shape = digits.data_shape
    dense = networks.dense(shape, 2, hidden_units=(4,), seed=0)
    autoencoder = keras_vae.Autoencoder(*dense, likelihood="bernoulli", seed=0)
    about = explorer.latent_map(run_of(autoencoder), digits).about
    assert about["activity"]["measure"] == "variance of the code"
    codes = np.array(about["codes"])
    np.testing.assert_allclose(about["activity"]["values"], codes.var(0), rtol=1e-5)
    bound = export.exported_models(explorer.Measures(autoencoder))["bound"]["elbo"]
    inputs = {"x": digits.test.x[:2], "seed": np.zeros((2, 2), "int32")}
    assert [*bound.function(inputs)] == ["reconstruction_loss"]
    levels = networks.hierarchical_dense(shape, (1, 2), hidden_units=((4,), (4,)))
    hierarchical = keras_vae.HierarchicalVAE(*levels, likelihood="bernoulli", seed=0)
    about = explorer.latent_map(run_of(hierarchical), digits).about
    assert np.shape(about["codes"]) == (180, 3)


def test_what_cannot_be_shown_is_refused(digits):
    built = networks.quantized_convolutional((8, 8, 1), 4, seed=0)
    vqvae = keras_vae.VQVAE(*built, quantizer=16, seed=0)
    with pytest.raises(ValueError, match=r"VQVAE whose code .* map of shape \(2, 2, 4"):
        explorer.latent_map(run_of(vqvae), digits)
    for shape, words in (
        ((12, 3), r"data of shape \(12, 3\)"),
        ((300,), "300 columns"),
    ):
        x = keras.Input(shape)
        hidden = keras.layers.Flatten()(x)
        encoder = keras.Model(x, [keras.layers.Dense(2)(hidden) for _ in "ab"])
        z = keras.Input((2,))
        out = keras.layers.Dense(int(np.prod(shape)))(z)
        decoder = keras.Model(z, keras.layers.Reshape(shape)(out))
        with pytest.raises(ValueError, match=words):
            explorer.latent_map(run_of(keras_vae.VAE(encoder, decoder)), digits)


def test_the_bound_is_that_of_score(vae, digits):
    endpoint = export.exported_models(explorer.Measures(vae))["bound"]["elbo"]
    x = digits.test.x[:5]
    seeds = np.array([[3, i] for i in range(5)], "int32")
    found = endpoint.function({"x": x, "seed": seeds})
    for name, expected in vae.score(x, seed=3).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=name)


# --- The server -------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export.export_saved_models(vae, folder)
    return folder


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


Z = [[0.5, -1.0, 2.0]]


def decode(url):
    body = {"signature_name": "decode", "inputs": {"z": Z}}
    return requests.post(f"{url}/v1/models/decoder:predict", json=body, timeout=30)


def elbo(url, x):
    body = {"signature_name": "elbo", "inputs": {"x": x.tolist(), "seed": [[0, 0]]}}
    return requests.post(f"{url}/v1/models/bound:predict", json=body, timeout=30)


def test_what_is_served(shown, folder, vae):
    with explorer.ExplorerServer(shown, folder, explorer.Measures(vae)) as server:
        place = server._folder.name
        with server.running():
            page = requests.get(server.url, timeout=30)
            assert page.headers["Content-Type"] == "text/html; charset=utf-8"
            policy = page.headers["Content-Security-Policy"]
            assert "script-src 'self';" in policy and "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            # All that the page names is there.
            for name in sorted(path.name for path in web_page.FOLDER.iterdir()):
                got = requests.get(f"{server.url}/{name}", timeout=30)
                assert got.content == (web_page.FOLDER / name).read_bytes()
            about = requests.get(f"{server.url}/latent_map.json", timeout=30).json()
            assert about["codes"] == shown.about["codes"]
            assert about["models"] == ["bound"]
            picture = requests.get(f"{server.url}/thumbnails.png", timeout=30)
            assert picture.content == shown.thumbnails
            # To a name that somebody else made point here nothing is shown.
            other = {"Host": "rebound.example"}
            for name in ("", "latent_map.json", "thumbnails.png"):
                got = requests.get(f"{server.url}/{name}", headers=other, timeout=30)
                assert got.status_code == 400 and [*got.json()] == ["error"]
            for name in ("../latent_map.py", "%2e%2e/server.py", "web/main.js"):
                got = requests.get(f"{server.url}/{name}", timeout=30)
                assert got.status_code == 400
            state = requests.get(f"{server.url}/v1/models/bound", timeout=30).json()
            assert state["model_version_status"][0]["state"] == "AVAILABLE"
            np.testing.assert_allclose(
                decode(server.url).json()["outputs"], vae.decode(Z), atol=1e-6
            )
    assert not web_page.Path(place).exists()  # nothing is left behind


def test_a_server_that_runs_already_is_asked(shown, folder, vae, digits):
    measures = explorer.Measures(vae)
    with RestServer(folder, port=0) as others, others.running():
        server = explorer.ExplorerServer(shown, others.url, measures)
        with server, server.running():
            about = requests.get(f"{server.url}/latent_map.json", timeout=30).json()
            assert about["server"] == others.url
            np.testing.assert_allclose(
                decode(server.url).json()["outputs"], vae.decode(Z), atol=1e-6
            )
            path = "v1/models/decoder/metadata"
            answers = [
                requests.get(f"{url}/{path}", timeout=30).json()
                for url in (server.url, others.url)
            ]
            assert answers[0] == answers[1]
            # What no export has, this computes itself.
            found = elbo(server.url, digits.test.x[:1]).json()["outputs"]["elbo"]
            expected = vae.elbo(digits.test.x[:1], seed=0)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            # Its refusals are passed on.
            body = {"signature_name": "decode", "inputs": {"z": [[0.0]]}}
            got = [
                requests.post(f"{url}/v1/models/decoder:predict", json=body, timeout=30)
                for url in (server.url, others.url)
            ]
            assert [g.status_code for g in got] == [400, 400]
            assert got[0].json() == got[1].json()
            others.shutdown()
            others.server_close()
            refused = decode(server.url)
            assert refused.status_code == 502
            words = f"No TF Serving answers at {others.url}"
            assert words in refused.json()["error"]
        with pytest.raises(ValueError, match=words):
            explorer.ExplorerServer(shown, others.url, measures)


# --- A site -----------------------------------------------------------------------


def test_a_site_replaces_nothing_else(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        site.check_directory(tmp_path)
    (tmp_path / "latent_map.json").write_text(json.dumps({"keras_vae": "0.2.0"}))
    site.check_directory(tmp_path)
    site.check_directory(tmp_path / "new")


def test_a_site_wants_a_runtime(shown, vae, tmp_path):
    with pytest.raises(FileNotFoundError, match="make site-runtime"):
        explorer.write_site(
            shown, tmp_path, tmp_path / "site", tmp_path, explorer.Measures(vae)
        )
    assert not (tmp_path / "site").exists()


def test_pictures_come_with_their_colours(tmp_path):
    """A sprite of colours, and of alpha, is what the examples are."""
    for channels in (3, 4):
        x = RNG.integers(0, 256, (5, 8, 9, channels)).astype("uint8")
        np.savez(tmp_path / "x.npz", x=x)
        data = datasets.load(
            str(tmp_path / "x.npz"), validation_fraction=0, test_fraction=0
        )
        built = networks.dense((8, 9, channels), 1, hidden_units=(4,), seed=0)
        vae = keras_vae.VAE(*built, likelihood="bernoulli", seed=0)
        shown = explorer.latent_map(run_of(vae), data)
        sprite = np.asarray(Image.open(io.BytesIO(shown.thumbnails)))
        columns = shown.about["thumbnails"]["columns"]
        assert shown.about["split"] == "train"
        for i, image in enumerate(x):
            top, left = 8 * (i // columns), 9 * (i % columns)
            found = sprite[top : top + 8, left : left + 9]
            np.testing.assert_array_equal(found, image)
