"""Puts what the benchmarks wrote into docs/benchmarks.md and README.md.

    python benchmarks/readme.py

Each table stands between `<!-- NAME: written by benchmarks/readme.py -->` and
`<!-- end of NAME -->`, NAME among the tables of PAGES; the benchmarks call this when
they have measured. No number is typed: the files are `benchmarks/mnist.json` and those
in `benchmarks/results/`.
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
MEASURED = HERE.parent / "docs" / "benchmarks.md"
RESULTS = HERE / "results"


def abilities():
    """What the package can do, with one number each."""
    rows = [
        (ability, "; ".join(number()) or "not measured yet", f"[{name}](docs/{page})")
        for ability, number, name, page in ABILITIES
    ]
    yield from table("it can", "measured", "read", rows=rows)


def _first_elbo():
    report = read(HERE / "mnist.json")
    for result in report.get("results", [])[:1]:
        yield (
            f"ELBO of MNIST {result['elbo']:.1f} nats after "
            f"{result['training_seconds']:.0f} s on {report['machine']['cores']} cores"
        )


def _best_member():
    found = [
        (entry["difference_to_vae"]["mean"], CONTESTANTS[name])
        for name, entry in read(RESULTS / "who_wins.json").items()
        if "difference_to_vae" in entry
    ]
    if found:
        best, name = max(found)
        yield f"{name}: {best:+.1f} nats of log p(x) to the VAE"


def _likelihood_speed():
    report = read(RESULTS / "speed_likelihood.json")
    if report:
        ratio = report["times_as_fast_as"]["pythae"]
        yield f"log p(x) {ratio:.1f} times as fast as Pythae"


def _anomalies_found():
    report = read(RESULTS / "anomaly.json")
    if report:
        mean = report["mean_auc"][report["config"]["score"]]
        yield f"a digit of MNIST against the rest: mean AUC {mean:.3f}"


def _few_labels_error():
    summary = read(RESULTS / "few_labels.json").get("summary", {})
    if "100" in summary:
        error = summary["100"]["m1_m2"]["error_mean"]
        yield f"MNIST with 100 labels: error {error:.1f} %"


def _few_labels_read():
    chosen = read(RESULTS / "representations.json").get("chosen", {})
    if "10" in chosen:
        codes = [v for name, v in chosen["10"].items() if name.startswith("vae")]
        yield f"10 labels a digit of MNIST read from codes: {max(codes):.1%} right"


def _tables_quality():
    entries = read(RESULTS / "tables.json").get("tables", {}).values()
    if entries:
        ours, tvae = (
            sum(entry[method]["quality"] for entry in entries) / len(entries)
            for method in ("keras_vae", "tvae")
        )
        yield (
            f"SDMetrics quality {ours:.2f}, mean over {len(entries)} tables (TVAE "
            f"{tvae:.2f})"
        )


def _bits():
    report = read(RESULTS / "compression.json")
    for name in [name for name in ("grey", "binarized") if name in report][:1]:
        bits = report[name]["bits_per_pixel"]
        codec, best = min(
            report[name]["other_codecs_bits_per_pixel"].items(),
            key=lambda item: item[1],
        )
        yield f"{name} MNIST in {bits:.2f} bits a pixel ({codec} {best:.2f})"


ABILITIES = [
    ("train a VAE with `model.fit`", _first_elbo, "Start", "index.md"),
    ("explain data better", _best_member, "Which VAE?", "guides/which_vae.md"),
    ("say how good it is", _likelihood_speed, "Measured", "benchmarks.md"),
    *(
        (ability, number, "Applications", f"guides/applications.md#{place}")
        for ability, number, place in (
            ("find anomalies, at a stated error rate", _anomalies_found, "anomalies"),
            ("label the rest, from few labels", _few_labels_error, "labels-from-few"),
            (
                "give few coordinates to scikit-learn",
                _few_labels_read,
                "codes-for-scikit-learn",
            ),
            ("draw synthetic tables", _tables_quality, "synthetic-tables"),
            ("compress without loss", _bits, "compression"),
        )
    ),
]


def mnist():
    """Runs of the command line on MNIST."""
    report = read(HERE / "mnist.json")
    rows = [
        (
            f"`{result['command'].split('mnist ')[1].removesuffix(' --seed 0')}`",
            f"{result['elbo']:.2f} ± {result['elbo_standard_error']:.2f}",
            f"{result['training_seconds']:.0f}",
        )
        for result in report["results"]
    ]
    yield f"Real MNIST, {described(report['machine'])}, seed 0; `benchmarks/mnist.py`:"
    yield ""
    yield from table(
        "options of `keras-vae train --dataset mnist`",
        "test ELBO, nats",
        "training, s",
        rows=rows,
    )


def published():
    """Models of papers, row by row as far as they were measured."""
    found = [read(path) for path in sorted(RESULTS.glob("published_*.json"))]
    rows = [
        (
            result["model"],
            f"{result['value']:.2f} ± {result['standard_error']:.2f}",
            result["published"],
            f"{result['goal']:.1f}{'' if result['reached'] else ', not reached'}",
            f"{result['epochs']:,}",
            f"{result['cpu_seconds_per_epoch'] * result['epochs'] / 60:.0f}",
            f"{result['num_unreliable'] / result['num_examples']:.0%}",
        )
        for result in found
    ]
    if rows:
        yield (
            "-log p(x) of the 10,000 test images of dynamically binarized MNIST, by "
            f"{found[0]['num_importance_samples']:,} draws; "
            f"{described(found[0]['machine'])}, seed {found[0]['seed']}; "
            "`benchmarks/published.py ROW`. Training in minutes of a processor, all "
            "cores together (the files have those of the clock too, on which other "
            "work ran). The last column is the share of images whose estimate rests on "
            "fewer than 5 effective draws; their log p(x) is rather higher than lower:"
        )
        yield ""
        heads = ("model", "nats", "published", "goal", "epochs", "training, CPU min")
        yield from table(*heads, "doubtful", rows=rows)


def who_wins():
    """Members of the family beside the plain VAE."""
    entries = read(RESULTS / "who_wins.json")
    models = {name: entry for name, entry in entries.items() if name != "beta_tc"}
    if not models:
        return
    settings = next(iter(models.values()))["settings"]
    rows = []
    for name, entry in models.items():
        difference = entry.get("difference_to_vae")
        rows.append(
            (
                CONTESTANTS[name],
                f"{entry['marginal_log_likelihood']:.2f} ± "
                f"{entry['standard_error']:.2f}",
                f"{difference['mean']:+.2f} ± {difference['standard_error']:.2f}"
                if difference
                else "",
                f"{entry['cpu_seconds_per_epoch']:.0f}",
            )
        )
    yield (
        f"The same layers, epochs ({settings['epochs']}) and seed, log p(x) of "
        f"{settings['num_test_images']:,} test images by "
        f"{settings['num_importance_samples']:,} draws; `benchmarks/who_wins.py`:"
    )
    yield ""
    yield from table(
        "model",
        "log p(x), nats",
        "to the VAE, nats",
        "processor seconds an epoch",
        rows=rows,
    )
    unreliable = [
        100 * entry["num_unreliable"] / settings["num_test_images"]
        for entry in models.values()
    ]
    yield ""
    yield (
        f"Of {min(unreliable):.0f} to {max(unreliable):.0f} % of the images the "
        "estimate rests on fewer than 5 of the draws (effective sample size), and is "
        "likely too low."
    )
    tc = entries.get("beta_tc")
    if tc and tc["total_correlation_difference"] is not None:
        yield ""
        yield (
            "At equal reconstruction the total correlation of `BetaTCVAE` is lower "
            f"than that of a VAE with beta by {tc['total_correlation_difference']:.2f} "
            f"± {tc['total_correlation_difference_standard_error']:.2f} nats."
        )


CONTESTANTS = {
    "vae": "`VAE`",
    "iwae": "`IWAE`, 5 draws",
    "vamp": "`prior=VampPrior(200)`",
    "two_layers": "`HierarchicalVAE`, two levels",
    "flow": "`flow=InverseAutoregressiveFlow(4)`",
}


def rate_distortion():
    """What beta buys: rate and distortion."""
    report = read(RESULTS / "rate_distortion.json")
    if not report:
        return
    rows = [
        (
            point["model"],
            *(
                f"{point[name]:.1f} ± {point[f'{name}_standard_error']:.1f}"
                for name in ("rate", "distortion", "elbo")
            ),
        )
        for point in report["points"]
    ]
    epochs, seed = (report["settings"][name] for name in ("epochs", "seed"))
    yield (
        f"784-300-300-40, {epochs} epochs, seed {seed}, the "
        f"{report['points'][0]['num_examples']:,} test images of dynamically binarized "
        f"MNIST; nats per image; {described(report['machine'])}; "
        "`benchmarks/rate_distortion.py`:"
    )
    yield ""
    yield from table(
        "trained with", "rate, KL", "distortion, -log p(x given z)", "ELBO", rows=rows
    )


def anomaly():
    """One digit is normal, the others are not."""
    report = read(RESULTS / "anomaly.json")
    if not report:
        return
    means = {k: v for k, v in report["mean_auc"].items() if isinstance(v, float)}
    chosen = report["config"]["score"]
    rows = [
        (
            name.replace("_", " ") + (" (chosen beforehand)" if name == chosen else ""),
            f"{means[name]:.3f}",
        )
        for name in sorted(means, key=means.get, reverse=True)
    ]
    yield (
        f"One digit of MNIST is normal, the rest are not: area under the ROC curve, "
        f"mean over {report['num_digits']} digits (published: VAE 0.970, OCGAN 0.975); "
        "`benchmarks/anomaly.py`:"
    )
    yield ""
    yield from table("score or method", "mean AUC", rows=rows)


def compression():
    """Bits per pixel, all bytes of a file counted."""
    report = read(RESULTS / "compression.json")
    rows = []
    for name in ("binarized", "grey"):
        if name in report:
            result = report[name]
            others = sorted(
                result["other_codecs_bits_per_pixel"].items(), key=lambda item: item[1]
            )
            best = ", ".join(f"{codec} {bits:.2f}" for codec, bits in others[:3])
            rows.append(
                (
                    f"{name}, {result['num_examples']:,} images",
                    f"{result['bits_per_pixel']:.3f}",
                    f"{result['negative_elbo_bits_per_pixel']:.3f}",
                    f"{result['goal']}{'' if result['reached'] else ', not reached'}",
                    result["published"],
                    best,
                    f"{result['decompress_images_per_second']:.0f}",
                )
            )
    if rows:
        yield (
            f"Lossless, bits per pixel of MNIST; {described(result['machine'])}, seed "
            f"{result['seed']}; `benchmarks/compression.py`:"
        )
        yield ""
        yield from table(
            "test images",
            "`Compressor`",
            "-ELBO",
            "goal",
            "published",
            "best of the others",
            "images/s back",
            rows=rows,
        )


def representations():
    """What few labels read from codes, from components and from pixels."""
    report = read(RESULTS / "representations.json")
    if not report:
        return
    kinds = {"raw": "pixels", "pca": "principal components", "vae": "codes of a VAE"}
    rows = []
    for labels_a_class, best in report["chosen"].items():
        found = report["readouts"][labels_a_class]
        for name in sorted(best, key=best.get, reverse=True):
            kind = kinds[name.split("_")[0]]
            spread = found[name]["standard_deviation"]
            rows.append(
                (
                    labels_a_class,
                    f"{kind}, {found[name]['num_features']} numbers",
                    f"{100 * best[name]:.1f}"
                    + ("" if spread is None else f" ± {100 * spread:.1f}"),
                )
            )
    yield (
        f"Logistic regression on few labels of MNIST, {report['num_test_images']:,} "
        f"test images, mean and standard deviation over {report['num_draws']} draws of "
        "the labels; sizes chosen by cross-validation on them; "
        "`benchmarks/representations.py`:"
    )
    yield ""
    yield from table("labels a class", "read from", "accuracy, %", rows=rows)


def tables():
    """Synthetic rows beside those of ctgan's TVAE."""
    report = read(RESULTS / "tables.json")
    rows = []
    for name, entry in report.get("tables", {}).items():
        for method, label in (("keras_vae", "ours"), ("tvae", "TVAE")):
            found = entry[method]
            rows.append(
                (
                    f"`{name}`" if method == "keras_vae" else "",
                    label,
                    f"{found['diagnostic']:.1%}",
                    f"{found['quality']:.3f}",
                    f"{found['marginals']:.3f}",
                    f"{found['pairs']:.3f}",
                    f"{found['usefulness']:.3f} of "
                    f"{entry['usefulness_of_real_rows']:.3f}",
                    f"{found['nearer_than_new']:.2f}",
                    f"{found['cpu_minutes']:.1f}",
                )
            )
    if rows:
        yield (
            "Rows from tables that come with scikit-learn and statsmodels, of "
            "`TableSynthesizer` and of `ctgan`'s TVAE, both with their default "
            "settings; usefulness: AUC (R² of `diabetes`) on real test rows of "
            "classifiers trained on synthetic ones, of those trained on real ones; "
            "nearer: the share of synthetic rows nearer to a training row than new "
            "real rows are (1/2 is best, 1 are copies); `benchmarks/tables.py`:"
        )
        yield ""
        yield from table(
            "table",
            "rows of",
            "SDMetrics diagnostic",
            "SDMetrics quality",
            "distance of marginals",
            "of pairs",
            "usefulness",
            "nearer",
            "CPU, min",
            rows=rows,
        )
        behind = [
            f"{measure.replace('_', ' ')} of `{name}`"
            for name, entry in report["tables"].items()
            for measure in entry["behind"]
        ]
        yield ""
        yield f"Where TVAE is ahead: {', '.join(behind) or 'nowhere'}."


