from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore, upkeep
from cove.adapters.logstore.database import Damaged, Database
from cove.adapters.logstore.room import Room
from cove.errors import PlatformError
from cove.model.logs import Cursor, LogPolicy, LogQuery, Record

from support import logs

MIB = 1 << 20
KEEP_ALL = LogPolicy(days=1e6)


def noisy(
    number: int, *, at: int = logs.T0, app: str = "shop", service: str = "web"
) -> list[Record]:
    """Records that hardly compress: 1 KiB each."""
    made = logs.lines(number, at=at, app=app, service=service)
    return [Record(r.at, r.source, f"{r.at} {os.urandom(512).hex()}", r.level) for r in made]


def texts(store: ChunkStore, **query: Any) -> list[str]:
    """What a store finds."""
    return [record.text for record in store.search(LogQuery(**query))]


@settings(max_examples=60, deadline=None)
@given(batches=logs.batches(most=30), query=logs.QUERIES, times=st.integers(1, 3))
def test_merging_changes_no_answer(batches, query, times):
    """However often small chunks are merged, every search and count answers as before."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ChunkStore(Path(folder) / "logs.db")) as store,
    ):
        for app, service, records in batches:
            for record in records:
                store.seal(app, service, [record], ())
        before = Counter(map(logs.key, store.search(query)))
        counts, services = store.counts(query), store.services()
        chunks = store._database.rows("SELECT count(*) FROM chunk")[0][0]
        for _ in range(times):
            store.compact(0)
        assert Counter(map(logs.key, store.search(query))) == before
        assert Counter(store.counts(query)) == Counter(counts)
        assert [(s.app, s.service, s.records) for s in store.services()] == [
            (s.app, s.service, s.records) for s in services
        ]
        if chunks > 30:
            assert store._database.rows("SELECT count(*) FROM chunk")[0][0] < chunks


@settings(max_examples=60, deadline=None)
@given(batches=logs.batches(most=12), days=st.sampled_from([0.0, 0.005, 0.01, 0.05]))
def test_age_deletes_what_is_old_and_counts_stay_right(batches, days):
    """No chunk is left that ended before the horizon, none is deleted that did not, counts fit."""
    records = [record for *_, some in batches for record in some]
    now = max(record.at for record in records)
    horizon = now - int(days * 86_400e9)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ChunkStore(Path(folder) / "logs.db")) as store,
    ):
        for app, service, some in batches:
            store.seal(app, service, some, ())
        store.retain(LogPolicy(days=days), now)
        kept = [r for *_, some in batches if some[-1].at >= horizon for r in some]
        assert Counter(map(logs.key, store.search(LogQuery()))) == Counter(map(logs.key, kept))
        assert sorted(
            store.counts(LogQuery()), key=lambda c: (c.minute, c.app, c.service, c.level)
        ) == (logs.counted(LogQuery(), kept))


def test_total_bound_keeps_the_newest(tmp_path):
    """At the bound the oldest go, the newest stay, and the disk gets its bytes back."""
    with closing(ChunkStore(tmp_path / "logs.db", KEEP_ALL)) as store:
        records = noisy(26_000)
        for begin in range(0, len(records), 500):
            store.seal("shop", "web", records[begin : begin + 500], ())
        before = Room(tmp_path / "logs.db").taken()
        freed = store.retain(LogPolicy(days=1e6, total=18 * MIB), records[-1].at)
        after = Room(tmp_path / "logs.db").taken()
        found = texts(store)
    assert found == [r.text for r in reversed(records)][: len(found)]
    assert 5000 < len(found) < 26_000
    assert after <= 18 * MIB
    assert before - after == freed > 2 * MIB


def test_sealing_never_passes_the_bound(tmp_path):
    """However much is sealed, the files stay below the bound, and hold the newest."""
    path = tmp_path / "logs.db"
    with closing(ChunkStore(path, LogPolicy(days=1e6, total=20 * MIB))) as store:
        records = noisy(26_000)
        for begin in range(0, len(records), 500):
            store.seal("shop", "web", records[begin : begin + 500], ())
            assert Room(path).taken() <= 20 * MIB
        assert texts(store, limit=100) == [r.text for r in reversed(records)][:100]


def test_a_loud_app_loses_its_own_lines(tmp_path):
    """What an app has beyond its share is taken from its own oldest lines."""
    with closing(ChunkStore(tmp_path / "logs.db", KEEP_ALL)) as store:
        store.seal("quiet", "web", noisy(1000, app="quiet"), ())
        loud = noisy(10_000, app="loud", at=logs.T0 + 10**9)
        for begin in range(0, len(loud), 500):
            store.seal("loud", "web", loud[begin : begin + 500], ())
        store.retain(LogPolicy(days=1e6, per_app=2 * MIB), loud[-1].at)
        assert len(texts(store, app="quiet")) == 1000
        assert sum(s.stored for s in store.services() if s.app == "loud") <= 2 * MIB
        assert texts(store, app="loud", limit=1) == [loud[-1].text]


def test_more_than_the_bound_is_refused(tmp_path):
    """Records that fit under no circumstances are refused, and the store still works."""
    with closing(ChunkStore(tmp_path / "logs.db", LogPolicy(total=4 * MIB))) as store:
        with pytest.raises(PlatformError) as refused:
            store.seal("shop", "web", noisy(8000), ())
        assert refused.value.specific_code == "disk-full"
        store.seal("shop", "web", logs.lines(3), ())
        assert len(texts(store)) == 3


def test_a_full_disk_loses_the_oldest(tmp_path):
    """When nothing more can be written, the oldest lines make room for the new ones."""
    with closing(ChunkStore(tmp_path / "logs.db", KEEP_ALL)) as store:
        records = noisy(12_000)
        for begin in range(0, 8000, 500):
            store.seal("shop", "web", records[begin : begin + 500], ())
        pages = store._database.writer.execute("PRAGMA page_count").fetchone()[0]
        # SQLite itself says that the disk is full when the file would pass this
        store._database.writer.execute(f"PRAGMA max_page_count = {pages + 20}")
        for begin in range(8000, 10_000, 500):
            store.seal("shop", "web", records[begin : begin + 500], ())
            store._room.reserve()
        found = texts(store)
    newest = [r.text for r in reversed(records[:10_000])]
    assert found == newest[: len(found)]
    assert len(found) >= 2000


def test_cursors_are_kept_with_their_records(tmp_path):
    """Cursors are replaced by stream, kept over a restart, and forgotten by container."""
    path = tmp_path / "logs.db"
    one, two = Cursor("c1", "stdout", 5, 1), Cursor("c2", "stderr", 7, 2)
    with closing(ChunkStore(path)) as store:
        store.seal("shop", "web", logs.lines(2), [one, two])
        store.seal("shop", "web", (), [newer := Cursor("c1", "stdout", 9, 3)])
    with closing(ChunkStore(path)) as store:
        assert store.cursors() == (newer, two)
        store.forget({"c1", "unknown"})
        assert store.cursors() == (two,)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\7" * 9000]
)
def test_a_damaged_file_is_set_aside(tmp_path, content):
    """What is no log is kept beside under another name, once, and a new file begun."""
    path = tmp_path / "logs.db"
    for _ in range(3):
        path.write_bytes(content)
        with closing(ChunkStore(path)) as store:
            store.seal("shop", "web", logs.lines(3), ())
            assert len(texts(store)) == 3
    asides = list(tmp_path.glob("logs.db.damaged-*"))
    assert [aside.read_bytes() for aside in asides] == [content]


def test_damage_found_while_running_begins_anew(tmp_path):
    """A file that turns out damaged costs what was in it, and nothing after."""
    path = tmp_path / "logs.db"
    with closing(ChunkStore(path)) as store:
        for begin in range(0, 20_000, 2000):
            store.seal("shop", "web", logs.lines(2000, at=logs.T0 + begin * 10**9), ())
        store._database.checkpoint()
    damaged = bytearray(path.read_bytes())
    for page in range(8192, len(damaged), 8192):
        damaged[page : page + 100] = b"\xff" * 100
    path.write_bytes(damaged)
    with closing(ChunkStore(path)) as store:
        with pytest.raises(PlatformError):
            texts(store)
        store.seal("shop", "web", logs.lines(5), ())
        assert len(texts(store)) == 5
    assert len(list(tmp_path.glob("logs.db.damaged-*"))) == 1


def test_one_damaged_chunk_hides_no_other(tmp_path):
    """A chunk whose checksum does not hold is left out, and can be deleted."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for n in range(3):
            store.seal("shop", "web", logs.lines(10, at=logs.T0 + n * 10**12), ())
        store._database.writer.execute(
            "UPDATE body SET text = x'00ff', meta = x'00' WHERE chunk = 2"
        )
        assert len(texts(store)) == 20
        assert store.counts(LogQuery(text="end"))
        store.compact(0)
        store.retain(LogPolicy(days=0), logs.T0 + 10**15)
        assert texts(store) == []
        assert store.services() == ()


def test_a_newer_layout_is_not_touched(tmp_path):
    """A file of another layout is kept beside as it is."""
    path = tmp_path / "logs.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with closing(ChunkStore(path)) as store:
        assert store.services() == ()
    assert len(list(tmp_path.glob("logs.db.damaged-*"))) == 1


def test_the_file_is_its_owners_alone(tmp_path):
    """Nobody else on the machine reads what services wrote."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        store.seal("shop", "web", logs.lines(3), ())
        assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}


def test_damage_found_while_merging_begins_anew(tmp_path, monkeypatch):
    """Merging that meets a damaged file sets it aside and goes on, without waiting for itself."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for n in range(10):
            store.seal("shop", "web", logs.lines(10, at=logs.T0 + n * 10**12), ())

        def damaged(database: Database, run: object) -> None:
            monkeypatch.undo()
            raise Damaged(f"{database.path} is damaged", code="state")

        monkeypatch.setattr(upkeep, "merge", damaged)
        store.compact(0)
        store.seal("shop", "web", logs.lines(3), ())
        assert len(texts(store)) == 3
