"""`anomaly fit | score | export`."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_vae import runs
from keras_vae.applications import AnomalyDetector, benjamini_hochberg
from keras_vae.applications.scores import SCORES as KNOWN_SCORES
from keras_vae_cli.anomaly import SCORES


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def fitted(call, run, tmp_path_factory):
    """A copy of the run with a detector of its own."""
    place = tmp_path_factory.mktemp("anomaly") / "digits"
    shutil.copytree(run, place)
    result = call("anomaly", "fit", place, "--level", 0.1)
    assert result.exit_code == 0, result.output
    return place, result.stdout


def test_the_command_knows_every_score():
    assert tuple(KNOWN_SCORES) == SCORES


def test_fit_calibrates_with_the_validation_split(fitted):
    place, said = fitted
    detector = AnomalyDetector.load(place / "anomaly")
    data = runs.Run(place).dataset()
    scores = AnomalyDetector(runs.Run(place).vae).score(data.validation.x)
    np.testing.assert_allclose(detector.calibration, np.sort(scores), rtol=1e-5)
    for words in ("squared error", "180", "0.1", f"{detector.threshold:.4g}"):
        assert words in said
    assert f"keras-vae anomaly score {place} --output" in said


def test_score_writes_a_file_a_table_and_a_figure(call, fitted, tmp_path):
    place, _ = fitted
    output, figure = tmp_path / "scores.csv", tmp_path / "anomalies.png"
    result = call("anomaly", "score", place, "--output", output, "--figure", figure)
    assert result.exit_code == 0, result.output
    rows = read(output)
    header = ["index", "label", "anomaly_score", "p_value", "is_anomaly"]
    assert list(rows[0]) == header
    test = runs.Run(place).dataset().test
    found = AnomalyDetector.load(place / "anomaly").detect(test.x)
    scores = [float(row["anomaly_score"]) for row in rows]
    np.testing.assert_allclose(scores, found.score, rtol=1e-5)
    assert [row["is_anomaly"] for row in rows] == [
        str(int(f)) for f in found.is_anomaly
    ]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert f"test: {len(rows)} items, by squared_error" in result.stdout
    share = f"{found.is_anomaly[test.labels == 3].mean():.1%}"
    line = next(x for x in result.stdout.splitlines() if x.split()[:1] == ["3"])
    assert share in line


def test_levels_and_many_items_at_once(call, fitted, tmp_path):
    place, _ = fitted
    output = tmp_path / "s.csv"
    shares = []
    for level in (0.3, 0.02):
        result = call("anomaly", "score", place, "--output", output, "--level", level)
        assert result.exit_code == 0, result.output
        rows = read(output)
        assert all((float(r["p_value"]) <= level) == int(r["is_anomaly"]) for r in rows)
        shares.append(np.mean([int(row["is_anomaly"]) for row in rows]))
    assert shares[0] > shares[1]
    result = call(
        *("anomaly", "score", place, "--output", output),
        *("--false-discovery-rate", 0.5, "--split", "train"),
    )
    assert result.exit_code == 0, result.output
    rows = read(output)
    expected = benjamini_hochberg([float(row["p_value"]) for row in rows], 0.5)
    assert [int(row["is_anomaly"]) for row in rows] == expected.astype(int).tolist()


def test_one_label_is_normal(call, run, tmp_path):
    """A model of these alone is trained, by the run's settings."""
    place, output = tmp_path / "detector", tmp_path / "scores.csv"
    result = call(
        *("anomaly", "fit", run, "--normal", 0, "--normal", 6, "--output", place),
    )
    assert result.exit_code == 0, result.output
    assert "0, 6" in result.stdout and not (run / "anomaly").exists()
    detector = AnomalyDetector.load(place)
    assert detector.normal_labels == ["0", "6"]
    data = runs.Run(run).dataset()
    labels = np.concatenate([data.train.labels, data.validation.labels])
    number = np.isin(labels, [0, 6]).sum()
    assert len(detector.calibration) == round(number / 4)
    assert int(detector.vae.step) == 2 * -(-(number - round(number / 4)) // 16)
    result = call(
        *("anomaly", "score", run, "--detector", place, "--output", output),
    )
    assert result.exit_code == 0, result.output
    rows = read(output)
    odd = [row["label"] not in ("0", "6") for row in rows]
    auc = roc_auc_score(odd, [float(row["anomaly_score"]) for row in rows])
    assert f"normal against the others: {auc:.4f}" in result.stdout
    assert auc > 0.7
    assert "0, 6: normal" in result.stdout


def test_a_table(call, table, tmp_path):
    run, source = table
    detector = tmp_path / "detector"
    result = call(
        *("anomaly", "fit", run, "--input", source, "--output", detector),
        *("--score", "negative_elbo", "--num-samples", 3, "--seed", 4),
    )
    assert result.exit_code == 0, result.output
    loaded = AnomalyDetector.load(detector)
    assert (loaded.num_samples, loaded.seed, len(loaded.calibration)) == (3, 4, 60)
    lines = source.read_text().splitlines()
    odd = ["depth,width,kind,height", "99,-500,x,40"]  # columns are matched by name
    (tmp_path / "new.csv").write_text("\n".join(odd))
    result = call(
        *("anomaly", "score", run, "--detector", detector),
        *("--input", tmp_path / "new.csv", "--output", tmp_path / "s.csv"),
        *("--figure", tmp_path / "why.png"),
    )
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "s.csv")[0]["is_anomaly"] == "1"
    for content, words in [
        ("a,b\n1,2\n3,4\n", "height"),
        ("", "empty"),
        (lines[0] + "\n", ""),
    ]:
        (tmp_path / "bad.csv").write_text(content)
        result = call(
            *("anomaly", "score", run, "--detector", detector),
            *("--input", tmp_path / "bad.csv"),
        )
        assert result.exit_code == 1
        assert words in result.stderr
        assert len(result.stderr.strip().splitlines()[-1:]) == 1


