"""A table of several kinds of columns, from the file to synthetic rows and back."""

import json

import numpy as np
import pandas
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_vae
from keras_vae import export, runs

N = 120


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Directory of a run, its table as a file, and the table."""
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "id": [f"P-{i:04d}" for i in range(N)],
            "sex": rng.choice(["f", "m"], N),
            "age": rng.integers(18, 90, N),
            "income": np.round(np.exp(rng.normal(8, 1, N)), 2),
            "since": pandas.date_range("2001-05-03", periods=N).strftime("%Y-%m-%d"),
        }
    )
    frame.loc[::7, "income"] = np.nan
    folder = tmp_path_factory.mktemp("people")
    frame.to_csv(folder / "people.csv", index=False)
    small = {"epochs": 1, "latent_dim": 2, "hidden_units": [8], "batch_size": 32}
    said = []
    runs.train(str(folder / "people.csv"), folder / "run", say=said.append, **small)
    return folder / "run", folder / "people.csv", frame, said


def test_types_are_shown_and_kept(people):
    run, _, frame, said = people
    words = "\n".join(said)
    for line in (
        "id +identifier",
        "sex +category",
        "income +number +15%",
        "since +date",
    ):
        assert pandas.Series([words]).str.contains(line, regex=True).all()
    config = json.loads((run / "config.json").read_text())
    assert config["likelihood"] == "columns" and config["data"]["kind"] == "table"
    schema = runs.Run(run).dataset().schema
    assert (
        schema.names == tuple(frame) and runs.Run(run).vae.likelihood.schema == schema
    )


def test_sample_writes_rows_as_the_table_has_them(people, call, tmp_path):
    run, _, frame, _ = people
    path = tmp_path / "synthetic.csv"
    result = call("sample", run, "--num-samples", 70, "--seed", 3, "--output", path)
    assert result.exit_code == 0, result.output
    rows = pandas.read_csv(path)
    assert list(rows) == list(frame) and (rows.dtypes == frame.dtypes).all()
    assert len(rows) == 70 and not set(rows["id"]) & set(frame["id"])
    assert rows["age"].between(frame["age"].min(), frame["age"].max()).all()
    income = rows["income"].dropna()
    assert np.array_equal(income, income.round(2)) and len(income) < 70
    again = keras_vae.applications.sample_rows(runs.Run(run).vae, 70, seed=3)
    pandas.testing.assert_frame_equal(rows, again)
    # And of the model's file alone, a batch at a time.
    alone = ("sample", run / "model.keras", "--num-samples", 70, "--seed", 3)
    other = tmp_path / "alone.csv"
    assert call(*alone, "--batch-size", 32, "--output", other).exit_code == 0
    assert other.read_text() == path.read_text()


def test_sample_where(people, call, tmp_path):
    run = people[0]
    path = tmp_path / "women.csv"
    where = ["sex=f", "age=30..40", "income=", "since=2001-05-20.."]
    options = [each for condition in where for each in ("--where", condition)]
    result = call("sample", run, "--num-samples", 20, *options, "--output", path)
    assert result.exit_code == 0, result.output
    rows = pandas.read_csv(path)
    assert len(rows) == 20 and set(rows["sex"]) == {"f"} and rows["income"].isna().all()
    assert rows["age"].between(30, 40).all() and (rows["since"] >= "2001-05-20").all()


@pytest.mark.parametrize(
    ("where", "output", "message"),
    [
        ("age", "s.csv", "not of the form COLUMN=VALUE"),
        ("sx=f", "s.csv", "--where should name columns of the table"),
        ("sex=x", "s.csv", "the column 'sex' cannot be 'x'"),
        ("age=300..", "s.csv", "lies between"),
        ("sex=f", "s.png", "are written to a .csv"),
        ("sex=f", "s.npy", "are written to a .csv"),
    ],
)
def test_bad_conditions(people, call, tmp_path, where, output, message):
    result = call("sample", people[0], "--where", where, "--output", tmp_path / output)
    assert result.exit_code != 0 and message in " ".join(result.output.split())
    assert not (tmp_path / output).exists()


def test_where_is_of_tables_alone(run, table, call, tmp_path):
    for other in (run, table[0]):
        result = call("sample", other, "--where", "a=1", "--output", tmp_path / "s.csv")
        assert result.exit_code != 0 and "model is none of a table" in result.output


def test_other_rows_are_encoded_scored_and_reconstructed(people, call, tmp_path):
    run, _, frame, _ = people
    new = frame.drop(columns="id")[::-1][:9]
    new.to_csv(tmp_path / "new.csv", index=False)
    vae = runs.Run(run).vae
    x = vae.likelihood.schema.encode(new)
    arguments = (run, "--input", tmp_path / "new.csv", "--output")
    assert call("score", *arguments, tmp_path / "s.csv").exit_code == 0
    scores = pandas.read_csv(tmp_path / "s.csv")
    np.testing.assert_allclose(scores["elbo"], vae.elbo(x), rtol=1e-4)
    assert call("encode", *arguments, tmp_path / "z.csv").exit_code == 0
    codes = pandas.read_csv(tmp_path / "z.csv")[["z_mean_0", "z_mean_1"]]
    np.testing.assert_allclose(codes, vae.codes(x), rtol=1e-4, atol=1e-5)
    assert call("reconstruct", *arguments, tmp_path / "r.csv").exit_code == 0
    rows = pandas.read_csv(tmp_path / "r.csv")
    assert list(rows) == list(frame) and rows["sex"].isin(["f", "m"]).all()
    table = tmp_path / "between.csv"
    assert call("interpolate", *arguments, table).exit_code == 0
    assert list(pandas.read_csv(table))[2:] == list(frame)
    (tmp_path / "new.csv").write_text(new.assign(sex="x").to_csv(index=False))
    result = call("score", *arguments, tmp_path / "s.csv")
    assert (
        result.exit_code != 0 and "column 'sex': expected one of its" in result.output
    )


def test_anomalies_of_a_table(people, call, tmp_path):
    run, path, _, _ = people
    folder = tmp_path / "detector"
    options = ("--score", "squared_error", "--split", "test", "--level", 0.2)
    result = call("anomaly", "fit", run, *options, "--output", folder)
    assert result.exit_code == 0, result.output
    arguments = ("--detector", folder, "--input", path, "--output", tmp_path / "a.csv")
    result = call("anomaly", "score", run, *arguments)
    assert result.exit_code == 0, result.output
    scores = pandas.read_csv(tmp_path / "a.csv")
    assert len(scores) == N and np.isfinite(scores["anomaly_score"]).all()


def test_the_export_draws_the_rows_that_python_draws(people):
    run = people[0]
    results = export.verify(run / "export")
    assert all(result.passed for result in results)
    where = {(result.signature, result.where) for result in results}
    for place in ("SavedModel", "decoder.tflite"):
        assert ("decoder/draw", place) in where
    # A file with eight bits would mix columns up: there is none.
    assert {path.name for path in (run / "export" / "tflite").iterdir()} == {
        "encoder.tflite",
        "decoder.tflite",
        "report.json",
    }
    vae = runs.Run(run).vae
    path = run / "export" / "tflite" / "decoder.tflite"
    draw = Interpreter(str(path)).get_signature_runner("draw")
    seeds = np.stack([[7, i] for i in range(30)]).astype("int32")
    rows = draw(seed=seeds)["x"]
    np.testing.assert_allclose(rows, vae.sample(30, seed=7, draws=True), rtol=1e-6)
    # What tells a phone the words: places of values, and where numbers begin.
    words = export.tflite_metadata.read_tflite_metadata(path)["columns"]
    assert words[0] == {"name": "sex", "kind": "category", "values": ["f", "m"]}
    schema = vae.likelihood.schema
    expected = schema.decode(rows)
    assert [words[0]["values"][int(i)] for i in rows[:, 0]] == [*expected["sex"]]
    days = rows[:, -1] + words[-1]["origin"]
    assert words[-1]["unit"] == "D"
    dates = pandas.to_datetime(days, unit="D")
    assert [*pandas.Series(dates).dt.strftime("%Y-%m-%d")] == [*expected["since"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"likelihood": "gaussian"}, "tables have no other.*`kind` vectors"),
        ({"binarize": "threshold"}, "`binarize`"),
    ],
)
def test_what_does_not_go_with_a_table(people, tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        runs.train(str(people[1]), tmp_path / "run", **given)


def test_the_likelihood_of_tables_is_of_tables(tmp_path):
    with pytest.raises(ValueError, match="`likelihood` columns is of tables"):
        runs.train("digits", tmp_path / "run", likelihood="columns")


@pytest.mark.parametrize(
    ("model", "prior"), [("iwae", "mixture"), ("hierarchical_vae", "standard_normal")]
)
def test_other_members_of_the_family(people, model, prior):
    data = keras_vae.datasets.load(people[1])
    given = {"dataset": "people.csv", "latent_dim": 2, "hidden_units": [8]}
    config = runs.settings.defaults() | given
    config |= {"likelihood": "columns", "model": model, "prior": prior}
    vae = runs.build.build(config, data)
    history = vae.fit(data.train.x, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
