"""Arrays that are written batch after batch."""

import shutil
import weakref

import click
import numpy as np
import pytest

from keras_vae import files
from keras_vae_cli import arrays


def batches(num_rows=7, size=3):
    rng = np.random.default_rng(0)
    for start in range(0, num_rows, size):
        n = min(size, num_rows - start)
        yield {"x": rng.normal(size=(n, 2, 2)).astype("float32")}


WHOLE = np.concatenate([batch["x"] for batch in batches()])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_batches_become_one_array(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    arrays.write(files, path, batches(), 7)
    if suffix == ".csv":
        header, *rows = path.read_text().splitlines()
        assert header == "x_0,x_1,x_2,x_3"
        # Every digit of a float32, and not one more.
        read = np.array([row.split(",") for row in rows]).astype("float32")
        np.testing.assert_array_equal(read, WHOLE.reshape(7, 4))
    else:
        read = np.load(path, allow_pickle=False)
        read = read if suffix == ".npy" else read["x"]
        np.testing.assert_array_equal(read, WHOLE)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_several_arrays_and_names_of_columns(tmp_path):
    batch = {"index": range(2), "label": np.array(["a", "b"]), "elbo": [-1.5, -0.25]}
    arrays.write(files, tmp_path / "s.csv", [batch], 2)
    assert (tmp_path / "s.csv").read_text().split() == [
        "index,label,elbo",
        "0,a,-1.5",
        "1,b,-0.25",
    ]
    arrays.write(files, tmp_path / "s.npz", [batch], 2)
    assert sorted(np.load(tmp_path / "s.npz")) == ["elbo", "index", "label"]
    names = ["a", "b", "c", "d"]
    arrays.write(files, tmp_path / "n.csv", batches(), 7, names)
    assert (tmp_path / "n.csv").read_text().startswith("a,b,c,d\n")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_no_more_than_two_batches_are_there_at_a_time(tmp_path, suffix):
    """Each batch is written before the next but one is computed."""
    alive = []

    def tracked():
        for i in range(20):
            array = np.full((3, 2), i, "float32")
            alive.append(weakref.ref(array))
            yield {"x": array}
            del array
            assert sum(reference() is not None for reference in alive) <= 3

    arrays.write(files, tmp_path / f"x{suffix}", tracked(), 60)


def test_what_fails_midway_leaves_no_file(tmp_path):
    def broken():
        yield next(batches())
        raise OSError(28, "No space left on device")

    for suffix in (".npy", ".npz", ".csv"):
        with pytest.raises(OSError, match="No space left"):
            arrays.write(files, tmp_path / f"x{suffix}", broken(), 7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_what_the_disk_has_no_room_for_is_not_begun(tmp_path, suffix):
    rows = shutil.disk_usage(tmp_path).free
    with pytest.raises(click.ClickException, match="GB free"):
        arrays.write(files, tmp_path / f"x{suffix}", batches(), rows)
    assert list(tmp_path.iterdir()) == []
