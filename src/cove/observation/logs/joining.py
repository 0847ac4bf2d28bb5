"""One stream of a container: lines once each, and put together into records. Pure.

Imported inside `cove.observation.logs`. What is told here is exact: however often Docker is asked
again, and wherever a run ended, each line becomes part of one record and of no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cove.model.logs import Cursor, Record, Source
from cove.observation.logs.levels import detect
from cove.observation.logs.order import Doubt

# Docker cuts a line every 16 KB; from here on the rest counts as another line.
LONGEST_LINE: Final = 256 * 1024  # characters
LONGEST_RECORD: Final = 64 * 1024  # characters that further lines may add up to
GAP: Final = 50_000_000  # nanoseconds between two lines of one record
# Two streams of a container are written down by Docker out of order, by 71 ms at most as measured.
DISORDER: Final = 2_000_000_000  # nanoseconds
_SIGNS: Final = frozenset(" \t}])CT.Dgm\n")  # how a line begins that may belong to the one before
_BELONGS: Final = re.compile(
    r"[ \t]+\S|[}\])][}\]),;]*$|Caused by: |\.\.\. \d+ more|Traceback \(most recent call last\):"
)
_PYTHON: Final = "Traceback (most recent call last):"
_CHAIN: Final = ("During handling of the above exception", "The above exception was the direct")
_GO: Final = re.compile(r"(?:panic: |fatal error: |goroutine \d+ \[)")
_GO_GOES_ON: Final = re.compile(
    r"$|goroutine \d+ \[|\t|\[signal |created by |[\w./*()\[\]{}-]+\(.*\)$"
)


class Lane:
    """The lines of one stream that are one service's, in the order Docker has them."""

    __slots__ = (
        "_at",
        "_before",
        "_chain",
        "_coarse",
        "_count",
        "_cut",
        "_doubted",
        "_emit",
        "_go",
        "_last",
        "_last_line",
        "_lines",
        "_part_at",
        "_part_before",
        "_part_size",
        "_parts",
        "_seen",
        "_size",
        "_skip",
        "key",
        "source",
    )

    def __init__(self, source: Source, key: str, emit: Callable[[Record], None]) -> None:
        self.source = source
        self.key = key  # the container's, as its cursors call it
        self._emit = emit
        self._last, self._count = 0, 0  # what has been read
        self._skip: tuple[int, int] | None = None  # what has been read before, in an earlier run
        self._seen = 0
        self._doubted: list[tuple[int, str, bool]] | None = None
        self._cut = False  # the last entry was a piece: the next one has its time
        self._coarse = False  # several lines may have one time, on a machine with such a clock
        self._parts: list[str] | None = None  # of a line that has not ended
        self._part_at = self._part_size = 0
        self._part_before = (0, 0)
        self._lines: list[str] | None = None  # of a record that has not ended
        self._at = self._last_line = self._size = 0
        self._before = (0, 0)
        self._chain = 0  # inside a Python traceback: 1 its frames, 2 behind its last line
        self._go = False

    @property
    def position(self) -> tuple[int, int]:
        """The last line that is part of an ended record, and how many there are of its time."""
        if self._lines is not None:
            return self._before
        return self._part_before if self._parts is not None else (self._last, self._count)

    @property
    def unfinished(self) -> bool:
        """Whether something waits for more to come."""
        return self._lines is not None or self._parts is not None

    @property
    def doubt(self) -> Doubt | None:
        """A line came that is no newer than the last: Docker repeats itself, or the clock does.

        Until `settle` says which, lines are held back.
        """
        if self._doubted is None:
            return None
        return Doubt(self.source.stream, self._last, self._count, self._doubted[0][0])

    def settle(self, *, repeated: bool) -> None:
        """Goes on with what was held back, once it is known whether it was read before."""
        doubted, self._doubted = self._doubted or [], None
        if repeated:
            self._skip, self._seen = (self._last, self._count), 0
        elif doubted[0][0] == self._last:
            self._coarse = True
        else:
            self._last, self._count = doubted[0][0] - 1, 0
        for at, text, whole in doubted:
            self.feed(at, text, whole=whole)

    def set_back(self, at: int) -> None:
        """The clock was set back to that time: what comes next is new, however old it looks."""
        if self._doubted is None and self._last >= at:
            self.end()
            self._last, self._count, self._skip = at - 1, 0, None

    def cursor(self, newest: int) -> Cursor:
        """How far the stream is read. `newest` is the last time read of any of the container's.

        A stream that rests is read up to then as well, but for what Docker may still write down.
        """
        last, count = self.position
        rests = not self.unfinished and self._doubted is None
        if rests and last < newest - DISORDER:
            last, count = newest - DISORDER, 0
        return Cursor(self.key, self.source.stream, last, count)

    def resume(self, last: int, count: int) -> None:
        """What follows is read again from some time on: up to here it is known."""
        self._parts = self._lines = self._doubted = None
        self._last, self._count = last, count
        self._skip, self._seen = (last, count), 0

    def feed(self, at: int, text: str, *, whole: bool) -> None:
        """A line, or a piece of one; the last piece is `whole`. Times are nanoseconds."""
        if self._skip is not None and self._known(at):
            self._cut = not whole
            return
        before = (self._last, self._count)
        if self._doubted is not None:
            self._doubted.append((at, text, whole))
            return
        if at > self._last:
            self._last, self._count = at, 1
        elif at == self._last and (self._cut or self._coarse):
            self._count += 1
        else:
            self._doubted = [(at, text, whole)]
            return
        self._cut = not whole
        if self._parts is not None:
            self._piece(at, text, before, whole=whole)
        elif whole:
            self._line(at, text, before)
        else:
            self._begin(at, text, before)

    def quiet(self, now: int) -> None:
        """Ends what has waited long enough for more."""
        if self._lines is not None and now - self._last_line > GAP:
            self._close()
        # A line without its end may take as long as it likes, unless resuming would suffer.
        if self._parts is not None and now - self._part_at > DISORDER:
            self._end_line()
            self._close()

    def end(self) -> None:
        """Nothing more comes: what has begun is all there is, and what is held back is new."""
        while self._doubted is not None:
            self.settle(repeated=False)
        if self._parts is not None:
            self._end_line()
        self._close()

    def _known(self, at: int) -> bool:
        last, count = self._skip or (0, 0)
        if at > last:
            self._skip = None
            return False
        if at == last:
            self._seen += 1
            if self._seen >= count:
                self._skip = None  # what comes behind it is new, whatever its time
            return self._seen <= count
        return True

    def _begin(self, at: int, text: str, before: tuple[int, int]) -> None:
        self._parts, self._part_at, self._part_size = [text], at, len(text)
        self._part_before = before

    def _piece(self, at: int, text: str, before: tuple[int, int], *, whole: bool) -> None:
        assert self._parts is not None  # noqa: S101 - who calls has looked
        if at != self._part_at:  # the line's end was never written
            self._end_line()
            if whole:
                self._line(at, text, before)
            else:
                self._begin(at, text, before)
            return
        self._parts.append(text)
        self._part_size += len(text)
        if whole or self._part_size >= LONGEST_LINE:
            self._end_line()

    def _end_line(self) -> None:
        text = "".join(self._parts or ())
        self._parts = None
        self._line(self._part_at, text, self._part_before)

    def _line(self, at: int, text: str, before: tuple[int, int]) -> None:
        lines = self._lines
        if lines is not None:
            if (
                (self._chain or self._go or text[:1] in _SIGNS)
                and 0 <= at - self._last_line <= GAP
                and self._size < LONGEST_RECORD
                and self._belongs(text)
            ):
                lines.append(text)
                self._last_line = at
                self._size += len(text) + 1
                return
            self._close()
        self._lines, self._at, self._last_line, self._size = [text], at, at, len(text)
        self._before = before
        first = text[:1]
        if first == "T":
            self._chain = int(text.startswith(_PYTHON))
        elif first in "pfg" and first:
            self._go = _GO.match(text) is not None

    def _belongs(self, text: str) -> bool:
        if self._go:
            return _GO_GOES_ON.match(text) is not None
        if text.startswith(_PYTHON):
            self._chain = 1
            return True
        if self._chain == 1:
            if text and text[0] not in " \t":
                self._chain = 2  # the exception itself
            return True
        if self._chain and (not text or text.startswith(_CHAIN)):
            return True
        return _BELONGS.match(text) is not None

    def _close(self) -> None:
        if self._lines is None:
            return
        lines, self._lines = self._lines, None
        self._chain, self._go = 0, False
        text = lines[0] if len(lines) == 1 else "\n".join(lines)
        self._emit(Record(self._at, self.source, text, detect(text)))
