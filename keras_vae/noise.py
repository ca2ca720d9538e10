"""Random numbers that are a pure function of a seed, the same on every runtime.

A seed is a row of two int32 words, one row for each example. The numbers of a row
depend on that row alone, so an example gets the same noise whatever else is in its
batch, in Python, on a server and on a phone.

Everything is computed with integers modulo 2**32, in operators that LiteRT has of its
own, and becomes float32 in the last step. That is what makes the numbers the same to
the last bit in eager mode, `tf.function`, XLA, a SavedModel and a `.tflite` file:
logarithms, square roots and cosines differ from one runtime to the next, and XLA
rounds a product and the sum after it once instead of twice. It also leaves nothing to
a converter that stores floating-point constants as float16 or computes in int8.
"""

import functools
import math
import numbers
import statistics

import numpy as np
import tensorflow as tf

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA


def threefry2x32(key, counter):
    """Encrypt a counter with a key: the Threefry-2x32 block function, 20 rounds.

    The words are the bit patterns of unsigned 32-bit integers, held in int32.

    Args:
        key: int32 tensor `(..., 2)`.
        counter: int32 tensor `(..., 2)`; the leading axes of both broadcast.

    Returns:
        int32 tensor `(..., 2)`: under each key another bijection of the counters,
        whose words pass for random ones.

    Raises:
        ValueError: If an argument is not int32 or its last axis is not 2.

    Example:

    >>> block = threefry2x32(key=[0, 0], counter=[0, 0])
    >>> [f"{int(word) % 2**32:08x}" for word in block]
    ['6b200159', '99ba4efe']

    Reference:
        Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3"
        (2011), section 3.3.
    """
    key, counter = _rows("key", key), _rows("counter", counter)
    rank = max(key.shape.rank, counter.shape.rank)
    if rank > 3:
        return _rounds(key, counter)
    blocks = _blocks(
        *(words[(tf.newaxis,) * (3 - words.shape.rank)] for words in (key, counter))
    )
    blocks = blocks[(0,) * (3 - rank)]
    blocks.set_shape(tf.broadcast_static_shape(key.shape, counter.shape))
    return blocks


def _rounds(key, counter):
    k0, k1 = key[..., 0], key[..., 1]
    k2 = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(k0, k1), _PARITY)
    schedule = (k0, k1, k2)
    x0, x1 = counter[..., 0] + k0, counter[..., 1] + k1
    for i in range(20):
        x0 = x0 + x1
        x1 = tf.bitwise.bitwise_xor(_rotate_left(x1, _ROTATIONS[i % 8]), x0)
        if i % 4 == 3:
            injection = i // 4 + 1
            x0 = x0 + schedule[injection % 3]
            x1 = x1 + (schedule[(injection + 1) % 3] + injection)
    return tf.stack([x0, x1], axis=-1)


# Traced once and not, with its 300 operators, in each graph that draws.
_blocks = tf.function(
    _rounds,
    input_signature=[tf.TensorSpec((None, None, 2), tf.int32)] * 2,
    autograph=False,
)


def uniform(seed, num_values):
    """Numbers uniform between 0 and 1, both excluded.

    ```
    u = (w + 1/2) / 2^23,    w: the upper 23 bits of a word
    ```

    Every number is exact. They lie symmetrically about 1/2, the smallest is 2^-24.

    Args:
        seed: int32 tensor `(batch, 2)`, a seed for each row (see `example_seeds`).
        num_values: Python int, the numbers in a row. A shorter row is the beginning
            of a longer one.

    Returns:
        float32 tensor `(batch, num_values)`.

    Raises:
        ValueError: If `seed` is not int32 `(batch, 2)` or `num_values` not positive.

    Example:

    >>> u = uniform(example_seeds(7, 0, 2), 3)
    >>> u.shape
    TensorShape([2, 3])
    >>> bool(tf.reduce_all((u > 0) & (u < 1)))
    True
    """
    word = _random_words(seed, num_values)
    return _divide_by_power(_shift_right(word, 9) * 2 + 1, 24)


