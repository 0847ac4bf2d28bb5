"""The file of measurements: one connection that writes, one that reads, SQLite's errors in words.

Imported in the package only. The file may be deleted without harm; a damaged one is moved aside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cove.adapters.metricstore import schema
from cove.errors import PlatformError

_BUSY: Final = 5.0  # seconds
_CACHE: Final = -512  # KiB, as SQLite counts them: negative; the kernel caches the file as well
_WAL: Final = 4 << 20  # bytes that the write-ahead log keeps between checkpoints
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Database:
    """`told` is called with the place that a damaged file was moved to."""

    def __init__(self, path: Path, told: Callable[[str], None]) -> None:
        self._path = path
        self._told = told
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._spoilt = False

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises PlatformError; what is damaged then is gone the next time."""
        self._mend()
        with self._write_lock, self._translated():
            connection = self._writing()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """What was written until now. Raises PlatformError."""
        self._mend()
        with self._read_lock, self._translated():
            if self._reader is None:
                with self._write_lock:
                    self._writing()  # makes the file where there is none
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only = ON")
            yield self._reader

    def shrink(self) -> None:
        """Gives the file's free pages back to the disk."""
        with self._write_lock, self._translated():
            # `execute` would free one page.
            self._writing().executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Ends both connections."""
        with self._read_lock, self._write_lock:
            self._drop()

    def _mend(self) -> None:
        """Begins anew where damage was met; nobody else may be at work meanwhile."""
        if self._spoilt:
            with self._read_lock, self._write_lock, self._translated():
                if self._spoilt:
                    self._aside()

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            try:
                self._writer = self._open()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._aside()
                self._writer = self._open()
        return self._writer

    def _open(self) -> sqlite3.Connection:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        connection = self._connect()
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may cost the last ticks; it never damages the file.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL}")
            schema.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        return connection

    def _drop(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None

    def _aside(self) -> None:
        """The damaged file makes room; only the last one is kept."""
        self._spoilt = False
        self._drop()
        place = self._path.with_name(f"{self._path.name}.damaged")
        self._path.replace(place)
        for ending in ("-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        self._told(str(place))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._spoilt = self._spoilt or _is_damage(error)
            raise _platform_error(error, self._path) from error
        except OSError as error:
            raise _disk_error(error, self._path) from error


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    return _code(error) in _DAMAGED


def _platform_error(error: sqlite3.Error, path: Path) -> PlatformError:
    if _code(error) == sqlite3.SQLITE_FULL:
        return _disk_full(path)
    return PlatformError(
        f"{path}: {error}", code="state", hint="it holds measurements only, and may be deleted"
    )


def _disk_error(error: OSError, path: Path) -> PlatformError:
    if error.errno in _DISK_FULL:
        return _disk_full(path)
    reason = error.strerror or str(error)
    return PlatformError(f"{path} cannot be written: {reason}", code="data-dir")


def _disk_full(path: Path) -> PlatformError:
    return PlatformError(
        f"the disk is full: {path} cannot be written",
        code="disk-full",
        hint="make room, then try again; `docker system df` shows what Docker uses",
    )
