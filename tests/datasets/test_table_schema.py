"""What the columns of a table are, and rows that come back as they were."""

import json

import numpy as np
import pandas
import pytest

from keras_vae.datasets import TableSchema, load
from keras_vae.datasets.cells import find_cells
from keras_vae.datasets.column_types import MOST_CATEGORIES

NO_SPLIT = {"validation_fraction": 0, "test_fraction": 0}
N = 300


def frame():
    rng = np.random.default_rng(0)
    day = pandas.Timestamp("2001-05-03")
    days = pandas.to_timedelta(rng.integers(0, 3000, N), "D")
    found = pandas.DataFrame(
        {
            "id": [f"P-{i:04d}" for i in range(N)],
            "age": rng.integers(18, 90, N),
            "income": np.round(np.exp(rng.normal(8, 1.5, N)), 2),
            "weight": rng.normal(70, 10, N).astype("float32"),
            "sex": rng.choice(["f", "m"], N),
            "job": rng.choice(["a", "b", None], N),
            "ok": rng.random(N) < 0.3,
            "bit": rng.integers(0, 2, N),
            "since": day + days,
            "text_date": (day + days[::-1]).strftime("%d.%m.%Y"),
            "moment": day + pandas.to_timedelta(rng.integers(0, 10**6, N), "s"),
            "town": pandas.Categorical(
                rng.choice(list("abc"), N), list("cabz"), ordered=True
            ),
            "constant": "x",
            "kids": rng.poisson(1.2, N),
            "far": 2**40 + rng.integers(0, 10**6, N),
            "points": pandas.array(rng.integers(0, 100, N), dtype="Int64"),
        }
    )
    found.loc[rng.random(N) < 0.2, "income"] = np.nan
    found.loc[:9, "points"] = pandas.NA
    found["until"] = found["since"].where(rng.random(N) < 0.8)
    return found


FRAME = frame()
SCHEMA = TableSchema.find(FRAME)
KINDS = {
    "id": "identifier",
    "age": "count",
    "income": "number",
    "weight": "number",
    "sex": "category",
    "job": "category",
    "ok": "boolean",
    "bit": "boolean",
    "since": "date",
    "text_date": "date",
    "moment": "date",
    "town": "category",
    "constant": "constant",
    "kids": "count",
    "far": "count",
    "points": "count",
    "until": "date",
}


def test_kinds_are_told_apart():
    assert {column.name: column.kind for column in SCHEMA.columns} == KINDS
    assert SCHEMA.data_shape == (len(KINDS) - 2 + 3,)  # two are no part, three flags
    flags = [name for name in SCHEMA.feature_names if name.endswith(" is missing")]
    assert flags == ["income is missing", "points is missing", "until is missing"]


def test_rows_come_back_with_types_ranges_and_decimals():
    x = SCHEMA.encode(FRAME)
    assert x.dtype == np.float32 and x.shape == (N, *SCHEMA.data_shape)
    assert np.isfinite(x).all()
    back = SCHEMA.decode(x)
    assert list(back) == list(FRAME) and (back.dtypes == FRAME.dtypes).all()
    for name in FRAME.columns.drop("id"):
        pandas.testing.assert_series_equal(back[name], FRAME[name], rtol=1e-6)
    # Identifiers are new, and go on counting.
    assert back["id"].tolist() == [f"P-{i:04d}" for i in range(N, 2 * N)]
    assert SCHEMA.decode(x[5:], first_row=5)["id"][0] == back["id"][5]


def test_json_holds_all_of_it():
    again = TableSchema.from_json(json.loads(json.dumps(SCHEMA.to_json())))
    assert again == SCHEMA and str(again) == str(SCHEMA)
    np.testing.assert_array_equal(again.encode(FRAME), SCHEMA.encode(FRAME))
    for damaged in ({}, {"version": 9, "columns": []}, {"version": 1, "columns": [3]}):
        with pytest.raises(ValueError, match="schema of the table is damaged"):
            TableSchema.from_json(damaged)


def test_what_is_drawn_stays_in_the_range_with_its_decimals():
    noise = np.random.default_rng(0).normal(0, 1e7, (200, *SCHEMA.data_shape))
    rows = SCHEMA.decode(noise.astype("float32"))
    for name in ("age", "income", "weight", "kids", "far", "since", "moment"):
        assert rows[name].min() >= FRAME[name].min()
        assert rows[name].max() <= FRAME[name].max()
    income = rows["income"].dropna()
    assert np.array_equal(income, income.round(2))
    assert set(rows["town"].dropna()) <= {"a", "b", "c"}


def test_shares_and_ranges_are_of_the_training_rows():
    train = np.arange(N) < N // 2
    schema = TableSchema.find(FRAME, train=train)
    columns = {column.name: column for column in schema.columns}
    assert columns["age"].low == FRAME["age"][train].min()
    share = (FRAME["sex"][train] == "f").mean()
    assert columns["sex"].frequencies[0] == pytest.approx(share)
    # But what there is at all is known, and encoded.
    assert np.isfinite(schema.encode(FRAME)).all()


