"""Which records a query asks for, among those not in the store yet. Pure.

Imported inside `cove.observation.logs` and by the agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from cove.model.access import router_of
from cove.model.expressions import LIVELY, Expression
from cove.model.logs import LogQuery, Record

_PART: Final = "[0-9A-Za-z_\\x80-\\U0010ffff]"  # of a word, as the store's filters see it


def matcher(query: LogQuery) -> Callable[[Record], bool]:
    """Whether a record is asked for.

    Raises Refused (`log-pattern`) for a regular expression that is none, or too large to be tried
    on each record as it comes.
    """
    fits, says = within(query), saying(query)
    if says is None:
        return fits
    return lambda record: fits(record) and says(record.text)


def within(query: LogQuery) -> Callable[[Record], bool]:
    """Whether a record fits all of a query but the text that is looked for."""
    about = router_of(query.requests_of) if query.requests_of else ""

    def fits(record: Record) -> bool:
        at, source = record.at, record.source
        return (
            record.level >= query.level
            and at >= query.since
            and (not query.until or at < query.until)
            and query.app in ("", source.app)
            and not (query.apps_only and source.app.startswith("_"))
            and query.service in ("", source.service)
            and query.release in (0, source.release)
            and query.container in ("", source.container)
            and query.stream in ("", source.stream)
            and about in record.text
        )

    return fits


def saying(query: LogQuery) -> Callable[[str], bool] | None:
    """Whether a text holds what is looked for; None when nothing is. Raises as `matcher`."""
    if not query.text:
        return None
    if query.regex:
        expression = Expression(
            query.text, word=query.word, ignore_case=query.ignore_case, largest=LIVELY
        )
        return lambda text: expression.matches(text.encode("utf-8", "surrogatepass"))
    if not query.word and not query.ignore_case:
        return lambda text: query.text in text
    escaped = re.escape(query.text)
    bounded = f"(?<!{_PART}){escaped}(?!{_PART})" if query.word else escaped
    # ASCII letters alone, as the store does
    found = re.compile(bounded, re.IGNORECASE | re.ASCII if query.ignore_case else 0)
    return lambda text: found.search(text) is not None
