"""Records as they come, for those who watch. Imported inside `cove.observation.logs`."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from cove.model.logs import Record

# A reader who is slower than what comes is told how much was left out: memory has its bound.
MOST_RECORDS: Final = 20_000
MOST_TEXT: Final = 4 << 20  # characters


class Listener:
    """One reader's queue."""

    def __init__(self, wants: Callable[[Record], bool], *, hurry: bool = True) -> None:
        """`hurry`: somebody looks on, so that a second is long."""
        self.wants = wants
        self.hurry = hurry
        self._lost = 0  # records that were left out since the last `take`
        self._heard: Counter[Record] | None = Counter()  # while the past is told: what came since
        self._queue: deque[Record] = deque()
        self._text = 0
        self._came = asyncio.Event()

    def push(self, record: Record) -> None:
        """One more, if there is room for it."""
        if len(self._queue) >= MOST_RECORDS or self._text >= MOST_TEXT:
            self._lost += 1
            return
        if self._heard is not None:
            self._heard[record] += 1
        self._queue.append(record)
        self._text += len(record.text)
        self._came.set()

    def leave_out(self, count: int) -> None:
        """So many more did not find room elsewhere."""
        self._lost += count
        self._came.set()

    def heard(self, record: Record) -> bool:
        """Whether it came while the past is told, so that it need not be told of that."""
        return self._heard is not None and self._heard[record] > 0

    def forget(self, records: Iterable[Record]) -> None:
        """They will not be told after all, or by another listener."""
        heard = self._heard
        if heard is None:
            return
        for record in records:
            heard[record] -= 1
            if not heard[record]:
                del heard[record]

    def past_is_told(self) -> None:
        """What came since is no longer to be known."""
        self._heard = None

    def take(self) -> tuple[list[Record], int]:
        """What waits, which is then gone, and how many were left out after it."""
        records, lost = list(self._queue), self._lost
        self._queue.clear()
        self._text = self._lost = 0
        self._came.clear()
        return records, lost

    async def wait(self) -> None:
        """Returns once something waits."""
        await self._came.wait()


class Feed:
    """Hands each record to those who want it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []  # the same list for ever

    @property
    def hurried(self) -> bool:
        """Whether somebody waits for what comes next."""
        return any(listener.hurry for listener in self.listeners)

    def listen(self, wants: Callable[[Record], bool], *, hurry: bool = True) -> Listener:
        """From now on, everything that is wanted."""
        listener = Listener(wants, hurry=hurry)
        self.listeners.append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """No more of it."""
        self.listeners.remove(listener)

    def hear(self, record: Record) -> None:
        """A record has come."""
        for listener in self.listeners:
            if listener.wants(record):
                listener.push(record)
