"""Tables: what they are read as, and where exactly a bad one is bad."""

import tracemalloc

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vae.datasets import load

NO_SPLIT = {"validation_fraction": 0, "test_fraction": 0}


@pytest.fixture
def csv(tmp_path):
    """A function that writes a file and gives its path."""

    def write(text, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def rows(dataset):
    return dataset.train.x.tolist()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [False, True])
def test_numbers(csv, delimiter, end, header):
    lines = [["1", "-2.5"], ["1e3", '"+.5"'], ["0", "7"]]
    if header:
        lines.insert(0, ["width", '"height"'])
    path = csv("".join(delimiter.join(line) + end for line in lines))
    dataset = load(path, **NO_SPLIT)
    assert rows(dataset) == [[1, -2.5], [1000, 0.5], [0, 7]]
    assert dataset.feature_names == (("width", "height") if header else None)
    assert not dataset.is_image and dataset.data_shape == (2,)
    assert dataset.train.value_range == (-2.5, 1000)
    assert dataset.label_names is None and dataset.name == "table"


def test_what_spreadsheets_write(csv):
    """A mark before the first byte, empty lines, and no end of the last line."""
    path = csv("\ufeffa,b\r\n\r\n1,2\r\n  \r\n3,4", encoding="utf-8")
    dataset = load(path, **NO_SPLIT)
    assert rows(dataset) == [[1, 2], [3, 4]] and dataset.feature_names == ("a", "b")


def test_spaces_around_numbers(csv):
    dataset = load(csv("a , b\n1 ,  2\n 3, 4 \n"), **NO_SPLIT)
    assert rows(dataset) == [[1, 2], [3, 4]] and dataset.feature_names == ("a", "b")


def test_one_column(csv):
    assert rows(load(csv("1\n2\n3\n"), **NO_SPLIT)) == [[1], [2], [3]]


@given(st.lists(st.tuples(*[st.floats(-(2**59), 2**59, width=32)] * 3), min_size=1))
def test_every_float_comes_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text("\n".join(",".join(map(repr, row)) for row in table))
    assert rows(load(path, **NO_SPLIT)) == [list(row) for row in table]


@pytest.mark.parametrize("label_column", ["kind", 1, -2])
def test_labels(csv, label_column):
    path = csv("a,kind,b\n1, cat ,2\n3,ant,4\n5,cat,6\n")
    dataset = load(path, label_column=label_column, **NO_SPLIT)
    assert rows(dataset) == [[1, 2], [3, 4], [5, 6]]
    assert dataset.train.labels.tolist() == [1, 0, 1]
    assert dataset.label_names == ("ant", "cat")
    assert dataset.feature_names == ("a", "b") and dataset.data_shape == (2,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3,4", "line 3: expected 3 fields, as in the first line. Received: 2"),
        ("3,4, ", r"line 3, column 3 \('kind'\): expected a label"),
    ],
)
@pytest.mark.parametrize("is_new", [False, True])
def test_a_row_without_its_label_is_named(csv, row, message, is_new):
    path = csv(f"a,b,kind\n1,2,cat\n{row}\n5,6,ant\n")
    labelled = csv("a,b,kind\n1,2,cat\n3,4,ant\n", "labelled.csv")
    whole = load(labelled, label_column="kind", **NO_SPLIT)
    options = {"like": whole.description} if is_new else {"label_column": "kind"}
    with pytest.raises(ValueError, match=message):
        load(path, **options)


def test_labels_may_be_missing_where_that_is_asked_for(csv):
    options = {"label_column": "kind", **NO_SPLIT}
    path = csv("a,b,kind\n1,2,cat\n3,4, \n5,6,ant\n")
    data = load(path, missing_labels=True, **options)
    assert data.label_names == ("-1", "ant", "cat")
    assert data.train.labels.tolist() == [2, 0, 1]
    numbers = csv("a,b,kind\n1,2,10\n3,4,\n5,6,9\n")
    data = load(numbers, missing_labels=True, **options)
    assert data.label_names == ("-1", "9", "10")
    with pytest.raises(ValueError, match="`missing_labels` does not apply"):
        load("digits", missing_labels=True)


