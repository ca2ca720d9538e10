"""Synthetic rows of real tables, beside `ctgan`'s TVAE and beside the real rows.

    python benchmarks/tables.py [TABLE ...]

splits each table, by a seed, into three quarters to learn from and one to test with,
fits `TableSynthesizer` and TVAE, each with its default settings, on the same rows,
draws a thousand rows of each (as many as it learned from, if these are more), and
writes to `benchmarks/results/tables.json`, after each table:

- SDMetrics' diagnostic and quality reports, of the rows that were learned from;
- distances (total variation, in bins by the quantiles of the real rows) of marginals
  and of pairs of columns;
- usefulness: of classifiers trained on synthetic rows the area under the ROC curve on
  the real test rows (of a target that is a number the R^2), beside those trained on
  real ones;
- closeness: the share of synthetic rows that lie nearer to a row that was learned from
  than new real rows do: 1/2 of rows that are as new as these, near 1 of copies.

The tables come inside the wheels of scikit-learn and statsmodels; words take the place
of the codes of categories. Needed by this program alone: `pip install statsmodels
sdmetrics ctgan`.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import shlex
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas
import readme  # beside this file
import sklearn.datasets
from machine import machine
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from keras_vae.applications import TableSynthesizer

RESULTS = Path(__file__).parent / "results" / "tables.json"
SEED = 0
FEWEST_ROWS = 1000  # drawn, so that the measures are not of chance
# Which way is better of each measure that both are compared by.
BETTER = {
    "diagnostic": 1,
    "quality": 1,
    "column_shapes": 1,
    "column_pairs": 1,
    "marginals": -1,
    "pairs": -1,
    "usefulness": 1,
}


def breast_cancer():
    """569 rows of 30 measurements, and benign or malignant."""
    frame = sklearn.datasets.load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    return frame, "target"


def wine():
    """178 rows of 13 measurements, and one of three growers."""
    frame = sklearn.datasets.load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "first", 1: "second", 2: "third"})
    return frame, "target"


def diabetes():
    """442 rows of 10 measurements, and the progression of a disease, a number."""
    data = sklearn.datasets.load_diabetes(as_frame=True, scaled=False)
    frame = data.frame
    frame["sex"] = frame["sex"].map({1.0: "one", 2.0: "two"})
    return frame, "target"


def fair():
    """6,366 rows of a survey: six ordered answers, two occupations, a heavy tail."""
    import statsmodels.api as sm

    frame = sm.datasets.fair.load_pandas().data
    jobs = ["student", "farming", "white-collar", "teacher", "managerial", "advanced"]
    for name in ("occupation", "occupation_husb"):
        frame[name] = frame[name].map(dict(enumerate(jobs, 1)))
    frame["had_affair"] = np.where(frame["affairs"] > 0, "yes", "no")
    return frame, "had_affair"


def anes96():
    """944 rows of a survey: ages, incomes, answers, parties."""
    import statsmodels.api as sm

    frame = sm.datasets.anes96.load_pandas().data.drop(columns="logpopul")
    frame["vote"] = frame["vote"].map({0.0: "Clinton", 1.0: "Dole"})
    degrees = ["1-8", "9-11", "high school", "some college", "college", "BA", "MA"]
    frame["educ"] = frame["educ"].map(dict(enumerate(degrees, 1)))
    for name in ("popul", "TVnews", "age"):
        frame[name] = frame[name].astype("int64")
    return frame, "vote"


def modechoice():
    """840 rows: times and costs of four ways to travel, and whether it was chosen."""
    import statsmodels.api as sm

    frame = sm.datasets.modechoice.load_pandas().data.drop(columns="individual")
    modes = {1.0: "air", 2.0: "train", 3.0: "bus", 4.0: "car"}
    frame["mode"] = frame["mode"].map(modes)
    frame["choice"] = frame["choice"].map({0.0: "no", 1.0: "yes"})
    return frame, "choice"


TABLES = {
    table.__name__: table
    for table in (breast_cancer, wine, diabetes, fair, anes96, modechoice)
}


# What is measured.


def is_category(series):
    return not pandas.api.types.is_numeric_dtype(series)


def sdmetrics_reports(real, synthetic):
    from sdmetrics.reports.single_table import DiagnosticReport, QualityReport

    metadata = {
        "columns": {
            name: {"sdtype": "categorical" if is_category(real[name]) else "numerical"}
            for name in real
        }
    }
    found = {}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diagnostic, quality = DiagnosticReport(), QualityReport()
        diagnostic.generate(real, synthetic, metadata, verbose=False)
        quality.generate(real, synthetic, metadata, verbose=False)
    found["diagnostic"] = float(diagnostic.get_score())
    found["quality"] = float(quality.get_score())
    shapes, pairs = map(float, quality.get_properties()["Score"])
    return {**found, "column_shapes": shapes, "column_pairs": pairs}


def _bins(real, synthetic, most=8):
    """Both columns in the same few bins, by quantiles of the real one."""
    if is_category(real):
        names = {name: i for i, name in enumerate(sorted(set(real) | set(synthetic)))}
        return real.map(names).to_numpy(), synthetic.map(names).to_numpy(), len(names)
    cuts = np.unique(np.quantile(real, np.arange(1, most) / most))
    return np.digitize(real, cuts), np.digitize(synthetic, cuts), len(cuts) + 1


def distances(real, synthetic):
    """Total variation between marginals, and between pairs of columns, in bins."""
    binned = [_bins(real[name], synthetic[name]) for name in real]
    ones, twos = [], []
    for i, (a, b, n) in enumerate(binned):
        ones.append(_variation(a, b, n))
        for c, d, m in binned[:i]:
            twos.append(_variation(a * m + c, b * m + d, n * m))
    return {"marginals": float(np.mean(ones)), "pairs": float(np.mean(twos))}


def _variation(a, b, n):
    a, b = (np.bincount(x.astype(int), minlength=n) / len(x) for x in (a, b))
    return np.abs(a - b).sum() / 2


def _features(frame, target):
    others = frame.drop(columns=target)
    names = [name for name in others if is_category(others[name])]
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), names),
        remainder=StandardScaler(),
    )


def usefulness(train, test, target):
    """Of a classifier (or a regression) trained on rows, on real ones it never saw.

    The mean area under the ROC curve of boosted trees and of a logistic regression; of
    a number, the mean R^2 of trees and of a ridge.
    """
    x, y = train.drop(columns=target), train[target]
    scores = []
    if is_category(y):
        models = (
            HistGradientBoostingClassifier(random_state=0),
            LogisticRegression(max_iter=2000),
        )
    else:
        models = HistGradientBoostingRegressor(random_state=0), Ridge()
    for model in models:
        model = make_pipeline(_features(train, target), model)
        if is_category(y) and y.nunique() < test[target].nunique():
            scores.append(0.5)
            continue
        model.fit(x, y)
        if not is_category(y):
            scores.append(
                r2_score(test[target], model.predict(test.drop(columns=target)))
            )
            continue
        p = model.predict_proba(test.drop(columns=target))
        p = p[:, 1] if p.shape[1] == 2 else p
        scores.append(roc_auc_score(test[target], p, multi_class="ovr"))
    return float(np.mean(scores))


def closeness(train, test, synthetic):
    """Distances to the nearest training row: of synthetic rows and of new real ones."""
    features = _features(train.assign(_none=0), "_none").fit(train)
    near = NearestNeighbors(n_neighbors=1).fit(features.transform(train))
    far = {
        name: near.kneighbors(features.transform(rows))[0][:, 0]
        for name, rows in (("synthetic", synthetic), ("new", test))
    }
    return {
        "distance": float(np.median(far["synthetic"])),
        "distance_of_new": float(np.median(far["new"])),
        "copies": float(np.mean(far["synthetic"] < 1e-9)),
        "copies_of_new": float(np.mean(far["new"] < 1e-9)),
        # Of a generator that copies it is near 1, of new rows of the same kind 1 / 2.
        "nearer_than_new": float(
            np.mean(far["synthetic"][:, None] < far["new"])
            + 0.5 * np.mean(far["synthetic"][:, None] == far["new"])
        ),
    }


def measured(train, test, synthetic, target):
    return {
        **sdmetrics_reports(train, synthetic),
        **distances(train, synthetic),
        "usefulness": usefulness(synthetic, test, target),
        **closeness(train, test, synthetic),
    }


def split(frame, target):
    y = frame[target] if is_category(frame[target]) else None
    train, test = train_test_split(frame, test_size=0.25, random_state=SEED, stratify=y)
    return train.reset_index(drop=True), test.reset_index(drop=True)


def tvae_rows(train, num_rows):
    import torch
    from ctgan import TVAE

    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002
    model = TVAE(verbose=False)
    model.fit(train, [name for name in train if is_category(train[name])])
    return model.sample(num_rows)


def our_rows(train, num_rows):
    return TableSynthesizer(seed=SEED).fit(train).sample(num_rows, seed=SEED)


METHODS = {"keras_vae": our_rows, "tvae": tvae_rows}


def measure(table):
    """The entry of one table: of each method its measures, minutes, and the winner."""
    frame, target = TABLES[table]()
    train, test = split(frame, target)
    num_rows = max(FEWEST_ROWS, len(train))
    entry = {
        "about": TABLES[table].__doc__,
        "rows": len(frame),
        "columns": frame.shape[1],
        "target": target,
        "usefulness_of_real_rows": usefulness(train, test, target),
    }
    for method, rows in METHODS.items():
        start, started = time.perf_counter(), time.process_time()
        synthetic = rows(train, num_rows)
        entry[method] = {
            "minutes": round((time.perf_counter() - start) / 60, 2),
            "cpu_minutes": round((time.process_time() - started) / 60, 2),
            **measured(train, test, synthetic, target),
        }
    ours, other = entry["keras_vae"], entry["tvae"]
    entry["behind"] = behind(ours, other)
    # By Mann and Whitney, of the share of rows that are nearer if they are as new.
    entry["nearer_than_new_standard_error"] = (
        (num_rows + len(test) + 1) / (12 * num_rows * len(test))
    ) ** 0.5
    return entry


def behind(ours, other):
    """Names of the measures by which the other's rows are better, however little."""
    names = [n for n, sign in BETTER.items() if sign * (ours[n] - other[n]) < 0]
    distance, of_other = (abs(f["nearer_than_new"] - 0.5) for f in (ours, other))
    return [*names, "nearer_than_new"] if distance > of_other else names


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    names = parser.parse_args().tables or list(TABLES)
    if unknown := set(names) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    warnings.filterwarnings("ignore", module="sklearn|sdmetrics|ctgan|rdt")
    RESULTS.parent.mkdir(exist_ok=True)
    for name in names:
        entry = measure(name)
        report = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        report |= {
            "command": shlex.join(["python", "benchmarks/tables.py"]),
            "seed": SEED,
            "machine": machine(),
            "versions": {
                package: importlib.metadata.version(package)
                for package in ("ctgan", "sdmetrics", "statsmodels", "scikit-learn")
            },
        }
        report.setdefault("tables", {})[name] = entry
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")
        print(name, {m: entry[m]["quality"] for m in METHODS}, entry["behind"])
        sys.stdout.flush()
    readme.main()


if __name__ == "__main__":
    main()
