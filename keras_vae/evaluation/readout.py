"""What a straight line can read from codes, beside what it reads elsewhere."""

import math
import warnings

import numpy as np

from keras_vae.arguments import check_integer

MOST_STEPS = 200


def linear_readout(codes, labels, x=None, num_labels=None, test_fraction=0.25, seed=0):
    """Accuracy of a linear classifier of codes, of principal components and of pixels.

    The classifier is a logistic regression on standardised columns (scikit-learn's:
    L2 penalty at C = 1, at most 200 steps of L-BFGS). All are trained on the same
    examples and tried on the same others. With `x` there are two more: `raw`,
    the data themselves, and `pca_d`, as many principal components as codes of d numbers
    have: what a code of that size reads without any network. Components and
    standardisation are fitted on all examples that are not held out, whether their
    labels are used or not.

    Hand over examples that the model was not trained with.

    Args:
        codes: Dictionary from a name to an array `(n, ...)`, such as
            `{"z_mean": vae.codes(x), "autoencoder": autoencoder.codes(x)}`; or one
            array, which is called `codes`.
        labels: Array `(n,)` of integers or strings.
        x: The data, array `(n, ...)`, or `None`.
        num_labels: Integer, how many labels to train with, classes in proportion;
            `None` uses all that are not held out.
        test_fraction: Part of the examples that is held out, between 0 and 1.
        seed: Integer >= 0, of the parts.

    Returns:
        A dict of plain Python values, ready for JSON: `readouts`, a dict for each name
        with `accuracy` (the share of held-out labels that is told right),
        `standard_error` (over the held-out examples), `num_features`; and `num_train`,
        `num_test`, `num_classes`, `seed`.

    Raises:
        ValueError: If the arrays have different lengths, a class is too rare to be in
            both parts, or `num_labels` does not leave one for each class.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([0, 1], 200)
    >>> x = rng.normal(size=(400, 5)) + 4 * labels[:, None] * [1, 0, 0, 0, 0]
    >>> result = linear_readout({"first": x[:, :1], "last": x[:, 1:2]}, labels, x)
    >>> [*result["readouts"]]
    ['first', 'last', 'pca_1', 'raw']
    >>> result["readouts"]["first"]["accuracy"] > 0.9
    True

    Reference:
        Alain & Bengio, "Understanding intermediate layers using linear classifier
        probes" (2016), section 3.
    """
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "biuUS":
        raise ValueError(
            "`labels` should be integers or strings of shape (n,). Received: shape "
            f"{labels.shape}, dtype {labels.dtype}"
        )
    codes = codes if isinstance(codes, dict) else {"codes": codes}
    arrays = {name: _flat(name, array, labels) for name, array in codes.items()}
    train, labelled, test = _parts(labels, num_labels, test_fraction, seed)
    sizes = dict.fromkeys(array.shape[1] for array in arrays.values())
    if x is not None:
        raw = _flat("x", x, labels)
        for size in sizes:
            if size <= min(len(train), raw.shape[1]):
                arrays[f"pca_{size}"] = _components(raw, train, size, seed)
        arrays["raw"] = raw
    return {
        "readouts": {
            name: _readout(array, labels, train, labelled, test)
            for name, array in arrays.items()
        },
        "num_train": len(labelled),
        "num_test": len(test),
        "num_classes": len(np.unique(labels)),
        "seed": seed,
    }


def _readout(array, labels, train, labelled, test):
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.linear_model import LogisticRegression

    location, scale = array[train].mean(axis=0), array[train].std(axis=0)
    array = (array - location) / np.where(scale > 0, scale, 1.0)
    model = LogisticRegression(max_iter=MOST_STEPS)
    with warnings.catch_warnings():
        # Of thousands of pixels the last digits of the optimum take many minutes, and
        # are not seen in an accuracy.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(array[labelled], labels[labelled])
    right = model.predict(array[test]) == labels[test]
    return {
        "accuracy": float(right.mean()),
        "standard_error": float(right.std(ddof=1) / math.sqrt(len(right))),
        "num_features": array.shape[1],
    }


def _components(raw, train, size, seed):
    from sklearn.decomposition import PCA  # slow to import

    return PCA(size, random_state=seed).fit(raw[train]).transform(raw)


def _parts(labels, num_labels, test_fraction, seed):
    """Row numbers: not held out, of those the ones with labels, and held out."""
    from sklearn.model_selection import train_test_split  # slow to import

    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise ValueError(
            "`labels` should have two classes or more, of two examples or more each. "
            f"Received: {dict(zip(classes.tolist(), counts.tolist(), strict=True))}"
        )
    if not 0 < test_fraction < 1:
        raise ValueError(
            "`test_fraction` should be between 0 and 1. Received: "
            f"test_fraction={test_fraction!r}"
        )
    rows = np.arange(len(labels))
    train, test = train_test_split(
        rows, test_size=test_fraction, stratify=labels, random_state=seed
    )
    if num_labels is None:
        return train, train, test
    num_labels = check_integer("num_labels", num_labels, len(classes), len(train))
    if num_labels > len(train) - len(classes):
        return train, train[:num_labels], test
    labelled, _ = train_test_split(
        train, train_size=num_labels, stratify=labels[train], random_state=seed
    )
    return train, labelled, test


def _flat(name, array, labels):
    """Float64 rows of numbers, one for each label."""
    array = np.asarray(array, "float64")
    if array.ndim < 2 or len(array) != len(labels):
        raise ValueError(
            f"`{name}` should be an array of {len(labels)} rows, one for each label. "
            f"Received: shape {array.shape}"
        )
    return array.reshape(len(array), -1)