def test_new_data_need_not_have_labels_in_their_column(csv):
    labelled = csv("a,b,kind\n1,2,cat\n3,4,ant\n", "labelled.csv")
    whole = load(labelled, label_column="kind", **NO_SPLIT)
    path = csv("a,b,kind\n1,2,\n3,4,\n")
    dataset = load(path, like=whole.description, **NO_SPLIT)
    assert rows(dataset) == [[1, 2], [3, 4]]
    assert dataset.train.labels is None and dataset.label_names is None
    # What is wrong with the numbers is said nevertheless.
    with pytest.raises(ValueError, match="line 2, column 2 .*: expected a number"):
        load(csv("a,b,kind\n1,x,\n"), like=whole.description)


def test_labels_that_are_numbers_are_sorted_as_numbers(csv):
    path = csv("10,.5\n9,.25\n10.0,0\n")
    dataset = load(path, label_column=0, **NO_SPLIT)
    assert dataset.label_names == ("9", "10")
    assert dataset.train.labels.tolist() == [1, 0, 1]


def test_names_in_the_first_row_are_data_if_a_number_is_beside_them(csv):
    """Iris without its header."""
    path = csv("5.1,3.5,setosa\n7.0,3.2,versicolor\n")
    assert rows(load(path, label_column=2, **NO_SPLIT)) == [
        [np.float32(5.1), 3.5],
        [7, np.float32(3.2)],
    ]
    message = r"line 1, column 3: expected a number. Received: 'setosa'.*label_column"
    with pytest.raises(ValueError, match=message):
        load(path)


def test_splits_and_standardisation(csv):
    x = np.random.RandomState(0).randn(100, 2) * [1, 50] + [0, 1000]
    x = x.astype("float32")
    text = "".join(f"{a!r},{i},{b!r},3\n" for i, (a, b) in enumerate(x.tolist()))
    dataset = load(csv(text), label_column=1, seed=2)
    apart = []
    for split, size in zip(
        (dataset.train, dataset.validation, dataset.test), (80, 10, 10), strict=True
    ):
        assert split.num_examples == size
        assert np.array_equal(split.x[:, :2], x[split.labels])
        apart.extend(split.labels)
    assert sorted(apart) == list(range(100))
    train = x[dataset.train.labels].astype("float64")
    np.testing.assert_allclose(dataset.mean, [*train.mean(0), 3], rtol=1e-6)
    np.testing.assert_allclose(dataset.scale, [*train.std(0), 1], rtol=1e-6)


LONG = 70_000  # lines: more than one block of them


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv is empty"),
        ("\n \n", "table.csv is empty"),
        ("a,b\n", "a header and no rows"),
        ("1,2\n3\n", "line 2: expected 2 fields.*Received: 1"),
        ("1,2\n3,4,5\n", "line 2: expected 2 fields.*Received: 3"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2: expected 2 fields.*Received: 3"),
        ("\na,b\n\n1,2\n3,x\n", r"line 5, column 2 \('b'\).*number. Received: 'x'"),
        ("1,2\n3,\n", "line 2, column 2: .*Received: a missing value"),
        ("1;2\n3;4,5\n", "line 2, column 2: .*Received: '4,5'"),
        ("1,2\n3,1_000\n", "line 2, column 2: .*Received: '1_000'"),
        ("1,2\n3,0x10\n", "line 2, column 2: .*Received: '0x10'"),
        ("a,b\n1,nan\n3,inf\n", r"line 3, column 2 \('b'\): .*finite .*ved: inf"),
        ("1,nan\n3,inf\n", "2 values .* first of them in line 1, column 2"),
        ("1,2\n1e39,4\n", "1 values .* line 2, column 1"),
        ("a,b\n1,2\n3,-1e38\n", r"beyond 1e\+18, .* line 3, column 2 \('b'\): -1e38"),
        ("1,2\n" * LONG + "3\n", f"line {LONG + 1}: expected 2 fields"),
        ("1,2\n" * LONG + "\n3,x\n", f"line {LONG + 2}, column 2: .*'x'"),
        ("1\n" * LONG + "nan\n", f"1 values .* line {LONG + 1}, column 1"),
        ("1,2\n3," + "x" * 200_000 + "\n", "table.csv cannot be read as a table"),
        ("1,2\n", "1 example cannot be divided"),
    ],
)
def test_bad_tables(csv, text, message):
    with pytest.raises(ValueError, match=message):
        load(csv(text))