def normal(seed, shape):
    """Numbers from the standard normal distribution, by inversion.

    One word for each number: a bit is the sign, and 30 bits `w` are the probability
    that is left in the tail beyond,

    ```
    P(Z > |z|) = (w + 1/2) / 2^31
    ```

    so that the tails are right as far as they go: the largest |z| is 6.23, where
    P = 2^-32. To the error of rounding z to float32 less than 1e-7 is added.

    Args:
        seed: int32 tensor `(batch, 2)`, a seed for each row (see `example_seeds`).
        shape: Python int, the numbers in a row, of which a shorter one is the beginning
            of a longer one; or a tuple, the shape in which they are arranged.

    Returns:
        float32 tensor `(batch, shape)` or `(batch, *shape)`.

    Raises:
        ValueError: If `seed` is not int32 `(batch, 2)` or `shape` not positive.

    Example:

    >>> alone = normal([[7, 1]], 5)
    >>> in_a_batch = normal([[7, 0], [7, 1], [7, 2]], 5)
    >>> bool(tf.reduce_all(alone[0] == in_a_batch[1]))
    True

    Reference:
        Cheung, Lee, Luk & Villasenor, "Hardware generation of arbitrary random number
        distributions from uniform distributions via the inversion method" (2007): a
        polynomial for each segment, segments that halve towards the tail.
    """
    if isinstance(shape, tuple):
        # Arranged as integers, which a converter to int8 leaves alone.
        word = tf.reshape(_random_words(seed, math.prod(shape)), (-1, *shape))
    else:
        word = _random_words(seed, shape)
    sign = tf.bitwise.right_shift(word, 31)  # -1 or 0
    tail = tf.bitwise.right_shift(tf.bitwise.bitwise_xor(word, sign), 1) * 2 + 1
    return _divide_by_power((_quantile(tail) * 2 + 1) * (sign * 2 + 1), 28)


def draws(seed, num_samples, shape):
    """Standard normal draws of arrays, several for each seed.

    Args:
        seed: int32 tensor `(batch, 2)`, a seed for each example (see `example_seeds`).
        num_samples: Python int, draws for each example.
        shape: Tuple of integers, the shape of one draw.

    Returns:
        float32 tensor `(num_samples, batch, *shape)`. An example's draws depend on its
        own seed alone.

    Example:

    >>> draws(example_seeds(7, 0, 5), 3, (4, 4, 2)).shape
    TensorShape([3, 5, 4, 4, 2])
    """
    values = normal(seed, num_samples * math.prod(shape))
    values = tf.reshape(values, (-1, num_samples, *shape))
    # Not a transposition where there is nothing to exchange: it is a copy.
    if num_samples == 1:
        return tf.reshape(values, (1, -1, *shape))
    return tf.transpose(values, (1, 0, *range(2, 2 + len(shape))))


def example_seeds(seed, start, num_examples):
    """Seeds for consecutive examples: the rows `[seed, start + i]`.

    The seed of an example depends on its position alone, so that a data set may be
    cut into batches of any size. Two uses of noise that must be independent need
    different values of `seed`.

    Args:
        seed: Python int, of which the lower 32 bits count, or int32 tensor `()`.
        start: Position of the first row: Python int or int32 tensor `()`.
        num_examples: Python int or int32 tensor `()`.

    Returns:
        int32 tensor `(num_examples, 2)`.

    Raises:
        ValueError: If `seed` or `start` is neither an int nor an int32 scalar.

    Example:

    >>> example_seeds(7, 100, 3).numpy().tolist()
    [[7, 100], [7, 101], [7, 102]]
    """
    positions = tf.range(num_examples, dtype=tf.int32) + _word("start", start)
    words = tf.fill(tf.shape(positions), _word("seed", seed))
    return tf.stack([words, positions], axis=-1)


