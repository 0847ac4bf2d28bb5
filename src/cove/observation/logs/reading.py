"""Searching and following what was kept and what is about to be. Imported by the agent.

A record is in the store, in an open buffer, or on its way between. A search takes the buffers'
records in one turn of the loop, then asks the store, and leaves out there what it has already:
whatever is sealed meanwhile is told once. Following listens from that same turn on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from itertools import islice
from time import monotonic
from typing import Final

from msgspec.structs import replace

from cove.errors import PlatformError
from cove.model.logs import LogCount, LogQuery, LogService, Record
from cove.observation.logs.collector import Collector
from cove.observation.logs.matching import matcher
from cove.ports_observation import LogStore

_BATCH: Final = 500  # records handed on at once,
_SOON: Final = 0.05  # or those found in so many seconds
MOST_KEPT: Final = 32 << 20  # characters held to turn the order around
_WINDOW: Final = 20_000  # records read at once to turn the order around
_MINUTE: Final = 60_000_000_000  # nanoseconds
_QUIET: Final = 10.0  # seconds after which a reader is told that nothing came


class Reading:
    """What was written, in either order, and what is being written."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def available(self) -> bool:
        """Whether there is a store to read from."""
        return self._collector.store is not None

    async def newest_first(self, query: LogQuery) -> AsyncGenerator[Record, None]:
        """Hits as they are found; `limit` 0 means all. Closing it ends the search.

        Raises Refused for a regular expression that cannot be, PlatformError where nothing is kept.
        """
        seen = await self._open(query)
        store, count = self._store(), 0
        async with (
            aclosing(_stepped(lambda: store.search(query))) as kept,
            aclosing(_merge(kept, seen)) as merged,
        ):
            async for record in merged:
                yield record
                count += 1
                if count == query.limit and not (query.before or query.after):
                    return

    async def in_order(self, query: LogQuery) -> AsyncGenerator[Record, None]:
        """The last `limit` hits, or all for 0, oldest first, with little memory."""
        async with aclosing(self._past(query, Counter())) as past:
            async for record in past:
                yield record

    async def follow(self, query: LogQuery) -> AsyncGenerator[Record | int | None, None]:
        """What was written, in order, then what comes, no record left out or told twice.

        `limit` is as for `in_order`; -1 leaves out the past. A regular expression is applied to the
        past only. None marks ten quiet seconds; a number, how many records were left out because
        the reader was too slow.
        """
        every = replace(query, text="", regex=False) if query.regex else query
        listener = self._collector.feed.listen(matcher(every))
        try:
            if query.limit >= 0:
                listener.heard = Counter()
                async with aclosing(self._past(query, listener.heard)) as past:
                    async for record in past:
                        yield record
                listener.heard = None
            while True:
                records, lost = listener.take()
                for record in records:
                    yield record
                if lost:
                    yield lost
                try:
                    await asyncio.wait_for(listener.wait(), _QUIET)
                except TimeoutError:
                    yield None
        finally:
            self._collector.feed.leave(listener)

    async def counts(self, query: LogQuery) -> tuple[LogCount, ...]:
        """Records by minute, service and level; those of the last minutes may be missing."""
        return await asyncio.to_thread(self._store().counts, query)

    async def services(self) -> tuple[LogService, ...]:
        """Whose records there are, those of removed apps among them."""
        found = {(s.app, s.service): s for s in await asyncio.to_thread(self._store().services)}
        for buffer in self._collector.buffers.matching():
            records = list(buffer.records())
            if records:
                found[buffer.key] = _with(found.get(buffer.key), buffer.key, records)
        return tuple(found[key] for key in sorted(found))

    # --- the seam between what is kept and what is open

    async def _open(self, query: LogQuery) -> list[Record]:
        """The open records that are asked for, newest first.

        What only the store can find out is brought there first, and nothing is left open.
        """
        if query.regex or query.before or query.after:
            for buffer in self._collector.buffers.matching(query.app, query.service):
                await self._collector.seal(buffer)
            return []
        wanted = matcher(query)
        buffers = self._collector.buffers.matching(query.app, query.service)
        found = [record for b in buffers for record in b.records() if wanted(record)]
        found.sort(key=lambda record: -record.at)
        # What is older than the last so many is not told, wherever it is by now.
        return found[: query.limit] if query.limit else found

    async def _past(self, query: LogQuery, heard: Counter[Record]) -> AsyncGenerator[Record, None]:
        """Everything but what a listener has heard: that it tells itself."""
        if query.limit:
            for record in await self._last(query, heard):
                yield record
            return
        seen = await self._open(query)
        async with (
            aclosing(self._ascending(query)) as kept,
            aclosing(_merge(kept, seen[::-1], heard, ascending=True)) as merged,
        ):
            async for record in merged:
                yield record

    async def _last(self, query: LogQuery, heard: Counter[Record] | None = None) -> list[Record]:
        """The last `limit`, as far as they fit into memory."""
        seen = await self._open(query)
        store, found, size = self._store(), list[Record](), 0
        contextual = bool(query.before or query.after)
        async with (
            aclosing(_stepped(lambda: store.search(query))) as kept,
            aclosing(_merge(kept, seen, heard)) as merged,
        ):
            async for record in merged:
                found.append(record)
                size += len(record.text)
                if size > MOST_KEPT or (len(found) == query.limit and not contextual):
                    break
        return _ordered(found) if contextual else found[::-1]

    async def _ascending(self, query: LogQuery) -> AsyncGenerator[Record, None]:
        """All that is kept, oldest first: windows of time, each turned around by itself."""
        store = self._store()
        plain = LogQuery(app=query.app, service=query.service, since=query.since, until=query.until)
        minutes = Counter[int]()
        for count in await asyncio.to_thread(store.counts, plain):
            minutes[count.minute] += count.records
        contextual = bool(query.before or query.after)
        told: frozenset[Record] = frozenset()
        for since, until in _windows(query, minutes):
            wanted = replace(query, since=since, until=until)
            found = await asyncio.to_thread(_all, store, wanted)
            for record in _ordered(found) if contextual else reversed(found):
                if record not in told:
                    yield record
            if contextual:  # what stood around the last hits may be a hit of the next window
                told = frozenset(found)

    def _store(self) -> LogStore:
        store = self._collector.store
        if store is None:
            problem = self._collector.problem or "it is not open yet"
            raise PlatformError(f"the log store cannot be read: {problem}", code="logs-away")
        return store


