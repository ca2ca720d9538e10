"""What an export answers: one table of models and their endpoints, once for all files.

Nothing else in this folder knows what a VAE is: SavedModels, warm-up requests, parity
files, `.tflite` and ONNX files and their checks are made of this table alone.
"""

import functools
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_vae import noise
from keras_vae.export import images
from keras_vae.likelihoods import Columns
from keras_vae.models import VQVAE, SemiSupervisedVAE
from keras_vae.models.float32 import float32_copy
from keras_vae.models.inference import draw_seeds
from keras_vae.version import __version__


class Endpoint(NamedTuple):
    """A named function of named tensors, with all that is needed to prove it.

    Attributes:
        name: The signature's name.
        function: Takes a dictionary of tensors by the names of `inputs` and returns a
            dictionary of tensors. It draws from nothing but its inputs.
        inputs: Name of each input and its `tf.TensorSpec`, with a free batch size.
        reference: The same in the trained model's own words, not made of `function`:
            NumPy arrays by name to NumPy arrays by name.
        examples: Makes inputs to try it with: a function of `data`, a dictionary of
            what `fit` takes (`x` and the model's conditions, arrays `(n, ...)`), and of
            seeds, int32 `(n, 2)`; returns arrays `(n, ...)` by the names of `inputs`.
        files: Contents of files for a string input to warm up with.
        portable: Whether a phone is given it too: it uses operators that LiteRT has.
        quantizable: Whether what it answers means the same where its model computes
            with fewer bits.

    Example:

    >>> spec = tf.TensorSpec((None, 2), tf.float32, name="z")
    >>> def double(inputs):
    ...     return {"twice": 2 * inputs["z"]}
    >>> endpoint = Endpoint("double", double, {"z": spec}, double, lambda data, seeds: {
    ...     "z": np.ones((len(seeds), 2), "float32")})
    >>> endpoint.function({"z": 1.5})
    {'twice': 3.0}
    """

    name: str
    function: Callable
    inputs: dict
    reference: Callable
    examples: Callable
    files: tuple = ()
    portable: bool = False
    quantizable: bool = True


@functools.singledispatch
def exported_models(vae):
    """The models that a VAE is exported as, each with its endpoints.

    | model | endpoint | inputs | outputs |
    |---|---|---|---|
    | encoder | `encode` | `x` float32 | the posterior's: `z_mean`, `z_log_var` |
    | encoder | `encode_uint8` | `x` uint8, 0..255 (images) | the same |
    | encoder | `encode_bytes` | `image_bytes` string `(batch,)` (images) | the same |
    | encoder | `encode_sample` | `x`, `seed` int32 `(batch, 2)` | the same and `z` |
    | decoder | `decode` | `z` float32 | `reconstruction` |
    | decoder | `decode_uint8` | `z` float32 | `reconstruction` uint8 (images) |
    | decoder | `sample` | `seed` int32 `(batch, 2)` | `z`, `reconstruction` |
    | decoder | `draw` | `seed` int32 `(batch, 2)` (tables) | `z`, `x`: a new row |
    | decoder | `decode_codes` | `codes` int32 (`VQVAE`) | `reconstruction` |
    | classifier | `classify` | `x` (`SemiSupervisedVAE`) | `probabilities` |
    | classifier | `classify_uint8`, `classify_bytes` | as the encoder's | the same |

    The conditions that the encoder or the decoder takes are further inputs of all its
    endpoints. A draw depends on its row of `seed` alone: `vae.sample(n, seed=s)` is the
    answer to the rows `[s, 0], ..., [s, n - 1]`.

    A model of another kind says what it is exported as by a function of its own:

    ```
    @exported_models.register(Scorer)
    def _(scorer):
        return exported_models(scorer.vae) | {"scorer": {"score": Endpoint(...)}}
    ```

    (`keras_vae.applications.AnomalyDetector` does). It has a VAE in float32, `vae`, and
    may have `metadata`, a dictionary for the files that say what was exported.

    Args:
        vae: A `keras_vae.VAE`, or a model of another kind.

    Returns:
        `{model: {endpoint: Endpoint}}`; a model's first endpoint is its default one.
        Those for images are left out where `has_images(vae)` is false.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> models = exported_models(keras_vae.VAE(encoder, decoder))
    >>> {model: list(endpoints) for model, endpoints in models.items()}
    {'encoder': ['encode', 'encode_sample'], 'decoder': ['decode', 'sample']}
    >>> encode = models["encoder"]["encode"].function
    >>> sorted(encode({"x": tf.zeros((3, 4))}))
    ['z_log_var', 'z_mean']
    """
    encoder, decoder = _encoder(vae), _decoder(vae)
    if _is_table(vae):
        # Columns of so different units in one tensor: with eight bits, or half floats,
        # the smaller ones would be nothing.
        encoder, decoder = (
            [endpoint._replace(quantizable=False) for endpoint in endpoints]
            for endpoints in (encoder, [*decoder, _draw(vae)])
        )
    return {"encoder": by_name(encoder), "decoder": by_name(decoder)}


