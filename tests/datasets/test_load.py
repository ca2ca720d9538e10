"""Names and paths: which of them is meant, and what to say if none is."""

import numpy as np
import pytest
from PIL import Image

import keras_vae
from keras_vae.datasets import load, tfds


def folder_of_images(folder):
    folder.mkdir(parents=True)
    for i in range(5):
        image = Image.fromarray(np.full((3, 4), i, dtype="uint8"))
        image.save(folder / f"{i}.png")


def test_it_is_public():
    assert keras_vae.datasets.load is load
    public = {"Dataset", "Split", "UnknownNameError", "check_same", "load"}
    public |= {"KnownFactors", "SPRITE_FACTORS", "draw_sprites", "random_sprites"}
    public |= {"MixedBatches", "hide_labels"}
    assert set(keras_vae.datasets.__all__) == public


@pytest.mark.parametrize("path", ["images", "./images", "a/b/images", "~/images"])
def test_a_folder(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder_of_images(tmp_path / path.replace("~", "."))
    dataset = load(path)
    assert dataset.name == "images" and dataset.data_shape == (3, 4, 1)


def test_a_name_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "mnist"):
        folder_of_images(tmp_path / name)
        assert load(f"./{name}").data_shape == (3, 4, 1)
        assert load(tmp_path / name).data_shape == (3, 4, 1)
    assert load("digits").data_shape == (8, 8, 1)
    monkeypatch.setattr(tfds, "_any_reachable", lambda urls: False)
    with pytest.raises(ConnectionError, match="The data set 'mnist' is not in"):
        load("mnist", data_dir=tmp_path / "nothing")


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.csv", "X.CSV"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"There is no file .*{name}"):
        load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(name)


@pytest.mark.parametrize("path", ["./nothing", "../nothing", "~/nothing", "/nothing"])
def test_a_path_that_leads_nowhere(path):
    with pytest.raises(
        FileNotFoundError, match="There is no file or folder '.*nothing"
    ):
        load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "no data set named 'digit'. Did you mean 'digits'"),
        ("mnst", "Did you mean .*'mnist'.*catalog"),
        ("fashon_mnist", "Did you mean 'fashion_mnist'"),
        ("MNIST_", "Did you mean 'mnist'"),
        (
            "folder/of/images",
            "no file, no folder and no data set named 'folder/of/imag",
        ),
        ("huggingface:mnist", "no data set named 'huggingface:mnist'"),
        ("", "no data set named ''"),
        (
            "emnist/leters",
            "'emnist' has no configuration 'leters'. .* 'emnist/letters'",
        ),
        ("mnist:9.9.9", "9.9.9, only: .*Did you mean 'mnist'"),
    ],
)
def test_an_unknown_name(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "x.txt").write_text("1,2")
    with pytest.raises(
        ValueError, match=r"a folder of images, or a file .npz, .npy or"
    ):
        load(tmp_path / "x.txt")
    folder_of_images(tmp_path / "images")
    with pytest.raises(ValueError, match="Give the folder that it is in"):
        load(tmp_path / "images" / "0.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_fraction": 1}, r"`validation_fraction` should be in \[0, 1\)"),
        ({"test_fraction": -0.1}, "`test_fraction` should be in"),
        ({"test_fraction": float("nan")}, "`test_fraction` should be in"),
        (
            {"validation_fraction": 0.5, "test_fraction": 0.5},
            "leave something to train",
        ),
        (
            {"seed": -1},
            "`seed` should be an integer .* 4294967295. Received: seed=-1",
        ),
        ({"seed": 0.5}, "`seed` should be an integer from 0"),
        ({"image_size": 0}, "`image_size` should be a positive whole number"),
        ({"image_size": (8, 8, 1)}, "`image_size` should be"),
        ({"image_size": 8.0}, "`image_size` should be"),
        ({"channels": 2}, "`channels` should be 1 or 3. Received: channels=2"),
        ({"image_size": 8}, "`image_size` does not apply to 'digits'"),
        ({"channels": 1}, "`channels` does not apply to 'digits'"),
        ({"label_column": "a"}, "`label_column` does not apply to 'digits'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **arguments)


def test_a_folder_of_prepared_data_sets_may_always_be_given(tmp_path):
    assert load("digits", data_dir=tmp_path).name == "digits"
