"""The semi-supervised VAE: labels of a few examples, and all the data there are."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_integers, check_number
from keras_vae.datasets import MixedBatches
from keras_vae.models import checks, network_checks
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.inference import concatenate, slices
from keras_vae.models.vae import VAE

NO_LABEL = -1


@keras.saving.register_keras_serializable(package="keras_vae")
class SemiSupervisedVAE(ConditionalVAE):
    """Learns to classify from few labels, with a VAE of all the data: Kingma's M2.

    ```
    -L(x, y) = E_q(z|x,y)[log p(x|z, y)] + log p(y) - KL(q(z|x, y) || p(z))
    -U(x)    = sum_y q(y|x) (-L(x, y)) + H(q(y|x))                <=  log p(x)
    loss     = L(x, y) + alpha * -log q(y|x)      of an example with a label
             = U(x)                               of one without
    ```

    The label is a latent variable where it is not known: the sum runs over all classes,
    nothing is drawn. `fit` takes `{"x": x, "condition": labels}`, the name being that
    of the networks' input, with integers from 0 and -1 where there is no label; so do
    all methods, and an example without a label is then encoded and reconstructed as
    one of its most probable class. `predict_proba` and `predict_labels` take x alone.

    `elbo` is -L of an example with a label and -U of one without. `kl_loss` has the KL
    of the label as one more group: -log p(y) where it is known. `label_loss`, -log
    q(y|x) in nats, and `label_error`, 0 or 1, are 0 of an example without a label: as
    means they say something of data that all have one, as validation data may.

    When to use it: where labels are dear and data are not; or to draw data by class
    and take style and class apart with few labels. When not: with a label for each
    example (a classifier, a `ConditionalVAE`), or with classes that are not what makes
    the data differ: nothing then ties the labels to the clusters of the data. It costs
    a pass through encoder and decoder for each class of each example: of ten classes,
    ten times what a VAE costs. On the codes of a trained VAE (M1+M2) the networks may
    be small: give `fit` those as x (`keras_vae.datasets.MixedBatches` draws them anew).

    Args:
        encoder: As of `ConditionalVAE`.
        decoder: As of `ConditionalVAE`, with an input for the label, one-hot.
        num_classes: Integer, of labels from 0 to `num_classes - 1`.
        classifier: Keras model, x `(batch, *data_shape)` -> logits of q(y|x), `(batch,
            num_classes)`; `None` for dense layers.
        hidden_units: Tuple of integers, the hidden layers of that.
        alpha: Weight of -log q(y|x). The paper's is 0.1 times the share of an example
            in the data over its share in the labels: 0.1 / s where the share s of a
            batch has labels, so that 1 goes with a tenth.
        label_prior: p(y), `num_classes` probabilities; `None` for equal ones.
        **kwargs: What else `VAE` takes.

    Attributes:
        classifier: The model.

    Raises:
        ValueError: If the networks do not fit one another, or an argument is out of its
            range; as of `ConditionalVAE`.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.dense(
    ...     (4,), 2, hidden_units=(8,), condition_dim=3, seed=0)
    >>> vae = SemiSupervisedVAE(*networks, num_classes=3, hidden_units=(8,), seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> labels = np.where(np.arange(64) < 9, np.arange(64) % 3, -1)
    >>> history = vae.fit({"x": x, "condition": labels}, labelled_share=0.2, verbose=0)
    >>> vae.predict_proba(x).shape
    (64, 3)
    >>> vae.sample(5, seed=0, condition=2).shape
    (5, 4)

    Reference:
        Kingma, Rezende, Mohamed & Welling, "Semi-supervised Learning with Deep
        Generative Models" (2014), equations 6 to 9.
    """

    MEASURES = (*VAE.MEASURES, "label_loss", "label_error")
    FIXED = (*ConditionalVAE.FIXED, "classifier", "hidden_units", "label_prior")

    def __init__(
        self,
        encoder,
        decoder,
        *,
        num_classes,
        classifier=None,
        hidden_units=(256, 256),
        alpha=1.0,
        label_prior=None,
        **kwargs,
    ):
        super().__init__(encoder, decoder, num_classes=num_classes, **kwargs)
        if self.num_classes is None:
            raise ValueError(
                "`num_classes` should be an integer >= 2. Received: num_classes=None"
            )
        network_checks.check_encoder(encoder, self.latent_shape, self.flow is not None)
        self.alpha = alpha
        self.hidden_units = check_integers("hidden_units", hidden_units, empty=True)
        if classifier is None:
            classifier = _dense(
                self.data_shape, self.num_classes, self.hidden_units, self.seed
            )
        _check_classifier(classifier, self.data_shape, self.num_classes)
        self.classifier = classifier
        self.label_prior = _check_prior(label_prior, self.num_classes)

    def __setattr__(self, name, value):
        if name == "alpha":
            value = check_number(name, value, minimum=0.0)
        super().__setattr__(name, value)

    def check_condition(self, name, values):
        try:
            super().check_condition(name, np.where(values == NO_LABEL, 0, values))
        except ValueError as error:
            message = f"{error}. An example without a label has {NO_LABEL}"
            raise ValueError(message) from None

    def prepare(self, inputs):
        # Not one-hot yet, so that those that are not known are told.
        inputs = super(ConditionalVAE, self).prepare(inputs)
        [name] = self.conditions
        label = tf.cast(inputs[name], tf.float32)
        # No class at all would pass for one: NaN is seen, by whoever looks.
        possible = (label >= NO_LABEL) & (label < self.num_classes)
        return {**inputs, name: tf.where(possible, label, float("nan"))}

    def posterior(self, inputs, training=False):
        return super().posterior(self._one_hot(inputs), training)

    def _one_hot(self, inputs):
        """Inputs as the networks take them: of no label the most probable one."""
        [name] = self.conditions
        label = inputs[name]
        if label.shape.rank == 2:
            return inputs
        # Of NaN no class either: what a cast makes of it is the machine's choice.
        label = tf.where(label >= NO_LABEL, label, self.num_classes)
        label = tf.cast(label, tf.int32)
        if "x" in inputs:
            best = tf.argmax(self.logits(inputs["x"]), -1, output_type=tf.int32)
            label = tf.where(label == NO_LABEL, best, label)
        return super()._one_hot({**inputs, name: label})

    def logits(self, x, training=False):
        """Logits of q(y|x), as a tensor.

        Args:
            x: Tensor `(batch, *data_shape)`, as `prepare` returns it.
            training: Whether the classifier runs in training mode.

        Returns:
            float32 tensor `(batch, num_classes)`.
        """
        return tf.cast(self.classifier(x, training=training), tf.float32)

    def probabilities(self, x):
        """q(y|x), as a tensor.

        Args:
            x: Tensor `(batch, *data_shape)`, in the data's units.

        Returns:
            float32 tensor `(batch, num_classes)`.
        """
        x = checks.check_batch("x", x, self.data_shape)
        if self.standardize is not None:
            x = self.standardize(x)
        return tf.nn.softmax(self.logits(x))

    def elbo_terms(self, inputs, target, noise, training=False):
        # What is learned from is in the terms of each class: this one is to look at.
        q = self.posterior(inputs)
        return self.terms_of_draws(q, inputs, target, noise, training)

    def terms_of_draws(self, q, inputs, target, noise, training=False):
        """The parts of the ELBO, summed over the classes.

        ```
        log w = log p(x, z_y, y) - log q(z_y|x, y)        of an example with a label
              = log sum_y exp(...)                        of one without
        ```

        Both bounds are one: with r(y|x) = q(y|x), or all on the label where that is
        known, they are sum_y r(y|x) (...) - KL(r(y|x) || p(y)).

        Args:
            q: As of `VAE.terms_of_draws`: of the label, or of the most probable one.
            inputs: As of `VAE.terms_of_draws`, and so are the others.
            target: Tensor `(batch, *data_shape)`.
            noise: Standard normal, `(num_samples, batch, *latent_shape)`, the same for
                each class.
            training: Whether the networks run in training mode.

        Returns:
            `ElboTerms`; `z` are draws of `q`.
        """
        [name] = self.conditions
        label, num_classes = inputs[name], self.num_classes
        log_q = tf.nn.log_softmax(self.logits(inputs["x"], training))
        unknown = label == NO_LABEL
        wrong = tf.math.is_nan(label)
        classes = tf.cast(tf.where(wrong, -2.0, label), tf.int32)
        one_hot = tf.one_hot(classes, num_classes)
        weights = tf.where(unknown[:, None], tf.exp(log_q), one_hot)
        weights = tf.where(wrong[:, None], float("nan"), weights)

        terms = self._terms_of_each_class(inputs, target, noise, training)
        by_class = tf.transpose(weights)  # (num_classes, batch)

        def expected(values):
            """The mean over r, `(num_classes, batch, ...)` with an axis before or not;
            of a class without weight nothing counts, not even -inf."""
            return tf.where(by_class == 0.0, 0.0, by_class * values)

        likelihood = tf.reduce_sum(expected(terms.log_likelihood), axis=1)
        kl = tf.transpose(expected(tf.transpose(terms.kl, (2, 0, 1))), (1, 2, 0))
        log_prior = tf.math.log(tf.constant(self._label_prior()))
        entropy = tf.where(unknown, -tf.reduce_sum(weights * log_q, axis=-1), 0.0)
        kl_of_label = -tf.reduce_sum(weights * log_prior, axis=-1) - entropy
        kl = tf.concat([tf.reduce_sum(kl, axis=0), kl_of_label[:, None]], axis=-1)

        is_other = ~unknown & (tf.transpose(one_hot) == 0.0)
        joint = terms.log_weights + log_prior[:, None]
        joint = tf.where(is_other, -math.inf, joint)
        best = tf.argmax(log_q, -1, output_type=tf.int32)
        known = tf.cast(~unknown, tf.float32)
        return terms._replace(
            q=q,
            z=q.sample(noise),
            log_likelihood=likelihood,
            kl=kl,
            log_weights=tf.reduce_logsumexp(joint, axis=1),
            further={
                "label_loss": -known * tf.reduce_sum(one_hot * log_q, axis=-1),
                "label_error": known * tf.cast(best != classes, tf.float32),
            },
        )

    def _terms_of_each_class(self, inputs, target, noise, training):
        """`ElboTerms` of each example as one of each class, with an axis for these
        before that of the batch."""
        [name] = self.conditions
        k, batch = self.num_classes, tf.shape(target)[0]

        def repeated(tensor, axis=0):
            copies = [1] * tensor.shape.rank
            copies[axis] = k
            return tf.tile(tensor, copies)

        every = {"x": repeated(inputs["x"]), name: tf.repeat(tf.eye(k), batch, axis=0)}
        q = self.posterior(every, training)
        terms = super().terms_of_draws(
            q, every, repeated(target), repeated(noise, axis=1), training
        )
        num_samples = noise.shape[0]
        draws = (num_samples, k, batch)
        return terms._replace(
            log_likelihood=tf.reshape(terms.log_likelihood, draws),
            kl=tf.reshape(terms.kl, (k, batch, terms.kl.shape[-1])),
            log_weights=tf.reshape(terms.log_weights, draws),
        )

    def _label_prior(self):
        equal = (1.0 / self.num_classes,) * self.num_classes
        return np.array(self.label_prior or equal, "float32")

    def objective(self, terms):
        return super().objective(terms) + self.alpha * terms.further["label_loss"]

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        *args,
        labelled_share=None,
        **kwargs,
    ):
        """Trains the model; see `VAE.fit`.

        Args:
            x: As of `VAE.fit`.
            y: As of `VAE.fit`.
            batch_size: As of `VAE.fit`.
            *args: As of `VAE.fit`.
            labelled_share: Number between 0 and 1: of arrays, the share of each batch
                that has labels. An epoch is once through the examples without. `None`
                takes the examples as they come: of few labels, few in a batch.
            **kwargs: As of `VAE.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: As of `VAE.fit`; with a `labelled_share`, if there is no
                example with a label of each class, or none without.
        """
        if labelled_share is None:
            return super().fit(x, y, batch_size, *args, **kwargs)
        if y is not None or kwargs.get("sample_weight") is not None:
            raise ValueError(
                "`labelled_share` mixes x and its labels alone. Received: a target or "
                "weights. Mend: leave out labelled_share"
            )
        if not isinstance(x, dict):
            [name] = self.conditions
            raise ValueError(
                "`labelled_share` is of arrays, {'x': ..., "
                f"{name!r}: ...}}. Received: {type(x).__name__}"
            )
        x = checks.as_floats(checks.check_data("x", x, self, support=True))
        [name] = self.conditions
        check_labels(x[name], self.num_classes)
        batches = MixedBatches(
            x["x"],
            x[name],
            batch_size=32 if batch_size is None else batch_size,
            labelled_share=labelled_share,
            seed=self.seed or 0,
            first_epoch=kwargs.get("initial_epoch", 0),
            name=name,
        )
        # They are shuffled.
        return super().fit(batches, None, None, *args, **{**kwargs, "shuffle": False})

    def decode(self, z, batch_size=128, **conditions):
        self._check_known(conditions)
        return super().decode(z, batch_size, **conditions)

    def sample_batches(self, *args, **kwargs):
        self._check_known(kwargs)
        return super().sample_batches(*args, **kwargs)

    def _check_known(self, given):
        """Raises if a label is none where there is no x that would say which one."""
        [name] = self.conditions
        if np.any(np.asarray(given.get(name, 0)) == NO_LABEL):
            raise ValueError(
                f"`{name}` should be a class: without x nothing says which one a label "
                f"of {NO_LABEL} may be. Received: {name}={NO_LABEL}"
            )

    def predict_proba(self, x, batch_size=128):
        """Probabilities of the classes, q(y|x).

        Args:
            x: Array `(n, *data_shape)`, a dictionary with it, or an iterable of batches
                of these; labels are not looked at.
            batch_size: Examples computed at a time.

        Returns:
            float32 NumPy array `(n, num_classes)`.
        """
        spec = tf.TensorSpec((None, *self.data_shape), tf.float32, name="x")
        function = self.graph(_probabilities, spec)
        return concatenate(function(part) for part in self._parts(x, batch_size))

    def predict_labels(self, x, batch_size=128):
        """The most probable classes.

        Args:
            x: As of `predict_proba`.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n,)` of integers.
        """
        return self.predict_proba(x, batch_size).argmax(axis=-1)

    def analogies(self, x, batch_size=128):
        """Examples with the style of x, of every class.

        ```
        z = the mean of q(z|x, y),     x_k = the mean of p(x|z, k)
        ```

        Args:
            x: Dictionary as `fit` takes it, of arrays; a label that is -1 is predicted.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n, num_classes, *data_shape)`, in the data's units.
        """
        [name] = self.conditions
        z = self.codes(x, batch_size)
        classes = np.tile(np.arange(self.num_classes), len(z))
        repeated = np.repeat(z, self.num_classes, axis=0)
        decoded = self.decode(repeated, batch_size, **{name: classes})
        return decoded.reshape(len(z), self.num_classes, *self.data_shape)

    def _parts(self, x, batch_size):
        """Batches of x alone."""
        x = x["x"] if isinstance(x, dict) else x
        batches = [x] if checks.is_arrays(x) else x
        for batch in batches:
            batch = batch[0] if isinstance(batch, tuple) else batch
            batch = batch["x"] if isinstance(batch, dict) else batch
            batch = checks.check_array("x", batch, self)
            for rows in slices(len(batch), batch_size):
                yield np.asarray(batch[rows], "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "classifier": keras.saving.serialize_keras_object(self.classifier),
            "hidden_units": self.hidden_units,
            "alpha": self.alpha,
            "label_prior": self.label_prior,
        }


def check_labels(labels, num_classes):
    """Raises unless each class has a label, and some examples have none.

    Args:
        labels: Array of integers, -1 where there is none.
        num_classes: Integer.
    """
    outside = labels[(labels < NO_LABEL) | (labels >= num_classes)]
    if len(outside):
        raise ValueError(
            f"`labels` should be from 0 to {num_classes - 1}, or {NO_LABEL} where "
            f"there is none. Received: {outside[0]}"
        )
    found, counts = np.unique(labels[labels != NO_LABEL], return_counts=True)
    missing = sorted({*range(num_classes)} - {*found.tolist()})
    if missing:
        raise ValueError(
            "Each class should have an example with its label. Received: none of class "
            f"{', '.join(map(str, missing))}"
        )
    if counts.sum() == len(labels):
        raise ValueError(
            "Some examples should have no label, -1. Received: labels for all "
            f"{len(labels)}"
        )


def _probabilities(vae, x):
    return vae.probabilities(x)


def _dense(data_shape, num_classes, hidden_units, seed):
    """A classifier of dense layers; at first all classes are about as probable."""
    x = keras.Input(data_shape, dtype="float32", name="x")
    hidden = keras.layers.Flatten(dtype="float32")(x)
    # Each layer with a seed of its own: with one for all, layers of one shape would be
    # alike.
    seeds = [None if seed is None else seed + i for i in range(len(hidden_units) + 1)]
    for units, own in zip(hidden_units, seeds[:-1], strict=True):
        hidden = keras.layers.Dense(
            units,
            activation="silu",
            kernel_initializer=keras.initializers.HeNormal(own),
        )(hidden)
    scale = keras.initializers.VarianceScaling(0.1, "fan_avg", seed=seeds[-1])
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=scale, dtype="float32", name="logits"
    )(hidden)
    return keras.Model(x, logits, name="classifier")


def _check_classifier(classifier, data_shape, num_classes):
    shapes = None
    if isinstance(classifier, keras.Model) and classifier.built:
        tensors = (*classifier.inputs, *classifier.outputs)
        shapes = [tuple(tensor.shape) for tensor in tensors]
    if shapes != [(None, *data_shape), (None, num_classes)]:
        raise ValueError(
            f"`classifier` should be a Keras model of x, {(None, *data_shape)}, with "
            f"the logits of {num_classes} classes, {(None, num_classes)}. Received: "
            f"{classifier!r} of shapes {shapes}"
        )


def _check_prior(label_prior, num_classes):
    if label_prior is None:
        return None
    values = np.asarray(label_prior, "float64")
    right = values.shape == (num_classes,) and np.all(values > 0)
    if not right or abs(values.sum() - 1) > 1e-6:
        raise ValueError(
            f"`label_prior` should be {num_classes} probabilities above 0 that sum to "
            f"1. Received: label_prior={label_prior!r}"
        )
    return tuple(values.tolist())