def test_rare_categories_are_one_and_come_back_by_their_frequencies():
    words = [f"w{i}" for i in range(MOST_CATEGORIES)]
    column = words * 20 + ["rare"] * 9 + ["rarer"] * 3
    table = pandas.DataFrame({"word": column})
    schema = TableSchema.find(table, kinds={"word": "category"})
    x = schema.encode(table)
    assert len(schema.columns[0].entries) == MOST_CATEGORIES + 1
    assert set(x[-12:, 0]) == {MOST_CATEGORIES}
    many = schema.decode(np.repeat(x[-1:], 4000, axis=0))["word"]
    assert set(many) == {"rare", "rarer"}
    error = np.sqrt(0.75 * 0.25 / 4000)
    assert abs((many == "rare").mean() - 0.75) < 5 * error
    parts = [schema.decode(np.repeat(x[-1:], 40, axis=0), first_row=i) for i in (0, 40)]
    assert pandas.concat(parts)["word"].tolist() == many[:80].tolist()
    # One that nobody knew is rare; without rare ones it is an error.
    assert schema.encode(pandas.DataFrame({"word": ["new"]}))[0, 0] == MOST_CATEGORIES


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (range(5, 35), "identifier"),
        ([*range(29), 40], "count"),
        ([1.5, 2.5] * 15, "number"),
        ([0, 1] * 15, "boolean"),
        (["TRUE", "false"] * 15, "boolean"),
        (["a b c " + str(i) * 3 for i in range(30)], "identifier"),
        (["2020-01-01", "2021-02-03"] * 15, "date"),
        (["2020-01-01", "2021-13-03"] * 15, "category"),
        (["1/2/2020", "2/3/2020"] * 15, "category"),  # 01/02/2020 would come back
        ([7] * 30, "constant"),
    ],
)
def test_kinds(column, kind):
    schema = TableSchema.find(pandas.DataFrame({"c": column, "b": [1, 2, 3] * 10}))
    assert schema.columns[0].kind == kind


def test_a_column_is_what_is_asked_for():
    table = pandas.DataFrame({"zip": range(10_000, 10_030), "b": [1, 2, 3] * 10})
    assert TableSchema.find(table).columns[0].kind == "identifier"
    for kind in ("category", "count", "number"):
        schema = TableSchema.find(table, kinds={"zip": kind})
        assert schema.columns[0].kind == kind
        assert schema.decode(schema.encode(table)).equals(table)


BAD = [
    (pandas.DataFrame(), "should have columns"),
    (FRAME[:0], "is empty: it has columns and no rows"),
    (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "Received: 'a' twice"),
    (pandas.DataFrame({"a": [1, 2], "b": [None, None]}), "'b'.*none at all.*leave"),
    (pandas.DataFrame({"a": [1, np.inf]}), "'a'.*finite"),
    (pandas.DataFrame({"a": [1, 1]}), "differs from row to row"),
    (pandas.DataFrame({"a": [(1,), (2,)]}), "Received: a tuple"),
    ([1, 2], "pandas.DataFrame. Received: list"),
]


@pytest.mark.parametrize(("table", "message"), BAD)
def test_bad_tables(table, message):
    with pytest.raises(ValueError, match=message):
        TableSchema.find(table)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"x": "count"}, "`kinds` should name columns.*Received: 'x'"),
        ({"age": "number of"}, "`kinds` should be among"),
        ({"sex": "count"}, "'sex': expected a count"),
        ({"weight": "count"}, "'weight': expected whole numbers"),
        ({"job": "boolean", "age": "boolean"}, "'age': expected two values"),
    ],
)
def test_bad_kinds(kinds, message):
    with pytest.raises(ValueError, match=message):
        TableSchema.find(FRAME, kinds=kinds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="age"), "missing: 'age'"),
        (lambda f: f.rename(columns={"age": "ages"}), "'ages' may be 'age'"),
        (lambda f: f.assign(new=1), "not known: 'new'"),
        (lambda f: f.assign(sex="fm"), "'sex'.*f, m.*Received: 'fm'"),
        (lambda f: f.assign(age=None), "'age', row 0.*a missing value"),
        (lambda f: f.assign(age="old"), "'age': expected a count"),
        (lambda f: f.assign(kids=77), "'kids': expected one of its"),
        (lambda f: f.assign(text_date="2001"), "'text_date': expected a date"),
        (lambda f: f.assign(weight=np.inf), "'weight', row 0.*infinity"),
    ],
)
def test_bad_new_data(change, message):
    with pytest.raises(ValueError, match=message):
        SCHEMA.encode(change(FRAME[:5]))


def test_new_data_need_neither_identifiers_nor_constants_nor_the_order():
    columns = [*FRAME.columns.drop(["id", "constant"])]
    x = SCHEMA.encode(FRAME[columns[::-1]])
    np.testing.assert_array_equal(x, SCHEMA.encode(FRAME))


