"""What data are compared by: features from a network or an analysis trained here."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_integer
from keras_vae.models.inference import concatenate, slices

NUM_FEATURES = 64
# Of the classifier, which is to know the classes, not to be the best there is.
STEPS, BATCH, HELD_OUT = 1000, 128, 0.1
# Convolutions halve an image until no side is longer; smaller ones have none.
SMALL_SIDE = 8


class Features:
    """A function from data to features, and what it is.

    Args:
        function: Function of an array `(n, *data_shape)` to one `(n, ...)`.
        description: Dict for JSON that names it.

    Attributes:
        description: That dict.

    Example:

    >>> features = Features(lambda x: x / 2, {"name": "halves"})
    >>> features(np.ones((3, 2, 2))).shape
    (3, 4)
    """

    def __init__(self, function, description):
        self._function = function
        self.description = description

    def __call__(self, x):
        """Features of data.

        Args:
            x: Array `(n, *data_shape)`.

        Returns:
            float64 array `(n, num_features)`.
        """
        values = self._function(x)
        if isinstance(values, list | tuple | dict) or len(values) != len(x):
            raise ValueError(
                "`features` should return one array, a row for each example. Received: "
                f"{type(values).__name__}"
            )
        return np.asarray(values, "float64").reshape(len(x), -1)


def train_features(x, labels=None, batch_size=128, seed=0):
    """A feature extractor that follows from data and a seed alone.

    - With labels, a small classifier (convolutions of 16, 32, 64, ... filters that
      halve an image until it is 8 x 8 or smaller, a dense layer for what is no image;
      then 64 features and the classes), trained with 1000 batches of 128 of nine tenths
      of the data: half a minute for 28 x 28 pixels. Its features are what tells the
      classes apart, and its accuracy on the last tenth, in the description, says how
      well they do; hand over more data, or a better network, where that is low.
    - Without, the first 64 principal components: distances are those of the data
      themselves, as far as these components hold them (the description says how much).
      Of features that are no images each is standardised before.

    Args:
        x: Real data, array `(n, *data_shape)`.
        labels: Integers `(n,)`, or `None`.
        batch_size: Examples computed at a time, once it is trained.
        seed: Integer >= 0. With it the extractor is the same on the same machine.

    Returns:
        `Features`: a function of an array `(m, *data_shape)`, with a `description`.

    Raises:
        ValueError: If the labels are no integers, or not one for each example.

    Example:

    >>> import keras_vae
    >>> train = keras_vae.datasets.load("digits").train
    >>> features = train_features(train.x)
    >>> features(train.x[:5]).shape, features.description["name"]
    ((5, 64), 'pca')
    """
    x = check_examples("x", x)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    if labels is None:
        return _principal_components(x, seed)
    labels = np.asarray(labels)
    if labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` should be integers of shape {x.shape[:1]}. Received: shape "
            f"{labels.shape}, dtype {labels.dtype}"
        )
    return _classifier(x, labels, batch_size, seed)


def make_features(features, x, labels, batch_size, seed):
    """`Features` of whatever `sample_quality` takes for them."""
    if features is None:
        return train_features(x, labels, batch_size, seed)
    if isinstance(features, Features):
        return features
    if isinstance(features, keras.Model):
        return Features(
            lambda x: features.predict(x, batch_size=batch_size, verbose=0),
            {"name": features.name, "type": "keras.Model"},
        )
    if callable(features):
        name = getattr(features, "__name__", type(features).__name__)
        return Features(features, {"name": name, "type": "function"})
    raise ValueError(
        "`features` should be None, a keras.Model or a function of an array. Received: "
        f"features={features!r}"
    )


def check_examples(name, x):
    """Returns data as a floating-point array of at least two examples."""
    x = np.asarray(x)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(
            f"`{name}` should be an array (n, *data_shape) of two examples or more. "
            f"Received: shape {x.shape}"
        )
    return x if x.dtype.kind == "f" else x.astype("float32")


def _principal_components(x, seed):
    from sklearn.decomposition import PCA  # a slow import, for a few functions

    location, scale = _standardization(x)
    scale = 1.0 if _is_image(x) else scale

    def flatten(x):
        return np.float64((x - location) / scale).reshape(len(x), -1)

    flat = flatten(x)
    pca = PCA(min(NUM_FEATURES, *flat.shape), random_state=seed).fit(flat)
    return Features(
        lambda x: pca.transform(flatten(x)),
        {
            "name": "pca",
            "num_features": int(pca.n_components_),
            "explained_variance": float(pca.explained_variance_ratio_.sum()),
            "num_examples": len(x),
            "seed": seed,
        },
    )


def _classifier(x, labels, batch_size, seed):
    classes, labels = np.unique(labels, return_inverse=True)
    location, scale = _standardization(x)
    model = _build_classifier(x, len(classes), seed)
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(True))
    # Nothing is left to Keras' global seed: the weights have theirs, the order this.
    rng = np.random.default_rng(seed)
    num_held_out = max(1, round(HELD_OUT * len(x)))
    held_out, rest = np.split(rng.permutation(len(x)), [num_held_out])

    def standardize(x):
        return np.float32((x - location) / scale)

    def batches():
        for _ in range(STEPS):
            rows = rng.choice(rest, BATCH)
            yield standardize(x[rows]), labels[rows]

    model.fit(batches(), steps_per_epoch=STEPS, shuffle=False, verbose=0)
    body = keras.Model(model.inputs, model.get_layer("features").output)

    def run(network, x):
        # A concrete function: TensorFlow warns of several models in one process.
        function = tf.function(network).get_concrete_function(
            tf.TensorSpec((None, *x.shape[1:]), tf.float32)
        )
        return concatenate(
            function(standardize(x[rows])) for rows in slices(len(x), batch_size)
        )

    logits = run(model, x[held_out])
    return Features(
        lambda x: run(body, x),
        {
            "name": "classifier",
            "num_features": NUM_FEATURES,
            "num_classes": len(classes),
            "accuracy": float(np.mean(logits.argmax(1) == labels[held_out])),
            "num_examples": len(x),
            "seed": seed,
        },
    )


def _build_classifier(x, num_classes, seed):
    def initializer(place):
        return keras.initializers.GlorotUniform(seed=seed + place)

    layers = keras.layers
    inputs = hidden = keras.Input(x.shape[1:])
    place = 0
    if _is_image(x) and min(x.shape[1:3]) >= SMALL_SIDE:
        while place == 0 or max(hidden.shape[1:3]) > SMALL_SIDE:
            hidden = layers.Conv2D(
                min(16 * 2**place, 64),
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=initializer(place),
            )(hidden)
            place += 1
        hidden = layers.Flatten()(hidden)
    else:
        hidden = layers.Flatten()(hidden)
        hidden = layers.Dense(
            256, activation="relu", kernel_initializer=initializer(place)
        )(hidden)
    features = layers.Dense(
        NUM_FEATURES,
        activation="relu",
        kernel_initializer=initializer(place + 1),
        name="features",
    )(hidden)
    logits = layers.Dense(
        num_classes, kernel_initializer=initializer(place + 2), dtype="float32"
    )(features)
    return keras.Model(inputs, logits)


def _is_image(x):
    return x.ndim == 4


def _standardization(x):
    """Location and scale: of all pixels together, or of each feature."""
    axes = None if _is_image(x) else 0
    location, scale = x.mean(axes, dtype="float64"), x.std(axes, dtype="float64")
    return np.float32(location), np.float32(np.where(scale > 0, scale, 1.0))