def _random_words(seed, num_values):
    """int32 `(batch, num_values)`: blocks 0, 1, 2, … of each row, two words each."""
    seed = _rows("seed", seed, "(batch, 2)", rank=2)
    if not isinstance(num_values, numbers.Integral) or num_values < 1:
        raise ValueError(
            "num_values must be a positive Python int, the numbers in a row. "
            f"Received: {num_values!r}"
        )
    num_blocks = -(-num_values // 2)
    counter = np.zeros((num_blocks, 2), "int32")
    counter[:, 0] = np.arange(num_blocks)
    blocks = threefry2x32(seed[:, tf.newaxis, :], counter)
    words = tf.reshape(blocks, (-1, 2 * num_blocks))[:, :num_values]
    words.set_shape((seed.shape[0], num_values))
    return words


# The table of the normal quantile function: its fixed point, and how many segments
# there are between a power of two and the next.
_ONE = 2**27
_SEGMENT_BITS = 4


def _quantile(tail):
    """z 2^27 as int32 for P(Z > z) = tail / 2^32, where tail is 1 … 2^31.

    The bits of `tail` as a float32 are its logarithm, nearly: the upper ones number the
    segment, the others say where in it.
    """
    bits = tf.bitcast(tf.cast(tail, tf.float32), tf.int32)
    position_bits = 23 - _SEGMENT_BITS
    segment = tf.bitwise.right_shift(bits, position_bits)
    middle = segment * 2**position_bits + 2 ** (position_bits - 1)
    t = (bits - middle) * 2 ** (32 - position_bits)  # t 2^32, -1/2 ≤ t < 1/2
    table = tf.gather(_quantile_table(), segment - 127 * 2**_SEGMENT_BITS)
    z, *coefficients = tf.unstack(table, axis=-1)
    for coefficient in coefficients:
        z = coefficient + _multiply_high(z, t)
    return z


@functools.cache
def _quantile_table():
    """int32 `(segments, 4)`: cubics in t, -1/2 ≤ t < 1/2, highest power first.

    They meet the quantile function at the Chebyshev nodes of their segments. The row
    after the last segment is for tail = 2^31, which is z = 0.
    """
    segments_per_octave = 2**_SEGMENT_BITS
    octave, part = np.divmod(np.arange(31 * segments_per_octave), segments_per_octave)
    nodes = np.cos(np.pi * (np.arange(4) + 0.5) / 4) / 2
    position = 1 + (part[:, np.newaxis] + nodes + 0.5) / segments_per_octave
    tail = position * 2.0 ** (octave[:, np.newaxis] - 32)
    z = -np.vectorize(statistics.NormalDist().inv_cdf)(tail)
    cubics = np.linalg.solve(np.vander(nodes), z.T).T
    return np.rint(np.append(cubics, np.zeros((1, 4)), axis=0) * _ONE).astype("int32")


def _rotate_left(x, distance):
    # LiteRT has neither left shift nor bitwise or. The product wraps modulo 2**32, and
    # the two words of the sum have no bit in common.
    return x * 2**distance + _shift_right(x, 32 - distance)


def _shift_right(x, distance):
    """The logical shift, which fills with zeros, as that of an unsigned word does."""
    shifted = tf.bitwise.right_shift(tf.bitcast(x, tf.uint32), np.uint32(distance))
    return tf.bitcast(shifted, tf.int32)


def _multiply_high(x, y):
    """The product divided by 2**32: the upper word of all its 64 bits."""
    product = tf.cast(x, tf.int64) * tf.cast(y, tf.int64)
    return tf.bitcast(product, tf.int32)[..., 1]


def _divide_by_power(x, exponent):
    """x / 2**exponent as float32, for x ≠ 0: a subtraction from the exponent's bits."""
    bits = tf.bitcast(tf.cast(x, tf.float32), tf.int32)
    return tf.bitcast(bits - exponent * 2**23, tf.float32)


def _rows(name, value, shape="(..., 2)", rank=None):
    value = tf.convert_to_tensor(value)
    if (
        value.dtype != tf.int32
        or value.shape.rank in (None, 0)
        or (rank is not None and value.shape.rank != rank)
        or not value.shape[-1:].is_compatible_with([2])
    ):
        raise ValueError(
            f"{name} must be an int32 tensor of shape {shape}, two words in each row; "
            "keras_vae.noise.example_seeds(seed, 0, num_examples) makes such rows. "
            f"Received: {value.dtype.name} of shape {value.shape}"
        )
    return value


def _word(name, value):
    if isinstance(value, numbers.Integral):
        return tf.constant((int(value) + 2**31) % 2**32 - 2**31, tf.int32)
    value = tf.convert_to_tensor(value)
    if value.dtype != tf.int32 or value.shape.rank != 0:
        raise ValueError(
            f"{name} must be a Python int or an int32 tensor of shape (). "
            f"Received: {value.dtype.name} of shape {value.shape}"
        )
    return value