def few_labels():
    """Test error with few labels, of M1+M2 and of what is beside it."""
    report = read(RESULTS / "few_labels.json")
    rows = []
    for num_labels, methods in report.get("summary", {}).items():
        published = report["published"].get(num_labels, {})
        for method in sorted(methods, key=lambda name: methods[name]["error_mean"]):
            found = methods[method]
            spread, goal = found["error_standard_deviation"], found.get("goal")
            rows.append(
                (
                    num_labels,
                    METHODS[method],
                    f"{found['error_mean']:.2f}"
                    + ("" if spread is None else f" ± {spread:.2f}"),
                    str(published.get(method, "")),
                    ""
                    if goal is None
                    else f"{goal}{'' if found['goal_reached'] else ', not reached'}",
                    f"{found['ece_mean']:.3f}",
                )
            )
    if not rows:
        return
    yield (
        "Few labels of MNIST, equally many of each digit, and all training images "
        "without: error on the 10,000 test images, mean and standard deviation over "
        f"{report['config']['choices']} choices of the labels; "
        "`benchmarks/few_labels.py`:"
    )
    yield ""
    yield from table(
        "labels",
        "method",
        "error, %",
        "published",
        "goal",
        "calibration error",
        rows=rows,
    )


def speed():
    """Ours beside peers, in turn."""
    tasks = {
        "dense": "training, 784-512-16-512-784, batches of 128",
        "dense_512": "the same, batches of 512",
        "convolutional": "training, the convolutional network of keras.io",
        "likelihood": "log p(x), 784-200-200-50, 5,000 draws",
    }
    found = {task: read(RESULTS / f"speed_{task}.json") for task in tasks}
    found = {task: report for task, report in found.items() if report}
    if not found:
        return
    rows = [
        (
            tasks[task],
            f"{report['images_per_second']['keras_vae']:,.0f}",
            *(_ratio(report, peer) for peer in ("keras", "torch", "pythae")),
            f"{report['share_of_peak']:.0%}"
            + (
                ""
                if report["reached"].get("share_of_peak", True)
                else f", goal {report['goals']['share_of_peak']:.0%}"
            ),
        )
        for task, report in found.items()
    ]
    machine = next(iter(found.values()))["machine"]
    yield (
        f"Times as fast as peers, in turn on {described(machine)} (median and range of "
        "the rounds, and the goal where it was missed); the peak is that of a product "
        "of matrices, measured in the same rounds; `make bench`:"
    )
    yield ""
    yield from table(
        "what",
        "images/s",
        "Keras alone",
        "PyTorch loop",
        "Pythae",
        "of the peak",
        rows=rows,
    )


