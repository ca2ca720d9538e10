"""The deployment kit in export/ fits what the export really writes.

The clients are run against a server on loopback that speaks TensorFlow Serving's REST
protocol, holds each request against the signature of the exported SavedModel, and
answers from it. Expected numbers come from the trained model.
"""

import ast
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from keras_vae import VAE, VQVAE, networks, noise
from keras_vae.applications import AnomalyDetector
from keras_vae.export import RestServer
from keras_vae.export.endpoints import exported_models
from keras_vae.export.saved_model import export_saved_models
from keras_vae.export.tflite import export_tflite
from keras_vae_cli import main
from tests import serving_protos

KIT = Path(__file__).parents[2] / "export"
FILES = sorted(path for path in KIT.rglob("*") if path.suffix and path.is_file())
README = (KIT / "README.md").read_text()
DATA_SHAPE, LATENT_DIM = (8, 8, 1), 2

# --- A real export, and what the trained model answers ----------------------------


@pytest.fixture(scope="module")
def vae():
    encoder, decoder = networks.dense(DATA_SHAPE, LATENT_DIM, hidden_units=(8,), seed=0)
    return VAE(encoder, decoder)


@pytest.fixture(scope="module")
def exported(vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit") / "serving"
    export_saved_models(vae, folder, max_batch_size=4)
    return folder


@pytest.fixture(scope="module")
def tflite(vae, tmp_path_factory):
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    folder = tmp_path_factory.mktemp("kit") / "tflite"
    export_tflite(vae, folder)
    return folder


@pytest.fixture(scope="module")
def examples(vae):
    """`{signature: (model, inputs, outputs)}`, each with three examples."""
    levels = np.random.default_rng(0).integers(0, 256, (3, *DATA_SHAPE), "uint8")
    x = levels.astype("float32") / 255
    z_mean, z_log_var = vae.encode(x)
    seed = noise.example_seeds(7, 0, 3).numpy()
    draws = noise.normal(seed, LATENT_DIM).numpy()
    z = z_mean + np.exp(z_log_var / 2) * draws
    posterior = {"z_mean": z_mean, "z_log_var": z_log_var}
    files = np.array([png(image) for image in levels], object)
    decoded = vae.decode(z_mean)
    return {
        "encode": ("encoder", {"x": x}, posterior),
        "encode_uint8": ("encoder", {"x": levels}, posterior),
        "encode_bytes": ("encoder", {"image_bytes": files}, posterior),
        "encode_sample": ("encoder", {"x": x, "seed": seed}, {"z": z, **posterior}),
        "decode": ("decoder", {"z": z_mean}, {"reconstruction": decoded}),
        "decode_uint8": (
            "decoder",
            {"z": z_mean},
            {"reconstruction": np.round(255 * decoded)},
        ),
        "sample": (
            "decoder",
            {"seed": seed},
            {"z": draws, "reconstruction": vae.sample(3, seed=7)},
        ),
    }


def png(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


def assert_outputs(answer, expected, atol=1e-6):
    if not isinstance(answer, dict):  # of a signature with one output
        (name,) = expected
        answer = {name: answer}
    assert set(answer) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, rtol=0, atol=atol)


# --- A server on loopback ---------------------------------------------------------


def signatures(folder):
    """`{model: signatures}` of the first version."""
    return {
        path.parent.name: tf.saved_model.load(path).signatures
        for path in folder.glob("*/1")
    }


@pytest.fixture(scope="module")
def scoring(vae, tmp_path_factory):
    """The three models that a detector is exported as."""
    x = np.random.default_rng(0).uniform(size=(30, *DATA_SHAPE)).astype("float32")
    detector = AnomalyDetector(vae, level=0.1).calibrate(x)
    folder = tmp_path_factory.mktemp("kit") / "scoring"
    export_saved_models(detector, folder, max_batch_size=4)
    about = json.loads((folder / "scorer/1/assets.extra/keras_vae.json").read_text())
    known = {"score", "level", "threshold", "num_calibration"}
    assert known <= {*about["anomaly_detector"]}  # as the page says
    return folder


@pytest.fixture(scope="module")
def server(exported):
    with RestServer(exported, port=0) as server, server.running():
        yield server


@pytest.fixture(scope="module")
def url(server):
    return server.url


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


# --- The clients ------------------------------------------------------------------


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(name):
    path = shutil.which(name)
    return path or pytest.skip(f"{name} is not on the PATH")


def output_of(*command, stdin="", **environment):
    done = subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_lists(inputs):
    return {name: value.tolist() for name, value in inputs.items()}


def test_rest_py_answers_every_signature(url, examples):
    client = imported(KIT / "clients/rest.py")
    for signature, (model, inputs, outputs) in examples.items():
        answer = client.predict(url, model, signature, **as_lists(inputs))
        assert_outputs(answer, outputs)


def test_rest_py_says_why_it_was_refused(url):
    client = imported(KIT / "clients/rest.py")
    with pytest.raises(RuntimeError, match=r"(?s)decoder/decode: HTTP 400: .*\(1, 3\)"):
        client.predict(url, "decoder", "decode", z=[[0.0, 0.0, 0.0]])


def test_rest_py_needs_the_standard_library_alone():
    tree = ast.parse((KIT / "clients/rest.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    names = {alias.name for node in nodes for alias in node.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


MODULE = json.dumps((KIT / "clients/rest.mjs").as_uri())


def test_rest_mjs_answers_every_signature(url, examples):
    questions = [
        [url, model, signature, as_lists(inputs)]
        for signature, (model, inputs, _) in examples.items()
    ]
    # The bytes of a file become base64 in JavaScript too: `new Blob([...])`.
    as_blob = {"default": lambda file: {"blob": list(file)}}
    script = f"""
        import {{ predict, binary }} from {MODULE};
        const blob = (value) => binary(new Blob([new Uint8Array(value.blob)]));
        for (const question of {json.dumps(questions, **as_blob)}) {{
          const files = question[3].image_bytes;
          if (files) question[3].image_bytes = await Promise.all(files.map(blob));
          console.log(JSON.stringify(await predict(...question)));
        }}
    """
    answers = output_of(program("node"), "--input-type=module", "-", stdin=script)
    for name, answer in zip(examples, answers.splitlines(), strict=True):
        assert_outputs(json.loads(answer), examples[name][2])


def test_rest_mjs_says_why_it_was_refused(url):
    script = f"""
        import {{ predict }} from {MODULE};
        await predict({json.dumps(url)}, "decoder", "decode", {{ z: [[0]] }})
          .catch((error) => console.log(error.message));
    """
    said = output_of(program("node"), "--input-type=module", "-", stdin=script)
    assert said.startswith("decoder/decode: HTTP 400: ") and "(1, 1)" in said


def curl(url, *arguments, stdin="", **environment):
    program("curl")
    return output_of(
        program("sh"),
        KIT / "clients/curl.sh",
        *arguments,
        stdin=stdin,
        SERVER=url,
        **environment,
    )


def test_curl_sh_answers(url, examples, tmp_path):
    x = examples["encode"][1]["x"][:1]
    z = examples["decode"][1]["z"][:1]
    path = tmp_path / "digit.png"
    path.write_bytes(examples["encode_bytes"][1]["image_bytes"][0])
    answers = {
        "sample": curl(url, "sample", "7", "0"),
        "decode": curl(url, "decode", json.dumps(z[0].tolist())),
        "encode": curl(url, "encode", stdin=json.dumps(x[0].tolist())),
        "encode_bytes": curl(url, "encode_bytes", path),
    }
    for signature, answer in answers.items():
        expected = {name: v[:1] for name, v in examples[signature][2].items()}
        assert_outputs(json.loads(answer)["outputs"], expected)
    assert curl(url, "status").count('"AVAILABLE"') == 2
    assert curl(url, "sample", "7", "0", VERSION="/versions/1") == answers["sample"]
    assert curl(url, "sample", "7", "0", VERSION="") == answers["sample"]


def test_curl_sh_fails_where_it_is_refused(url):
    with pytest.raises(AssertionError, match="curl: .*400"):
        curl(url, "sample", "7", "0", VERSION="/labels/nonsense")
    with pytest.raises(AssertionError, match="curl.sh encode_bytes three.png"):
        curl(url)


@pytest.mark.parametrize("client", ["rest.py", "rest.mjs"])
def test_the_tour_of_a_client(url, client, vae, examples, tmp_path):
    path = tmp_path / "digit.png"
    path.write_bytes(examples["encode_bytes"][1]["image_bytes"][0])
    run = program("node") if client.endswith("mjs") else sys.executable
    answer = json.loads(output_of(run, KIT / "clients" / client, url, path))
    assert_tour(answer, vae, examples)


def assert_tour(answer, vae, examples, atol=1e-6):
    _, _, sample = examples["sample"]
    z_mean, _ = vae.encode(sample["reconstruction"][:2])
    expected = {"z": sample["z"][:2], "z_mean": z_mean}
    if "z_mean_of_files" in answer:
        expected["z_mean_of_files"] = examples["encode_bytes"][2]["z_mean"][:1]
    assert_outputs(answer, expected, atol)


@pytest.fixture
def grpc_address(exported):
    """The same models by gRPC, which converts no types."""
    reason = "the extra serving (tensorflow-serving-api) is not installed"
    pytest.importorskip("tensorflow_serving", reason=reason)
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    models = signatures(exported)

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            spec = request.model_spec
            if spec.version_label != "stable":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such label")
            signature = models[spec.name][spec.signature_name]
            inputs = {
                name: tf.constant(tf.make_ndarray(value))
                for name, value in request.inputs.items()
            }
            specs = signature.structured_input_signature[1]
            if any(inputs[name].dtype != specs[name].dtype for name in specs):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "types differ")
            answer = predict_pb2.PredictResponse()
            for name, value in signature(**inputs).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

    with futures.ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Service(), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


def test_grpc_client_answers_every_signature(grpc_address, vae, examples, capsys):
    client = imported(KIT / "clients/grpc_client.py")
    service = client.connect(grpc_address)
    for signature, (model, inputs, outputs) in examples.items():
        if signature == "encode_bytes":
            inputs = {"image_bytes": list(inputs["image_bytes"])}
        assert_outputs(client.predict(service, model, signature, **inputs), outputs)
    client.main(grpc_address)
    assert_tour(json.loads(capsys.readouterr().out), vae, examples)


DOWN = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "clients/rest.py", DOWN], f"{DOWN} does not answer: "),
        ([sys.executable, "clients/rest.py", "here"], "here is no address of"),
        ([sys.executable, "clients/grpc_client.py", "127.0.0.1:1"], "UNAVAILABLE"),
        ([sys.executable, "mobile/run_tflite.py", "/nowhere"], "/nowhere"),
        (["node", "clients/rest.mjs", DOWN], "fetch failed"),
        (["node", "clients/rest.mjs", "--help"], "usage: node rest.mjs SERVER"),
    ],
)
def test_what_is_amiss_is_one_line(command, words):
    if "grpc" in command[1]:
        pytest.importorskip("tensorflow_serving", reason="the extra serving is missing")
    done = subprocess.run(
        [program(command[0]), KIT / command[1], *command[2:]],
        capture_output=True,
        text=True,
        timeout=120,
    )
    *_, last = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert last.startswith("Error: ") and words in last
    assert "Traceback" not in done.stderr and "    at " not in done.stderr