def _all(store: LogStore, query: LogQuery) -> list[Record]:
    return list(store.search(query))


def _ordered(records: Iterable[Record]) -> list[Record]:
    """Hits and what stands around them, each once, in order of time."""
    return sorted(dict.fromkeys(records), key=lambda record: record.at)


def _with(known: LogService | None, key: tuple[str, str], records: list[Record]) -> LogService:
    """A service's figures with those of its records that are not kept yet."""
    times = [record.at for record in records]
    return LogService(
        app=key[0],
        service=key[1],
        first=min(times + ([known.first] if known else [])),
        last=max(times + ([known.last] if known else [])),
        records=len(records) + (known.records if known else 0),
        raw=sum(len(r.text) + 1 for r in records) + (known.raw if known else 0),
        stored=known.stored if known else 0,
    )


def _windows(query: LogQuery, minutes: Counter[int]) -> Iterator[tuple[int, int]]:
    """Parts of the time asked for, with a bounded number of records each; oldest first."""
    if not minutes:
        return
    last = query.until or (max(minutes) + 1) * _MINUTE
    since, held = query.since, 0
    for minute in sorted(minutes):
        records = minutes[minute]
        begin, end = minute * _MINUTE, (minute + 1) * _MINUTE
        if held and held + records > _WINDOW:
            yield since, max(since, begin)
            since, held = max(since, begin), 0
        parts = -(-records // _WINDOW)
        for part in range(1, parts):
            cut = begin + (end - begin) * part // parts
            if since < cut < last:
                yield since, cut
                since = cut
        held = records if parts > 1 else held + records
    yield since, last


async def _stepped(begin: Callable[[], Iterator[Record]]) -> AsyncGenerator[Record, None]:
    """A blocking iterator from one thread of its own, which it also ends in."""
    loop = asyncio.get_running_loop()
    with_thread = ThreadPoolExecutor(1, thread_name_prefix="cove-logs")
    iterator: Iterator[Record] | None = None
    try:
        iterator = await loop.run_in_executor(with_thread, begin)
        while batch := await loop.run_in_executor(with_thread, _some, iterator):
            for record in batch:
                yield record
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            with_thread.submit(close)
        with_thread.shutdown(wait=False)


def _some(iterator: Iterator[Record]) -> list[Record]:
    """The next records; as many as come quickly, and one at least unless there is none."""
    found: list[Record] = []
    begun = monotonic()
    for record in islice(iterator, _BATCH):
        found.append(record)
        if monotonic() - begun > _SOON:
            break
    return found


async def _merge(
    kept: AsyncIterator[Record],
    seen: Iterable[Record],
    heard: Counter[Record] | None = None,
    *,
    ascending: bool = False,
) -> AsyncGenerator[Record, None]:
    """Both in order of time, what is in both once, and nothing of what a listener hears."""
    waiting = list(seen)
    known = Counter(waiting)
    waiting.reverse()  # so that the next is at the end
    async for record in kept:
        if known and known[record]:
            known[record] -= 1
            continue
        if heard and heard[record]:
            continue
        while waiting and (waiting[-1].at < record.at) == ascending and waiting[-1].at != record.at:
            yield waiting.pop()
        yield record
    while waiting:
        yield waiting.pop()
