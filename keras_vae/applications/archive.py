"""The file of compressed data: what is in it, and what is said of another file.

Read without NumPy: the command line tells a damaged file at once.
"""

import hashlib
import struct
from typing import NamedTuple

MAGIC = b"\x89KVAE\r\n\x1a"  # as PNG's: a transfer as text, or a seven-bit one, shows
VERSION = 1
MODES = ("lossless", "lossy")
DIGEST = 16  # bytes of SHA-256

_START = struct.Struct("<8sBBBQ")  # magic, version, mode, axes, size of the file
_COUNTS = struct.Struct("<QHH")  # examples, batch size, growth
_DIGESTS = struct.Struct(f"<{DIGEST}s{DIGEST}s{DIGEST}s")


class Archive(NamedTuple):
    """What a file holds.

    All integers are little-endian and unsigned. With d axes of data and e bytes of
    extra settings, byte by byte:

    | bytes | content |
    |---|---|
    | 8 | magic: 89 4B 56 41 45 0D 0A 1A |
    | 1 | format version: 1 |
    | 1 | mode: 0 lossless, 1 lossy |
    | 1 | d |
    | 8 | size of the whole file in bytes |
    | 4 d | shape of one example |
    | 8 | number of examples |
    | 2 | batch size |
    | 2 | growth: of n examples coded, the next max(1, n // growth) are coded at once |
    | 16 | fingerprint of the model: SHA-256, its first half, as all that follow |
    | 16 | fingerprint of what this machine computes with it |
    | 16 | checksum of the data: of `decompress`, uint8 in C order |
    | 4, e | length of the extra settings, and these: of lossy files, see there |
    | 4 w | words of the coder, uint32, to the end but for: |
    | 16 | checksum of all bytes before |

    Attributes:
        mode: `"lossless"` or `"lossy"`.
        data_shape: Tuple.
        num_examples: Integer.
        batch_size: Integer.
        growth: Integer.
        model: Fingerprint of the model, bytes.
        machine: Fingerprint of the computation, bytes.
        data: Checksum of the data, bytes.
        extra: Bytes.
        words: Bytes: the words of the coder.
    """

    mode: str
    data_shape: tuple
    num_examples: int
    batch_size: int
    growth: int
    model: bytes
    machine: bytes
    data: bytes
    extra: bytes
    words: bytes

    def to_bytes(self):
        """The file's bytes."""
        body = b"".join(
            [
                struct.pack(f"<{len(self.data_shape)}I", *self.data_shape),
                _COUNTS.pack(self.num_examples, self.batch_size, self.growth),
                _DIGESTS.pack(self.model, self.machine, self.data),
                struct.pack("<I", len(self.extra)),
                self.extra,
                self.words,
            ]
        )
        size = _START.size + len(body) + DIGEST
        mode, axes = MODES.index(self.mode), len(self.data_shape)
        content = _START.pack(MAGIC, VERSION, mode, axes, size) + body
        return content + digest(content)


def read(content, mode):
    """Reads an archive, whole or not at all.

    Args:
        content: The file's bytes.
        mode: The mode that is asked for; `None` for either.

    Returns:
        `Archive`.

    Raises:
        ValueError: If it is no archive, is of another version or mode, or is not as it
            was written.

    Example:

    >>> read(b"PK", "lossless")
    Traceback (most recent call last):
    ...
    ValueError: This is no archive of keras_vae: it begins with b'PK'
    """
    content = bytes(content)
    if not content:
        raise ValueError("The archive is empty: 0 bytes")
    start = content[: len(MAGIC)]
    if start != MAGIC[: len(start)]:
        raise ValueError(f"This is no archive of keras_vae: it begins with {start!r}")
    if len(content) < _START.size:
        raise ValueError(f"The archive is truncated: it has {len(content)} bytes")
    _, version, mode_code, axes, size = _START.unpack_from(content)
    if version != VERSION:
        raise ValueError(
            f"The archive should be of format version {VERSION}. Received: version "
            f"{version}, of another keras_vae, or it is damaged"
        )
    if len(content) < size:
        raise ValueError(
            f"The archive is truncated: it has {len(content)} bytes of {size}"
        )
    if len(content) > size:
        raise ValueError(
            f"The archive is damaged: it has {len(content)} bytes and should have "
            f"{size}"
        )
    if digest(content[:-DIGEST]) != content[-DIGEST:]:
        raise ValueError(
            "The archive is damaged: its checksum is not that of its bytes"
        )
    # From here on it is what somebody wrote.
    if mode not in (None, MODES[mode_code]):
        raise ValueError(
            f"The archive is {MODES[mode_code]}. Mend: "
            f"{'Compressor' if mode == 'lossy' else 'LossyCompressor'}"
            "(vae).decompress(archive)"
        )
    place = _START.size
    data_shape = struct.unpack_from(f"<{axes}I", content, place)
    place += 4 * axes
    counts = _COUNTS.unpack_from(content, place)
    place += _COUNTS.size
    digests = _DIGESTS.unpack_from(content, place)
    place += _DIGESTS.size
    (length,) = struct.unpack_from("<I", content, place)
    place += 4
    extra = content[place : place + length]
    words = content[place + length : -DIGEST]
    return Archive(MODES[mode_code], data_shape, *counts, *digests, extra, words)


def digest(*parts):
    """The first half of the SHA-256 of bytes.

    Args:
        *parts: Bytes, one after another.

    Returns:
        Bytes.

    Example:

    >>> digest(b"ab", b"c") == digest(b"abc")
    True
    """
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.digest()[:DIGEST]
