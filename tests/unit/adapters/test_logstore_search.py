from __future__ import annotations

import itertools
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore, scanning
from cove.adapters.logstore.scanning import Bodies, Body
from cove.errors import PlatformError
from cove.model.logs import LogPolicy, LogQuery, Record, Source

from support import logs

MINUTE = logs.MINUTE


def filled(folder: str | Path, batches: list[tuple[str, str, Sequence[Record]]]) -> ChunkStore:
    """A store that holds the batches."""
    store = ChunkStore(Path(folder) / "logs.db")
    for app, service, records in batches:
        store.seal(app, service, records, ())
    return store


@settings(max_examples=80, deadline=None)
@given(batches=logs.batches(), query=logs.QUERIES, unsealed=st.integers(0, 2), merged=st.booleans())
def test_search_finds_what_looking_at_each_finds(batches, query, unsealed, merged):
    """Whatever is asked, sealed or not yet, merged or not: the very hits, newest first."""
    records = [record for *_, some in batches for record in some]
    sealed = batches[: len(batches) - unsealed]
    waiting = [r for *_, some in batches[len(sealed) :] for r in some]
    with tempfile.TemporaryDirectory() as folder, closing(filled(folder, sealed)) as store:
        if merged:
            store.compact(0)
        answer = list(store.search(query, waiting))
    assert Counter(map(logs.key, answer)) == logs.found(query, records)
    assert [r.at for r in answer] == sorted((r.at for r in answer), reverse=True)


@settings(max_examples=50, deadline=None)
@given(batches=logs.batches(), query=logs.QUERIES)
def test_counts_are_those_of_the_records(batches, query):
    """Counts say what counting each hit says, from the table or by looking."""
    records = [record for *_, some in batches for record in some]
    with tempfile.TemporaryDirectory() as folder, closing(filled(folder, batches)) as store:
        answer = store.counts(query)
    assert sorted(answer, key=lambda c: (c.minute, c.app, c.service, c.level)) == logs.counted(
        query, records
    )


@settings(max_examples=60, deadline=None)
@given(
    batches=logs.batches(), text=logs.TEXTS.filter(bool), before=st.integers(0, 3), data=st.data()
)
def test_context_is_what_stands_beside_in_the_stream(batches, text, before, data):
    """Each hit is followed by its stream's neighbours, oldest first, with their distances."""
    unsealed = data.draw(st.integers(0, 2))
    after = data.draw(st.integers(0, 3))
    sealed = batches[: len(batches) - unsealed]
    waiting = [r for *_, some in batches[len(sealed) :] for r in some]
    streams: dict[Source, list[bytes]] = {}
    for *_, records in batches:
        for record in records:
            streams.setdefault(record.source, []).append(logs.key(record))
    query = LogQuery(text=text, before=before, after=after)
    with tempfile.TemporaryDirectory() as folder, closing(filled(folder, sealed)) as store:
        answer = list(store.search(query, waiting))
    for index, hit in enumerate(answer):
        if hit.context:
            continue
        beside = []
        for one in answer[index + 1 :]:
            if one.context == 0:
                break
            beside.append(one)
        assert [r.context for r in beside] == sorted(r.context for r in beside)
        stream = streams[hit.source]
        plain = [logs.key(Record(r.at, r.source, r.text, r.level)) for r in beside]
        early = sum(r.context < 0 for r in beside)
        around = [*plain[:early], logs.key(hit), *plain[early:]]
        places = [n for n in range(len(stream)) if stream[n : n + len(around)] == around]
        assert any(
            early == min(before, n + early)
            and len(plain) - early == min(after, len(stream) - n - early - 1)
            for n in places
        )


def test_limit_ends_a_search(tmp_path):
    """A limit gives the newest hits and no more."""
    records = logs.lines(5000)
    with closing(filled(tmp_path, [("shop", "web", records)])) as store:
        answer = list(store.search(LogQuery(limit=150)))
        assert answer == list(reversed(records))[:150]


def test_large_batches_become_several_chunks(tmp_path):
    """Twenty thousand records sealed at once are found whole, in order."""
    records = logs.lines(20_000)
    with closing(filled(tmp_path, [("shop", "web", records)])) as store:
        assert list(store.search(LogQuery())) == list(reversed(records))
        chunks = store._database.rows("SELECT count(*), max(raw) FROM chunk")[0]
    assert chunks[0] > 3
    assert chunks[1] < 600_000


