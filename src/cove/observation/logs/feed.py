"""Records as they come, for those who watch. Imported inside `cove.observation.logs`."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from cove.model.logs import Record

# A reader who is slower than what comes is told how much was left out: memory has its bound.
MOST_RECORDS: Final = 20_000
MOST_TEXT: Final = 4 << 20  # characters


class Listener:
    """One reader's queue."""

    def __init__(self, wants: Callable[[Record], bool]) -> None:
        self.wants = wants
        self.lost = 0  # records that were left out since the last `take`
        self.heard: Counter[Record] | None = None  # while the past is told: what came since
        self._queue: deque[Record] = deque()
        self._text = 0
        self._came = asyncio.Event()

    def push(self, record: Record) -> None:
        """One more, if there is room for it."""
        if len(self._queue) >= MOST_RECORDS or self._text >= MOST_TEXT:
            self.lost += 1
            return
        if self.heard is not None:
            self.heard[record] += 1
        self._queue.append(record)
        self._text += len(record.text)
        self._came.set()

    def take(self) -> tuple[list[Record], int]:
        """What waits, which is then gone, and how many were left out after it."""
        records, lost = list(self._queue), self.lost
        self._queue.clear()
        self._text = self.lost = 0
        self._came.clear()
        return records, lost

    async def wait(self) -> None:
        """Returns once something waits."""
        await self._came.wait()


class Feed:
    """Hands each record to those who want it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []  # the same lists for ever
        self.watchers: list[Callable[[Record], None]] = []

    def listen(self, wants: Callable[[Record], bool]) -> Listener:
        """From now on, everything that is wanted."""
        listener = Listener(wants)
        self.listeners.append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """No more of it."""
        self.listeners.remove(listener)

    def watch(self, watcher: Callable[[Record], None] | None) -> None:
        """The one who is called with every record, and is in no hurry; None: nobody is."""
        self.watchers[:] = [watcher] if watcher else []

    def hear(self, record: Record) -> None:
        """A record has come."""
        for watcher in self.watchers:
            watcher(record)
        for listener in self.listeners:
            if listener.wants(record):
                listener.push(record)
