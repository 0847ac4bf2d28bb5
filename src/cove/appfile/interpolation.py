"""Compose's variables in values: `$VAR`, `${VAR:-default}` and kin. Imports the standard library.

Unlike in Compose, a variable that is not set and has no default is an error: an empty password or
image tag is never what was meant. Imported by this package alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

Lookup = Callable[[str], str | None]

_MAX_NESTING: Final = 20
_MAX_RESULT: Final = 1024 * 1024  # characters of one value
_MAX_TOTAL: Final = 4 * 1024 * 1024  # characters of all values of one file
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MENTION: Final = re.compile(r"\$(?:\$|\{?([A-Za-z_][A-Za-z0-9_]*))")
_BRACES: Final = re.compile(r"\$\$|\$\{|\}")
_OPERATORS: Final = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(Exception):
    """Why a value cannot be filled in; the text is for people and repeats no variable's value."""


class Interpolated(NamedTuple):
    """The resulting text, and whether any variable had a part in it."""

    text: str
    used: bool


def interpolate(text: str, lookup: Lookup) -> Interpolated:
    """Fills in the variables of `text`. Raises InterpolationError."""
    if "$" not in text:
        return Interpolated(text, used=False)
    scanner = _Scanner(text, lookup)
    result, _ = scanner.scan(0, nesting=0)
    return Interpolated(result, scanner.used)


class Budget:
    """What the values of one file may grow to, all together."""

    def __init__(self) -> None:
        self._left = _MAX_TOTAL

    def spend(self, text: str) -> None:
        """Counts one value. Raises InterpolationError once there are too many."""
        self._left -= len(text)
        if self._left < 0:
            raise InterpolationError("the values of the file grow beyond 4 MB in all")


def variables_in(text: str) -> frozenset[str]:
    """Every variable that `text` mentions, defaults included; never raises."""
    return frozenset(name for name in _MENTION.findall(text) if name)


class _Scanner:
    """One pass over one text."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self._text = text
        self._lookup = lookup
        self.used = False

    def scan(self, position: int, nesting: int) -> tuple[str, int]:
        """The text from `position`, up to its end or, in braces, to the closing one."""
        if nesting > _MAX_NESTING:
            raise InterpolationError(f"variables are nested more than {_MAX_NESTING} deep")
        parts: list[str] = []
        while position < len(self._text):
            stop = self._next(position, nesting)
            parts.append(self._text[position:stop])
            if stop >= len(self._text) or self._text[stop] == "}":
                return _joined(parts), stop
            value, position = self._variable(stop, nesting)
            parts.append(value)
        return _joined(parts), position

    def _next(self, position: int, nesting: int) -> int:
        """Where the plain text ends: at a `$`, or at a `}` inside braces."""
        ends = [self._text.find("$", position)]
        if nesting:
            ends.append(self._text.find("}", position))
        return min((end for end in ends if end >= 0), default=len(self._text))

    def _variable(self, dollar: int, nesting: int) -> tuple[str, int]:
        following = self._text[dollar + 1 : dollar + 2]
        if following == "$":
            return "$", dollar + 2
        self.used = True
        if following == "{":
            return self._braced(dollar + 2, nesting)
        name = _NAME.match(self._text, dollar + 1)
        if name is None:
            raise InterpolationError('a "$" that begins no variable is written "$$"')
        return self._required(name[0]), name.end()

    def _braced(self, start: int, nesting: int) -> tuple[str, int]:
        name = _NAME.match(self._text, start)
        if name is None:
            raise InterpolationError('"${" wants a variable\'s name; write "$${" for itself')
        operator = next((o for o in _OPERATORS if self._text.startswith(o, name.end())), "")
        word_at = name.end() + len(operator)
        end = self._closing(word_at) if operator else word_at
        if self._text[end : end + 1] != "}":
            raise InterpolationError(f'"${{{name[0]}" is not closed with "}}"')
        if not operator:
            return self._required(name[0]), end + 1
        return self._operate(name[0], operator, word_at, nesting), end + 1

    def _closing(self, position: int) -> int:
        """The brace that ends the expression whose word begins at `position`."""
        depth = 0
        for match in _BRACES.finditer(self._text, position):
            if match[0] == "${":
                depth += 1
            elif match[0] == "}":
                if depth == 0:
                    return match.start()
                depth -= 1
        return len(self._text)

    def _operate(self, name: str, operator: str, word_at: int, nesting: int) -> str:
        value = self._lookup(name)
        present = bool(value) if operator.startswith(":") else value is not None
        match operator[-1]:
            case "+":
                return self.scan(word_at, nesting + 1)[0] if present else ""
            case _ if present and value is not None:
                return value
            case "?":
                message = self._text[word_at : self._closing(word_at)]
                raise InterpolationError(f"{name} must be set: {message or 'required'}")
            case _:
                return self.scan(word_at, nesting + 1)[0]

    def _required(self, name: str) -> str:
        value = self._lookup(name)
        if value is None:
            raise InterpolationError(
                f"the variable {name} is not set; set it, or write ${{{name}:-default}}"
            )
        return value


def _joined(parts: list[str]) -> str:
    if sum(map(len, parts)) > _MAX_RESULT:
        raise InterpolationError("the value grows beyond 1 MB")
    return "".join(parts)
