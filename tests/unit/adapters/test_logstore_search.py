from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore

from support import logs

MINUTE = logs.MINUTE


def filled(folder: str | Path, batches):
    """A store that holds the batches."""
    store = ChunkStore(Path(folder) / "logs.db")
    for app, service, records in batches:
        store.seal(app, service, records, ())
    return store


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=100, deadline=None)
@given(batches=logs.batches(), query=logs.QUERIES)
def test_counts_are_those_of_the_records(batches, query):
    """Counts say what counting each hit says, from the table or by looking."""
    records = [record for *_, some in batches for record in some]
    with tempfile.TemporaryDirectory() as folder, closing(filled(folder, batches)) as store:
        answer = store.counts(query)
    assert sorted(answer, key=lambda c: (c.minute, c.app, c.service, c.level)) == logs.counted(
        query, records
    )
