"""Which chunks a query must look at, newest first.

Imported within the package only. Rows are read a page at a time, each page with its filters in
one step, so that neither the list nor a transaction lasts as long as the search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from cove.adapters.logstore.database import Database
from cove.adapters.logstore.matching import level_mask
from cove.adapters.logstore.words import SLICES, Bits, may_hold, may_hold_each
from cove.model.logs import LogQuery

_PAGE: Final = 256  # rows
_END: Final = (1 << 63) - 1  # SQLite's greatest integer


class Row(NamedTuple):
    """A chunk, without what is in it."""

    id: int
    service: int
    first: int
    last: int
    filtered: int
    group: int
    slot: int


_COLUMNS: Final = "id, service, first, last, filtered, grp, slot"
_ID, _LAST, _FILTERED, _GROUP, _SLOT = 0, 3, 4, 5, 6  # of a row before it is one


class Listing:
    """The chunks in which hits may be, up to the chunk `ceiling`."""

    def __init__(
        self, database: Database, query: LogQuery, ceiling: int, wanted: tuple[Bits, ...] = ()
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._groups: dict[int, int] = {}  # of each group, which of its chunks may hold the words
        self.services = _services(database, query)
        where, self._values = _conditions(query, ceiling, tuple(self.services))
        # every piece is one of this module's own
        self._sql = (
            f"SELECT {_COLUMNS} FROM chunk WHERE {where}"  # noqa: S608
            " AND (last, id) < (?, ?) ORDER BY last DESC, id DESC LIMIT ?"
        )

    def __iter__(self) -> Iterator[Row]:
        if not self.services:
            return
        before, size = (_END, _END), 16  # most searches end early
        while True:
            with self._database.read() as connection:
                connection.execute("BEGIN")
                found = connection.execute(self._sql, (*self._values, *before, size)).fetchall()
                kept = self._kept(connection, found)
            yield from kept
            if len(found) < size:
                return
            before, size = (found[-1][_LAST], found[-1][_ID]), _PAGE

    def _kept(self, connection: sqlite3.Connection, found: list[tuple[int, ...]]) -> list[Row]:
        """Those whose filter may hold all words that are wanted, or that have none."""
        if not self._wanted:
            return [Row(*row) for row in found]
        groups = self._groups
        for group in {row[_GROUP] for row in found} - groups.keys():
            groups[group] = self._in_group(connection, group) if group else 0
        alone = self._alone(connection, [r[_ID] for r in found if r[_FILTERED] and not r[_GROUP]])
        return [
            Row(*row)
            for row in found
            if not row[_FILTERED] or groups[row[_GROUP]] >> row[_SLOT] & 1 or row[_ID] in alone
        ]

    def _alone(self, connection: sqlite3.Connection, chunks: list[int]) -> set[int]:
        """Those with a filter of their own that may hold the words."""
        marks = ",".join("?" * len(chunks))
        sql = f"SELECT chunk, bits FROM filter WHERE chunk IN ({marks})"  # noqa: S608 - question marks
        filters = connection.execute(sql, chunks) if chunks else ()
        return set(chunks).difference(
            chunk for chunk, bits in filters if not may_hold(bits, self._wanted)
        )

    def _in_group(self, connection: sqlite3.Connection, group: int) -> int:
        found = -1
        for one in self._wanted:
            key = (group * SLICES + one.slice,)
            bits = connection.execute("SELECT bits FROM filter_row WHERE id = ?", key).fetchone()
            if bits:
                found &= may_hold_each(bits[0], one)
        return found


def _services(database: Database, query: LogQuery) -> dict[int, tuple[str, str]]:
    rows = database.rows(
        "SELECT id, app, name FROM service WHERE ? IN ('', app) AND ? IN ('', name)",
        (query.app, query.service),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _conditions(query: LogQuery, ceiling: int, services: tuple[int, ...]) -> tuple[str, list[Any]]:
    wheres, values = ["id <= ?"], [ceiling]
    if len(services) == 1:  # by its index; of several, by the index of time
        wheres.append("service = ?")
        values.append(services[0])
    elif query.app or query.service:
        wheres.append(f"+service IN ({','.join('?' * len(services))})")
        values.extend(services)
    if query.since:
        wheres.append("last >= ?")
        values.append(query.since)
    if query.until:
        wheres.append("first < ?")
        values.append(query.until)
    if query.level:
        wheres.append("levels & ? != 0")
        values.append(level_mask(query.level))
    if query.release:
        wheres.append("? BETWEEN release_from AND release_to")
        values.append(query.release)
    return " AND ".join(wheres), values