@exported_models.register(VQVAE)
def _(vae):
    return {
        "encoder": by_name(_encoder(vae)),
        "decoder": by_name([*_decoder(vae), _decode_codes(vae)]),
    }


@exported_models.register(SemiSupervisedVAE)
def _(vae):
    return {
        "encoder": by_name(_encoder(vae)),
        "decoder": by_name(map(functools.partial(_of_classes, vae), _decoder(vae))),
        "classifier": by_name(with_images(vae, _classify(vae))),
    }


def in_float32(model):
    """What is exported, computing in float32, and the VAE in it.

    Args:
        model: A `keras_vae.VAE`, or a model of another kind (see `exported_models`).

    Returns:
        `(model, vae)`; of a VAE twice the same.
    """
    if hasattr(model, "vae"):
        return model, model.vae
    vae = float32_copy(model)
    return vae, vae


def by_name(endpoints):
    """Endpoints by name; a spec's name is what the input is called on the server."""
    return {
        endpoint.name: endpoint._replace(
            inputs={
                name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
                for name, spec in endpoint.inputs.items()
            }
        )
        for endpoint in endpoints
    }


_SEED = tf.TensorSpec((None, 2), tf.int32)


def _encoder(vae):
    conditions = {name: vae.conditions[name] for name in vae.encoder_conditions}
    data_shape = (None, *vae.data_shape)

    def posterior(inputs):
        unused = _unused(vae, inputs, tf.zeros, tf.shape(inputs["x"])[0])
        return vae.posterior(vae.prepare({**unused, **inputs}))

    @functools.cache
    def parameter_names():
        zeros = {"x": tf.zeros((1, *vae.data_shape))}
        for name, spec in conditions.items():
            zeros[name] = tf.zeros((1, *spec.shape[1:]), spec.dtype)
        return tuple(posterior(zeros).parameters)

    def encode(inputs):
        return dict(posterior(inputs).parameters)

    def encode_reference(inputs):
        unused = _unused(vae, inputs, np.zeros, len(inputs["x"]))
        parameters = vae.encode({**unused, **inputs})
        return dict(zip(parameter_names(), parameters, strict=True))

    def encode_examples(data, seeds):
        return {name: data[name] for name in ("x", *conditions)}

    def encode_sample(inputs):
        seed, inputs = _take("seed", inputs)
        q = posterior(inputs)
        z = q.sample(noise.draws(seed, 1, vae.latent_shape))[0]
        return {**q.parameters, "z": z}

    def encode_sample_reference(inputs):
        seed, inputs = _take("seed", inputs)
        unused = _unused(vae, inputs, np.zeros, len(inputs["x"]))
        z = _posterior_draws(vae, {**unused, **inputs}, seed)
        return {**encode_reference(inputs), "z": z}

    def encode_sample_examples(data, seeds):
        return {**encode_examples(data, seeds), "seed": seeds}

    x = tf.TensorSpec(data_shape, tf.float32)
    yield from with_images(
        vae,
        Endpoint(
            "encode",
            encode,
            {"x": x, **conditions},
            encode_reference,
            encode_examples,
            portable=True,
        ),
    )
    yield Endpoint(
        "encode_sample",
        encode_sample,
        {"x": x, "seed": _SEED, **conditions},
        encode_sample_reference,
        encode_sample_examples,
    )


