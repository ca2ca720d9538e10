"""MNIST with few labels: M2, M1+M2, and what scikit-learn makes of the same labels.

    TFDS_DATA_DIR=... python benchmarks/few_labels.py

trains one VAE, M1, on the 60,000 training images without labels; then, for each of five
choices of 100 labels (10 a class) and of 1000, M2 on its codes (M1+M2) and M2 on the
images, and measures error and calibration on the 10,000 test images. Beside them, with
the same labels: logistic regression on pixels and on codes, and scikit-learn's
self-training of it, on pixels and on codes. Written to
`benchmarks/results/few_labels.json` after each choice, so that a run that was broken
off goes on where it was; M1 is kept beside it. `--try` takes a few images and epochs.

No test image chooses anything. Published (Kingma et al. 2014, table 1), test error in
per cent, mean and standard deviation over choices: M2 11.97 +- 1.71 with 100 labels and
3.60 +- 0.56 with 1000; M1+M2 3.33 +- 0.14 and 2.40 +- 0.02.
"""

import argparse
import json
import os
import shlex
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
from machine import machine  # beside this file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

import keras_vae
from keras_vae.applications import Labeler

RESULTS = Path(__file__).parent / "results" / "few_labels.json"
GOALS = {"100": 3.3, "1000": 2.4}  # test error of M1+M2, per cent
PUBLISHED = {
    "100": {"m2": 11.97, "m1_m2": 3.33},
    "1000": {"m2": 3.60, "m1_m2": 2.40},
    "source": "Kingma et al. (2014), table 1",
}
SEED = 0
CONFIG = {
    "choices": 5,
    "num_labels": [100, 1000],
    "m1": {
        "network": "dense",
        "hidden_units": [600, 600],
        "latent_dim": 50,
        "epochs": 100,
        "batch_size": 200,
        "learning_rate": 0.001,
    },
    "m1_m2": {
        "latent_dim": 50,
        "hidden_units": [500],
        "alpha": 10.0,
        "labelled_share": 0.5,
        "batch_size": 200,
        "epochs": 50,
        "learning_rate": 0.001,
    },
    "m2": {
        "latent_dim": 50,
        "hidden_units": [500],
        "alpha": 100.0,
        "labelled_share": 0.5,
        "batch_size": 200,
        "epochs": 20,
        "learning_rate": 0.001,
    },
}
TRY = {
    "images": 2000,
    "config": {"choices": 1, "num_labels": [100]},
    "epochs": {"m1": 2, "m1_m2": 2, "m2": 1},
}
METHODS = (
    "m1_m2",
    "m2",
    "logistic_pixels",
    "logistic_codes",
    "self_training_pixels",
    "self_training_codes",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--try", dest="tiny", action="store_true")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="M2.NAME=JSON", help="another setting"
    )
    options = parser.parse_args()
    config = configured(options)
    output = options.output
    if options.tiny and output == RESULTS:
        output = output.with_name("few_labels_try.json")
    output.parent.mkdir(exist_ok=True)
    report = begin(config, output)
    images = read_images(TRY["images"] if options.tiny else None)
    vae = first_model(images, config["m1"], report, output)
    codes = {part: vae.codes(images[part][0]) for part in ("train", "test")}
    for num_labels in config["num_labels"]:
        choices = report["labels"].setdefault(str(num_labels), {})
        for choice in range(config["choices"]):
            found = choices.setdefault(str(choice), {})
            labels = keras_vae.datasets.hide_labels(
                images["train"][1], num_labels, seed=choice
            )
            for method in options.methods:
                if method in found:
                    continue
                began = time.perf_counter()
                found[method] = measure(
                    method, vae, images, codes, labels, choice, config
                )
                minutes = (time.perf_counter() - began) / 60
                found[method]["minutes"] = round(minutes, 2)
                print(
                    f"{num_labels} labels, choice {choice}, {method}: "
                    f"error {found[method]['error']:.2f} %, "
                    f"ECE {found[method]['ece']:.4f}, {minutes:.1f} min",
                    flush=True,
                )
                finish(report, output)
    finish(report, output)
    print(json.dumps(report["summary"], indent=2))


def configured(options):
    config = json.loads(json.dumps(CONFIG))
    if options.tiny:
        config |= TRY["config"]
        for part, epochs in TRY["epochs"].items():
            config[part]["epochs"] = epochs
    for setting in options.set:
        name, value = setting.split("=")
        part, _, name = name.rpartition(".")
        (config[part] if part else config)[name] = json.loads(value)
    return config


def begin(config, output):
    """An empty report, or that of a run with the same settings that was broken off."""
    if output.exists():
        report = json.loads(output.read_text())
        if report.get("config") == config and report.get("seed") == SEED:
            return report
        print(f"{output} is of other settings: measured anew")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "command": shlex.join(["python", "benchmarks/few_labels.py", *sys.argv[1:]]),
        "config": config,
        "seed": SEED,
        "published": PUBLISHED,
        "machine": {**machine(), "memory_gb": round(memory, 1)},
        "labels": {},
    }


