"""Inputs and the trained model's answers to them: the proof that an export is equal."""

import io
import itertools
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_vae import files, noise
from keras_vae.export.endpoints import has_images
from keras_vae.layers.sampling import reparameterize
from keras_vae.models import checks
from keras_vae.models.float32 import float32_copy


class Example(NamedTuple):
    """Examples of one signature.

    Attributes:
        inputs: Array `(n, ...)` by name; files are arrays of `bytes` objects.
        outputs: What the trained model answers: array `(n, ...)` by name.
        alone: The same, where each example was in a batch of its own: the last bits
            of a product of matrices depend on their size.
    """

    inputs: dict
    outputs: dict
    alone: dict


class Parity(NamedTuple):
    """What `read_parity` returns.

    Attributes:
        version: Integer, the version of the export that the answers belong to.
        examples: `Example` by model (`"encoder"`, `"decoder"`), then by signature.
    """

    version: int
    examples: dict


def write_parity(vae, path, *, version=1, data=None, num_examples=16, seed=0):
    """Writes inputs and the trained model's answers for every signature.

    The file is a plain `.npz`, readable with `allow_pickle=False`:

    ```
    version                                   the version of the export
    encoder/encode/input/x                    (n, *data_shape)
    encoder/encode/output/z_mean              (n, latent_dim)
    encoder/encode/alone/z_mean               the same, in batches of one
    encoder/encode_bytes/input/image_bytes    uint8: n files, one after another
    encoder/encode_bytes/offsets/image_bytes  int64 (n + 1): where each begins and ends
    ```

    The answers come from the trained model's own parts (in float32, as the export is),
    not from the functions that are exported. So a mistake in those is seen.

    Args:
        vae: A `keras_vae.VAE`.
        path: Path of the file; its folder must exist.
        version: Integer, the version of the export.
        data: Array of at least `num_examples` examples to encode, or `None` for
            samples of the model.
        num_examples: Integer >= 1, examples of each signature.
        seed: Integer, of the samples and the noise.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> path = Path(tempfile.mkdtemp()) / "parity.npz"
    >>> write_parity(keras_vae.VAE(encoder, decoder), path, num_examples=3)
    >>> read_parity(path).examples["decoder"]["decode"].outputs["reconstruction"].shape
    (3, 4)
    """
    num_examples = checks.check_integer("num_examples", num_examples, minimum=1)
    vae = float32_copy(vae)
    if data is None:
        x = vae.sample(num_examples, seed=seed)
    else:
        x = checks.check_array("data", data, vae)[:num_examples].astype("float32")
        if len(x) < num_examples:
            raise ValueError(
                f"`data` should hold at least {num_examples} examples. Received: "
                f"{len(x)}. Mend: num_examples={len(x)}"
            )
    arrays = {"version": np.int64(checks.check_integer("version", version, minimum=1))}
    for model, signatures in questions(vae, x, seed).items():
        for signature, question in signatures.items():
            for kind, name, value in _arrays(question):
                arrays[f"{model}/{signature}/{kind}/{name}"] = value
    with files.atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_parity(path):
    """Reads what `write_parity` wrote.

    Args:
        path: Path of the file.

    Returns:
        `Parity`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file.

    Example:

    >>> import tempfile
    >>> import keras_vae
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((4,), 2))
    >>> path = Path(tempfile.mkdtemp()) / "parity.npz"
    >>> write_parity(vae, path, version=3)
    >>> read_parity(path).version
    3
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}, with which an export is compared. Mend: "
            "keras_vae.export.write_parity(vae, path, version=...)"
        )
    try:
        with np.load(path) as file:
            arrays = dict(file)
        version = int(arrays.pop("version"))
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            "`path` should be a file that keras_vae.export.write_parity wrote. "
            f"Received: {path}"
        ) from error
    examples = {}
    for key, value in arrays.items():
        model, signature, kind, name = key.split("/")
        signatures = examples.setdefault(model, {})
        example = signatures.setdefault(signature, Example({}, {}, {}))
        if kind == "input":
            offsets = arrays.get(f"{model}/{signature}/offsets/{name}")
            example.inputs[name] = (
                value if offsets is None else _split(value.tobytes(), offsets)
            )
        elif kind in ("output", "alone"):
            target = example.outputs if kind == "output" else example.alone
            target[name] = value
    return Parity(version, examples)


def _split(content, offsets):
    return _bytes_array([content[i:j] for i, j in itertools.pairwise(offsets)])


def _bytes_array(values):
    """An array of `bytes` objects; NumPy's own bytes type strips them of zeros."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


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


