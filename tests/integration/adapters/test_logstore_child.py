from __future__ import annotations

import subprocess
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore, search
from cove.errors import Refused
from cove.model.logs import LogQuery, Record, Source

from support import logs
from support.polling import until

ENDLESS = LogQuery(text=r"(?:x+x+)+y", regex=True)  # takes for ever on a row of x

SOME = LogQuery(text=r"x\d?", regex=True)


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
    child = until(lambda: stuck._child, "a child")
    stuck.close()
    reader.join(30)
    assert not reader.is_alive()
    assert child.returncode is not None
    assert found == []


def test_closing_the_store_ends_its_searches(tmp_path):
    """Nothing of a search outlives the store."""
    store = ChunkStore(tmp_path / "logs.db")
    store.seal("shop", "web", logs.lines(1000), ())
    running = store.search(SOME)
    assert next(running).text
    child = running._child
    store.close()
    assert child
    assert child.returncode is not None
    assert list(running) == []


def test_a_child_searches_again(store):
    """The next search has the child of the one before, and its own answers."""
    first = list(store.search(SOME))
    child = store._children._resting
    assert child
    assert list(store.search(LogQuery(text="^no such line$", regex=True))) == []
    assert store.counts(SOME)
    assert list(store.search(SOME)) == first
    assert store._children._resting is child
    store.close()
    assert child.returncode is not None


def test_a_child_outlives_the_thread_that_searched(store):
    """Each search of the agent has a thread of its own, which ends with it."""
    found = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            found.append(thread.submit(lambda: list(store.search(SOME))).result())
        found.append(store._children._resting)
    first, child, second, same = found
    assert first == second
    assert child is same


def test_a_child_that_ended_meanwhile_is_replaced(store):
    """Whether that is known or not when the next search begins."""
    first = list(store.search(SOME))
    for known in (True, False):
        child = store._children._resting
        child.kill()
        if known:
            child.wait()
        assert list(store.search(SOME)) == first
        assert store._children._resting is not child
        assert child.returncode is not None


def test_a_child_rests_for_a_while_only(store, monkeypatch):
    """Nobody asks any more: it ends by itself, and upkeep takes leave of it."""
    script = "import cove.adapters.logstore.child as c; c._PATIENCE = 0.1; c.main()"
    start = subprocess.Popen

    def impatient(argv: list[str], **given: Any) -> subprocess.Popen[bytes]:
        return start([*argv[:-2], "-c", script], **given)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", impatient)
        assert list(store.search(SOME))
    child = store._children._resting
    until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z", "its end")
    store.compact(0)
    assert child.returncode == 0
    assert store._children._resting is None


def test_searches_at_once_have_a_child_each(store):
    """One rests afterwards, the others end."""
    some = [store.search(SOME) for _ in range(3)]
    assert len({next(one).text for one in some}) == 1
    children = [one._child for one in some]
    assert len({child.pid for child in children if child}) == 3
    rest = [[record.text for record in one] for one in some]
    assert rest[0] == rest[1] == rest[2]
    assert [child.returncode is None for child in children if child].count(True) == 1
