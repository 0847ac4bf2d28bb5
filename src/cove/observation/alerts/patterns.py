"""What a text of the rule `log-pattern` means. Pure; imported in this package and by the agent.

Every line of every app is held against it as it comes, in the process that serves. So there is no
regular expression in general here: one that goes back and forth over a line would stop the agent.
What there is takes time in proportion to the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from cove.errors import InvalidFile

MOST: Final = 1 << 16  # characters of a record that are looked at
_ANY: Final = ".*"
_EDGE: Final = r"\b"
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}")
_WORD: Final = "[0-9A-Za-z_]"
Says = Callable[[str], bool]
# Searches one literal from a position on: where it ends, or -1.
_Find = Callable[[str, int], int]


def compiled(pattern: str) -> Says:
    r"""What says whether a record has the text. Raises InvalidFile (`alert-rule`).

    `/…/` may have alternatives (`|`), any text between two others (`.*`), ends of words (`\b`)
    and characters escaped by a backslash; behind it may stand `i`, for either case.
    """
    body, either = _expression(pattern)
    if body is None:
        return lambda text: pattern in text[:MOST]
    choices = tuple(tuple(_parts(piece, either=either)) for piece in _split(body, "|"))

    def says(text: str) -> bool:
        text = text[:MOST]
        return any(_in_turn(finds, text) for finds in choices)

    return says


def _expression(pattern: str) -> tuple[str | None, bool]:
    for end in ("/", "/i"):
        if pattern.startswith("/") and pattern.endswith(end) and len(pattern) > len(end) + 1:
            return pattern[1 : -len(end)], end == "/i"
    return None, False


def _in_turn(finds: tuple[_Find, ...], text: str) -> bool:
    """Each behind the one before; the first place is always good enough."""
    at = 0
    for find in finds:
        at = find(text, at)
        if at < 0:
            return False
    return True


def _split(text: str, mark: str) -> list[str]:
    """At each mark that is not escaped."""
    found, begin, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(mark, at):
            found.append(text[begin:at])
            at += len(mark)
            begin = at
        else:
            at += 1
    return [*found, text[begin:]]


def _parts(piece: str, *, either: bool) -> Iterator[_Find]:
    literals = [part for part in _split(piece, _ANY) if part]
    if not literals:
        raise _refused("it is true of every line")
    for part in literals:
        yield _find(part, either=either)


def _find(part: str, *, either: bool) -> _Find:
    before, after = part.startswith(_EDGE), part.endswith(_EDGE) and not part.endswith(r"\\b")
    inner = part[len(_EDGE) if before else 0 : -len(_EDGE) if after else None]
    literal = _literal(inner)
    if not (before or after or either):
        return lambda text, at: end if (end := text.find(literal, at)) < 0 else end + len(literal)
    begin, end = f"(?<!{_WORD})" if before else "", f"(?!{_WORD})" if after else ""
    found = re.compile(begin + re.escape(literal) + end, re.IGNORECASE if either else 0)
    return lambda text, at: match.end() if (match := found.search(text, at)) else -1


def _literal(part: str) -> str:
    found, at = [], 0
    while at < len(part):
        if part[at] == "\\":
            at += 1
            if at == len(part) or part[at].isalnum():
                raise _refused(f"{part[at - 1 : at + 1]} is not understood")
        elif part[at] in _SPECIAL:
            raise _refused(f"{part[at]} is not understood")
        found.append(part[at])
        at += 1
    if not found:
        raise _refused("a part of it is empty")
    return "".join(found)


def _refused(why: str) -> InvalidFile:
    return InvalidFile(
        rf"the pattern cannot be used: {why}. Between slashes may stand |, .*, \b and escaped"
        " characters: every line is held against it as it comes",
        code="alert-rule",
        hint="cove alerts set --help",
    )