def finish(report, output):
    """Mean and standard deviation over the choices so far, and the file."""
    report["summary"] = summary(report["labels"])
    minutes = report.get("m1", {}).get("minutes", 0)
    for choices in report["labels"].values():
        minutes += sum(
            m["minutes"] for found in choices.values() for m in found.values()
        )
    report["minutes"] = round(minutes, 1)
    keras_vae.files.write_json(output, report)


def summary(labels):
    """Errors in per cent and calibration errors, by number of labels and method."""
    result = {}
    for num_labels, choices in labels.items():
        methods = {}
        for method in METHODS:
            found = [c[method] for c in choices.values() if method in c]
            if not found:
                continue
            errors = [f["error"] for f in found]
            methods[method] = {
                "choices": len(found),
                "error_mean": float(np.mean(errors)),
                "error_standard_deviation": float(np.std(errors, ddof=1))
                if len(errors) > 1
                else None,
                "ece_mean": float(np.mean([f["ece"] for f in found])),
            }
            if method == "m1_m2" and num_labels in GOALS:
                goal = GOALS[num_labels]
                methods[method]["goal"] = goal
                methods[method]["goal_reached"] = bool(np.mean(errors) <= goal)
        result[num_labels] = methods
    return result


def read_images(number):
    """Images and labels of both parts; the first of them to try it."""
    data = keras_vae.datasets.load("mnist", validation_fraction=0)
    images = {}
    for part in ("train", "test"):
        batches = getattr(data, part).batches(10_000, with_labels=True)
        x, labels = zip(*batches.as_numpy_iterator(), strict=True)
        images[part] = (np.concatenate(x)[:number], np.concatenate(labels)[:number])
    return images


def first_model(images, config, report, output):
    """M1, trained on all training images without their labels, or read again."""
    path = output.with_name(f"{output.stem}_m1.keras")
    if path.exists() and report.get("m1", {}).get("config") == config:
        return keras_vae.load(path)
    x = images["train"][0]
    encoder, decoder = keras_vae.networks.get(config["network"])(
        x.shape[1:],
        config["latent_dim"],
        hidden_units=tuple(config["hidden_units"]),
        data_mean=x.mean(axis=0),
        seed=SEED,
    )
    vae = keras_vae.VAE(encoder, decoder, seed=SEED)
    steps = config["epochs"] * -(-len(x) // config["batch_size"])
    schedule = keras.optimizers.schedules.CosineDecay(config["learning_rate"], steps)
    vae.compile(keras.optimizers.Adam(schedule))
    keras.utils.set_random_seed(SEED)  # of the order of the batches
    began = time.perf_counter()
    vae.fit(x, batch_size=config["batch_size"], epochs=config["epochs"], verbose=0)
    minutes = (time.perf_counter() - began) / 60
    vae.save(path)
    elbo = float(vae.elbo(images["test"][0]).mean())
    report["m1"] = {"config": config, "minutes": round(minutes, 2), "test_elbo": elbo}
    print(f"M1: test ELBO {elbo:.2f} nats, {minutes:.1f} min", flush=True)
    finish(report, output)
    return vae


def measure(method, vae, images, codes, labels, choice, config):
    """Test error in per cent and calibration error of one method."""
    test, truth = images["test"]
    if method in ("m1_m2", "m2"):
        settings = dict(config[method])
        settings["hidden_units"] = tuple(settings["hidden_units"])
        labeler = Labeler(vae if method == "m1_m2" else None, seed=choice, **settings)
        labeler.fit(images["train"][0], labels)
        probabilities = labeler.predict_proba(test)
    else:
        on_codes = method.endswith("codes")
        x = codes["train"] if on_codes else images["train"][0]
        test = codes["test"] if on_codes else test
        x, test = (part.reshape(len(part), -1) for part in (x, test))
        probabilities = of_scikit_learn(method, x, labels, test)
    return {
        "error": 100 * float(np.mean(probabilities.argmax(axis=1) != truth)),
        "ece": keras_vae.evaluation.calibration_error(probabilities, truth),
    }


def of_scikit_learn(method, x, labels, test):
    regression = LogisticRegression(max_iter=500)
    known = labels >= 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the last digits of the optimum
        # Standardised by all images: no label is needed for that.
        scaler = StandardScaler().fit(x)
        x, test = scaler.transform(x), scaler.transform(test)
        if method.startswith("logistic"):
            model = regression.fit(x[known], labels[known])
        else:
            model = SelfTrainingClassifier(regression, threshold=0.9).fit(x, labels)
        return model.predict_proba(test)


if __name__ == "__main__":
    main()
