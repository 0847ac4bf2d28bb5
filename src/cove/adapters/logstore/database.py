"""The file: its tables, its connections, and SQLite's errors in cove's words.

Imported within the package only. Readers have connections of their own and hold no transaction
between two steps, so that nothing they do keeps the write-ahead log from being emptied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cove.errors import PlatformError

SCHEMA: Final = 1  # PRAGMA user_version
PAGE: Final = 8192
LOG: Final = 4 << 20  # bytes; what the write-ahead log keeps on disk when it is empty
_CHECKPOINT: Final = 256  # pages, half of the above
_CACHE: Final = 256  # KiB for each connection
_BUSY: Final = 10.0  # seconds
_IDLE: Final = 4  # readers kept open
_FILE_MODE: Final = 0o600
_BESIDE: Final = ("", "-wal", "-shm")
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}

# A service's chunks have ids in the order in which they were sealed.
# `grp` and `slot` say where the chunk's filter lies; without a group it may lie in `filter`.
# In `body` the text comes first: what is behind it is not read for it.
# `minute` counts records: `n0` those of no level, and so on as in `model.logs.LEVELS`.
_TABLES: Final = f"""
PRAGMA page_size = {PAGE};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE service (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (app, name)
) STRICT;
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY AUTOINCREMENT, service INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, lines INTEGER NOT NULL,
    raw INTEGER NOT NULL, stored INTEGER NOT NULL, levels INTEGER NOT NULL,
    release_from INTEGER NOT NULL, release_to INTEGER NOT NULL,
    filtered INTEGER NOT NULL, grp INTEGER NOT NULL DEFAULT 0, slot INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX chunk_by_time ON chunk (last, id);
