"""`label`."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from keras_vae import evaluation, runs
from keras_vae.applications import Labeler, detector_files, labeler
from keras_vae.datasets import hide_labels
from keras_vae_cli.anomaly import DETECTOR
from keras_vae_cli.label import LABELER


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def probabilities(rows, names):
    return np.array([[float(row[f"p_{name}"]) for name in names] for row in rows])


def test_a_run_of_digits(call, run, tmp_path):
    output, figure, place = (tmp_path / n for n in ("p.csv", "a.png", "labeler"))
    result = call(
        *("label", run, "--num-labels", 200, "--epochs", 4, "--output", output),
        *("--figure", figure, "--save", place),
    )
    assert result.exit_code == 0, result.output
    rows = read(output)
    names = [str(y) for y in range(10)]
    assert list(rows[0]) == ["index", "label", "predicted", *(f"p_{n}" for n in names)]
    data = runs.Run(run).dataset()
    few = hide_labels(data.train.labels, 200)
    assert [int(row["label"]) for row in rows] == few.tolist()
    labeler = Labeler.load(place)
    assert labeler.label_names == names
    found = labeler.predict_proba(data.train.x)
    np.testing.assert_allclose(probabilities(rows, names), found, atol=1e-5)
    predicted = [int(row["predicted"]) for row in rows]
    np.testing.assert_array_equal(predicted, found.argmax(axis=1))
    of_test = labeler.predict_proba(data.test.x)
    error = 100 * np.mean(of_test.argmax(axis=1) != data.test.labels)
    ece = evaluation.calibration_error(of_test, data.test.labels)
    [line] = [x for x in result.stdout.splitlines() if x.split()[:1] == ["test"]]
    assert line.split()[1:] == [str(len(of_test)), f"{error:.2f}", f"{ece:.4f}"]
    assert "error, %" in result.stdout and "200 labels given" in result.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_images_of_which_some_have_labels(call, run, tmp_path):
    train = runs.Run(run).dataset().train
    few = hide_labels(train.labels, 50)
    np.savez(tmp_path / "partly.npz", x=train.x, y=few)
    output = tmp_path / "p.csv"
    result = call(
        *("label", run, "--input", tmp_path / "partly.npz", "--on", "data"),
        *("--epochs", 1, "--output", output),
    )
    assert result.exit_code == 0, result.output
    rows = read(output)
    assert [int(row["label"]) for row in rows] == few.tolist()
    assert "50 labels given" in result.stdout and "test" in result.stdout
    for labels, words in [
        (np.where(few == 3, -1, few), "none of class 3"),
        (train.labels, "Some examples should have no label"),
        (np.where(few == 3, 12, few), "should be those of the run"),
        (np.full(len(few), -1), "none of class 0"),
    ]:
        np.savez(tmp_path / "bad.npz", x=train.x, y=labels)
        result = call(
            *("label", run, "--input", tmp_path / "bad.npz", "--output", output)
        )
        assert result.exit_code == 1, result.output
        assert words in result.stderr
    np.savez(tmp_path / "bad.npz", x=train.x)
    result = call("label", run, "--input", tmp_path / "bad.npz", "--output", output)
    assert result.exit_code == 1 and "has no labels" in result.stderr


def test_a_table_with_missing_labels(call, table, tmp_path):
    run, source = table
    header, *lines = source.read_text().splitlines()
    # Of 60 rows the first 10 keep their labels, x and y in turn.
    fields = [line.split(",") for line in lines]
    for i, row in enumerate(fields):
        row[2] = row[2] if i < 10 else ("" if i % 2 else "-1")
    partly = tmp_path / "partly.csv"
    partly.write_text("\n".join([header, *(",".join(row) for row in fields)]))
    output = tmp_path / "p.csv"
    result = call(
        *("label", run, "--input", partly, "--output", output, "--epochs", 2),
        *("--figure", tmp_path / "a.png", "--on", "data"),
    )
    assert result.exit_code == 0, result.output
    rows = read(output)
    assert list(rows[0]) == ["index", "label", "predicted", "p_x", "p_y"]
    assert [row["label"] for row in rows] == ["x", "y"] * 5 + ["-1"] * 50
    np.testing.assert_allclose(probabilities(rows, "xy").sum(axis=1), 1, rtol=1e-4)
    for content, words in [
        ("", "empty"),
        (header + "\n", "no rows"),
        ("a,kind\n1,x\n2,-1\n", "height"),
        ("\n".join([header, *lines[:1], "1,2,,3"]), "none of class 1"),
    ]:
        (tmp_path / "bad.csv").write_text(content)
        result = call("label", run, "--input", tmp_path / "bad.csv", "--output", output)
        assert result.exit_code == 1, result.output
        assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{run}", "--output", "p.csv"], "Say where the labels are"),
        (["{run}", "--num-labels", "9"], "--output"),
        (
            ["{run}", "--num-labels", "9", "--input", "digits", "--output", "p.csv"],
            "Say where the labels are",
        ),
        (
            ["{run}", "--num-labels", "9", "--label-column", "y", "--output", "p.csv"],
            "--label-column is of --input",
        ),
        (
            ["{run}/model.keras", "--num-labels", "9", "--output", "p.csv"],
            "should be the directory of a run",
        ),
        (["{run}", "--num-labels", "0", "--output", "p.csv"], "--num-labels"),
        (
            ["{run}", "--num-labels", "9", "--output", "p.csv", "--save", "{run}"],
            "holds something else than a labeler",
        ),
        (
            ["{run}", "--num-labels=9", "--output=p.csv", "--save={run}/model.keras/l"],
            "for --save",
        ),
        (["{run}", "--on", "code", "--output", "p.csv"], "Did you mean 'codes'?"),
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
        [sys.executable, "-c", code, "label", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert words in result.stderr and "Traceback" not in result.stderr


def test_too_few_labels_are_told_in_one_line(call, run, tmp_path):
    result = call("label", run, "--num-labels", 5, "--output", tmp_path / "p.csv")
    assert result.exit_code == 1
    assert "--num-labels should be 10 or more" in result.stderr


@pytest.mark.parametrize(
    ("known", "folder"), [(LABELER, labeler.FOLDER), (DETECTOR, detector_files.FOLDER)]
)
def test_folders_are_known_by_what_the_package_writes(known, folder):
    assert (known.kind, known.settings) == (folder.kind, folder.settings)
