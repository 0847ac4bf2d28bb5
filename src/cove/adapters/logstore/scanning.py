"""Looks through chunks in order, two at a time, and keeps of each only what is asked for soon.

Imported within the package only. zstd works without Python's lock, so that a second thread
halves the time of a search on two cores.
"""

from __future__ import annotations

import resource
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from cove.adapters.logstore.chunk import Lines, Packed, damaged, decompress, pack, parts
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.listing import Listing, Row
from cove.adapters.logstore.matching import Matcher, chosen
from cove.errors import CoveError, PlatformError
from cove.model.logs import LogQuery, Record

_THREADS: Final = 2  # and as many again where they wait for the disk
_MUCH: Final = 64  # blocks of 512 bytes read from the disk for a chunk; it has some 300
_BATCH: Final = 8  # chunks that a thread takes at once, at most
_KEPT: Final = 1 << 20  # bytes of text that all chunks together keep ready


class Body(NamedTuple):
    """What a chunk holds, compressed, and whose it is."""

    app: str
    service: str
    text: bytes
    meta: Callable[[], bytes]

    def lines(self) -> Lines:
        """Raises PlatformError when it is damaged, or has been deleted meanwhile."""
        return Lines(self.app, self.service, self.meta())


class Bodies:
    """Chunks by their number: those of the file, and behind them those not sealed yet."""

    def __init__(self, database: Database, ceiling: int, unsealed: Sequence[Record] = ()) -> None:
        self._database = database
        self.ceiling = ceiling
        self.unsealed: dict[Row, Body] = {}
        self._by_id: dict[int, Body] = {}
        for packed, app, service in _packed(unsealed):
            number = ceiling + len(self.unsealed) + 1
            row = Row(number, 0, packed.first, packed.last, 0, 0, 0)
            self._by_id[number] = self.unsealed[row] = Body(
                app, service, packed.text, partial(bytes, packed.meta)
            )

    def get(self, chunk: int) -> Body | None:
        """None: it has been deleted since."""
        if chunk > self.ceiling:
            return self._by_id.get(chunk)
        for app, service, text, meta in self._database.rows(_BODY, (chunk,)):
            return Body(app, service, text, partial(bytes, meta))
        return None

    def text(self, chunk: int) -> Body | None:
        """The same; all but the text is read when it is asked for."""
        if chunk > self.ceiling:
            return self._by_id.get(chunk)
        for app, service, text in self._database.rows(_TEXT, (chunk,)):
            return Body(app, service, text, partial(self._meta, chunk))
        return None

    def _meta(self, chunk: int) -> bytes:
        for (meta,) in self._database.rows(_META, (chunk,)):
            return bytes(meta)
        raise damaged()


_FROM: Final = (
    "FROM chunk JOIN body ON chunk = chunk.id JOIN service ON service.id = service"
    " WHERE chunk.id = ?"
)
_BODY: Final = f"SELECT app, name, text, meta {_FROM}"
_TEXT: Final = f"SELECT app, name, text {_FROM}"
_META: Final = "SELECT meta FROM body WHERE chunk = ?"


def _packed(records: Sequence[Record]) -> Iterator[tuple[Packed, str, str]]:
    by_service: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_service.setdefault((record.source.app, record.source.service), []).append(record)
    for (app, service), some in by_service.items():
        for run in parts(some):
            yield pack(run), app, service


