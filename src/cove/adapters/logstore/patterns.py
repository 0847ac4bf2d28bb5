"""Regular expressions over chunks, as the child searches them.

Imported by the child and by tests: a pathological pattern holds up whoever runs it. What every
match must contain is looked for first, and without any such text a chunk is searched as a whole
where that finds the same records.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, Final

from cove.adapters.logstore.chunk import Lines, decoded, encoded
from cove.adapters.logstore.words import Bits, bounded, places

_FEW: Final = 64  # repetitions that may pass a line's end without harm
_NEWLINE: Final = 10
# Not part of Python's promises: without it patterns are searched slowly, record by record.
try:
    _parser: Any = importlib.import_module("re._parser")
except ImportError:  # pragma: no cover - a future Python
    _parser = None


class Pattern:
    """A regular expression that is looked for. Raises re.error when it is none."""

    def __init__(self, text: str, *, word: bool, ignore_case: bool) -> None:
        flags = re.IGNORECASE if ignore_case else re.NOFLAG
        if word:
            text = rf"(?<!\w)(?:{text})(?!\w)"
        self._record = re.compile(text, flags)
        self._fold = bool(self._record.flags & re.IGNORECASE)
        tree = _parse(text, flags)
        # Under IGNORECASE some letters beyond ASCII match ASCII ones.
        usable = (one for one in _literals(tree) if not self._fold or one.isascii())
        self._literal = encoded(max(usable, key=len, default=""))
        if self._fold:
            self._literal = self._literal.lower()
        self._whole = None
        if not self._literal and _bears_neighbours(tree, self._record.flags):
            self._whole = re.compile(text, flags | re.MULTILINE)
        words = set() if self._fold else bounded(self._literal, alone=False)
        self.wanted: tuple[Bits, ...] = tuple(places(one) for one in sorted(words))

    def narrows(self, plain: bytes) -> bool:
        """Whether the text is there that every match must contain."""
        if self._fold:
            return not plain.isascii() or self._literal in plain.lower()
        return self._literal in plain

    def indices(self, plain: bytes, lines: Lines) -> Iterator[int]:
        """The records that match, oldest first."""
        if self._literal and (not self._fold or plain.isascii()):
            return self._with_literal(plain, lines)
        if self._whole:
            return self._scanned(plain, lines)
        every = range(lines.count)
        return (index for index in every if self._matches(lines.text(plain, index)))

    def _matches(self, text: bytes) -> bool:
        return self._record.search(decoded(text)) is not None

    def _with_literal(self, plain: bytes, lines: Lines) -> Iterator[int]:
        searched = plain.lower() if self._fold else plain
        position = searched.find(self._literal)
        while position >= 0:
            index, begin, end = lines.around(position)
            if self._matches(plain[begin:end]):
                yield index
            position = searched.find(self._literal, end + 1)

    def _scanned(self, plain: bytes, lines: Lines) -> Iterator[int]:
        """Finds where a match could begin, over all records at once."""
        assert self._whole  # noqa: S101 - the caller looked
        text = decoded(plain)
        starts = list(lines.starts)
        if len(text) < len(plain):  # positions of characters, not of bytes
            sizes = (len(decoded(plain[a : b - 1])) + 1 for a, b in pairwise(lines.starts))
            starts = list(accumulate(sizes, initial=0))
        index = 0
        while match := self._whole.search(text, starts[index]):
            while starts[index + 1] <= match.start():
                index += 1
            if self._record.search(text[starts[index] : starts[index + 1] - 1]):
                yield index
            index += 1
            if index == lines.count:
                return


def _parse(text: str, flags: int) -> Any:
    return _parser.parse(text, flags) if _parser else ()


def _literals(tree: Any) -> Iterator[str]:
    """Texts that are in every match."""
    run = ""
    for operation, value in tree:
        if str(operation) == "LITERAL":
            run += chr(value)
            continue
        yield run
        run = ""
        yield from _inner_literals(str(operation), value)
    yield run


def _inner_literals(operation: str, value: Any) -> Iterator[str]:
    match operation:
        case "SUBPATTERN":
            if not value[1] & re.IGNORECASE:  # (?i:…)
                yield from _literals(value[3])
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            if value[0] > 0:
                yield from _literals(value[2])
        case "ATOMIC_GROUP":
            yield from _literals(value)


def _bears_neighbours(tree: Any, flags: int) -> bool:
    """Whether records that match also match with others before and behind them.

    So it is for a pattern that never looks beyond what it takes, but for the ends of lines. And
    none that could run on over many lines, from each place where it may begin.
    """
    return bool(_parser) and all(_bears(str(op), value, flags) for op, value in tree)


def _bears(operation: str, value: Any, flags: int) -> bool:
    match operation:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "GROUPREF" | "CATEGORY":
            return True
        case "AT":
            return str(value) in ("AT_BEGINNING", "AT_END", "AT_BOUNDARY")
        case "SUBPATTERN":
            return not value[1] and not value[2] and _bears_neighbours(value[3], flags)
        case "BRANCH":
            return all(_bears_neighbours(one, flags) for one in value[1])
        case "MAX_REPEAT" | "MIN_REPEAT":
            ends = int(value[1]) <= _FEW or not _passes_lines(value[2], flags)
            return ends and _bears_neighbours(value[2], flags)
    return False


def _passes_lines(tree: Any, flags: int) -> bool:
    """Whether it may take the end of a line."""
    return any(_passes(str(op), value, flags) for op, value in tree)


def _passes(operation: str, value: Any, flags: int) -> bool:
    match operation:
        case "LITERAL":
            return bool(value == _NEWLINE)
        case "ANY":
            return bool(flags & re.DOTALL)
        case "IN":
            return not all(_stays(str(op), one) for op, one in value)
        case "AT":
            return False
    return True


def _stays(operation: str, value: Any) -> bool:
    match operation:
        case "LITERAL":
            return bool(value != _NEWLINE)
        case "RANGE":
            return not value[0] <= _NEWLINE <= value[1]
        case "CATEGORY":
            return str(value) in ("CATEGORY_DIGIT", "CATEGORY_WORD")
    return False
