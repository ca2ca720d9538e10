"""Published results on MNIST, one row at a time.

    python benchmarks/published.py vae
    python benchmarks/published.py iwae_5 --epochs 100

trains the model of a row of ROWS on the 60,000 training images, binarized anew in each
epoch (Burda et al. 2016), and measures -log p(x) of the 10,000 test images, binarized
once, by importance sampling with 5,000 draws (nats per image); see `training.py`.
Writes `benchmarks/results/published_ROW.json` and the table in README.md. To try a row:

    python benchmarks/published.py levels --epochs 1 --num-images 2000 \
        --num-test-images 100 --num-importance-samples 50 --output try.json
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results"
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
    warmup: float = 0.0  # the part of training in which beta rises to 1


def one_layer(model, **arguments):
    """784-200-200-50, as Burda et al. (2016), appendix C."""

    def build(keras_vae, data, seed, beta):
        networks = keras_vae.networks.dense(
            (28, 28, 1),
            50,
            hidden_units=(200, 200),
            data_mean=data.train.moments()[0],
            seed=seed,
        )
        warmed = {"beta": beta} if model == "VAE" else {}  # IWAE has no beta
        return getattr(keras_vae, model)(*networks, seed=seed, **warmed, **arguments)

    return build


def two_layers(latent_dims, hidden_units, prior="standard_normal", **arguments):
    """Two stochastic layers, the top first."""

    def build(keras_vae, data, seed, beta):
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
        return keras_vae.HierarchicalVAE(*networks, prior=made, beta=beta, seed=seed)

    return build


def convolutional_levels(keras_vae, data, seed, beta):
    """A vector and five levels of maps."""
    networks = keras_vae.networks.hierarchical_convolutional(
        (28, 28, 1),
        32,
        filters=(32, 64),
        levels=(2, 3),
        data_mean=data.train.moments()[0],
        seed=seed,
    )
    return keras_vae.HierarchicalVAE(*networks, beta=beta, seed=seed)


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
        warmup=0.2,
    ),
    "two_layers_vamp": Row(
        "two stochastic layers of 40, VampPrior of 500",
        two_layers((40, 40), ((300, 300), (300, 300)), prior="vamp", skip=True),
        "81.24 (Tomczak & Welling 2018)",
        81.2,
        epochs=400,
        warmup=0.2,
    ),
    "levels": Row(
        "convolutional, six levels",
        convolutional_levels,
        "78.0 (NVAE, Vahdat & Kautz 2020)",
        80.0,
        epochs=60,
        learning_rate=2e-3,
        warmup=0.1,
    ),
}


def main():
    import readme  # beside this file

    parser = argparse.ArgumentParser(description="Measures a row of the table.")
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="Instead of the row's own.")
    parser.add_argument("--num-images", type=int, help="In an epoch, to try it.")
    parser.add_argument("--num-test-images", type=int, default=10_000)
    parser.add_argument(
        "--num-importance-samples", type=int, default=NUM_IMPORTANCE_SAMPLES
    )
    parser.add_argument("--output", type=Path, help="Instead of the results' folder.")
    arguments = parser.parse_args()
    row = ROWS[arguments.row]
    result = measure(row, arguments)
    print(json.dumps(result, indent=2))
    is_result = arguments.output is None
    RESULTS.mkdir(exist_ok=True)
    path = arguments.output or RESULTS / f"published_{arguments.row}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    if is_result:
        readme.main()


def measure(row, arguments):
    """The result of a row: what is written."""
    import keras
    from machine import machine  # these two are beside this file
    from training import first_test_images, load, train, warmup

    import keras_vae

    keras.utils.set_random_seed(arguments.seed)
    data = load()
    settings = {
        "epochs": arguments.epochs or row.epochs,
        "batch_size": row.batch_size,
        "num_images": arguments.num_images,
    }
    beta = warmup(data, fraction=row.warmup, **settings)
    vae = row.build(keras_vae, data, arguments.seed, beta)
    settings |= {"learning_rate": row.learning_rate, "seed": arguments.seed}
    trained = train(vae, data, **settings)
    started = time.perf_counter()
    metrics = keras_vae.evaluation.evaluate(
        vae,
        first_test_images(data, arguments.num_test_images, arguments.seed),
        batch_size=1000,
        num_importance_samples=arguments.num_importance_samples,
    )
    value = -metrics["marginal_log_likelihood"]
    given = {
        name: value
        for name, value in vars(arguments).items()
        if name not in ("row", "output")
        and value not in (None, 0, 10_000, NUM_IMPORTANCE_SAMPLES)
    }
    options = [f" --{name.replace('_', '-')} {value}" for name, value in given.items()]
    return {
        "row": arguments.row,
        "model": row.model,
        "published": row.published,
        "command": f"python benchmarks/published.py {arguments.row}{''.join(options)}",
        "value": value,
        "standard_error": metrics["marginal_log_likelihood_standard_error"],
        "unit": "nats per image",
        "goal": row.goal,
        "reached": value <= row.goal,
        "num_importance_samples": arguments.num_importance_samples,
        "num_unreliable": metrics["num_unreliable"],
        "num_examples": metrics["num_examples"],
        "elbo": metrics["elbo"],
        "kl_loss": metrics["kl_loss"],
        "num_active_units": metrics["num_active_units"],
        "warmup": row.warmup,
        **settings,
        **trained,
        "measuring_minutes": round((time.perf_counter() - started) / 60, 1),
        "machine": machine(),
    }


if __name__ == "__main__":
    main()
