"""Docker's bytes as entries, wherever the network cut them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters.docker.collecting import Frames, Terminal

AT = "2030-01-31T12:00:00.123456789Z"
NANO = 1_896_091_200_123_456_789


def frame(text: str, stream: int = 1, at: str = AT) -> bytes:
    """One entry as the Engine sends it."""
    payload = f"{at} {text}".encode()
    return struct.pack(">BxxxI", stream, len(payload)) + payload


def test_an_entry_has_its_stream_time_and_text() -> None:
    """To the nanosecond; a line's end is no part of it."""
    entries, rest = Frames().entries(frame("one\n") + frame("två\r\n", 2))
    assert entries == [("stdout", NANO, "one", True), ("stderr", NANO, "två", True)]
    assert rest == b""


def test_a_piece_says_that_it_does_not_end() -> None:
    """Docker cuts a line every 16 KB, and only its last piece has a newline."""
    entries, _ = Frames().entries(frame("a" * 16384) + frame("b\n"))
    assert [(len(text), whole) for _, _, text, whole in entries] == [(16384, False), (1, True)]


def test_what_is_no_text_stays_readable() -> None:
    """Bytes that are no UTF-8 become replacement characters, and an empty line stays one."""
    payload = f"{AT} ".encode() + b"\xff\xfe\n"
    data = struct.pack(">BxxxI", 1, len(payload)) + payload + frame("\n")
    entries, _ = Frames().entries(data)
    assert [text for _, _, text, _ in entries] == ["\ufffd\ufffd", ""]


@pytest.mark.parametrize(
    ("at", "nano"),
    [
        ("2030-01-31T12:00:00Z", NANO - 123_456_789),
        ("2030-01-31T12:00:00.5Z", NANO - 123_456_789 + 500_000_000),
        ("2030-01-31T13:00:00.123456789+01:00", NANO),
    ],
)
def test_times_of_other_log_drivers_are_read_too(at: str, nano: int) -> None:
    """Fewer digits, or another zone."""
    entries, _ = Frames().entries(frame("x\n", at=at))
    assert entries == [("stdout", nano, "x", True)]


def test_what_has_no_time_has_that_of_the_line_before() -> None:
    """Nothing is lost of an answer that is not as it should be."""
    payload = b"no time\n"
    odd = struct.pack(">BxxxI", 1, len(payload)) + payload
    entries, _ = Frames().entries(frame("x\n") + odd)
    assert entries[1] == ("stdout", NANO, "no time", True)


@given(st.data())
def test_it_does_not_matter_where_the_bytes_are_cut(data: st.DataObject) -> None:
    """However an answer comes in chunks, the entries are the same."""
    texts = data.draw(st.lists(st.text(max_size=20).map(lambda t: t.replace("\n", "")), max_size=9))
    whole = b"".join(frame(f"{t}\n", 1 + len(t) % 2) for t in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    frames, rest, found = Frames(), b"", []
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        entries, rest = frames.entries(rest + whole[begin:end])
        found += entries
    assert rest == b""
    assert [text for _, _, text, _ in found] == [t.removesuffix("\r") for t in texts]


def test_a_terminal_has_one_stream_without_frames() -> None:
    """Lines end with CR LF; what was begun waits for its end, which may be the container's."""
    terminal = Terminal()
    entries, rest = terminal.entries(f"{AT} one\r\n{AT} tw".encode())
    assert entries == [("stdout", NANO, "one", True)]
    assert terminal.last(rest) == [("stdout", NANO, "tw", True)]


def test_the_pieces_of_a_terminals_line_are_told_apart() -> None:
    """Each begins with the time of its line, which is no part of the text."""
    data = f"{AT} {'a' * 16384}{AT} {'b' * 16384}{AT} c\r\n".encode()
    entries, _ = Terminal().entries(data)
    assert [(text[0], len(text), whole) for _, _, text, whole in entries] == [
        ("a", 16384, False),
        ("b", 16384, False),
        ("c", 1, True),
    ]
