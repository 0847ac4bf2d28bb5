"""`SqliteMetrics`: the port `MetricStore`. Imported by the composition roots and tests only.

Rows live in three tiers, and each tick's first among what is new. `tidy` moves what is new to its
series, makes complete minutes and hours of it, and deletes what is old. Reading takes from each
tier what the coarser one does not have yet, so that nothing is missing in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from cove.adapters.metricstore.database import Database
from cove.adapters.metricstore.schema import NEW, columns, merged, table
from cove.model.metrics import FIELDS, KINDS, TIERS, Kind, MetricQuery, Row, Series, Tier

_SMALL: Final = 20_000  # rows deleted in one transaction


class SqliteMetrics:
    """Fulfils `cove.ports.metrics.MetricStore`."""

    def __init__(self, path: Path, told: Callable[[str], None] = lambda _: None) -> None:
        self._db = Database(path, told)
        self._ids: dict[Series, int] = {}

    def close(self) -> None:
        """Ends the connections."""
        self._db.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Keeps what one tick brought; a row that is there already is replaced."""
        try:
            with self._db.write() as connection:
                for kind in KINDS:
                    values = [
                        (self._id(connection, row.series), row.at, row.span, *row.values)
                        for row in rows
                        if row.series.kind == kind
                    ]
                    marks = ", ".join("?" * (3 + len(FIELDS[kind])))
                    connection.executemany(
                        f"INSERT OR REPLACE INTO {table(kind, NEW)} "  # noqa: S608 - our own names
                        f"(series, at, span, {columns(kind)}) VALUES ({marks})",
                        values,
                    )
        except BaseException:
            self._ids.clear()  # an id may have been given in what was not kept
            raise

    def tidy(self, now: int) -> None:
        """Moves what is new, makes the rows of longer times, and deletes what is old."""
        with self._db.write() as connection:
            self._move(connection, now)
            for finer, tier in pairwise(TIERS):
                _roll_up(connection, finer, tier, now)
        for tier in TIERS:
            self._delete(tier, now)
        with self._db.write() as connection:
            _forget(connection)
            self._ids.clear()
        self._db.shrink()

    def read(self, query: MetricQuery) -> tuple[Row, ...]:
        """The rows of each series, oldest first, merged over the query's step."""
        with self._db.read() as connection:
            connection.execute("BEGIN")  # one state of all tiers
            try:
                found = dict(_series(connection, query.kind, query.app))
                pieces = [
                    row
                    for name, since, until in _pieces(connection, query)
                    for row in _select(connection, query, name, (since, until), list(found))
                ]
            finally:
                connection.execute("ROLLBACK")
        rows = [Row(found[n], at, span, values) for n, at, span, values in _joined(query, pieces)]
        return tuple(sorted(rows, key=lambda row: (_order(row.series), row.at)))

    def series(self) -> tuple[Series, ...]:
        """All that anything is kept of."""
        with self._db.read() as connection:
            return tuple(s for kind in KINDS for s in dict(_series(connection, kind, "")).values())

    def _id(self, connection: sqlite3.Connection, series: Series) -> int:
        known = self._ids.get(series)
        if known is None:
            key = (series.kind, series.app, series.service, series.name)
            connection.execute(
                "INSERT INTO metric_series (kind, app, service, name) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                key,
            )
            known = connection.execute(
                "SELECT id FROM metric_series WHERE (kind, app, service, name) = (?, ?, ?, ?)", key
            ).fetchone()[0]
            self._ids[series] = known
        return known

    def _move(self, connection: sqlite3.Connection, now: int) -> None:
        finest = TIERS[0]
        for kind in KINDS:
            connection.execute(
                f"INSERT OR REPLACE INTO {table(kind, finest.step)} "  # noqa: S608 - our own names
                f"SELECT series, at, span, {columns(kind)} FROM {table(kind, NEW)} "
                "WHERE at < ? ORDER BY series, at",
                (now,),
            )
            connection.execute(f"DELETE FROM {table(kind, NEW)} WHERE at < ?", (now,))  # noqa: S608
        _set_done(connection, finest.step, now)

    def _delete(self, tier: Tier, now: int) -> None:
        """In small pieces: a writer that waits for one does not wait long."""
        oldest = now - tier.keep
        for kind in KINDS:
            with self._db.read() as connection:
                numbers = list(dict(_series(connection, kind, "")))
            for number in numbers:
                self._delete_series(table(kind, tier.step), number, oldest)

    def _delete_series(self, name: str, number: int, oldest: int) -> None:
        while True:
            with self._db.read() as connection:
                some = connection.execute(
                    f"SELECT at FROM {name} WHERE series = ? AND at < ? ORDER BY at LIMIT {_SMALL}",  # noqa: S608
                    (number, oldest),
                ).fetchall()
            if not some:
                return
            with self._db.write() as connection:
                connection.execute(
                    f"DELETE FROM {name} WHERE series = ? AND at <= ?",  # noqa: S608
                    (number, some[-1][0]),
                )


Piece = tuple[int, int, int, tuple[int, ...]]


