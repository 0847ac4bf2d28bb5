"""Searching and following what was kept and what is about to be. Imported by the agent.

A record is in the store, in an open buffer, or on its way between. A search begins while none of
the buffers it needs is on its way, and is given what they hold: so it finds each record once.
Following listens from that same moment on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from itertools import islice
from time import monotonic
from typing import Final

from msgspec.structs import replace

from cove.errors import PlatformError
from cove.model.access import router_of
from cove.model.logs import LogCount, LogQuery, LogService, Record
from cove.observation.logs.collector import Collector
from cove.observation.logs.live import Live
from cove.ports.logs import LogSearch, LogStore

_BATCH: Final = 500  # records handed on at once,
_SOON: Final = 0.05  # or those found in so many seconds
MOST_KEPT: Final = 32 << 20  # characters held to turn the order around
_WINDOW: Final = 20_000  # records read at once to turn the order around
_MINUTE: Final = 60_000_000_000  # nanoseconds
_QUIET: Final = 10.0  # seconds after which a reader is told that nothing came
Records = AsyncGenerator[Record, None]


class Reading:
    """What was written, in either order, and what is being written."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def available(self) -> bool:
        """Whether there is a store to read from."""
        return self._collector.store is not None

    async def newest_first(self, query: LogQuery) -> Records:
        """Hits as they are found; `limit` 0 means all. Closing it ends the search.

        Raises Refused for a regular expression that cannot be, PlatformError where nothing is kept.
        """
        if not query.requests_of:
            async with aclosing(self._hits(query)) as hits:
                async for record in hits:
                    yield record
            return
        about, found = router_of(query.requests_of), 0
        async with aclosing(self._hits(_widened(query, about))) as hits:
            async for record in hits:
                if about not in record.text:
                    continue
                if not record.context:
                    if query.limit and found == query.limit:
                        return
                    found += 1
                yield record

    async def _hits(self, query: LogQuery) -> Records:
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="cove-logs")
        search: LogSearch | None = None
        try:
            search = await self._begin(query, thread)
            while batch := await loop.run_in_executor(thread, _some, search):
                for record in batch:
                    yield record
            search = None  # it has ended by itself
        finally:
            if search is not None:
                _end(search)
            thread.shutdown(wait=False)

    async def in_order(self, query: LogQuery) -> Records:
        """The last `limit` hits, or all for 0, oldest first, with little memory."""
        if query.limit:
            for record in await self._last(query):
                yield record
            return
        contextual = bool(query.before or query.after)
        told: frozenset[Record] = frozenset()
        for since, until in await self._windows(query):
            window = replace(query, since=since, until=until)
            async with aclosing(self.newest_first(window)) as hits:
                found = [record async for record in hits]
            for record in _ordered(found) if contextual else reversed(found):
                if record not in told:
                    yield record
            if contextual:  # what stood around the last hits may be a hit of the next window
                told = frozenset(found)

    async def follow(self, query: LogQuery) -> AsyncGenerator[Record | int | None, None]:
        """What was written, in order, then what comes, no record left out or told twice.

        `limit` is as for `in_order`; -1 leaves out the past. None marks its end, and ten quiet
        seconds; a number, how many records were left out because they came too fast to be looked
        at or told. Raises Refused for a regular expression that cannot be.
        """
        async with aclosing(self._from_past(query, self.in_order, hurry=True)) as found:
            async for item in found:
                yield item

    async def watch(self, query: LogQuery) -> AsyncGenerator[Record | int | None, None]:
        """As `follow`, with the past in any order, for those who are in no hurry."""
        async with aclosing(self._from_past(query, self.newest_first, hurry=False)) as found:
            async for item in found:
                yield item

    async def _from_past(
        self, query: LogQuery, tell: Callable[[LogQuery], Records], *, hurry: bool
    ) -> AsyncGenerator[Record | int | None, None]:
        # Before the past is looked at: what comes meanwhile may be in both, and is told as coming.
        live = Live(self._collector.feed, query, hurry=hurry)
        try:
            if query.limit >= 0:
                async with aclosing(tell(query)) as past:
                    async for record in past:
                        if not live.heard(record):
                            yield record
                yield None
            live.past_is_told()
            while True:
                records, lost = await live.take(_QUIET)
                for record in records:
                    yield record
                if lost:
                    yield lost
                if not records and not lost:
                    yield None
        finally:
            live.close()

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

    async def _begin(self, query: LogQuery, thread: ThreadPoolExecutor) -> LogSearch:
        """A search over what is kept and what is not, as both are at one moment."""
        store = self._store()
        if not query.until:
            await self._collector.catch_up()
        loop = asyncio.get_running_loop()
        buffers = self._collector.buffers.matching(query.app, query.service)
        async with AsyncExitStack() as stack:
            for buffer in buffers:
                await stack.enter_async_context(buffer.lock)
            unsealed = [r for b in buffers for r in sorted(b.open, key=lambda r: r.at)]
            begun = loop.run_in_executor(thread, store.search, query, unsealed)
            try:
                return await asyncio.shield(begun)
            except asyncio.CancelledError:
                begun.add_done_callback(_forget)
                raise

    async def _last(self, query: LogQuery) -> list[Record]:
        """The last `limit`, as far as they fit into memory."""
        found, size = list[Record](), 0
        async with aclosing(self.newest_first(query)) as hits:
            async for record in hits:
                found.append(record)
                size += len(record.text)
                if size > MOST_KEPT:
                    break
        return _ordered(found) if query.before or query.after else found[::-1]

    async def _windows(self, query: LogQuery) -> list[tuple[int, int]]:
        """Parts of the time asked for, with a bounded number of records each; oldest first."""
        plain = LogQuery(app=query.app, service=query.service, since=query.since, until=query.until)
        minutes = Counter[int]()
        for count in await asyncio.to_thread(self._store().counts, plain):
            minutes[count.minute] += count.records
        return list(windows(query.since, query.until, minutes))

    def _store(self) -> LogStore:
        store = self._collector.store
        if store is None:
            problem = self._collector.problem or "it is not open yet"
            raise PlatformError(f"the log store cannot be read: {problem}", code="logs-away")
        return store


