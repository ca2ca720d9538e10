"""The order of examples and the draws of binary data, as pure functions of seeds.

Nothing here keeps state, so that a run that is resumed at an epoch sees what a run
that never stopped saw from that epoch on.
"""

import tensorflow as tf

from keras_vae.arguments import did_you_mean

BINARIZE = ("none", "threshold", "dynamic")


def check_binarize(binarize):
    """Raises a `ValueError` unless `binarize` is one of `BINARIZE`."""
    if binarize not in BINARIZE:
        raise ValueError(
            f"`binarize` should be one of {', '.join(map(repr, BINARIZE))}."
            f"{did_you_mean(binarize, BINARIZE)} Received: binarize={binarize!r}"
        )


def seed_pair(seed, purpose):
    """The stateless seed of a purpose: equal numbers for one never meet another's."""
    return tf.constant([seed, purpose], tf.int64)


def fold_in(seed, number):
    """A new stateless seed, from a stateless seed and a number (an epoch, a batch)."""
    return tf.random.fold_in(seed, number, alg="philox")


def permutation(num_examples, seed):
    """A random order of `0 .. num_examples - 1`, an int32 tensor."""
    keys = tf.random.stateless_uniform(
        [num_examples], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.argsort(keys, stable=True)


def to_float(x):
    """float32 of any data: bytes as `x / 255`, other numbers as they are."""
    if x.dtype == tf.uint8:
        return tf.cast(x, tf.float32) / 255.0
    return tf.cast(x, tf.float32)


def binarize_batch(x, binarize, seed):
    """Binary data from intensities in [0, 1]: `x > 1/2`, or drawn from Bernoulli(x)."""
    if binarize == "threshold":
        return tf.cast(x > 0.5, tf.float32)
    if binarize == "dynamic":
        uniform = tf.random.stateless_uniform(tf.shape(x), seed, alg="philox")
        return tf.cast(x > uniform, tf.float32)
    return x


def pipeline(source, batch_size, epochs, order_seed, noise_seed, binarize, give):
    """Batches of a dataset of epoch numbers, one epoch after another.

    Args:
        source: `Source`.
        batch_size: Integer.
        epochs: `tf.data.Dataset` of int64 epoch numbers, or an integer: that one alone.
        order_seed: Stateless seed of the shuffling, or `None` for the stored order.
        noise_seed: Stateless seed of the binary draws.
        binarize: One of `BINARIZE`.
        give: Function of a batch, float32 `x` `(batch, *data_shape)` and int64 `labels`
            `(batch,)`, that returns what is asked for of them.

    Returns:
        `tf.data.Dataset` of that; the last batch of an epoch may be short.
    """

    # Each step of a pipeline is a graph to make: those that do nothing are left out.
    def one_epoch(epoch):
        order = None if order_seed is None else fold_in(order_seed, epoch)
        keys = source.epoch(batch_size, order)
        if binarize != "dynamic":
            return keys
        noise = fold_in(noise_seed, epoch)
        return keys.enumerate().map(lambda i, key: (fold_in(noise, i), key))

    def fetch(*element):
        # A key of several parts comes as so many arguments.
        noise, key = element if binarize == "dynamic" else (None, element)
        x, labels = source.fetch(key[0] if len(element) == 1 else key)
        return give(binarize_batch(to_float(x), binarize, noise), labels)

    # The costly part stays outside of flat_map, where prefetching runs on over the
    # end of an epoch.
    several = isinstance(epochs, tf.data.Dataset)
    batches = epochs.flat_map(one_epoch) if several else one_epoch(epochs)
    return batches.map(
        fetch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).prefetch(tf.data.AUTOTUNE)
