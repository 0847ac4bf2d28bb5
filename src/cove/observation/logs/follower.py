"""One container's output, read from where it was left to its end. Imported by the collector."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from cove.errors import CoveError, NotFound
from cove.model.logs import ACCESS, PROXY_APP, Cursor, Record, Source, Stream
from cove.observation.logs.buffers import Buffer, Buffers
from cove.observation.logs.joining import DISORDER, Lane
from cove.observation.logs.order import repeated
from cove.ports.logs import LogConnection, LogContainer, LogEngine, LogEntry

_STREAMS: Final[tuple[Stream, ...]] = ("stdout", "stderr")
PROXY: Final = "proxy"
_TAIL: Final = 500  # lines that show whether anything is missing at a container's end
# Docker looks through all it has for a time, but finds last lines at once: so many are asked for,
# until they reach back to what is known. A larger number costs Docker 9 µs a line.
_BACK: Final = (1_000, 20_000)
_FAR_BACK: Final = (20_000, 100_000)  # once what was missing has been read
# Docker 20.10 misses that a log is rotated while it still sends what there was, and then sends
# nothing until the next time. So silence is looked into: soon at the beginning, seldom later.
_SILENCE: Final = (1.0, 10.0)  # seconds
_BEGINNING: Final = 60.0
# Who follows and falls behind by more than a file does not get the next one: rather read on without
# following. A file of 10 MB is not filled in less time.
_BEHIND: Final = 2_000_000_000  # nanoseconds
_PATIENCE: Final = (0.5, 10.0)  # seconds between two tries while Docker is away: first, longest
# Docker writes each line by itself, and some 280 short ones fill a socket's buffer, or twelve
# pieces of 16 KiB: the wait between two looks is such that a third of that comes meanwhile.
_FEW, _MANY = 50, 150  # short lines
_SHORT: Final = 256  # characters that count as one, were each of them four bytes
_SHORTEST: Final = 0.002  # seconds between two looks
_QUIET: Final = 0.3  # seconds without a line after which a record counts as whole
_LATE: Final = 100_000_000  # nanoseconds that one stream's line may come behind the other's


class _Reads:
    """A lane as its buffer sees it."""

    def __init__(self, follower: Follower, lane: Lane) -> None:
        self._follower = follower
        self.lane = lane
        self._kept: Cursor | None = None

    def cursor(self) -> Cursor | None:
        cursor = self.lane.cursor(self._follower.newest)
        return None if cursor == self._kept or not cursor.last else cursor

    def kept(self, cursor: Cursor) -> None:
        self._kept = cursor


class Follower:
    """Reads while the container runs, and once more when it has ended."""

    def __init__(
        self,
        container: LogContainer,
        engine: LogEngine,
        buffers: Buffers,
        seal: Callable[[Buffer], Awaitable[None]],
        pace: Callable[[], float],
        keeps: Callable[[str], bool],
    ) -> None:
        self.container = container
        self.newest = 0  # the last time read of any stream
        self.ended = asyncio.Event()  # all that the container wrote is kept
        self.current = False  # all that was written before reading began has been read
        self._started = asyncio.Event()
        self._hurried = False
        self._looked = 0  # the newest time when a silence was last looked into
        self._resting: asyncio.Future[None] | None = None  # a pause that may be cut short
        self._engine = engine
        self._buffers = buffers
        self._seal = seal
        self._pace = pace
        self._keeps = keeps  # of the proxy's lines about requests
        self._lanes: dict[tuple[Stream, str], Lane] = {}
        self._reads: list[tuple[Buffer, _Reads]] = []
        proxy = not container.app
        for stream in _STREAMS:
            self._add(stream, PROXY if proxy else container.service, container.id)
            if proxy:
                self._add(stream, ACCESS, f"{container.id}/{ACCESS}")
        self._class: dict[Stream, str] = {}  # of a line that came in pieces

    @property
    def keys(self) -> frozenset[str]:
        """What its cursors call the container."""
        return frozenset(lane.key for lane in self._lanes.values())

    def resume(self, cursors: Mapping[tuple[str, Stream], Cursor]) -> None:
        """What an earlier run has kept."""
        for lane in self._lanes.values():
            if cursor := cursors.get((lane.key, lane.source.stream)):
                lane.resume(cursor.last, cursor.count)

    def started(self) -> None:
        """The container has started, for the first time or again."""
        self.ended.clear()
        self._started.set()

    def hurry(self) -> None:
        """Somebody waits for the container's last line: no more pauses until its end."""
        self._hurried = True
        self.look_now()

    def look_now(self) -> None:
        """Ends the pause between two looks, if there is one."""
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)

    async def run(self) -> None:
        """Until the container is gone. Docker may come and go meanwhile."""
        pause = _PATIENCE[0]
        while True:
            self._started.clear()
            try:
                found = await self._engine.look(self.container.id)
                if found is None:
                    break
                if found.running:
                    self.ended.clear()
                    await self._follow()
                    found = await self._engine.look(self.container.id)
                if found is None or not found.running:
                    await self._finish()
                    await self._started.wait()
                pause = _PATIENCE[0]
            except NotFound:
                break
            except CoveError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PATIENCE[1])
        await self._end()

    def detach(self) -> None:
        """Its buffers no longer hear of it."""
        for buffer, reads in self._reads:
            buffer.lanes.remove(reads)
            self._buffers.forget(buffer)

    # --- reading

    async def _follow(self) -> None:
        connection, entries = await self._joined()
        with contextlib.closing(connection):
            await self._read(connection, entries, follows=True)

    async def _joined(self) -> tuple[LogConnection, Sequence[LogEntry]]:
        """A connection that goes on where reading was left, and what it gave first."""
        self._rewind()
        joined = await self._from_tail(_BACK)
        if joined is None and self._since():
            # Without following Docker opens every file at once: nothing is missed meanwhile.
            behind = await self._engine.open(self.container.id, since=self._since())
            with contextlib.closing(behind):
                await self._read(behind)
            self._rewind()
            joined = await self._from_tail(_FAR_BACK)
        if joined is not None:
            return joined
        since = self._since()
        return await self._engine.open(self.container.id, since=since, follow=True), ()

    async def _from_tail(
        self, sizes: Sequence[int]
    ) -> tuple[LogConnection, Sequence[LogEntry]] | None:
        """Follows from so many lines back as reach what is known; None where none do."""
        known = self._since() - DISORDER
        for size in sizes if known > 0 else ():
            connection = await self._engine.open(self.container.id, tail=size, follow=True)
            entries = await self._first(connection)
            if entries and entries[0][1] < known:
                return connection, entries
            connection.close()
        return None

    async def _first(self, connection: LogConnection) -> Sequence[LogEntry]:
        try:
            return await connection.read(_SILENCE[0]) or ()
        except BaseException:
            connection.close()
            raise

    async def _stalls(self, connection: LogConnection) -> Sequence[LogEntry] | None:
        """In a silence: what comes after all, or None where Docker has lines it does not send."""
        if self._looked == self.newest:
            return ()
        self._looked = self.newest
        last = await self._engine.open(self.container.id, tail=1)
        with contextlib.closing(last):
            entries = await self._first(last)
        if not entries or entries[-1][1] <= self.newest:
            return ()
        return await connection.read(_SILENCE[0])

    async def _finish(self) -> None:
        """What a connection that follows may have left out at the end; mostly nothing."""
        self._rewind()
        if not await self._finish_by_tail():
            connection = await self._engine.open(self.container.id, since=self._since())
            with contextlib.closing(connection):
                await self._read(connection)
        await self._end()
        self._hurried = False

    async def _finish_by_tail(self) -> bool:
        """Docker would look through all it has for a time, but finds the last lines at once."""
        found: list[LogEntry] = []
        connection = await self._engine.open(self.container.id, tail=_TAIL)
        with contextlib.closing(connection):
            while (entries := await connection.read(_PATIENCE[1])) or entries is None:
                found += entries or ()
        if len(found) >= _TAIL and found[0][1] >= self._since():
            return False
        await self._buffers.room()
        await self._take(found)
        return True

    async def _end(self) -> None:
        for lane in self._lanes.values():
            lane.end()
        for buffer in {id(b): b for b, _ in self._reads}.values():
            await self._seal(buffer)
        self.current = True
        self.ended.set()

    async def _read(
        self,
        connection: LogConnection,
        entries: Sequence[LogEntry] | None = (),
        *,
        follows: bool = False,
    ) -> None:
        """Until the end, or until Docker has lost the thread; begins with what came already."""
        pause, came, lag = _SHORTEST, time.monotonic(), _Lag()
        begun = came
        entries = entries or await self._next(connection, begun)
        while True:
            if entries is None:
                self._quiet(time.time_ns())
                self.current = self.current or follows
                if follows and time.monotonic() - came >= _silence(begun):
                    entries = await self._stalls(connection)
                    if entries is None:
                        return
            elif not entries or (follows and lag.appeared(entries)):
                return
            if entries:
                came = time.monotonic()
                await self._take(entries)
                self.current = self.current or _recent(entries)
                pause = min(_paced(pause, _weight(entries)), self._pace())
                if not self._hurried:
                    await self._pause(pause)
            entries = await self._next(connection, begun)

    async def _next(self, connection: LogConnection, begun: float) -> Sequence[LogEntry] | None:
        await self._buffers.room()
        return await connection.read(_QUIET if self._unfinished() else _silence(begun))

    async def _pause(self, seconds: float) -> None:
        """Rests for so long or less: all followers rest to the same moments.

        What one has brought into the processor's cache serves the next; alone, each would take
        half as long again.
        """
        loop = asyncio.get_running_loop()
        self._resting = loop.create_future()
        now = loop.time()
        timer = loop.call_at(now + seconds - now % seconds, self.look_now)
        try:
            await self._resting
        finally:
            self._resting = None
            timer.cancel()

    async def _take(self, entries: Sequence[LogEntry]) -> None:
        """Feeds the lanes, and finds out about what they doubt: seldom, behind a rotation."""
        self._feed(entries)
        lanes = self._lanes.values()
        while doubted := [(lane, doubt) for lane in lanes if (doubt := lane.doubt)]:
            doubts = [doubt for _, doubt in doubted]
            again = await repeated(self._engine, self.container.id, doubts)
            for (lane, doubt), known in zip(doubted, again, strict=True):
                lane.settle(repeated=known)
                if not known and doubt.at < doubt.last:
                    self._set_back(lane, doubt.at)
        self._quiet(self.newest - _LATE)
        self._buffers.look()

    def _set_back(self, lane: Lane, at: int) -> None:
        """The machine's clock was: no stream counts as read up to a time that is to come."""
        self.newest = at
        for other in self._lanes.values():
            if other is not lane:
                other.set_back(at)

    def _feed(self, entries: Sequence[LogEntry]) -> None:
        lanes = self._lanes
        if not self.container.app:
            self._feed_classes(entries)
        else:
            service = self.container.service
            out, err = lanes["stdout", service].feed, lanes["stderr", service].feed
            for stream, at, text, whole in entries:
                (out if stream == "stdout" else err)(at, text, whole=whole)
        if entries:
            self.newest = max(self.newest, entries[0][1], entries[-1][1])

    def _feed_classes(self, entries: Sequence[LogEntry]) -> None:
        for stream, at, text, whole in entries:
            kind = self._class.pop(stream, "") or classify(text)
            if not whole:
                self._class[stream] = kind
            self._lanes[stream, kind].feed(at, text, whole=whole)

    def _unfinished(self) -> bool:
        return any(lane.unfinished for lane in self._lanes.values())

    def _quiet(self, now: int) -> None:
        for lane in self._lanes.values():
            if lane.unfinished:
                lane.quiet(now)

    def _rewind(self) -> None:
        """What has begun and not ended is read once more."""
        self._class.clear()
        for lane in self._lanes.values():
            lane.resume(*lane.position)

    def _since(self) -> int:
        return min(lane.cursor(self.newest).last for lane in self._lanes.values())

    def _add(self, stream: Stream, service: str, key: str) -> None:
        box = self.container
        source = Source(
            app=box.app or PROXY_APP,
            service=service,
            release=box.release,
            container=box.id,
            name=box.name,
            stream=stream,
        )
        buffer = self._buffers.of((source.app, service))
        write = self._buffers.writer(buffer)
        if not box.app and service == ACCESS:
            write = _sifted(write, self._keeps)
        lane = Lane(source, key, write)
        reads = _Reads(self, lane)
        self._lanes[stream, service] = lane
        self._reads.append((buffer, reads))
        buffer.lanes.append(reads)