def _ratio(report, peer):
    if peer not in report["times_as_fast_as"]:
        return ""
    low, high = report["range"][peer]
    text = f"{report['times_as_fast_as'][peer]:.2f} ({low:.2f} to {high:.2f})"
    if report["reached"].get(peer, True):
        return text
    return f"{text}, goal {report['goals'][peer]}"


METHODS = {
    "m1_m2": "`Labeler(vae)`, M1+M2",
    "m2": "`Labeler()`, M2",
    "logistic_pixels": "logistic regression, pixels",
    "logistic_codes": "logistic regression, codes",
    "self_training_pixels": "self-training of it, pixels",
    "self_training_codes": "self-training of it, codes",
}
TABLES = {
    "mnist": mnist,
    "published": published,
    "who_wins": who_wins,
    "rate_distortion": rate_distortion,
    "anomaly": anomaly,
    "compression": compression,
    "representations": representations,
    "few_labels": few_labels,
    "speed": speed,
    "tables": tables,
}


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def described(machine):
    return (
        f"{machine['cores']} cores ({machine['architecture']}), Python "
        f"{machine['python']}, TensorFlow {machine['tensorflow']}, Keras "
        f"{machine['keras']}"
    )


def table(*heads, rows):
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def sections():
    """The tables of docs/benchmarks.md, each under a heading, if there is something."""
    for name, lines in TABLES.items():
        content = [*lines()]
        heading = lines.__doc__.partition("\n")[0].rstrip(".")
        yield name, [f"## {heading}", "", *content] if content else []


PAGES = {
    README: lambda: [("abilities", [*abilities()])],
    MEASURED: sections,
}


def written(path):
    """The text of a page with the tables of what is measured now."""
    text = path.read_text(encoding="utf-8")
    for name, lines in PAGES[path]():
        begin = f"<!-- {name}: written by benchmarks/readme.py -->"
        end = f"<!-- end of {name} -->"
        content = "\n".join([begin, *lines, end])
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        text, count = re.subn(pattern, lambda _, new=content: new, text, flags=re.S)
        assert count == 1, f"{path} has no place for {name}"
    return text


def main():
    for path in PAGES:
        path.write_text(written(path), encoding="utf-8")


if __name__ == "__main__":
    main()