def with_images(vae, endpoint):
    """An endpoint that takes `x`, and the same for images in 8 bits and in files.

    Args:
        vae: A `keras_vae.VAE`.
        endpoint: `Endpoint` with an input `x` of data.

    Yields:
        It, and where `has_images(vae)` also `<name>_uint8`, with `x` uint8, 0..255, and
        `<name>_bytes`, with `image_bytes` in place of `x`.
    """
    yield endpoint
    if not has_images(vae):
        return

    def pixels(inputs):
        return {**inputs, "x": tf.cast(inputs["x"], tf.float32) / 255.0}

    def uint8_reference(inputs):
        x = inputs["x"].astype("float32") / 255
        return endpoint.reference({**inputs, "x": x})

    def uint8_examples(data, seeds):
        inputs = endpoint.examples(data, seeds)
        return {**inputs, "x": _levels(inputs["x"])}

    def decoded(inputs):
        content, inputs = _take("image_bytes", inputs)
        return {**inputs, "x": images.decode(content, vae.data_shape)}

    def bytes_reference(inputs):
        content, inputs = _take("image_bytes", inputs)
        read = [np.asarray(Image.open(io.BytesIO(file))) for file in content]
        x = np.reshape(read, (-1, *vae.data_shape))
        return uint8_reference({**inputs, "x": x})

    def bytes_examples(data, seeds):
        x, inputs = _take("x", uint8_examples(data, seeds))
        files = np.empty(len(x), object)
        files[:] = [_png(image) for image in x]
        return {"image_bytes": files, **inputs}

    _, others = _take("x", endpoint.inputs)
    x = tf.TensorSpec((None, *vae.data_shape), tf.uint8)
    yield endpoint._replace(
        name=f"{endpoint.name}_uint8",
        function=lambda inputs: endpoint.function(pixels(inputs)),
        inputs={"x": x, **others},
        reference=uint8_reference,
        examples=uint8_examples,
        portable=False,
    )
    yield endpoint._replace(
        name=f"{endpoint.name}_bytes",
        function=lambda inputs: endpoint.function(decoded(inputs)),
        inputs={"image_bytes": tf.TensorSpec((None,), tf.string), **others},
        reference=bytes_reference,
        examples=bytes_examples,
        files=_files_of_both_kinds(vae.data_shape),
        portable=False,
    )


def _decoder(vae):
    conditions = {name: vae.conditions[name] for name in vae.decoder_conditions}
    z = tf.TensorSpec((None, *vae.latent_shape), tf.float32)

    def decode(inputs):
        z, given = _take("z", inputs)
        return {"reconstruction": vae.reconstruction(z, given or None)}

    def decode_reference(inputs):
        z, given = _take("z", inputs)
        return {"reconstruction": vae.decode(z, **given)}

    def decode_examples(data, seeds):
        # Codes of data, and in turn codes that an application draws from the prior.
        z = _posterior_draws(vae, data, seeds)
        z[1::2] = _prior_draws(vae, seeds[1::2])
        return {"z": z, **{name: data[name] for name in conditions}}

    def decode_uint8(inputs):
        reconstruction = decode(inputs)["reconstruction"]
        levels = tf.round(tf.clip_by_value(reconstruction, 0.0, 1.0) * 255.0)
        return {"reconstruction": tf.cast(levels, tf.uint8)}

    def decode_uint8_reference(inputs):
        return {"reconstruction": _levels(decode_reference(inputs)["reconstruction"])}

    def sample(inputs):
        seed, given = _take("seed", inputs)
        z = vae.prior.sample(seed, vae.latent_shape)
        return {"z": z, **decode({"z": z, **given})}

    def sample_reference(inputs):
        seed, given = _take("seed", inputs)
        z = _prior_draws(vae, seed)
        return {"z": z, **decode_reference({"z": z, **given})}

    def sample_examples(data, seeds):
        return {"seed": seeds, **{name: data[name] for name in conditions}}

    yield Endpoint(
        "decode",
        decode,
        {"z": z, **conditions},
        decode_reference,
        decode_examples,
        portable=True,
    )
    if has_images(vae):
        yield Endpoint(
            "decode_uint8",
            decode_uint8,
            {"z": z, **conditions},
            decode_uint8_reference,
            decode_examples,
        )
    yield Endpoint(
        "sample",
        sample,
        {"seed": _SEED, **conditions},
        sample_reference,
        sample_examples,
        portable=True,
    )