class _Lag:
    """Whether a connection that was up to date no longer is."""

    def __init__(self) -> None:
        self._current = False

    def appeared(self, entries: Sequence[LogEntry]) -> bool:
        late = not _recent(entries[:1])
        self._current = self._current or not late
        return late and self._current


def _recent(entries: Sequence[LogEntry]) -> bool:
    return time.time_ns() - entries[-1][1] <= _BEHIND


def _sifted(
    write: Callable[[Record], None], keeps: Callable[[str], bool]
) -> Callable[[Record], None]:
    """Behind the lane: what is left out counts as read all the same."""

    def add(record: Record) -> None:
        if keeps(record.text):
            write(record)

    return add


def _silence(begun: float) -> float:
    """Seconds after which a connection's silence is looked into."""
    return _SILENCE[time.monotonic() - begun > _BEGINNING]


def _weight(entries: Sequence[LogEntry]) -> int:
    """How many short lines would take as much of the buffer."""
    lines = len(entries)
    return lines if lines > _MANY else max(lines, sum(len(one[2]) for one in entries) // _SHORT)


def _paced(pause: float, came: int) -> float:
    """The pause that fits how much came in the last one."""
    if came > _MANY:
        return max(pause / 2, _SHORTEST)
    return pause * 2 if came < _FEW else pause


def classify(text: str) -> str:
    """Whose line of the proxy's it is: about a request, or about itself."""
    if text.startswith("{") and '"DownstreamStatus"' in text:
        return ACCESS
    # Common log format: ADDRESS - USER [TIME] "METHOD …
    return ACCESS if '] "' in text[:120] and " - " in text[:60] else PROXY
