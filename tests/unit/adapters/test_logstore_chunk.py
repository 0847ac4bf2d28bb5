from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters.logstore import chunk, words
from cove.adapters.logstore.chunk import Lines, decompress, encoded, pack, parts, repack
from cove.errors import PlatformError
from cove.model.logs import Record, Source

from support import logs

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(0, 2**62),
        st.builds(
            Source,
            app=st.just("a"),
            service=st.just("s"),
            release=st.integers(0, 2**31),
            container=ANY_TEXT.map(lambda text: text.encode(errors="replace").decode()),
            stream=st.sampled_from(["stdout", "stderr"]),
        ),
        ANY_TEXT,
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=20,
)


@given(records=RECORDS)
def test_records_come_back_as_they_were(records):
    """Any text, time, level and source survives a chunk."""
    ordered = sorted(records, key=lambda record: record.at)
    packed = pack(ordered)
    lines, plain = Lines("a", "s", packed.meta), decompress(packed.text)
    assert [lines.record(plain, index) for index in range(lines.count)] == ordered
    assert (packed.first, packed.last) == (ordered[0].at, ordered[-1].at)


@given(runs=st.lists(RECORDS, min_size=1, max_size=4))
def test_chunks_put_together_are_as_if_packed_at_once(runs):
    """Those whose times do not overlap; of others nothing is made."""
    ordered = sorted((record for run in runs for record in run), key=lambda record: record.at)
    pieces, begin = [], 0
    for run in runs:
        pieces.append(pack(ordered[begin : begin + len(run)]))
        begin += len(run)
    assert repack((piece.meta, piece.text) for piece in pieces) == pack(ordered)
    if pieces[-1].first > pieces[0].first:
        assert repack((piece.meta, piece.text) for piece in reversed(pieces)) is None


def test_many_sources_in_chunks_that_are_put_together():
    """Chunks of few sources each may have more than a byte can number together."""
    records = [Record(n, Source(app="a", service="s", container=str(n)), "x") for n in range(700)]
    pieces = [pack(records[begin : begin + 100]) for begin in range(0, 700, 100)]
    assert repack((piece.meta, piece.text) for piece in pieces) == pack(records)


def test_many_sources_in_one_chunk():
    """More streams than a byte can number are told apart."""
    records = [Record(n, Source(app="a", service="s", container=str(n)), "x") for n in range(700)]
    packed = pack(records)
    lines, plain = Lines("a", "s", packed.meta), decompress(packed.text)
    assert [lines.record(plain, index) for index in range(700)] == records


@given(records=RECORDS)
def test_parts_sort_and_lose_nothing(records):
    """Records that come out of order are put in order, equal times as they came."""
    together = [record for run in parts(records) for record in run]
    assert together == sorted(records, key=lambda record: record.at)


@pytest.mark.parametrize("frame", ["meta", "text"])
def test_a_flipped_bit_is_noticed(frame):
    """A chunk that has changed on disk is refused, not read as something else."""
    packed = pack(logs.lines(100))
    broken = bytearray(getattr(packed, frame))
    broken[len(broken) // 2] ^= 1
    with pytest.raises(PlatformError, match="damaged"):
        decompress(bytes(broken))


@given(st.sets(st.binary(min_size=1, max_size=12), max_size=300))
def test_a_filter_holds_its_words(some):
    """A word that went in is never denied, alone or in a group."""
    bits = words.build(some)
    other = words.build([b"other"])
    rows = words.regrouped([other, bits, other])
    for word in some:
        place = words.places(word)
        assert words.may_hold(bits, [place])
        assert words.may_hold_each(rows[place.slice], place) & 2


def test_a_filter_denies_most_other_words():
    """Of ten thousand words in a filter, fewer than one in fifty others seems to be there."""
    bits = words.build(f"word{n}".encode() for n in range(10_000))
    wrong = sum(words.may_hold(bits, [words.places(f"no{n}".encode())]) for n in range(2000))
    assert wrong < 40


@given(text=logs.TEXTS, before=logs.TEXTS, behind=logs.TEXTS)
def test_bounded_words_are_in_every_text_around(text, before, behind):
    """What a search asks of a filter is there for each text that holds the one searched for."""
    there = words.distinct(encoded(before + text + behind))
    assert words.bounded(encoded(text), alone=False) <= there
    alone = words.distinct(encoded(f"{before} {text} {behind}"))
    assert words.bounded(encoded(text), alone=True) <= alone


def test_threads_share_what_packs_and_reads() -> None:
    """However many pack and read at once, each gets its own back, and little is kept for later."""
    texts = [f"{number} " * 2000 for number in range(64)]

    def round_trip(text: str) -> str:
        source = Source(app="a", service="s", container="c")
        return decompress(pack([Record(1, source, text, 0)]).text).decode()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(round_trip, texts))
    assert [one.rstrip("\n") for one in found] == texts
    assert len(chunk._compressors) <= 2
    assert len(chunk._decompressors) <= 2
