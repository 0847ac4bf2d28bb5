"""Regular expressions in the store: what they find, and how such a search ends."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.logstore import ChunkStore, patterns, words
from cove.adapters.logstore.chunk import Lines, pack
from cove.adapters.logstore.patterns import Pattern, required
from cove.errors import PlatformError, Refused
from cove.model.expressions import Expression
from cove.model.logs import LogQuery, Record, Source

from support import logs
from support.polling import until

# A hundred times as long over a text as others are.
SLOW = LogQuery(text=r"(?:.{0,100}e){6}Z", regex=True)
# pieces from which patterns are put together
PIECES = st.sampled_from([
    "a", "ab", "key", "=", "[a-k]+", "[^a]", r"\d", r"\s*", ".", ".*", "(a|key)", "(?:ab)?", "K",
    "\u017f", "^", "$", r"\b", r"\A", r"\z", "x{2,}", "\n", r"\n", "é", "(?i:KEY)", "a*?", r"\W",
    "(?i)", "[[:alpha:]]", "a{,2}", r"\Qa.b\E", "(?s)", "(?-m:^)", r"\C", "x|key", "\ud800",
])  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """One with a few megabytes that a slow expression is slow over."""
    with closing(ChunkStore(tmp_path / "logs.db")) as store:
        for number in range(8):
            at = logs.T0 + number * 10**12
            source = Source(app="shop", service="web")
            store.seal("shop", "web", [Record(at + n, source, "e" * 999) for n in range(500)], ())
        yield store


@settings(max_examples=400)
@given(
    pieces=st.lists(PIECES, min_size=1, max_size=4),
    texts=st.lists(logs.TEXTS, min_size=1, max_size=8),
    ignore_case=st.booleans(),
    word=st.booleans(),
    many=st.booleans(),
)
def test_patterns_find_what_each_record_alone_shows(pieces, texts, ignore_case, word, many):
    """No short cut changes what a regular expression finds."""
    text = "".join(pieces)
    try:
        plainly = Expression(text, word=word, ignore_case=ignore_case)
    except Refused:
        return
    texts = texts * (200 if many else 1)
    source = Source(app="a", service="s")
    packed = pack([Record(n, source, one) for n, one in enumerate(texts)])
    lines = Lines("a", "s", packed.meta)
    pattern = Pattern(text, word=word, ignore_case=ignore_case, ended=lambda: False)
    found = list(pattern.indices(packed.plain, lines)) if pattern.narrows(packed.plain) else []
    encoded = [one.encode("utf-8", "surrogatepass") for one in texts]
    assert found == [n for n, one in enumerate(encoded) if plainly.matches(one)]
    if found:
        held = words.distinct(packed.plain)
        assert words.may_hold(words.build(held), pattern.wanted)


@settings(max_examples=30, deadline=None)
@given(
    batches=logs.batches(),
    query=logs.QUERIES,
    text=st.sampled_from(["a+b?", "^key", "k.y$", "(?:ab|-)", r"\w=", r"a\na", r"\Akey"]),
)
def test_a_search_finds_what_looking_at_each_finds(batches, query, text):
    """And counts them, sealed or not."""
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


@pytest.mark.parametrize(
    ("text", "found", "fold"),
    [
        ("a(bc)+d", b"bc", False),
        ("error: .*timeout", b"error: ", False),
        ("(foo|bar)baz", b"baz", False),
        ("x?", b"", False),
        ("(?i)KEY", b"key", True),
        ("(?i:KEY)q", b"q", False),
        ("[[:alpha:]]", b"", False),
        (r"\Qlonger\E", b"", False),
        ("a{,2}longer", b"longer", False),
    ],
)
def test_required_texts(text, found, fold):
    """Of a pattern, the longest text that every match contains is looked for first."""
    assert required(text, ignore_case=False) == (found, fold)


def test_what_takes_too_long_is_refused(store, monkeypatch):
    """Of the processor's time there is so much for each search."""
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    with pytest.raises(Refused, match="processor"):
        list(store.search(SLOW))
    with pytest.raises(Refused, match="processor"):
        store.counts(SLOW)
    assert next(store.search(LogQuery(text="e+$", regex=True))).text == "e" * 999


@pytest.mark.parametrize("by_store", [False, True])
def test_closing_ends_a_slow_search(store, by_store):
    """From another thread, long before it has looked at everything; who reads on is told."""
    slow = store.search(SLOW)
    found: list[Record] = []
    told: list[str] = []

    def read() -> None:
        try:
            found.extend(slow)
        except PlatformError as error:
            told.append(error.specific_code)

    reader = threading.Thread(target=read)
    reader.start()
    until(slow._running.locked, "a search that is at work")
    (store if by_store else slow).close()
    reader.join(30)
    assert not reader.is_alive()
    assert found == []
    assert told == (["logs-away"] if by_store else [])


def test_what_cannot_be_compiled_is_refused(store):
    """When the first answer is asked for."""
    search = store.search(LogQuery(text="(", regex=True))
    with pytest.raises(Refused):
        next(search)
