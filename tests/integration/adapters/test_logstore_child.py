from __future__ import annotations

import tempfile
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore, search
from cove.errors import Refused
from cove.model.logs import LogQuery, Record, Source

from support import logs
from support.polling import until

ENDLESS = LogQuery(text=r"(?:x+x+)+y", regex=True)  # takes for ever on a row of x


@pytest.fixture
def store(tmp_path):
    """One with a thousand records, and one that patterns choke on."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        store.seal("shop", "web", logs.lines(1000), ())
        source = Source(app="bad", service="web")
        store.seal("bad", "web", [Record(logs.T0, source, "xx-" + "x" * 60)], ())
        yield store


@settings(max_examples=15, deadline=None)
@given(
    batches=logs.batches(),
    query=logs.QUERIES,
    text=st.sampled_from(["a+b?", "^key", "k.y$", "(?:ab|-)", r"\w=", "\ud800"]),
)
def test_the_child_finds_what_looking_at_each_finds(batches, query, text):
    """A regular expression finds the same through the child, sealed or not."""
    query = LogQuery(
        app=query.app, level=query.level, text=text, regex=True, ignore_case=query.ignore_case
    )
    *sealed, (_, _, waiting) = batches
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ChunkStore(Path(folder) / "logs.db")) as store,
    ):
        for app, service, records in sealed:
            store.seal(app, service, records, ())
        answer = list(store.search(query, waiting))
        counts = store.counts(query)
    kept = [record for *_, some in sealed for record in some]
    assert Counter(map(logs.key, answer)) == logs.found(query, [*kept, *waiting])
    assert list(counts) == logs.counted(query, kept)


@pytest.mark.parametrize("text", ["(", "a{99999999999}", "x" * 5000])
def test_a_pattern_that_is_none_is_refused(store, text):
    """What cannot be compiled is refused with a reason."""
    with pytest.raises(Refused) as refused:
        list(store.search(LogQuery(text=text, regex=True)))
    assert refused.value.specific_code == "log-pattern"


def test_a_pathological_pattern_ends(store, monkeypatch):
    """A pattern that takes for ever is ended by the kernel, and refused."""
    monkeypatch.setattr(search, "SECONDS", 1)
    with pytest.raises(Refused, match="processor"):
        list(store.search(ENDLESS))
    with pytest.raises(Refused, match="processor"):
        store.counts(ENDLESS)


def test_closing_kills_the_child(store):
    """Closing from another thread ends a search that is stuck in its pattern."""
    stuck = store.search(ENDLESS)
    found = []
    reader = threading.Thread(target=lambda: found.extend(stuck))
    reader.start()
    until(lambda: stuck._child, "a child")
    stuck.close()
    reader.join(30)
    assert not reader.is_alive()
    assert stuck._child.returncode is not None
    assert found == []


def test_closing_the_store_ends_its_searches(tmp_path):
    """Nothing of a search outlives the store."""
    store = ChunkStore(tmp_path / "logs.db")
    store.seal("shop", "web", logs.lines(1000), ())
    running = store.search(LogQuery(text=r"x\d?", regex=True))
    assert next(running).text
    store.close()
    assert running._child
    assert running._child.returncode is not None
    assert list(running) == []
