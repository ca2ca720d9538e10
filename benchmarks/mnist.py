"""Trains on real MNIST from the command line and writes down what came of it.

    python benchmarks/mnist.py

runs each command of COMMANDS in a process of its own, writes `benchmarks/mnist.json`,
puts its table into README.md (`readme.py`), and keeps the samples of the first as
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


def main():
    import readme  # these two are beside this file
    from machine import machine

    with tempfile.TemporaryDirectory() as folder:
        results = [measure(options, folder) for options in COMMANDS]
        PICTURE.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path(folder, "run-0", "figures", "samples.png"), PICTURE)
    report = {
        "machine": machine(),
        "results": results,
    }
    (HERE / "mnist.json").write_text(json.dumps(report, indent=2) + "\n")
    readme.main()


if __name__ == "__main__":
    main()
