"""The rate–distortion curve of a VAE on MNIST, over beta.

    python benchmarks/rate_distortion.py

trains one model for each beta (the networks, epochs, seed and schedule are the same;
see `training.py`) and measures its rate, the KL, and its distortion, the reconstruction
loss, on the 10,000 test images, binarized once. Writes
`benchmarks/results/rate_distortion.json` and `.png` beside it; models that are there
with the same settings are not trained again. To try it:

    python benchmarks/rate_distortion.py --betas 1 --epochs 1 --num-images 2000 \
        --num-test-images 100 --output try.json
"""

import argparse
import json
from pathlib import Path

HERE = Path(__file__).parent
BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def measure(beta, data, options):
    """The point of one beta."""
    import keras
    from training import first_test_images, train  # beside this file

    import keras_vae

    keras.utils.set_random_seed(options.seed)
    networks = keras_vae.networks.dense(
        (28, 28, 1),
        40,
        hidden_units=(300, 300),
        data_mean=data.train.moments()[0],
        seed=options.seed,
    )
    vae = keras_vae.VAE(*networks, beta=beta, seed=options.seed)
    trained = train(
        vae,
        data,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        num_images=options.num_images,
    )
    x = first_test_images(data, options.num_test_images, options.seed)
    name = f"beta {beta:g}"
    (point,) = keras_vae.evaluation.rate_distortion({name: vae}, x, seed=options.seed)
    return {**point, **trained}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--betas", type=float, nargs="+", default=BETAS)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-images", type=int, help="In an epoch, to try it.")
    parser.add_argument("--num-test-images", type=int, default=10_000)
    parser.add_argument(
        "--output", type=Path, default=HERE / "results" / "rate_distortion.json"
    )
    options = parser.parse_args()
    from machine import machine
    from training import load

    import keras_vae

    names = ("epochs", "batch_size", "learning_rate", "seed", "num_images")
    settings = {name: getattr(options, name) for name in (*names, "num_test_images")}
    report = json.loads(options.output.read_text()) if options.output.exists() else {}
    if report.get("settings") != settings:
        report = {"settings": settings, "points": []}
    given = "".join(
        f" --{name.replace('_', '-')} {value}"
        for name, value in settings.items()
        if value != parser.get_default(name)
    )
    report["command"] = f"python benchmarks/rate_distortion.py{given}"
    report["machine"] = machine()
    options.output.parent.mkdir(exist_ok=True)
    data = load()
    for beta in options.betas:
        if any(point["model"] == f"beta {beta:g}" for point in report["points"]):
            print(f"beta {beta:g}: measured already, with these settings")
            continue
        print(f"beta {beta:g}:", flush=True)
        report["points"].append(measure(beta, data, options))
        report["points"].sort(key=lambda point: point["beta"])
        options.output.write_text(json.dumps(report, indent=2) + "\n")
    figure = keras_vae.plots.rate_distortion(report["points"])
    keras_vae.plots.save(figure, options.output.with_suffix(".png"))
    for point in report["points"]:
        print(
            f"{point['model']:9}  rate {point['rate']:6.2f}  distortion "
            f"{point['distortion']:7.2f}  ELBO {point['elbo']:8.2f} nats"
        )


if __name__ == "__main__":
    main()