def _series(connection: sqlite3.Connection, kind: Kind, app: str) -> Iterator[tuple[int, Series]]:
    query = "SELECT id, app, service, name FROM metric_series WHERE kind = ?"
    values = [kind, app] if app else [kind]
    for number, *names in connection.execute(f"{query} AND app = ?" if app else query, values):
        yield number, Series(kind=kind, app=names[0], service=names[1], name=names[2])


def _order(series: Series) -> tuple[str, str, str]:
    return series.app, series.service, series.name


def _done(connection: sqlite3.Connection, step: int) -> int:
    row = connection.execute("SELECT until FROM metric_done WHERE tier = ?", (step,)).fetchone()
    return int(row[0]) if row else 0


def _set_done(connection: sqlite3.Connection, step: int, until: int) -> None:
    connection.execute(
        "INSERT INTO metric_done (tier, until) VALUES (?, ?) "
        "ON CONFLICT (tier) DO UPDATE SET until = max(until, excluded.until)",
        (step, until),
    )


def _roll_up(connection: sqlite3.Connection, finer: Tier, tier: Tier, now: int) -> None:
    """Rows of every complete step of which the finer rows are all there."""
    since = _done(connection, tier.step)
    until = min(now, _done(connection, finer.step)) // tier.step * tier.step
    if until <= since:
        return
    for kind in KINDS:
        for number in dict(_series(connection, kind, "")):
            connection.execute(
                f"INSERT OR REPLACE INTO {table(kind, tier.step)} "  # noqa: S608 - our own names
                f"SELECT series, at / {tier.step} * {tier.step}, SUM(span), {merged(kind)} "
                f"FROM {table(kind, finer.step)} WHERE series = ? AND at >= ? AND at < ? "
                f"GROUP BY at / {tier.step}",
                (number, since, until),
            )
    _set_done(connection, tier.step, until)


def _pieces(connection: sqlite3.Connection, query: MetricQuery) -> Iterator[tuple[str, int, int]]:
    """Which table to read for which time: the coarsest that is fine enough, then finer ones.

    What is older than a tier is kept comes from the next coarser one.
    """
    steps = [tier.step for tier in TIERS]
    usable = [step for step in steps if step <= query.step] or steps[:1]
    since, made = query.since, _done(connection, steps[0])
    for tier in reversed(TIERS):
        until = min(query.until, _done(connection, tier.step))
        if tier.step not in usable:  # too coarse, but perhaps all there is
            finer = TIERS[steps.index(tier.step) - 1]
            until = min(until, (made - finer.keep) // tier.step * tier.step)
        if until > since:
            yield table(query.kind, tier.step), since, until
            since = until
    yield table(query.kind, NEW), since, query.until


def _select(
    connection: sqlite3.Connection,
    query: MetricQuery,
    name: str,
    times: tuple[int, int],
    numbers: Sequence[int],
) -> Iterator[Piece]:
    grouped = f"series, at / {query.step}"
    chosen = (
        f"SELECT series, at / {query.step} * {query.step}, SUM(span), {merged(query.kind)} "  # noqa: S608
        f"FROM {name} WHERE at >= ? AND at < ?"
    )
    if name == table(query.kind, NEW):  # ordered by time, and small
        rows = connection.execute(f"{chosen} GROUP BY {grouped}", times).fetchall()
        wanted = set(numbers)
        yield from ((n, at, span, tuple(v)) for n, at, span, *v in rows if n in wanted)
        return
    for number in numbers:
        one = f"{chosen} AND series = ? GROUP BY {grouped}"
        for n, at, span, *values in connection.execute(one, (*times, number)):
            yield n, at, span, tuple(values)


def _joined(query: MetricQuery, pieces: Sequence[Piece]) -> Iterator[Piece]:
    """A step whose beginning lies in one tier and whose end in another is one row."""
    found: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
    for number, at, span, values in pieces:
        before = found.get((number, at))
        if before is not None:
            values = _merge(query.kind, before, (span, values))  # noqa: PLW2901 - one row of two
            span += before[0]  # noqa: PLW2901
        found[number, at] = (span, values)
    for (number, at), (span, values) in found.items():
        yield number, at, span, values


def _merge(
    kind: Kind, one: tuple[int, tuple[int, ...]], other: tuple[int, tuple[int, ...]]
) -> tuple[int, ...]:
    merged_values = []
    for field, a, b in zip(FIELDS[kind], one[1], other[1], strict=True):
        if field.merge == "sum":
            merged_values.append(a + b)
        elif field.merge == "max":
            merged_values.append(max(a, b))
        else:
            merged_values.append((a * one[0] + b * other[0]) // max(1, one[0] + other[0]))
    return tuple(merged_values)


def _forget(connection: sqlite3.Connection) -> None:
    """Series of which nothing is kept any more."""
    for kind in KINDS:
        absent = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table(kind, step)} t WHERE t.series = metric_series.id)"  # noqa: S608
            for step in (NEW, *(tier.step for tier in TIERS))
        )
        connection.execute(f"DELETE FROM metric_series WHERE kind = ? AND {absent}", (kind,))  # noqa: S608
