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
                rows = [Row(*one) for one in found]
                kept = [row for row in rows if self._may_hold(connection, row)]
            yield from kept
            if len(rows) < size:
                return
            before, size = (rows[-1].last, rows[-1].id), _PAGE

    def _may_hold(self, connection: sqlite3.Connection, row: Row) -> bool:
        if not self._wanted or not row.filtered:
            return True
        if row.group:
            if row.group not in self._groups:
                self._groups[row.group] = self._in_group(connection, row.group)
            return bool(self._groups[row.group] >> row.slot & 1)
        bits = connection.execute("SELECT bits FROM filter WHERE chunk = ?", (row.id,)).fetchone()
        return bits is None or may_hold(bits[0], self._wanted)

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