def _draw(vae):
    """Synthetic rows of a table: not means, which no row has, but draws."""
    conditions = {name: vae.conditions[name] for name in vae.decoder_conditions}

    def draw(inputs):
        seed, given = _take("seed", inputs)
        z = vae.prior.sample(seed, vae.latent_shape)
        return {"z": z, "x": vae.draw(z, draw_seeds(seed), given or None)}

    def reference(inputs):
        seed, given = _take("seed", inputs)
        function = vae.graph(_draw_row, _SEED, conditions)
        z, x = function(tf.constant(seed), given)
        return {"z": z.numpy(), "x": x.numpy()}

    def examples(data, seeds):
        return {"seed": seeds, **{name: data[name] for name in conditions}}

    inputs = {"seed": _SEED, **conditions}
    return Endpoint("draw", draw, inputs, reference, examples, portable=True)


def _draw_row(vae, seeds, conditions):
    z = vae.prior.sample(seeds, vae.latent_shape)
    return z, vae.draw(z, draw_seeds(seeds), conditions or None)


def _is_table(vae):
    return isinstance(vae.likelihood, Columns)


def _decode_codes(vae):
    """What was stored as integers, restored."""
    conditions = {name: vae.conditions[name] for name in vae.decoder_conditions}
    codes = tf.TensorSpec((None, *vae.latent_shape[:-1]), tf.int32)

    def decode_codes(inputs):
        codes, given = _take("codes", inputs)
        z = vae.vectors(codes)
        return {"reconstruction": vae.reconstruction(z, given or None)}

    def reference(inputs):
        codes, given = _take("codes", inputs)
        return {"reconstruction": vae.decode_codes(codes, **given)}

    def examples(data, seeds):
        # Codes of data, and in turn codes that follow from nothing but a seed.
        z = _posterior_draws(vae, data, seeds)
        codes = vae.nearest_codes(z).numpy()
        share = noise.uniform(tf.constant(seeds), codes[0].size).numpy()
        anything = (share * vae.quantizer.num_codes).astype("int32")
        codes[1::2] = anything.reshape(codes.shape)[1::2]
        return {"codes": codes, **{name: data[name] for name in conditions}}

    return Endpoint(
        "decode_codes",
        decode_codes,
        {"codes": codes, **conditions},
        reference,
        examples,
        portable=True,
    )


def _classify(vae):
    """The probabilities of the classes, from x alone."""

    def reference(inputs):
        return {"probabilities": vae.predict_proba(inputs["x"])}

    return Endpoint(
        "classify",
        lambda inputs: {"probabilities": vae.probabilities(inputs["x"])},
        {"x": tf.TensorSpec((None, *vae.data_shape), tf.float32)},
        reference,
        lambda data, seeds: {"x": data["x"]},
        portable=True,
    )


def _of_classes(vae, endpoint):
    """An endpoint that decodes, tried with classes: of no label the predicted one."""
    [name] = vae.conditions

    def examples(data, seeds):
        labels = np.asarray(data[name])
        if np.any(labels < 0):
            labels = np.where(labels < 0, vae.predict_labels(data["x"]), labels)
        return endpoint.examples({**data, name: labels.astype("int32")}, seeds)

    return endpoint._replace(examples=examples)


def _posterior_draws(vae, inputs, seeds):
    """A draw of q(z|x) for each example, an array: the trained model's own."""
    inputs = inputs if len(inputs) > 1 else inputs["x"]
    draw = vae.graph(_draw_posterior, vae.input_spec_structure, _SEED)
    return draw(inputs, seeds).numpy()


def _draw_posterior(vae, inputs, seeds):
    q = vae.posterior(vae.prepare(inputs))
    return q.sample(noise.draws(seeds, 1, vae.latent_shape))[0]


def _prior_draws(vae, seeds):
    """A draw of p(z) for each seed, an array: the trained model's own."""
    return vae.graph(_draw_prior, _SEED)(seeds).numpy()


