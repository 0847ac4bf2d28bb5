"""The one connection: durable transactions, and SQLite's errors in cove's words.

Imported within the package only. Needs SQLite 3.24 (2018), for ON CONFLICT … DO UPDATE; newer
syntax is avoided because Python uses the system's library, which may be old.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cove.adapters.sqlite.migrations import migrate
from cove.errors import PlatformError

MEMORY = ":memory:"
BUSY_SECONDS = 5.0  # SQLite's own default in Python; writes here take milliseconds
_FILE_MODE = 0o600
# Answers that are remembered: the agent asks the same of every app every few seconds.
_REMEMBERED = 256
_SMALL = 16_384  # bytes; a larger answer is not remembered
_ROW = 200  # bytes of a row beside its texts

_CANNOT_WRITE = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """One connection of one thread.

    Every `write` is a transaction of its own, on disk once it has ended, and leaves nothing
    behind when its body raises.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        with self._translated():
            if self._path != MEMORY:
                _make_private(self._path)
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None
            )
            self._answers: dict[tuple[object, ...], list[sqlite3.Row]] = {}
            self._written = 0  # rows that had been written when the first of the answers was given
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        migrate(self._connection)

    def close(self) -> None:
        """Ends the connection; calling it again is fine."""
        self._connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that commits at the end of the body and rolls back when it raises."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite itself has rolled back after some errors, a full disk among them.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query; the same as before where nothing was written since.

        Nobody else writes to the file while this connection is open.
        """
        with self._translated():
            return self._rows(query, values)

    def _rows(self, query: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        written = self._connection.total_changes
        if written != self._written or len(self._answers) >= _REMEMBERED:
            self._answers.clear()
            self._written = written
        key = (query, *values)
        found = self._answers.get(key)
        if found is None:
            found = self._connection.execute(query, values).fetchall()
            if not self._connection.in_transaction and _size(found) <= _SMALL:
                self._answers[key] = found
        return found

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, if there is one."""
        return next(iter(self.rows(query, *values)), None)

    @contextmanager
    def overwriting(self) -> Iterator[sqlite3.Connection]:
        """A transaction as `write`, after which nothing it replaced is left in the files."""
        with self._translated():
            self._connection.execute("PRAGMA secure_delete = ON")
        try:
            with self.write() as db:
                yield db
            with self._translated():
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._connection.execute("PRAGMA secure_delete = OFF")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _platform_error(error, self._path) from error
        except OSError as error:
            raise _disk_error(error, self._path) from error


def _size(rows: list[sqlite3.Row]) -> int:
    """Bytes in memory, about."""
    texts = (len(value) for row in rows for value in row if isinstance(value, str | bytes))
    return _ROW * len(rows) + sum(texts)


def _make_private(path: str) -> None:
    """Creates the file for its owner alone; SQLite gives its -wal and -shm the same mode."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        if os.fstat(descriptor).st_mode & 0o777 != _FILE_MODE:
            os.fchmod(descriptor, _FILE_MODE)
    finally:
        os.close(descriptor)


def _platform_error(error: sqlite3.Error, path: str) -> PlatformError:
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return _disk_full(path)
    if primary in _CANNOT_WRITE:
        return _not_writable(path, str(error))
    if primary in _IN_USE:
        return PlatformError(
            f"{path} is in use by another process",
            code="state",
            hint="is a second cove agent running on this data? stop it and try again",
        )
    if primary in _DAMAGED:
        return PlatformError(
            f"{path} is damaged: {error}", code="state", hint="restore it from a backup"
        )
    return PlatformError(f"{path}: {error}", code="state")


def _disk_error(error: OSError, path: str) -> PlatformError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    return _not_writable(path, error.strerror or str(error))


def _disk_full(path: str) -> PlatformError:
    return PlatformError(
        f"the disk is full: {path} cannot be written",
        code="disk-full",
        hint="make room, then try again; `docker system df` shows what Docker uses",
    )


def _not_writable(path: str, reason: str) -> PlatformError:
    return PlatformError(
        f"{path} cannot be written: {reason}",
        code="data-dir",
        hint="the data directory must exist and belong to the user the agent runs as",
    )


class Records:
    """What every part of the store builds on."""

    _db: Database
    _now: Callable[[], float]
