"""What a data set says of itself, so that a run knows its data again."""

import difflib
import hashlib
import json
import os

SAMPLED_BYTES = 2**26  # files up to 64 MiB in all are read whole for a fingerprint
BLOCK = 2**16

# What `check_same` compares, and what it calls it.
COMPARED = {
    "num_bytes": "bytes",
    "data_shape": "shape of an example",
    "dtype": "type",
    "columns": "columns",
    "label_names": "labels",
}


def fingerprint(*facts, files=()):
    """A hash of facts and of the content of files, cheap however large they are.

    The files count as one long text, which is hashed whole up to 64 MiB; of a longer
    one, 1024 blocks of 64 KiB at equal distances are. Their names are facts.

    Args:
        *facts: What JSON can hold.
        files: Paths.

    Returns:
        String.

    Example:

    >>> fingerprint("digits", 1) == fingerprint("digits", 1) != fingerprint("digits", 2)
    True
    """
    digest = hashlib.sha256()
    sizes = [os.path.getsize(file) for file in files]
    digest.update(json.dumps([facts, sizes]).encode())
    total = sum(sizes)
    step = max(BLOCK, total // (SAMPLED_BYTES // BLOCK))
    start = 0  # of the file, in the long text
    for file, size in zip(files, sizes, strict=True):
        begin = -(-start // step) * step  # the first block that begins in the file
        with open(file, "rb") as content:
            if step == BLOCK:
                while block := content.read(BLOCK):
                    digest.update(block)
            else:
                for place in range(begin, start + size, step):
                    content.seek(place - start)
                    digest.update(content.read(BLOCK))
        start += size
    return f"sha256:{digest.hexdigest()}"


def file_origin(path, **facts):
    """Where the data of one file come from, for `Dataset`."""
    path = os.path.abspath(path)
    return {
        "source": path,
        "num_bytes": os.path.getsize(path),
        "fingerprint": fingerprint(files=[path]),
        **facts,
    }


def check_same(dataset, description):
    """Checks that data are still those that were described.

    Args:
        dataset: `Dataset`, loaded with the settings of the one that was described.
        description: Its `description`, perhaps as it came back from JSON.

    Raises:
        ValueError: If size, shape, type, columns, labels or content are others.

    Example:

    >>> import keras_vae
    >>> digits = keras_vae.datasets.load("digits")
    >>> check_same(digits, digits.description)
    >>> check_same(digits, {**digits.description, "data_shape": [28, 28, 1]})
    Traceback (most recent call last):
    ValueError: digits has changed: shape of an example was [28, 28, 1] and is [8, ...
    """
    now = dataset.description
    changes = [
        f"{words} was {_shown(description[key])} and is {_shown(now[key])}"
        for key, words in COMPARED.items()
        if key in description and description[key] != now[key]
    ]
    before, after = (
        sum(each.get("num_examples", {}).values()) for each in (description, now)
    )
    if before and before != after:
        changes.append(f"number of examples was {before} and is {after}")
    if not changes and description.get("fingerprint") not in (None, now["fingerprint"]):
        changes.append("its content is not what it was (another fingerprint)")
    if changes:
        raise ValueError(
            f"{now['source']} has changed: {'; '.join(changes)}. Bring back the data "
            f"that were described ({description.get('source')}), or train a new run."
        )


def _shown(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = [column["name"] for column in value]
    text = str(value)
    return text if len(text) < 200 else f"{text[:200]} …"


def check_like(dataset, like):
    """Checks that examples can be given to what was trained on described ones.

    The shape must be the same. Bytes, which are divided by 255, go with other numbers
    only if these lie in [0, 1] too.

    Raises:
        ValueError: If they cannot.
    """
    now = dataset.description
    if now["data_shape"] != like["data_shape"]:
        raise ValueError(
            f"{now['source']} should hold examples of shape {tuple(like['data_shape'])}"
            f", as {like['source']} does. Received: shape {dataset.data_shape}"
        )
    ranges = now["value_range"], like["value_range"]
    one_is_bytes = (now["dtype"] == "uint8") != (like["dtype"] == "uint8")
    if one_is_bytes and any(low < 0 or high > 1 for low, high in ranges):
        (low, high), (low_like, high_like) = ranges
        raise ValueError(
            f"{now['source']} should hold numbers like those of {like['source']}: type "
            f"{like['dtype']}, values from {low_like:g} to {high_like:g}. Received: "
            f"type {now['dtype']}, values from {low:g} to {high:g} (bytes, uint8, are "
            "divided by 255)"
        )


def match_columns(path, names, like):
    """The order that brings a table's columns to those of a description.

    Args:
        path: The table's path, for the error.
        names: Names of its columns that are neither labels nor left out.
        like: Names of the columns that are wanted.

    Returns:
        List of places in `names`.

    Raises:
        ValueError: If columns are missing, unknown or were renamed, with their names.

    Example:

    >>> match_columns("x.csv", ["b", "a"], ["a", "b"])
    [1, 0]
    """
    missing = [name for name in like if name not in names]
    unknown = [name for name in names if name not in like]
    if missing or unknown:
        differences = []
        if missing:
            differences.append(f"missing: {', '.join(map(repr, missing))}")
        if unknown:
            differences.append(f"not known: {', '.join(map(repr, unknown))}")
        renamed = [
            f"{near[0]!r} may be {name!r}"
            for name in missing
            if (near := difflib.get_close_matches(name, unknown, n=1))
        ]
        raise ValueError(
            f"{path} should have the columns of the data that were trained on. "
            f"Received: {'; '.join(differences + renamed)}"
        )
    return [names.index(name) for name in like]


def values_in_words(description):
    """What the values of described data are, and how they can be stored instead.

    Example:

    >>> import keras_vae
    >>> values_in_words(keras_vae.datasets.load("digits").description)
    'digits: values from 0 to 1, the 17 levels k / 16, stored as float32.'
    """
    low, high = description["value_range"]
    levels, dtype = description["levels"], description["dtype"]
    among = f", the {levels} levels k / {levels - 1}" if levels else ""
    sentences = [
        f"{description['name']}: values from {low:g} to {high:g}{among}, stored as "
        f"{dtype}."
    ]
    is_image = description["kind"] == "images"
    if is_image and low >= 0 and 1 < high <= 255:
        sentences.append("Saved as uint8 they are read as x / 255.")
    elif is_image and low >= 0 and 255 < high <= 65535:
        sentences.append("Saved as uint8, x // 257, they are read as x / 65535.")
    if is_image and (low < 0 or high > 1) and description["data_shape"][-1] == 1:
        sentences.append("If they are series and no images, say `kind='series'`.")
    return " ".join(sentences)
