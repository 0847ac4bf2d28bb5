"""Which records of a chunk hold a text, without looking at each of them.

Imported within the package only. Regular expressions: `patterns`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from cove.adapters.logstore.chunk import Lines, encoded
from cove.adapters.logstore.patterns import Pattern
from cove.adapters.logstore.words import Bits, bounded, places
from cove.model.expressions import LONGEST, Text
from cove.model.logs import LEVELS, LogQuery

_BEYOND_ASCII: Final = 128
_WORD: Final = bytes(
    byte >= _BEYOND_ASCII or chr(byte).isalnum() or byte == ord("_")  # True is 1
    for byte in range(256)
)


class Matcher(Protocol):
    """A text that is looked for."""

    wanted: tuple[Bits, ...]
    """What a chunk's filter must hold."""

    def narrows(self, plain: bytes) -> bool:
        """Whether a chunk may hold a hit at all; cheap."""

    def indices(self, plain: bytes, lines: Lines) -> Iterable[int]:
        """The records that match, oldest first."""


class Anything:
    """No text is looked for: every record is a hit."""

    wanted: tuple[Bits, ...] = ()

    def narrows(self, plain: bytes) -> bool:  # noqa: ARG002 - every chunk may
        """Always."""
        return True

    def indices(self, plain: bytes, lines: Lines) -> Sequence[int]:  # noqa: ARG002
        """All."""
        return range(lines.count)


class PlainText:
    """A text as it stands; `word` and `ignore_case` as in `LogQuery`."""

    def __init__(self, text: str, *, word: bool, ignore_case: bool) -> None:
        self._needle = encoded(text)
        self._fold = ignore_case
        if ignore_case:
            self._needle = self._needle.lower()  # of bytes: ASCII alone
        self._word = word
        self._text = None if ignore_case or len(self._needle) > LONGEST else Text(self._needle)
        words = bounded(self._needle, alone=word)
        self.wanted = tuple(places(one) for one in sorted(words))

    def narrows(self, plain: bytes) -> bool:
        """Whether it stands anywhere, perhaps over two records."""
        if self._text:
            return self._text.find(plain) >= 0
        return self._needle in (plain.lower() if self._fold else plain)

    def indices(self, plain: bytes, lines: Lines) -> list[int]:
        """The records that hold it."""
        if self._fold:
            plain = plain.lower()
        needle, found = self._needle, []
        position = plain.find(needle)
        while position >= 0:
            index, begin, end = lines.around(position)
            if self._is_hit(plain, position, begin, end):
                found.append(index)
                position = plain.find(needle, end + 1)
            else:
                position = plain.find(needle, position + 1)
        return found

    def _is_hit(self, plain: bytes, position: int, begin: int, end: int) -> bool:
        behind = position + len(self._needle)
        if behind > end:
            return False
        if not self._word:
            return True
        if position > begin and _WORD[plain[position - 1]]:
            return False
        return behind == end or not _WORD[plain[behind]]


def matcher(query: LogQuery, ended: Callable[[], bool]) -> Matcher:
    """What a query looks for. Raises Refused (`log-pattern`) for an expression that is none.

    `ended`: whether nobody wants to know any more.
    """
    if not query.text:
        return Anything()
    if query.regex:
        return Pattern(query.text, word=query.word, ignore_case=query.ignore_case, ended=ended)
    return PlainText(query.text, word=query.word, ignore_case=query.ignore_case)


def level_mask(least: int) -> int:
    """The bits of all levels from this one on, as a chunk's row has them."""
    return sum(1 << level for level in range(least, len(LEVELS)))


def chosen(query: LogQuery, lines: Lines, indices: Iterable[int]) -> Iterable[int]:
    """Those of the records that fit all of a query but its text."""
    begin, end = 0, lines.count
    if query.since > lines.first:
        begin = bisect_left(lines.times, query.since)
    if query.until and query.until <= lines.last:
        end = bisect_left(lines.times, query.until)
    if begin > 0 or end < lines.count:
        indices = (index for index in indices if begin <= index < end)
    if query.level:
        levels, least = lines.levels, query.level
        indices = (index for index in indices if levels[index] >= least)
    wanted = {number for number, one in enumerate(lines.sources) if _is_from(query, one)}
    if len(wanted) < len(lines.sources):
        origins = lines.origins
        indices = (index for index in indices if origins[index] in wanted)
    return indices


def _is_from(query: LogQuery, source: object) -> bool:
    return all(
        not getattr(query, field) or getattr(query, field) == getattr(source, field)
        for field in ("release", "container", "stream")
    )
