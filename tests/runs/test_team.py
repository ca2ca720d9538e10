"""Training in two processes, on loopback: as in one, but for who writes."""

import contextlib
import json
import multiprocessing
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae import runs
from keras_vae.runs.team import gather
from keras_vae.runs.writing import unwritten
from tests.contracts import two_devices
from tests.models.test_replicas import X, make_vae
from tests.runs import team_worker
from tests.runs.team_worker import SETTINGS
from tests.runs.test_runs import train

TIMEOUT = 300  # seconds, after which something hangs

# Each worker is a copy of a process that has imported all it needs, and done no more.
STARTER = multiprocessing.get_context("forkserver")
STARTER.set_forkserver_preload(["tests.runs.team_worker"])


@contextlib.contextmanager
def two_processes(*arguments, of_second=()):
    """Starts `team_worker` twice, each knowing of the other.

    Yields:
        Pairs of a process and the file of what it says.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for index, more in enumerate(((), of_second)):
            config = {
                "cluster": {"worker": workers},
                "task": {"type": "worker", "index": index},
            }
            said = Path(folder, f"{index}.txt")
            words = [json.dumps(config), said, *arguments, *more]
            process = STARTER.Process(target=team_worker.main, args=words)
            process.start()
            pairs.append((process, said))
        try:
            yield pairs
        finally:
            for process, _ in pairs:
                process.kill()
                process.join()


def train_together(*arguments):
    with two_processes(*arguments) as pairs:
        for process, said in pairs:
            assert exit_code(process) == 0, said.read_text()[-3000:]


def exit_code(process):
    process.join(TIMEOUT)
    return process.exitcode


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    train_together("weights", tmp_path)
    one = make_vae()
    history = one.fit(
        X, batch_size=16, epochs=2, shuffle=False, validation_data=X, verbose=0
    ).history
    found = [np.load(tmp_path / f"{index}.npz") for index in range(2)]
    for i, weight in enumerate(one.get_weights()):
        for each in found:  # both hold the same
            np.testing.assert_allclose(each[f"arr_{i}"], weight, atol=1e-6)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[0][name], history[name], rtol=1e-5)
    assert not np.isin(found[0]["noise"], found[1]["noise"]).any()
    for each in found:
        assert each["elbo"] == pytest.approx(each["score"], rel=1e-5)
        squares = np.square(each["reconstruction"] - X).mean()
        assert each["mse"] == pytest.approx(squares, rel=1e-5)
    # What was saved there is a model here.
    loaded = keras.models.load_model(tmp_path / "0.keras")
    np.testing.assert_allclose(
        loaded.reconstruct(X), found[0]["reconstruction"], atol=1e-6
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of two processes."""
    folder = tmp_path_factory.mktemp("whole")
    train_together("run", folder)
    return folder


@pytest.mark.slow
def test_a_team_of_which_one_was_killed_resumes_as_if_it_had_not_been(whole, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    with two_processes("run", broken, of_second=["", "killed"]) as pairs:
        (first, _), (second, _) = pairs
        assert exit_code(second) == -signal.SIGKILL
        # Alone the first cannot go on, and says so.
        assert exit_code(first) not in (0, None)
    assert len(runs.Run(broken).history) == 1
    train_together("run", broken, "resume")
    assert (broken / "history.csv").read_text() == (whole / "history.csv").read_text()
    assert {p.name for p in broken.iterdir()} == {p.name for p in whole.iterdir()}
    runs_ = [runs.Run(folder) for folder in (whole, broken)]
    for a, b in zip(*(run.vae.get_weights() for run in runs_), strict=True):
        np.testing.assert_array_equal(a, b)
    assert runs_[0].metrics["elbo"] == runs_[1].metrics["elbo"]


@pytest.mark.slow
def test_ray_launches_a_team(whole, tmp_path, monkeypatch):
    """As `TF_CONFIG` does: the same run, to the last bit."""
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")

    def loop(config):
        import keras_vae

        keras_vae.runs.train("digits", strategy="multi-worker", **config)

    folder = tempfile.mkdtemp(prefix="ray")  # short: it is the path of sockets
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
    )
    try:
        TensorflowTrainer(
            loop,
            train_loop_config={"output": str(tmp_path / "run"), **SETTINGS},
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(storage_path=str(tmp_path / "ray")),
        ).fit()
    finally:
        ray.shutdown()
        shutil.rmtree(folder)
    history = (tmp_path / "run" / "history.csv").read_text()
    assert history == (whole / "history.csv").read_text()


