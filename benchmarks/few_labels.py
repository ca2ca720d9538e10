"""MNIST with few labels: M2, M1+M2, and what scikit-learn makes of the same labels.

    TFDS_DATA_DIR=... python benchmarks/few_labels.py

trains one VAE, M1, on the 60,000 training images without labels: first with a standard
normal prior, then with a mixture of Gaussians that is fitted to its codes and trained
with it, which draws clusters of codes apart (as Jiang et al. 2017, "Variational Deep
Embedding"). Then, for each of five choices of 100 labels (10 a class) and of 1000, it
trains M2 on the codes (M1+M2), and measures error and calibration on the 10,000 test
images; M2 on the images themselves for the 100 labels alone, as it takes longest.
Beside them, with the same labels: logistic regression on pixels and on codes, and
scikit-learn's self-training of it, for its time with 10,000 of the other images alone.
Written to `benchmarks/results/few_labels.json` after each method, so that a run that
was broken off goes on where it was; M1 is kept beside it.

No test image chose anything. The settings were chosen by 10,000 training images, which
`--validate` keeps from training, M1's too, and measures on in place of the test images:
their labels were looked at, 10,000 more than a stranger with 100 has, for the first
choice of 100 labels.
`--try` takes a few images and epochs.

Published (Kingma et al. 2014, table 1), test error in per cent, mean and standard
deviation over choices: M2 11.97 +- 1.71 with 100 labels and 3.60 +- 0.56 with 1000;
M1+M2 3.33 +- 0.14 and 2.40 +- 0.02.
"""

import argparse
import json
import shlex
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import readme  # these are beside this file
import training
from machine import machine
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
# Of the images without a label: each round of self-training fits all of them again.
MOST_FOR_SELF_TRAINING = 10_000
CONFIG = {
    "choices": 5,
    "num_labels": [100, 1000],
    "most_labels": {"m2": 100},  # of a method that is not measured with more
    "m1": {
        "network": "dense",
        "hidden_units": [600, 600],
        "latent_dim": 50,
        "epochs": 40,
        "mixture_components": 30,
        "mixture_epochs": 20,
        "batch_size": 200,
        "learning_rate": 0.001,
    },
    "m1_m2": {
        "latent_dim": 16,
        "hidden_units": [256],
        "alpha": 2.0,
        "labelled_share": 0.05,
        "batch_size": 200,
        "epochs": 60,
        "learning_rate": 0.002,
        "jit_compile": True,
    },
    "m2": {
        "latent_dim": 50,
        "hidden_units": [256],
        "alpha": 2.0,
        "labelled_share": 0.05,
        "batch_size": 200,
        "epochs": 5,
        "learning_rate": 0.001,
        "jit_compile": True,
    },
}
TRY = {
    "images": 2000,
    "config": {"choices": 1, "num_labels": [100]},
    "epochs": {"m1": 2, "m1_m2": 2, "m2": 1},
    "mixture_epochs": 1,
}
METHODS = (
    "m1_m2",
    "logistic_pixels",
    "logistic_codes",
    "self_training_pixels",
    "self_training_codes",
    "m2",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--validate", action="store_true", help="on training images")
    parser.add_argument("--try", dest="tiny", action="store_true")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="M2.NAME=JSON", help="another setting"
    )
    options = parser.parse_args()
    config = configured(options)
    output = options.output
    if output == RESULTS and (options.tiny or options.validate):
        words = "try" if options.tiny else "validate"
        output = output.with_name(f"few_labels_{words}.json")
    output.parent.mkdir(exist_ok=True)
    report = begin(config, output, options.validate)
    data = training.load()
    if options.validate:
        data = keras_vae.datasets.load("mnist", validation_fraction=1 / 6)
    images = read_images(data, options)
    vae = first_model(data, images, config["m1"], report, output, options)
    codes = {part: vae.codes(x) for part, (x, _) in images.items()}
    for num_labels in config["num_labels"]:
        choices = report["labels"].setdefault(str(num_labels), {})
        methods = [
            method
            for method in options.methods
            if num_labels <= config["most_labels"].get(method, num_labels)
        ]
        for choice in range(config["choices"]):
            found = choices.setdefault(str(choice), {})
            labels = keras_vae.datasets.hide_labels(
                images["train"][1], num_labels, seed=choice
            )
            for method in methods:
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
    if output == RESULTS:
        readme.main()


