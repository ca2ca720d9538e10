"""`info`, `evaluate`, `score`, `plot`."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import keras_vae
from keras_vae import plots, runs
from keras_vae.runs.writing import written
from keras_vae_cli.measure import FIGURE_NAMES


def test_info_says_what_a_run_is(call, run):
    vae = runs.Run(run).vae
    result = call("info", run)
    assert result.exit_code == 0, result.output
    metrics = json.loads((run / "metrics.json").read_text())
    for words in (
        "digits",
        "8x8x1 -> 3",
        f"{vae.encoder.count_params():,} parameters",
        f"{vae.decoder.count_params():,} parameters",
        "Bernoulli",
        "StandardNormal",
        "2 of at most 2 epochs",
        f"{metrics['elbo']:.2f}",
        str(run / "model.keras"),
        "exported versions   1",
        f"keras-vae verify {run}",
    ):
        assert words in result.stdout


def test_info_tells_of_a_run_that_is_to_replace_this_one(call, run, tmp_path):
    there = tmp_path / "run"
    shutil.copytree(run, there)
    with written(there, overwrite=True) as beside:
        shutil.copy(run / "config.json", beside)
        result = call("info", there)
    assert f"keras-vae train --output {there} --resume" in result.stdout
    assert "begun and is not complete" in result.stdout


def test_info_of_a_run_of_one_epoch(call, run, tmp_path):
    there = tmp_path / "run"
    shutil.copytree(run, there)
    config = json.loads((there / "config.json").read_text())
    (there / "config.json").write_text(json.dumps({**config, "epochs": 1}))
    lines = call("info", there).stdout.splitlines()
    [line] = [line for line in lines if "of at most" in line]
    assert line.split() == ["training", "2", "of", "at", "most", "1", "epoch"]


def test_info_of_a_table_and_of_a_model_file(call, run, table):
    result = call("info", table[0])
    assert "Gaussian, scale learned" in result.stdout
    assert f"keras-vae export {table[0]}" in result.stdout
    result = call("info", run / "model.keras")
    assert result.exit_code == 0, result.output
    assert "Bernoulli" in result.stdout and "epochs" not in result.stdout


def test_evaluate(call, run, tmp_path):
    result = call("evaluate", run, "--output", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "m.json").read_text())
    expected = json.loads((run / "metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(expected["elbo"], rel=1e-6)
    arguments = ["--split", "TRAIN", "--num-importance-samples", 5]
    result = call("evaluate", run, *arguments)
    assert "1437 examples" in result.stdout and "log p(x), 5 draws" in result.stdout
    assert "effective sample size" in result.stdout
    assert "fewer than 5 of 5 draws" in result.stdout  # more are never of equal weight


def test_evaluate_measures_all_that_applies_and_keeps_it(
    call, run, tmp_path, monkeypatch
):
    monkeypatch.setattr("keras_vae.evaluation.features.STEPS", 20)
    there, output = tmp_path / "run", tmp_path / "m.json"
    shutil.copytree(run, there)
    before = json.loads((there / "metrics.json").read_text())
    arguments = ["--measures", "all", "--seed", 3]
    result = call("evaluate", there, *arguments, "--output", output)
    assert result.exit_code == 0, result.output
    kept = json.loads((there / "metrics.json").read_text())
    measured = json.loads(output.read_text())
    assert kept == before | measured and kept["seed"] == 3
    assert kept["training_seconds"] == before["training_seconds"]
    # Each group is what the function of that name says of the same examples and seed.
    opened, evaluation = runs.Run(there), keras_vae.evaluation
    test, train = opened.dataset().test, opened.dataset().train
    expected = evaluation.kl_decomposition(opened.vae, test.x, seed=3)
    for name, value in expected.items():
        assert measured["kl_parts"][name] == pytest.approx(value, rel=1e-4)
    expected = evaluation.linear_readout(
        {"z_mean": opened.vae.codes(test.x)}, test.labels, test.x, seed=3
    )
    assert [*measured["readout"]["readouts"]] == ["z_mean", "pca_3", "raw"]
    assert measured["readout"] == expected
    features = evaluation.train_features(train.x, train.labels, seed=3)
    samples = opened.vae.sample(180, seed=3)
    expected = evaluation.sample_quality(test.x, samples, features)
    for name in ("precision", "recall", "density", "coverage", "frechet_distance"):
        assert measured["samples"][name] == pytest.approx(expected[name], rel=1e-3)
    assert not measured["samples"]["draws"] and measured["samples"]["seed"] == 3
    # A person reads all of it, with errors, units and seeds, and what does not apply.
    parts = measured["kl_parts"]
    for words in (
        f"{parts['total_correlation']:.2f} ± "
        f"{parts['total_correlation_standard_error']:.2f}",
        "nats (180 examples, seed 3)",
        "share (180 real, 180 samples, seed 3)",
        f"{measured['samples']['frechet_distance']:.4g}",
        "squared features (64 of a classifier, seed 3)",
        "accuracy (3 numbers; 45 examples, seed 3)",
        "Disentanglement not measured: the factors of the data are not known",
        str(there / "metrics.json"),
    ):
        assert words in result.stdout
    assert "Measuring samples" in result.stderr  # which takes its time
    # And beside another run.
    table, drawn = tmp_path / "compared.csv", []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    assert call("compare", there, run, "--output", tmp_path / "c.png").exit_code == 0
    titles = [axes.get_title().split(":")[0] for axes in drawn[0].axes]
    assert titles[1:] == ["Samples", "Samples", "Readout of labels"]
    result = call("compare", there, run, "--output", table)
    lines = [line for line in result.stdout.splitlines() if "linear readout" in line]
    assert len(lines) == 3
    row = pd.read_csv(table).iloc[0]
    accuracy = measured["readout"]["readouts"]["raw"]["accuracy"]
    assert row["readout.readouts.raw.accuracy"] == accuracy
    # Other data than those of the report are not its own.
    kept = (there / "metrics.json").read_bytes()
    for other in (["--split", "validation"], ["--input", "digits"]):
        result = call("evaluate", there, *other)
        assert result.exit_code == 0 and "metrics.json" not in result.stdout
    assert (there / "metrics.json").read_bytes() == kept
    result = call("evaluate", there, "--measures", "samples,redout")
    assert result.exit_code == 2 and "'redout' is not one of samples" in result.stderr


def test_disentanglement_of_sprites(call, tmp_path, monkeypatch):
    monkeypatch.setitem(keras_vae.evaluation.MOST_EXAMPLES, "disentanglement", 400)
    monkeypatch.setattr("keras_vae.evaluation.groups.disentanglement_scores", scores)
    networks = keras_vae.networks.dense((64, 64, 1), 2, hidden_units=(4,), seed=0)
    keras_vae.VAE(*networks).save(tmp_path / "model.keras")
    arguments = ["--input", "sprites", "--measures", "disentanglement"]
    result = call(
        *("evaluate", tmp_path / "model.keras", *arguments),
        *("--output", tmp_path / "m.json"),
    )
    assert result.exit_code == 0, result.output
    measured = json.loads((tmp_path / "m.json").read_text())["disentanglement"]
    assert measured["shape"] == [400, 2] and measured["categorical"] == [0]
    for words in ("DCI informativeness", "0.250 ± 0.125", "0 to 1 (400 examples, seed"):
        assert words in result.stdout
    sprites = keras_vae.datasets.load("sprites")
    drawn, _ = sprites.factors.draw(400, 0)
    assert not np.array_equal(drawn, sprites.train.x[:400])  # not those of training


def scores(codes, factors, categorical, seed):
    """In place of the scores, which have tests of their own and take a minute."""
    names = ("mig", "sap", "modularity", "dci_disentanglement", "dci_completeness")
    names += ("dci_informativeness", "factor_vae_score")
    assert factors.shape == (len(codes), 5)
    return {
        **dict.fromkeys(names, 0.25),
        "dci_informativeness_standard_error": 0.125,
        "shape": codes.shape,
        "categorical": categorical,
        "num_examples": len(codes),
        "seed": seed,
    }


def test_runs_are_compared(call, run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    metrics = json.loads((run / "metrics.json").read_text())
    changed = {**metrics, "elbo": -1.5, "elbo_standard_error": 0.25, "kl_loss": 0.75}
    (other / "metrics.json").write_text(json.dumps(changed))
    for suffix in ("csv", "png"):
        path = tmp_path / f"c.{suffix}"
        result = call("compare", run, other, "--output", path)
        assert result.exit_code == 0, result.output
        assert path.stat().st_size
    line = next(line for line in result.stdout.splitlines() if "ELBO" in line)
    assert f"{metrics['elbo']:.2f} ±" in line and "-1.50 ± 0.25" in line
    assert "Warning" not in result.stderr
    table = pd.read_csv(tmp_path / "c.csv")
    assert table["run"].tolist() == [str(run), str(other)]
    assert table["elbo"].tolist() == [metrics["elbo"], -1.5]
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "seed": 7}))
    result = call("compare", run, other)
    assert f"chosen and drawn: {run}; {other}" in result.stderr
    (other / "metrics.json").write_text(
        json.dumps({n: v for n, v in metrics.items() if n not in ("elbo", "kl_loss")})
    )
    result = call("compare", other, "--output", tmp_path / "none.png")
    assert result.exit_code == 2 and "has anything to draw" in result.stderr
    (other / "metrics.json").unlink()
    result = call("compare", run, other)
    assert result.exit_code == 2 and "it is no whole run" in result.stderr


def test_scores_are_those_of_each_example(call, run, tmp_path):
    for suffix in ("csv", "npz"):
        output = tmp_path / f"s.{suffix}"
        result = call("score", run, "--output", output, "--batch-size", 50)
        assert result.exit_code == 0, result.output
    opened = runs.Run(run)
    test = opened.dataset().test
    scores = opened.vae.score(test.x)
    header, *rows = (tmp_path / "s.csv").read_text().splitlines()
    assert header == "index,label,elbo,reconstruction_loss,kl_loss"
    table = np.array([row.split(",") for row in rows]).astype(float)
    arrays = np.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(table[:, 0], np.arange(180))
    np.testing.assert_array_equal(table[:, 1], test.labels)
    for name, column in zip(header.split(",")[2:], table[:, 2:].T, strict=True):
        np.testing.assert_allclose(column, scores[name], rtol=1e-5)
        np.testing.assert_allclose(arrays[name], scores[name], rtol=1e-5)
    metrics = json.loads((run / "metrics.json").read_text())
    assert table[:, 2].mean() == pytest.approx(metrics["elbo"], rel=1e-5)


def test_examples_that_cannot_be_are_counted(call, run, tmp_path):
    x = np.zeros((5, 8, 8, 1), "float32")
    output = tmp_path / "s.csv"
    arguments = ["--input", tmp_path / "x.npy", "--output", output]
    np.save(tmp_path / "x.npy", x)
    result = call("score", run, *arguments)
    assert result.exit_code == 0 and "Warning" not in result.stderr
    x[[2, 4], 3, 3] = 7.0
    np.save(tmp_path / "x.npy", x)
    result = call("score", run, *arguments)
    assert result.exit_code == 0, result.output
    said = "Warning: 2 of 5 examples have elbo -inf, the first is number 2"
    assert said in result.stderr and "'bernoulli', takes [0, 1]" in result.stderr
    assert np.isinf(pd.read_csv(output)["elbo"]).tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("figure", FIGURE_NAMES)
def test_any_figure_of_any_data(call, run, table, tmp_path, figure):
    result = call("plot", table[0], figure, "--output", tmp_path / "a.pdf")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    if figure == "training_curves":
        result = call("plot", run / "model.keras", figure, "--output", "a.png")
        assert result.exit_code == 2 and "run's directory" in result.stderr
        return
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8, 1), "float32"))
    result = call(
        *("plot", run / "model.keras", figure, "--input", tmp_path / "x.npy"),
        *("--output", tmp_path / "b.png"),
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
