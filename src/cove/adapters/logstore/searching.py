"""Answers in the order of time, and the context of each.

Imported within the package only. Chunks of several services lie beside each other in time; a
hit is given out once no chunk that is still to be looked through could hold a newer one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from cove.adapters.logstore.chunk import Lines, decompress
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.listing import Listing
from cove.adapters.logstore.matching import Anything, Matcher
from cove.adapters.logstore.scanning import (
    Bodies,
    Found,
    Scanner,
    Share,
    newest_first,
    scanner,
)
from cove.errors import PlatformError
from cove.model.logs import LogQuery, Record, Source

_FAR: Final = 16  # chunks in which context is looked for, before and after
_Place = tuple[int, int]  # chunk, record


def hits(
    database: Database, query: LogQuery, matcher: Matcher, bodies: Bodies, ended: Callable[[], bool]
) -> Iterator[Record]:
    """Records newest first, each followed by its context; `ended` is asked before each chunk."""
    listing = Listing(database, query, bodies.ceiling, matcher.wanted)
    share = Share.of(query, len(listing.services))
    ahead = not isinstance(matcher, Anything)
    scanning: Scanner[Found] = Scanner(
        newest_first(listing, bodies, query),
        bodies,
        scanner(query, matcher, share),
        ahead=ahead,
    )
    given = 0
    try:
        context = Context(database, bodies) if query.before or query.after else None
        for place, record in _merged(scanning, bodies, share, ended):
            yield record
            if context:
                yield from context.around(record.source, place, query)
            given += 1
            if given == query.limit:
                return
    finally:
        scanning.close()


def _merged(
    scanning: Scanner[Found], bodies: Bodies, share: Share, ended: Callable[[], bool]
) -> Iterator[tuple[_Place, Record]]:
    # the newest first, of equals the one sealed last; the last number is never compared further
    open_: list[tuple[int, int, Found]] = []
    while True:
        row = scanning.upcoming()
        while open_ and (row is None or -open_[0][0] >= row.last):
            found = open_[0][2]
            index, record = found.ready.popleft()
            yield (found.row.id, index), record
            _refill(found, bodies, share)
            if found.ready:
                heapq.heapreplace(open_, _entry(found))
            else:
                heapq.heappop(open_)
        if row is None or ended():
            return
        if taken := scanning.take():
            heapq.heappush(open_, _entry(taken))


def _entry(found: Found) -> tuple[int, int, Found]:
    return -found.ready[0][1].at, -found.row.id, found


def _refill(found: Found, bodies: Bodies, share: Share) -> None:
    """Reads the chunk again for its next hits; it may have been deleted."""
    if found.ready or not found.hits:
        return
    body = bodies.get(found.row.id)
    if body:
        found.fill(share, body.lines(), decompress(body.text))


class Context:
    """The records of a stream that stand beside a hit."""

    def __init__(self, database: Database, bodies: Bodies) -> None:
        self._database = database
        self._bodies = bodies
        self._last: dict[int, tuple[Lines, bytes] | None] = {}

    def around(self, source: Source, place: _Place, query: LogQuery) -> Iterator[Record]:
        """Oldest first, each with its distance from the hit."""
        before = list(self._beside(source, place, query.before, -1))
        yield from reversed(before)
        yield from self._beside(source, place, query.after, 1)

    def _beside(self, source: Source, place: _Place, wanted: int, step: int) -> Iterator[Record]:
        """Away from the hit, in one direction."""
        distance = count(step, step)
        for _ in range(wanted):
            found = next(self._walk(source, place, step), None)
            if found is None:
                return
            place, lines, plain = found
            yield lines.record(plain, place[1], next(distance))

    def _walk(
        self, source: Source, place: _Place, step: int
    ) -> Iterator[tuple[_Place, Lines, bytes]]:
        """The stream's next record, in this chunk or one beyond."""
        chunk, index = place
        for number in self._chunks(source, chunk, step):
            opened = self._opened(number)
            if opened is None:
                continue
            lines, plain = opened
            begin = index if number == chunk else -1 if step > 0 else lines.count
            end = lines.count if step > 0 else -1
            for other in range(begin + step, end, step):
                if lines.sources[lines.origins[other]] == source:
                    yield (number, other), lines, plain

    def _chunks(self, source: Source, chunk: int, step: int) -> Iterator[int]:
        """This chunk, then the service's next ones."""
        yield chunk
        ceiling = self._bodies.ceiling
        if chunk <= ceiling:
            sql = _EARLIER if step < 0 else _LATER
            for (number,) in self._database.rows(sql, (chunk, chunk, ceiling, _FAR)):
                yield int(number)
        unsealed = [
            row.id
            for row, body in self._bodies.unsealed.items()
            if (body.app, body.service) == (source.app, source.service)
        ]
        if step > 0:
            yield from (number for number in unsealed if number > chunk)
        elif chunk > ceiling:
            yield from reversed([number for number in unsealed if number < chunk])
            whose = (source.app, source.service, ceiling, _FAR)
            for (number,) in self._database.rows(_NEWEST, whose):
                yield int(number)

    def _opened(self, chunk: int) -> tuple[Lines, bytes] | None:
        """Two chunks are kept: a hit's own, and the one beyond."""
        if chunk not in self._last:
            if len(self._last) > 1:
                del self._last[next(iter(self._last))]
            self._last[chunk] = self._read(chunk)
        return self._last[chunk]

    def _read(self, chunk: int) -> tuple[Lines, bytes] | None:
        body = self._bodies.get(chunk)
        if body is None:
            return None
        try:
            return body.lines(), decompress(body.text)
        except PlatformError:
            return None


_SAME: Final = "SELECT id FROM chunk WHERE service = (SELECT service FROM chunk WHERE id = ?)"
_EARLIER: Final = f"{_SAME} AND id < ? AND id <= ? ORDER BY id DESC LIMIT ?"
_LATER: Final = f"{_SAME} AND id > ? AND id <= ? ORDER BY id LIMIT ?"
_NEWEST: Final = (
    "SELECT chunk.id FROM chunk JOIN service ON service.id = service"
    " WHERE app = ? AND name = ? AND chunk.id <= ? ORDER BY chunk.id DESC LIMIT ?"
)
