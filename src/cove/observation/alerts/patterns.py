"""What a text of the rule `log-pattern` means. Pure; imported in this package and by the agent.

Every line of every app is held against it as it comes, in the process that serves. So an
expression may only be so large, and takes time in proportion to the line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cove.errors import InvalidFile, Refused
from cove.model.expressions import LIVELY, Expression

MOST: Final = 1 << 16  # characters of a record that are looked at
Says = Callable[[str], bool]


def compiled(pattern: str) -> Says:
    """What says whether a record has the text. Raises InvalidFile (`alert-rule`).

    `/…/` is a regular expression, as for `cove logs`; behind it may stand `i`, for either case.
    """
    body, either = _expression(pattern)
    if body is None:
        return lambda text: pattern in text[:MOST]
    try:
        expression = Expression(body, ignore_case=either, largest=LIVELY)
    except Refused as refusal:
        raise InvalidFile(refusal.message, code="alert-rule", hint=refusal.hint) from None
    if expression.matches(b""):
        raise InvalidFile(
            f"the pattern {pattern} is true of every line",
            code="alert-rule",
            hint="cove alerts set --help",
        )
    return lambda text: expression.matches(text[:MOST].encode("utf-8", "surrogatepass"))


def _expression(pattern: str) -> tuple[str | None, bool]:
    for end in ("/", "/i"):
        if pattern.startswith("/") and pattern.endswith(end) and len(pattern) > len(end) + 1:
            return pattern[1 : -len(end)], end == "/i"
    return None, False
