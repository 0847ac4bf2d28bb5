"""A container's output as lines, whatever the container writes."""

from __future__ import annotations

from cove.adapters.docker import logs
from cove.ports import ContainerFacts

AT = b"2030-01-31T12:00:00.123456789Z"
FACTS = ContainerFacts(id="1", name="n", app="a", service="web-r1", release=1, state="running")


def test_the_pieces_of_a_long_line_become_one() -> None:
    """Docker cuts a line every 16 KB."""
    joiner = logs._Joiner(FACTS)
    assert not joiner.feed("stdout", AT + b" " + b"a" * 16384)
    (line,) = joiner.feed("stdout", AT + b" b\n")
    assert line.text == "a" * 16384 + "b"


def test_a_line_without_end_is_cut_and_nothing_of_it_is_lost() -> None:
    """An app that never ends its line takes a bounded part of the reader's memory."""
    joiner = logs._Joiner(FACTS)
    lines = []
    for _ in range(100):
        lines += joiner.feed("stdout", AT + b" " + b"a" * 16384)
        assert sum(len(p) for _, ps in joiner._open.values() for p in ps) < logs.LONGEST_LINE
    lines += joiner.rest()
    assert sum(len(line.text) for line in lines) == 100 * 16384
    assert max(len(line.text) for line in lines) <= logs.LONGEST_LINE
    assert all(line.at == lines[0].at > 0 for line in lines)


def test_each_stream_is_cut_by_itself() -> None:
    """A flood on one does not cut a line of the other."""
    joiner = logs._Joiner(FACTS)
    joiner.feed("stderr", AT + b" begun ")
    for _ in range(20):
        joiner.feed("stdout", AT + b" " + b"a" * 16384)
    (line,) = joiner.feed("stderr", AT + b" ended\n")
    assert line.text == "begun ended"


def test_a_terminal_without_line_ends_is_cut_too() -> None:
    """What is left over for the next chunk stays small, and keeps its time."""
    pieces, rest = logs._lines(AT + b" " + b"a" * logs.LONGEST_LINE)
    assert [stream for stream, _ in pieces] == ["stdout"]
    assert rest == AT + b" "
    assert pieces[0][1].endswith(b"a\n")
