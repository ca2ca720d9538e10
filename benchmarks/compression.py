"""MNIST in fewer bytes: bits per pixel beside other codecs, and error at equal bytes.

    python benchmarks/compression.py
    python benchmarks/compression.py binarized --epochs 2 --num-images 2000 \\
        --examples 500 --output try.json

trains, for each row, a model on the 60,000 training images and compresses all 10,000
test images with it, decompresses them and compares: `binarized` (drawn once, as Burda
et al. 2016) and `grey` without loss, beside gzip, bz2, xz, PNG and WebP; `lossy`, the
rounded codes of a model for squared error, beside JPEG and lossy WebP at equal bytes.
All bytes of a file count. Other codecs get one sheet with all images, or packed bits,
whichever comes out smaller. Nothing is chosen by the test images. Writes
`benchmarks/results/compression.json` (rows that were not run stay) and, of the lossy
row, `benchmarks/results/compression.png`. MNIST is looked for where tensorflow-datasets
keeps its data (`TFDS_DATA_DIR`); coding wants `pip install keras-vae[compression]`.
"""

import argparse
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results"
STEPS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
QUALITIES = (0, 1, 2, 4, 7, 12, 20, 30, 40, 50, 60, 70, 80, 90, 95)


class Row(NamedTuple):
    """A model, how it is trained, and what its bits are compared with."""

    binarize: str
    epochs: int
    published: str = ""
    goal: float | None = None
    learning_rate: float = 2e-3
    batch_size: int = 128


ROWS = {
    "binarized": Row(
        "dynamic",
        epochs=24,
        published="0.19 (Townsend et al. 2019)",
        goal=0.17,
    ),
    "grey": Row(
        "none",
        epochs=20,
        published="1.41 (Townsend et al. 2019)",
        goal=1.38,
    ),
    "lossy": Row("none", epochs=20),
}


def build(name, data_mean, seed):
    """The model of a row."""
    import keras_vae

    shape, arguments = (28, 28, 1), {"data_mean": data_mean, "seed": seed}
    if name == "lossy":
        likelihood = keras_vae.likelihoods.Gaussian(scale="optimal")
        parts = keras_vae.networks.convolutional(shape, 32, likelihood, **arguments)
        return keras_vae.VAE(*parts, likelihood=likelihood, seed=seed)
    # Levels at 14 x 14 and at 7 x 7.
    likelihood, levels = keras_vae.likelihoods.Bernoulli(), (0, 2)
    if name == "grey":
        likelihood = keras_vae.likelihoods.DiscretizedLogisticMixture(3)
        levels = (1, 1)
    parts = keras_vae.networks.hierarchical_convolutional(
        shape, 32, likelihood, filters=(32, 64), levels=levels, **arguments
    )
    return keras_vae.HierarchicalVAE(*parts, likelihood=likelihood, seed=seed)


def lossless(row, vae, x):
    """What is measured of a row without loss."""
    import numpy as np

    from keras_vae import applications

    compressor = applications.Compressor(vae)
    compressor.compress(x[:64])  # graphs are made once
    started = time.perf_counter()
    compressed = compressor.compress(x)
    middle = time.perf_counter()
    images = compressor.decompress(compressed)
    ended = time.perf_counter()
    levels = 2 if row.binarize != "none" else 256
    equal = bool(np.array_equal(images, np.rint(x * (levels - 1)).astype("uint8")))
    bits = 8 * len(compressed) / x.size
    bound = compressor.expected_bits(x) / x.size
    sizes = applications.compressed_sizes(images, levels)
    return {
        "bits_per_pixel": bits,
        "decoded_equal": equal,
        "bytes": len(compressed),
        "negative_elbo_bits_per_pixel": bound,
        "above_negative_elbo_percent": 100 * (bits / bound - 1),
        "published": row.published,
        "goal": row.goal,
        "reached": equal and bits <= row.goal,
        "compress_images_per_second": len(x) / (middle - started),
        "decompress_images_per_second": len(x) / (ended - middle),
        "other_codecs_bits_per_pixel": {
            codec: 8 * size / x.size for codec, size in sizes.items()
        },
    }


def lossy(vae, x):
    """Bits and error of the model's steps and of the other codecs' qualities."""
    import numpy as np

    from keras_vae import applications

    images = np.rint(255 * x).astype("uint8")
    curves = {"keras_vae": []}
    for step in STEPS:
        compressor = applications.LossyCompressor(vae, step=step)
        compressed = compressor.compress(x)
        started = time.perf_counter()
        decoded = compressor.decompress(compressed)
        point = _point(len(compressed), decoded, images, step=step)
        point["decompress_images_per_second"] = len(x) / (time.perf_counter() - started)
        curves["keras_vae"].append(point)
    for form in ("JPEG", "WEBP"):
        curves[form] = [_picture_point(form, q, images) for q in QUALITIES]
    for point in curves["keras_vae"]:
        point["others_psnr_at_equal_bytes"] = {
            form: _psnr_at(curves[form], point["bits_per_pixel"])
            for form in ("JPEG", "WEBP")
        }
    return {"curves": curves}


