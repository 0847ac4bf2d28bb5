"""Records that are not in the store yet, by service, and their way there.

Imported inside `cove.observation.logs`. Everything but the store's own work happens in the event
loop, so that a record is in a buffer or in the store, and cursors say exactly which.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from cove.model.logs import Cursor, Record
from cove.observation.logs.feed import Feed
from cove.ports.logs import LogStore

CHUNK: Final = 512 * 1024  # bytes of text that are one chunk
MOST: Final = 5 << 20  # bytes that all buffers may hold
OLDEST: Final = 300.0  # seconds that a record may wait
# An agent that does not live long, again and again, gets on with reading all the same.
FIRST: Final = 1.0  # seconds that a run's first record may wait
# Nobody can ask for cove's own lines a second time: a crash costs no more than these.
OLDEST_OWN: Final = 10.0
_OVERHEAD: Final = 150  # bytes of a record beside its text, in Python
Key = tuple[str, str]  # app, service


class Reads(Protocol):
    """Where a buffer's records come from, and how far that is read."""

    def cursor(self) -> Cursor | None:
        """What to keep with the records; None where nothing changed since `kept`."""

    def kept(self, cursor: Cursor) -> None:
        """The store has it."""


class Buffer:
    """One service's open records."""

    def __init__(self, key: Key, oldest: float) -> None:
        self.key = key
        self.oldest = oldest
        self.open: list[Record] = []
        self.sealing: list[Record] = []
        self.text = 0  # bytes
        self.since = 0.0  # when the first open one came, by the monotonic clock
        self.begun = False  # something of it has been sealed
        self.lanes: list[Reads] = []
        self.lock = asyncio.Lock()

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self.text + _OVERHEAD * len(self.open)

    def due(self, now: float) -> bool:
        """Whether it is large or old."""
        oldest = self.oldest if self.begun else FIRST
        return bool(self.open) and (self.text >= CHUNK or now - self.since >= oldest)

    def records(self) -> Iterator[Record]:
        """All that the store may not have."""
        yield from self.sealing
        yield from self.open


class Buffers:
    """Every service's, with one bound for all."""

    def __init__(self, feed: Feed, most: int = MOST) -> None:
        self._feed = feed
        self._most = most
        self._buffers: dict[Key, Buffer] = {}
        self.size = 0  # bytes of memory that records hold, about
        self._room = asyncio.Event()
        self._room.set()
        self.full = asyncio.Event()  # something should be sealed

    def of(self, key: Key, oldest: float = OLDEST) -> Buffer:
        """A service's buffer, made when first asked for."""
        found = self._buffers.get(key)
        if found is None:
            found = self._buffers[key] = Buffer(key, oldest)
        return found

    def matching(self, app: str = "", service: str = "") -> tuple[Buffer, ...]:
        """The buffers of an app and service, or of all."""
        return tuple(
            b for b in self._buffers.values() if app in ("", b.key[0]) and service in ("", b.key[1])
        )

    def writer(self, buffer: Buffer) -> Callable[[Record], None]:
        """What takes the buffer's records. It is called for every line, so it does little."""
        listeners, hear = self._feed.listeners, self._feed.hear

        def add(record: Record) -> None:
            if not buffer.open:
                buffer.since = time.monotonic()
            buffer.open.append(record)
            size = len(record.text)
            buffer.text += size
            self.size += size + _OVERHEAD
            if buffer.text >= CHUNK:
                self.full.set()
            if listeners:
                hear(record)

        return add

    def look(self) -> None:
        """Lets readers go on or wait, as there is room."""
        if self.size < self._most:
            self._room.set()
            return
        self._room.clear()
        self.full.set()

    async def room(self) -> None:
        """Returns once there is room for more."""
        await self._room.wait()

    def due(self, now: float) -> tuple[Buffer, ...]:
        """What is to be sealed: what is large or old, and the largest where there is no room."""
        found = [b for b in self._buffers.values() if b.due(now)]
        if not found and self.size >= self._most // 2:
            found = sorted((b for b in self._buffers.values() if b.open), key=lambda b: -b.size)[:1]
        return tuple(found)

    async def seal(self, store: LogStore, buffer: Buffer) -> None:
        """Brings a buffer's records and cursors into the store. Raises PlatformError.

        When it fails, or is cancelled before it began, everything is as before.
        """
        async with buffer.lock:
            records, size = buffer.open, buffer.size
            cursors = [(lane, c) for lane in buffer.lanes if (c := lane.cursor())]
            if not records and not cursors:
                return
            buffer.sealing, buffer.open, buffer.text = records, [], 0
            work = _work(store, buffer.key, records, [c for _, c in cursors])
            cancelled = await _settled(work)
            buffer.sealing = []
            error = work.exception()
            if error is None:
                self.size -= size
                buffer.begun = True
                for lane, cursor in cursors:
                    lane.kept(cursor)
            else:
                buffer.open = records + buffer.open
                buffer.text += size - _OVERHEAD * len(records)
            self.look()
        if error is not None:
            raise error
        if cancelled:
            raise asyncio.CancelledError

    def forget(self, buffer: Buffer) -> None:
        """Drops a buffer that nothing feeds and that holds nothing."""
        if not buffer.lanes and not buffer.open and not buffer.sealing:
            self._buffers.pop(buffer.key, None)


def _work(
    store: LogStore, key: Key, records: Sequence[Record], cursors: Sequence[Cursor]
) -> asyncio.Future[None]:
    ordered = sorted(records, key=lambda r: r.at)
    return asyncio.ensure_future(asyncio.to_thread(store.seal, *key, ordered, cursors))


async def _settled(work: asyncio.Future[None]) -> bool:
    """Waits to the end, and says whether it was to be cancelled.

    A thread cannot be stopped, and what it did must be known.
    """
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
    return cancelled
