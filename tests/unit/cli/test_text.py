from __future__ import annotations

import pytest

from cove.cli import text
from cove.errors import InvalidFile


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (259200, "3 days ago"),
    ],
)
def test_ages_are_told_coarsely(seconds: int, said: str) -> None:
    """An age has one unit, the largest that says something."""
    assert text.ago(1_000_000 - seconds, 1_000_000) == said


def test_what_never_happened_has_no_age() -> None:
    """A time of 0 means never."""
    assert text.ago(0, 1_000_000) == ""


def test_a_clock_that_went_backwards_gives_no_negative_age() -> None:
    """A moment slightly in the future is now."""
    assert text.ago(1005, 1000) == "0 s ago"


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (12_300_000, 45_000_000, "12.3/45.0 MB"),
        (0, 45_000_000, "0.0/45.0 MB"),
        (300, 999, "300/999 B"),
        (900_000_000, 1_500_000_000, "0.9/1.5 GB"),
        (12_300_000, 0, "12.3 MB"),
        (0, 0, ""),
    ],
)
def test_shares_are_told_in_the_unit_of_the_whole(done: int, total: int, said: str) -> None:
    """Progress in bytes has one unit, and says nothing where nothing is known."""
    assert text.share(done, total) == said


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [(0.84, "0.8s", "0.8 s"), (42.4, "42s", "42.4 s"), (185.2, "3m05s", "3 min 5 s")],
)
def test_durations(seconds: float, short: str, long: str) -> None:
    """Short durations keep a decimal; long ones have minutes."""
    assert (text.elapsed(seconds), text.took(seconds)) == (short, long)


@pytest.mark.parametrize(
    ("since", "moment"),
    [("10m", 9_400), ("1h30m", 4_600), ("90s", 9_910), ("1970-01-01T01:00:00+00:00", 3_600)],
)
def test_since_takes_durations_and_dates(since: str, moment: int) -> None:
    """--since counts back from now, or names a moment."""
    assert text.moment(since, 10_000) == moment


@pytest.mark.parametrize("since", ["", "m", "10", "soon", "10m ago"])
def test_since_refuses_the_rest(since: str) -> None:
    """What is neither is a usage error with examples."""
    with pytest.raises(InvalidFile) as caught:
        text.moment(since, 10_000)
    assert "1h30m" in caught.value.hint


@pytest.mark.parametrize(
    ("foreign", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b]0;title\x07wiped", "wiped"),
        ("a\rb\x00c\td\n", "abc\td\n"),
        ("\x9b2Jx", "2Jx"),
    ],
)
def test_foreign_text_cannot_move_the_cursor(foreign: str, plain: str) -> None:
    """Control sequences of a container's output never reach the terminal."""
    assert text.safe(foreign, colour=False) == plain


def test_foreign_colours_may_stay() -> None:
    """Where colours are shown, those of the app are, too."""
    assert text.safe("\x1b[1;31mred\x1b[0m\x1b[2J", colour=True) == "\x1b[1;31mred\x1b[0m"


def test_a_foreign_colour_ends_with_its_text() -> None:
    """An app that conceals what it writes does not conceal what cove writes after it."""
    assert text.safe("\x1b[8mhidden", colour=True) == "\x1b[8mhidden\x1b[0m"


def test_foreign_text_cannot_be_shown_backwards() -> None:
    """Marks that turn the direction of writing could make one word look like another."""
    assert text.safe("a\u202eb\u2066c", colour=False) == "abc"


def test_clip_marks_what_it_cut() -> None:
    """A cut text ends in an ellipsis and is as wide as asked."""
    assert (text.clip("abcdef", 4), text.clip("abcd", 4)) == ("abc…", "abcd")
