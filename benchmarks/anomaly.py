"""Anomaly detection on MNIST, one digit normal against the rest, and on a table.

    TFDS_DATA_DIR=... python benchmarks/anomaly.py

trains, for each of the ten digits, one VAE on its training images (a tenth of them kept
to calibrate), scores the 10,000 test images by every score of `AnomalyDetector` and by
PCA, a one-class SVM, an isolation forest and PyOD's VAE, and writes the areas under the
ROC curve to `benchmarks/results/anomaly.json`: after each digit, so that a run that was
broken off goes on where it was. Then a table: breast cancer, benign is normal. How long
each took is in the file; training has to stay under two minutes a digit.

One configuration serves all digits, the score among its settings. It was chosen on
training images alone, a sixth of a digit's against 3,000 of the others' (`--validate`
measures so): the latent size, of 4, 8, 16, 32 and 64, and the likelihood's scale by the
digit 8, the score by the digits 8 and 5. Test images chose nothing.

PyOD is needed by this program alone: `pip install pyod torch`. Without it, its rows say
so. Published for comparison, mean AUC over the digits: VAE 0.970, OCGAN 0.975 (Perera,
Nallapati & Xiang, "OCGAN", 2019, table 2).
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path

import keras
import numpy as np
import readme  # beside this file
import sklearn.datasets
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

import keras_vae
from keras_vae.applications import AnomalyDetector, VAEOutlierDetector
from keras_vae.applications.scores import SCORES

RESULTS = Path(__file__).parent / "results" / "anomaly.json"
SEED = 0
LEVEL = 0.05
GOAL = 0.975  # mean AUC over the digits of the score that was chosen
CONFIG = {
    "score": "relative_error",
    "network": "dense",
    "hidden_units": [256, 256],
    "latent_dim": 16,
    "likelihood": "gaussian",
    "scale": "optimal",
    "beta": 1.0,
    "epochs": 100,
    "batch_size": 128,
    "learning_rate": 0.001,
}
TABLE = {"latent_dim": 4, "hidden_units": [64], "epochs": 200}
# Of a digit's training images.
CALIBRATION_FRACTION = 0.1
# What is optimised for each image is measured on the first so many of them.
MOST_FOR_REGRET = 2000
# A Gram matrix of more takes minutes.
MOST_FOR_SVM = 4000
BASELINES = ("pca", "one_class_svm", "isolation_forest", "pyod_vae")
PYOD_MISSING = "not measured: PyOD is not installed (pip install pyod torch)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, nargs="*", default=list(range(10)))
    parser.add_argument("--epochs", type=int, default=CONFIG["epochs"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--validate", action="store_true", help="on training images")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=JSON", help="another setting"
    )
    options = parser.parse_args()
    given = {name: json.loads(v) for name, v in (s.split("=") for s in options.set)}
    config = CONFIG | {"epochs": options.epochs} | given
    output = None if options.validate else options.output
    report = begin(config, output)
    images = read_images()
    for digit in options.digits:
        key = str(digit)
        if key in report["digits"]:
            print(f"digit {digit}: measured already")
            continue
        report["digits"][key] = measure_digit(digit, images, config, options.validate)
        show(f"digit {digit}", report["digits"][key])
        finish(report, output)
    if not options.validate and "breast_cancer" not in report:
        report["breast_cancer"] = measure_table()
        show("breast cancer", report["breast_cancer"])
    finish(report, output)
    print(json.dumps(report["mean_auc"], indent=2))


def begin(config, output):
    """An empty report, or that of a run with the same settings that was broken off."""
    settings = {"config": config, "table": TABLE, "seed": SEED, "level": LEVEL}
    if output is not None and output.exists():
        report = json.loads(output.read_text())
        if all(report.get(name) == value for name, value in settings.items()):
            return report
        print(f"{output} is of other settings: measured anew")
    packages = ("keras-vae", "tensorflow", "keras", "scikit-learn", "numpy", "pyod")
    return {
        "command": shlex.join(["python", "benchmarks/anomaly.py", *sys.argv[1:]]),
        **settings,
        "published": {"VAE": 0.970, "OCGAN": 0.975, "source": "Perera et al. 2019"},
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1
            ),
            "architecture": platform.machine(),
            "python": platform.python_version(),
        },
        "versions": {name: version_of(name) for name in packages},
        "digits": {},
    }


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def finish(report, output):
    """Means over the digits so far, and the file."""
    digits = list(report["digits"].values())
    names = list(digits[0]["auc"]) if digits else []
    means = {}
    for name in names:
        values = [digit["auc"][name] for digit in digits]
        measured = all(isinstance(value, float) for value in values)
        means[name] = float(np.mean(values)) if measured else values[0]
    report["num_digits"] = len(digits)
    report["mean_auc"] = means
    score = report["config"]["score"]
    if score in means:
        report["reached"] = {
            "score": score,
            "mean_auc": means[score],
            "goal": GOAL,
            "goal_reached": len(digits) == 10 and means[score] >= GOAL,
        }
    report["minutes"] = sum(digit["minutes"] for digit in digits)
    report["minutes"] += report.get("breast_cancer", {}).get("minutes", 0)
    if output is not None:
        output.parent.mkdir(exist_ok=True)
        keras_vae.files.write_json(output, report)
    if output == RESULTS:
        readme.main()


def show(title, measured):
    numbers = [
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} -"
        for name, value in measured["auc"].items()
    ]
    print(
        f"{title} ({measured['training_seconds']:.0f} s of training): "
        + ", ".join(numbers),
        flush=True,
    )


def read_images():
    data = keras_vae.datasets.load("mnist", validation_fraction=0)
    images = {}
    for part in ("train", "test"):
        batches = getattr(data, part).batches(10_000, with_labels=True)
        x, labels = zip(*batches.as_numpy_iterator(), strict=True)
        images[part] = np.concatenate(x), np.concatenate(labels)
    return images


def measure_digit(digit, images, config, validate):
    """Areas under the ROC curve of all methods, for one digit as what is normal."""
    began = time.perf_counter()
    x, labels = images["train"]
    rng = np.random.default_rng(SEED)
    normal = x[rng.permutation(np.flatnonzero(labels == digit))]
    if validate:
        others = x[rng.permutation(np.flatnonzero(labels != digit))[:3000]]
        number = len(normal) // 6
        test = np.concatenate([normal[:number], others])
        is_odd = np.repeat([False, True], [number, len(others)])
        normal = normal[number:]
    else:
        test, labels = images["test"]
        is_odd = labels != digit
    number = round(CALIBRATION_FRACTION * len(normal))
    calibration, train = normal[:number], normal[number:]
    vae, seconds = trained(train, config)
    auc, flagged = {}, {}
    for score in SCORES:
        detector = AnomalyDetector(vae, score, level=LEVEL, seed=SEED)
        rows = slice(MOST_FOR_REGRET if score == "likelihood_regret" else None)
        if validate and score == "likelihood_regret":
            continue
        found = detector.calibrate(calibration).detect(test[rows], 2048)
        auc[score] = float(roc_auc_score(is_odd[rows], found.score))
        flagged[score] = float(found.is_anomaly[~is_odd[rows]].mean())
    flat = [part.reshape(len(part), -1) for part in (train, test)]
    auc |= baselines(*flat, is_odd, slow=not validate)
    return {
        "auc": auc,
        "normal_flagged": flagged,
        "num_train": len(train),
        "num_calibration": len(calibration),
        "num_test": len(test),
        "training_seconds": round(seconds, 1),
        "minutes": round((time.perf_counter() - began) / 60, 2),
    }


def trained(x, config):
    """A VAE of the configuration, and the seconds that its training took."""
    likelihood = keras_vae.likelihoods.get(config["likelihood"])
    if config["scale"] is not None:
        likelihood = type(likelihood)(scale=config["scale"])
    more = {}
    if config["network"] == "dense":
        more["hidden_units"] = tuple(config["hidden_units"])
    encoder, decoder = keras_vae.networks.get(config["network"])(
        x.shape[1:],
        config["latent_dim"],
        likelihood,
        data_mean=x.mean(axis=0),
        seed=SEED,
        **more,
    )
    vae = keras_vae.VAE(
        encoder, decoder, likelihood=likelihood, beta=config["beta"], seed=SEED
    )
    steps = config["epochs"] * -(-len(x) // config["batch_size"])
    schedule = keras.optimizers.schedules.CosineDecay(config["learning_rate"], steps)
    vae.compile(keras.optimizers.Adam(schedule))
    keras.utils.set_random_seed(SEED)  # of the order of the batches
    began = time.perf_counter()
    vae.fit(x, batch_size=config["batch_size"], epochs=config["epochs"], verbose=0)
    return vae, time.perf_counter() - began


def baselines(train, test, is_odd, slow=True):
    """Areas under the ROC curve of methods that are not ours, on the same rows."""
    pca = PCA(0.9, svd_solver="full").fit(train)
    back = pca.inverse_transform(pca.transform(test))
    scores = {"pca": ((test - back) ** 2).sum(axis=1)}
    if slow:
        svm = OneClassSVM(gamma="scale", nu=0.1).fit(train[:MOST_FOR_SVM])
        scores["one_class_svm"] = -svm.score_samples(test)
        forest = IsolationForest(random_state=SEED).fit(train)
        scores["isolation_forest"] = -forest.score_samples(test)
    auc = {name: float(roc_auc_score(is_odd, s)) for name, s in scores.items()}
    if slow:
        auc["pyod_vae"] = pyod_auc(train, test, is_odd)
    return auc


def pyod_auc(train, test, is_odd):
    """PyOD's VAE with its own settings; a sentence where it is not installed."""
    try:
        from pyod.models.vae import VAE
    except ImportError:
        return PYOD_MISSING
    try:
        model = VAE(random_state=SEED, verbose=0)
    except TypeError:  # of some versions
        model = VAE(random_state=SEED)
    model.fit(train)
    return float(roc_auc_score(is_odd, model.decision_function(test)))


