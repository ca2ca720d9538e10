"""A stack of bits that symbols are pushed on and popped off: the entropy coder."""

import hashlib
import math

import numpy as np

try:
    import constriction
except ImportError:  # an extra, asked for where it is used
    constriction = None

# A symbol of at most so many values is coded by one table of their probabilities; one
# of more as two digits.
LARGEST_TABLE = 64

# Added to each probability: no symbol is impossible, however sure a model is, and a
# table is never all zeros. The coder itself counts in steps of 2**-24.
FLOOR = 2.0**-32


def check_coder():
    """Raises unless the library of the coder is installed."""
    if constriction is None:
        raise ImportError(
            "Compression codes with the library constriction, which is not installed. "
            "Mend: pip install 'keras-vae[compression]'"
        )


class BitStack:
    """Bits, last in first out: asymmetric numeral systems on arrays of symbols.

    To push a symbol of probability p adds -log2(p) bits; to pop one with those
    probabilities takes them away again, and is, of random bits, to draw it. Each undoes
    the other to the last bit, if it is given the same probabilities to the last bit.

    A distribution of symbols 0, ..., size - 1 is its distribution function
    `cdf(edges)`: an integer array `(n, m)`, of which row i belongs to symbol i, to the
    float64 probabilities, `(n, m)`, that the symbol is below each edge. What it says of
    the edges 0 and `size` does not matter.

    Args:
        words: uint32 array, as `words` gives it.
        seal: Whether `words` are bits of any kind, to be kept as they are.

    Attributes:
        fewest_words: The fewest words that there were after a `pop`: what lies below
            was never touched.

    Example:

    >>> stack = BitStack(random_words(8), seal=True)
    >>> def cdf(edges):  # of a fair die
    ...     return edges / 6
    >>> stack.push(np.array([5, 0, 3]), cdf, 6)
    >>> stack.pop(cdf, 6, 3).tolist()
    [5, 0, 3]

    Reference:
        Duda, "Asymmetric Numeral Systems" (2013), as implemented by Bamler,
        "Understanding Entropy Coding With Asymmetric Numeral Systems" (2022).
    """

    def __init__(self, words, seal=False):
        check_coder()
        self._coder = constriction.stream.stack.AnsCoder(words, seal=seal)
        self._tables = constriction.stream.model.Categorical(perfect=False)
        self.fewest_words = self.num_words

    @property
    def num_words(self):
        """Words of 32 bits."""
        return self._coder.num_words()

    @property
    def num_bits(self):
        """Bits, to the bit."""
        return self._coder.num_valid_bits()

    @property
    def words(self):
        """uint32 array."""
        return self._coder.get_compressed()

    @classmethod
    def from_bytes(cls, content):
        """A stack of the words that `to_bytes` returned.

        Args:
            content: Bytes.
        """
        return cls(np.frombuffer(content, "<u4").astype("uint32"))

    def to_bytes(self, start=0):
        """The words from one on, little-endian.

        Args:
            start: Integer, how many to leave out at the bottom.
        """
        return self.words[start:].astype("<u4").tobytes()

    def push(self, symbols, cdf, size):
        """Puts symbols on the stack; the first of them is on top.

        Args:
            symbols: Integer array `(n,)`.
            cdf: Distribution function of each.
            size: Integer, how many values a symbol has.
        """
        if size == 1:
            return
        if size <= LARGEST_TABLE:
            self._push(symbols, _table(cdf, np.zeros_like(symbols), 1, size, size))
            return
        base = _base(size)
        high, low = np.divmod(symbols, base)
        self._push(low, _table(cdf, high * base, 1, base, size))
        self._push(high, _table(cdf, np.zeros_like(high), base, base, size))

    def pop(self, cdf, size, num_symbols):
        """Takes symbols off the stack.

        Args:
            cdf: Distribution function of each.
            size: Integer, how many values a symbol has.
            num_symbols: Integer.

        Returns:
            int64 array `(num_symbols,)`.
        """
        zeros = np.zeros(num_symbols, "int64")
        if size == 1:
            return zeros
        if size <= LARGEST_TABLE:
            return self._pop(_table(cdf, zeros, 1, size, size))
        base = _base(size)
        start = self._pop(_table(cdf, zeros, base, base, size)) * base
        low = self._pop(_table(cdf, start, 1, base, size))
        # Of bits that were never pushed a digit may come that does not exist.
        return np.minimum(start + low, size - 1)

    def _push(self, digits, table):
        self._coder.encode_reverse(digits.astype("int32"), self._tables, table)

    def _pop(self, table):
        digits = self._coder.decode(self._tables, table).astype("int64")
        self.fewest_words = min(self.fewest_words, self.num_words)
        return digits


def random_words(num_words):
    """The same words of random bits, everywhere and always.

    Args:
        num_words: Integer.

    Returns:
        uint32 array `(num_words,)`; fewer of them are the last ones of more.

    Example:

    >>> (random_words(5)[-3:] == random_words(3)).all()
    np.True_
    """
    digest = hashlib.shake_256(b"keras_vae initial bits").digest(4 * num_words)
    return np.frombuffer(digest, "<u4").astype("uint32")[::-1].copy()


def _base(size):
    return math.isqrt(size - 1) + 1


def _table(cdf, start, step, num, size):
    """Probabilities, `(n, num)`, of the intervals of `step` values from `start` on."""
    edges = np.minimum(start[:, None] + step * np.arange(num + 1), size)
    below = np.where(edges <= 0, 0.0, np.where(edges >= size, 1.0, cdf(edges)))
    return np.maximum(np.diff(below, axis=1), 0.0) + FLOOR
