r"""Regular expressions as people give them: RE2's, whose time grows with the text and no faster.

Imported by every layer above. What is written with other engines in mind means the same here, but
for backreferences and looking around, which are refused, as are `\Z` and `[\b]` of Python. `\w`,
`\d` and `\b` are of ASCII, and `\s` is without `\v`; `$` is the very end, not also before a last
line end; `a{,3}` is a text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cove.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 4096  # bytes of a text; a longer expression is no mistake of a person
# Instructions. The worst there is takes 7 ns for each of them and each byte of a text.
LARGEST: Final = 8000
LIVELY: Final = 1000  # for what every line is held against as it comes
_MEMORY: Final = 2 << 20  # bytes for the states of one expression
# No letter, digit or underscore, and nothing beyond ASCII; as filters of words see it.
_BESIDE: Final = r"[^\w\x{80}-\x{10FFFF}]"
# What means the text's ends, whatever the mode, or takes a byte whatever it is. Found a few times
# too often, as in `\\A`, which costs time only.
_OF_WHOLE: Final = re.compile(r"\\[AzCQ]|\(\?[A-Za-z]*-[A-Za-z]*m")

# What neither takes a line's end nor asks for an end: letters, classes without it, and the like.
_IN_LINE: Final = re.compile(
    r"(?:[^\\\[^$(\x00-\x1f]|\\[dwbBS]|\\[!-/:-@\[-`{-~]|\[(?![\^\[:])|\((?!\?(?!:)))*"
)


class Expression:
    """A regular expression that is looked for."""

    def __init__(
        self, text: str, *, word: bool = False, ignore_case: bool = False, largest: int = LARGEST
    ) -> None:
        """`word`: beside what is found is no part of a word. Raises Refused (`log-pattern`)."""
        written = text.encode("utf-8", "surrogatepass")
        if len(written) > LONGEST:
            raise refused(f"it is longer than {LONGEST} bytes")
        single = _compiled(written, case_sensitive=not ignore_case)
        if word:
            written = rf"(?:^|{_BESIDE})(?:".encode() + _ended(written)
            written += rf")(?:$|{_BESIDE})".encode()
            single = _compiled(written, case_sensitive=not ignore_case)
        if single.programsize > largest:
            raise refused(f"it is too large, at {single.programsize} of at most {largest} steps")
        self._single = single
        self.steps = int(single.programsize)
        self._lines: Any = None
        self.in_line = _IN_LINE.fullmatch(text) is not None and not word
        if not _OF_WHOLE.search(text):
            self._lines = _compiled(
                b"(?m)" + written, case_sensitive=not ignore_case, never_nl=True
            )

    # Whether a text of several lines holds it just when one of its lines does.
    in_line: bool
    steps: int  # of the program; each takes 7 ns for each byte at most

    @property
    def by_line(self) -> bool:
        """Whether `find` may be asked."""
        return self._lines is not None

    def matches(self, text: bytes) -> bool:
        """Whether a text holds it."""
        return self._single.search(text) is not None

    def find(self, text: bytes, begin: int, end: int) -> int:
        """Where the first line that holds it is found to, each line being a text of its own; or -1.

        `begin` and `end` are ends of lines.
        """
        found = self._lines.search(text, begin, end)
        return -1 if found is None else int(found.start())

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """What of a text is meant: from and to which character."""
        text = text.encode("utf-8", "replace").decode()  # what RE2 cannot read, as one character
        for found in self._single.finditer(text):
            yield found.span()


class Text:
    """A text as it stands, found without holding Python's lock, and mostly quicker than by it."""

    def __init__(self, text: bytes) -> None:
        """Of any bytes. Raises Refused (`log-pattern`) when it is too long."""
        self._text = _compiled(text, literal=True, encoding=_engine().Options.Encoding.LATIN1)

    def find(self, text: bytes, begin: int = 0) -> int:
        """Where it is found first, or -1."""
        found = self._text.search(text, begin)
        return -1 if found is None else int(found.start())


def _ended(written: bytes) -> bytes:
    r"""The same, with the end of what `\Q` began and nothing ended."""
    if rb"\Q" not in written:
        return written
    with suppress(Refused):  # `\E` alone is none
        _compiled(written + rb"\E")
        return written + rb"\E"
    return written


def _compiled(written: bytes, **given: Any) -> Any:
    re2 = _engine()
    options = re2.Options()
    chosen = {"max_mem": _MEMORY, "log_errors": False, "never_capture": True, **given}
    for name, value in chosen.items():
        setattr(options, name, value)
    try:
        return re2.compile(written, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise refused(said.decode(errors="replace") if isinstance(said, bytes) else said) from None
    finally:
        re2.purge()  # it would keep the last 128, with the memory of each


def _engine() -> Any:
    import re2  # noqa: PLC0415 - 3 MiB and 8 ms that many never need

    return re2


def refused(reason: str) -> Refused:
    """What is raised for an expression that cannot be looked for."""
    return Refused(
        f"the regular expression cannot be searched for: {reason}",
        code="log-pattern",
        hint="write it as RE2 has it, without looking around, or search for a plain text",
    )
