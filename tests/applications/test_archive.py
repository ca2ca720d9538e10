"""The file: read as it was written, or refused with what is wrong."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vae.applications import archive

WRITTEN = archive.Archive(
    mode="lossless",
    data_shape=(28, 28, 1),
    num_examples=10_000,
    batch_size=64,
    growth=7,
    model=bytes(range(16)),
    machine=bytes(range(16, 32)),
    data=bytes(range(32, 48)),
    extra=b"extra",
    words=np.array([1, 2**32 - 1, 7], "<u4").tobytes(),
)
CONTENT = WRITTEN.to_bytes()


def test_an_archive_is_read_as_it_was_written():
    read = archive.read(CONTENT, "lossless")
    for name in archive.Archive._fields:
        np.testing.assert_array_equal(getattr(read, name), getattr(WRITTEN, name))


def test_the_bytes_are_those_of_the_documented_table():
    """Read by a table of offsets, which is what the docstring says."""
    assert CONTENT[:8] == bytes.fromhex("89 4B 56 41 45 0D 0A 1A")
    assert (CONTENT[8], CONTENT[9], CONTENT[10]) == (1, 0, 3)
    assert struct.unpack_from("<Q", CONTENT, 11) == (len(CONTENT),)
    assert struct.unpack_from("<3I", CONTENT, 19) == (28, 28, 1)
    assert struct.unpack_from("<QHH", CONTENT, 31) == (10_000, 64, 7)
    assert CONTENT[43:91] == bytes(range(48))
    assert struct.unpack_from("<I", CONTENT, 91) == (5,)
    assert CONTENT[95:100] == b"extra"
    assert struct.unpack_from("<3I", CONTENT, 100) == (1, 2**32 - 1, 7)
    assert len(CONTENT) == 112 + 16


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_told(place, change):
    damaged = bytearray(CONTENT)
    damaged[place] ^= change
    with pytest.raises(ValueError, match="damaged|truncated|no archive|version"):
        archive.read(damaged, "lossless")


@given(st.integers(0, len(CONTENT) - 1))
def test_a_cut_anywhere_is_told(length):
    with pytest.raises(ValueError, match="empty" if length == 0 else "truncated"):
        archive.read(CONTENT[:length], "lossless")


@given(st.integers(0, len(CONTENT) - 1), st.binary(min_size=1, max_size=4))
def test_bytes_too_many_anywhere_are_told(place, more):
    with pytest.raises(ValueError, match="damaged|truncated|no archive|version"):
        archive.read(CONTENT[:place] + more + CONTENT[place:], "lossless")


def test_another_kind_of_file_is_told():
    with pytest.raises(ValueError, match=r"no archive .* b'PK"):
        archive.read(b"PK\x03\x04" + CONTENT, "lossless")


def test_the_other_mode_is_told_with_what_reads_it():
    with pytest.raises(ValueError, match=r"is lossless. Mend: Compressor\(vae\)"):
        archive.read(CONTENT, "lossy")
    assert archive.read(CONTENT, None).mode == "lossless"