class Share(NamedTuple):
    """What a chunk may keep ready of its hits."""

    size: int  # bytes of text
    records: int

    @staticmethod
    def of(query: LogQuery, services: int) -> Share:
        """When so many services' chunks may lie open beside each other, or wait to be taken."""
        size = max(4096, _KEPT // max((2 * _THREADS + 1) * _BATCH, services))
        return Share(size, max(16, 4 * query.limit // max(1, services)) if query.limit else size)


class Found:
    """A chunk's hits, the newest first; at least one."""

    def __init__(self, row: Row, hits: array[int]) -> None:
        self.row = row
        self.hits = hits  # oldest first, taken from the end
        self.ready: deque[tuple[int, Record]] = deque()

    def fill(self, share: Share, lines: Lines, plain: bytes) -> None:
        """Keeps records ready, at least one."""
        size, records = share
        while self.hits and size > 0 and len(self.ready) < records:
            index = self.hits.pop()
            record = lines.record(plain, index)
            size -= len(record.text) + 100  # what an empty record takes, about
            self.ready.append((index, record))


class Tally(NamedTuple):
    """When a chunk's hits were written, and their levels; oldest first."""

    row: Row
    times: array[int]
    levels: bytes


Result = TypeVar("Result")
_Looked: TypeAlias = Result | CoveError | None
Scan = Callable[[Row, Body], Result | None]


def scanner(query: LogQuery, matcher: Matcher, share: Share) -> Scan[Found]:
    """Finds a chunk's hits, in any thread, and keeps the newest ready."""

    def scan(row: Row, body: Body) -> Found | None:
        hits, lines, plain = _hits(query, matcher, body)
        if not lines:
            return None
        found = Found(row, hits)
        found.fill(share, lines, plain)
        return found

    return scan


def tallier(query: LogQuery, matcher: Matcher) -> Scan[Tally]:
    """Finds of a chunk's hits what counting needs."""

    def scan(row: Row, body: Body) -> Tally | None:
        hits, lines, _ = _hits(query, matcher, body)
        if not lines:
            return None
        times = array("q", (lines.times[index] for index in hits))
        return Tally(row, times, bytes(lines.levels[index] for index in hits))

    return scan


def _hits(query: LogQuery, matcher: Matcher, body: Body) -> tuple[array[int], Lines | None, bytes]:
    """No lines: no hits. A chunk whose checksum does not hold has none; the others still do."""
    none: array[int] = array("I")
    try:
        plain = decompress(body.text)
        if not matcher.narrows(plain):
            return none, None, b""
        lines = body.lines()
    except PlatformError:
        return none, None, b""
    hits = array("I", chosen(query, lines, matcher.indices(plain, lines)))
    return hits, lines if hits else None, plain


class Scanner(Generic[Result]):
    """Chunks newest first, looked through a few ahead of the one that is asked for.

    A thread takes several at once and reads them itself, so that the others wait for it less often.
    The first are few, since most searches end early.
    """

    def __init__(
        self, rows: Iterator[Row], bodies: Bodies, scan: Scan[Result], *, ahead: bool
    ) -> None:
        self._rows = rows
        self._read = bodies.text if ahead else bodies.get  # without a text, all are hits
        self._scan = scan
        self._pools = [ThreadPoolExecutor(_THREADS, "logs")] if ahead else []
        self._pool = 0  # the next one's turn
        self._waits = False  # some thread has, for the disk
        self._running: deque[tuple[list[Row], Future[list[_Looked[Result]]]]] = deque()
        self._ready: deque[tuple[Row, _Looked[Result]]] = deque()
        self._size = 1  # chunks of the next batch
        self._next = next(rows, None)

    def upcoming(self) -> Row | None:
        """The next chunk."""
        if self._ready:
            return self._ready[0][0]
        return self._running[0][0][0] if self._running else self._next

    def take(self) -> Result | None:
        """What the next chunk holds. Raises CoveError where that cannot be found out."""
        self._start()
        if not self._ready:
            rows, future = self._running.popleft()
            self._ready.extend(zip(rows, future.result(), strict=True))
        looked = self._ready.popleft()[1]
        if isinstance(looked, CoveError):
            raise looked
        return looked

    def close(self) -> None:
        """Ends the threads, each with the chunks it is at."""
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> None:
        if not self._pools:
            rows = self._batch(1)
            self._ready.extend(zip(rows, self._looked(rows), strict=True))
            return
        if self._waits and len(self._pools) == 1:
            self._pools.append(ThreadPoolExecutor(_THREADS, "logs"))
        while self._next and len(self._running) <= len(self._pools) * _THREADS:
            rows = self._batch(self._size)
            self._size = min(2 * self._size, _BATCH)
            self._pool = (self._pool + 1) % len(self._pools)
            self._running.append((rows, self._pools[self._pool].submit(self._looked, rows)))

    def _batch(self, size: int) -> list[Row]:
        rows: list[Row] = []
        while self._next and len(rows) < size:
            rows.append(self._next)
            self._next = next(self._rows, None)
        return rows

    def _looked(self, rows: list[Row]) -> list[_Looked[Result]]:
        before = _from_disk()
        # As they lie in the file: what the system reads ahead is then of use.
        found = {row: self._look(row) for row in sorted(rows)}
        if _from_disk() - before > len(rows) * _MUCH:
            self._waits = True
        return [found[row] for row in rows]

    def _look(self, row: Row) -> _Looked[Result]:
        """An error is told when it is this chunk's turn: those before it have been read."""
        try:
            body = self._read(row.id)
            return self._scan(row, body) if body else None
        except CoveError as error:
            return error


def _from_disk() -> int:
    """Blocks this thread has read that were not in memory."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock


def newest_first(listing: Listing, bodies: Bodies, query: LogQuery) -> Iterator[Row]:
    """The rows of both the file and what is not sealed yet."""
    unsealed = [
        row
        for row, body in bodies.unsealed.items()
        if query.app in ("", body.app) and query.service in ("", body.service)
    ]
    unsealed.sort(key=lambda row: (row.last, row.id))
    for row in listing:
        while unsealed and unsealed[-1].last >= row.last:
            yield unsealed.pop()
        yield row
    yield from reversed(unsealed)