def _point(size, decoded, images, **setting):
    import numpy as np

    error = np.mean((decoded / 255.0 - images / 255.0) ** 2)
    return {
        **setting,
        "bits_per_pixel": 8 * size / images.size,
        "mean_squared_error": float(error),
        "psnr": float(-10 * np.log10(error)),
    }


def _picture_point(form, quality, images):
    """One sheet with all images, so that the head of a file counts once."""
    import numpy as np
    import PIL.Image

    from keras_vae.applications.codecs import sheets, unsheet

    size, decoded = 0, []
    for sheet in sheets(images):
        buffer = io.BytesIO()
        options = {"optimize": True} if form == "JPEG" else {"method": 6}
        sheet.save(buffer, form, quality=quality, **options)
        size += buffer.tell()
        decoded.append(np.asarray(PIL.Image.open(buffer).convert("L")))
    return _point(size, unsheet(decoded, images.shape), images, quality=quality)


def _psnr_at(curve, bits):
    """Between two qualities on a straight line; `None` where all take more bytes."""
    import numpy as np

    points = sorted((p["bits_per_pixel"], p["psnr"]) for p in curve)
    if bits < points[0][0]:
        return None
    return float(np.interp(bits, *zip(*points, strict=True)))


def draw(curves, path):
    """Error against bits of all codecs."""
    from keras_vae import plots
    from keras_vae.plots.figure import BLUE, GREY, ORANGE, Figure, tidy

    figure = Figure(6.4, 4.4, layout="constrained")
    axes = figure.subplots()
    colors = {"keras_vae": BLUE, "JPEG": ORANGE, "WEBP": GREY}
    for name, curve in curves.items():
        points = sorted((p["bits_per_pixel"], p["psnr"]) for p in curve)
        axes.plot(*zip(*points, strict=True), "o-", color=colors[name], label=name)
    axes.set_xscale("log")
    axes.set_xlabel("bits per pixel, all bytes of the file")
    axes.set_ylabel("PSNR, dB")
    axes.set_title("10,000 test images of MNIST; to the upper left is better")
    axes.legend(frameon=False)
    tidy(axes)
    plots.save(figure, path)


def main():
    import keras
    import readme
    from machine import machine  # these are beside this file
    from training import first_test_images, load, train

    parser = argparse.ArgumentParser(description="Measures compression of MNIST.")
    parser.add_argument("rows", nargs="*", help=f"Of {', '.join(ROWS)}: all.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="Instead of each row's own.")
    parser.add_argument("--num-images", type=int, help="In an epoch, to try it.")
    parser.add_argument("--examples", type=int, default=10_000, help="Test images.")
    parser.add_argument("--output", type=Path, default=RESULTS / "compression.json")
    arguments = parser.parse_args()
    if not {*arguments.rows} <= {*ROWS}:
        parser.error(f"rows are {', '.join(ROWS)}")
    data, path = load(), arguments.output
    report = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    for name in arguments.rows or ROWS:
        row = ROWS[name]
        keras.utils.set_random_seed(arguments.seed)
        vae = build(name, data.train.moments()[0], arguments.seed)
        settings = {
            "epochs": arguments.epochs or row.epochs,
            "batch_size": row.batch_size,
            "learning_rate": row.learning_rate,
            "seed": arguments.seed,
        }
        print(f"{name}:", flush=True)
        settings["num_images"] = arguments.num_images
        trained = train(vae, data, **settings, binarize=row.binarize)
        x = first_test_images(data, arguments.examples, arguments.seed, row.binarize)
        started = time.perf_counter()
        measured = lossy(vae, x) if name == "lossy" else lossless(row, vae, x)
        if name == "lossy":
            draw(measured["curves"], path.with_suffix(".png"))
        report[name] = {
            "command": " ".join(["python benchmarks/compression.py", *sys.argv[1:]]),
            "num_examples": len(x),
            **measured,
            "model": type(vae).__name__,
            **settings,
            **trained,
            "measuring_minutes": round((time.perf_counter() - started) / 60, 1),
            "machine": machine() | {p: version(p) for p in ("constriction", "pillow")},
        }
        path.write_text(json.dumps(report, indent=2) + "\n")
        print(json.dumps({name: report[name]}, indent=2), flush=True)
        if path.parent == RESULTS:
            readme.main()


if __name__ == "__main__":
    main()