@pytest.mark.parametrize(
    ("text", "label_column", "message"),
    [
        ("a,kind\n1,x\n", "kinds", r"\(a, kind\). Did you mean 'kind'\?.*='kinds'"),
        ("a,kind\n1,x\n", 2, "one of the 2 columns.*label_column=2"),
        ("1,2\n", "kind", "no names: use a number"),
        ("kind\nx\n", "kind", "no column beside the labels"),
        ("a,kind\n1,x\ninf,y\n", "kind", r"line 3, column 1 \('a'\)"),
        ("kind,a\nx,1\ny,inf\n", "kind", r"line 3, column 2 \('a'\)"),
        ("kind,a\nx,1\ny,1,1\n", "kind", "line 3: expected 2 fields"),
        ("1,.5\n2,.25\n", 1, "Labels should be whole numbers"),
    ],
)
def test_bad_labels(csv, text, label_column, message):
    with pytest.raises(ValueError, match=message):
        load(csv(text), label_column=label_column)


def test_a_file_that_is_no_text(csv):
    with pytest.raises(ValueError, match=r"table.csv is not a text file in UTF-8"):
        load(csv("a,b\n1,\xe9\n", encoding="latin-1"))


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        # What pandas' to_csv writes for an array, without and with its index.
        ("0,1,2\n5,6,7\n8,9,3\n", ("0", "1", "2"), [[5, 6, 7], [8, 9, 3]]),
        (",0,1\n0,5,6\n1,8,9\n", ("0", "1"), [[5, 6], [8, 9]]),
        # Binary data, and counts that are in no such order.
        ("0,1\n1,1\n", None, [[0, 1], [1, 1]]),
        ("0,2,1\n5,6,7\n", None, [[0, 2, 1], [5, 6, 7]]),
    ],
)
@pytest.mark.filterwarnings("ignore:.* is left out")
def test_the_header_that_pandas_writes(csv, text, names, expected):
    dataset = load(csv(text), **NO_SPLIT)
    assert rows(dataset) == expected and dataset.feature_names == names


def test_pandas_own_files_are_read(csv, tmp_path):
    frame = pandas.DataFrame({"a": [1.5, 2], "b": [3, 4]})
    frame.to_csv(tmp_path / "t.csv")
    with pytest.warns(UserWarning, match=r"column 1 \(''\) is left out"):
        dataset = load(tmp_path / "t.csv", **NO_SPLIT)
    assert rows(dataset) == [[1.5, 3], [2, 4]]
    assert dataset.description["left_out"] == [""]


@pytest.mark.parametrize("name", ["index", "ID", "Unnamed: 0"])
def test_a_column_called_index_is_left_out_whatever_is_in_it(csv, name):
    path = csv(f"a,{name},b\n1,x7,2\n3,y9,4\n")
    with pytest.warns(UserWarning, match=rf"column 2 \('{name}'\) .* for its name"):
        dataset = load(path, **NO_SPLIT)
    assert rows(dataset) == [[1, 2], [3, 4]] and dataset.feature_names == ("a", "b")


@pytest.mark.parametrize("memory_limit", [2**30, 10])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("header", ["row,a\n", ""])
def test_a_column_that_counts_the_rows_is_left_out(csv, header, first, memory_limit):
    body = "".join(f"{first + i},{i * i % 7}\n" for i in range(10))
    path = csv(header + body)
    with pytest.warns(UserWarning, match="csv: column 1.* because it counts the rows"):
        dataset = load(path, memory_limit=memory_limit, **NO_SPLIT)
    x = np.concatenate(list(dataset.train.batches(4).as_numpy_iterator()))
    assert x.tolist() == [[i * i % 7] for i in range(10)]
    # And of other rows of the same table, where it does not begin at its beginning.
    other = csv(header + "".join(f"{first + i},{i}\n" for i in (5, 9)), "other.csv")
    dataset = load(other, like=dataset.description, **NO_SPLIT)
    assert rows(dataset) == [[5], [9]]


