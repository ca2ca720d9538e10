"""Digits, `.npy` and `.npz`, and the files that are neither."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_digits as sklearn_digits

from keras_vae.datasets import load

NO_SPLIT = {"validation_fraction": 0, "test_fraction": 0}


def test_digits_are_those_of_scikit_learn():
    dataset = load("digits", **NO_SPLIT)
    source = sklearn_digits()
    expected = source.images.astype("float32")[..., np.newaxis] / 16
    assert np.array_equal(dataset.train.x, expected)
    assert np.array_equal(dataset.train.labels, source.target)
    assert dataset.label_names == tuple("0123456789") and dataset.num_classes == 10
    assert dataset.is_image and dataset.data_shape == (8, 8, 1)
    assert dataset.train.value_range == (0, 1)
    assert dataset.name == "digits"


def test_digits_are_divided_and_the_labels_go_along():
    dataset = load("digits", seed=4)
    sizes = [s.num_examples for s in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [1437, 180, 180]
    source = {}  # from an image to its labels
    for image, label in zip(*sklearn_digits(return_X_y=True), strict=True):
        source.setdefault((image / 16).astype("float32").tobytes(), set()).add(label)
    for split in (dataset.train, dataset.validation, dataset.test):
        for x, label in zip(split.x, split.labels, strict=True):
            assert label in source[x.tobytes()]


@pytest.mark.parametrize("memory_limit", [2**30, 10])
@pytest.mark.parametrize(
    ("dtype", "divided_by"),
    [
        ("uint8", 255),
        ("bool", 1),
        ("int64", 1),
        ("uint16", 1),
        ("float16", 1),
        ("float64", 1),
        (">f4", 1),
    ],
)
def test_npy(tmp_path, dtype, divided_by, memory_limit):
    x = np.arange(60).reshape(20, 3).astype(dtype)
    np.save(tmp_path / "table.npy", x)
    dataset = load(tmp_path / "table.npy", memory_limit=memory_limit, **NO_SPLIT)
    assert dataset.name == "table"
    assert not dataset.is_image and dataset.data_shape == (3,)
    assert dataset.train.in_memory == (memory_limit > 60)
    received = np.concatenate(list(dataset.train.batches(7).as_numpy_iterator()))
    assert received.dtype == np.float32
    expected = (x.astype("float64") / divided_by).astype("float32")
    assert np.array_equal(received, expected)


@pytest.mark.parametrize(
    ("shape", "dtype", "data_shape", "kind"),
    [
        ((10, 4), "float32", (4,), "vectors"),
        ((10, 4, 8), "float32", (4, 8, 1), "images"),
        ((10, 4, 5), "uint8", (4, 5, 1), "images"),
        ((10, 4, 5), "bool", (4, 5, 1), "images"),
        ((10, 100, 1), "float32", (100, 1), "series"),
        ((10, 4, 7), "int64", (4, 7), "series"),
        ((10, 4, 5, 3), "float32", (4, 5, 3), "images"),
    ],
)
def test_type_and_shape_say_what_it_is(tmp_path, shape, dtype, data_shape, kind):
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype))
    dataset = load(str(tmp_path / "x.npy"))
    assert dataset.data_shape == data_shape and dataset.kind == kind
    assert dataset.is_image == (kind == "images")
    assert dataset.train.num_examples == 8
    scale = None if kind == "images" else data_shape
    assert (dataset.scale is None) if scale is None else dataset.scale.shape == scale


def test_where_the_rule_does_not_fit_the_kind_is_said(tmp_path):
    x = np.random.RandomState(0).randn(4, 6, 12)
    for name, save in (("x.npy", np.save), ("x.npz", np.savez)):
        save(tmp_path / name, x)
        dataset = load(tmp_path / name, kind="series", **NO_SPLIT)
        assert dataset.data_shape == (6, 12) and not dataset.is_image
        assert np.array_equal(dataset.train.x, x.astype("float32"))
        # What is like it needs no saying.
        like = dataset.description
        assert load(tmp_path / name, like=like, **NO_SPLIT).kind == "series"
    np.save(tmp_path / "narrow.npy", x[..., :3])
    dataset = load(tmp_path / "narrow.npy", kind="images", **NO_SPLIT)
    assert dataset.data_shape == (6, 3, 1)
    with pytest.raises(ValueError, match=r"`kind='vectors'` needs arrays of 2 axes"):
        load(tmp_path / "x.npy", kind="vectors")
    with pytest.raises(ValueError, match="`kind` should be 'images', 'series', "):
        load(tmp_path / "x.npy", kind="text")


def test_an_array_of_an_npz_is_chosen_by_name(tmp_path):
    arrays = {"spectra": np.ones((5, 2)), "other": np.zeros((4, 3)), "who": [*"abcab"]}
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = load(tmp_path / "a.npz", array="spectra", label_column="who", **NO_SPLIT)
    assert dataset.train.x.tolist() == [[1, 1]] * 5
    assert dataset.train.labels.tolist() == [0, 1, 2, 0, 1]
    assert load(tmp_path / "a.npz", array="other", **NO_SPLIT).label_names is None
    message = r"`array` should .*spectra \(5, 2\), other \(4, 3\).*mean 'spectra'"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.npz", array="spectrum")
    with pytest.raises(ValueError, match="`label_column` should be the name of an arr"):
        load(tmp_path / "a.npz", array="other", label_column="whom")


@pytest.mark.parametrize(
    ("train", "test", "save", "memory_limit"),
    [
        ("x_train", "x_test", np.savez, 2**30),
        ("x_train", "x_test", np.savez_compressed, 100),
        ("train_images", "test_images", np.savez, 100),
    ],
)
def test_npz_with_its_own_test(tmp_path, save, train, test, memory_limit):
    x = np.arange(100, dtype="float32").reshape(20, 5)
    y = np.arange(20)[:, np.newaxis] % 3  # a column, as MedMNIST keeps its labels
    labels = {"x_train": ("y_train", "y_test")}
    y_train, y_test = labels.get(train, ("train_labels", "test_labels"))
    arrays = {train: x[:15], y_train: y[:15], test: x[15:], y_test: y[15:]}
    save(tmp_path / "a.npz", **arrays, else_="not ours")
    dataset = load(tmp_path / "a.npz", memory_limit=memory_limit, seed=1)
    assert dataset.train.in_memory == (memory_limit > 100)
    assert dataset.num_classes == 3
    seen = {}
    for part in ("train", "validation", "test"):
        batches = getattr(dataset, part).batches(4, with_labels=True)
        seen[part] = [(row[0], code) for b in batches for row, code in zip(*b)]  # noqa: B905
    whole = [(row[0], code[0]) for row, code in zip(x, y, strict=True)]
    assert seen["test"] == whole[15:]
    assert len(seen["validation"]) == 2  # a tenth of 15
    assert sorted(seen["train"] + seen["validation"]) == whole[:15]


def test_npz_with_validation_and_no_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 2)), x_val=np.ones((3, 2)))
    dataset = load(tmp_path / "a.npz")
    assert dataset.validation.x.tolist() == [[1, 1]] * 3
    assert dataset.train.num_examples == 18 and dataset.test.num_examples == 2
    assert dataset.label_names is None


def test_an_array_alone_may_have_any_name(tmp_path):
    np.savez(tmp_path / "a.npz", np.ones((5, 2)))
    assert load(tmp_path / "a.npz", **NO_SPLIT).train.x.tolist() == [[1, 1]] * 5


def test_labels_may_be_words(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=["b", "a", "b"])
    dataset = load(tmp_path / "a.npz", **NO_SPLIT)
    assert dataset.train.labels.tolist() == [1, 0, 1]
    assert dataset.label_names == ("a", "b")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"should have shape \(examples, features\).*\(5,\)"),
        (np.zeros((2, 2, 2, 2, 2)), "should have shape"),
        (np.zeros((0, 5)), r"is empty. Received: shape \(0, 5\)"),
        (np.zeros((5, 0)), "is empty"),
        (np.zeros((5, 3, 8, 8)), r"channels last.*transpose\(0, 2, 3, 1\)"),
        (
            np.zeros((5, 2), dtype=complex),
            "should hold numbers. Received: type complex",
        ),
        (np.array([["a"]]), "should hold numbers. Received: type <U1"),
        (np.array([[1.0, 2.0], [np.nan, 3.0]]), r"1 of 4 values.*nan at \[1, 0\]"),
        (np.ones((1, 4)), "1 example cannot be divided"),
    ],
)
def test_arrays_that_are_no_data_set(tmp_path, array, message):
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "bad.npy")


def test_pickles_stay_closed(tmp_path):
    ragged = np.array([np.zeros(2), np.zeros(3)], dtype=object)
    np.save(tmp_path / "x.npy", ragged, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=ragged)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps([1, 2]))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(ValueError, match=f"{name} cannot be read.*never unpickled"):
            load(tmp_path / name)
    with pytest.raises(ValueError, match=r"plain.npy cannot be read as NumPy arrays"):
        load(tmp_path / "plain.npy")


def header_that_lies():
    """An array of 32 terabytes, of which one value is there."""
    file = io.BytesIO()
    description = {"descr": "<f8", "fortran_order": False, "shape": (2**42, 1)}
    np.lib.format.write_array_header_1_0(file, description)
    return file.getvalue() + bytes(8)


def in_a_zip(member):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", member)
    return file.getvalue()


def cut_in_half():
    file = io.BytesIO()
    np.savez_compressed(file, x=np.random.RandomState(0).rand(100, 10))
    return file.getvalue()[: len(file.getvalue()) // 2]


def broken_inside(save):
    file = io.BytesIO()
    save(file, x=np.random.RandomState(0).rand(100, 10))
    content = bytearray(file.getvalue())
    content[100:200] = bytes(100)
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", b""),
        ("x.npy", b"not an array"),
        ("x.npy", header_that_lies()),
        ("x.npy", header_that_lies()[:40]),
        ("x.npz", b""),
        ("x.npz", b"not an archive"),
        ("x.npz", cut_in_half()),
        ("x.npz", broken_inside(np.savez)),
        ("x.npz", broken_inside(np.savez_compressed)),
        ("x.npz", in_a_zip(b"not an array")),
        ("x.npz", in_a_zip(header_that_lies())),
    ],
)
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read as NumPy arrays: .+"):
        load(tmp_path / name)


X, Y = np.zeros((4, 2)), np.zeros(4, dtype=int)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "Received: no arrays"),
        ({"a": X, "b": X}, r"named x_train.*`array=NAME`.*Received: a \(4, 2\), b"),
        ({"x_test": X, "y": Y}, "named x_train"),
        ({"x": X, "x_train": X}, "one array for train. Received: x_train, x"),
        ({"x": X, "y": Y[:3]}, r"one label for each example: shape \(4,\).*\(3,\)"),
        ({"x": X, "y": np.eye(4)}, r"one label for each.*\(4, 4\)"),
        ({"x": X, "y": Y + 0.5}, "Labels should be whole numbers"),
        (
            {"x_train": X, "y_train": Y, "x_test": X},
            "labels for train and none for test",
        ),
        ({"x_train": X, "x_test": X[:, :1]}, "examples of one shape"),
        ({"x_train": X, "x_test": X * np.nan}, r"x_test should be finite.*8 of 8"),
    ],
)
def test_an_npz_that_does_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.npz")
