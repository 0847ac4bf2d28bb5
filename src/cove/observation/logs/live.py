"""What is asked for of what comes. Imported inside `cove.observation.logs`.

A regular expression may take a second for one long line. So what comes is held against it in a
thread beside the one that serves, which it never holds up; what that cannot keep up with is left
out, and counted.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from cove.model.logs import LogQuery, Record
from cove.observation.logs.feed import Feed, Listener
from cove.observation.logs.matching import matcher, saying, within

_NICE: Final = 10  # of what looks at lines: apps and those who serve them come first


class Live:
    """Records that a query asks for, from now on. To be closed."""

    def __init__(self, feed: Feed, query: LogQuery, *, hurry: bool = True) -> None:
        """`hurry` as for a listener. Raises Refused (`log-pattern`) as `matcher` does."""
        self._feed = feed
        self._sieve: _Sieve | None = None
        says = saying(query) if query.regex else None
        if says is None:
            self._source = self._found = feed.listen(matcher(query), hurry=hurry)
        else:
            self._source = feed.listen(within(query), hurry=hurry)
            self._sieve = _Sieve(self._source, says)
            self._found = self._sieve.found

    def heard(self, record: Record) -> bool:
        """Whether `take` will tell it, if it is asked for, so that the past need not."""
        return self._found.heard(record) or self._source.heard(record)

    def past_is_told(self) -> None:
        """Nobody will ask again what was heard."""
        self._found.past_is_told()
        self._source.past_is_told()

    async def take(self, patience: float) -> tuple[list[Record], int]:
        """The next, and how many were left out after them; nothing after so many seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._found.wait()
        except TimeoutError:
            return [], 0
        if self._sieve is not None:
            self._sieve.check()
        return self._found.take()

    def close(self) -> None:
        """No more of it."""
        self._feed.leave(self._source)
        if self._sieve is not None:
            self._sieve.close()


class _Sieve:
    """Moves what matches from one listener's queue into another's."""

    def __init__(self, source: Listener, says: Callable[[str], bool]) -> None:
        self.found = Listener(source.wants)
        self._source = source
        self._says = says
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(1, "cove-follow", initializer=_give_way)
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self.found.leave_out(0))

    def check(self) -> None:
        """Raises what ended it, if something did."""
        if self._task.done():
            self._task.result()

    def close(self) -> None:
        """Ends it; the thread is done with the line it is at, at the latest."""
        self._closed.set()
        self._task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._source.wait()
            records, lost = self._source.take()
            matching = await loop.run_in_executor(self._pool, self._matching, records)
            self._source.forget(records)
            for record in matching:
                self.found.push(record)
            if lost:
                self.found.leave_out(lost)

    def _matching(self, records: list[Record]) -> list[Record]:
        found = []
        for record in records:
            if self._closed.is_set():
                break
            if self._says(record.text):
                found.append(record)
        return found


def _give_way() -> None:
    with suppress(OSError):  # the whole agent gives way more already
        nice = max(_NICE, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)  # of a thread, on Linux
