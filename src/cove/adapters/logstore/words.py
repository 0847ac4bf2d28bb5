"""Which words a chunk holds, in 16 KB: a Bloom filter cut in slices.

Imported within the package only. A word sets four bits inside one of 64 slices, so that asking
for a word reads one slice. When a service has 15 filtered chunks their filters are laid out
anew, slice by slice: one row of half a page then answers for a word in all 15.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from zlib import crc32

SLICES: Final = 64
SLICE: Final = 256  # bytes
FILTER: Final = SLICES * SLICE
# Two rows of 15 slices just fit a page of 8 KB. With 31, one row, twice as many filters wait for
# their group, each of them to be read alone.
GROUP: Final = 15
_BITS: Final = 11  # of a position within a slice
_FACTOR: Final = 0x9E3779B1  # Knuth's multiplicative hashing: 2^32 by the golden ratio, a prime
_LANE: Final = 64  # bits
_PIECE: Final = 32 << 10  # bytes of text that are split at once
_FLAGS: Final = FILTER * 8

# Letters in lower case, digits, underscore and all beyond ASCII stay; anything else parts words.
_FOLDED: Final = bytes(
    ord(chr(byte).lower()) if chr(byte).isalnum() or byte == ord("_") else 32 for byte in range(128)
) + bytes(range(128, 256))
_BOUNDED: Final = re.compile(rb"(?<![\w\x80-\xff])[\w\x80-\xff]+(?![\w\x80-\xff])")


class Bits(NamedTuple):
    """Where a word's bits lie: a slice, and bits within it."""

    slice: int
    bits: tuple[int, ...]


def distinct(text: bytes) -> set[bytes]:
    """The words of a text, ASCII letters in lower case.

    Split piece by piece: all words at once would take ten times the text's memory.
    """
    folded, found, begin = text.translate(_FOLDED), set[bytes](), 0
    while begin < len(folded):
        end = folded.find(b" ", begin + _PIECE)
        end = end if end >= 0 else len(folded)
        found.update(folded[begin:end].split())
        begin = end
    return found


def bounded(text: bytes, *, alone: bool) -> set[bytes]:
    """Words that every text containing this one must hold as words of their own.

    At its ends a word may go on outside, unless the text stands alone there.
    """
    found = set()
    for match in _BOUNDED.finditer(text):
        inside = match.start() > 0 and match.end() < len(text)
        if inside or alone:
            found.add(match[0].translate(_FOLDED))
    return found


def build(words: Iterable[bytes]) -> bytes:
    """The filter that holds these words."""
    flags = bytearray(b"0") * _FLAGS
    for position in _positions(words):
        flags[position] = 49  # "1"
    # As one number in base two: the only way to pack bits that does not take a step for each.
    return int(flags[::-1], 2).to_bytes(FILTER, "little")


def places(word: bytes) -> Bits:
    """Where a word's bits are, in any filter."""
    positions = [int(position) for position in _positions([word])]
    within = tuple(position % (SLICE * 8) for position in positions)
    return Bits(positions[0] // (SLICE * 8), within)


def may_hold(filter_: bytes, wanted: Iterable[Bits]) -> bool:
    """Whether a chunk may hold all of the words; False is certain."""
    return all(_set(filter_, one.slice * SLICE, one.bits) for one in wanted)


def may_hold_each(row: bytes, wanted: Bits) -> int:
    """For a group's row of the word's slice: bit N is set when chunk N may hold the word.

    One number has a byte of each chunk, so that a bit of all is looked at in one step.
    """
    found = -1
    for bit in wanted.bits:
        found &= int.from_bytes(row[bit >> 3 :: SLICE], "little") >> (bit & 7)
        if not found:
            return 0
    return sum(1 << n for n in range(len(row) // SLICE) if found >> 8 * n & 1)


def regrouped(filters: Sequence[bytes]) -> list[bytes]:
    """The rows of a group, one for each slice."""
    return [
        b"".join(one[offset : offset + SLICE] for one in filters)
        for offset in range(0, FILTER, SLICE)
    ]


def _set(row: bytes, offset: int, bits: tuple[int, ...]) -> bool:
    return all(row[offset + (bit >> 3)] >> (bit & 7) & 1 for bit in bits)


def _positions(words: Iterable[bytes]) -> memoryview[int]:
    """Four positions for each word.

    One multiplication hashes all words: each has 64 bits of one large number to itself, into
    which the product of two 32-bit numbers fits. Four times as fast as a loop.
    """
    hashes = array("Q", map(crc32, words))
    if not hashes:
        return memoryview(b"").cast("I")
    lanes = int.from_bytes(hashes.tobytes(), "little")
    low, high = _masks(len(hashes))
    mixed = lanes * _FACTOR
    slices = ((lanes & _mask(len(hashes), SLICES - 1)) << _BITS) * (1 + (1 << 32))
    one = ((mixed >> 10) & low) | (mixed & high) | slices
    two = ((mixed >> 21) & low) | ((mixed >> 11) & high) | slices
    size = len(hashes) * _LANE // 8
    both = one.to_bytes(size, "little") + two.to_bytes(size, "little")
    return memoryview(both).cast("I")


def _masks(count: int) -> tuple[int, int]:
    """The low and the high half's bits of a position, in every lane."""
    low = _mask(count, (1 << _BITS) - 1)
    return low, low << 32


def _mask(count: int, bits: int) -> int:
    return int.from_bytes(bits.to_bytes(_LANE // 8, "little") * count, "little")
