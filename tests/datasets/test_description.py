"""What a data set says of itself, and whether other data are the same or alike."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from keras_vae.datasets import check_same, load
from keras_vae.datasets import description as described

NO_SPLIT = {"validation_fraction": 0, "test_fraction": 0}
SPECIES = "a,b,kind\n1,2.5,x\n3,4,y\n5,6,x\n"


def write(path, text):
    path.write_text(text)
    return path


def through_json(dataset):
    return json.loads(json.dumps(dataset.description))


def test_a_table_describes_itself(tmp_path, monkeypatch):
    write(tmp_path / "t.csv", SPECIES)
    monkeypatch.chdir(tmp_path)
    dataset = load("t.csv", label_column="kind", **NO_SPLIT)
    monkeypatch.chdir("/")
    received = through_json(dataset)
    assert received.pop("fingerprint").startswith("sha256:")
    assert received == {
        "name": "t",
        "source": str(tmp_path / "t.csv"),
        "kind": "vectors",
        "num_bytes": len(SPECIES),
        "num_examples": {"train": 3},
        "data_shape": [2],
        "dtype": "float32",
        "value_range": [1, 6],
        "levels": None,
        "columns": [
            {"name": "a", "type": "integer"},
            {"name": "b", "type": "number"},
        ],
        "left_out": [],
        "label_column": "kind",
        "label_names": ["x", "y"],
    }


def test_arrays_images_and_digits_describe_themselves(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(60, dtype="int16").reshape(20, 3) - 7)
    received = through_json(load(tmp_path / "x.npy"))
    assert received["num_bytes"] == os.path.getsize(tmp_path / "x.npy")
    assert received["num_examples"] == {"train": 16, "validation": 2, "test": 2}
    assert received["value_range"] == [-7, 52] and received["dtype"] == "int16"
    (tmp_path / "images").mkdir()
    for name in "abc":
        Image.fromarray(np.zeros((8, 9, 3), "uint8")).save(
            tmp_path / "images" / f"{name}.png"
        )
    received = through_json(load(tmp_path / "images"))
    assert received["kind"] == "images" and received["data_shape"] == [8, 9, 3]
    assert received["levels"] == 256 and received["dtype"] == "uint8"
    digits = through_json(load("digits"))
    assert digits["source"] == "digits" and digits["levels"] == 17
    x = load("digits").train.x
    assert np.array_equal(x * 16, np.round(x * 16)) and len(np.unique(x)) == 17


def test_what_did_not_change_is_the_same(tmp_path):
    path = write(tmp_path / "t.csv", SPECIES)
    before = through_json(load(path, label_column="kind"))
    check_same(load(path, label_column="kind"), before)
    # The seed and the fractions of the splits are not the data's.
    check_same(load(path, label_column="kind", seed=5, **NO_SPLIT), before)
    # A copy elsewhere is the same data.
    copy = write(tmp_path / "copy.csv", SPECIES)
    check_same(load(copy, label_column="kind"), before)
    check_same(load("digits"), through_json(load("digits")))
    with pytest.raises(ValueError, match="digits has changed|copy"):
        check_same(load("digits"), before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPECIES + "7,8,y\n", "bytes was 29 and is 35; number of examples was 3 and i"),
        (SPECIES.replace("b,", "c,"), r"columns was \['a', 'b'\] and is \['a', 'c'\]"),
        (SPECIES.replace("4", "9"), "content is not what it was"),
        (SPECIES.replace("y", "z"), r"labels was \['x', 'y'\] and is \['x', 'z'\]"),
    ],
)
def test_what_changed_is_said(tmp_path, text, message):
    path = write(tmp_path / "t.csv", SPECIES)
    before = through_json(load(path, label_column="kind", **NO_SPLIT))
    write(path, text)
    with pytest.raises(ValueError, match=rf"t\.csv has changed: .*{message}.*Bring"):
        check_same(load(path, label_column="kind", **NO_SPLIT), before)


def test_another_image_or_another_name_is_a_change(tmp_path):
    def save(name, grey):
        Image.fromarray(np.full((8, 8), grey, "uint8")).save(tmp_path / f"{name}.bmp")

    for i, name in enumerate("abc"):
        save(name, i)
    before = load(tmp_path).description
    save("c", 9)
    with pytest.raises(ValueError, match="content is not what it was"):
        check_same(load(tmp_path), before)
    save("c", 2)
    check_same(load(tmp_path), before)
    os.rename(tmp_path / "c.bmp", tmp_path / "d.bmp")
    with pytest.raises(ValueError, match="content is not what it was"):
        check_same(load(tmp_path), before)


def test_a_fingerprint_of_large_files_samples_them_all(tmp_path, monkeypatch):
    """Ten blocks of 100 bytes out of 4 files of 1000, wherever the files end."""
    monkeypatch.setattr(described, "BLOCK", 100)
    monkeypatch.setattr(described, "SAMPLED_BYTES", 1000)
    files = [tmp_path / name for name in "abcd"]
    for file in files:
        file.write_bytes(bytes(1000))
    before = described.fingerprint(files=files)
    read = {}
    for place in range(0, 4000, 50):  # every half block of the long text
        file = files[place // 1000]
        content = bytearray(1000)
        content[place % 1000] = 1
        file.write_bytes(content)
        read[place] = described.fingerprint(files=files) != before
        file.write_bytes(bytes(1000))
    seen = {place for place, was_read in read.items() if was_read}
    assert seen == {
        place for start in range(0, 4000, 400) for place in (start, start + 50)
    }
    files[3].write_bytes(bytes(999))
    assert described.fingerprint(files=files) != before


def test_columns_are_matched_by_name(tmp_path):
    like = through_json(load(write(tmp_path / "t.csv", SPECIES), label_column="kind"))
    path = write(tmp_path / "other.csv", "b,kind,a\n20,y,10\n40,w,30\n")
    dataset = load(path, like=like, **NO_SPLIT)
    assert dataset.train.x.tolist() == [[10, 20], [30, 40]]
    assert dataset.feature_names == ("a", "b")
    # Labels keep their numbers, and new ones come after them.
    assert dataset.label_names == ("x", "y", "w")
    assert dataset.train.labels.tolist() == [1, 2]
    # New data need no labels.
    path = write(tmp_path / "unlabelled.csv", "b,a\n20,10\n40,30\n")
    dataset = load(path, like=like, **NO_SPLIT)
    assert dataset.train.x.tolist() == [[10, 20], [30, 40]]
    assert dataset.label_names is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,kind\n1,x\n", r"columns of the data .* Received: missing: 'b'"),
        ("a,b,c,kind\n1,2,3,x\n", "Received: not known: 'c'"),
        (
            "a,width_b\n1,2\n",
            "missing: 'width'; not known: 'width_b'; 'width_b' may be 'width'",
        ),
        ("1,2,x\n", "should begin with a line of the names of its columns"),
        ("a,b\n1,x\n", "line 2, column 2 .*expected a number. Received: 'x'"),
    ],
)
def test_columns_that_do_not_match(tmp_path, text, message):
    trained = SPECIES.replace("b", "width") if "width" in text else SPECIES
    like = load(write(tmp_path / "t.csv", trained), label_column="kind").description
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path / "other.csv", text), like=like, **NO_SPLIT)


def test_columns_without_names_go_by_their_number(tmp_path):
    like = load(write(tmp_path / "t.csv", "1,2,x\n3,4,y\n5,6,x\n"), label_column=2)
    like = through_json(like)
    path = write(tmp_path / "o.csv", "7,8,y\n")
    assert load(path, like=like, **NO_SPLIT).train.labels.tolist() == [1]
    path = write(tmp_path / "p.csv", "7,8\n")
    assert load(path, like=like, **NO_SPLIT).train.x.tolist() == [[7, 8]]
    with pytest.raises(ValueError, match="should have 2 columns of data.*Received: 4"):
        load(
            write(tmp_path / "q.csv", "7,8,9,10\n"),
            label_column=None,
            like={**like, "label_column": None},
            **NO_SPLIT,
        )


def test_images_are_brought_to_the_size_of_those_trained_on(tmp_path):
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / "a.png")
    like = through_json(load("digits"))
    assert load(tmp_path, like=like, **NO_SPLIT).data_shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 5, 8, 1), "uint8"), r"shape \(8, 8, 1\).*shape \(5, 8, 1\)"),
        (np.zeros((3, 8)), "`kind='images'` needs|axes"),
    ],
)
def test_arrays_that_are_not_alike(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x.npy", like=load("digits").description, **NO_SPLIT)


def test_bytes_are_like_numbers_up_to_1_alone(tmp_path):
    def saved(name, x):
        np.save(tmp_path / name, x)
        return load(tmp_path / name, **NO_SPLIT).description, tmp_path / name

    grey = np.arange(192).reshape(3, 8, 8)
    as_bytes, bytes_path = saved("bytes.npy", grey.astype("uint8"))
    as_floats, floats_path = saved("floats.npy", grey / 255)
    raw, raw_path = saved("raw.npy", grey.astype("float64"))
    for like, path in ((as_bytes, floats_path), (as_floats, bytes_path)):
        x = load(path, like=like, **NO_SPLIT).train.x
        np.testing.assert_allclose(x[..., 0], grey / 255, rtol=1e-6)
    for like, path in ((as_bytes, raw_path), (raw, bytes_path)):
        with pytest.raises(ValueError, match="float64, values from 0 to 191"):
            load(path, like=like, **NO_SPLIT)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (
            np.linspace(114, 139, 3 * 64).reshape(3, 8, 8),
            "x: values from 114 to 139, stored as float64. Saved as uint8 they are "
            "read as x / 255. If they are series and no images, say `kind='series'`.",
        ),
        (
            np.arange(3 * 64, dtype="int64").reshape(3, 8, 8, 1) + 5,
            "x: values from 5 to 196, stored as int64. Saved as uint8 they are "
            "read as x / 255. If they are series and no images, say `kind='series'`.",
        ),
        (
            np.full((3, 8, 8, 3), 60000, "uint16"),
            "x: values from 60000 to 60000, stored as uint16. Saved as uint8, x // "
            "257, they are read as x / 65535.",
        ),
        (
            np.linspace(-1, 1, 3 * 64).reshape(3, 8, 8),
            "x: values from -1 to 1, stored as float64. If they are series and no "
            "images, say `kind='series'`.",
        ),
        (
            np.linspace(-3, 5, 300).reshape(3, 100, 1),
            "x: values from -3 to 5, stored as float64.",
        ),
        (
            np.zeros((3, 8, 8), "uint8"),
            "x: values from 0 to 1, the 256 levels k / 255, stored as uint8.",
        ),
    ],
)
def test_values_in_words(tmp_path, x, expected):
    np.save(tmp_path / "x.npy", x)
    assert load(tmp_path / "x.npy", **NO_SPLIT).values_in_words == expected
