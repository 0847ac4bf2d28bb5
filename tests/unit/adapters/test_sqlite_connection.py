from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from cove.adapters.sqlite import SqliteStore, connection
from cove.adapters.sqlite.connection import Database
from cove.adapters.sqlite.migrations import MIGRATIONS, migrate
from cove.errors import InvalidFile, PlatformError

from support.store import Backwards, begin, deploy, opened, recorded, spec, stored


def open_store(path: Path, pool: str = "10.201.0.0/16") -> SqliteStore:
    """A store that is expected not to open."""
    return SqliteStore(path, Backwards(), pool)


def pragma(store: SqliteStore, name: str) -> Any:
    """One setting of the store's own connection."""
    row = store._db.row(f"PRAGMA {name}")
    assert row is not None
    return row[0]


def test_everything_survives_closing(tmp_path):
    """What was written is there when the file is opened again."""
    with opened(tmp_path / "cove.db") as store:
        written = deploy(store)
    with opened(tmp_path / "cove.db") as store:
        assert recorded(store).live == written.number
        assert stored(store, written.number).placements == written.placements


def test_writes_are_made_durable(tmp_path):
    """The file is a write-ahead log synced at each commit, with references enforced."""
    with opened(tmp_path / "cove.db") as store:
        assert pragma(store, "journal_mode") == "wal"
        assert pragma(store, "synchronous") == 2  # FULL
        assert pragma(store, "foreign_keys") == 1
        assert pragma(store, "busy_timeout") > 0


def test_what_was_asked_before_is_not_read_again_until_something_is_written(tmp_path):
    """The agent asks the same every few seconds; an answer is never older than the last write."""
    with opened(tmp_path / "cove.db") as store:
        statements: list[str] = []
        store._db._connection.set_trace_callback(statements.append)
        for number in range(1, 4):
            deploy(store)
            statements.clear()
            asked = [(recorded(store).live, store.rollouts("shop", 1)) for _ in range(3)]
            assert asked == [asked[0]] * 3
            assert asked[0][0] == number
            assert len(statements) == 2


def test_a_large_answer_is_not_remembered(tmp_path):
    """What is remembered is bounded, in bytes and in number."""
    with opened(tmp_path / "cove.db") as store:
        rollout = begin(store)
        store.save_plan(rollout, b"x" * 100_000)
        assert store.interrupted()[0].plan == store.interrupted()[0].plan != b""
        for number in range(1000):
            store.app(f"app-{number}")
        assert len(store._db._answers) <= connection._REMEMBERED
        remembered = [v for rows in store._db._answers.values() for row in rows for v in row]
        assert b"x" * 100_000 not in remembered


def test_files_belong_to_the_owner_alone(tmp_path):
    """Nobody else may read the file or the logs SQLite keeps beside it, whatever the umask."""
    before = os.umask(0)
    try:
        with opened(tmp_path / "cove.db") as store:
            deploy(store)
            files = sorted(tmp_path.iterdir())
            assert [f.name for f in files] == ["cove.db", "cove.db-shm", "cove.db-wal"]
            assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    finally:
        os.umask(before)


def test_loose_modes_are_tightened(tmp_path):
    """A file that others could read no longer is once it has been opened."""
    path = tmp_path / "cove.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_newer_data_is_refused(tmp_path):
    """Data of a newer cove is left alone, and the message says that cove is too old."""
    path = tmp_path / "cove.db"
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(PlatformError, match="cove is older than its data") as caught:
        open_store(path)
    assert caught.value.specific_code == "state"
    assert path.read_bytes()[100:] == before[100:]  # the header notes the switch to WAL


def test_migrations_run_in_order_and_once():
    """Each script runs once, in order, and data written between them stays."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    first = "CREATE TABLE a (x);\nINSERT INTO a VALUES (1);"
    second = "ALTER TABLE a ADD COLUMN y DEFAULT 2;"
    migrate(raw, (first,))
    migrate(raw, (first, second))
    migrate(raw, (first, second))
    assert raw.execute("SELECT x, y FROM a").fetchall() == [(1, 2)]
    assert raw.execute("PRAGMA user_version").fetchone() == (2,)
    raw.close()


def test_failed_migration_leaves_the_last_schema():
    """A script that fails half-way leaves nothing of itself behind."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(raw, ("CREATE TABLE a (x);", "CREATE TABLE b (x);\nINSERT INTO nowhere VALUES (1)"))
    assert raw.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]
    assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()


