"""Deleting, merging and laying out filters: what the file needs now and then.

Imported within the package only. Each function is one small transaction of the writer, so that
a kill at any moment leaves the file as it was before one of them or after.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from cove.adapters.logstore.chunk import CHUNK_RAW, Lines, Packed, decompress, pack, repack
from cove.adapters.logstore.counting import MINUTE, by_minute
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.words import FILTER, GROUP, SLICES, build, distinct, regrouped
from cove.errors import PlatformError
from cove.model.logs import LEVELS, Record

FINAL: Final = CHUNK_RAW // 2  # bytes of text from which a chunk is filtered, and never merged
_TINY: Final = CHUNK_RAW // 8
_RUN: Final = 8  # tiny chunks that are merged though they make no final one
_SPAN: Final = 86_400 * 10**9  # nanoseconds that a merged chunk may last: it is deleted as one
_HEAD: Final = 200  # bytes that rows and indices take for a chunk, about


class Chunk(NamedTuple):
    """What deleting and merging must know of a chunk."""

    id: int
    service: int
    first: int
    last: int
    raw: int
    stored: int
    group: int


COLUMNS: Final = "id, service, first, last, raw, stored, grp"


def add(connection: sqlite3.Connection, service: int, packed: Packed, chunk: int = 0) -> None:
    """Stores a chunk, under a number that is free again or the next."""
    filtered = packed.raw >= FINAL
    stored = len(packed.text) + len(packed.meta) + _HEAD + FILTER * filtered
    number = connection.execute(
        "INSERT INTO chunk (id, service, first, last, lines, raw, stored, levels, release_from,"
        " release_to, filtered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            chunk or None, service, packed.first, packed.last, packed.lines, packed.raw, stored,
            packed.levels, *packed.releases, filtered,
        ),
    ).lastrowid  # fmt: skip
    row = (number, packed.meta, packed.text)
    connection.execute("INSERT INTO body (chunk, meta, text) VALUES (?, ?, ?)", row)
    if filtered:
        bits = build(distinct(packed.plain))
        connection.execute("INSERT INTO filter (chunk, bits) VALUES (?, ?)", (number, bits))


def count_in(connection: sqlite3.Connection, service: int, packed: Packed) -> None:
    """Adds a chunk's records to the minutes."""
    values = ((service, minute, *n) for minute, n in by_minute(packed.times, packed.level_of))
    connection.executemany(_COUNT_IN, values)


_NUMBERS: Final = [f"n{level}" for level in range(len(LEVELS))]
_COUNT_IN: Final = (
    f"INSERT INTO minute (service, minute, {', '.join(_NUMBERS)})"  # noqa: S608 - of this module's own pieces
    f" VALUES (?, ?, {', '.join('?' * len(_NUMBERS))})"
    " ON CONFLICT (service, minute) DO UPDATE SET "
    + ", ".join(f"{number} = {number} + excluded.{number}" for number in _NUMBERS)
)
_COUNT_OUT: Final = (
    "UPDATE minute SET "  # noqa: S608 - as above
    + ", ".join(f"{number} = {number} - ?" for number in _NUMBERS)
    + " WHERE service = ? AND minute = ?"
)


def drop(database: Database, chunks: Sequence[Chunk]) -> None:
    """Deletes chunks, and what else is known of their records."""
    with database.write() as connection:
        ids = [(chunk.id,) for chunk in chunks]
        metas = {chunk.id: _meta(connection, chunk.id) for chunk in chunks}
        for sql in _DROPS:
            connection.executemany(sql, ids)
        for service in {chunk.service for chunk in chunks}:
            _count_out(connection, service, [c for c in chunks if c.service == service], metas)
        for group in {chunk.group for chunk in chunks} - {0}:
            _drop_group(connection, group)


_DROPS: Final = (
    "DELETE FROM chunk WHERE id = ?",
    "DELETE FROM body WHERE chunk = ?",
    "DELETE FROM filter WHERE chunk = ?",
)


def _meta(connection: sqlite3.Connection, chunk: int) -> bytes:
    row = connection.execute("SELECT meta FROM body WHERE chunk = ?", (chunk,)).fetchone()
    return row[0] if row else b""


def _count_out(
    connection: sqlite3.Connection, service: int, gone: list[Chunk], metas: dict[int, bytes]
) -> None:
    """Forgets the minutes before the oldest chunk left, and in later ones what is gone."""
    sql = "SELECT min(first) FROM chunk WHERE service = ?"
    oldest = connection.execute(sql, (service,)).fetchone()[0]
    if oldest is None:
        connection.execute("DELETE FROM minute WHERE service = ?", (service,))
        connection.execute("DELETE FROM service WHERE id = ?", (service,))
        return
    begin = oldest // MINUTE
    sql = "DELETE FROM minute WHERE service = ? AND minute < ?"
    connection.execute(sql, (service, begin))
    for chunk in gone:
        if chunk.last // MINUTE < begin:
            continue
        try:
            lines = Lines("", "", metas[chunk.id])
        except PlatformError:  # what cannot be read was not found either
            continue
        values = (
            (*numbers, service, minute)
            for minute, numbers in by_minute(lines.times, lines.levels)
            if minute >= begin
        )
        connection.executemany(_COUNT_OUT, values)


