"""Who wins on MNIST: each member of the family against the plain VAE.

    python benchmarks/who_wins.py                      all contestants
    python benchmarks/who_wins.py vae iwae two_layers  some; the file is added to
    python benchmarks/who_wins.py beta_tc              total correlation

The contestants train on dynamically binarized MNIST with the same layers of 300 units
between data and codes, 40 codes (a level), the same epochs, seed, batch size and
schedules (`training.py`; beta rises to 1 over the first fifth for those that have one).
They are measured by log p(x) of the same test images, binarized once, with 5,000 draws;
the difference to the VAE is paired, image by image, so that its standard error is that
of the difference.

`beta_tc` trains `VAE` and `BetaTCVAE` of 10 codes at several betas, each for a quarter
of the epochs, and compares their total correlations at equal reconstruction loss, on
the straight lines between them.

Writes `benchmarks/results/who_wins.json`, and beside it the values of each image. What
is there with the same settings is not measured again (`--again` does). To try it:

    python benchmarks/who_wins.py vae --epochs 1 --num-images 2000 \
        --num-test-images 50 --num-importance-samples 20 --output try.json
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "who_wins.json"
HIDDEN, LATENT = (300, 300), 40
# Of the levels above the first: smaller, as what they say is.
HIDDEN_ABOVE = (100, 100)
WARMUP = 0.2
BETAS, TC_LATENT = (1.0, 2.0, 4.0, 8.0), 10
# Of the epochs: there are eight models, of few codes.
TC_PART = 0.25
# Examples that the parts of the KL are computed of.
TC_IMAGES = 2000


def of_one_layer(model, *, context=False, **arguments):
    def build(keras_vae, data, seed, beta):
        networks = keras_vae.networks.dense(
            (28, 28, 1),
            LATENT,
            hidden_units=HIDDEN,
            data_mean=data.train.moments()[0],
            context_dim=100 if context else None,
            seed=seed,
        )
        given = {name: make(keras_vae, data, seed) for name, make in arguments.items()}
        if model != "IWAE":  # which has no beta
            given["beta"] = beta
        return getattr(keras_vae, model)(*networks, seed=seed, **given)

    return build


def vamp_prior(keras_vae, data, seed):
    x = next(data.train.batches(10_000, binarize="dynamic").as_numpy_iterator())
    return keras_vae.priors.VampPrior(200, inputs=x, seed=seed)


def iaf(keras_vae, data, seed):
    return keras_vae.layers.InverseAutoregressiveFlow(
        num_steps=4, hidden_units=(200,), seed=seed
    )


def two_layers(keras_vae, data, seed, beta):
    networks = keras_vae.networks.hierarchical_dense(
        (28, 28, 1),
        (LATENT, LATENT),
        hidden_units=(HIDDEN_ABOVE, HIDDEN),
        skip=True,
        data_mean=data.train.moments()[0],
        seed=seed,
    )
    return keras_vae.HierarchicalVAE(*networks, beta=beta, seed=seed)


# How each is built, and by how many nats it should win.
CONTESTANTS = {
    "vae": (of_one_layer("VAE"), None),
    "iwae": (of_one_layer("IWAE", num_samples=lambda *_: 5), 0.0),
    "vamp": (of_one_layer("VAE", prior=vamp_prior), 1.0),
    "two_layers": (two_layers, 1.0),
    "flow": (of_one_layer("VAE", context=True, flow=iaf), 0.0),
}


def measure(name, data, options):
    """The entry of a contestant, and log p(x) of each image."""
    import keras
    from training import first_test_images, train, warmup  # beside this file

    import keras_vae

    keras.utils.set_random_seed(options.seed)
    lengths = {name: getattr(options, name) for name in ("epochs", "batch_size")}
    lengths["num_images"] = options.num_images
    beta = warmup(data, fraction=WARMUP, **lengths)
    vae = CONTESTANTS[name][0](keras_vae, data, options.seed, beta)
    trained = train(
        vae, data, learning_rate=options.learning_rate, seed=options.seed, **lengths
    )
    x = first_test_images(data, options.num_test_images, options.seed)
    started = time.perf_counter()
    weighted = keras_vae.evaluation.importance_weighted(
        vae, x, num_importance_samples=options.num_importance_samples, batch_size=1000
    )
    values = np.float64(weighted["marginal_log_likelihood"])
    means = keras_vae.evaluation.evaluate(vae, x)
    entry = {
        "model": type(vae).__name__,
        "marginal_log_likelihood": float(values.mean()),
        "standard_error": error_of(values),
        "num_unreliable": int(np.sum(weighted["effective_sample_size"] < 5)),
        **{name: means[name] for name in ("elbo", "reconstruction_loss", "kl_loss")},
        "num_active_units": means["num_active_units"],
        **_kl_of_levels(vae, means["kl_per_dimension"]),
        **trained,
        "measuring_minutes": round((time.perf_counter() - started) / 60, 1),
    }
    return entry, values


def _kl_of_levels(vae, kl_per_dimension):
    """Which levels are in use: the first sign of one that is not."""
    if not hasattr(vae, "top_down"):
        return {}
    sizes = [np.prod(shape) for shape in vae.top_down.latent_shapes]
    levels = np.split(np.array(kl_per_dimension), np.cumsum(sizes)[:-1])
    return {"kl_of_levels": [float(level.sum()) for level in levels]}


def total_correlations(data, options):
    """The entry of `beta_tc`: curves of both models, and their distance."""
    import keras
    from training import first_test_images, train

    import keras_vae

    x = first_test_images(data, TC_IMAGES, options.seed)
    curves, minutes = {"VAE": [], "BetaTCVAE": []}, 0.0
    epochs = max(1, round(TC_PART * options.epochs))
    for model, curve in curves.items():
        for beta in BETAS:
            print(f"{model}, beta {beta:g}", flush=True)
            keras.utils.set_random_seed(options.seed)
            networks = keras_vae.networks.dense(
                (28, 28, 1),
                TC_LATENT,
                hidden_units=HIDDEN,
                data_mean=data.train.moments()[0],
                seed=options.seed,
            )
            own = {"dataset_size": data.train.num_examples}
            vae = getattr(keras_vae, model)(
                *networks,
                beta=beta,
                seed=options.seed,
                **(own if model == "BetaTCVAE" else {}),
            )
            trained = train(
                vae,
                data,
                epochs=epochs,
                batch_size=options.batch_size,
                learning_rate=options.learning_rate,
                seed=options.seed,
                num_images=options.num_images,
            )
            minutes += trained["training_minutes"]
            parts = keras_vae.evaluation.kl_decomposition(vae, x, seed=options.seed)
            losses = vae.score(x)["reconstruction_loss"]
            curve.append(
                {
                    "beta": beta,
                    "reconstruction_loss": float(losses.mean()),
                    "reconstruction_loss_standard_error": error_of(losses),
                    **{name: parts[name] for name in PARTS},
                }
            )
    return {
        "epochs": epochs,
        "curves": curves,
        "num_examples": len(x),
        **compare_curves(curves["VAE"], curves["BetaTCVAE"]),
        "training_minutes": round(minutes, 1),
    }


PARTS = (
    "kl_loss",
    "mutual_information",
    "total_correlation",
    "total_correlation_standard_error",
    "dimension_wise_kl",
)


def compare_curves(base, other):
    """How much total correlation another model has less, at equal reconstruction.

    Args:
        base: List of dictionaries with `reconstruction_loss`, `total_correlation` and
            its standard error.
        other: The same of the other model.

    Returns:
        Dictionary: `total_correlation_difference`, base less other, averaged over the
        reconstruction losses that both reach, on the straight lines between the points;
        its `..._standard_error`, over the examples; and that range. `None` where the
        ranges do not meet.

    Example:

    >>> def curve(points):
    ...     names = ("reconstruction_loss", "total_correlation")
    ...     names += ("total_correlation_standard_error",)
    ...     return [dict(zip(names, point)) for point in points]
    >>> first = curve([(70.0, 2.0, 0.1), (90.0, 0.0, 0.1)])
    >>> second = curve([(80.0, 0.5, 0.1), (100.0, 0.0, 0.1)])
    >>> compare = compare_curves(first, second)
    >>> compare["reconstruction_range"]
    [80.0, 90.0]
    >>> round(compare["total_correlation_difference"], 6)
    0.125
    """
    at, tc, errors = zip(*(_sorted(curve) for curve in (base, other)), strict=True)
    low, high = max(a[0] for a in at), min(a[-1] for a in at)
    if low > high:
        return {"total_correlation_difference": None, "reconstruction_range": None}
    grid = np.linspace(low, high, 101)
    means, variance = [], 0.0
    for places, values, error in zip(at, tc, errors, strict=True):
        # Each point's share in the mean of the interpolated values.
        shares = [np.interp(grid, places, row).mean() for row in np.eye(len(places))]
        means.append(float(np.dot(shares, values)))
        variance += float(np.dot(np.square(shares), np.square(error)))
    return {
        "total_correlation_difference": means[0] - means[1],
        "total_correlation_difference_standard_error": variance**0.5,
        "reconstruction_range": [float(low), float(high)],
    }


def _sorted(curve):
    """Reconstruction losses, rising, total correlations and their errors."""
    names = ("reconstruction_loss", "total_correlation")
    names += ("total_correlation_standard_error",)
    rows = sorted([point[name] for name in names] for point in curve)
    return np.array(rows).T


def error_of(values):
    """The standard error of a mean."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def differences(entries, values):
    """To the VAE, of those that were measured on the same images: into the entries."""
    for name, entry in entries.items():
        base = entries.get("vae")
        if name in ("vae", "beta_tc") or not base or not _comparable(entry, base):
            entry.pop("difference_to_vae", None)
            continue
        difference = np.array(values[name]) - np.array(values["vae"])
        mean, error = float(difference.mean()), error_of(difference)
        wanted = CONTESTANTS[name][1]
        entry["difference_to_vae"] = {
            "mean": mean,
            "standard_error": error,
            "wanted": wanted,
            "reached": bool(mean >= wanted and mean > 2 * error),
        }