@pytest.mark.parametrize("client", ["clients/rest.py", "mobile/run_tflite.py"])
def test_help_is_what_a_client_says_of_itself(client):
    said = output_of(sys.executable, KIT / client, "--help")
    assert said.splitlines()[0] in (KIT / client).read_text()


# --- On a phone -------------------------------------------------------------------


def test_run_tflite_py(tflite, vae, examples):
    answer = output_of(sys.executable, KIT / "mobile/run_tflite.py", tflite)
    assert_tour(json.loads(answer), vae, examples, atol=1e-5)


def runs_of_kotlin():
    """`(model, signature, input, outputs)` of each call in the snippet."""
    text = (KIT / "mobile/KerasVae.kt").read_text()
    created = dict(
        re.findall(r'val (\w+) = CompiledModel.create\(assets, "(\S+)",', text)
    )
    for model, signature, given, asked in re.findall(
        r'run\((\w+), "(\w+)", "(\w+)", listOf\(([^)]*)\)\)', text
    ):
        yield created[model], signature, given, re.findall(r'"(\w+)"', asked)


def runs_of_swift():
    text = (KIT / "mobile/KerasVae.swift").read_text()
    files = dict(re.findall(r'let (\w+) = try KerasVae.interpreter\("(\w+)"', text))
    for runner, model, signature in re.findall(
        r'(\w+) = try (\w+)\.signatureRunner\(with: "(\w+)"\)', text
    ):
        (given,) = re.findall(rf'{runner}\.invoke\(with: \["(\w+)":', text)
        asked = re.findall(rf'{runner}\.output\(named: "(\w+)"\)', text)
        yield f"{files[model]}.tflite", signature, given, asked


