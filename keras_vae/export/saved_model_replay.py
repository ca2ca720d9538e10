"""Replays a parity file through SavedModels; for `verify.py`, as a program.

In a process of its own that imports TensorFlow alone, so that nothing but the exported
files can answer. Its arguments are the parity file, the file to write, and the folder
of each SavedModel as `encoder=FOLDER`. What it writes holds, by name,

    encoder/encode/whole/z_mean      the answer to all examples in one request
    encoder/encode/single/z_mean     the answers to each example alone
    encoder/encode/error             or why there is none
"""

import itertools
import sys

import numpy as np
import tensorflow as tf


def main(parity, answers, *models):
    """Writes what SavedModels answer to the inputs of a parity file."""
    with np.load(parity) as file:
        arrays = dict(file)
    results = replay(arrays, dict(model.split("=", 1) for model in models))
    if "keras_vae" in sys.modules:
        raise SystemExit("keras_vae was imported, so the export is not alone")
    with open(answers, "wb") as file:
        np.savez(file, **results)


def replay(arrays, folders):
    """What SavedModels answer to the arrays of a parity file, by the names above."""
    results = {}
    for name, folder in folders.items():
        try:
            signatures = tf.saved_model.load(str(folder), tags=["serve"]).signatures
        except (OSError, ValueError, RuntimeError) as error:
            results[f"{name}/error"] = np.array(str(error))
            continue
        for signature, inputs in requests(arrays, name).items():
            results |= ask(f"{name}/{signature}", signatures, signature, inputs)
    return results


def requests(arrays, model):
    """Inputs of each signature of a model: an array, or a list of files, by name."""
    signatures = {}
    for key, value in arrays.items():
        if key.startswith(f"{model}/") and "/input/" in key:
            _, signature, _, name = key.split("/")
            offsets = arrays.get(f"{model}/{signature}/offsets/{name}")
            if offsets is not None:
                content = value.tobytes()
                value = [content[i:j] for i, j in itertools.pairwise(offsets)]
            signatures.setdefault(signature, {})[name] = value
    return signatures


def ask(place, signatures, signature, inputs):
    """Answers to all examples at once and to each alone, or the error."""
    if signature not in signatures:
        return {f"{place}/error": np.array(f"no signature {signature!r}")}

    def answer(rows):
        return signatures[signature](
            **{name: tf.constant(value) for name, value in rows.items()}
        )

    size = len(next(iter(inputs.values())))
    try:
        whole = answer(inputs)
        singles = [
            answer({name: value[i : i + 1] for name, value in inputs.items()})
            for i in range(size)
        ]
    except (TypeError, ValueError, tf.errors.OpError) as error:
        return {f"{place}/error": np.array(str(error))}
    results = {f"{place}/whole/{name}": value.numpy() for name, value in whole.items()}
    for name in whole:
        parts = [single[name].numpy() for single in singles]
        results[f"{place}/single/{name}"] = np.concatenate(parts)
    return results


if __name__ == "__main__":
    main(*sys.argv[1:])
