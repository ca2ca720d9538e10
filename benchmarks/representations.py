"""What few labels can read from codes, from principal components and from pixels.

    python benchmarks/representations.py

MNIST: a `VAETransformer` of each latent size and as many principal components are
fitted to the 60,000 training images, without their labels. Then 10 and 100 labels a
class are drawn of them, five times each, and a logistic regression on the codes, on the
components and on the pixels is tried on all 10,000 test images: accuracy, mean and
standard deviation over the five draws. Its penalty, and whether its columns are
standardised (by all training images), are chosen by five-fold cross-validation on the
labelled images, for each in the same way; so is the size that is named beforehand as
chosen. Test images choose nothing; `--validate` keeps the last 10,000 training images
in their place, to try settings by.

Writes `benchmarks/results/representations.json`, after each size. MNIST is looked for
where tensorflow-datasets keeps its data (`TFDS_DATA_DIR`). To try it:

    python benchmarks/representations.py --latent-dims 4 --epochs 1 \\
        --num-images 2000 --num-test-images 500 --num-draws 2 --output try.json
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "representations.json"
LABELS_A_CLASS = (10, 100)
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # C of scikit-learn: more is a weaker one
FOLDS = 5
CONFIG = {
    "hidden_units": [512, 256],
    "likelihood": "bernoulli",
    "beta": 1.0,
    "epochs": 30,
    "batch_size": 128,
    "learning_rate": 0.001,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latent-dims", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--epochs", type=int, default=CONFIG["epochs"])
    parser.add_argument("--num-draws", type=int, default=5, help="Of the labels.")
    parser.add_argument("--num-images", type=int, help="Of training.")
    parser.add_argument("--num-test-images", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate", action="store_true", help="on training images")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    import readme  # these are beside this file
    from machine import machine

    import keras_vae

    began = time.perf_counter()
    images = read_images(options)
    report = {
        "command": shlex.join(
            ["python", "benchmarks/representations.py", *sys.argv[1:]]
        ),
        "config": CONFIG | {"epochs": options.epochs},
        "seed": options.seed,
        "num_draws": options.num_draws,
        "num_images": len(images["train"][0]),
        "num_test_images": len(images["test"][0]),
        "validated": options.validate,
        "machine": machine(),
        "training_minutes": {},
        "readouts": {},
    }
    draws = {
        labels_a_class: [
            draw(images["train"][1], labels_a_class, options.seed + i)
            for i in range(options.num_draws)
        ]
        for labels_a_class in LABELS_A_CLASS
    }
    features = [("raw", lambda: tuple(images[part][0] for part in ("train", "test")))]
    for size in options.latent_dims:
        features += [
            (f"pca_{size}", lambda size=size: components(images, size, options.seed)),
            (f"vae_{size}", lambda size=size: codes(images, size, options, report)),
        ]
    options.output.parent.mkdir(exist_ok=True)
    for name, made in features:
        measure(name, *made(), images, draws, report)
        report["chosen"] = chosen(report["readouts"])
        report["minutes"] = round((time.perf_counter() - began) / 60, 1)
        keras_vae.files.write_json(options.output, report)
    print(json.dumps(report["chosen"], indent=2))
    if options.output == RESULTS:
        readme.main()


def read_images(options):
    """Rows of pixels and labels, of training and of test."""
    import keras_vae

    data = keras_vae.datasets.load("mnist", validation_fraction=0)
    images = {}
    for part in ("train", "test"):
        batches = getattr(data, part).batches(10_000, with_labels=True)
        x, labels = zip(*batches.as_numpy_iterator(), strict=True)
        x, labels = np.concatenate(x), np.concatenate(labels)
        images[part] = x.reshape(len(x), -1), labels
    if options.validate:
        images["test"] = tuple(array[-10_000:] for array in images["train"])
        images["train"] = tuple(array[:-10_000] for array in images["train"])
    sizes = {"train": options.num_images, "test": options.num_test_images}
    return {
        part: tuple(array[: sizes[part]] for array in arrays)
        for part, arrays in images.items()
    }


def draw(labels, labels_a_class, seed):
    """Row numbers of so many images of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == name), labels_a_class, replace=False)
            for name in np.unique(labels)
        ]
    )


def components(images, size, seed):
    """Principal components of the pixels."""
    from sklearn.decomposition import PCA

    pca = PCA(size, random_state=seed).fit(images["train"][0])
    return tuple(pca.transform(images[part][0]) for part in ("train", "test"))


def codes(images, size, options, report):
    """Codes of a VAE that is trained here."""
    from keras_vae.applications import VAETransformer

    began = time.perf_counter()
    settings = report["config"] | {"latent_dim": size, "random_state": options.seed}
    transformer = VAETransformer(**settings).fit(images["train"][0])
    minutes = (time.perf_counter() - began) / 60
    report["training_minutes"][f"vae_{size}"] = round(minutes, 2)
    return tuple(transformer.transform(images[part][0]) for part in ("train", "test"))


def measure(name, train, test, images, draws, report):
    """Adds the readouts of some features to the report."""
    labels, answers = images["train"][1], images["test"][1]
    location, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    forms = [(train, test), ((train - location) / scale, (test - location) / scale)]
    for labels_a_class, rows_of_draws in draws.items():
        found = []
        for rows in rows_of_draws:
            fits = [fit(known[rows], labels[rows]) for known, _ in forms]
            best = int(np.argmax([search.best_score_ for search in fits]))
            right = fits[best].predict(forms[best][1]) == answers
            found.append((float(right.mean()), float(fits[best].best_score_)))
        accuracies, validated = zip(*found, strict=True)
        readout = {
            **summary(accuracies),
            "accuracies": accuracies,
            "cross_validated": float(np.mean(validated)),
            "num_features": train.shape[1],
        }
        report["readouts"].setdefault(str(labels_a_class), {})[name] = readout
        print(
            f"{labels_a_class} labels a class, {name}: accuracy "
            f"{readout['accuracy']:.4f}, in {len(accuracies)} draws "
            f"{min(accuracies):.4f} to {max(accuracies):.4f}",
            flush=True,
        )


def fit(x, labels):
    """A logistic regression whose penalty is chosen by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    model = LogisticRegression(max_iter=500)
    return GridSearchCV(model, {"C": PENALTIES}, cv=FOLDS).fit(x, labels)


def summary(accuracies):
    """Mean and standard deviation over the draws; of one draw there is none."""
    spread = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    return {"accuracy": float(np.mean(accuracies)), "standard_deviation": spread}


def chosen(readouts):
    """Of each kind of features the size that cross-validation prefers."""
    result = {}
    for labels_a_class, found in readouts.items():
        best = {}
        for name, readout in found.items():
            kind = name.split("_")[0]
            before = best.get(kind)
            score = readout["cross_validated"]
            if before is None or score > found[before]["cross_validated"]:
                best[kind] = name
        result[labels_a_class] = {
            name: found[name]["accuracy"] for name in best.values()
        }
    return result


if __name__ == "__main__":
    main()