@pytest.mark.parametrize("runs", [runs_of_kotlin, runs_of_swift])
def test_a_snippet_uses_the_names_in_the_files(tflite, runs):
    from ai_edge_litert.interpreter import Interpreter

    runs = list(runs())
    assert {signature for _, signature, _, _ in runs} == {"encode", "decode", "sample"}
    for file, signature, given, asked in runs:
        names = Interpreter(str(tflite / file)).get_signature_list()[signature]
        assert [given] == names["inputs"]
        assert asked and set(asked) <= set(names["outputs"])


def test_the_way_of_the_kotlin_snippet(tflite, examples):
    """Buffers by name, for one example, of the CompiledModel that Kotlin wraps."""
    from ai_edge_litert.compiled_model import CompiledModel

    for file, signature, given, asked in runs_of_kotlin():
        _, inputs, outputs = examples[signature]
        model = CompiledModel.from_file(str(tflite / file))
        buffer = model.create_input_buffer_by_name(signature, given)
        buffer.write(np.ascontiguousarray(inputs[given][1:2]))
        buffers = {n: model.create_output_buffer_by_name(signature, n) for n in asked}
        model.run_by_name(signature, {given: buffer}, buffers)
        for name in asked:
            expected = outputs[name][1].ravel()
            answer = buffers[name].read(expected.size, np.float32)
            np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


