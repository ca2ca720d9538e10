"""The stack of bits: what is pushed is popped, and takes -log2(p) bits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vae.applications import bit_stack
from keras_vae.applications.bit_stack import BitStack, random_words


def cdf_of(probabilities):
    """The distribution function of rows of probabilities."""
    below = np.cumsum(np.pad(probabilities, ((0, 0), (1, 0))), axis=1)
    return lambda edges: np.take_along_axis(below, edges, axis=1)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 5)), min_size=1, max_size=6),
    st.integers(0, 2**31),
)
def test_what_was_pushed_is_popped_and_leaves_the_stack_as_it_was(shapes, seed):
    rng = np.random.default_rng(seed)
    words = random_words(4)
    stack = BitStack(words, seal=True)
    pushed = []
    for size, num in shapes:
        # From even to very uneven, zeros among them.
        probabilities = rng.dirichlet(np.full(size, 0.05), size=num)
        symbols = rng.integers(0, size, num)
        stack.push(symbols, cdf_of(probabilities), size)
        pushed.append((symbols, probabilities, size))
    stack = BitStack(stack.words)
    for symbols, probabilities, size in reversed(pushed):
        popped = stack.pop(cdf_of(probabilities), size, len(symbols))
        np.testing.assert_array_equal(popped, symbols)
    np.testing.assert_array_equal(stack.words, [*words, 1])


@given(st.integers(2, 200), st.integers(0, 2**31))
def test_what_was_popped_is_pushed_back(size, seed):
    """Bits back: a draw from the stack is undone to the last bit."""
    probabilities = np.random.default_rng(seed).dirichlet(np.full(size, 0.3), 20)
    stack = BitStack(random_words(60), seal=True)
    before = stack.words
    symbols = stack.pop(cdf_of(probabilities), size, 20)
    assert stack.num_bits < 32 * len(before)
    stack.push(symbols, cdf_of(probabilities), size)
    np.testing.assert_array_equal(stack.words, before)


@pytest.mark.parametrize("size", [2, 17, 64, 65, 256])
def test_a_symbol_takes_the_logarithm_of_its_probability(size):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(size), 4000)
    symbols = (rng.uniform(size=(4000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    stack = BitStack(random_words(4), seal=True)
    before = stack.num_bits
    stack.push(symbols, cdf_of(probabilities), size)
    bits = -np.log2(probabilities[np.arange(4000), symbols]).sum()
    # Rounding to 2**-24, of probabilities as small as that; and the last bit.
    assert abs(stack.num_bits - before - bits) < 1e-4 * bits + 2


@pytest.mark.parametrize("size", [8, 100])
def test_popped_of_random_bits_symbols_have_their_probabilities(size):
    probabilities = np.random.default_rng(1).dirichlet(np.ones(size))
    num = 20_000
    stack = BitStack(random_words(num), seal=True)
    table = cdf_of(np.broadcast_to(probabilities, (num, size)))
    counts = np.bincount(stack.pop(table, size, num), minlength=size)
    error = np.sqrt(num * probabilities * (1 - probabilities))
    assert (np.abs(counts - num * probabilities) < 4.5 * error + 1).all()


def test_the_fewest_words_are_those_after_the_deepest_pop():
    def even(edges):
        return edges / 64

    stack = BitStack(random_words(50), seal=True)
    before = stack.words
    for num in (16, 80, 32):
        symbols = stack.pop(even, 64, num)
        stack.push(symbols, even, 64)
    # 80 symbols of 6 bits are 15 words; the coder's state is another one or two.
    assert 51 - 17 <= stack.fewest_words <= 51 - 14
    np.testing.assert_array_equal(stack.words, before)
    # What is below them was not needed.
    cut = BitStack(stack.words[stack.fewest_words - 3 :])
    cut.push(cut.pop(even, 64, 80), even, 64)
    np.testing.assert_array_equal(cut.words, before[stack.fewest_words - 3 :])


def test_a_symbol_of_one_value_takes_nothing():
    stack = BitStack(random_words(4), seal=True)
    stack.push(np.zeros(100, "int64"), None, 1)
    assert stack.pop(None, 1, 3).tolist() == [0, 0, 0]
    assert stack.num_words == 5


def test_random_words_are_known_and_even():
    words = random_words(10_000)
    assert words[-1] == random_words(1)[0]
    ones = np.unpackbits(words.view("uint8")).mean()
    assert abs(ones - 0.5) < 4.5 * 0.5 / math.sqrt(320_000)


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bit_stack, "constriction", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-vae\[compression\]'"):
        BitStack(random_words(4))


def test_all_messages_of_a_small_source_take_their_probability():
    """Enumeration: the lengths are those of a code that is no longer than needed."""
    probabilities = np.array([[0.5, 0.25, 0.25], [0.9, 0.05, 0.05]])
    for message in itertools.product(range(3), repeat=2):
        stack = BitStack(random_words(8), seal=True)
        before = stack.num_bits
        repeats = 500
        stack.push(
            np.tile(message, repeats), cdf_of(np.tile(probabilities, (repeats, 1))), 3
        )
        bits = -np.log2(probabilities[[0, 1], message]).sum() * repeats
        assert abs(stack.num_bits - before - bits) < 1e-4 * bits + 2


@pytest.mark.parametrize("size", [16, 256])
def test_what_is_impossible_is_coded_all_the_same(size):
    """Symbols far from all mass: none of their digit's values has any."""
    probabilities = np.zeros((3, size))
    probabilities[:, -1] = 1.0
    stack = BitStack(random_words(4), seal=True)
    symbols = np.array([0, 3, size // 2])
    stack.push(symbols, cdf_of(probabilities), size)
    np.testing.assert_array_equal(stack.pop(cdf_of(probabilities), size, 3), symbols)