@pytest.mark.parametrize("merged", [False, True], ids=["alone", "grouped"])
def test_filters_hide_nothing(tmp_path, merged):
    """A word is found in whichever of many filtered chunks it stands, grouped or not."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        records = logs.lines(36_000, size=400)
        for begin in range(0, len(records), 1000):
            store.seal("shop", "web", records[begin : begin + 1000], ())
        if merged:
            store.compact(0)
        groups = store._database.rows("SELECT count(*) FROM filter_group")[0][0]
        assert bool(groups) is merged
        for record in records[::3001]:
            word = record.text.split()[0]
            assert list(store.search(LogQuery(text=word, word=True))) == [record]
            assert list(store.search(LogQuery(text=f"{word} xx"))) == [record]
            assert list(store.search(LogQuery(text=word[:-1], word=True))) == []


def test_a_search_does_not_find_what_is_sealed_later(tmp_path):
    """What waits and is sealed after the search began is found once."""
    first, later = logs.lines(100), logs.lines(100, at=logs.T0 + 1000 * 10**9)
    with closing(filled(tmp_path, [("shop", "web", first)])) as store:
        search = store.search(LogQuery(), later)
        store.seal("shop", "web", later, ())
        assert list(search) == [*reversed(later), *reversed(first)]


def test_what_cannot_be_read_hides_nothing_before_it(tmp_path, monkeypatch):
    """Newer records are told before the error of an older chunk."""
    records = logs.lines(20_000)
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for begin in range(0, len(records), 1000):
            store.seal("shop", "web", records[begin : begin + 1000], ())
        got = Bodies.text

        def get(self: Bodies, chunk: int) -> Body | None:
            if chunk == 3:
                raise PlatformError("the disk gave nothing back", code="state")
            return got(self, chunk)

        monkeypatch.setattr(Bodies, "text", get)
        search, found = store.search(LogQuery(text="end")), list[Record]()
        with pytest.raises(PlatformError):
            found.extend(iter(lambda: next(search), None))
        monkeypatch.undo()
        assert found == list(reversed(records))[: 17 * 1000]


def test_the_disk_has_more_threads_wait_for_it(tmp_path, monkeypatch):
    """The answer is the same, and in the same order."""
    records = logs.lines(20_000, size=400)
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for begin in range(0, len(records), 500):
            store.seal("shop", "web", records[begin : begin + 500], ())
        read = itertools.count(0, 10_000)
        monkeypatch.setattr(scanning, "_from_disk", lambda: next(read))
        threads, got = set[int](), Bodies.text

        def get(self: Bodies, chunk: int) -> Body | None:
            threads.add(threading.get_ident())
            return got(self, chunk)

        monkeypatch.setattr(Bodies, "text", get)
        assert list(store.search(LogQuery(text="end"))) == list(reversed(records))
    assert len(threads - {threading.get_ident()}) > 2


def test_closing_a_search_frees_everything(tmp_path):
    """A search closed early ends its iteration and leaves no thread or connection."""
    records = logs.lines(40_000)
    with closing(filled(tmp_path, [("shop", "web", records)])) as store:
        search = store.search(LogQuery(text="end"))
        assert next(search) == records[-1]
        search.close()
        search.close()
        assert list(search) == []
        assert not store._searches
        assert store._database._lent == 0


def test_a_search_whose_store_is_gone_does_not_end_as_if_it_were_whole(tmp_path):
    """What was found before is told; one that had ended has ended."""
    records = logs.lines(40_000)
    with closing(filled(tmp_path, [("shop", "web", records)])) as store:
        search, ended = store.search(LogQuery(text="end")), store.search(LogQuery(limit=1))
        assert next(search) == records[-1]
        assert list(ended) == [records[-1]]
    with pytest.raises(PlatformError, match="while it was searched"):
        list(search)
    assert list(ended) == []


def test_searching_while_others_are_deleted(tmp_path):
    """What retention deletes under a search is left out, and the rest is found."""
    records = logs.lines(30_000)
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for begin in range(0, len(records), 3000):
            store.seal("shop", "web", records[begin : begin + 3000], ())
        search = store.search(LogQuery(text="end"))
        answer = [next(search) for _ in range(10)]
        now = records[-1].at
        store.retain(LogPolicy(days=15_000 / 86_400), now)
        answer += search
        assert answer == list(reversed(records))[: len(answer)]
        assert 14_000 < len(answer) < 26_000
