"""A run: its files, the same again from the same seed, broken off and resumed."""

import contextlib
import errno
import json
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import runs
from keras_vae.callbacks import RunRecorder
from keras_vae.runs import settings
from keras_vae.runs.build import build, choose_likelihood
from tests.short_runs import without_figures

SETTINGS = {"epochs": 3, "latent_dim": 4, "hidden_units": [16], "seed": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits"
    return runs.train("digits", path, exports="saved_models", **SETTINGS)


def train(*arguments, exports="none", **settings):
    """`runs.train` without export and figures, which tests of their own look at."""
    if exports is not None:
        settings["exports"] = exports
    with without_figures():
        return runs.train(*arguments, **settings)


def history(path):
    return (path / "history.csv").read_text()


def test_a_run_has_its_files(run):
    names = {str(p.relative_to(run.directory)) for p in run.directory.rglob("*")}
    assert names >= {
        "model.keras",
        "config.json",
        "history.csv",
        "metrics.json",
        "export/encoder/1/saved_model.pb",
        "export/decoder/1/saved_model.pb",
        *(
            f"figures/{name}.png"
            for name in (
                "training_curves",
                "reconstructions",
                "samples",
                "latent_space",
                "traversals",
            )
        ),
    }
    assert not [name for name in names if "tmp" in name or name.startswith(".")]


def test_history_and_metrics_are_those_of_the_model(run):
    rows = run.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    data = run.dataset()
    logs = run.vae.evaluate(data.validation.batches(64), return_dict=True, verbose=0)
    best = max(rows, key=lambda row: row["val_elbo"])
    assert logs["elbo"] == pytest.approx(best["val_elbo"], rel=1e-6)
    assert run.metrics["best_epoch"] == best["epoch"]
    elbo = run.vae.elbo(data.test.x)
    assert run.metrics["split"] == "test"
    assert run.metrics["num_examples"] == len(elbo) == 180
    assert run.metrics["elbo"] == pytest.approx(elbo.mean(), rel=1e-6)
    assert run.metrics["bits_per_dim"] == pytest.approx(
        -elbo.mean() / (64 * np.log(2)), rel=1e-6
    )
    active = run.vae.encode(data.test.x)[0].var(axis=0) > 0.01
    assert run.metrics["num_active_units"] == active.sum()


def test_the_same_seed_gives_the_same_history(run, tmp_path):
    again = train("digits", tmp_path / "again", **SETTINGS)
    assert history(again.directory) == history(run.directory)
    other = train("digits", tmp_path / "other", **{**SETTINGS, "seed": 2})
    assert history(other.directory) != history(run.directory)


@pytest.mark.slow
@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_a_killed_run_resumes_as_if_it_had_not_been(tmp_path, binarize):
    """Killed (SIGKILL) in the middle of an epoch, by the line it prints for one."""
    options = "--epochs 6 --latent-dim 3 --hidden-units 16 --seed 5 --beta-schedule"
    options = f"{options} linear --warmup-epochs 4 --binarize {binarize}".split()
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "keras_vae_cli", "train", "--dataset", "digits"]
    process = subprocess.Popen(
        [*command, *options, "--output", str(killed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 3/6"):
            process.kill()
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "metrics.json").exists()
    epochs = len(history(killed).splitlines()) - 1
    assert 3 <= epochs < 6

    resumed = train("digits", killed, epochs=6, resume=True)
    unbroken = train(
        "digits",
        whole,
        epochs=6,
        latent_dim=3,
        hidden_units=[16],
        seed=5,
        beta_schedule="linear",
        warmup_epochs=4,
        binarize=binarize,
    )
    assert history(killed) == history(whole)
    for a, b in zip(resumed.vae.variables, unbroken.vae.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    drop = ("training_seconds",)
    assert {k: v for k, v in resumed.metrics.items() if k not in drop} == {
        k: v for k, v in unbroken.metrics.items() if k not in drop
    }


def test_a_finished_run_can_be_made_longer(tmp_path):
    settings = {**SETTINGS, "latent_dim": 2}
    short = train("digits", tmp_path / "a", **settings)
    longer = train("digits", short.directory, epochs=5, resume=True)
    whole = train("digits", tmp_path / "b", **{**settings, "epochs": 5})
    assert history(longer.directory) == history(whole.directory)


def test_a_learning_rate_that_falls_ends_at_0_where_the_run_does(tmp_path):
    settings = {**SETTINGS, "epochs": 2, "learning_rate_schedule": "cosine"}
    run = train("digits", tmp_path / "run", learning_rate=0.5, **settings)
    optimizer = keras.models.load_model(run.directory / "checkpoint.keras").optimizer
    steps = int(optimizer.iterations)
    schedule = optimizer.get_config()["learning_rate"]
    schedule = keras.saving.deserialize_keras_object(schedule)
    rates = [float(schedule(step)) for step in range(steps + 1)]
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(steps + 1) / steps))
    np.testing.assert_allclose(rates, expected, atol=1e-6)
    with pytest.raises(ValueError, match="`epochs`.*is 2, where its learning rate"):
        train("digits", run.directory, epochs=3, resume=True)


def test_a_longer_run_that_is_broken_off_is_not_complete(run, tmp_path):
    """Its numbers would be those of the shorter one."""
    path = tmp_path / "run"
    shutil.copytree(run.directory, path)

    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(None, path, epochs=5, resume=True, callbacks=[Broken()])
    assert len(runs.Run(path).history) == 4
    with pytest.raises(ValueError, match="no metrics.json yet.*--resume"):
        _ = runs.Run(path).metrics
    assert train(None, path, resume=True).metrics["epochs"] == 5


def test_a_folder_of_data_given_anew_is_kept_from_any_folder(
    run, tmp_path, monkeypatch
):
    shutil.copytree(run.directory, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    resumed = train(None, "run", resume=True, data_dir="data")
    assert resumed.config["data_dir"] == str(tmp_path / "data")


def test_resuming_keeps_settings_and_exports_the_same_weights_once(tmp_path):
    path = tmp_path / "run"
    train("digits", path, **SETTINGS, patience=7, exports="saved_models")
    run = train(None, path, resume=True, exports=None)
    names = ("epochs", "patience", "exports")
    assert [run.config[name] for name in names] == [3, 7, "saved_models"]
    assert len(run.history) == 3
    assert versions(path) == [{"1"}, {"1"}]
    # Of an export that was broken off: one model of a version without the other.
    config = json.loads((path / "config.json").read_text())
    config["exported"]["complete"] = False
    (path / "config.json").write_text(json.dumps(config))
    shutil.rmtree(path / "export" / "decoder" / "1")
    train(None, path, resume=True, exports=None)
    assert versions(path) == [{"1"}, {"1"}]
    assert keras_vae.export.verify(path / "export")
    # Other weights are another version; the one that is perhaps being served stays.
    run = train(None, path, epochs=4, resume=True, exports=None)
    assert run.config["epochs"] == 4
    assert versions(path) == [{"1", "2"}, {"1", "2"}]
    before = run.config["exported"]
    run = train(None, path, epochs=5, resume=True, exports="none")
    assert versions(path) == [{"1", "2"}, {"1", "2"}]
    assert run.config["exports"] == "none" and run.config["exported"] == before


def versions(path):
    export = path / "export"
    return [{p.name for p in (export / m).iterdir()} for m in ("encoder", "decoder")]


def test_a_resumed_run_refuses_other_settings_and_data(run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(run.directory, path)
    for given, message in (
        ({"dataset": "mnist"}, "`dataset`.*'digits'.*'mnist'"),
        ({"latent_dim": 4}, "keeps its settings: leave out `latent_dim`"),
        ({"overwrite": True}, "exclude"),
    ):
        given = {"dataset": None, **given}
        with pytest.raises(ValueError, match=message):
            runs.train(given.pop("dataset"), path, resume=True, **given)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(
        json.dumps({**config, "beta_schedule": "cyclical"})
    )
    with pytest.raises(
        ValueError, match="`epochs`.*is 3, where the cycles of its beta"
    ):
        runs.train(None, path, resume=True, epochs=9)
    assert history(path) == history(run.directory)


def test_a_run_knows_its_data(tmp_path, monkeypatch):
    """From any folder, and changed: by the values, by the order of the columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2)) * (1, 100)

    def write(folder, x, names):
        folder.mkdir(exist_ok=True)
        table = folder / "t.csv"
        np.savetxt(table, x, delimiter=",", header=",".join(names), comments="")

    here, there = tmp_path / "here", tmp_path / "there"
    write(here, x, ["a", "b"])
    write(there, 1000 * x, ["a", "b"])
    monkeypatch.chdir(here)
    run = train("t.csv", tmp_path / "run", **SETTINGS)
    assert run.config["dataset"] == str(here / "t.csv")
    assert [c["name"] for c in run.config["data"]["columns"]] == ["a", "b"]
    monkeypatch.chdir(there)
    train_x = run.dataset().train.x
    np.testing.assert_allclose(
        sorted(run.dataset("t.csv").train.x[:, 0]), np.sort(1000 * x[:, 0]), rtol=1e-6
    )
    # Other data are matched by name.
    write(there, x[:, ::-1], ["b", "a"])
    np.testing.assert_allclose(run.dataset("t.csv").train.x, x, rtol=1e-6)
    write(there, x, ["b", "c"])
    with pytest.raises(ValueError, match="'a'"):
        run.dataset("t.csv")
    np.testing.assert_array_equal(run.dataset().train.x, train_x)
    write(here, x + 1, ["a", "b"])
    for read in (run.dataset, lambda: train(None, run.directory, resume=True)):
        with pytest.raises(ValueError, match="t.csv has changed"):
            read()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("history.csv", None, "history.csv does not hold them"),
        ("history.csv", "epoch,beta,val_elbo\n1,1,-9\n", "history.csv does not hold"),
        (
            "history.csv",
            "epoch,beta,val_elbo\n1,1,x\n",
            "history.csv is damaged: .*'x'",
        ),
        ("history.csv", "epoch,beta\n2,1\n", "history.csv is damaged: its epochs"),
        ("history.csv", "nonsense\n1\n", "history.csv is damaged"),
        ("model.keras", None, "model.keras does not hold them"),
        ("checkpoint.keras", None, "checkpoint.keras does not hold them"),
        ("checkpoint.keras", "x", "checkpoint.keras cannot be read.*damaged"),
        ("config.json", ("binarize", None), "config.json is damaged.*no 'binarize'"),
        ("config.json", ("seed", "x"), "config.json is damaged: `seed` should be"),
    ],
)
def test_a_damaged_run_is_not_resumed(run, tmp_path, name, content, message):
    """Never again from trained weights as epoch 1."""
    path = tmp_path / "run"
    shutil.copytree(run.directory, path)
    file = path / name
    if isinstance(content, tuple):
        config = json.loads(file.read_text())
        config[content[0]] = content[1]
        if content[1] is None:
            del config[content[0]]
        content = json.dumps(config)
    file.unlink() if content is None else file.write_text(content)
    files = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match=message):
        train(None, path, resume=True, epochs=4)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == files


def test_a_run_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train("digits", ".", **{**SETTINGS, "epochs": 1})
    assert (tmp_path / "model.keras").exists()
    with pytest.raises(ValueError, match="you are in it.*cd .."):
        train("digits", ".", **SETTINGS, overwrite=True)
    said = []
    run = train(None, ".", resume=True, epochs=2, say=said.append)
    assert len(run.history) == 2
    assert "1 epoch of this run is done: on to 2" in said


def test_what_is_read_and_built_is_said_before_training(tmp_path):
    said, done = [], []

    @contextlib.contextmanager
    def progress(words):
        yield
        done.append(words)

    settings = {**SETTINGS, "epochs": 1, "tensorboard": True}
    path = tmp_path / "run"
    train("digits", path, **settings, say=said.append, progress=progress)
    said = "\n".join(said)
    for words in (
        "8 x 8 x 1, values from 0 to 1, 10 labels; 1,437 train, 180 validation",
        # 64·16 + 16 and twice 16·4 + 4; 4·16 + 16 and 16·64 + 64.
        "encoder: dense, layers of 16, 4, 4; 1,176 parameters",
        "decoder: dense, layers of 16, 64; 1,168 parameters",
        "4 latent dimensions, likelihood bernoulli, prior StandardNormal, beta 1",
    ):
        assert words in said
    assert said.count("no compression rate") == 1
    assert done == ["Reading data", done[1], "Drawing figures"]
    assert list((path / "logs").rglob("events.out.tfevents*"))


def test_the_likelihood_follows_the_data(tmp_path):
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (40, 8, 8, 3)).astype("uint8")
    for x, likelihood in (
        (bytes_, "discretized_logistic"),
        (rng.uniform(size=(40, 8, 8, 3)).astype("float32"), "gaussian"),
        (bytes_[..., :1], "bernoulli"),
        (rng.integers(0, 2, (40, 5)).astype(bool), "bernoulli"),
        (rng.normal(size=(40, 5)).astype("float32"), "gaussian"),
        (rng.poisson(3.0, (40, 5)), "gaussian"),
    ):
        np.save(tmp_path / "x.npy", x)
        data = keras_vae.datasets.load(tmp_path / "x.npy")
        assert choose_likelihood(data) == likelihood


@pytest.mark.parametrize(
    "absurd",
    [{"latent_dim": 10**9}, {"num_samples": 10**6}, {"hidden_units": [10**7, 10**7]}],
)
def test_what_no_machine_has_memory_for_is_refused_before_work(tmp_path, absurd):
    with pytest.raises(ValueError, match="GB of memory.*Make `"):
        train("digits", tmp_path / "run", **{**SETTINGS, **absurd})
    assert list(tmp_path.iterdir()) == []


def test_the_maps_of_a_convolutional_network_are_counted(tmp_path, monkeypatch):
    """Of 300 draws a dense network of its latent size would fit in that."""
    monkeypatch.setattr("keras_vae.memory.machine_memory", lambda: 2**30)
    config = settings.defaults() | {"likelihood": "bernoulli", "num_samples": 300}
    data = keras_vae.datasets.load("digits")
    assert build(config, data)
    with pytest.raises(ValueError, match="A step of 128 examples with 300 draws"):
        build({**config, "network": "convolutional"}, data)


def test_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch):
    class Full(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise OSError(errno.ENOSPC, "No space left on device", "model.keras")

    path = tmp_path / "run"
    with pytest.raises(OSError, match="No space left.*--resume.*model.keras"):
        train("digits", path, **SETTINGS, callbacks=[Full()])
    assert len(train(None, path, resume=True).history) == 3


def test_fractions_of_zero_leave_everything_to_train_with(tmp_path):
    fractions = {"validation_fraction": 0.0, "test_fraction": 0.0}
    run = train("digits", tmp_path / "run", **SETTINGS, **fractions)
    assert run.metrics["split"] == "train"
    assert run.metrics["num_examples"] == 1797
    assert "val_elbo" not in run.history[0]


def test_what_is_replaced_comes_back_if_there_is_nothing_better(tmp_path):
    path = tmp_path / "run"
    train("digits", path, **SETTINGS)
    before = history(path)

    class Fail(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise RuntimeError("at once")

    with pytest.raises(RuntimeError, match="at once"):
        train("digits", path, **SETTINGS, overwrite=True, callbacks=[Fail()])
    assert history(path) == before
    train("digits", path, **{**SETTINGS, "epochs": 1}, overwrite=True)
    assert len(history(path).splitlines()) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_data_that_a_likelihood_cannot_explain_are_told_before_a_run_is_made(tmp_path):
    with pytest.raises(ValueError, match="`dataset`.*support.*'poisson'"):
        train("digits", tmp_path / "run", **SETTINGS, likelihood="poisson")
    # What the data are, and what takes them.
    message = r"levels k / 255.*levels k / 16.*`likelihood` that takes them: bernoulli,"
    with pytest.raises(ValueError, match=message):
        train("digits", tmp_path / "run", **SETTINGS, likelihood="discretized_logistic")
    assert list(tmp_path.iterdir()) == []
    # Beyond the first batch, too.
    x = np.zeros((3000, 8, 8, 1), "float32")
    x[-1] = -0.5
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(ValueError, match="-0.5 to 0.*them: gaussian, laplace"):
        train(tmp_path / "x.npy", tmp_path / "run", **SETTINGS)
    np.save(tmp_path / "x.npy", x[:, 0, :, 0])
    for given, words in (
        ({"network": "convolutional"}, "`network` convolutional has convolutions"),
        ({"model": "vqvae"}, "`model` vqvae has convolutions"),
    ):
        given = {**SETTINGS, **given, "hidden_units": None}
        with pytest.raises(ValueError, match=rf"{words}.*shape \(8,\)"):
            train(tmp_path / "x.npy", tmp_path / "run", **given)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_an_array_is_chosen_by_name_and_kind(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"curves": rng.normal(size=(40, 6, 12)), "other": rng.normal(size=(9, 2))}
    np.savez(tmp_path / "a.npz", **arrays)
    given = {**SETTINGS, "epochs": 1, "array": "curves", "kind": "series"}
    run = train(tmp_path / "a.npz", tmp_path / "run", **given)
    assert run.dataset().data_shape == (6, 12)
    # Other data by the same names, or alone.
    np.savez(tmp_path / "new.npz", curves=arrays["curves"][:5], other=[[1.0]])
    np.savez(tmp_path / "alone.npz", whatever=arrays["curves"][:5])
    for name in ("new.npz", "alone.npz"):
        found = run.dataset(tmp_path / name).train.x
        np.testing.assert_allclose(found, arrays["curves"][:5], rtol=1e-6)


def test_a_table_is_standardised_and_answers_in_its_own_units(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 1))
    x = np.hstack([1000 + 50 * z, 0.01 * z, rng.normal(size=(300, 1))])
    np.savetxt(
        tmp_path / "t.csv", x, delimiter=",", header="mass,length,noise", comments=""
    )
    run = train(
        str(tmp_path / "t.csv"),
        tmp_path / "run",
        epochs=40,
        latent_dim=2,
        hidden_units=[16],
        batch_size=32,
        learning_rate=5e-3,
    )
    vae = keras.models.load_model(run.directory / "model.keras")
    x = run.dataset().train.x
    np.testing.assert_allclose(vae.standardize.mean, x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(vae.standardize.scale, x.std(0), rtol=1e-4)
    samples = vae.sample(2000, seed=0)
    assert abs(samples[:, 0].mean() - 1000) < 20
    # The two columns are one: so are they in what the model makes.
    assert np.corrcoef(samples[:, 0], samples[:, 1])[0, 1] > 0.95


def test_a_collapse_is_told_in_words(tmp_path):
    run = train("digits", tmp_path / "run", **{**SETTINGS, "beta": 1000.0})
    assert run.metrics["num_active_units"] == 0
    epochs = len(run.history)
    assert f"after {epochs} epoch" in run.metrics["activity"]  # too early to tell


def test_training_stops_early_and_keeps_the_best(tmp_path):
    run = train(
        "digits",
        tmp_path / "run",
        epochs=50,
        patience=2,
        learning_rate=0.05,
        latent_dim=2,
        hidden_units=[32],
    )
    elbos = [row["val_elbo"] for row in run.history]
    best = int(np.argmax(elbos)) + 1
    assert len(elbos) == best + 2 < 50
    assert (run.metrics["epochs"], run.metrics["best_epoch"]) == (best + 2, best)


def test_early_stopping_waits_for_the_schedule():
    class Model:
        step = np.int64(10)
        beta = keras_vae.schedules.LinearWarmup(100)
        capacity = None
        UNUSED = {}
        stop_training = False

        def save(self, path):
            pass

    import tempfile

    recorder = RunRecorder(tempfile.mkdtemp(), patience=1)
    recorder.set_model(Model())
    for step, stops in ((10, False), (20, False), (100, True)):
        recorder.model.step = np.int64(step)
        recorder.on_epoch_end(len(recorder.history), {"val_elbo": -float(step)})
        assert recorder.model.stop_training is stops


def test_an_epoch_without_a_finite_elbo_is_never_the_best(tmp_path):
    saved = []

    class Model:
        step = np.int64(10)
        beta = keras_vae.schedules.Constant(1.0)
        capacity = None
        UNUSED = {}
        stop_training = False

        def save(self, path):
            saved.append(path.name)

    rows = [
        ({"elbo": -9.0, "val_elbo": np.nan}, None, []),
        ({"elbo": -8.0, "val_elbo": -9.0}, 2, ["model.keras", "checkpoint.keras"]),
        ({"elbo": np.nan, "val_elbo": -1.0}, 2, []),
        ({"elbo": -8.0, "val_elbo": np.inf}, 2, []),
        ({"elbo": -8.0, "val_elbo": -9.5}, 2, ["checkpoint.keras"]),
        ({"elbo": -8.0, "val_elbo": -8.5}, 6, ["model.keras", "checkpoint.keras"]),
    ]
    recorder = RunRecorder(tmp_path, patience=5)
    recorder.set_model(Model())
    for epoch, (logs, best, files) in enumerate(rows):
        saved.clear()
        recorder.on_epoch_end(epoch, logs)
        assert (recorder.best_epoch, saved) == (best, files)
    assert len(history(tmp_path).splitlines()) == 1 + len(rows)
    # Without validation data the last one that is finite is the best.
    recorder = RunRecorder(tmp_path, history=[{"elbo": -9.0}, {"elbo": np.nan}])
    assert recorder.best_epoch == 1


def test_validation_that_explodes_leaves_the_last_good_checkpoint(tmp_path):
    class Explode(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            if int(self.model.step) > 23:  # digits has 23 steps in an epoch of 64
                bias = self.model.decoder.layers[-2].bias
                bias.assign(np.full(bias.shape, np.nan))

    path = tmp_path / "run"
    with pytest.raises(FloatingPointError, match="val_loss is nan"):
        train("digits", path, **SETTINGS, batch_size=64, callbacks=[Explode()])
    for name in ("model.keras", "checkpoint.keras"):
        model = keras_vae.load(path / name)
        assert int(model.step) == 23
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
    resumed = train(None, path, resume=True)
    whole = train("digits", tmp_path / "whole", **SETTINGS, batch_size=64)
    assert history(resumed.directory) == history(whole.directory)


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_a_loss_that_explodes_leaves_the_last_good_weights(tmp_path, binarize):
    class Explode(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                bias = self.model.decoder.layers[-2].bias
                bias.assign(np.full(bias.shape, np.nan))

    with pytest.raises(FloatingPointError, match="reconstruction_loss became nan"):
        train(
            "digits",
            tmp_path / "run",
            **SETTINGS,
            binarize=binarize,
            callbacks=[Explode()],
        )
    vae = keras_vae.load(tmp_path / "run")
    assert all(np.isfinite(weight).all() for weight in vae.get_weights())
    assert len(runs.Run(tmp_path / "run").history) == 1


def test_directories_that_are_not_ours_are_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="not a run.*left as it is"):
            train("digits", tmp_path, **SETTINGS, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ValueError, match="holds a run already"):
        train("digits", run.directory, **SETTINGS)
    with pytest.raises(ValueError, match="not a run"):
        train("digits", tmp_path, resume=True)
    with pytest.raises(ValueError, match="no such directory"):
        train("digits", tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0.1}, "`scale` belongs to"),
        ({"likelihood": "gaussian", "binarize": "dynamic"}, "`binarize` belongs to"),
        ({"beta_schedule": "cosine"}, "`beta_schedule`"),
        ({"likelihood": "bernouli"}, "bernoulli"),
        ({"network": "conv"}, "convolutional"),
        ({"latent_dim": 0}, "`latent_dim`"),
    ],
)
def test_wrong_arguments_leave_nothing_behind(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        train("digits", tmp_path / "run", **{**SETTINGS, **arguments})
    assert not (tmp_path / "run").exists()


def test_damaged_and_foreign_models_are_told(run, tmp_path):
    whole = (run.directory / "model.keras").read_bytes()
    damaged = tmp_path / "damaged.keras"
    for content in (b"", b"not a model", whole[: len(whole) // 2]):
        damaged.write_bytes(content)
        with pytest.raises(ValueError, match="damaged"):
            keras_vae.load(damaged)
    foreign = tmp_path / "foreign.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(foreign)
    with pytest.raises(ValueError, match="Received: a Sequential"):
        keras_vae.load(foreign)
    with pytest.raises(ValueError, match="no such file"):
        keras_vae.load(tmp_path / "nothing.keras")


def test_a_file_that_unpacks_to_more_than_memory_is_not_opened(run, monkeypatch):
    path = run.directory / "model.keras"
    monkeypatch.setattr("keras_vae.memory.machine_memory", path.stat().st_size.__int__)
    with pytest.raises(ValueError, match="model.keras would take about .* of memory"):
        keras_vae.load(path)


def test_config_is_what_the_run_was_trained_with(run):
    config = json.loads((run.directory / "config.json").read_text())
    assert config["keras_vae"] == keras_vae.__version__
    assert config["likelihood"] == "bernoulli"
    assert {k: config[k] for k in SETTINGS} == SETTINGS