@pytest.mark.filterwarnings("error::UserWarning")
def test_what_only_looks_like_a_count_is_data(csv):
    nearly = "".join(f"{i},{i // 2}\n" for i in [*range(20), 21])
    assert load(csv("a,b\n" + nearly), **NO_SPLIT).data_shape == (2,)
    few = "".join(f"{i},5\n" for i in range(9))
    assert load(csv("a,b\n" + few), **NO_SPLIT).data_shape == (2,)


def test_a_table_of_nothing_but_an_index(csv):
    with (
        pytest.warns(UserWarning, match="is left out"),
        pytest.raises(ValueError, match="no column beside those left out"),
    ):
        load(csv("id\n3\n"))


@pytest.mark.parametrize("name", ["Class", "label", "species"])
def test_a_column_that_looks_like_labels_is_named(csv, name):
    path = csv(f"a,{name}\n.5,0\n.25,2\n.5,1\n")
    with pytest.warns(UserWarning, match=f"column '{name}' .values 0, 1, 2.*--label-c"):
        dataset = load(path, **NO_SPLIT)
    assert dataset.data_shape == (2,)


@pytest.mark.filterwarnings("error::UserWarning")
def test_labels_that_are_given_or_are_none_are_not_warned_of(csv):
    path = csv("a,y\n.5,0\n.25,1\n")
    load(path, label_column="y", **NO_SPLIT)
    like = load(csv("a,y\n.5,.1\n.25,1\n", "other.csv"), **NO_SPLIT).description
    load(path, like=like, **NO_SPLIT)
    load(csv("a,y\n" + "".join(f".5,{7 * i}\n" for i in range(101))), **NO_SPLIT)


def test_two_columns_of_one_name(csv):
    with pytest.raises(ValueError, match="name of its own.*Received: 'a' twice"):
        load(csv("a,b,a\n1,2,3\n"))


def test_a_table_too_wide_is_refused_before_it_is_read(csv):
    line = ",".join(["1"] * 100_001)
    with pytest.raises(ValueError, match="at most 100,000 columns. Received: 100,001"):
        load(csv(f"{line}\nx\n"))


def test_a_field_may_hold_a_line_break(csv):
    path = csv('a,"b\nc"\n1,"x\ny"\n2,z\n3,z\n')
    dataset = load(path, label_column="b\nc", **NO_SPLIT)
    assert rows(dataset) == [[1], [2], [3]] and dataset.label_names == ("x\ny", "z")
    with pytest.raises(ValueError, match="line 5, column 1 .'a'.: .*'w'"):
        load(csv('a,"b\nc"\n1,"x\ny"\nw,z\n'), label_column=1)


def test_what_does_not_fit_in_memory_streams(csv):
    x = np.random.RandomState(0).rand(40_000, 10).astype("float32")
    lines = [
        ",".join(map(repr, row)) + f",{i % 3}\n" for i, row in enumerate(x.tolist())
    ]
    path = csv("".join(lines))
    whole = load(path, label_column=-1)
    tracemalloc.start()
    dataset = load(path, label_column=-1, memory_limit=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first = dataset.train.training_batches(128, seed=0).take(3)
    first = list(first.as_numpy_iterator())
    # A block of 4096 lines of text and its numbers, whatever the length of the table.
    assert path.stat().st_size > 7 * 2**20
    assert peak < 4 * 2**20
    assert whole.train.in_memory and not dataset.train.in_memory
    expected = whole.train.training_batches(128, seed=0).take(3)
    for one, other in zip(expected.as_numpy_iterator(), first, strict=True):
        assert np.array_equal(one, other)
    np.testing.assert_allclose(dataset.mean, whole.mean)
    batch, labels = next(iter(dataset.test.batches(4000, with_labels=True)))
    assert np.array_equal(batch, whole.test.x)
    assert np.array_equal(labels, whole.test.labels)
