"""Trains on real MNIST from the command line and writes down what came of it.

    python benchmarks/mnist.py

runs each command of COMMANDS in a process of its own, writes `benchmarks/mnist.json`,
puts its table between the markers in README.md, and keeps the samples of the first as
`docs/mnist.png`. MNIST is looked for where
tensorflow-datasets keeps its data (`TFDS_DATA_DIR`). About 5 minutes on two cores.

The measure is that of dynamically binarized MNIST (Burda et al. 2016): the ELBO of the
10,000 test images, binarized once, in nats per image, with one draw of z for each.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PICTURE = HERE.parent / "docs" / "mnist.png"
COMMANDS = [
    "--network dense --latent-dim 50 --binarize dynamic --epochs 40",
    "--network convolutional --latent-dim 50 --binarize dynamic --epochs 5 "
    "--learning-rate 0.003 --learning-rate-schedule cosine",
]
BEGIN = "<!-- results: written by benchmarks/mnist.py -->"
END = "<!-- end of results -->"


def measure(options, folder):
    """The final report of one run, as the run wrote it."""
    command = f"keras-vae train --dataset mnist {options} --seed 0"
    words = shlex.split(command)[1:]
    run = Path(folder) / f"run-{COMMANDS.index(options)}"
    subprocess.run(
        [sys.executable, "-m", "keras_vae_cli", *words, "--output", run],
        check=True,
    )
    metrics = json.loads((run / "metrics.json").read_text())
    names = (
        "elbo",
        "elbo_standard_error",
        "reconstruction_loss",
        "kl_loss",
        "num_active_units",
        "epochs",
        "training_seconds",
    )
    return {"command": command, **{name: metrics[name] for name in names}}


def table(report):
    machine = report["machine"]
    lines = [
        BEGIN,
        f"Real MNIST, {machine['cores']} cores ({machine['architecture']}), Python "
        f"{machine['python']}, TensorFlow {machine['tensorflow']}, Keras "
        f"{machine['keras']}, seed 0; `python benchmarks/mnist.py`:",
        "",
        "| options of `keras-vae train --dataset mnist` | test ELBO, nats | "
        "training, s |",
        "|---|---|---|",
    ]
    for result in report["results"]:
        options = result["command"].split("mnist ")[1].removesuffix(" --seed 0")
        elbo = result["elbo"]
        lines.append(
            f"| `{options}` | {elbo:.2f} ± {result['elbo_standard_error']:.2f}"
            f" | {result['training_seconds']:.0f} |"
        )
    return "\n".join([*lines, END])


def main():
    from machine import machine  # beside this file

    with tempfile.TemporaryDirectory() as folder:
        results = [measure(options, folder) for options in COMMANDS]
        PICTURE.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path(folder, "run-0", "figures", "samples.png"), PICTURE)
    report = {
        "machine": machine(),
        "results": results,
    }
    (HERE / "mnist.json").write_text(json.dumps(report, indent=2) + "\n")
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    readme.write_text(before + table(report) + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
