"""Inputs and the trained model's answers to them: the proof that an export is equal."""

import itertools
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_vae import files, noise
from keras_vae.arguments import check_integer
from keras_vae.export import trial_data
from keras_vae.export.endpoints import exported_models, in_float32

NUM_EXAMPLES = 16
# A server counts versions in int64.
HIGHEST_VERSION = 2**63 - 1


class Reference(NamedTuple):
    """What the trained model answers at one endpoint.

    Attributes:
        inputs: Array `(n, ...)` by name; files are arrays of `bytes` objects.
        outputs: Array `(n, ...)` by name, all examples in one batch.
        single: The same, where each example was in a batch of its own: the last bits
            of a product of matrices depend on their size.
    """

    inputs: dict
    outputs: dict
    single: dict

    @property
    def num_examples(self):
        """Integer n."""
        return len(next(iter(self.inputs.values())))


class Parity(NamedTuple):
    """A parity file.

    Attributes:
        version: Integer, the version of the export that the answers belong to.
        references: `Reference` by model (such as `"encoder"`), then by endpoint.
    """

    version: int
    references: dict


def write_parity(vae, path, *, version=1, data=None, num_examples=NUM_EXAMPLES, seed=0):
    """Writes inputs and the trained model's answers for every endpoint.

    `export_saved_models` does so itself; this is for `.tflite` files without it. The
    file is a plain `.npz`, readable with `allow_pickle=False`:

    ```
    version                                   the version of the export
    encoder/encode/input/x                    (n, *data_shape)
    encoder/encode/output/z_mean              (n, latent_dim)
    encoder/encode/single/z_mean              the same, in batches of one
    encoder/encode_bytes/input/image_bytes    uint8: n files, one after another
    encoder/encode_bytes/offsets/image_bytes  int64 (n + 1): where each begins and ends
    ```

    The answers come from the trained model's own parts (in float32, as the export is),
    not from the functions that are exported. So a mistake in those is seen.

    Args:
        vae: A `keras_vae.VAE`, or another model that `exported_models` knows.
        path: Path of the file; its folder must exist.
        version: Integer, the version of the export.
        data: At least `num_examples` examples to encode: an array, or a dictionary of
            it as `x` and of the model's conditions; or `None` for samples of the model.
        num_examples: Integer >= 1, examples of each endpoint.
        seed: Integer, of the samples and the noise.

    Raises:
        ValueError: If an argument is out of its range, or the model answers with what
            is not finite.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> path = Path(tempfile.mkdtemp()) / "parity.npz"
    >>> write_parity(keras_vae.VAE(encoder, decoder), path, num_examples=3)
    >>> with np.load(path) as file:
    ...     file["decoder/decode/output/reconstruction"].shape
    (3, 4)
    """
    version = check_version(version)
    model, _ = in_float32(vae)
    save_parity(path, make_parity(model, version, data, num_examples, seed))


def check_version(version):
    """Returns an integer that a server can count to."""
    return check_integer("version", version, 1, HIGHEST_VERSION)


def make_parity(model, version, data=None, num_examples=NUM_EXAMPLES, seed=0):
    """The `Parity` of a model in float32; arguments as of `write_parity`."""
    _, vae = in_float32(model)
    num_examples = check_integer("num_examples", num_examples, minimum=1)
    _check_finite("weights", ((w.path, w.numpy()) for w in vae.weights))
    if data is None:
        data = trial_data.generate(vae, num_examples, seed)
        _check_finite("samples", data.items())
    else:
        data = trial_data.take("data", data, vae, num_examples)
        if len(data["x"]) < num_examples:
            raise ValueError(
                f"`data` should hold at least {num_examples} examples. Received: "
                f"{len(data['x'])}. Mend: num_examples={len(data['x'])}"
            )
    seeds = noise.example_seeds(seed, 0, num_examples).numpy()
    seeds[-1] = np.iinfo("int32").min, np.iinfo("int32").max  # the outermost there are
    references = {
        name: {
            key: _refer(f"{name}/{key}", endpoint, endpoint.examples(data, seeds))
            for key, endpoint in endpoints.items()
        }
        for name, endpoints in exported_models(model).items()
    }
    return Parity(version, references)


def _refer(place, endpoint, inputs):
    outputs = endpoint.reference(inputs)
    _check_finite(f"answers of {place}", outputs.items())
    singles = [endpoint.reference(row) for row in one_by_one(inputs)]
    single = {name: np.concatenate([row[name] for row in singles]) for name in outputs}
    return Reference(inputs, outputs, single)


