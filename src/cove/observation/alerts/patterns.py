"""What a text of the rule `log-pattern` means. Pure; imported in this package and by the agent.

Every line of every app is held against it as it comes, so an expression may only be so large.
"""

from __future__ import annotations

from cove.errors import InvalidFile, Refused
from cove.model.expressions import LIVELY, Expression
from cove.model.logs import LogQuery


def asked(pattern: str) -> LogQuery:
    """What to look for in the logs, of all apps and times. Raises InvalidFile (`alert-rule`).

    `/…/` is a regular expression, as for `cove logs`; behind it may stand `i`, for either case.
    """
    body, either = _expression(pattern)
    if body is None:
        return LogQuery(text=pattern)
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
    return LogQuery(text=body, regex=True, ignore_case=either)


def _expression(pattern: str) -> tuple[str | None, bool]:
    for end in ("/", "/i"):
        if pattern.startswith("/") and pattern.endswith(end) and len(pattern) > len(end) + 1:
            return pattern[1 : -len(end)], end == "/i"
    return None, False