def configured(options):
    config = json.loads(json.dumps(CONFIG))
    if options.tiny:
        config |= TRY["config"]
        for part, epochs in TRY["epochs"].items():
            config[part]["epochs"] = epochs
        config["m1"]["mixture_epochs"] = TRY["mixture_epochs"]
    for setting in options.set:
        name, value = setting.split("=")
        part, _, name = name.rpartition(".")
        (config[part] if part else config)[name] = json.loads(value)
    return config


def begin(config, output, validate):
    """An empty report, or that of a run with the same settings that was broken off."""
    settings = {"config": config, "seed": SEED, "validated": validate}
    if output.exists():
        report = json.loads(output.read_text())
        if all(report.get(name) == value for name, value in settings.items()):
            return report
        print(f"{output} is of other settings: measured anew")
    return {
        "command": shlex.join(["python", "benchmarks/few_labels.py", *sys.argv[1:]]),
        **settings,
        "published": PUBLISHED,
        "machine": machine(),
        "labels": {},
    }


def finish(report, output):
    """Mean and standard deviation over the choices so far, and the file."""
    report["summary"] = summary(report["labels"])
    minutes = report.get("m1", {}).get("training_minutes", 0)
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
            spread = float(np.std(errors, ddof=1)) if len(errors) > 1 else None
            methods[method] = {
                "choices": len(found),
                "error_mean": float(np.mean(errors)),
                "error_standard_deviation": spread,
                "ece_mean": float(np.mean([f["ece"] for f in found])),
            }
            if method == "m1_m2" and num_labels in GOALS:
                goal = GOALS[num_labels]
                methods[method]["goal"] = goal
                methods[method]["goal_reached"] = bool(np.mean(errors) <= goal)
        result[num_labels] = methods
    return result


def read_images(data, options):
    """Images and labels of training and of what is measured on."""
    parts = {
        "train": data.train,
        "test": data.validation if options.validate else data.test,
    }
    images = {}
    for part, split in parts.items():
        batches = split.batches(10_000, with_labels=True).as_numpy_iterator()
        x, labels = map(np.concatenate, zip(*batches, strict=True))
        number = TRY["images"] if options.tiny else len(x)
        images[part] = x[:number], labels[:number]
    return images


def first_model(data, images, config, report, output, options):
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
    settings = {
        "batch_size": config["batch_size"],
        "learning_rate": config["learning_rate"],
        "seed": SEED,
        "num_images": len(x) if options.tiny else None,
    }
    first = training.train(vae, data, epochs=config["epochs"], **settings)
    prior = keras_vae.priors.fit_mixture(
        draws_of_codes(vae, x), config["mixture_components"], seed=SEED
    )
    vae = keras_vae.VAE(encoder, decoder, prior=prior, seed=SEED)
    took = training.train(vae, data, epochs=config["mixture_epochs"], **settings)
    minutes = first["training_minutes"] + took["training_minutes"]
    took["training_minutes"] = round(minutes, 1)
    vae.save(path)
    elbo = float(vae.elbo(images["test"][0]).mean())
    report["m1"] = {"config": config, **took, "elbo": elbo}
    print(f"M1: ELBO {elbo:.2f} nats, {took['training_minutes']:.1f} min", flush=True)
    finish(report, output)
    return vae


def draws_of_codes(vae, x, most=15_000):
    """A draw of q(z|x) for each of the first images: what the prior is to explain."""
    z_mean, z_log_var = vae.encode(x[:most])
    noise = np.random.default_rng(SEED).standard_normal(z_mean.shape, "float32")
    return z_mean + np.exp(z_log_var / 2) * noise


def measure(method, vae, images, codes, labels, choice, config):
    """Error in per cent and calibration error of one method."""
    test, truth = images["test"]
    if method in ("m1_m2", "m2"):
        labeler = Labeler(
            vae if method == "m1_m2" else None, seed=choice, **config[method]
        )
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
    regression = LogisticRegression(max_iter=100)
    known = labels >= 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the last digits of the optimum
        # Standardised by all images: no label is needed for that.
        scaler = StandardScaler().fit(x)
        x, test = scaler.transform(x), scaler.transform(test)
        if method.startswith("logistic"):
            model = regression.fit(x[known], labels[known])
        else:
            others = np.flatnonzero(~known)[:MOST_FOR_SELF_TRAINING]
            rows = np.concatenate([np.flatnonzero(known), others])
            model = SelfTrainingClassifier(regression, threshold=0.9)
            model.fit(x[rows], labels[rows])
        return model.predict_proba(test)


if __name__ == "__main__":
    main()