def _check_finite(what, arrays):
    for name, value in arrays:
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(
                f"`vae` should have {what} that are finite: nobody can use an export "
                f"that answers nan. Received: nan or infinity in {name}. Mend: train "
                "it again, with a lower learning rate or clipped gradients"
            )


def save_parity(path, parity):
    """Writes a `Parity` to a file, whole or not at all."""
    with files.atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **to_arrays(parity))


def to_arrays(parity):
    """The arrays of a `Parity` by their names in the file."""
    arrays = {"version": np.int64(parity.version)}
    for model, endpoints in parity.references.items():
        for endpoint, reference in endpoints.items():
            for kind, name, value in _arrays(reference):
                arrays[f"{model}/{endpoint}/{kind}/{name}"] = value
    return arrays


def _arrays(reference):
    """The arrays that a reference is kept as: `(kind, name, value)`."""
    for name, value in reference.inputs.items():
        if value.dtype == object:
            yield "offsets", name, np.cumsum([0, *map(len, value)])
            value = np.frombuffer(b"".join(value), "uint8")
        yield "input", name, value
    for name, value in reference.outputs.items():
        yield "output", name, value
        yield "single", name, reference.single[name]


def read_parity(path):
    """Reads what `write_parity` wrote.

    Args:
        path: Path of the file.

    Returns:
        `Parity`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}, with which an export is compared. Mend: export "
            "again, which writes it"
        )
    foreign = ValueError(
        "`path` should be a parity file, which an export writes. "
        f"Received: {path}, which is another kind of file or damaged"
    )
    if not path.is_file():  # opening a FIFO would wait for ever
        raise foreign
    try:
        with np.load(path) as file:
            arrays = dict(file)
        return Parity(int(arrays.pop("version")), _references(arrays))
    except _DAMAGES as error:
        raise foreign from error


# What a file that was cut or changed makes of NumPy's reader, and of the one below.
_DAMAGES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def _references(arrays):
    references = {}
    for key, value in arrays.items():
        model, endpoint, kind, name = key.split("/")
        endpoints = references.setdefault(model, {})
        reference = endpoints.setdefault(endpoint, Reference({}, {}, {}))
        if kind == "input":
            offsets = arrays.get(f"{model}/{endpoint}/offsets/{name}")
            reference.inputs[name] = value if offsets is None else _cut(value, offsets)
        elif kind == "output":
            reference.outputs[name] = value
        elif kind in ("single", "alone"):  # version 0.1.0 called it so
            reference.single[name] = value
    for endpoints in references.values():
        for reference in endpoints.values():
            if reference.outputs.keys() != reference.single.keys() or {
                len(value) for part in reference for value in part.values()
            } != {reference.num_examples}:
                raise ValueError("inputs and outputs do not belong together")
    return references


def _cut(value, offsets):
    """Files that were put one after another, as an array of `bytes` objects.

    NumPy's own type for bytes strips zeros from their ends.
    """
    content = value.tobytes()
    parts = [content[begin:end] for begin, end in itertools.pairwise(offsets)]
    array = np.empty(len(parts), object)
    array[:] = parts
    return array


def one_by_one(inputs):
    """Inputs `(n, ...)` by name as n inputs `(1, ...)` by name."""
    size = len(next(iter(inputs.values())))
    return [
        {name: value[i : i + 1] for name, value in inputs.items()} for i in range(size)
    ]


def deviation(expected, received):
    """How far received outputs are from expected ones.

    ```
    max |received - expected| / max(1, max |expected|)      the largest over the outputs
    ```

    so it is absolute for data within [-1, 1] and relative to the largest value beyond,
    as float32 is. Of 8-bit images it is the largest difference in levels.

    Args:
        expected: Array by name.
        received: Array by name.

    Returns:
        Float; infinite where a number is missing, has another shape or is not finite.

    Example:

    >>> deviation({"z": np.array([0.5, 200.0])}, {"z": np.array([0.5, 201.0])})
    0.005
    """
    return float(_deviations(expected, received).max())


def mean_deviation(expected, received):
    """The mean, over all numbers of all outputs, of what `deviation` is the largest."""
    return float(_deviations(expected, received).mean())


def _deviations(expected, received):
    """The deviation of each number of all outputs."""
    if set(expected) != set(received):
        return np.array([np.inf])
    parts = []
    for name, value in expected.items():
        answer = np.asarray(received[name])
        if answer.shape != value.shape or not np.isfinite(answer).all():
            return np.array([np.inf])
        difference = np.abs(answer.astype("float64") - value.astype("float64"))
        scale = 1.0 if value.dtype == np.uint8 else max(1.0, np.abs(value).max())
        parts.append(difference.ravel() / scale)
    return np.concatenate(parts)