def _draw_prior(vae, seeds):
    return vae.prior.sample(seeds, vae.latent_shape)


def _unused(vae, inputs, zeros, size):
    """What `fit` is given besides, and the encoder has no use for."""
    return {
        name: zeros((size, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
        for name, spec in vae.input_specs.items()
        if name not in inputs
    }


def _take(name, inputs):
    """One of the inputs, and the others."""
    return inputs[name], {key: inputs[key] for key in inputs if key != name}


def _levels(image):
    """Values in [0, 1] as the nearest of the 256 levels k / 255."""
    return np.round(np.clip(image, 0, 1) * 255).astype("uint8")


def _png(levels):
    """The PNG file of an image `(height, width, channels)` of 8-bit levels."""
    file = io.BytesIO()
    grey = levels.shape[-1] == 1
    Image.fromarray(levels[..., 0] if grey else levels).save(file, "PNG")
    return file.getvalue()


def _files_of_both_kinds(data_shape):
    """A PNG and a JPEG of one colour, to warm up the decoders of both."""
    pixels = np.full(data_shape, 127, "uint8")
    opaque = pixels[..., : min(pixels.shape[-1], 3)]  # JPEG has no alpha
    return tf.io.encode_png(pixels).numpy(), tf.io.encode_jpeg(opaque).numpy()


def has_images(vae):
    """Whether the data are images: grey, colour, or colour with alpha, in [0, 1].

    They are if their shape is `(height, width, channels)` with 1, 3 or 4 channels, they
    are not standardised, and the likelihood takes every 8-bit level `k / 255`.

    Args:
        vae: A `keras_vae.VAE`.

    Returns:
        Boolean.

    Example:

    >>> import keras_vae
    >>> encoder, decoder = keras_vae.networks.dense((8, 8, 1), 2, hidden_units=(8,))
    >>> has_images(keras_vae.VAE(encoder, decoder, likelihood="bernoulli"))
    True
    """
    if len(vae.data_shape) != 3 or vae.standardize is not None:
        return False
    channels = vae.data_shape[-1]
    if channels not in (1, 3, 4):
        return False
    levels = np.arange(256, dtype="float32").reshape(256, 1, 1, 1) / 255
    levels = np.broadcast_to(levels, (256, 1, 1, channels))
    return bool(np.all(vae.likelihood.in_support(tf.constant(levels))))


def describe(vae, version, feature_names=None):
    """What an exported file says of the model that it is a part of, for JSON.

    Args:
        vae: A `keras_vae.VAE`.
        version: Integer, the version of the export.
        feature_names: Name of each value of the last axis of the data, or `None`.

    Returns:
        Dictionary: `keras_vae` (the package's version), `version`, `data_shape`,
        `latent_shape`, `latent_dim`, `likelihood`, `support` (in words), `value_range`
        (of reconstructions, or `None`), `standardized`, `images`, `feature_names`,
        `columns` (of a table, what each value is in words; see `Columns.vocabulary`),
        and `conditions`: `dtype` and `shape` of each (`None` for the batch).

    Raises:
        ValueError: If there are not as many names as values.
    """
    if feature_names is not None:
        feature_names = [str(name) for name in feature_names]
        if len(feature_names) != vae.data_shape[-1]:
            raise ValueError(
                f"`feature_names` should hold {vae.data_shape[-1]} names, one for each "
                f"value of the data's last axis. Received: {len(feature_names)} names"
            )
    support = vae.likelihood.support
    value_range = [float(support.low), float(support.high)]
    if vae.standardize is not None or not np.all(np.isfinite(value_range)):
        value_range = None
    return {
        "keras_vae": __version__,
        "version": version,
        "data_shape": list(vae.data_shape),
        "latent_shape": list(vae.latent_shape),
        "latent_dim": vae.latent_dim,
        "likelihood": vae.likelihood.identifier,
        "support": str(support),
        "value_range": value_range,
        "standardized": vae.standardize is not None,
        "images": has_images(vae),
        "feature_names": feature_names,
        "columns": getattr(vae.likelihood, "vocabulary", None),
        "conditions": {
            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
            for name, spec in vae.conditions.items()
        },
    }
