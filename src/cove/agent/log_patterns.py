"""Records with a text that the owner asked for, counted as they come: a source of readings.

Imported inside `cove.agent` only. What was written within the window before is counted once, when
a text is taken up: so an agent that died forgets none.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import Final

from msgspec.structs import replace

from cove.errors import InvalidFile, PlatformError, Refused
from cove.model.alerts import Reading, Rule
from cove.model.logs import LogQuery, Record
from cove.observation.alerts.patterns import asked
from cove.ports.watching import RuleBook

_log = logging.getLogger(__name__)
_MINUTE: Final = 60.0
_NANO: Final = 1_000_000_000
_NANO_MINUTE: Final = 60_000_000_000
_KEPT: Final = 7 * 24 * 60  # minutes, as the longest window of a rule
_AGAIN: Final = 5.0  # seconds after which a store that could not be read is tried again
_PATIENCE: Final = 600.0  # seconds in which an agent reads what it missed, or never does
_SET_BACK: Final = 1.0  # seconds; less makes no difference to windows
_RARELY: Final = 600.0  # seconds between two warnings of lines that were left out
# Tells records from the query's beginning on and then as they come, as `Reading.watch` does.
Watch = Callable[[LogQuery], AsyncGenerator[Record | int | None, None]]


class _Pattern:
    """One text of one app, or of all, and how many records have it, by app and minute."""

    def __init__(
        self, text: str, app: str, window: float, watch: Watch, turn: asyncio.Lock
    ) -> None:
        """`turn`: of looking at the past, which one does at a time."""
        self.text = text
        self.window = window
        self.known_from = math.inf  # from then on every record is counted
        self._app = app
        self._watch = watch
        self._turn = turn
        self._counts: dict[str, Counter[int]] = {}
        self._left_out = 0
        self._warned = -math.inf
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Counts no more."""
        self._task.cancel()

    def serves(self, rule: Rule | None) -> bool:
        """Whether what it counts is what the rule asks for."""
        if rule is None or not rule.enabled:
            return False
        return rule.pattern == self.text and rule.window <= self.window

    def within(self, app: str, first: int, last: int) -> int:
        """The app's records from one minute to another."""
        counts = self._counts.get(app)
        return sum(n for at, n in counts.items() if first <= at <= last) if counts else 0

    async def _run(self) -> None:
        try:
            query = replace(asked(self.text), app=self._app, apps_only=True)
        except InvalidFile as error:  # kept by a version that understood it
            _log.warning("the alert on %r finds nothing any more: %s", self.text, error.message)
            self.known_from = time.time()
            return
        past = True
        while True:
            try:
                await self._count(query, past=past)
            except Refused as refusal:
                _log.warning("the alert on %r counts from now on: %s", self.text, refusal.message)
                await asyncio.sleep(0 if past else _AGAIN)
                past = False
            except PlatformError:  # told by those who keep logs
                await asyncio.sleep(_AGAIN)
            except Exception:  # noqa: BLE001 - a bug here must not end the alert for good
                _log.exception("the alert on %r is begun anew", self.text)
                await asyncio.sleep(_AGAIN)

    async def _count(self, query: LogQuery, *, past: bool) -> None:
        if not past:
            await self._listen(query, time.time(), limit=-1)
            return
        self.known_from = math.inf
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._turn)
            await self._listen(query, time.time() - self.window, limit=0, turn=turn)

    async def _listen(
        self, query: LogQuery, since: float, *, limit: int, turn: AsyncExitStack | None = None
    ) -> None:
        self.known_from = since if turn is None else math.inf
        self._counts.clear()
        from_then = replace(query, since=int(since * _NANO), limit=limit)
        async with aclosing(self._watch(from_then)) as found:
            async for item in found:
                if isinstance(item, Record):
                    self._add(item.source.app, item.at // _NANO_MINUTE)
                    continue
                if item:
                    self.known_from = time.time()  # there were more, nobody knows how many
                self._warn(item or 0)
                if item is None and turn is not None:  # the past is told
                    self.known_from = since
                    await turn.aclose()
                    turn = None

    def _add(self, app: str, minute: int) -> None:
        if not app.startswith("_"):
            self._counts.setdefault(app, Counter())[minute] += 1

    def forget(self, before: int) -> None:
        """Drops what is older than a minute, of apps that nobody asks about as well."""
        for app, counts in list(self._counts.items()):
            for old in [m for m in counts if m < before]:
                del counts[old]
            if not counts:
                del self._counts[app]

    def _warn(self, left_out: int) -> None:
        self._left_out += left_out
        if self._left_out and time.monotonic() - self._warned > _RARELY:
            self._warned = time.monotonic()
            count, self._left_out = self._left_out, 0
            _log.warning("%d lines came too fast to be held against %r", count, self.text)


class LogPatterns:
    """Listens only while there is a text to look for.

    `apps` says which apps there are; `caught_up`, whether what one wrote while no agent ran has
    been read, and comes no more.
    """

    def __init__(
        self, watch: Watch, apps: Callable[[], list[str]], caught_up: Callable[[str], bool]
    ) -> None:
        self._watch = watch
        self._apps = apps
        self._caught_up = caught_up
        self._turn = asyncio.Lock()
        self._begun = time.monotonic()
        self._latest = -math.inf  # the time of the last look
        self._forgot = 0
        self._patterns: dict[str, _Pattern] = {}  # by app; "": of those that have none of their own
        self._silent: frozenset[str] = frozenset()  # apps whose own setting is: none

    def read(self, rules: RuleBook, now: float) -> Iterator[Reading]:
        """How many records within the rule's window, for every app that has a text."""
        self._settle(rules, now)
        self._forget(int(now // _MINUTE))
        for app in self._apps():
            pattern = self._of(app)
            if pattern is None:
                continue
            rule = rules.of("log-pattern", app)
            begin = now - rule.window
            known = pattern.known_from <= begin and self._read_all(app)
            count = pattern.within(app, int(begin // _MINUTE), int(now // _MINUTE) + 1)
            lines = "1 line has" if count == 1 else f"{count} lines have"
            yield Reading(
                rule="log-pattern",
                app=app,
                subject="",
                value=count,
                text=f"{lines} {pattern.text!r} within {rule.window / _MINUTE:g} min",
                # There may be more than was counted yet.
                hold=count < rule.threshold and not known,
            )

    def _read_all(self, app: str) -> bool:
        """A container that cannot be read must not keep an alert up for good."""
        return self._caught_up(app) or time.monotonic() - self._begun > _PATIENCE

    def _forget(self, minute: int) -> None:
        if minute != self._forgot:
            self._forgot = minute
            for pattern in self._patterns.values():
                pattern.forget(minute - _KEPT)

    def _settle(self, rules: RuleBook, now: float) -> None:
        """Takes up the texts as they are set now; what was counted for another is dropped.

        So is everything once the clock is set back: what comes then has a time before the window.
        """
        set_back, self._latest = now < self._latest - _SET_BACK, now
        own = rules.apps("log-pattern")
        wanted = {app: rules.of("log-pattern", app) for app in ("", *own)}
        self._silent = frozenset(app for app in own if not wanted[app].pattern)
        for app, known in list(self._patterns.items()):
            if not known.serves(wanted.get(app)) or set_back:
                self._patterns.pop(app).close()
        for app, rule in wanted.items():
            if rule.enabled and rule.pattern and app not in self._patterns:
                self._patterns[app] = _Pattern(
                    rule.pattern, app, rule.window, self._watch, self._turn
                )

    def _of(self, app: str) -> _Pattern | None:
        if app in self._silent or app.startswith("_"):
            return None
        return self._patterns.get(app) or self._patterns.get("")
