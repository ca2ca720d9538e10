"""All that a page needs to know of a latent space: one JSON, and one picture."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_vae import noise
from keras_vae.evaluation import active_units
from keras_vae.export.endpoints import describe

# More points hide one another; more pixels are slow to fetch and to draw.
MOST_EXAMPLES = 2000
MOST_PIXELS = 2**24
MOST_COMPONENTS = 4
MOST_COLUMNS = 200
SPLITS = ("test", "validation", "train")


class LatentMap(NamedTuple):
    """What `latent_map` returns.

    Attributes:
        about: Dictionary for JSON.
        thumbnails: Bytes of a PNG with the examples of images, row after row of
            `about["thumbnails"]["columns"]` each; `None` of other data.
    """

    about: dict
    thumbnails: bytes | None


def latent_map(run, data=None, max_examples=MOST_EXAMPLES):
    """Codes of the test data of a run, and what is needed to show and to decode them.

    Args:
        run: `keras_vae.runs.Run`.
        data: `keras_vae.datasets.Dataset` at hand; the run's own, read now, unless
            given.
        max_examples: Integer; of large images fewer are taken.

    Returns:
        `LatentMap`. `about` holds what `keras_vae.export` says of an exported model
        (`data_shape`, `columns` of a table, `conditions`, ...) and

        | key | |
        |---|---|
        | `name`, `path`, `model` | of the run, and the name of the class |
        | `split` | name of the split that the examples are of |
        | `kind` | `"images"` or `"table"` |
        | `codes` | `(n, latent_dim)`, posterior means; of images in 8 bits |
        | `labels`, `label_names` | integers `(n,)` and their names, or `None` |
        | `given` | the condition of each example, by name |
        | `x` | rows of a table |
        | `activity` | of each dimension: `values`, in words `measure` |
        | `active` | the active dimensions, the most active first |
        | `principal` | `mean`, `components`, `shares` of the variance |

    Raises:
        ValueError: If the model is one that a page cannot show; see `check_model`.

    Example:

    >>> import keras_vae
    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> latent_map(run).about["active"]  # doctest: +SKIP
    [3, 0, 1]

    Reference:
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders" (2016),
        section 5.2, for which dimensions are active.
    """
    vae, config = run.vae, run.config
    check_model(vae)
    data = run.dataset() if data is None else data
    split = next(name for name in SPLITS if getattr(data, name) is not None)
    are_images = len(vae.data_shape) == 3
    if are_images:
        size = math.prod(vae.data_shape[:2])
        max_examples = max(1, min(max_examples, MOST_PIXELS // size))
    batches = getattr(data, split).batches(
        max_examples, with_labels=bool(data.label_names), **run.batch_arguments
    )
    inputs = next(batches.as_numpy_iterator())
    labels = None
    if data.label_names:
        inputs, labels = inputs
    given = dict(inputs) if isinstance(inputs, dict) else {"x": inputs}
    x = given.pop("x")
    if are_images:  # as a picture holds them, so that codes and numbers are those of it
        x = np.round(np.clip(x, 0, 1) * 255).astype("uint8") / np.float32(255)
    inputs = {"x": x, **given} if given else x
    codes = vae.codes(inputs)
    measure, activity = _activity(vae, inputs, codes)
    order = np.argsort(-activity, kind="stable")
    active = active_units(codes) if len(codes) > 1 else np.ones(len(order), bool)
    version = (config.get("exported") or {}).get("version", 1)
    about = {
        **describe(vae, version, data.feature_names),
        "name": run.directory.resolve().name,
        "path": str(run.directory),
        "model": type(vae).__name__,
        "split": split,
        "kind": "images" if are_images else "table",
        "binarized": config["binarize"] != "none",
        "codes": _numbers(codes),
        "labels": None if labels is None else labels.tolist(),
        "label_names": data.label_names and list(data.label_names),
        "given": {name: values.tolist() for name, values in given.items()},
        "encoder_conditions": list(vae.encoder_conditions),
        "decoder_conditions": list(vae.decoder_conditions),
        "activity": {"measure": measure, "values": _numbers(activity)},
        "active": [int(j) for j in order if active[j]],
        "principal": _principal(codes),
        "x": None if are_images else _numbers(x),
        "thumbnails": None,
    }
    if not are_images:
        return LatentMap(about, None)
    columns = math.ceil(math.sqrt(len(x)))
    about["thumbnails"] = {"columns": columns}
    return LatentMap(about, _sprite(x, columns))


def check_model(vae):
    """Says why a page cannot show a model, if it cannot.

    Args:
        vae: A `keras_vae.VAE`.

    Raises:
        ValueError: If its codes are no vectors, its data neither images nor rows of a
            table, or its conditions no labels.

    Example:

    >>> import keras_vae
    >>> check_model(keras_vae.VAE(*keras_vae.networks.dense((4,), 2)))
    """
    name = type(vae).__name__
    if len(vae.latent_shape) != 1:
        raise ValueError(
            f"The explorer shows codes that are vectors. Received: a {name} whose code "
            f"of an example is a map of shape {vae.latent_shape}, in which no single "
            "dimension means something by itself. keras-vae reconstruct and keras-vae "
            "sample show such a model"
        )
    shape = vae.data_shape
    if len(shape) != 1 and not (len(shape) == 3 and shape[2] in (1, 3, 4)):
        raise ValueError(
            "The explorer shows images (grey, colour, with alpha) and tables. "
            f"Received: a {name} of data of shape {shape}. keras-vae traverse shows "
            "such a model"
        )
    if len(shape) == 1 and shape[0] > MOST_COLUMNS:
        raise ValueError(
            f"The explorer shows tables as a form, of at most {MOST_COLUMNS} columns. "
            f"Received: a {name} of {shape[0]} columns. keras-vae traverse shows such "
            "a model"
        )
    for condition, spec in vae.conditions.items():
        if spec.shape.rank != 1 or not spec.dtype.is_integer:
            raise ValueError(
                "The explorer offers conditions that are labels, integers (batch,). "
                f"Received: {condition!r} {spec.dtype.name} {spec.shape}"
            )


def _activity(vae, inputs, codes):
    """What each dimension tells of x: its KL in nats, or how far its code varies."""
    if "elbo" in vae.MEASURES:
        seeds = noise.example_seeds(0, 0, len(codes))
        kl = vae.deterministic_terms(inputs, seeds).kl.numpy()
        if kl.shape[1] == vae.latent_dim:
            return "KL, nats", kl.mean(axis=0)
    return "variance of the code", codes.var(axis=0)


def _principal(codes):
    """The first principal components of the codes."""
    mean = codes.mean(axis=0, dtype="float64")
    _, spread, directions = np.linalg.svd(codes - mean, full_matrices=False)
    variance = spread**2
    count = min(MOST_COMPONENTS, len(directions))
    # Of the two directions of each the one is taken whose largest part is positive.
    directions = directions[:count]
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(count), largest])[:, None]
    shares = variance[:count] / max(variance.sum(), np.finfo("float64").tiny)
    return {
        "mean": _numbers(mean),
        "components": _numbers(directions),
        "shares": _numbers(shares),
    }


def _numbers(array):
    """Lists of floats with nine digits, which give each float32 back."""
    array = np.asarray(array)
    flat = [float(f"{value:.9g}") for value in array.ravel().tolist()]
    return np.array(flat, object).reshape(array.shape).tolist()


def _sprite(x, columns):
    """A PNG of images `(n, height, width, channels)`, `columns` of them a row."""
    n, height, width, channels = x.shape
    rows = -(-n // columns)
    tiles = np.zeros((rows * columns, height, width, channels), "uint8")
    tiles[:n] = np.round(x * 255)
    tiles = tiles.reshape(rows, columns, height, width, channels)
    pixels = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, -1)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
    return file.getvalue()