def test_cells_hold_equally_many_rows_and_heaps_their_own():
    rng = np.random.default_rng(0)
    values = np.append(np.zeros(600), np.round(rng.gamma(2, 9, 400), 2))
    edges, places = find_cells(values, 0.01)
    assert len(places) == len(edges) - 2
    assert (np.diff(edges) > 0).all() and (np.diff(places) > 0).all()
    np.testing.assert_allclose(edges[:2], [-0.005, 0.005], atol=1e-7)
    rows = np.histogram(values, edges)[0]
    assert rows[0] == 600 and rows[1:].max() <= 2 * 1000 / 128
    assert edges[-1] == pytest.approx(values.max() + 0.005)


def test_cells_of_what_a_float32_cannot_tell_apart():
    values = 2.0**24 + np.repeat([0.0, 0.001, 1, 2, 3, 4, 900], 40)
    edges, places = find_cells(values, 0.001)
    assert (np.diff(np.float32(edges)) > 0).all()
    assert len(places) == len(edges) - 2 and (np.diff(places) > 0).all()


# Files.


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "people.csv"
    FRAME.drop(columns=["since", "until", "moment"]).to_csv(path, index=False)
    return path


def test_a_file_with_text_is_a_table(people):
    dataset = load(people)
    description = json.loads(json.dumps(dataset.description))
    assert description["kind"] == "table" and not dataset.is_image
    assert dataset.feature_names == dataset.schema.feature_names
    assert description["left_out"] == ["id", "constant"]
    again = load(people, like=description)
    np.testing.assert_array_equal(again.train.x, dataset.train.x)
    assert again.schema == dataset.schema
    # Text as it was: dates, booleans; numbers as pandas reads them.
    rows = dataset.schema.decode(dataset.train.x)
    read = pandas.read_csv(people)
    for name in ("text_date", "job", "age", "income"):
        assert set(rows[name].dropna()) <= set(read[name].dropna())
    assert str(rows["points"].dtype) == "Int64"


def test_other_rows_are_read_as_the_table_was(people, tmp_path):
    like = load(people).description
    part = pandas.read_csv(people)[:7].drop(columns=["id", "constant"])
    part[part.columns[::-1]].to_csv(tmp_path / "new.csv", index=False)
    dataset = load(tmp_path / "new.csv", like=like, **NO_SPLIT)
    np.testing.assert_array_equal(
        dataset.train.x, dataset.schema.encode(part.convert_dtypes())
    )
    np.save(tmp_path / "new.npy", dataset.train.x)
    with pytest.raises(ValueError, match="is a .csv file"):
        load(tmp_path / "new.npy", like=like)


def test_labels_of_a_table(people):
    dataset = load(people, label_column="sex")
    assert dataset.label_names == ("f", "m") and "sex" not in dataset.feature_names


def test_numbers_are_a_table_where_that_is_asked_for(tmp_path):
    path = tmp_path / "numbers.csv"
    table = pandas.DataFrame({"a": range(0, 300, 3), "b": [0.5, 0.25] * 50})
    table.to_csv(path, index=False)
    assert load(path).schema is None and load(path, kind="vectors").schema is None
    dataset = load(path, kind="table", **NO_SPLIT)
    kinds = [column.kind for column in dataset.schema.columns]
    assert kinds == ["count", "number"]
    assert dataset.schema.decode(dataset.train.x).equals(table)
    with pytest.raises(ValueError, match="should be 'vectors' or 'table'"):
        load(path, kind="series")
    path.write_text("1,2\n3,4\n")
    with pytest.raises(ValueError, match="a line of the names of its columns"):
        load(path, kind="table")


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NULL"])
def test_missing_values_of_a_file(tmp_path, missing):
    path = tmp_path / "t.csv"
    body = "".join(f"{i * i % 90},{i % 3}\n" for i in range(60))
    path.write_text(f"a,b\n{body}{missing},1\n")
    dataset = load(path, **NO_SPLIT)
    assert dataset.feature_names == ("a", "a is missing", "b")
    assert dataset.train.x[:, 1].tolist() == [0] * 60 + [1]
    rows = dataset.schema.decode(dataset.train.x)
    assert rows["a"].isna().sum() == 1 and str(rows["a"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,x\n2,y\nz,x\n", r"line 4, column 1 \('a'\): .*number. Received: 'z'"),
        ("a,b\n1,x\n2\n", "line 3: expected 2 fields"),
        ("a,b\n1,\n2,\n", "'b'.*none at all"),
        ("a,b\n1,x\n2,1e39\n3,1\n", r"column 2 \('b'\)"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load(path, **NO_SPLIT)


def test_post_codes_keep_their_zeros(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,b\n" + "01234,1\n22222,2\n" * 20)
    dataset = load(path, kind="table", **NO_SPLIT)
    assert dataset.schema.columns[0].kind == "category"
    assert set(dataset.schema.decode(dataset.train.x)["code"]) == {"01234", "22222"}
