r"""The syntax of env files, as Compose reads them. Imports the standard library only.

`KEY=value`, `KEY: value` or `export KEY=value` per line; `#` begins a comment at the start of a
line or after white space. Single quotes keep everything as it is; double quotes know `\n` and
kin; both may span lines. Variables are filled in but in single quotes. `KEY` alone takes the
value that the variable of that name has.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final, NamedTuple

from cove.appfile.interpolation import Budget, InterpolationError, Lookup, interpolate

_KEY: Final = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]{0,254})[ \t]*")
_SINGLE: Final = re.compile(r"'([^']*)'")
_DOUBLE: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*")
_REST: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_LINE: Final = re.compile(r"[^\n]*")
_BLANK: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:#[^\n]*\Z)?")
# Not even the name is repeated: it may be a line of a key that should have stood in quotes.
_NO_ENTRY: Final = "a line must read KEY=value; a value of several lines stands in quotes"
_NOT_SET: Final = "a name without a value passes a variable on, and none is so named"
# "$" stays one dollar sign: the text goes through interpolation, where "$$" means that.
_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "$": "$$",
}  # fmt: skip


_MOST: Final = 5_000  # variables of one file


class EnvFileError(Exception):
    """What is wrong in which line (from 1); the text repeats no value."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class Assignment(NamedTuple):
    """One entry: the value as a template, None where it comes from a variable of that name."""

    key: str
    template: str | None
    line: int
    literal: bool  # in single quotes: nothing is filled in


def read_env_file(text: str, lookup: Lookup) -> dict[str, str]:
    """The variables a file sets; later lines see earlier ones. Raises EnvFileError."""
    values: dict[str, str] = {}
    budget = Budget()

    def known(name: str) -> str | None:
        outside = lookup(name)
        return outside if outside is not None else values.get(name)

    for entry in assignments(text):
        values[entry.key] = _value(entry, known, budget)
    return values


def assignments(text: str) -> list[Assignment]:
    """The entries of a file, nothing filled in yet. Raises EnvFileError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: list[Assignment] = []
    ends = [match.start() for match in re.finditer("\n", text)]
    position = _skip(text, 0)
    while position < len(text):
        line = bisect_left(ends, position) + 1
        entry, position = _assignment(text, position, line)
        if len(found) == _MOST:
            raise EnvFileError(line, f"a file sets {_MOST} variables at most")
        found.append(entry)
        position = _skip(text, position)
    return found


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _assignment(text: str, start: int, line: int) -> tuple[Assignment, int]:
    key = _KEY.match(text, start)
    if key is None:
        raise EnvFileError(line, _NO_ENTRY)
    sign = text[key.end() : key.end() + 1]
    if sign in {"=", ":"}:
        template, literal, end = _template(text, key.end() + 1, line)
        return Assignment(key[1], template, line, literal), end
    rest = _REST.match(text, key.end())
    if rest is None:
        raise EnvFileError(line, _NO_ENTRY)
    return Assignment(key[1], None, line, literal=False), rest.end()


def _template(text: str, position: int, line: int) -> tuple[str, bool, int]:
    """A value from behind its sign: the template, whether it is literal, and where it ends."""
    while text[position : position + 1] in {" ", "\t"}:
        position += 1
    quote_mark = text[position : position + 1]
    if quote_mark not in {"'", '"'}:
        rest = _LINE.match(text, position)
        plain = rest[0] if rest else ""
        return _COMMENT.sub("", plain).rstrip(), False, position + len(plain)
    quoted = (_SINGLE if quote_mark == "'" else _DOUBLE).match(text, position)
    if quoted is None:
        raise EnvFileError(line, f"the quote {quote_mark} is not closed")
    rest = _REST.match(text, quoted.end())
    if rest is None:
        last = line + quoted[0].count("\n")
        raise EnvFileError(last, "something follows the closing quote")
    if quote_mark == "'":
        return quoted[1], True, rest.end()
    return _ESCAPE.sub(_unescaped, quoted[1]), False, rest.end()


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def _value(entry: Assignment, lookup: Lookup, budget: Budget) -> str:
    found = lookup(entry.key) if entry.template is None else entry.template
    if found is None:
        raise EnvFileError(entry.line, _NOT_SET)
    try:
        if entry.template is not None and not entry.literal:
            found = interpolate(entry.template, lookup).text
        budget.spend(found)
    except InterpolationError as error:
        hint = "; single quotes keep a dollar sign as it is"
        raise EnvFileError(entry.line, f"{entry.key}: {error}{hint}") from None
    return found
