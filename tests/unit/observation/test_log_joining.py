"""Lines become records: each line once, wherever reading broke off, and traces in one piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.model.logs import LEVELS, Record, Source
from cove.observation.logs import joining
from cove.observation.logs.joining import Lane
from cove.observation.logs.order import Doubt

SOURCE = Source(app="shop", service="web", container="c1")
MILLI = 1_000_000
SECOND = 1_000_000_000


class Reader:
    """A lane with the records it told."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.lane = Lane(SOURCE, "c1", self.records.append)

    def texts(self) -> list[str]:
        self.lane.end()
        return [record.text for record in self.records]


def read(text: str, gap: int = MILLI) -> list[str]:
    """The records of lines that were written shortly one after the other."""
    reader = Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        reader.lane.feed(number * gap, line, whole=True)
    return reader.texts()


JAVA = """\
ERROR request failed
java.lang.IllegalStateException: boom
\tat a.B.c(B.java:1)
\tat a.B.d(B.java:2)
Caused by: java.io.IOException: no
\tat a.B.e(B.java:3)
\t... 2 more"""
PYTHON = """\
ERROR:root:failed
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in f
    raise ValueError(1)
ValueError: 1"""
GO = """\
panic: runtime error: index out of range [3]

goroutine 1 [running]:
main.main()
\t/src/main.go:4 +0x39"""
PRETTY = '{\n  "level": "warn",\n  "text": "x"\n}'


@pytest.mark.parametrize("trace", [PYTHON, GO, PRETTY])
def test_a_trace_is_one_record(trace: str) -> None:
    """And what comes before and after it is not part of it."""
    assert read(f"before\n{trace}\nafter")[-1] == "after"
    assert trace in "\n".join(read(f"before\n{trace}\nafter")[-2:-1])


def test_a_java_trace_hangs_on_its_exception() -> None:
    """Frames and causes belong to the line that names the exception."""
    assert read(JAVA + "\nafter") == ["ERROR request failed", JAVA.partition("\n")[2], "after"]


def test_lines_that_stand_alone_stay_alone() -> None:
    """Nothing is joined that does not look as if it went on."""
    lines = ["one", "two", "", "three: x", "[1] four", "GET / 200"]
    assert read("\n".join(lines)) == lines


def test_what_comes_later_is_another_record() -> None:
    """An indented line after a pause is no continuation."""
    assert read("one\n  two", gap=joining.GAP + 1) == ["one", "  two"]


def test_a_record_has_its_first_lines_time_and_level() -> None:
    """That is when it happened."""
    reader = Reader()
    reader.lane.feed(5 * MILLI, "ERROR boom", whole=True)
    reader.lane.feed(6 * MILLI, "\tat x", whole=True)
    reader.lane.end()
    (record,) = reader.records
    assert (record.at, LEVELS[record.level]) == (5 * MILLI, "error")


def test_pieces_become_a_line() -> None:
    """Docker's pieces share a time; the last one ends the line."""
    reader = Reader()
    reader.lane.feed(7, "a", whole=False)
    reader.lane.feed(7, "b", whole=False)
    reader.lane.feed(7, "c", whole=True)
    reader.lane.feed(8, "d", whole=True)
    assert reader.texts() == ["abc", "d"]


def test_a_line_whose_end_was_never_written_ends_with_the_next() -> None:
    """Pieces of another time are another line's."""
    reader = Reader()
    reader.lane.feed(7, "a", whole=False)
    reader.lane.feed(9, "b", whole=False)
    reader.lane.feed(9, "c", whole=True)
    assert reader.texts() == ["a", "bc"]


def test_neither_a_line_nor_a_record_grows_without_end() -> None:
    """An app that never ends its line, or indents for ever, takes bounded memory."""
    reader = Reader()
    for _ in range(100):
        reader.lane.feed(7, "a" * 16384, whole=False)
    for number in range(5000):
        reader.lane.feed(8 + number, " " + "b" * 100, whole=True)
    texts = reader.texts()
    assert sum(text.count("a") for text in texts) == 100 * 16384
    assert sum(text.count("b") for text in texts) == 5000 * 100
    assert max(map(len, texts)) <= joining.LONGEST_LINE + 16384


def test_what_waits_is_told_when_nothing_more_comes() -> None:
    """A record is whole after a short silence, and a line without its end after a longer one."""
    reader = Reader()
    reader.lane.feed(SECOND, "one", whole=True)
    reader.lane.quiet(SECOND + joining.GAP)
    assert not reader.records
    reader.lane.quiet(SECOND + joining.GAP + 1)
    assert [record.text for record in reader.records] == ["one"]
    reader.lane.feed(2 * SECOND, "begun", whole=False)
    reader.lane.quiet(3 * SECOND)
    assert reader.lane.unfinished
    reader.lane.quiet(3 * SECOND + joining.DISORDER)
    assert reader.records[-1].text == "begun"