def test_what_cannot_be_calibrated(call, run, table, tmp_path):
    for model, arguments, words in [
        (run, ["--normal", "ten"], "should be among the labels: 0, 1,"),
        (table[0], ["--normal", "x", "--level", 0.02], "items to train on"),
        (run, ["--level", 0.001], "at least 999 normal items for --level 0.001"),
        (table[0], ["--normal", "z"], "should be among the labels: x, y"),
        (run, ["--num-samples", 4], "no effect with --score squared_error"),
    ]:
        result = call("anomaly", "fit", model, "--output", tmp_path / "d", *arguments)
        assert result.exit_code == 1, result.output
        assert words in result.stderr
        assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "{run}", "--level", "1.5"], "--level"),
        (["fit", "{run}", "--level", "0"], "--level"),
        (["fit", "{run}", "--level", "nan"], "nan is not a number"),
        (["fit", "{run}", "--score", "squared_eror"], "Did you mean 'squared_error'?"),
        (["fit", "{run}x"], "Did you mean"),
        (["fit", "{run}/model.keras"], "A .keras file needs --output"),
        (["fit", "{run}/model.keras", "--output", "d"], "A .keras file knows no data"),
        (["fit", "{run}", "--input", "no.csv"], "there is no no.csv"),
        (["fit", "{run}", "--output", "{run}"], "holds something else"),
        (["score", "{run}"], "has no detector yet"),
        (["score", "{run}", "--detector", "{run}x"], "there is no"),
        (["score", "{run}", "--detector", "{run}"], "is no detector"),
        (["export", "{run}", "--output", "x"], "has no detector yet"),
    ],
)
def test_mistyped_arguments_need_no_tensorflow(run, arguments, words):
    code = (
        "import sys; from keras_vae_cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    given = [argument.format(run=run) for argument in arguments]
    result = subprocess.run(
        [sys.executable, "-c", code, "anomaly", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert words in result.stderr and "Traceback" not in result.stderr


def test_a_damaged_detector_is_told_in_one_line(call, fitted, tmp_path):
    shutil.copytree(fitted[0], tmp_path / "run")
    path = tmp_path / "run" / "anomaly" / "calibration.npz"
    path.write_bytes(path.read_bytes()[:50])
    result = call("anomaly", "score", tmp_path / "run")
    assert result.exit_code == 1
    assert str(path) in result.stderr and "damaged" in result.stderr


def test_a_run_that_is_replaced_takes_its_detector_with_it(fitted):
    """It would judge by the old model."""
    place, _ = fitted
    names = {p.relative_to(place).as_posix() for p in (place / "anomaly").iterdir()}
    assert len(names) == 3
    assert not names & {p.as_posix() for p in runs.writing.foreign(place)}


@pytest.mark.slow
def test_export(call, fitted, tmp_path):
    result = call("anomaly", "export", fitted[0], "--output", tmp_path / "serving")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "serving" / "scorer" / "1").is_dir()
    about = tmp_path / "serving" / "tflite" / "report.json"
    files = {row["file"] for row in json.loads(about.read_text())["files"]}
    assert files == {"encoder.tflite", "decoder.tflite", "scorer.tflite"}
    result = call("verify", tmp_path / "serving")
    assert result.exit_code == 0, result.output
    assert "scorer/score_bytes" in result.stdout