def measure_table():
    """Breast cancer: benign rows are normal; the mean over five splits."""
    began = time.perf_counter()
    data = sklearn.datasets.load_breast_cancer()
    is_odd = data.target == list(data.target_names).index("malignant")
    rows, training = [], 0.0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        normal = rng.permutation(np.flatnonzero(~is_odd))
        half = len(normal) * 6 // 10
        train, rest = normal[:half], np.r_[normal[half:], np.flatnonzero(is_odd)]
        x, test, odd = data.data[train], data.data[rest], is_odd[rest]
        start = time.perf_counter()
        fitted = VAEOutlierDetector(
            **TABLE | {"hidden_units": tuple(TABLE["hidden_units"])},
            level=LEVEL,
            random_state=seed,
        ).fit(x)
        training += time.perf_counter() - start
        auc, vae = {}, fitted.detector_.vae
        for score in SCORES:
            scores = AnomalyDetector(vae, score, seed=SEED).score(
                test.astype("float32")
            )
            auc[score] = float(roc_auc_score(odd, scores))
        scale = StandardScaler().fit(x)
        auc |= baselines(scale.transform(x), scale.transform(test), odd)
        found = fitted.predict(test) == -1
        shares = {"normal": found[~odd].mean(), "malignant": found[odd].mean()}
        rows.append((auc, shares))
    numeric = {name: [auc[name] for auc, _ in rows] for name in rows[0][0]}
    return {
        "auc": {
            name: float(np.mean(values)) if isinstance(values[0], float) else values[0]
            for name, values in numeric.items()
        },
        "auc_standard_deviation": {
            name: float(np.std(values, ddof=1))
            for name, values in numeric.items()
            if isinstance(values[0], float)
        },
        "flagged": {
            name: float(np.mean([shares[name] for _, shares in rows]))
            for name in ("normal", "malignant")
        },
        "splits": 5,
        "training_seconds": round(training / 5, 1),
        "minutes": round((time.perf_counter() - began) / 60, 2),
    }


if __name__ == "__main__":
    main()
