"""Regular expressions over chunks.

Imported within the package only. A chunk is searched as a whole; only records of several lines,
which an expression may run across, are looked at one by one. A text that every match must contain
is looked for first, and its words in the filters.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from cove.adapters.logstore.chunk import Lines, encoded
from cove.adapters.logstore.words import Bits, bounded, places
from cove.model.expressions import Expression, Text, refused

SECONDS: Final = 30  # of the processor's time, for the expression of one search
# Bytes by instructions that are searched at once, a second at most where no line alone has more;
# then a search may be ended.
_STEP: Final = 128 << 20
_FEW: Final = 64  # places of the text in a chunk for which it is worth going from one to the next
# Where Python reads an expression differently, or warns of it.
_OTHERWISE: Final = ("[[", "[:", "--", "&&", "~~", "||")
# Not part of Python's promises: without it every chunk is searched.
try:
    _parser: Any = importlib.import_module("re._parser")
except ImportError:  # pragma: no cover - a future Python
    _parser = None


class Pattern:
    """A regular expression that is looked for; `word` and `ignore_case` as in `LogQuery`.

    Two threads may use it. Raises Refused (`log-pattern`) when it is none.
    """

    def __init__(
        self, text: str, *, word: bool, ignore_case: bool, ended: Callable[[], bool]
    ) -> None:
        """`ended`: whether nobody wants to know any more."""
        self._expression = Expression(text, word=word, ignore_case=ignore_case)
        self._literal, self._fold = required(text, ignore_case=ignore_case)
        words = set() if self._fold else bounded(self._literal, alone=False)
        self.wanted: tuple[Bits, ...] = tuple(places(one) for one in sorted(words))
        self._text = Text(self._literal) if self._literal and not self._fold else None
        self._piece = _STEP // self._expression.steps  # bytes searched at once
        self._ended = ended
        self._spent = 0.0

    def narrows(self, plain: bytes) -> bool:
        """Whether a line matches, or the text is there that every match must contain."""
        if self._expression.in_line:
            return self._next(plain, 0) >= 0
        if self._fold:
            return not plain.isascii() or self._literal in plain.lower()
        return self._text is None or self._text.find(plain) >= 0

    def indices(self, plain: bytes, lines: Lines) -> Iterable[int]:
        """The records that match, oldest first. Raises Refused where it takes too long."""
        if self._expression.in_line:
            return self._by_line(plain, lines)
        if self._text and plain.count(self._literal) <= _FEW:
            return self._around_text(plain, lines)
        if not self._expression.by_line:
            return self._one_by_one(plain, lines, range(lines.count))
        several = list(lines.several(plain))
        others = set(self._by_line(plain, lines)).difference(several)
        return sorted(others.union(self._one_by_one(plain, lines, several)))

    def _by_line(self, plain: bytes, lines: Lines) -> Iterator[int]:
        """Records that have a line that matches."""
        position = self._next(plain, 0)
        while position >= 0:
            index, _, end = lines.around(position)
            yield index
            position = self._next(plain, end + 1)

    def _next(self, plain: bytes, begin: int) -> int:
        """Where the next line that matches is found to; or -1. `begin` is a line's."""
        if self._text:
            position = self._text.find(plain, begin)
            if position < 0:
                return -1
            begin = max(begin, plain.rfind(b"\n", 0, position) + 1)
        mark, size = time.thread_time(), len(plain)
        while begin <= size:
            end = plain.find(b"\n", begin + self._piece)
            end = size if end < 0 else end
            position = self._expression.find(plain, begin, end)
            mark = self._spent_since(mark)
            if position >= 0 or mark < 0:
                return position
            begin = end + 1
        return -1

    def _around_text(self, plain: bytes, lines: Lines) -> Iterator[int]:
        """Records that match, of those with the text."""
        mark, position = time.thread_time(), plain.find(self._literal)
        while position >= 0:
            index, begin, end = lines.around(position)
            if self._expression.matches(plain[begin:end]):
                yield index
            if (mark := self._spent_since(mark)) < 0:
                return
            position = plain.find(self._literal, end + 1)

    def _one_by_one(self, plain: bytes, lines: Lines, which: Iterable[int]) -> Iterator[int]:
        mark = time.thread_time()
        for index in which:
            if self._expression.matches(lines.text(plain, index)):
                yield index
            if (mark := self._spent_since(mark)) < 0:
                return

    def _spent_since(self, mark: float) -> float:
        """The time now, of this thread; -1 when nobody wants to know any more."""
        now = time.thread_time()
        self._spent += now - mark
        if self._spent > SECONDS:
            raise refused(f"it takes more than {SECONDS} s of the processor's time")
        return -1.0 if self._ended() else now


def required(text: str, *, ignore_case: bool) -> tuple[bytes, bool]:
    """The longest text that is in every match, perhaps none; and whether its case counts not."""
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    if _parser is None or any(mark in text for mark in _OTHERWISE):
        return b"", False
    try:
        tree = _parser.parse(text, flags)
        fold = bool(tree.state.flags & re.IGNORECASE)
        # Some letters beyond ASCII match ASCII ones where case counts not.
        usable = [one for one in _literals(tree) if not fold or one.isascii()]
    except (re.error, RecursionError, OverflowError):  # only RE2 knows what it says
        return b"", False
    found = encoded(max(usable, key=len, default=""))
    return (found.lower(), True) if fold else (found, False)


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
        case "MAX_REPEAT" | "MIN_REPEAT":
            if value[0] > 0:
                yield from _literals(value[2])
