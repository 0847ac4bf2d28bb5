"""`ChunkStore`: the port `LogStore` over one SQLite file of compressed chunks.

Imported by the agent. Chunks and why: docs/decisions/0013-log-store.md.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final, TypeVar

from cove.adapters.logstore import counting, upkeep
from cove.adapters.logstore.chunk import Packed, pack, parts
from cove.adapters.logstore.database import (
    Damaged,
    Database,
    asides,
    disk_full,
    remove,
    set_aside,
)
from cove.adapters.logstore.matching import matcher
from cove.adapters.logstore.room import Room
from cove.adapters.logstore.scanning import Bodies
from cove.adapters.logstore.search import Search, found
from cove.adapters.logstore.words import FILTER
from cove.errors import PlatformError
from cove.model.logs import Cursor, LogCount, LogPolicy, LogQuery, LogService, Record

_log = logging.getLogger(__name__)
_DAMAGED_KEPT: Final = 1  # a person may want to look at the last one
_STEP: Final = 256  # pages given back in one transaction: 2 MB
_DAY: Final = 86_400 * 10**9  # nanoseconds
_ROW: Final = 16 << 10  # bytes that a seal takes beside the chunk itself: index pages and minutes

Result = TypeVar("Result")


class ChunkStore:
    """Holds the file of one agent. Methods may be called from any thread, `close` last."""

    def __init__(self, path: Path, policy: LogPolicy | None = None) -> None:
        """Opens the file, or begins one. Raises PlatformError."""
        self._path = path
        self._policy = policy or LogPolicy()
        self._room = Room(path)
        self._lock = threading.RLock()  # of the writer
        self._gate = threading.RLock()  # merging waits for searches, and they for it
        self._searches: set[Search] = set()
        self._counting = 0
        self._suspect = False  # somebody who read found it damaged
        try:
            self._database = Database(path)
        except Damaged as damage:
            self._database = self._anew(damage)
        self._room.reserve()

    def close(self) -> None:
        """Ends every search and closes the file."""
        for search in self._open_searches():
            search.break_off()
        with self._lock:
            self._database.close()

    def seal(
        self, app: str, service: str, records: Sequence[Record], cursors: Sequence[Cursor]
    ) -> None:
        """As the port says. Deletes the oldest chunks first when the file is at its bound."""
        packed = [pack(run) for run in parts(records)] if records else []
        incoming = sum(len(one.text) + len(one.meta) + FILTER + _ROW for one in packed)
        self._written(lambda: self._seal(app, service, packed, cursors), incoming)

    def cursors(self) -> tuple[Cursor, ...]:
        """As the port says."""
        sql = "SELECT container, stream, last, count FROM cursor ORDER BY container, stream"
        return tuple(Cursor(*row) for row in self._read(lambda: self._database.rows(sql)))

    def forget(self, containers: AbstractSet[str]) -> None:
        """As the port says."""
        gone = [(container,) for container in sorted(containers)]

        def delete() -> None:
            with self._database.write() as connection:
                connection.executemany("DELETE FROM cursor WHERE container = ?", gone)

        self._written(delete)

    def search(self, query: LogQuery, unsealed: Sequence[Record] = ()) -> Search:
        """As the port says."""
        with self._gate:
            answers = partial(found, self._database, query, self._ceiling(), tuple(unsealed))
            search = Search(answers, self._searches.discard)
            self._searches.add(search)
        return search

    def counts(self, query: LogQuery) -> tuple[LogCount, ...]:
        """As the port says."""
        if not counting.tabled(query):
            return self._counted(query)
        partial, first, last = counting.edges(query)
        found = self._read(lambda: list(counting.from_table(self._database, query, first, last)))
        for one in partial:
            found += self._counted(one)
        return tuple(sorted(found, key=attrgetter("minute")))  # by service they are in order

    def services(self) -> tuple[LogService, ...]:
        """As the port says."""
        rows = self._read(lambda: self._database.rows(_SERVICES))
        return tuple(
            LogService(
                app=app, service=service, first=first, last=last,
                records=records, raw=raw, stored=stored,
            )
            for app, service, first, last, records, raw, stored in rows
        )  # fmt: skip

    def retain(self, policy: LogPolicy, now: int) -> int:
        """As the port says. `now` in nanoseconds; what is found here holds for seals as well."""
        self._policy = policy
        before = self._room.taken()
        self._written(lambda: self._retain(policy, now))
        with self._lock:
            self._room.reserve()
        return max(0, before - self._room.taken())

    def compact(self, now: int) -> None:  # noqa: ARG002 - as the port has it
        """As the port says. Leaves what a search may be reading for the next time."""

        def step() -> bool:
            return upkeep.regroup(self._database)

        while self._written(step):
            pass
        with self._lock:
            runs = self._read(lambda: upkeep.mergeable(self._database))
            for run in runs:
                if not self._merged(run):
                    return

    def _merged(self, run: Sequence[upkeep.Chunk]) -> bool:
        with self._gate:
            if self._searches or self._counting:
                return False
            self._written(lambda: upkeep.merge(self._database, run), sum(c.stored for c in run))
        return True

    def _seal(
        self, app: str, service: str, packed: Sequence[Packed], cursors: Sequence[Cursor]
    ) -> None:
        with self._database.write() as connection:
            if packed:
                whose = (app, service)
                sql = "INSERT INTO service (app, name) VALUES (?, ?) ON CONFLICT DO NOTHING"
                connection.execute(sql, whose)
                sql = "SELECT id FROM service WHERE app = ? AND name = ?"
                number = connection.execute(sql, whose).fetchone()[0]
                for one in packed:
                    upkeep.add(connection, number, one)
                    upkeep.count_in(connection, number, one)
            values = ((c.container, c.stream, c.last, c.count) for c in cursors)
            connection.executemany(_SET_CURSOR, values)

    def _retain(self, policy: LogPolicy, now: int) -> None:
        horizon = max(0, now - int(policy.days * _DAY))
        while chunks := upkeep.oldest(self._database, "WHERE last < ?", (horizon,)):
            upkeep.drop(self._database, chunks)
        for app, stored in self._database.rows(_APPS):
            self._shrink_app(app, stored - policy.per_app)
        self._drop_asides(policy)
        self._shrink(0)
        self._give_back()

    def _shrink_app(self, app: str, excess: int) -> None:
        where = "WHERE service IN (SELECT id FROM service WHERE app = ?)"
        while excess > 0 and (chunks := upkeep.oldest(self._database, where, (app,))):
            enough = _enough(chunks, excess)
            upkeep.drop(self._database, enough)
            excess -= sum(chunk.stored for chunk in enough)

    def _shrink(self, incoming: int) -> None:
        """Deletes the oldest until so many bytes more fit. Raises PlatformError (`disk-full`)."""
        limit = self._room.limit(self._policy)
        if incoming > limit:  # it would not fit with everything else deleted
            raise disk_full(self._path)
        while (excess := self._database.size() + incoming - limit) > 0:
            chunks = upkeep.oldest(self._database)
            if not chunks:
                return
            upkeep.drop(self._database, _enough(chunks, excess))

    def _drop_asides(self, policy: LogPolicy) -> None:
        """A damaged file is the first to go when the bound is reached."""
        if self._database.size() > self._room.limit(policy):
            for path in asides(self._path):
                remove(path)

    def _give_back(self) -> None:
        while pages := self._database.free_pages():
            self._database.give_back(min(pages, _STEP))
            if self._database.free_pages() >= pages:
                break
        self._database.checkpoint()

    def _written(self, action: Callable[[], Result], incoming: int = 0) -> Result:
        """Does what writes, with room for it; begins a new file if this one is damaged."""
        with self._lock:
            if self._suspect:
                self._database = self._anew(None)
            try:
                return self._with_room(action, incoming)
            except Damaged as damage:
                self._database = self._anew(damage)
                return action()

    def _with_room(self, action: Callable[[], Result], incoming: int) -> Result:
        try:
            if incoming:
                self._shrink(incoming)
            return action()
        except PlatformError as error:
            if error.specific_code != "disk-full" or not self._room.use_reserve():
                raise
            _log.warning("the disk is full: the oldest log lines are deleted")
            self._database.checkpoint()
            if chunks := upkeep.oldest(self._database):
                upkeep.drop(self._database, chunks)
            self._give_back()
            self._shrink(incoming)
            return action()

    def _anew(self, damage: Damaged | None) -> Database:
        """Moves the file aside, with all that reads it brought to its end first."""
        for search in self._open_searches():
            search.break_off()
        if hasattr(self, "_database"):
            self._database.close()
        aside = set_aside(self._path, _DAMAGED_KEPT)
        self._suspect = False
        reason = damage.message if damage else f"{self._path} is damaged"
        _log.error("%s: kept as %s, a new file is begun", reason, aside.name)
        return Database(self._path)

    def _open_searches(self) -> list[Search]:
        with self._gate:
            return list(self._searches)

    def _ceiling(self) -> int:
        rows = self._read(lambda: self._database.rows("SELECT max(id) FROM chunk"))
        return int(rows[0][0] or 0)

    def _counted(self, query: LogQuery) -> tuple[LogCount, ...]:
        with self._not_merging():
            bodies = Bodies(self._database, self._ceiling())
            wanted = matcher(query, lambda: False)
            return counting.answer(counting.scanned(self._database, query, wanted, bodies))

    @contextmanager
    def _not_merging(self) -> Iterator[None]:
        with self._gate:
            self._counting += 1
        try:
            yield
        finally:
            with self._gate:
                self._counting -= 1

    def _read(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        except Damaged:
            self._suspect = True
            raise


def _enough(chunks: Sequence[upkeep.Chunk], excess: int) -> Sequence[upkeep.Chunk]:
    """The first of them that hold so many bytes, at least one."""
    for index, chunk in enumerate(chunks):
        excess -= chunk.stored
        if excess <= 0:
            return chunks[: index + 1]
    return chunks


_SERVICES: Final = (
    "SELECT app, name, min(first), max(last), sum(lines), sum(raw), sum(stored)"
    " FROM chunk JOIN service ON service.id = service GROUP BY app, name ORDER BY app, name"
)
_APPS: Final = (
    "SELECT app, sum(stored) FROM chunk JOIN service ON service.id = service GROUP BY app"
)
_SET_CURSOR: Final = (
    "INSERT INTO cursor (container, stream, last, count) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (container, stream)"
    " DO UPDATE SET last = excluded.last, count = excluded.count"
)