def test_a_run_of_two_devices_is_resumed_on_one(tmp_path):
    settings = {"latent_dim": 2, "hidden_units": [8], "seed": 1}
    run = train(
        "digits", tmp_path / "run", strategy=two_devices(), epochs=1, **settings
    )
    assert np.isfinite(run.metrics["elbo"])
    first = run.history[0]
    resumed = train("digits", tmp_path / "run", resume=True, epochs=2)
    assert resumed.history[0] == first and len(resumed.history) == 2


def test_who_trains_along_reads_what_is_resumed_and_leaves_nothing(tmp_path):
    with (
        pytest.raises(ValueError, match="Every process has to see"),
        unwritten(tmp_path / "run", resume=True),
    ):
        pass
    for name in ("run", ".keras_vae-new-run"):  # the second is to replace the first
        run = tmp_path / name
        run.mkdir()
        train("digits", run / "r", epochs=1, latent_dim=2, hidden_units=[8])
        for path in (run / "r").iterdir():
            path.rename(run / path.name)
        with unwritten(tmp_path / "run", resume=True) as folder:
            assert (folder / "checkpoint.keras").read_bytes() == (
                run / "checkpoint.keras"
            ).read_bytes()
        assert not folder.exists()
    with unwritten(tmp_path / "run", resume=False) as folder:
        assert list(folder.iterdir()) == []


def test_strategies():
    assert gather(None).is_chief
    assert gather(None).strategy is tf.distribute.get_strategy()
    assert isinstance(gather("mirrored").strategy, tf.distribute.MirroredStrategy)
    assert gather(two_devices()) == (two_devices(), True)
    shared = gather(None).share(tf.data.Dataset.range(3))
    policy = shared.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.DATA
    with pytest.raises(ValueError, match=r"`strategy` should be .* Received: 'mirror'"):
        gather("mirror")


def test_processes_find_one_another_first(monkeypatch):
    def too_late():
        raise RuntimeError("Collective ops must be configured at program startup")

    # The real one would leave this process half configured.
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", too_late)
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(RuntimeError, match="Mend: .* comes first in the program"):
        gather("multi-worker")


@pytest.mark.parametrize(
    ("jobs", "task", "is_chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["c:1"], "worker": ["a:1"]}, ("worker", 0), False),
        ({"chief": ["c:1"], "worker": ["a:1"]}, ("chief", 0), True),
    ],
)
def test_one_process_writes(jobs, task, is_chief):
    class OfATeam(tf.distribute.OneDeviceStrategy):
        cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(jobs), task_type=task[0], task_id=task[1]
        )

    assert gather(OfATeam("CPU:0")).is_chief == is_chief


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (None, "It is not set"),
        ("{", "Received: '{'"),
        ("{}", "Received: '{}'"),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            "names all of them",
        ),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}},
            "names all of them",
        ),
        (
            {"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}},
            "names all of them",
        ),
        (
            {
                "cluster": {"worker": ["a:1"], "ps": ["b:1"]},
                "task": {"type": "worker", "index": 0},
            },
            "none holds the weights",
        ),
    ],
)
def test_what_tf_config_should_say(config, problem, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=problem):
        keras_vae.runs.train("digits", "never", strategy="multi-worker")
    assert not Path("never").exists()