# --- The servers ------------------------------------------------------------------


def parse(path, message):
    return text_format.Parse(path.read_text(), serving_protos.message(message)())


def documents(name):
    yaml = pytest.importorskip("yaml", reason="PyYAML, of the extra test, is missing")
    text = (KIT / name).read_text()
    assert all(yaml.safe_load_all(text))
    # As docker compose fills in variables that are not set.
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return list(yaml.safe_load_all(text))


def flags(arguments):
    pairs = [argument.removeprefix("--").split("=", 1) for argument in arguments]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def compose():
    (document,) = documents("docker-compose.yml")
    return document["services"]


def deployment():
    found, service = documents("kubernetes/deployment.yaml")
    return found, service


def container():
    (found,) = deployment()[0]["spec"]["template"]["spec"]["containers"]
    return found


SERVERS = {
    "compose": lambda: flags(compose()["serving"]["command"]),
    "kubernetes": lambda: flags(container()["args"]),
}


@pytest.mark.parametrize("server", SERVERS)
def test_the_files_that_a_server_is_given_were_exported(server, exported):
    given = SERVERS[server]()
    for flag in ("model_config_file", "batching_parameters_file"):
        assert (exported / Path(given[flag]).relative_to("/models")).is_file()
    assert (exported / Path(given["monitoring_config_file"]).name).is_file()
    assert given["enable_batching"] == "true"
    assert given["allow_version_labels_for_unavailable_models"] == "true"
    assert int(given["model_config_file_poll_wait_seconds"]) > 0


@pytest.mark.parametrize("server", ["compose", "kubernetes"])
def test_the_models_are_where_models_config_says(server, exported):
    if server == "compose":
        (mount,) = compose()["serving"]["volumes"]
        target, read_only = mount["target"], mount["read_only"]
    else:
        (mount,) = container()["volumeMounts"]
        target, read_only = mount["mountPath"], mount["readOnly"]
    assert read_only
    config = parse(exported / "models.config", "ModelServerConfig")
    for model in config.model_config_list.config:
        folder = exported / Path(model.base_path).relative_to(target)
        assert (folder / "1" / "saved_model.pb").is_file()


def test_compose_opens_the_ports_that_the_server_listens_on():
    ports = {port.rpartition(":")[2] for port in compose()["serving"]["ports"]}
    given = SERVERS["compose"]()
    assert ports == {given["port"], given["rest_api_port"]}
    assert all(
        p.startswith("127.0.0.1:") for s in compose().values() for p in s["ports"]
    )


