"""Findings in an app file, all of them, each with its place. Imported by this package alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cove.errors import InvalidFile

_LONGEST_QUOTE = 80  # characters of a value that an error repeats
_MOST_GUESSES = 20  # findings of one file that get a "did you mean"


class Position(NamedTuple):
    """A place in a text; both count from 1."""

    line: int
    column: int


START = Position(1, 1)


class Invalid(Exception):
    """One finding. Raised by whatever reads a value, caught by `Problems.collect`."""

    def __init__(self, at: Position, path: str, text: str) -> None:
        super().__init__(text)
        self.at = at
        self.path = path
        self.text = text


class AlreadyReported(Exception):
    """The value is unusable for a reason that has been collected before."""


class Problems:
    """The one collector of findings. `file` is how the app file is called in errors."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[tuple[Position, str, str], None] = {}
        self._elsewhere: dict[str, None] = {}
        self._guesses = _MOST_GUESSES

    def may_guess(self) -> bool:
        """Whether one more finding may look for what was probably meant; counts it."""
        self._guesses -= 1
        return self._guesses >= 0

    def add(self, at: Position, path: str, text: str) -> None:
        """Records a finding in the app file itself; the same one twice counts once."""
        self._found[at, path, text] = None

    def add_elsewhere(self, file: str, line: int, text: str) -> None:
        """Records a finding in a file that the app file names."""
        self._elsewhere[f"{file}:{line}: {text}"] = None

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Runs a block up to its first finding, records that, and goes on after the block."""
        try:
            yield
        except Invalid as finding:
            self.add(finding.at, finding.path, finding.text)
        except AlreadyReported:
            pass

    def lines(self) -> tuple[str, ...]:
        """Every finding as `file:line:column: path: text`, in the order of the text."""
        found = sorted(self._found, key=lambda finding: finding[0])
        return (*(self._line(*finding) for finding in found), *self._elsewhere)

    def raise_any(self) -> None:
        """Raises InvalidFile if anything was found."""
        lines = self.lines()
        if lines:
            count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
            raise InvalidFile(f"{self.file} is not valid: {count}", problems=lines)

    def _line(self, at: Position, path: str, text: str) -> str:
        where = f"{self.file}:{at.line}:{at.column}: "
        return f"{where}{path}: {text}" if path else f"{where}{text}"


def quote(text: str) -> str:
    """A value as an error shows it: in quotes, on one line, shortened."""
    short = text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
    return f'"{escaped}"'