def _end(search: LogSearch) -> None:
    """Beside the thread that is searching, which is told by this that nobody wants to know."""
    threading.Thread(target=search.close, name="cove-logs-end", daemon=True).start()


def _forget(begun: asyncio.Future[LogSearch]) -> None:
    """Ends a search that nobody waits for any more: nothing is merged while one is open."""
    if not begun.cancelled() and begun.exception() is None:
        _end(begun.result())


def windows(since: int, until: int, minutes: Counter[int]) -> Iterator[tuple[int, int]]:
    """The time cut so that no part but a minute's fraction holds many records; oldest first."""
    held = 0
    for minute, records in sorted(minutes.items()):
        begin = minute * _MINUTE
        parts = -(-records // _WINDOW)
        cuts = [begin] if held + records > _WINDOW else []
        cuts += [begin + _MINUTE * part // parts for part in range(1, parts)]
        for cut in cuts:
            if since < cut and (not until or cut < until):
                yield since, cut
                since = cut
        held = records // parts if cuts else held + records
    yield since, until


def _widened(query: LogQuery, about: str) -> LogQuery:
    """What the store is asked for, of which those about one app's requests are taken.

    It looks for one text: that of the app where no other is asked for.
    """
    if query.text:
        return replace(query, limit=0)
    return replace(query, text=about, regex=False, word=False, ignore_case=False)


def _some(search: LogSearch) -> list[Record]:
    """The next records; as many as come quickly, and one at least unless there is none."""
    found: list[Record] = []
    begun = monotonic()
    for record in islice(search, _BATCH):
        found.append(record)
        if monotonic() - begun > _SOON:
            break
    return found


def _ordered(records: Iterable[Record]) -> list[Record]:
    """Hits and what stands around them, each once and a hit if it is one, in order of time."""
    found: dict[tuple[int, str, str], Record] = {}
    for record in records:
        key = (record.at, record.source.container, record.text)
        if key not in found or not record.context:
            found[key] = record
    return sorted(found.values(), key=lambda record: record.at)


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
