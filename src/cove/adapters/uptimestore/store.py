"""`SqliteUptimeStore`: changes, and minutes packed by the hour. Imported within the package.

A file that is damaged, or of another version, is moved aside and begun anew: nothing that serves
depends on it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cove.adapters.uptimestore.hours import empty, pack, unpack
from cove.errors import PlatformError
from cove.model.uptime import Change, Day, Minute
from cove.observation.uptime.counting import KEPT

_VERSION: Final = 1
_HOUR: Final = 3600
_MINUTES: Final = 60
_HOURS: Final = 24
_BUSY: Final = 5.0  # seconds
_SCHEMA: Final = (
    """CREATE TABLE changes (app TEXT NOT NULL, route TEXT NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL, detail TEXT NOT NULL, rolling INTEGER NOT NULL)""",
    "CREATE INDEX changes_by_route ON changes (route, at)",
    """CREATE TABLE hours (route TEXT NOT NULL, hour INTEGER NOT NULL, app TEXT NOT NULL,
    up REAL NOT NULL, down REAL NOT NULL, minutes BLOB NOT NULL, PRIMARY KEY (route, hour))
    WITHOUT ROWID""",
)


class SqliteUptimeStore:
    """One connection, used by one thread at a time. Raises PlatformError as its port says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pruned = 0.0

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def add_change(self, change: Change) -> None:
        """Keeps a change; it is durable once this returns."""
        with self._using() as db, _transaction(db):
            db.execute(
                "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(change.app, change.route, change.at),
                    *(change.state, change.detail, change.rolling),
                ),
            )

    def add_minutes(self, minutes: Sequence[Minute], now: float) -> None:
        """Adds watched time to what is kept, and drops what is too old, in one transaction."""
        by_hour: dict[tuple[str, int], list[Minute]] = {}
        for minute in minutes:
            by_hour.setdefault((minute.route, minute.minute // _MINUTES), []).append(minute)
        with self._using() as db, _transaction(db):
            for (route, hour), found in by_hour.items():
                _add(db, route, hour, found)
            if not 0 <= now - self._pruned < _HOUR:
                _prune(db, now)
                self._pruned = now

    def latest(self) -> tuple[Change, ...]:
        """The last change of every route."""
        with self._using() as db:
            rows = db.execute(
                "SELECT * FROM changes WHERE rowid IN (SELECT max(rowid) FROM changes"
                " GROUP BY route)"
            ).fetchall()
        return tuple(_change(row) for row in rows)

    def changes(self, route: str, limit: int = 200) -> tuple[Change, ...]:
        """A route's newest changes, oldest first."""
        with self._using() as db:
            rows = db.execute(
                "SELECT * FROM changes WHERE route = ? ORDER BY at DESC, rowid DESC LIMIT ?",
                (route, limit),
            ).fetchall()
        return tuple(_change(row) for row in reversed(rows))

    def sums(
        self, now: float, spans: Sequence[float]
    ) -> Mapping[str, Mapping[float, tuple[float, float]]]:
        """By route and span before now: the seconds up and down, to the minute."""
        with self._using() as db:
            found: dict[str, dict[float, tuple[float, float]]] = {}
            for span in spans:
                for route, up, down in _span(db, now - span):
                    found.setdefault(route, {})[span] = (up, down)
        return found

    def days(self, now: float) -> Mapping[str, tuple[Day, ...]]:
        """By route, every day of which something is kept, oldest first."""
        with self._using() as db:
            rows = db.execute(
                f"SELECT route, hour / {_HOURS} AS day, sum(up) AS up, sum(down) AS down"  # noqa: S608 - a constant
                " FROM hours WHERE hour >= ? GROUP BY route, day ORDER BY route, day",
                (int((now - KEPT) // _HOUR),),
            ).fetchall()
        found: dict[str, list[Day]] = {}
        for row in rows:
            day = Day(day=row["day"], up=row["up"], down=row["down"])
            found.setdefault(row["route"], []).append(day)
        return {route: tuple(days) for route, days in found.items()}

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self._path):
            try:
                if self._connection is None:
                    self._connection = _opened(self._path)
                yield self._connection
            except sqlite3.DatabaseError as error:
                if _damaged(error):
                    # The next call begins anew.
                    if self._connection is not None:
                        self._connection.close()
                    self._connection = None
                    _set_aside(self._path)
                raise


def _opened(path: Path) -> sqlite3.Connection:
    if path.exists():
        try:
            return _prepared(path)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise
            _set_aside(path)
    return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        _fit(db)
    except BaseException:
        db.close()
        raise
    return db


def _fit(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    # What was not written yet may be lost with the power: it is history, not state.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -512"):
        db.execute(f"PRAGMA {pragma}")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        with _transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
    elif version != _VERSION:
        raise _Foreign(f"it has version {version}")


class _Foreign(sqlite3.DatabaseError):
    """A file of another version."""


def _damaged(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _Foreign) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _set_aside(path: Path) -> None:
    """One is kept: a second damage replaces the first."""
    for suffix in ("-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _add(db: sqlite3.Connection, route: str, number: int, found: Sequence[Minute]) -> None:
    query = "SELECT minutes FROM hours WHERE route = ? AND hour = ?"
    row = db.execute(query, (route, number)).fetchone()
    hour = empty()
    if row is not None:
        with suppress(ValueError):
            hour = unpack(row["minutes"])
    for minute in found:
        hour.add(minute)
    db.execute(
        "INSERT OR REPLACE INTO hours (route, hour, app, up, down, minutes)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (route, number, found[0].app, *hour.seconds(), pack(hour)),
    )


def _prune(db: sqlite3.Connection, now: float) -> None:
    db.execute("DELETE FROM hours WHERE hour < ?", (int((now - KEPT) // _HOUR),))
    db.execute(
        "DELETE FROM changes WHERE at < ? AND rowid NOT IN"
        " (SELECT max(rowid) FROM changes GROUP BY route)",
        (now - KEPT,),
    )


def _span(db: sqlite3.Connection, since: float) -> Iterator[tuple[str, float, float]]:
    """What lies in the hours since a time, the first of them from its minute on."""
    edge = int(since // _HOUR)
    first = int(since // _MINUTES) % _MINUTES
    sums = {
        row["route"]: (row["up"], row["down"])
        for row in db.execute(
            "SELECT route, sum(up) AS up, sum(down) AS down FROM hours WHERE hour > ?"
            " GROUP BY route",
            (edge,),
        )
    }
    for row in db.execute("SELECT route, minutes FROM hours WHERE hour = ?", (edge,)):
        with suppress(ValueError):
            up, down = unpack(row["minutes"]).seconds(first)
            before = sums.get(row["route"], (0.0, 0.0))
            sums[row["route"]] = (before[0] + up, before[1] + down)
    for route, (up, down) in sums.items():
        yield route, up, down


def _change(row: sqlite3.Row) -> Change:
    return Change(
        at=row["at"],
        app=row["app"],
        route=row["route"],
        state=row["state"],
        detail=row["detail"],
        rolling=bool(row["rolling"]),
    )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        code = "disk-full" if full else "state"
        raise PlatformError(
            f"{path}: {error}", code=code, hint="make room" if full else ""
        ) from error
    except OSError as error:
        raise PlatformError(f"{path}: {error.strerror}", code="data-dir") from error
