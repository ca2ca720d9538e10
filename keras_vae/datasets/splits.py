"""Taking validation and test examples out of train, and encoding labels."""

import numpy as np

PARTS = ("train", "validation", "test")


def split_counts(num_examples, parts, fractions):
    """How many examples to take out of train for each split that is missing.

    Args:
        num_examples: Integer, examples in train.
        parts: Names of the splits that the data have of themselves.
        fractions: Dictionary from `"validation"` and `"test"` to a fraction.

    Returns:
        Dictionary from the name of a split to a positive integer.

    Raises:
        ValueError: If there are no examples, or too few to go round.

    Example:

    >>> split_counts(1797, ["train"], {"validation": 0.1, "test": 0.1})
    {'validation': 180, 'test': 180}
    >>> split_counts(60000, ["train", "test"], {"validation": 0.1, "test": 0.1})
    {'validation': 6000}
    """
    if num_examples == 0:
        raise ValueError("The data set is empty: there are no examples to train with.")
    counts = {
        part: max(1, round(fraction * num_examples))
        for part, fraction in fractions.items()
        if part not in parts and fraction > 0
    }
    if sum(counts.values()) >= num_examples:
        raise ValueError(
            f"{num_examples} example{'s' * (num_examples != 1)} cannot be divided into "
            f"train and {' and '.join(counts)}: each needs at least one. Add data, or "
            "set `validation_fraction` or `test_fraction` to 0."
        )
    return counts


def split(parts, fractions, seed):
    """Fills in the splits that are missing with random examples of train.

    The same examples are drawn for the same seed whatever the version of NumPy
    (`RandomState` is frozen), so that a test set stays apart from what a saved model
    was trained with.

    Args:
        parts: Dictionary from `"train"`, `"validation"`, `"test"` to
            `IndexedSource`; train is needed.
        fractions: Dictionary from `"validation"` and `"test"` to a fraction of train.
        seed: Integer.

    Returns:
        Dictionary of the same kind, without the splits whose fraction is 0.
    """
    train = parts["train"]
    counts = split_counts(train.num_examples, parts, fractions)
    order = np.random.RandomState(seed).permutation(train.num_examples)
    taken, start = {}, 0
    for part, count in counts.items():
        taken[part] = train.select(np.sort(order[start : start + count]))
        start += count
    if counts:
        train = train.select(np.sort(order[start:]))
    everything = {**parts, **taken, "train": train}
    return {part: everything[part] for part in PARTS if part in everything}


def encode_labels(labels, known=()):
    """Numbers the distinct labels: known ones as they were, then in sorted order.

    Args:
        labels: Dictionary from the name of a split to a 1-D array of whole numbers or
            strings.
        known: Names that have the numbers from 0 on already.

    Returns:
        `(codes, names)`: a dictionary of int64 arrays, and the tuple of names.

    Raises:
        ValueError: If the labels are numbers that are not whole.

    Example:

    >>> codes, names = encode_labels({"train": np.array(["cat", "ant", "cat"])})
    >>> codes["train"].tolist(), names
    ([1, 0, 1], ('ant', 'cat'))
    """
    every = np.concatenate(list(labels.values()))
    if every.dtype.kind == "f" and np.all(every == np.round(every)):
        every = every.astype("int64")
    if every.dtype.kind not in "biuU":
        raise ValueError(
            "Labels should be whole numbers or strings. Received: labels of type "
            f"{every.dtype}, such as {every[0]!r}"
        )
    names, codes = np.unique(every, return_inverse=True)
    found = [str(name) for name in names]
    names = [*known, *(name for name in found if name not in known)]
    numbers = {name: number for number, name in enumerate(names)}
    number = np.array([numbers[name] for name in found], "int64")
    ends = np.cumsum([len(values) for values in labels.values()])[:-1]
    codes = np.split(number[codes.reshape(-1)], ends)
    return dict(zip(labels, codes, strict=True)), tuple(names)
