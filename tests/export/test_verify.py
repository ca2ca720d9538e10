"""`verify`: it passes what is equal, and says in words what is not.

TensorFlow Serving is stood in for by `RestServer`, in states that a server passes
through, and by a service of its published gRPC interfaces: both answer from the real
SavedModels.
"""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import sys
import threading
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, layers, networks
from keras_vae.export import RestServer, export_saved_models, format_results
from keras_vae.export.clients import GrpcClient, RestClient, ServingError
from keras_vae.export.model_server import ModelServer, Refused
from keras_vae.export.parity import write_parity
from keras_vae.export.tflite import export_tflite
from keras_vae.export.verify import verify

DATA_SHAPE = (4, 4, 1)
SIGNATURES = [
    "encoder/encode",
    "encoder/encode_uint8",
    "encoder/encode_bytes",
    "encoder/encode_sample",
    "decoder/decode",
    "decoder/decode_uint8",
    "decoder/sample",
]
NUM_EXAMPLES = 3


def make_vae(seed):
    encoder, decoder = networks.dense(DATA_SHAPE, 2, hidden_units=(8,), seed=seed)
    return VAE(encoder, decoder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An export of everything, as version 4."""
    folder = tmp_path_factory.mktemp("export")
    vae = make_vae(seed=0)
    data = vae.sample(NUM_EXAMPLES, seed=0)
    export_saved_models(vae, folder, version=4, data=data)
    return folder


@pytest.fixture(scope="module")
def loaded(exported):
    return {
        model: tf.saved_model.load(str(exported / model / "4"))
        for model in ("encoder", "decoder")
    }


@pytest.fixture
def models(loaded):
    """What a server serves: `{model: {version: (state, SavedModel)}}`."""
    return {model: {4: ("AVAILABLE", saved)} for model, saved in loaded.items()}


@pytest.fixture
def parity_alone(exported, tmp_path):
    """A folder with the parity file and nothing else: what asks a server needs."""
    shutil.copy(exported / "parity.npz", tmp_path)
    return tmp_path


def of(results, model):
    return [result for result in results if result.signature.startswith(model)]


# The exported files.


@pytest.fixture(scope="module")
def results(exported, tmp_path_factory):
    """Results of the SavedModels, where whoever imports `keras_vae` fails."""
    trap = tmp_path_factory.mktemp("trap")
    (trap / "keras_vae").mkdir()
    (trap / "keras_vae" / "__init__.py").write_text("raise RuntimeError('imported')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(trap))
        return verify(exported)


def test_saved_models_are_equal_and_run_without_keras_vae(results):
    assert [result.signature for result in results] == SIGNATURES
    for result in results:
        assert (result.where, result.version) == ("SavedModel", 4)
        assert result.examples == NUM_EXAMPLES
        assert result.passed
        assert result.verdict == "equal"
        assert result.deviation <= result.allowed
        assert result.allowed == (1 if "decode_uint8" in result.signature else 1e-6)


def test_results_as_a_table(results):
    lines = format_results(results).splitlines()
    headings = "signature where version examples largest deviation allowed verdict"
    assert lines[0].split() == headings.split()
    assert [line.split()[0] for line in lines[2:]] == SIGNATURES
    assert all(line.endswith("equal") for line in lines[2:])


def test_saved_models_that_are_not_equal(exported, tmp_path):
    # Of counts: an encoder with other weights and without signatures for images.
    encoder, decoder = networks.dense(DATA_SHAPE, 2, "poisson", seed=1)
    export_saved_models(VAE(encoder, decoder, likelihood="poisson"), tmp_path, 4)
    shutil.copy(exported / "parity.npz", tmp_path)
    (tmp_path / "decoder/4/saved_model.pb").write_bytes(b"damaged")
    results = {result.signature: result for result in verify(tmp_path)}
    assert list(results) == SIGNATURES
    assert not any(result.passed for result in results.values())
    for signature in ("encoder/encode", "encoder/encode_sample"):
        assert results[signature].verdict == "deviates"
        assert 1e-3 < results[signature].deviation < np.inf
    missing = results["encoder/encode_bytes"]
    assert missing.verdict == "failed: no signature 'encode_bytes'"
    assert missing.deviation is None
    for signature in ("decoder/decode", "decoder/sample"):
        assert results[signature].verdict.startswith("failed: ")


def test_a_newer_version_is_not_proven_and_pipes_are_not_read(exported, tmp_path):
    # Of version 5 nothing is known; it is what a server would load.
    folder = tmp_path / "export"
    shutil.copytree(exported, folder)
    (folder / "encoder" / "5").mkdir()
    (folder / "encoder" / "99999999999999999999").mkdir()  # to a server no version
    os.mkfifo(folder / "decoder" / "4" / "variables" / "pipe")
    (folder / "tflite").mkdir()
    os.mkfifo(folder / "tflite" / "pipe.tflite")
    (folder / "tflite" / "other.tflite").write_bytes(b"TFL3")
    left = folder / "encoder" / ".keras_vae-tmp-killed"
    left.mkdir()
    (left / ".keras_vae-lock").touch()
    results = verify(folder)
    encoder, decoder = of(results, "encoder"), of(results, "decoder")
    assert [result.passed for result in encoder] == [True] * 4 + [False]
    newest = encoder[-1]
    assert (newest.signature, newest.version) == ("encoder", 5)
    assert newest.verdict == "not proven: parity.npz is of version 4"
    assert all("pipe is neither a file nor" in result.verdict for result in decoder)
    others = {r.where: r.verdict for r in results if r not in encoder + decoder}
    assert set(others) == {"pipe.tflite", "other.tflite"}
    assert all("not a file that keras_vae exported" in text for text in others.values())
    assert "not proven" in format_results(results)
    assert not left.exists()


@pytest.fixture(scope="module")
def converted(exported, tmp_path_factory):
    """The parity file and .tflite files, float32 and dynamic."""
    folder = tmp_path_factory.mktemp("converted")
    shutil.copy(exported / "parity.npz", folder)
    vae = make_vae(seed=0)
    export_tflite(vae, folder / "tflite", ("float16", "dynamic"), version=4)
    return folder


def test_tflite_files(converted):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    results = verify(converted)
    assert {(result.where, result.signature) for result in results} == {
        (f"{model}{suffix}.tflite", f"{model}/{signature}")
        for suffix in ("", "_float16", "_dynamic")
        for model, signature in [
            ("encoder", "encode"),
            ("decoder", "decode"),
            ("decoder", "sample"),
        ]
    }
    for result in results:
        assert result.passed
        if "_dynamic" in result.where:
            assert (result.verdict, result.allowed) == ("reported", None)
        else:
            assert result.verdict == "equal"
            assert result.allowed == (1e-3 if "_float16" in result.where else 1e-5)


def test_a_tflite_file_of_another_model_deviates(converted, tmp_path, monkeypatch):
    shutil.copytree(converted / "tflite", tmp_path / "tflite")
    write_parity(make_vae(seed=1), tmp_path / "parity.npz", num_examples=2)
    results = {result.where: result.verdict for result in verify(tmp_path)}
    assert results["encoder.tflite"] == results["decoder.tflite"] == "deviates"
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    for result in verify(tmp_path):
        assert not result.passed
        assert "pip install 'keras-vae[tflite]'" in result.verdict


def test_nothing_to_verify(parity_alone, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"encoder/4/.*tflite/"):
        verify(parity_alone)
    with pytest.raises(FileNotFoundError, match="Mend: export again"):
        verify(tmp_path / "elsewhere")


# TensorFlow Serving, by REST.


class Stated(ModelServer):
    """Versions in states that a server passes through, and what it was asked."""

    def __init__(self, models):
        self.models, self.bodies = models, []

    def status(self, name, which=""):
        if name not in self.models:
            raise Refused(404, f"Could not find any versions of model {name}")
        states = [
            {
                "version": str(version),
                "state": state,
                "status": {
                    "error_code": "OK",
                    "error_message": (model or "") if state == "END" else "",
                },
            }
            for version, (state, model) in self.models[name].items()
        ]
        return {"model_version_status": states}

    def predict(self, name, which, body):
        self.bodies.append((f"/v1/models/{name}{which}:predict", body))
        return super().predict(name, which, body)

    def _available(self, name, which):
        number = self._number(name, which)
        if self.models.get(name, {}).get(number, ("", None))[0] != "AVAILABLE":
            words = f"Servable not found for request: Specific({name}, {number})"
            raise Refused(404, words)
        return number

    def _model(self, name, number):
        return self.models[name][number][1]


@contextlib.contextmanager
def serving(models, kind=Stated):
    """A server on a free port of loopback: its address, and what it was asked."""
    models = kind(models)
    with RestServer(models, port=0) as server, server.running():
        yield server.url, models.bodies


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Loopback is asked directly, whatever the machine's network is."""
    monkeypatch.setenv("no_proxy", "*")


def test_rest(parity_alone, models):
    with serving(models) as (address, bodies):
        results = verify(parity_alone, rest=address + "/")
    assert [result.signature for result in results] == SIGNATURES
    for result in results:
        assert result.where == "REST"
        assert result.verdict == "equal", result
        assert result.passed
        # Nine digits are enough: nothing is lost on the way.
        assert result.deviation <= 1e-6
    # Each signature: all examples by columns, then each alone by row.
    assert len(bodies) == len(SIGNATURES) * (1 + NUM_EXAMPLES)
    assert {path for path, _ in bodies} == {
        f"/v1/models/{model}/versions/4:predict" for model in ("encoder", "decoder")
    }
    asked = [body for _, body in bodies if body["signature_name"] == "encode_bytes"]
    assert list(asked[0]["inputs"]) == ["image_bytes"]
    assert len(asked[0]["inputs"]["image_bytes"]) == NUM_EXAMPLES
    (instance,) = asked[1]["instances"]
    assert base64.b64decode(instance["b64"]).startswith(b"\x89PNG")
    asked = [body for _, body in bodies if body["signature_name"] == "encode_sample"]
    assert set(asked[1]["instances"][0]) == {"x", "seed"}


def verdicts(results):
    """The verdicts of each model's results, of which none passes."""
    assert results
    assert not any(result.passed for result in results)
    assert all(result.deviation is None for result in results)
    return {result.signature.split("/")[0]: result.verdict for result in results}


def test_rest_of_another_model_deviates(exported, parity_alone, models, tmp_path):
    export_saved_models(make_vae(seed=1), tmp_path / "other")
    other = tf.saved_model.load(str(tmp_path / "other/decoder/1"))
    models["decoder"][4] = ("AVAILABLE", other)
    with serving(models) as (address, _):
        results = verify(parity_alone, rest=address)
    passed = {result.signature: result.passed for result in results}
    assert passed["encoder/encode"]
    assert not passed["decoder/decode"]


class WrongAlone(Stated):
    """Right for a batch, wrong for an example alone."""

    def predict(self, name, which, body):
        answer = super().predict(name, which, body)
        if isinstance(answer.get("predictions", [{}])[0], list):
            answer = {"predictions": np.add(answer["predictions"], 0.25).tolist()}
        return answer


def test_each_example_alone_counts_too(parity_alone, models):
    with serving(models, WrongAlone) as (address, _):
        results = of(verify(parity_alone, rest=address), "decoder/decode")
    assert [result.verdict for result in results] == ["deviates", "equal"]
    assert results[0].deviation == pytest.approx(0.25, abs=1e-6)


def test_rest_down(parity_alone):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens, and nobody else will
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        words = verdicts(verify(parity_alone, rest=address))
    assert words["encoder"].startswith(f"down: {address} (")
    assert "refused" in words["encoder"]


def test_rest_unknown_host(parity_alone):
    words = verdicts(verify(parity_alone, rest="http://no-such-host.invalid:8501"))
    assert words["encoder"].startswith("down: http://no-such-host.invalid:8501")


@pytest.fixture
def silent():
    """The port of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def test_rest_slow(parity_alone, silent):
    address = f"http://127.0.0.1:{silent}"
    words = verdicts(verify(parity_alone, rest=address, timeout=0.1))
    assert words["decoder"] == f"slow: no answer from {address} within 0.1 s"


def test_rest_slow_to_connect(parity_alone, monkeypatch):
    def connect(*_):
        raise TimeoutError("timed out")  # as where a firewall drops what is sent

    monkeypatch.setattr(socket.socket, "connect", connect)
    words = verdicts(verify(parity_alone, rest="http://127.0.0.1:8501", timeout=3))
    assert words["encoder"] == "slow: no answer from http://127.0.0.1:8501 within 3 s"


@pytest.mark.parametrize("state", ["START", "LOADING"])
def test_rest_still_loading(parity_alone, models, state):
    models["decoder"] = {3: ("AVAILABLE", None), 4: (state, None)}
    with serving(models) as (address, bodies):
        results = verify(parity_alone, rest=address)
    words = verdicts(of(results, "decoder"))
    assert words["decoder"] == f"still loading: version 4 of decoder ({state})"
    assert all(result.passed for result in results if "encoder" in result.signature)
    assert not [path for path, _ in bodies if "decoder" in path]


def test_rest_another_version(parity_alone, models):
    models["decoder"] = {2: ("AVAILABLE", None), 3: ("AVAILABLE", None)}
    with serving(models) as (address, _):
        results = verify(parity_alone, rest=address)
    words = verdicts(of(results, "decoder"))
    assert words["decoder"] == "another version: decoder 2, 3 is served, not 4"


@pytest.mark.parametrize("answers", ["rest", "grpc"])
def test_a_server_with_a_newer_version(parity_alone, models, answers):
    # Who asks for no version is answered by 5, of which nothing is known.
    models["decoder"][5] = ("AVAILABLE", None)
    models["encoder"][5] = ("LOADING", None)
    server = serving(models) if answers == "rest" else grpc_serving(models)
    with server as address:
        address = address[0] if answers == "rest" else address
        results = verify(parity_alone, **{answers: address})
    assert [r.signature for r in results if r.passed] == SIGNATURES
    (newer,) = (result for result in results if not result.passed)
    assert (newer.signature, newer.version) == ("decoder", 5)
    assert newer.verdict == "not proven: parity.npz is of version 4"


def test_rest_version_that_was_unloaded_or_failed(parity_alone, models):
    models["encoder"] = {4: ("END", None)}
    models["decoder"] = {4: ("END", "no space left on device")}
    with serving(models) as (address, _):
        words = verdicts(verify(parity_alone, rest=address))
    assert words == {
        "encoder": "not served: version 4 of encoder (END)",
        "decoder": "failed to load version 4 of decoder: no space left on device",
    }


def test_rest_model_that_is_not_served(parity_alone):
    with serving({}) as (address, _):
        words = verdicts(verify(parity_alone, rest=address))
    assert (
        words["encoder"] == "not served: Could not find any versions of model encoder"
    )


class Answers(http.server.BaseHTTPRequestHandler):
    """Something that is not TensorFlow Serving, or not yet."""

    def log_message(self, *_):
        pass

    def reply(self, status, answer):
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Unavailable(Answers):
    def do_GET(self):
        self.reply(503, {"error": "server is warming up"})


class SomethingElse(Answers):
    def do_GET(self):
        self.send_error(404)


class OtherJson(Answers):
    def do_GET(self):
        self.reply(200, ["hello"])


class BreaksOff(Answers):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (Unavailable, "still loading, or overloaded: server is warming up"),
        (SomethingElse, "not TensorFlow Serving: HTTP 404"),
        (OtherJson, "not TensorFlow Serving: "),
        (BreaksOff, "down: "),
    ],
)
def test_rest_that_answers_otherwise(parity_alone, handler, words):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            found = verdicts(verify(parity_alone, rest=address))
        finally:
            server.shutdown()
            thread.join()
    assert found["encoder"].startswith(words)


def test_rest_refuses_a_request(models):
    with serving(models) as (address, _):
        client = RestClient(address, timeout=30)
        with pytest.raises(ServingError, match=r"^refused: .*no_such_signature"):
            client.predict(
                "encoder", 4, "no_such_signature", {"x": np.zeros((1, 2))}, []
            )


@pytest.mark.parametrize("address", ["localhost:8501", "ftp://host", "http://", "8501"])
def test_rest_wrong_address(parity_alone, address):
    with pytest.raises(ValueError, match="`rest`.*http://localhost:8501"):
        verify(parity_alone, rest=address)


# TensorFlow Serving, by gRPC.


def grpc_modules():
    reason = "the extra serving is not installed"
    apis = pytest.importorskip("tensorflow_serving.apis", reason=reason)
    for name in (
        "get_model_status_pb2",
        "model_service_pb2_grpc",
        "predict_pb2",
        "prediction_service_pb2_grpc",
    ):
        pytest.importorskip(f"tensorflow_serving.apis.{name}", reason=reason)
    return pytest.importorskip("grpc", reason=reason), apis


@contextlib.contextmanager
def grpc_serving(models, release=None):
    """A gRPC server: its address. With `release` it answers when that is set."""
    grpc, apis = grpc_modules()
    statuses = apis.get_model_status_pb2
    state_of = statuses.ModelVersionStatus.State.Value

    class Models(apis.model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):
            if release is not None:
                release.wait()
            name = request.model_spec.name
            if name not in models:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no versions of {name}")
            answer = statuses.GetModelStatusResponse()
            for version, (state, _) in models[name].items():
                entry = answer.model_version_status.add()
                entry.version, entry.state = version, state_of(state)
            return answer

    class Predictions(apis.prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            spec = request.model_spec
            _, saved_model = models[spec.name][spec.version.value]
            signature = saved_model.signatures[spec.signature_name]
            outputs = signature(
                **{
                    name: tf.constant(tf.make_ndarray(proto))
                    for name, proto in request.inputs.items()
                }
            )
            answer = apis.predict_pb2.PredictResponse()
            for name, value in outputs.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return answer

    server = grpc.server(futures.ThreadPoolExecutor(2))
    apis.model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
    apis.prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        if release is not None:
            release.set()
        server.stop(None).wait()


def test_grpc(parity_alone, models):
    with grpc_serving(models) as address:
        results = verify(parity_alone, grpc=address)
    assert [result.signature for result in results] == SIGNATURES
    for result in results:
        assert result.where == "gRPC"
        assert result.verdict == "equal", result
        assert result.deviation <= 1e-6


def test_grpc_says_what_is_the_matter(parity_alone, models):
    models["encoder"] = {4: ("LOADING", None)}
    models["decoder"] = {5: ("AVAILABLE", None)}
    with grpc_serving(models) as address:
        words = verdicts(verify(parity_alone, grpc=address))
    assert words == {
        "encoder": "still loading: version 4 of encoder (LOADING)",
        "decoder": "another version: decoder 5 is served, not 4",
    }
    del models["encoder"]
    with grpc_serving(models) as address:
        words = verdicts(verify(parity_alone, grpc=address))
    assert words["encoder"] == "not served (no versions of encoder)"


def test_grpc_down_and_slow(parity_alone, models):
    grpc_modules()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        words = verdicts(verify(parity_alone, grpc=address))
    assert words["encoder"].startswith(f"down: {address}")
    with grpc_serving(models, release=threading.Event()) as address:
        words = verdicts(verify(parity_alone, grpc=address, timeout=0.2))
    assert words["decoder"].startswith(f"slow: no answer from {address} within 0.2 s")


def test_grpc_wrong_address(parity_alone):
    with pytest.raises(ValueError, match="`grpc`.*localhost:8500"):
        verify(parity_alone, grpc="http://localhost")


def test_grpc_without_the_extra(parity_alone, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(
        ImportError, match=re.escape("pip install 'keras-vae[serving]'")
    ):
        verify(parity_alone, grpc="localhost:8500")


def test_large_batches_pass_the_limits_of_grpc(models):
    """More than the 4 MB that gRPC allows unless told otherwise."""
    with grpc_serving(models) as address:
        client = GrpcClient(address, timeout=60)
        z = {"z": np.zeros((70_000, 2), "float32")}
        answer = client.predict("decoder", 4, "decode", z, ["reconstruction"])
    assert answer["reconstruction"].shape == (70_000, *DATA_SHAPE)


@pytest.mark.slow
def test_a_table_far_from_zero_is_no_failure_of_its_float16_file(tmp_path):
    """Columns around 170 with a spread of 40: float16 holds the mean to 0.06."""
    x = np.random.default_rng(0).normal(170, 40, size=(64, 3)).astype("float32")
    parts = networks.dense((3,), 2, likelihood="gaussian")
    standardize = layers.Standardize(x.mean(0) + 0.0311, x.std(0))
    vae = VAE(*parts, likelihood="gaussian", standardize=standardize)
    write_parity(vae, tmp_path / "parity.npz", data=x)
    export_tflite(vae, tmp_path / "tflite", quantize="float16", test_data=x)
    results = verify(tmp_path)
    assert all(result.passed for result in results)
    bounds = {result.where: result.allowed for result in results}
    assert bounds["encoder.tflite"] == 1e-5
    assert bounds["encoder_float16.tflite"] is None
