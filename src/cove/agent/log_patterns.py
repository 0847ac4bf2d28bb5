"""Lines with a text that the owner asked for, counted as they come: a source of readings.

Imported inside `cove.agent` only. The store is never searched for it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from cove.errors import InvalidFile
from cove.model.alerts import Reading
from cove.model.logs import Record
from cove.observation.alerts.patterns import Says, compiled
from cove.observation.logs.feed import Feed
from cove.ports.watching import RuleBook

_log = logging.getLogger(__name__)
_MINUTE: Final = 60.0
_NANO_MINUTE: Final = 60_000_000_000
_KEPT: Final = 7 * 24 * 60  # minutes, as the longest window of a rule


class _Pattern:
    """One text, and how many lines had it, by app and minute."""

    def __init__(self, text: str, since: float) -> None:
        self.text = text
        self.since = since
        self.counts: dict[str, Counter[int]] = {}
        try:
            self.says: Says = compiled(text)
        except InvalidFile as error:  # kept by a version that understood it
            _log.warning("the alert on %r finds nothing any more: %s", text, error.message)
            self.says = lambda _: False

    def within(self, app: str, first: int) -> int:
        """The app's lines from a minute on; what is too old is dropped."""
        counts = self.counts.get(app)
        if not counts:
            return 0
        for minute in [m for m in counts if m < first - _KEPT]:
            del counts[minute]
        return sum(count for minute, count in counts.items() if minute >= first)


class LogPatterns:
    """Listens only while there is a text to look for. `apps` says which apps there are."""

    def __init__(self, feed: Feed, apps: Callable[[], list[str]]) -> None:
        self._feed = feed
        self._apps = apps
        self._patterns: dict[str, _Pattern] = {}  # by app; "": of those that have none of their own
        self._silent: frozenset[str] = frozenset()  # apps whose own setting is: none

    def read(self, rules: RuleBook, now: float) -> Iterator[Reading]:
        """How many lines within the rule's window, for every app that has a text."""
        self._settle(rules, now)
        for app in self._apps():
            pattern = self._of(app)
            if pattern is None:
                continue
            rule = rules.of("log-pattern", app)
            count = pattern.within(app, int((now - rule.window) // _MINUTE))
            lines = "1 line has" if count == 1 else f"{count} lines have"
            yield Reading(
                rule="log-pattern",
                app=app,
                subject="",
                value=count,
                text=f"{lines} {pattern.text!r} within {rule.window / _MINUTE:g} min",
                # What was there before nobody counted.
                hold=count <= rule.clear and now - pattern.since < rule.window,
            )

    def _settle(self, rules: RuleBook, now: float) -> None:
        """Takes up the texts as they are set now; what was counted for another is dropped."""
        own = rules.apps("log-pattern")
        wanted = {app: rules.of("log-pattern", app).pattern for app in ("", *own)}
        self._silent = frozenset(app for app in own if not wanted[app])
        self._patterns = {
            app: known
            if (known := self._patterns.get(app)) and known.text == text
            else _Pattern(text, now)
            for app, text in wanted.items()
            if text
        }
        self._feed.watch(self._hear if self._patterns else None)

    def _of(self, app: str) -> _Pattern | None:
        if app in self._silent or app.startswith("_"):
            return None
        return self._patterns.get(app) or self._patterns.get("")

    def _hear(self, record: Record) -> None:
        """Called for every line while there is a text, so it does little."""
        app = record.source.app
        pattern = self._of(app)
        if pattern is not None and pattern.says(record.text):
            minute = record.at // _NANO_MINUTE
            if minute > time.time() / _MINUTE - _KEPT:
                pattern.counts.setdefault(app, Counter())[minute] += 1