def test_a_resting_streams_cursor_moves_with_the_others() -> None:
    """What it could still bring is at most as late as Docker's disorder: all before is read."""
    lane = Reader().lane
    newest = 100 * SECOND
    assert lane.cursor(newest).last == newest - joining.DISORDER
    lane.feed(newest, "x", whole=True)
    assert lane.cursor(newest).last == 0  # it has not ended, and will be read again
    lane.end()
    assert (lane.cursor(newest).last, lane.cursor(newest).count) == (newest, 1)


def test_lines_that_come_again_are_told_once() -> None:
    """What Docker sends a second time is known by its times, in the middle of a record too."""
    reader = Reader()
    lines = ["a", "b", "Traceback (most recent call last):", "  File x", "  y", "KeyError: 1", "c"]
    for number, text in enumerate(lines[:5]):
        reader.lane.feed(SECOND + number, text, whole=True)
    for number, text in list(enumerate(lines))[1:]:
        reader.lane.feed(SECOND + number, text, whole=True)
    doubts = [reader.lane.doubt]
    reader.lane.settle(repeated=True)
    doubts.append(reader.lane.doubt)
    assert doubts == [Doubt("stdout", SECOND + 4, 1, SECOND + 1), None]
    assert reader.texts() == ["a", "\n".join(lines[1:6]), "c"]


def test_one_line_that_comes_again_is_told_once() -> None:
    """The last line itself, a second time, and then what follows it."""
    reader = Reader()
    for at in (1, 2, 2, 3):
        reader.lane.feed(at, f"<{at}>", whole=True)
    reader.lane.settle(repeated=True)
    assert reader.texts() == ["<1>", "<2>", "<3>"]


def test_lines_under_a_clock_that_was_set_back_are_all_told() -> None:
    """They are older than what came before them, and new; also when reading broke off."""
    reader = Reader()
    for at in (100, 101, 50, 51):
        reader.lane.feed(at * SECOND, f"<{at}>", whole=True)
    reader.lane.settle(repeated=False)
    reader.lane.end()
    assert reader.lane.position == (51 * SECOND, 1)
    again = Reader()
    again.lane.resume(101 * SECOND, 1)  # it broke off before the clock was set back
    for at in (100, 101, 50, 51):
        again.lane.feed(at * SECOND, f"<{at}>", whole=True)
    again.lane.settle(repeated=False)
    assert again.texts() == ["<50>", "<51>"]
    assert reader.texts() == ["<100>", "<101>", "<50>", "<51>"]


def test_lines_held_back_are_not_read_yet() -> None:
    """However much newer they are than what came before, the cursor stays behind them."""
    reader = Reader()
    for at in (SECOND, SECOND, 60 * SECOND):
        reader.lane.feed(at, "x", whole=True)
        reader.lane.quiet(at + SECOND)
    assert reader.lane.doubt is not None
    assert reader.lane.cursor(60 * SECOND).last == SECOND


def test_times_that_are_coarse_are_doubted_once() -> None:
    """Where lines do share a time, Docker is asked no more."""
    reader = Reader()
    reader.lane.feed(1, "a", whole=True)
    reader.lane.feed(1, "b", whole=True)
    reader.lane.settle(repeated=False)
    reader.lane.feed(1, "c", whole=True)
    assert not reader.lane.doubt
    assert reader.texts() == ["a", "b", "c"]


entries = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, MILLI, 40 * MILLI, 60 * MILLI, 2 * SECOND]),
        st.sampled_from(
            ["x", " y", "\tat z", "Caused by: q", "}", "", "Traceback (most recent call last):"]
        ),
        st.booleans(),
    ),
    max_size=40,
)


@given(entries, st.lists(st.integers(0, 40), max_size=5))
def test_no_line_is_lost_or_repeated_wherever_reading_breaks_off(
    steps: list[tuple[int, str, bool]], breaks: list[int]
) -> None:
    """After each crash the stream is read again from its cursor; every line is told once."""
    at, written = SECOND, []
    for number, (step, text, whole) in enumerate(steps):
        at += step
        written.append((at, f"{text}<{number}>", whole or number == len(steps) - 1))
    records: list[Record] = []
    position = (0, 0)
    for end in [*breaks, len(written)]:
        lane = Lane(SOURCE, "c1", records.append)
        lane.resume(*position)
        for at, text, whole in [e for e in written[:end] if e[0] >= position[0]]:
            lane.feed(at, text, whole=whole)
            if lane.doubt:  # two lines of one time, as a coarse clock has them
                lane.settle(repeated=False)
        if end == len(written):
            lane.end()
        position = lane.position
    told = "".join(record.text for record in records)
    marks = [int(part.partition(">")[0]) for part in told.split("<")[1:]]
    assert marks == list(range(len(written)))
