"""`compress`, `decompress`."""

import numpy as np
import pytest

from keras_vae import plots, runs


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """Directory of a run on binarized digits."""
    path = tmp_path_factory.mktemp("binary") / "run"
    small = {"epochs": 3, "latent_dim": 3, "hidden_units": [16], "batch_size": 16}
    runs.train("digits", path, exports="none", binarize="dynamic", **small)
    return path


@pytest.fixture(scope="module")
def archive(call, binary, tmp_path_factory):
    """A compressed test split, and what the command printed."""
    path = tmp_path_factory.mktemp("archive") / "digits.kvae"
    result = call("compress", binary, "--output", path)
    assert result.exit_code == 0, result.output
    return path, result.stdout


def test_compress_and_decompress_are_inverse(call, binary, archive, tmp_path):
    path, printed = archive
    output = tmp_path / "x.npy"
    result = call("decompress", binary, path, "--output", output)
    assert (result.exit_code, result.stdout.strip()) == (0, str(output))
    run = runs.Run(binary)
    batches = run.dataset().test.batches(1000, **run.batch_arguments)
    x = np.concatenate([*batches.as_numpy_iterator()])
    images = np.load(output)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, x)
    # The table says the bits of the file, and sets others beside them.
    [row] = [line.split() for line in printed.splitlines() if "keras_vae" in line]
    size = path.stat().st_size
    assert row[1:3] == [f"{size:,}", f"{8 * size / x.size:.4f}"]
    assert row[3] == f"{x.size / 8 / size:.2f}"
    for name in ("bits/pixel", "-ELBO", "gzip", "bz2", "xz", "PNG", "WebP"):
        assert name in printed
    assert str(path) in printed


def test_other_data_are_compressed_too(call, binary, tmp_path):
    x = np.random.default_rng(0).integers(0, 2, (5, 8, 8, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    arguments = ["--input", tmp_path / "x.npy", "--output", tmp_path / "x.kvae"]
    assert call("compress", binary, *arguments).exit_code == 0
    arguments = [tmp_path / "x.kvae", "--output", tmp_path / "y.csv"]
    assert call("decompress", binary, *arguments).exit_code == 0
    rows = np.loadtxt(tmp_path / "y.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(rows, x.reshape(5, 64))


def test_lossy(call, run, tmp_path):
    path, output = tmp_path / "small.kvae", tmp_path / "x.npy"
    result = call("compress", run, "--lossy", "2", "--output", path)
    assert result.exit_code == 0, result.output
    assert "PSNR" in result.stdout and f"{path.stat().st_size:,}" in result.stdout
    assert call("decompress", run, path, "--output", output).exit_code == 0
    x = runs.Run(run).dataset().test.x
    error = np.mean((np.load(output) / 255.0 - x) ** 2)
    assert f"mean squared error {error:.4g}" in result.stdout


@pytest.fixture
def drawn(monkeypatch):
    """The figures that a command would write."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    return figures


def test_a_figure_shows_the_rate_of_each_codec(call, binary, drawn, tmp_path):
    path, figure = tmp_path / "x.kvae", tmp_path / "rates.png"
    result = call("compress", binary, "--output", path, "--figure", figure)
    assert result.exit_code == 0, result.output
    assert str(figure) in result.stdout
    (axes,) = drawn[0].axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    widths = dict(zip(names, (bar.get_width() for bar in axes.patches), strict=True))
    assert {"keras_vae", "gzip", "bz2", "xz"} < {*names}
    values = runs.Run(binary).dataset().test.x.size
    assert widths["keras_vae"] == 8 * path.stat().st_size / values
    for name, width in widths.items():  # what the table says
        [row] = [line for line in result.stdout.splitlines() if f" {name} " in line]
        assert f" {width:.4f} " in row
    assert axes.get_xlabel() == "bits/pixel"
    [bound] = [line for line in result.stdout.splitlines() if "-ELBO" in line]
    assert f" {axes.lines[0].get_xdata()[0]:.4f} " in bound


def test_a_figure_of_what_is_kept_shows_what_decompress_gives(
    call, run, drawn, tmp_path
):
    path, output = tmp_path / "x.kvae", tmp_path / "x.npy"
    arguments = ["--lossy", "3", "--output", path, "--figure", tmp_path / "x.pdf"]
    result = call("compress", run, *arguments)
    assert result.exit_code == 0, result.output
    assert call("decompress", run, path, "--output", output).exit_code == 0
    shown = [image.get_array() for image in drawn[0].axes[0].images]
    images = np.load(output)[:10, ..., 0] / np.float32(255)
    np.testing.assert_allclose(shown[len(shown) // 2 :], images)
    result = call("compress", run, "--output", path, "--figure", tmp_path / "x.txt")
    assert result.exit_code == 2 and "should end in one of .png" in result.stderr


def test_grey_images_of_a_binary_model_are_refused(call, run, tmp_path):
    result = call("compress", run, "--output", tmp_path / "x.kvae")
    assert result.exit_code == 1
    assert "should be 0 and 1" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_another_model_is_told(call, run, archive, tmp_path):
    result = call("decompress", run, archive[0], "--output", tmp_path / "x.npy")
    assert result.exit_code == 1
    assert "compressed with another model" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_whole_archive_is_told(call, binary, archive, tmp_path):
    """As a wrong argument: before the package is imported, see test_main."""
    content = archive[0].read_bytes()
    flipped = bytearray(content)
    flipped[60] ^= 1
    for name, damaged, words in (
        ("empty", b"", "The archive is empty"),
        ("cut", content[:100], f"truncated: it has 100 bytes of {len(content)}"),
        ("flipped", flipped, "The archive is damaged"),
        ("other", b"PK\x03\x04", "no archive of keras_vae"),
    ):
        path = tmp_path / name
        path.write_bytes(damaged)
        result = call("decompress", binary, path, "--output", tmp_path / "x.npy")
        assert result.exit_code == 2
        assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "x.npy").exists()


def test_without_the_library_it_is_told_what_to_install(
    call, binary, tmp_path, monkeypatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = call("compress", binary, "--output", tmp_path / "x.kvae")
    assert result.exit_code == 1
    assert "pip install 'keras-vae[compression]'" in result.stderr
