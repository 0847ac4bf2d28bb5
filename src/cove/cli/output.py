"""The only place that prints. Results go to stdout; progress, warnings and errors to stderr.

Colours and live lines appear only on a terminal. With `--json`, stdout gets one object per call
(`{"v": 1, ...}`; streams one per line), errors included. Every CLI module may import it.
"""

from __future__ import annotations

import io
import json
import os
import select
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cove.cli.options import Settings
from cove.cli.text import clip, safe
from cove.errors import CoveError

_TURN = 0.1  # seconds between two looks for a signal while an answer is awaited

JSON_VERSION = 1
_STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35}
_STYLES["cyan"] = 36
_UNICODE = {"ok": "✓", "fail": "✗", "undo": "↩", "note": "•", "hint": "→", "bar": "│", "more": "…"}
_ASCII = {"ok": "+", "fail": "x", "undo": "<", "note": "*", "hint": "->", "bar": "|", "more": "."}
# JSON need not escape them (RFC 8259, 7), and a terminal may obey them.
_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
_SPIN = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/")


class Stream:
    """One of the two outputs, with what it can show."""

    def __init__(self, file: TextIO, *, no_color: bool) -> None:
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="replace")  # a log line must never break the command
        self.file = file
        terminal = os.environ.get("TERM", "")
        self.tty = file.isatty()
        self.colour = self.tty and not no_color and terminal != "dumb"
        self.moves = self.tty and terminal != "dumb"  # whether a line can be written over
        self.unicode = _encodes(file, "✓⠋│")

    def style(self, text: str, *styles: str) -> str:
        """The text in the given styles, where the stream shows colours."""
        if not self.colour or not styles or not text:
            return text
        codes = ";".join(str(_STYLES[style]) for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def symbol(self, name: str) -> str:
        """A mark (`ok`, `fail`, …) in what the stream's encoding offers."""
        return (_UNICODE if self.unicode else _ASCII)[name]

    def spinner(self, turn: int) -> str:
        """The spinner's look at its `turn`-th step."""
        frames = _SPIN[0] if self.unicode else _SPIN[1]
        return frames[turn % len(frames)]

    def write(self, text: str) -> None:
        """Writes and flushes."""
        self.file.write(text)
        self.file.flush()


def _encodes(file: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(file, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Output:
    """Everything one call says."""

    def __init__(self, settings: Settings) -> None:
        self.json_wanted = settings.json
        self.quiet = settings.quiet
        self.out = Stream(sys.stdout, no_color=settings.no_color)
        self.err = Stream(sys.stderr, no_color=settings.no_color)
        self._live = False

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return sys.stdin is not None and sys.stdin.isatty() and self.err.tty

    # Results

    def json(self, payload: dict[str, Any]) -> None:
        """One object on stdout, carrying the format's version."""
        text = json.dumps({"v": JSON_VERSION, **payload}, ensure_ascii=False)
        self.out.write(text.translate(_CONTROLS) + "\n")

    def line(self, text: str = "") -> None:
        """One line of the result."""
        self._clear()
        self.out.write(text + "\n")

    def foreign(self, text: str) -> str:
        """Text that others wrote, fit for stdout: unchanged in a pipe, harmless on a terminal."""
        return safe(text, colour=self.out.colour) if self.out.tty else text

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Aligned columns; a cell is (text, style), the style empty for plain."""
        for line in self.aligned(headers, rows):
            self.line(line)

    def aligned(
        self, headers: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]
    ) -> list[str]:
        """The lines of a table."""
        body = [list(row) for row in rows]
        widths = [
            max([len(header), *(len(row[i][0]) for row in body)])
            for i, header in enumerate(headers)
        ]
        head = self._row([(header, "bold") for header in headers], widths)
        return [head, *(self._row(row, widths) for row in body)]

    def screen(self, lines: Sequence[str]) -> None:
        """Replaces what the terminal shows; in a pipe, the lines and an empty one."""
        if not self.out.moves:
            self.out.write("\n".join(lines) + "\n\n")
            return
        room = shutil.get_terminal_size()
        shown = [f"{line}\x1b[K" for line in lines[: room.lines - 1]]
        self.out.write("\x1b[H" + "\n".join(shown) + "\n\x1b[J")

    def _row(self, cells: Sequence[tuple[str, str]], widths: Sequence[int]) -> str:
        padded = [
            self.out.style(text, *filter(None, [style])) + " " * (width - len(text))
            for (text, style), width in zip(cells, widths, strict=True)
        ]
        return "  ".join(padded).rstrip()

    # Progress

    def note(self, text: str = "") -> None:
        """One line of progress; nothing with `--quiet`."""
        if not self.quiet:
            self._clear()
            self.err.write(text + "\n")

    def warn(self, text: str) -> None:
        """Something the user must see, whatever the options."""
        self._clear()
        self.err.write(f"{self.err.style('warning:', 'yellow')} {safe(text, colour=False)}\n")

    def live(self, text: str) -> None:
        """Replaces the live line; only where a line can be written over."""
        if self.err.moves and not self.quiet:
            width = shutil.get_terminal_size().columns - 1
            self.err.write(f"\r\x1b[K{clip(text, width)}")
            self._live = True

    def _clear(self) -> None:
        if self._live:
            self.err.write("\r\x1b[K")
            self._live = False

    # Errors and questions

    def error(self, error: CoveError) -> None:
        """What failed, what was found, what the container wrote, and what to do next."""
        self._clear()
        if self.json_wanted:
            self.json({"error": error.as_dict()})
        else:
            self.explain(error)

    def explain(self, error: CoveError, *, extra: str = "") -> None:
        """The same for people; `extra` is a line that stands before the hint."""
        err = self.err
        self._clear()
        err.write(f"{err.style('error:', 'red', 'bold')} {safe(error.message, colour=False)}\n")
        for problem in error.problems:
            err.write(f"  {safe(problem, colour=False)}\n")
        for line in error.log:
            err.write(f"  {err.style(err.symbol('bar'), 'red')} {safe(line, colour=err.colour)}\n")
        if extra:
            err.write(f"{extra}\n")
        if error.hint:
            arrow = err.style(err.symbol("hint"), "cyan")
            err.write(f"{arrow} {safe(error.hint, colour=False)}\n")

    def ask(self, question: str) -> str:
        """The answer to a question on the terminal; empty at the end of input.

        Raises KeyboardInterrupt at Ctrl-C.
        """
        self._clear()
        self.err.write(f"{question} ")
        # A signal that comes just before a blocking read would be noticed only after it.
        while sys.stdin.isatty() and not select.select([sys.stdin], [], [], _TURN)[0]:
            pass
        return sys.stdin.readline().strip()

    def agrees(self, question: str) -> bool:
        """Whether the person says yes; anything else is no."""
        return self.ask(f"{question} [y/N]").lower() in {"y", "yes"}