def healthy(address):
    kind, *command = compose()["serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    program("bash")
    port = address.rpartition(":")[2]
    command = [part.replace("$$", "$").replace("8501", port) for part in command]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_compose_tells_a_healthy_server(server, monkeypatch):
    assert healthy(server.url)
    error = {"encoder": "", "decoder": "damaged"}
    monkeypatch.setattr(server.models, "_error", lambda name, number: error[name])
    assert not healthy(server.url)


def test_compose_tells_a_server_that_is_down():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        assert not healthy(f"http://127.0.0.1:{unused.getsockname()[1]}")


def test_prometheus_reads_the_metrics_where_they_are(exported):
    services = compose()
    file, inside, mode = services["prometheus"]["volumes"][0].split(":")
    assert (KIT / file).is_file()
    assert (inside, mode) == ("/etc/prometheus/prometheus.yml", "ro")
    (document,) = documents("prometheus.yml")
    (job,) = document["scrape_configs"]
    monitoring = parse(exported / "monitoring.config", "MonitoringConfig")
    assert job["metrics_path"] == monitoring.prometheus_config.path
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services and port == SERVERS["compose"]()["rest_api_port"]
    (relabel,) = job["metric_relabel_configs"]
    metrics = re.findall(r"^\| `(:tensorflow:\S+)`", README, re.MULTILINE)
    assert metrics
    assert all(re.fullmatch(relabel["regex"], name) for name in metrics)


def test_kubernetes_asks_the_models_whether_they_are_there(url):
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    given = SERVERS["kubernetes"]()
    assert ports == {"grpc": int(given["port"]), "rest": int(given["rest_api_port"])}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container()[probe]["httpGet"]
        assert asked["port"] == "rest"
        with urllib.request.urlopen(url + asked["path"], timeout=30) as response:
            assert response.status == 200


def test_the_deployment_hangs_together(exported):
    found, service = deployment()
    pod = found["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert found["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    for port in service["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    mounted = {mount["name"] for mount in container()["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    monitoring = parse(exported / "monitoring.config", "MonitoringConfig")
    annotations = pod["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == monitoring.prometheus_config.path
    assert annotations["prometheus.io/port"] == str(ports["rest"])
    cores = container()["resources"]["requests"]["cpu"]
    given = SERVERS["kubernetes"]()
    assert given["tensorflow_intra_op_parallelism"] == cores
    assert given["tensorflow_inter_op_parallelism"] == cores


def test_all_of_kubernetes_reads_one_volume(exported):
    claim, upload = documents("kubernetes/volume.yaml")
    name = claim["metadata"]["name"]
    for pod in (upload, deployment()[0]["spec"]["template"]):
        (volume,) = pod["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == name
    services = documents("kubernetes/kserve.yaml")
    config = parse(exported / "models.config", "ModelServerConfig")
    models = [model.name for model in config.model_config_list.config]
    # KServe calls a model after its service.
    assert [service["metadata"]["name"] for service in services] == models
    for service, model in zip(services, models, strict=True):
        predictor = service["spec"]["predictor"]["model"]
        assert predictor["storageUri"] == f"pvc://{name}/{model}"
        assert predictor["modelFormat"]["name"] == "tensorflow"
        assert predictor["protocolVersion"] == "v1"


def test_one_version_of_the_server_everywhere():
    tags = {compose()["serving"]["image"], container()["image"]}
    for service in documents("kubernetes/kserve.yaml"):
        version = service["spec"]["predictor"]["model"]["runtimeVersion"]
        tags.add(f"tensorflow/serving:{version}")
    assert len(tags) == 1


# --- What is written --------------------------------------------------------------


def test_every_file_is_in_the_readme_and_the_other_way_round():
    names = {str(path.relative_to(KIT)) for path in FILES}
    table = README.partition("## ")[0]
    assert set(re.findall(r"`([\w/-]+\.\w+)`", table)) == names - {"README.md"}
    for path in FILES:
        named = re.findall(
            r"(?:export/)?\b((?:clients|kubernetes|mobile)/[\w-]+\.\w+)",
            path.read_text(),
        )
        assert set(named) <= names, path.name


def test_every_command_in_the_readme_can_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = re.findall(
        r"^keras-vae ([^#\n]+)|`keras-vae ([^`]+)`", README, re.MULTILINE
    )
    calls = [shlex.split(line or span) for line, span in calls]
    assert {words[0] for words in calls} == {"export", "verify", "convert", "anomaly"}
    for name, *arguments in calls:
        commands = main.commands
        if name == "anomaly":
            commands, (name, *arguments) = commands[name].commands, arguments
        if arguments:  # click raises what is wrong with them, and runs nothing
            Path(arguments[0]).mkdir(parents=True, exist_ok=True)
            for file in ("config.json", "model.keras"):  # it is a run
                Path(arguments[0], file).touch()
            commands[name].make_context(name, arguments)


def test_the_table_of_signatures_is_that_of_the_export(scoring):
    words = {"n": None, "latent_dim": LATENT_DIM, "data_shape": DATA_SHAPE}
    parts = networks.quantized_convolutional(DATA_SHAPE, LATENT_DIM, filters=(4, 4))
    vqvae = VQVAE(*parts, quantizer=4)
    words["latent_shape"] = vqvae.latent_shape

    def tensors(cell):
        return {
            name: (dtype, tuple(eval(shape, words)))
            for name, dtype, shape in re.findall(r"`(\w+)` (\w+) `(\([^`]*\))`", cell)
        }

    def of_export(tensors):
        return {n: (t.dtype.name, tuple(t.shape)) for n, t in tensors.items()}

    table = {}
    for row in re.findall(r"^\| (?:\w+coder|scorer) \|.*$", README, re.MULTILINE):
        model, signature, inputs, outputs = row.strip("| ").split(" | ")
        name = re.match(r"`(\w+)`", signature)[1]
        table[model, name] = tensors(inputs), tensors(outputs)
        if "default" in signature:
            table[model, "serving_default"] = table[model, name]
    real = {
        (model, name): (
            of_export(signature.structured_input_signature[1]),
            of_export(signature.structured_outputs),
        )
        for model, loaded in signatures(scoring).items()
        for name, signature in loaded.items()
    }
    codes = exported_models(vqvae)["decoder"]["decode_codes"]
    graph = tf.function(codes.function).get_concrete_function(codes.inputs)
    outputs = of_export(graph.structured_outputs)
    real["decoder", "decode_codes"] = of_export(codes.inputs), outputs
    assert table == real


REQUESTS = re.findall(r"```http\nPOST (\S+)\n(.+)\n\n(.+)\n```", README)


def shape_of(value):
    """A JSON value without its numbers: names, and sizes of lists."""
    if isinstance(value, dict):
        return {name: shape_of(part) for name, part in value.items()}
    return np.shape(value)


@pytest.mark.parametrize(("path", "body", "answer"), REQUESTS)
def test_the_requests_in_the_readme_are_answered_so(path, body, answer, request):
    third = "/scorer/" in path
    folder = request.getfixturevalue("scoring" if third else "exported")
    image = json.dumps(np.full(DATA_SHAPE, 0.5).tolist())
    body, answer = (json.loads(t.replace("IMAGE", image)) for t in (body, answer))

    def shapes(answer):
        ((form, value),) = answer.items()
        rows = value if form == "predictions" else [value]
        return form, len(rows), [shape_of(row) for row in rows]

    with RestServer(folder, port=0) as server, server.running():
        received = requests.post(server.url + path, json=body, timeout=30)
    assert received.status_code == 200, received.text
    assert shapes(received.json()) == shapes(answer)


def test_the_label_is_the_one_that_is_written(exported):
    (block,) = re.findall(r"```proto\n(.*?)```", README, re.DOTALL)
    changed = text_format.Parse(block, serving_protos.message("ModelConfig")())
    config = parse(exported / "models.config", "ModelServerConfig")
    for model in config.model_config_list.config:
        assert set(model.version_labels) == set(changed.version_labels) == {"stable"}


def test_the_settings_are_those_of_the_files(exported):
    settings = set(
        re.findall(r"^\w+", (exported / "batching.config").read_text(), re.M)
    )
    named = set(re.findall(r"`(\w+)`", README.partition("## What to set")[2]))
    named = {name for name in named if name.startswith(("max_", "num_", "batch_"))}
    assert named and named <= settings
    paths = re.findall(r"^  (\S+/|\w+\.config)", README, re.MULTILINE)
    assert [*paths, "decoder/1/"] and all((exported / path).exists() for path in paths)