class Question(NamedTuple):
    """A signature, in the trained model's own words.

    Attributes:
        answer: Function of the inputs by name; returns array `(n, ...)` by name.
        inputs: Array `(n, ...)` by name.
    """

    answer: Any
    inputs: dict


def questions(vae, x, seed=0):
    """Each signature as a function of the trained model, with inputs for it.

    Args:
        vae: A `keras_vae.VAE` in float32.
        x: Array `(n, *data_shape)`, to encode.
        seed: Integer, of the noise.

    Returns:
        `Question` by model (`"encoder"`, `"decoder"`), then by signature.
    """

    def encode(x):
        z_mean, z_log_var = vae.encode(x)
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    def encode_sample(x, seed):
        posterior = encode(x)
        draws = noise.normal(seed, vae.latent_dim)
        z = reparameterize(posterior["z_mean"], posterior["z_log_var"], draws)
        return {"z": np.asarray(z), **posterior}

    def encode_uint8(x):
        return encode(x.astype("float32") / 255)

    def encode_bytes(image_bytes):
        pixels = [np.asarray(Image.open(io.BytesIO(file))) for file in image_bytes]
        return encode_uint8(np.reshape(pixels, (-1, *vae.data_shape)))

    def decode(z):
        return {"reconstruction": vae.decode(z)}

    def decode_uint8(z):
        return {"reconstruction": _levels(vae.decode(z))}

    def sample(seed):
        z = np.asarray(vae.prior.sample(seed, vae.latent_shape))
        return {"z": z, **decode(z)}

    rows = noise.example_seeds(seed, 0, len(x)).numpy()
    rows[-1] = np.iinfo("int32").min, np.iinfo("int32").max  # the outermost there are
    z = encode_sample(x, rows)["z"]
    encoder = {
        "encode": Question(encode, {"x": x}),
        "encode_sample": Question(encode_sample, {"x": x, "seed": rows}),
    }
    decoder = {
        "decode": Question(decode, {"z": z}),
        "sample": Question(sample, {"seed": rows}),
    }
    if has_images(vae):
        levels = _levels(x)
        pngs = _bytes_array([_png(image) for image in levels])
        encoder["encode_uint8"] = Question(encode_uint8, {"x": levels})
        encoder["encode_bytes"] = Question(encode_bytes, {"image_bytes": pngs})
        decoder["decode_uint8"] = Question(decode_uint8, {"z": z})
    return {"encoder": encoder, "decoder": decoder}


def _arrays(question):
    """The arrays that a question and its answers are kept as: `(kind, name, value)`."""
    for name, value in question.inputs.items():
        if value.dtype == object:
            yield "offsets", name, np.cumsum([0, *map(len, value)])
            value = np.frombuffer(b"".join(value), "uint8")
        yield "input", name, value
    outputs = question.answer(**question.inputs)
    singles = [question.answer(**row) for row in one_by_one(question.inputs)]
    for name, value in outputs.items():
        yield "output", name, value
        yield "alone", name, np.concatenate([single[name] for single in singles])


def one_by_one(inputs):
    """Inputs `(n, ...)` by name as n inputs `(1, ...)` by name."""
    size = len(next(iter(inputs.values())))
    return [
        {name: value[i : i + 1] for name, value in inputs.items()} for i in range(size)
    ]


def _levels(image):
    """Values in [0, 1] as the nearest of the 256 levels k / 255."""
    return np.round(np.clip(image, 0, 1) * 255).astype("uint8")


def _png(levels):
    """The PNG file of an image `(height, width, channels)` of 8-bit levels."""
    file = io.BytesIO()
    grey = levels.shape[-1] == 1
    Image.fromarray(levels[..., 0] if grey else levels).save(file, "PNG")
    return file.getvalue()
