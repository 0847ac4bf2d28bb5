"""Which of two lines of a container comes first, when their times contradict how they came.

Imported inside `cove.observation.logs`. Docker 20.10 and 19.03 send the first lines of a file
twice to who follows: behind a rotation they take the new file, which is shorter, for one that was
cut off, and begin it again (moby's pull request 39969 added that look at the size). A clock that
is set back looks the same. Only the order in which Docker keeps the lines tells the two apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from cove.model.logs import Stream
from cove.ports.logs import LogEngine

# Lines to look back; Docker finds the last ones at once, and needs 9 µs for each.
_BACK: Final = (1_000, 20_000, 200_000)
_PATIENCE: Final = 10.0  # seconds


class Doubt(Struct, frozen=True):
    """A line that came behind one of its stream that is as old, or newer."""

    stream: Stream
    last: int  # nanoseconds: the time of the last line that was read
    count: int  # how many lines of that time were read
    at: int  # the time of the line that came behind it


class _Order:
    """What the kept lines say of one doubt."""

    def __init__(self, doubt: Doubt) -> None:
        self._doubt = doubt
        self._older = False  # the look back reaches beyond all that is asked
        self._last = self._first = -1  # where the two lines are
        self._count = 0

    def see(self, index: int, stream: Stream, at: int) -> None:
        doubt = self._doubt
        if stream != doubt.stream:
            return
        if at == doubt.last:
            self._last = index
            self._count += 1
        elif at == doubt.at and self._first < 0:
            self._first = index
        elif at < doubt.at:
            self._older = True

    @property
    def certain(self) -> bool:
        """Whether looking further back would not change the verdict."""
        if self._doubt.at == self._doubt.last:
            # Older lines alone: the answer broke off before what was read once.
            enough = self._count >= self._doubt.count
            return (enough and self._older) or self._count > self._doubt.count
        return self._last >= 0 and self._first >= 0

    @property
    def repeated(self) -> bool:
        """Whether the line was read before. Where nothing can be known it counts as new."""
        if self._doubt.at == self._doubt.last:
            return 0 < self._count <= self._doubt.count
        return self._last > self._first


async def repeated(engine: LogEngine, container: str, doubts: Sequence[Doubt]) -> list[bool]:
    """For each doubt whether Docker sends again what it has sent. Raises as `LogEngine.open`."""
    found: list[_Order] = []
    for size in _BACK:  # to the last where nothing is certain: an answer may have broken off
        found = [_Order(doubt) for doubt in doubts]
        await _look(engine, container, size, found)
        if all(one.certain for one in found):
            break
    return [one.repeated for one in found]


async def _look(engine: LogEngine, container: str, size: int, orders: Sequence[_Order]) -> None:
    seen = 0
    connection = await engine.open(container, tail=size)
    with contextlib.closing(connection):
        while (entries := await connection.read(_PATIENCE)) or entries is None:
            for stream, at, _, _ in entries or ():
                for one in orders:
                    one.see(seen, stream, at)
                seen += 1
