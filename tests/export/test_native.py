"""The exports run where no Python is: through the C API, and in the real server."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_vae import VAE, networks
from keras_vae.export import export_saved_models, format_results
from keras_vae.export.parity import deviation, read_parity
from keras_vae.export.serving_config import write_serving_config
from keras_vae.export.verify import verify

DATA_SHAPE = (6, 5, 1)


def make_vae(seed):
    encoder, decoder = networks.convolutional(
        DATA_SHAPE, 3, filters=(4, 8), hidden_units=(16,), seed=seed
    )
    return VAE(encoder, decoder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    vae = make_vae(seed=0)
    export_saved_models(vae, folder, model_base_path=str(folder))
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C program, compiled."""
    compiler = shutil.which(sysconfig.get_config_var("CC") or "cc") or shutil.which(
        "cc"
    )
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    libraries = Path(tf.sysconfig.get_lib())
    path = tmp_path_factory.mktemp("native") / "load_saved_model"
    command = [
        compiler,
        "-std=c11",
        "-Wall",
        "-Werror",
        f"-isystem{tf.sysconfig.get_include()}",
        str(Path(__file__).with_name("load_saved_model.c")),
        str(libraries / "libtensorflow_cc.so.2"),
        str(libraries / "libtensorflow_framework.so.2"),
        f"-Wl,-rpath,{libraries}",
        "-o",
        str(path),
    ]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return path


def signatures_of(folder):
    """The signatures in a SavedModel, as its file has them."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    (graph,) = saved_model.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    return graph.signature_def


def input_lines(signature, example, folder):
    """Writes the inputs of an example, and says where they are."""
    for name, value in example.inputs.items():
        tensor = signature.inputs[name]
        if value.dtype == object:
            sizes = [np.int64(len(file)).tobytes() for file in value]
            content = b"".join(
                part for pair in zip(sizes, value, strict=True) for part in pair
            )
        else:
            content = value.tobytes()
        path = folder / f"input_{name}"
        path.write_bytes(content)
        operation, index = tensor.name.split(":")
        shape = " ".join(map(str, value.shape))
        yield f"input {operation} {index} {tensor.dtype} {path} {value.ndim} {shape}"


@pytest.mark.parametrize("model", ["encoder", "decoder"])
def test_c_program_gets_the_same_numbers(program, exported, tmp_path, model):
    examples = read_parity(exported / "parity.npz").references[model]
    folder = exported / model / "1"
    signatures = signatures_of(folder)
    lines = []
    for signature, example in examples.items():
        place = tmp_path / signature
        place.mkdir()
        lines += input_lines(signatures[signature], example, place)
        for name in example.outputs:
            operation, index = signatures[signature].outputs[name].name.split(":")
            lines.append(f"output {operation} {index} {place / f'output_{name}'}")
        lines.append("run")

    # Nothing but the program, its libraries and the export: an empty environment.
    process = subprocess.run(
        [program, folder],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env={},
    )

    assert process.returncode == 0, process.stderr
    for signature, example in examples.items():
        answer = {
            name: np.fromfile(
                tmp_path / signature / f"output_{name}", value.dtype
            ).reshape(value.shape)
            for name, value in example.outputs.items()
        }
        allowed = 1 if signature == "decode_uint8" else 1e-6
        assert deviation(example.outputs, answer) <= allowed, signature


def test_c_program_says_what_is_wrong(program, tmp_path):
    process = subprocess.run(
        [program, tmp_path], input="", capture_output=True, text=True
    )
    assert process.returncode == 1
    assert "cannot load" in process.stderr


@pytest.fixture
def server_binary():
    path = os.environ.get("TENSORFLOW_MODEL_SERVER") or shutil.which(
        "tensorflow_model_server"
    )
    if path is None:
        pytest.skip(
            "no tensorflow_model_server on the PATH, and TENSORFLOW_MODEL_SERVER unset"
        )
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(address, body=None):
    """One request, as an application makes it."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(address, data=data, timeout=30) as response:
        return json.load(response)


class Requests(threading.Thread):
    """Asks the decoder again and again, until told to stop or a request is lost."""

    def __init__(self, address, z):
        super().__init__(daemon=True)
        self.address = f"{address}:predict"
        self.body = {"signature_name": "decode", "instances": z.tolist()}
        self.answers, self.lost, self.stop = [], None, threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                answer = ask(self.address, self.body)["predictions"]
            except OSError as error:
                self.lost = error
                return
            self.answers.append(np.asarray(answer))

    def answered_by(self, expected):
        """Whether the newest answer is that of a model."""
        assert self.lost is None, f"a request was lost: {self.lost}"
        return self.answers and np.abs(self.answers[-1] - expected).max() < 1e-5


def wait_until(condition, process, seconds=120):
    """Asks until it is so; the end of the server or the deadline is a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            pytest.fail("the server ended")


def is_available(address, version):
    try:
        states = ask(address)["model_version_status"]
    except OSError:
        return False  # not listening yet, or not heard of the model
    return [str(version), "AVAILABLE"] in [[s["version"], s["state"]] for s in states]


@pytest.fixture
def server(server_binary, exported, tmp_path):
    """The real server, on loopback: its process and its two addresses."""
    rest, grpc = free_port(), free_port()
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                server_binary,
                f"--rest_api_port={rest}",
                f"--port={grpc}",
                f"--model_config_file={exported / 'models.config'}",
                "--model_config_file_poll_wait_seconds=1",
                "--allow_version_labels_for_unavailable_models=true",
                "--file_system_poll_wait_seconds=1",
                "--enable_batching=true",
                f"--batching_parameters_file={exported / 'batching.config'}",
                f"--monitoring_config_file={exported / 'monitoring.config'}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{rest}"
            for model in ("encoder", "decoder"):
                place = f"{address}/v1/models/{model}"
                wait_until(lambda place=place: is_available(place, 1), process)
            yield process, address, f"127.0.0.1:{grpc}"
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.slow
def test_real_server_passes_verify(server, exported):
    _, rest, grpc = server
    results = verify(exported, rest=rest)
    with contextlib.suppress(ImportError):  # without the extra `serving`
        results += verify(exported, grpc=grpc)
    assert all(result.passed for result in results), format_results(results)


@pytest.mark.slow
def test_real_server_rolls_out_and_back_and_loses_no_request(server, exported):
    process, rest, _ = server
    place = f"{rest}/v1/models/decoder"
    z = read_parity(exported / "parity.npz").references["decoder"]["decode"].inputs["z"]
    old, new = make_vae(seed=0).decode(z), make_vae(seed=1).decode(z)
    newest, stable = Requests(place, z), Requests(f"{place}/labels/stable", z)
    for requests in (newest, stable):
        requests.start()
    try:
        for requests in (newest, stable):
            wait_until(lambda requests=requests: requests.answered_by(old), process)
        export_saved_models(make_vae(seed=1), exported, model_base_path=str(exported))
        for requests in (newest, stable):
            wait_until(lambda requests=requests: requests.answered_by(new), process)
        # Back by the label, at once; then for all, by taking the version away.
        write_serving_config(exported, 1, model_base_path=str(exported))
        wait_until(lambda: stable.answered_by(old), process)
        assert newest.answered_by(new)
        (exported / "decoder" / "2").rename(exported / "decoder" / "withdrawn")
        wait_until(lambda: newest.answered_by(old), process)
    finally:
        for requests in (newest, stable):
            requests.stop.set()
            requests.join(60)
    for requests in (newest, stable):
        assert requests.lost is None
        for answer in requests.answers:
            assert min(np.abs(answer - model).max() for model in (old, new)) < 1e-5