CREATE INDEX chunk_by_service ON chunk (service, last, id);
CREATE INDEX chunk_by_group ON chunk (grp) WHERE grp > 0;
CREATE INDEX chunk_alone ON chunk (service, id) WHERE filtered AND grp = 0;
CREATE INDEX chunk_small ON chunk (service, id) WHERE NOT filtered;
CREATE TABLE body (chunk INTEGER PRIMARY KEY, text BLOB NOT NULL, meta BLOB NOT NULL) STRICT;
CREATE TABLE filter (chunk INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;
CREATE TABLE filter_group (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;
CREATE TABLE filter_row (id INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;
CREATE TABLE minute (
    service INTEGER NOT NULL, minute INTEGER NOT NULL,
    n0 INTEGER NOT NULL, n1 INTEGER NOT NULL, n2 INTEGER NOT NULL, n3 INTEGER NOT NULL,
    n4 INTEGER NOT NULL, n5 INTEGER NOT NULL, n6 INTEGER NOT NULL,
    PRIMARY KEY (service, minute)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (
    container TEXT NOT NULL, stream TEXT NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (container, stream)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = {SCHEMA};
COMMIT;
"""


class Damaged(PlatformError):
    """The file itself cannot be believed."""


class Database:
    """One file, one writing connection, and a few that only read."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. Raises PlatformError; Damaged when it is none of ours."""
        self.path = path
        self._readers: list[sqlite3.Connection] = []
        self._guard = threading.Condition()
        self._lent = 0
        self._closed = False
        with self.translated():
            self.writer = self._opened_for_writing()  # whose user holds the store's lock

    def close(self) -> None:
        """Ends every connection, once those that are lent are back; again is fine.

        The last one of all must end before the file may be renamed: SQLite then deletes the
        write-ahead log by its name.
        """
        with self._guard:
            self._closed = True
            self._guard.wait_for(lambda: not self._lent)
            idle, self._readers = self._readers, []
        for connection in idle:
            connection.close()
        self.writer.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction, on disk when the body has ended; nothing of it when the body raises."""
        with self.translated():
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
                self.writer.execute("COMMIT")
            except BaseException:
                # SQLite itself has rolled back after some errors, a full disk among them.
                if self.writer.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self.writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A reading connection, lent."""
        with self.translated():
            connection = self._lend()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._take_back(connection)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds, all at once."""
        with self.read() as connection:
            return connection.execute(sql, values).fetchall()

    def size(self) -> int:
        """Bytes in use: pages that hold something, and the write-ahead log."""
        with self.translated():
            pages = self.writer.execute("PRAGMA page_count").fetchone()[0]
            free = self.writer.execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages - free) * PAGE

    def free_pages(self) -> int:
        """Pages of the file that hold nothing."""
        with self.translated():
            return int(self.writer.execute("PRAGMA freelist_count").fetchone()[0])

    def give_back(self, pages: int) -> None:
        """Makes the file shorter by so many free pages."""
        with self.translated():
            # `execute` would take a single step, which frees one page
            self.writer.executescript(f"PRAGMA incremental_vacuum({pages})")

    def checkpoint(self) -> None:
        """Brings the write-ahead log into the file and its own file back to a few megabytes."""
        with self.translated():
            self.writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns SQLite's and the system's errors into PlatformError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _platform_error(error, self.path) from error

    def _opened_for_writing(self) -> sqlite3.Connection:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        os.close(descriptor)
        connection = _connect(str(self.path))
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
            connection.execute(f"PRAGMA journal_size_limit = {LOG}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                _make(connection)
            elif version != SCHEMA:
                raise sqlite3.DatabaseError(f"its layout is {version}, not {SCHEMA}")  # noqa: TRY301 - closes it
        except BaseException:
            connection.close()
            raise
        return connection

    def _lend(self) -> sqlite3.Connection:
        with self._guard:
            if self._closed:
                raise PlatformError(f"{self.path} has been closed", code="state")
            self._lent += 1
            if self._readers:
                return self._readers.pop()
        try:
            return _connect(f"file:{_quoted(self.path)}?mode=ro")
        except BaseException:
            self._returned()
            raise

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            kept = not self._closed and len(self._readers) < _IDLE
            if kept:
                self._readers.append(connection)
        if not kept:
            connection.close()
        self._returned()

    def _returned(self) -> None:
        with self._guard:
            self._lent -= 1
            self._guard.notify_all()


def _connect(where: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        where,
        timeout=_BUSY,
        isolation_level=None,
        check_same_thread=False,
        uri=where.startswith("file:"),
    )
    connection.execute(f"PRAGMA cache_size = -{_CACHE}")
    return connection


def _make(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise sqlite3.DatabaseError("the file holds something else")
    try:
        connection.executescript(_TABLES)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def set_aside(path: Path, kept: int) -> Path:
    """Renames a damaged file, and removes all but so many of those renamed before."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    for suffix in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    for one in asides(path)[: -kept or None]:
        remove(one)
    return aside


def asides(path: Path) -> list[Path]:
    """The damaged files kept, oldest first."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(one for one in found if not one.name.endswith(("-wal", "-shm")))


def remove(path: Path) -> int:
    """Deletes a database's files; returns their bytes."""
    freed = 0
    for suffix in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            freed += Path(f"{path}{suffix}").stat().st_size
            Path(f"{path}{suffix}").unlink()
    return freed


def _platform_error(error: sqlite3.Error | OSError, path: Path) -> PlatformError:
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return disk_full(path)
        return PlatformError(
            f"{path} cannot be written: {error.strerror or error}",
            code="data-dir",
            hint="the data directory must exist and belong to the user the agent runs as",
        )
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return disk_full(path)
    if primary in _DAMAGED or type(error) is sqlite3.DatabaseError:
        return Damaged(
            f"{path} is damaged: {error}",
            code="state",
            hint="nothing is to be done: the next lines begin a new file, this one is kept beside",
        )
    return PlatformError(f"{path}: {error}", code="state")


def disk_full(path: Path) -> PlatformError:
    """What is raised when nothing can be written any more."""
    return PlatformError(
        f"the disk is full: {path} cannot be written",
        code="disk-full",
        hint="make room, then try again; `docker system df` shows what Docker uses",
    )
