"""The server for development, asked as TensorFlow Serving is."""

import base64
import json
import re
import shutil
import socket

import numpy as np
import pytest
import requests

from keras_vae import VAE, networks, noise
from keras_vae.export import RestServer, export_saved_models

SHAPE = (8, 8, 1)
X = np.random.default_rng(0).uniform(size=(3, *SHAPE)).astype("float32")


@pytest.fixture(scope="module")
def vae():
    return VAE(*networks.dense(SHAPE, 2, hidden_units=(4,), seed=0))


@pytest.fixture(scope="module")
def folder(vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving")
    export_saved_models(vae, folder, 1, max_batch_size=4)
    export_saved_models(vae, folder, 7, max_batch_size=4)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    with RestServer(folder, port=0) as server, server.running():
        yield server.url


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def ask(url, path, body=None, **arguments):
    """HTTP status, and the JSON of the answer."""
    method = "GET" if body is None else "POST"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    answer = requests.request(method, url + path, data=body, timeout=30, **arguments)
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()


def predict(url, body, where="encoder"):
    return ask(url, f"/v1/models/{where}:predict", body)


def test_states(url):
    ok = {"error_code": "OK", "error_message": ""}
    seven, one = (
        {"version": str(version), "state": "AVAILABLE", "status": ok}
        for version in (7, 1)
    )
    for path, expected in (
        ("", [seven, one]),
        ("/versions/1", [one]),
        ("/labels/stable", [seven]),
    ):
        status, answer = ask(url, f"/v1/models/encoder{path}")
        assert (status, answer) == (200, {"model_version_status": expected})


def test_metadata_are_those_of_the_graph(url):
    status, answer = ask(url, "/v1/models/decoder/versions/1/metadata")
    assert status == 200
    assert answer["model_spec"] == {
        "name": "decoder",
        "signature_name": "",
        "version": "1",
    }
    found = answer["metadata"]["signature_def"]["signature_def"]["sample"]
    seed = found["inputs"]["seed"]
    assert seed["dtype"] == "DT_INT32"
    sizes = [int(dim["size"]) for dim in seed["tensor_shape"]["dim"]]
    assert sizes == [-1, 2]
    assert {*found["outputs"]} == {"z", "reconstruction"}
    assert found["method_name"] == "tensorflow/serving/predict"


def test_rows_and_columns(url, vae):
    z_mean, z_log_var = vae.encode(X)
    rows = {"signature_name": "encode", "instances": X.tolist()}
    named = {**rows, "instances": [{"x": x.tolist()} for x in X]}
    for body in (rows, named):
        status, answer = predict(url, body)
        assert status == 200
        for row, mean, log_var in zip(
            answer["predictions"], z_mean, z_log_var, strict=True
        ):
            np.testing.assert_allclose(row["z_mean"], mean, atol=1e-6)
            np.testing.assert_allclose(row["z_log_var"], log_var, atol=1e-6)
    for columns in (X.tolist(), {"x": X.tolist()}):
        status, answer = predict(url, {"signature_name": "encode", "inputs": columns})
        np.testing.assert_allclose(answer["outputs"]["z_mean"], z_mean, atol=1e-6)
    # A single output has no name; nine digits give each float back.
    z = z_mean.tolist()
    expected = vae.decode(z_mean)
    for key, name in (("instances", "predictions"), ("inputs", "outputs")):
        body = {"signature_name": "decode", key: z}
        status, answer = predict(url, body, "decoder/versions/1")
        np.testing.assert_allclose(answer[name], expected, atol=1e-6)


def test_without_a_signature_it_is_the_default_one_of_the_newest_version(url, vae):
    status, answer = predict(url, {"instances": X.tolist()})
    assert status == 200
    mean = [row["z_mean"] for row in answer["predictions"]]
    np.testing.assert_allclose(mean, vae.encode(X)[0], atol=1e-6)


def test_several_inputs_and_drawn_examples(url, vae):
    seed = noise.example_seeds(3, 0, 3).numpy()
    body = {
        "signature_name": "encode_sample",
        "instances": [
            {"x": x.tolist(), "seed": row.tolist()}
            for x, row in zip(X, seed, strict=True)
        ],
    }
    z_mean, z_log_var = vae.encode(X)
    expected = z_mean + np.exp(z_log_var / 2) * noise.normal(seed, 2).numpy()
    _, answer = predict(url, body)
    received = [row["z"] for row in answer["predictions"]]
    np.testing.assert_allclose(received, expected, atol=1e-5)


ONE = X[:1].tolist()


@pytest.mark.parametrize(
    ("where", "body", "status", "words"),
    [
        ("encoder", b"{", 400, "JSON Parse error"),
        ("encoder", b"[" * 100_000, 400, "JSON Parse error"),
        ("encoder", [], 400, "JSON object"),
        ("encoder", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("encoder", {"inputs": ONE, "instances": ONE}, 400, "only one of"),
        ("encoder", {"instances": []}, 400, "not empty"),
        ("encoder", {"instances": 1}, 400, "list of examples"),
        ("encoder", {"instances": [[1.0]]}, 400, r"\(1, 1\)"),
        ("encoder", {"instances": [[1.0], [1.0, 2.0]]}, 400, "x: "),
        ("encoder", {"instances": [{"y": 1.0}]}, 400, "x: "),
        ("encoder", {"inputs": {"y": ONE}}, 400, r"\['y'\].*\['x'\]"),
        ("encoder", {"instances": [[[["a"]] * 8] * 8]}, 400, "expected type: float"),
        ("encoder", {"instances": [[[[True]] * 8] * 8]}, 400, "expected type: float"),
        ("decoder", {"signature_name": "sample", "instances": [[0.5, 0]]}, 400, "int"),
        (
            "decoder",
            {"signature_name": "sample", "instances": [[2**40, 0]]},
            400,
            "range of int32",
        ),
        ("encoder", {"signature_name": "no", "inputs": ONE}, 400, '"no" not found'),
        ("nobody", {"instances": ONE}, 404, r"Latest\(nobody\)"),
        ("encoder/versions/2", {"instances": ONE}, 404, r"Specific\(encoder, 2\)"),
        ("encoder/labels/old", {"instances": ONE}, 400, "label: old"),
        (
            "encoder",
            {"signature_name": "encode_bytes", "instances": [{"b64": "no base64"}]},
            400,
            "base64",
        ),
        (
            "encoder",
            {
                "signature_name": "encode_bytes",
                "instances": [{"b64": base64.b64encode(b"no image").decode()}],
            },
            400,
            "",
        ),
    ],
)
def test_what_is_refused(url, where, body, status, words):
    received, answer = predict(url, body, where)
    assert received == status and [*answer] == ["error"]
    assert re.search(words, answer["error"]), answer


def test_paths_that_are_none(url):
    for path, body, status in (
        ("/v1/models/encoder:predict", None, 400),
        ("/v1/models/encoder", {}, 400),
        ("/", None, 400),
        ("/v1/models/../../etc/passwd", None, 400),
        ("/v1/models/nobody", None, 404),
        ("/v1/models/encoder/versions/3", None, 404),
        ("/v1/models/nobody/metadata", None, 404),
    ):
        received, answer = ask(url, path, body)
        assert (received, [*answer]) == (status, ["error"]), path


def test_a_body_of_no_size_or_too_large_is_refused_unread(url):
    host, port = url.removeprefix("http://").split(":")
    for header, status in (
        ("X: y", b"411"),
        (f"Content-Length: {2**40}", b"413"),
        ("Content-Length: -1", b"411"),
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            path = "/v1/models/encoder:predict"
            connection.sendall(f"POST {path} HTTP/1.1\r\n{header}\r\n\r\n".encode())
            assert connection.makefile("rb").readline().split()[1] == status


def test_a_connection_is_kept(url):
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(f"{url}/v1/models/encoder", timeout=30).ok
        pools = session.get_adapter(url).poolmanager.pools
        [address] = pools.keys()
        assert pools[address].num_connections == 1


def test_pages_of_other_addresses_ask_only_if_they_may(folder):
    header = "Access-Control-Allow-Origin"
    for cors, allowed, status in ((False, None, 405), (True, "*", 204)):
        with RestServer(folder, port=0, cors=cors) as server, server.running():
            url = f"{server.url}/v1/models/encoder"
            assert requests.get(url, timeout=30).headers.get(header) == allowed
            asked = requests.options(f"{url}:predict", timeout=30)
            assert asked.status_code == status


def test_what_is_exported_meanwhile_is_served(vae, tmp_path):
    export_saved_models(vae, tmp_path, 1, max_batch_size=1)
    body = {"signature_name": "decode", "instances": [[0.0, 0.0]]}
    with RestServer(tmp_path, port=0) as server, server.running():
        first = predict(server.url, body, "decoder")[1]
        other = VAE(*networks.dense(SHAPE, 2, hidden_units=(4,), seed=1))
        export_saved_models(other, tmp_path, 2, max_batch_size=1)
        newest = predict(server.url, body, "decoder")[1]
        expected = other.decode(np.zeros((1, 2), "float32"))
        np.testing.assert_allclose(newest["predictions"], expected, atol=1e-6)
        assert predict(server.url, body, "decoder/versions/1")[1] == first
        # One that is damaged leaves the others in service, and says what it is.
        shutil.copytree(tmp_path / "decoder/2", tmp_path / "decoder/3")
        (tmp_path / "decoder/3/saved_model.pb").write_bytes(b"damaged")
        states = ask(server.url, "/v1/models/decoder")[1]["model_version_status"]
        assert [(s["version"], s["state"]) for s in states] == [
            ("3", "END"),
            ("2", "AVAILABLE"),
        ]
        assert states[0]["status"]["error_message"]
        assert predict(server.url, body, "decoder")[1] == newest


def test_a_folder_without_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="keras-vae export"):
        RestServer(tmp_path, port=0)