def _drop_group(connection: sqlite3.Connection, group: int) -> None:
    if connection.execute("SELECT 1 FROM chunk WHERE grp = ? LIMIT 1", (group,)).fetchone():
        return
    rows = (group * SLICES, (group + 1) * SLICES)
    connection.execute("DELETE FROM filter_row WHERE id >= ? AND id < ?", rows)
    connection.execute("DELETE FROM filter_group WHERE id = ?", (group,))


def regroup(database: Database) -> bool:
    """Lays out the filters of one service's chunks slice by slice; False: none has enough."""
    sql = (
        "SELECT service FROM chunk WHERE filtered AND grp = 0 GROUP BY service"
        " HAVING count(*) >= ? LIMIT 1"
    )
    services = database.rows(sql, (GROUP,))
    if not services:
        return False
    with database.write() as connection:
        found = connection.execute(
            "SELECT chunk.id, bits FROM chunk JOIN filter ON chunk = chunk.id"
            " WHERE service = ? AND filtered AND grp = 0 ORDER BY chunk.id LIMIT ?",
            (services[0][0], GROUP),
        ).fetchall()
        group = connection.execute("INSERT INTO filter_group DEFAULT VALUES").lastrowid or 0
        rows = enumerate(regrouped([bits for _, bits in found]), group * SLICES)
        connection.executemany("INSERT INTO filter_row (id, bits) VALUES (?, ?)", rows)
        slots = ((group, slot, number) for slot, (number, _) in enumerate(found))
        connection.executemany("UPDATE chunk SET grp = ?, slot = ? WHERE id = ?", slots)
        gone = ((number,) for number, _ in found)
        connection.executemany("DELETE FROM filter WHERE chunk = ?", gone)
    return True


def mergeable(database: Database) -> list[list[Chunk]]:
    """Runs of small neighbours that are to become one chunk each."""
    # Between two small ones of a service, no other: the order of a stream is that of chunks.
    found = database.rows(
        "SELECT id, service, first, last, raw, stored, grp, filtered FROM chunk"
        " WHERE service IN (SELECT service FROM chunk WHERE NOT filtered GROUP BY service"
        " HAVING count(*) > 1) ORDER BY service, id"
    )
    runs: list[list[Chunk]] = []
    run: list[Chunk] = []
    for *columns, filtered in found:
        chunk = Chunk(*columns)
        if filtered or (run and not _fits(run, chunk)):
            runs += _worth(run)
            run = []
        if not filtered:
            run.append(chunk)
    return runs + _worth(run)


def _fits(run: list[Chunk], chunk: Chunk) -> bool:
    first = min(chunk.first, *(one.first for one in run))
    last = max(chunk.last, *(one.last for one in run))
    raw = chunk.raw + sum(one.raw for one in run)
    return chunk.service == run[0].service and last - first <= _SPAN and raw <= CHUNK_RAW


def _worth(run: list[Chunk]) -> list[list[Chunk]]:
    """The run if it makes a final chunk, else its longest tail of tiny ones if that is long."""
    if len(run) > 1 and sum(one.raw for one in run) >= FINAL:
        return [run]
    tiny: list[Chunk] = []
    for chunk in reversed(run):
        if chunk.raw > _TINY:
            break
        tiny.insert(0, chunk)
    return [tiny] if len(tiny) >= _RUN else []


def merge(database: Database, run: Sequence[Chunk]) -> None:
    """Makes one chunk of several, under the first one's number. Minutes stay as they are."""
    with database.write() as connection:
        frames = [_frames(connection, chunk.id) for chunk in run]
        try:
            packed = repack(frames) or pack(_in_order(frames))
        except PlatformError:  # damaged: as it is, the others are still found
            return
        del frames
        connection.executemany(_DROPS[0], ids := [(chunk.id,) for chunk in run])
        connection.executemany(_DROPS[1], ids)
        add(connection, run[0].service, packed, run[0].id)


def _frames(connection: sqlite3.Connection, chunk: int) -> tuple[bytes, bytes]:
    sql = "SELECT meta, text FROM body WHERE chunk = ?"
    meta, text = connection.execute(sql, (chunk,)).fetchone() or (b"", b"")
    return meta, text


def _in_order(frames: Iterable[tuple[bytes, bytes]]) -> list[Record]:
    """The records of chunks whose times overlap."""
    found: list[Record] = []
    for meta, text in frames:
        lines, plain = Lines("", "", meta), decompress(text)
        found += (lines.record(plain, index) for index in range(lines.count))
    return sorted(found, key=lambda record: record.at)


def oldest(database: Database, where: str = "", values: Sequence[Any] = ()) -> list[Chunk]:
    """A few chunks, the one that ended first before the others."""
    sql = f"SELECT {COLUMNS} FROM chunk {where} ORDER BY last, id LIMIT ?"  # noqa: S608 - the store's own words
    return [Chunk(*row) for row in database.rows(sql, (*values, BATCH))]


BATCH: Final = 16  # chunks, some two megabytes
