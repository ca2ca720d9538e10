"""Published results on MNIST, one row at a time.

    python benchmarks/published.py vae
    python benchmarks/published.py iwae_5 --epochs 100

trains the model of a row of ROWS on the 60,000 training images, binarized anew in each
epoch (Burda et al. 2016), and measures -log p(x) of the 10,000 test images, binarized
once, by importance sampling with 5,000 draws (nats per image). Nothing is chosen by the
test images: the weights measured are the moving average at the end of a schedule that
was fixed before. Writes `benchmarks/results/published_ROW.json` and the table in
README.md. MNIST is looked for where tensorflow-datasets keeps its data
(`TFDS_DATA_DIR`).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN = "<!-- published: written by benchmarks/published.py -->"
END = "<!-- end of published -->"
NUM_IMPORTANCE_SAMPLES = 5000


class Row(NamedTuple):
    """One row: a model, how it is trained, and what it is compared with."""

    model: str
    build: Callable
    published: str
    goal: float
    epochs: int
    batch_size: int = 128
    learning_rate: float = 1e-3


def one_layer(model, **arguments):
    """784-200-200-50, as Burda et al. (2016), appendix C."""

    def build(keras_vae, data, seed):
        networks = keras_vae.networks.dense(
            (28, 28, 1),
            50,
            hidden_units=(200, 200),
            data_mean=data.train.moments()[0],
            seed=seed,
        )
        return getattr(keras_vae, model)(*networks, seed=seed, **arguments)

    return build


def two_layers(latent_dims, hidden_units, prior="standard_normal", **arguments):
    """Two stochastic layers, the top first."""

    def build(keras_vae, data, seed):
        networks = keras_vae.networks.hierarchical_dense(
            (28, 28, 1),
            latent_dims,
            hidden_units=hidden_units,
            data_mean=data.train.moments()[0],
            seed=seed,
            **arguments,
        )
        made = prior
        if prior == "vamp":
            x = next(data.train.batches(10_000, binarize="dynamic").as_numpy_iterator())
            made = keras_vae.priors.VampPrior(500, inputs=x, seed=seed)
        return keras_vae.HierarchicalVAE(*networks, prior=made, seed=seed)

    return build


def convolutional_levels(keras_vae, data, seed):
    """A vector and five levels of maps."""
    networks = keras_vae.networks.hierarchical_convolutional(
        (28, 28, 1),
        32,
        filters=(32, 64),
        levels=(2, 3),
        data_mean=data.train.moments()[0],
        seed=seed,
    )
    return keras_vae.HierarchicalVAE(*networks, seed=seed)


ROWS = {
    "vae": Row(
        "VAE 784-200-200-50",
        one_layer("VAE"),
        "86.76 (Burda et al. 2016)",
        86.7,
        epochs=1000,
    ),
    "iwae_5": Row(
        "IWAE, 5 draws",
        one_layer("IWAE", num_samples=5),
        "85.54 (Burda et al. 2016)",
        85.5,
        epochs=400,
    ),
    "iwae_50": Row(
        "IWAE, 50 draws",
        one_layer("IWAE", num_samples=50),
        "84.78 (Burda et al. 2016)",
        84.7,
        epochs=400,
    ),
    "two_layers": Row(
        "two stochastic layers, 784-200-200-100-100-100-50",
        two_layers((50, 100), ((100, 100), (200, 200))),
        "85.33 (Burda et al. 2016)",
        85.0,
        epochs=600,
    ),
    "two_layers_vamp": Row(
        "two stochastic layers of 40, VampPrior of 500",
        two_layers((40, 40), ((300, 300), (300, 300)), prior="vamp", skip=True),
        "81.24 (Tomczak & Welling 2018)",
        81.2,
        epochs=400,
    ),
    "levels": Row(
        "convolutional, six levels",
        convolutional_levels,
        "78.0 (NVAE, Vahdat & Kautz 2020)",
        80.0,
        epochs=60,
        learning_rate=2e-3,
    ),
}


def train(row, seed, epochs):
    """The trained model of a row, the data, and the minutes that it took."""
    import keras

    import keras_vae

    keras.utils.set_random_seed(seed)
    data = keras_vae.datasets.load("mnist", validation_fraction=0)
    vae = row.build(keras_vae, data, seed)
    steps = data.train.steps_per_epoch(row.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(row.learning_rate, steps * epochs)
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.999)
    vae.compile(optimizer, steps_per_execution=min(32, steps))
    batches = data.train.training_batches(
        row.batch_size, seed=seed, num_epochs=epochs, binarize="dynamic"
    )
    started = time.perf_counter()

    class Progress(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if (epoch + 1) % max(1, epochs // 50) == 0:
                minutes = (time.perf_counter() - started) / 60
                numbers = ", ".join(f"{k} {v:.2f}" for k, v in sorted(logs.items()))
                print(f"epoch {epoch + 1}, {minutes:.1f} min: {numbers}", flush=True)

    vae.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[Progress()],
    )
    return vae, data, (time.perf_counter() - started) / 60


def measure(vae, data, seed):
    """What is measured on the test images, and the minutes that it took."""
    import keras_vae

    started = time.perf_counter()
    x = data.test.batches(1000, binarize="dynamic", seed=seed)
    metrics = keras_vae.evaluation.evaluate(
        vae, x, batch_size=1000, num_importance_samples=NUM_IMPORTANCE_SAMPLES
    )
    return metrics, (time.perf_counter() - started) / 60


def table():
    """The table of all rows that were measured, for README.md."""
    lines = [
        BEGIN,
        "| model | -log p(x), nats | published | goal | training, min |",
        "|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        path = RESULTS / f"published_{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        value = f"{result['value']:.2f} ± {result['standard_error']:.2f}"
        mark = "" if result["value"] <= row.goal else " (not reached)"
        lines.append(
            f"| {row.model} | {value} | {row.published} | ≤ {row.goal}{mark} | "
            f"{result['training_minutes']:.0f} |"
        )
    return "\n".join([*lines, END])


def write_table():
    readme = HERE.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    readme.write_text(before + table() + rest.split(END)[1], encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Measures a row of the table.")
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="Instead of the row's own.")
    arguments = parser.parse_args()
    row = ROWS[arguments.row]
    epochs = arguments.epochs or row.epochs
    vae, data, training_minutes = train(row, arguments.seed, epochs)
    metrics, measuring_minutes = measure(vae, data, arguments.seed)
    result = {
        "row": arguments.row,
        "command": f"python benchmarks/published.py {arguments.row}"
        + (f" --epochs {arguments.epochs}" if arguments.epochs else "")
        + (f" --seed {arguments.seed}" if arguments.seed else ""),
        "value": -metrics["marginal_log_likelihood"],
        "standard_error": metrics["marginal_log_likelihood_standard_error"],
        "unit": "nats per image",
        "goal": row.goal,
        "reached": -metrics["marginal_log_likelihood"] <= row.goal,
        "num_importance_samples": NUM_IMPORTANCE_SAMPLES,
        "elbo": metrics["elbo"],
        "kl_loss": metrics["kl_loss"],
        "num_active_units": metrics["num_active_units"],
        "epochs": epochs,
        "batch_size": row.batch_size,
        "learning_rate": row.learning_rate,
        "seed": arguments.seed,
        "training_minutes": round(training_minutes, 1),
        "measuring_minutes": round(measuring_minutes, 1),
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "tensorflow": version("tensorflow"),
            "keras": version("keras"),
        },
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"published_{arguments.row}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    if BEGIN in (HERE.parent / "README.md").read_text(encoding="utf-8"):
        write_table()


if __name__ == "__main__":
    main()