def test_a_migration_of_another_process_counts(tmp_path):
    """A second process that opens new data at the same time finds the schema already made."""
    path = tmp_path / "cove.db"

    class Racing(sqlite3.Connection):
        """A connection before whose first transaction another process migrates."""

        def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
            if statement == "BEGIN IMMEDIATE" and not self.total_changes:
                with opened(path) as other:
                    begin(other)
            return super().execute(statement, *rest)

    raw = sqlite3.connect(path, isolation_level=None, factory=Racing)
    migrate(raw)
    assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert raw.execute("SELECT name FROM apps").fetchall() == [("shop",)]
    raw.close()


def test_full_disk_is_said_and_nothing_half_written(tmp_path):
    """A full disk is named as the cause, undoes the transaction, and is over when there is room."""
    with opened(tmp_path / "cove.db") as store:
        rollout = begin(store)
        pages = pragma(store, "page_count")
        store._db.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(PlatformError, match="the disk is full") as caught:
            store.save_plan(rollout, b"x" * 100_000)
        assert caught.value.specific_code == "disk-full"
        assert caught.value.hint
        assert store.interrupted()[0].plan == b""
        store._db.rows("PRAGMA max_page_count = 1000000")
        store.save_plan(rollout, b"x" * 100_000)
        assert len(store.interrupted()[0].plan) == 100_000


def test_full_disk_at_the_start_is_said(tmp_path, monkeypatch):
    """A disk without room for the new file is named as the cause too."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(connection, "_make_private", full)
    with pytest.raises(PlatformError) as caught:
        open_store(tmp_path / "cove.db")
    assert caught.value.specific_code == "disk-full"


def test_data_that_cannot_be_written_is_said(tmp_path):
    """A file that turned read-only is named as the data directory's problem."""
    with opened(tmp_path / "cove.db") as store:
        store._db.rows("PRAGMA query_only = ON")
        with pytest.raises(PlatformError) as caught:
            store.reserve_subnet("shop", "", ())
        assert caught.value.specific_code == "data-dir"
        assert str(tmp_path / "cove.db") in caught.value.message


def test_missing_directory_is_said(tmp_path):
    """A data directory that does not exist is named."""
    with pytest.raises(PlatformError, match="No such file") as caught:
        open_store(tmp_path / "nowhere" / "cove.db")
    assert caught.value.specific_code == "data-dir"


def test_damaged_file_is_said(tmp_path):
    """A file that is no database is left as it is, with a way out."""
    path = tmp_path / "cove.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(PlatformError, match="is damaged") as caught:
        open_store(path)
    assert caught.value.specific_code == "state"
    assert path.read_bytes() == b"not a database" * 100


def test_file_in_use_is_said(tmp_path, monkeypatch):
    """A write that another process keeps out ends in an error, not in a wait without end."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.01)
    path = tmp_path / "cove.db"
    with opened(path) as store, opened(path) as other:
        with (
            other._db.write(),
            pytest.raises(PlatformError, match="in use by another process") as caught,
        ):
            store.reserve_subnet("shop", "", ())
        assert caught.value.specific_code == "state"
        assert store.reserve_subnet("shop", "", ()).name == "shop"


def test_a_failing_body_leaves_nothing():
    """A transaction whose body raises changes nothing, and the next one works."""
    database = Database(":memory:")

    def insert(name: str, *rest: str) -> None:
        with database.write() as db:
            db.execute("INSERT INTO apps VALUES (?, '', '10.0.0.0/26', 0, 0)", (name,))
            assert rest

    with pytest.raises(AssertionError):
        insert("shop")
    insert("blog", "no failure")
    assert [row["name"] for row in database.rows("SELECT name FROM apps")] == ["blog"]
    database.close()


def test_anything_else_is_a_platform_error():
    """What the schema forbids reaches callers as cove's own error."""
    with opened() as store, pytest.raises(PlatformError) as caught:
        store.add_event(99, "notice", -1, "of no rollout", {})
    assert caught.value.specific_code == "state"


def test_two_apps_cannot_hold_one_route_whoever_writes():
    """The schema itself keeps a second app off a claimed route."""
    with opened() as store:
        deploy(store)
        deploy(store, spec("blog", ["blog.example.com"]))
        with pytest.raises(PlatformError, match="two apps claim"), store._db.write() as db:
            db.execute("INSERT INTO claims VALUES ('shop.example.com/', 'blog', 1)")


@pytest.mark.parametrize("pool", ["10.0.0.0/27", "fd00::/64", "everything", "10.0.0.1/16"])
def test_unusable_pool_is_refused(pool):
    """A pool that is no IPv4 range with room for one app is refused."""
    with pytest.raises(InvalidFile) as caught:
        SqliteStore(":memory:", Backwards(), pool)
    assert caught.value.specific_code == "pool"
