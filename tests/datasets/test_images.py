"""Folders of images: every format, what is made of it, and damaged files."""

import contextlib
import os
import socket

import numpy as np
import pytest
from PIL import Image

from keras_vae.datasets import images, load

NO_SPLIT = {"validation_fraction": 0, "test_fraction": 0}
GREY = np.random.RandomState(0).randint(0, 256, (9, 12)).astype("uint8")
COLOUR = np.random.RandomState(1).randint(0, 256, (9, 12, 3)).astype("uint8")


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def only(dataset):
    """The bytes of the one image of a data set."""
    assert dataset.train.num_examples == 1
    return np.rint(dataset.train.x[0] * 255).astype("uint8")


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".gif", ".tif", ".TIFF"])
def test_grey_images(tmp_path, suffix):
    save(tmp_path / f"a{suffix}", GREY)
    dataset = load(tmp_path, **NO_SPLIT)
    assert dataset.is_image and dataset.data_shape == (9, 12, 1)
    assert np.array_equal(only(dataset)[..., 0], GREY)
    assert dataset.train.labels is None and dataset.num_classes is None
    assert dataset.name == tmp_path.name


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp"])
def test_colour_images(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    save(tmp_path / f"a{suffix}", COLOUR, **options)
    assert np.array_equal(only(load(tmp_path, **NO_SPLIT)), COLOUR)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg(tmp_path, suffix):
    smooth = np.arange(108, dtype="uint8").reshape(9, 12)
    save(tmp_path / f"a{suffix}", smooth, quality=100)
    received = only(load(tmp_path, **NO_SPLIT))[..., 0]
    assert np.abs(received.astype(int) - smooth).max() <= 2


def test_the_first_frame_of_a_gif(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(only(load(tmp_path, **NO_SPLIT))[..., 0], GREY)


def test_modes_that_are_neither_grey_nor_colour(tmp_path):
    """Sixteen bits, one bit, a palette, transparency: none of them is clipped."""
    deep = GREY.astype("uint16") * 257
    save(tmp_path / "deep" / "a.png", deep)
    assert np.array_equal(only(load(tmp_path / "deep", **NO_SPLIT))[..., 0], GREY)
    save(tmp_path / "tiff" / "a.tif", deep)
    assert np.array_equal(only(load(tmp_path / "tiff", **NO_SPLIT))[..., 0], GREY)
    save(tmp_path / "bits" / "a.png", GREY > 127)
    received = only(load(tmp_path / "bits", **NO_SPLIT))[..., 0]
    assert np.array_equal(received, np.where(GREY > 127, 255, 0))
    palette = Image.fromarray(COLOUR).quantize(256)
    (tmp_path / "palette").mkdir()
    palette.save(tmp_path / "palette" / "a.png")
    received = only(load(tmp_path / "palette", **NO_SPLIT))
    assert np.array_equal(received, np.asarray(palette.convert("RGB")))
    transparent = np.dstack([COLOUR, GREY])
    save(tmp_path / "transparent" / "a.png", transparent)
    assert np.array_equal(only(load(tmp_path / "transparent", **NO_SPLIT)), COLOUR)


def test_grey_or_colour_is_decided_from_all_files_or_said(tmp_path):
    save(tmp_path / "a.png", GREY)
    assert load(tmp_path, channels=3, **NO_SPLIT).data_shape == (9, 12, 3)
    save(tmp_path / "b.png", COLOUR)
    dataset = load(tmp_path, **NO_SPLIT)
    assert dataset.data_shape == (9, 12, 3)
    assert np.array_equal(np.rint(dataset.train.x[0] * 255), np.dstack([GREY] * 3))
    grey = load(tmp_path, channels=1, **NO_SPLIT)
    luma = COLOUR @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    assert np.abs(grey.train.x[1, ..., 0] * 255 - luma).max() <= 1


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    dataset = load(tmp_path, **NO_SPLIT)
    assert dataset.data_shape == (12, 9, 1)
    assert np.array_equal(only(dataset)[..., 0], np.rot90(GREY, -1))


def test_another_size_is_scaled_and_cut_around_the_centre(tmp_path):
    """Three bands, of which the middle one is kept; then half its size."""
    wide = np.repeat(np.array([0, 100, 200], dtype="uint8"), 8)[np.newaxis].repeat(8, 0)
    save(tmp_path / "wide" / "a.png", wide)
    dataset = load(tmp_path / "wide", image_size=8, **NO_SPLIT)
    assert dataset.data_shape == (8, 8, 1)
    assert np.all(only(dataset) == 100)
    dataset = load(tmp_path / "wide", image_size=(4, 4), **NO_SPLIT)
    assert np.all(np.abs(only(dataset)[:, 1:3].astype(int) - 100) <= 1)
    save(tmp_path / "tall" / "a.png", wide.T.copy())
    dataset = load(tmp_path / "tall", image_size=(8, 8), **NO_SPLIT)
    assert np.all(only(dataset) == 100)
    dataset = load(tmp_path / "tall", image_size=(24, 8), **NO_SPLIT)
    assert np.array_equal(only(dataset)[..., 0], wide.T)


def test_images_of_several_sizes_need_a_size(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", GREY.T.copy())
    message = r"need `image_size=\(height, width\)`.*a.png of 9 x 12.*b.png of 12 x 9"
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    assert load(tmp_path, image_size=(6, 8), **NO_SPLIT).data_shape == (6, 8, 1)


def labelled(folder, counts):
    """Images of one grey value each, and the value of each label's images."""
    values = {}
    value = 0
    for label, count in counts.items():
        values[label] = list(range(value, value + count))
        for number in values[label]:
            save(folder / label / f"{number}.png", np.full((2, 2), number, "uint8"))
        value += count
    return values


@pytest.mark.parametrize("memory_limit", [2**30, 10])
def test_subfolders_are_labels(tmp_path, memory_limit):
    values = labelled(tmp_path, {"cat": 20, "ant": 10, "ant/deeper": 10})
    (tmp_path / "ant" / "notes.txt").write_text("not an image")
    (tmp_path / "ant" / "._0.png").write_bytes(b"what another system leaves behind")
    dataset = load(tmp_path, seed=1, memory_limit=memory_limit)
    assert dataset.label_names == ("ant", "cat")
    every = {}
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.in_memory == (memory_limit > 10)
        for x, labels in split.batches(7, with_labels=True):
            grey = np.rint(x[:, 0, 0, 0] * 255).astype(int).tolist()
            every |= dict(zip(grey, labels.numpy().tolist(), strict=True))
    assert dataset.train.num_examples == 32 and len(every) == 40
    assert {value for value, label in every.items() if label} == set(values["cat"])


def test_folders_train_and_test_are_splits(tmp_path):
    labelled(tmp_path / "train", {"a": 10, "b": 10})
    labelled(tmp_path / "Test", {"b": 3, "c": 2})
    dataset = load(tmp_path)
    assert dataset.label_names == ("a", "b", "c")
    assert dataset.test.labels.tolist() == [1, 1, 1, 2, 2]
    assert dataset.train.num_examples == 18 and dataset.validation.num_examples == 2
    labelled(tmp_path / "val", {"c": 4})
    dataset = load(tmp_path)
    assert dataset.validation.num_examples == 4 and dataset.train.num_examples == 20
    save(tmp_path / "valid" / "a.png", GREY)
    with pytest.raises(ValueError, match="two folders for validation"):
        load(tmp_path)


def test_streaming_reads_what_it_needs(tmp_path, monkeypatch):
    labelled(tmp_path, {"a": 100, "b": 100})
    in_memory = load(tmp_path)
    read = []
    original = images.read_image

    def counted(file, data_shape):
        read.append(file)
        return original(file, data_shape)

    monkeypatch.setattr(images, "read_image", counted)
    dataset = load(tmp_path, memory_limit=799)  # 200 images of 4 bytes
    assert not read
    batch = dataset.validation.batches(20)
    assert np.array_equal(next(iter(batch)), in_memory.validation.x)
    assert len(read) == 20
    streamed = dataset.train.training_batches(32, seed=0, num_epochs=2)
    expected = in_memory.train.training_batches(32, seed=0, num_epochs=2)
    for one, other in zip(expected, streamed, strict=True):
        assert np.array_equal(one, other)


def broken(path, kind):
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no image")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize("memory_limit", [2**30, 10])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
@pytest.mark.parametrize("kind", ["empty", "text", "cut"])
def test_a_damaged_file_is_named(tmp_path, kind, suffix, memory_limit):
    for name in "abc":
        save(tmp_path / f"{name}{suffix}", GREY)
    broken(tmp_path / f"b{suffix}", kind)
    message = f"b{suffix} cannot be read as an image: .+ Repair or remove it"

    def read():
        dataset = load(tmp_path, memory_limit=memory_limit, **NO_SPLIT)
        list(dataset.train.batches(3))

    with pytest.raises(Exception, match=message) as raised:
        read()
    # What is cut off is seen when the image is read: late, if it streams.
    if kind != "cut" or memory_limit > 10:
        assert raised.type is ValueError


@pytest.mark.parametrize("limit", [10, 100])  # of 108 pixels: Pillow stops at twice it
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_would_not_fit_in_any_memory(tmp_path, monkeypatch, limit):
    save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=r"a.png cannot be read.*decompression bomb"):
        load(tmp_path, image_size=8)


def test_sizes_that_no_network_learns(tmp_path):
    save(tmp_path / "a.png", np.zeros((2, 4097), "uint8"))
    with pytest.raises(
        ValueError, match="4096 pixels a side need `image_size=.*2 x 40"
    ):
        load(tmp_path)
    assert load(tmp_path, image_size=8, **NO_SPLIT).data_shape == (8, 8, 1)
    with pytest.raises(ValueError, match="up to 4096. Received.*20000, 1"):
        load(tmp_path, image_size=(20000, 1))


def test_numbers_that_are_no_grey_levels(tmp_path):
    save(tmp_path / "real" / "a.tif", GREY.astype("float32"))
    with pytest.raises(ValueError, match="a.tif cannot be read.*floating-point"):
        load(tmp_path / "real")
    save(tmp_path / "deep" / "a.tif", GREY.astype("int32") * 1000)
    with pytest.raises(ValueError, match=r"a.tif cannot .* go from \d+ to \d+: 8"):
        load(tmp_path / "deep")


def test_what_is_no_file_is_never_opened(tmp_path):
    """A pipe would wait for ever for somebody to write to it."""
    save(tmp_path / "a.png", GREY)
    os.mkfifo(tmp_path / "b.png")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "c.png")
    (tmp_path / "d.png").mkdir()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        folder = os.getcwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        try:
            listener.bind("e.png")
        finally:
            os.chdir(folder)
        assert load(tmp_path, **NO_SPLIT).train.num_examples == 1
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(ValueError, match="x.csv' is no file, but a pipe"):
        load(tmp_path / "x.csv")


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(ValueError, match=r"has no images: no file in it ends in \.png"):
        load(tmp_path)
    save(tmp_path / "a.png", GREY)
    with pytest.raises(ValueError, match="1 example cannot be divided"):
        load(tmp_path)
    save(tmp_path / "cat" / "b.png", GREY)
    message = r"all its images in subfolders .* Received: \S+a.png outside"
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    save(tmp_path / "splits" / "train" / "cat" / "a.png", GREY)
    save(tmp_path / "splits" / "test" / "a.png", GREY)
    with pytest.raises(ValueError, match="should all have subfolders for the labels"):
        load(tmp_path / "splits")
