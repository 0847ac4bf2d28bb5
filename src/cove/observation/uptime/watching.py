"""`Uptime`: looks at every route, for as long as the agent lives. Imported by the agent.

What it keeps may fail without harm: looking and alerts go on, and history has a gap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from cove.errors import PlatformError
from cove.model.uptime import Minute, Outage, RouteUptime, Target
from cove.observation.uptime import course as courses
from cove.observation.uptime.counting import (
    MINUTE,
    SPANS,
    availability,
    minutes,
    outages,
    summed,
)
from cove.observation.uptime.course import Course, Turn
from cove.observation.uptime.looking import look
from cove.ports import Probe
from cove.ports.watching import RouteProbe, UptimeStore

_log = logging.getLogger(__name__)
_TURN: Final = 2.0  # seconds between two looks at what is due
_PARALLEL: Final = 4
_FIRST: Final = 1.0  # seconds between two first looks: an agent that starts has other work


class Uptime:
    """`targets` says what there is to look at, now; it is asked often and must be cheap."""

    def __init__(
        self,
        targets: Callable[[], Iterable[Target]],
        proxy: RouteProbe,
        direct: Probe,
        store: UptimeStore,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._find = targets
        self._proxy = proxy
        self._direct = direct
        self._store = store
        self._now = now
        self._targets: dict[str, Target] = {}
        self._courses: dict[str, Course] = {}
        self._due: dict[str, float] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._minutes: list[Minute] = []
        self._flushed = 0.0
        self._said = ""

    async def run(self) -> None:
        """Runs until cancelled; no failure ends it."""
        await self._recall()
        while True:
            self._turn()
            if self._now() - self._flushed >= MINUTE:
                await self.flush()
            await asyncio.sleep(_TURN)

    def hurry(self, app: str) -> None:
        """Something happened to the app: its routes are looked at now."""
        for target in self._targets.values():
            if target.app == app:
                self._due[target.route] = 0.0

    def current(self) -> tuple[tuple[Target, Course], ...]:
        """Every route there is, and what is known of it."""
        return tuple((t, self._courses.get(key, Course())) for key, t in self._targets.items())

    def known(self) -> dict[str, Course]:
        """What is known of each route, by its domain and path."""
        return dict(self._courses)

    async def flush(self) -> None:
        """Keeps what was watched since the last time; what cannot be kept is dropped."""
        found, self._minutes = summed(self._minutes), []
        self._flushed = self._now()
        if found:
            await self._kept(lambda: self._store.add_minutes(found, self._flushed))

    async def views(self, app: str = "") -> list[RouteUptime]:
        """Every route with its figures, by name. Raises PlatformError."""
        return [view for view, _ in await self.histories(app)]

    async def histories(self, app: str = "") -> list[tuple[RouteUptime, tuple[Outage, ...]]]:
        """The same, each with the outages that are kept, oldest first. Raises PlatformError."""
        now = self._now()
        self._refresh()
        sums = await asyncio.to_thread(self._store.sums, now, tuple(SPANS.values()))
        days = await asyncio.to_thread(self._store.days, now)
        histories = []
        for target, course in sorted(self.current(), key=lambda pair: pair[0].route):
            if app and target.app != app:
                continue
            past = outages(await asyncio.to_thread(self._store.changes, target.route))
            found = sums.get(target.route, {})
            seen = course.look
            view = RouteUptime(
                app=target.app,
                route=target.route,
                url=target.url,
                state=course.state,
                since=course.since,
                detail=course.detail,
                checked=seen.at if seen else 0.0,
                seconds=seen.seconds if seen else 0.0,
                expires=seen.expires if seen else 0.0,
                answering=seen.answering if seen else 0,
                replicas=seen.replicas if seen else len(target.addresses),
                rolling=target.rolling,
                availability={
                    name: availability(*found.get(span, (0.0, 0.0))) for name, span in SPANS.items()
                },
                outage=past[-1] if past else None,
                days=days.get(target.route, ()),
            )
            histories.append((view, tuple(past)))
        return histories

    def _refresh(self) -> None:
        """Takes up what there is to look at now. Raises PlatformError."""
        found = {target.route: target for target in self._find()}
        for key, target in self._targets.items():
            if key in found and _is_other(target, found[key]):
                self._due[key] = 0.0
        self._targets = found
        self._courses = {k: c for k, c in self._courses.items() if k in self._targets}
        self._due = {k: at for k, at in self._due.items() if k in self._targets}

    def _turn(self) -> None:
        now = first = self._now()
        try:
            self._refresh()
        except PlatformError as error:
            self._say(f"routes are not looked at: {error.message}")
            return
        for key, target in self._targets.items():
            if target.paused:
                self._rest(target, now)
                continue
            if key not in self._due:
                self._due[key] = first
                first += _FIRST
            if self._due[key] <= now and key not in self._busy:
                self._begin(target)

    def _rest(self, target: Target, now: float) -> None:
        if target.route not in self._busy:
            self._due.pop(target.route, None)
            course = self._courses.get(target.route, Course())
            self._take(target, courses.rested(course, target, now))

    def _begin(self, target: Target) -> None:
        self._busy.add(target.route)
        task = asyncio.create_task(self._look(target))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look(self, target: Target) -> None:
        key = target.route
        try:
            async with self._slots:
                began = self._now()
                seen = await look(target, self._proxy, self._direct, began)
            present = self._targets.get(key)
            if present is None or present.paused:
                return  # it was stopped meanwhile: what was seen may be its end
            before = self._courses.get(key, Course())
            turn = courses.looked(before, present, seen)
            if turn.watched:
                self._minutes += minutes(target.app, key, turn.watched, seen.seconds)
            self._due[key] = courses.due(turn.course)
            self._take(present, turn)
        finally:
            self._busy.discard(key)

    def _take(self, target: Target, turn: Turn) -> None:
        self._courses[target.route] = turn.course
        change = turn.change
        if change is None:
            return
        task = asyncio.create_task(self._kept(lambda: self._store.add_change(change)))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _recall(self) -> None:
        def recall() -> None:
            for change in self._store.latest():
                self._courses[change.route] = courses.recalled(change)

        await self._kept(recall)
        # Routes that are gone are dropped with the first turn.
        self._flushed = self._now()

    async def _kept(self, act: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(act)
        except PlatformError as error:
            self._say(f"uptime is not kept: {error.message}")
        else:
            self._said = ""

    def _say(self, text: str) -> None:
        if text != self._said:
            _log.warning("%s", text)
        self._said = text


def _is_other(before: Target, after: Target) -> bool:
    """Whether a rollout has just ended, or something else leads elsewhere."""
    return (before.rolling and not after.rolling) or before.addresses != after.addresses