def _comparable(entry, base):
    return entry["settings"] == base["settings"]


def table(entries):
    """Lines for a person."""
    lines = ["contestant    log p(x), nats      to the VAE, nats"]
    for name, entry in entries.items():
        if name == "beta_tc":
            continue
        value = (
            f"{entry['marginal_log_likelihood']:.2f} ± {entry['standard_error']:.2f}"
        )
        line = f"{name:12}  {value:18}"
        if "difference_to_vae" in entry:
            difference = entry["difference_to_vae"]
            line += f"  {difference['mean']:+.2f} ± {difference['standard_error']:.2f}"
        lines.append(line)
    if entries.get("beta_tc", {}).get("total_correlation_difference") is not None:
        entry = entries["beta_tc"]
        error = entry["total_correlation_difference_standard_error"]
        lines.append(
            "BetaTCVAE's total correlation at equal reconstruction is lower by "
            f"{entry['total_correlation_difference']:.2f} ± {error:.2f} nats"
        )
    return "\n".join(lines)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*CONTESTANTS, "beta_tc"]
    parser.add_argument("contestants", nargs="*", metavar=f"{{{','.join(names)}}}")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-images", type=int, help="In an epoch, to try it.")
    parser.add_argument("--num-test-images", type=int, default=2000)
    parser.add_argument("--num-importance-samples", type=int, default=5000)
    parser.add_argument("--again", action="store_true", help="Measure what is there.")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser


def main():
    import readme  # these three are beside this file
    from machine import machine
    from training import load

    parser = arguments()
    options = parser.parse_args()
    known = [*CONTESTANTS, "beta_tc"]
    unknown = sorted({*options.contestants} - {*known})
    if unknown:
        parser.error(f"no contestant is called {', '.join(unknown)}")
    values_path = options.output.with_name(f"{options.output.stem}_values.json")
    entries = _read(options.output)
    values = _read(values_path)
    names = ("epochs", "batch_size", "learning_rate", "seed", "num_images")
    names += ("num_test_images", "num_importance_samples")
    settings = {name: getattr(options, name) for name in names}
    given = "".join(
        f" --{name.replace('_', '-')} {value}"
        for name, value in settings.items()
        if value != parser.get_default(name)
    )
    data = load()
    for name in options.contestants or known:
        is_there = entries.get(name, {}).get("settings") == settings
        if is_there and not options.again:
            print(f"{name}: measured already, with these settings")
            continue
        print(f"{name}:", flush=True)
        if name == "beta_tc":
            entry = total_correlations(data, options)
        else:
            entry, of_images = measure(name, data, options)
            values[name] = [round(value, 3) for value in of_images.tolist()]
        entries[name] = {
            "command": f"python benchmarks/who_wins.py {name}{given}",
            "settings": settings,
            **entry,
            "machine": machine(),
        }
        differences(entries, values)
        options.output.parent.mkdir(exist_ok=True)
        values_path.write_text(json.dumps(values) + "\n")
        options.output.write_text(json.dumps(entries, indent=2) + "\n")
        print(table(entries), flush=True)
        if options.output == RESULTS:
            readme.main()


def _read(path):
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    main()
