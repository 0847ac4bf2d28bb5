from __future__ import annotations

import io
import json

import pytest

from cove.cli.options import Settings
from cove.cli.output import Output, Stream
from cove.errors import CoveError


class Terminal(io.StringIO):
    """A terminal, as far as asking it goes."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Puts both outputs on one terminal that shows colours.

    No fixture: pytest puts its own outputs in place between set-up and test.
    """
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def test_colours_appear_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets plain text."""
    terminal = on_terminal(monkeypatch)
    assert Stream(terminal, no_color=False).style("x", "red") == "\x1b[31mx\x1b[0m"
    assert Stream(io.StringIO(), no_color=False).style("x", "red") == "x"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """NO_COLOR and a dumb terminal mean plain text."""
    on_terminal(monkeypatch)
    monkeypatch.setenv(variable, value)
    assert Output(Settings()).out.style("x", "red") == "x"


def test_an_encoding_without_marks_gets_plain_ones() -> None:
    """On a Latin-1 or ASCII terminal nothing fails, and nothing is a question mark."""
    stream = Stream(io.TextIOWrapper(io.BytesIO(), encoding="ascii"), no_color=False)
    assert (stream.symbol("ok"), stream.symbol("bar"), stream.spinner(1)) == ("+", "|", "\\")


def test_text_the_encoding_lacks_is_replaced_not_fatal() -> None:
    """A container's umlaut must not end the command."""
    raw = io.BytesIO()
    wrapper = io.TextIOWrapper(raw, encoding="ascii")
    Stream(wrapper, no_color=False).write("grün\n")
    assert raw.getvalue() == b"gr?n\n"


def test_a_live_line_makes_way_for_lasting_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written over leaves no rest."""
    terminal = on_terminal(monkeypatch)
    out = Output(Settings())
    out.live("working")
    out.note("done")
    assert terminal.getvalue() == "\r\x1b[Kworking\r\x1b[Kdone\n"


def test_a_live_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer one would wrap, and could not be written over."""
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "20")
    Output(Settings()).live("x" * 50)
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 18 + "…"


def test_tables_align_in_spite_of_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape codes have no width."""
    terminal = on_terminal(monkeypatch)
    Output(Settings()).table(["A", "B"], [[("long", "red"), ("x", "")], [("s", ""), ("y", "")]])
    assert terminal.getvalue().splitlines()[1:] == ["\x1b[31mlong\x1b[0m  x", "s     y"]


def test_foreign_text_is_tamed_on_a_terminal_and_whole_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A terminal obeys control sequences; a file only keeps them."""
    on_terminal(monkeypatch)
    assert Output(Settings()).foreign("a\x1b[2Jb") == "ab"
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert Output(Settings()).foreign("a\x1b[2Jb") == "a\x1b[2Jb"


def test_errors_have_all_their_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Message, findings, log, what else is known, and the hint."""
    error = CoveError("it failed", hint="do this", log=("l1",), problems=("p1", "p2"))
    Output(Settings()).explain(error, extra="still fine")
    assert capsys.readouterr().err.splitlines() == [
        "error: it failed",
        "  p1",
        "  p2",
        "  │ l1",
        "still fine",
        "→ do this",
    ]


def test_questions_take_yes_for_yes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter, the end of input and anything else mean no."""
    on_terminal(monkeypatch)
    out = Output(Settings())
    answers = {"y\n": True, "YES\n": True, "\n": False, "": False, "n\n": False, "yup\n": False}
    for text, meant in answers.items():
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert out.agrees("Sure?") is meant, text


def test_json_carries_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal may obey what JSON need not escape; the value stays the same."""
    Output(Settings()).json({"a": "\x9b2J\x7fä"})
    printed = capsys.readouterr().out
    assert printed == '{"v": 1, "a": "\\u009b2J\\u007fä"}\n'
    assert json.loads(printed)["a"] == "\x9b2J\x7fä"
