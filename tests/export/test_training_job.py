"""The Kubernetes Job of the kit that trains in several processes, run by a shell."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from keras_vae.runs import tf_config
from keras_vae_cli import main

FILE = Path(__file__).parents[2] / "export" / "kubernetes" / "training.yaml"
SERVICE, CLAIM, JOB = yaml.safe_load_all(FILE.read_text())
POD = JOB["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def start(index, folder):
    """What a pod would start: TF_CONFIG, and the arguments of `keras-vae`."""
    program = folder / "keras-vae"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$TF_CONFIG" --- "$@"\n')
    program.chmod(0o755)
    given = {one["name"]: one["value"] for one in CONTAINER["env"]}
    environment = {
        **given,
        "JOB_COMPLETION_INDEX": str(index),
        "OUTPUT": str(folder / "run"),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    command = [*CONTAINER["command"], *CONTAINER["args"]]
    shell = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert shell.returncode == 0 and not shell.stderr
    config, _, arguments = shell.stdout.partition("---\n")
    return config, arguments.splitlines()


@pytest.mark.parametrize("index", range(JOB["spec"]["completions"]))
def test_each_pod_knows_the_others_and_itself(index, tmp_path, monkeypatch):
    config, (command, *arguments) = start(index, tmp_path)
    monkeypatch.setenv("TF_CONFIG", config)
    tf_config.check()
    config = json.loads(config)
    # Kubernetes calls a pod of an indexed Job after the Job and its index, and finds it
    # in the domain of the service.
    domain = f"{JOB['metadata']['name']}-{index}.{POD['spec']['subdomain']}"
    port = CONTAINER["ports"][0]["containerPort"]
    assert config["cluster"]["worker"][index] == f"{domain}:{port}"
    assert config["task"] == {"type": "worker", "index": index}
    context = main.commands[command].make_context(command, arguments)
    assert context.params["strategy"] == "multi-worker"
    assert context.params["dataset"] == "letters"


def test_a_pod_that_is_started_again_goes_on(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    _, (command, *arguments) = start(0, tmp_path)
    context = main.commands[command].make_context(command, arguments)
    assert context.params["resume"]
    assert not context.params["dataset"]


def test_the_parts_belong_together():
    spec = JOB["spec"]
    workers = {one["name"]: one["value"] for one in CONTAINER["env"]}["WORKERS"]
    assert spec["completions"] == spec["parallelism"] == int(workers)
    assert spec["completionMode"] == "Indexed"
    assert SERVICE["metadata"]["name"] == POD["spec"]["subdomain"]
    assert SERVICE["spec"]["selector"] == POD["metadata"]["labels"]
    assert SERVICE["spec"]["clusterIP"] == "None"
    (volume,) = POD["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    (mount,) = CONTAINER["volumeMounts"]
    output = next(one["value"] for one in CONTAINER["env"] if one["name"] == "OUTPUT")
    assert output.startswith(f"{mount['mountPath']}/")
