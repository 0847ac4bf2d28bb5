"""What the agent looks after between requests. Imported inside `cove.agent` only.

Every few seconds: does the proxy answer and show every route it was given; are certificates due;
is a container left over that no release explains. Nothing here is in the way of a request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

from cove.agent import observation
from cove.agent.observing import observe
from cove.agent.platform import Parts
from cove.errors import CoveError, PlatformError
from cove.model.views import ProxyView
from cove.ports import AppRecord, Sighting
from cove.rollout import recovery, strays
from cove.rollout.losses import lost

_log = logging.getLogger(__name__)
PROXY_EVERY = 5.0  # seconds
REPAIR_EVERY = 10.0
REPAIR_SOON = 5.0  # where something is wrong, or Docker makes a container wait
SWEEP_EVERY = 60.0
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 600.0
RENEW_EVERY = 3600.0
_Seen = tuple[AppRecord, list[Sighting]]  # an app and its containers


async def watch(parts: Parts) -> None:
    """Runs until cancelled; no failure ends it."""
    await asyncio.gather(
        _every(PROXY_EVERY, _look_at_proxy, parts),
        _every(REPAIR_EVERY, Repairs().look, parts),
        _every(SWEEP_EVERY, Sweeps().look, parts),
        _every(REPAIR_EVERY, _restore_pages, parts),
        _every(RENEW_EVERY, _maintain, parts),
        parts.certification.run(),
        observe(parts),
        parts.measuring.run(),
        observation.run(parts),
    )


async def _every(
    seconds: float, act: Callable[[Parts], Awaitable[float | None]], parts: Parts
) -> None:
    """Acts again and again; an act may say when it wants its next turn."""
    said, pause = "", seconds
    while True:
        await asyncio.sleep(pause)
        pause = seconds
        try:
            pause = await act(parts) or seconds
        except (CoveError, OSError) as error:
            if str(error) != said:  # a Docker that is away is told once, not every few seconds
                _log.warning("%s", error)
            said = str(error)
        else:
            said = ""


async def _look_at_proxy(parts: Parts) -> None:
    before = parts.proxy.view
    view = await parts.proxy.look()
    # A switch under way changes routers between the two looks; only what stays is a problem.
    if view.problem and view.problem != before.problem and view.state == "ready":
        await asyncio.sleep(1)
        view = await parts.proxy.look()
    if view.state == before.state == "down":
        # Docker restarts a proxy that crashed, but not one that was stopped or removed.
        await parts.proxy.ensure()
        view = await parts.proxy.look()
    parts.proxy.view = view
    if _told(view) != _told(before):
        level = logging.WARNING if view.problem else logging.INFO
        _log.log(level, "proxy: %s", _told(view), extra={"happening": "proxy"})


def _told(view: ProxyView) -> str:
    return f"{view.state}; {view.problem}" if view.problem else view.state


class Repairs:
    """Brings back what somebody removed or stopped behind cove's back.

    What cannot be brought back is tried again ever more rarely; `cove status` says why.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._before: dict[str, list[str]] = {}
        self._well: dict[str, _Seen] = {}
        self._patience = Patience(clock)
        self._away = False
        self._resting: set[str] = set()  # containers

    async def look(self, parts: Parts) -> float:
        """Repairs an app in which the same is wrong for the second time: Docker may be at work.

        Returns the seconds until the next look.
        """
        try:
            seen = await parts.engine.sightings()
        except PlatformError:
            self._away = True
            raise
        away, self._away = self._away, False
        if away:  # whatever failed may have failed for that
            self._patience = self._patience.anew()
        await self._end_strays(parts, seen, anew=away)
        await recovery.end_interrupted(parts.rollouts)
        found = self._wrong(parts, seen)
        for app, wrong in found.items():
            unsettled = app in parts.rollouts.unsettled
            if not unsettled and not wrong:
                self._patience.forget(app)
            elif (unsettled or self._still(app, wrong)) and self._patience.tries(app, wrong):
                if wrong and app not in parts.rollouts.troubles:
                    text = "%s: %s; it is brought back"
                    _log.warning(text, app, "; ".join(wrong), extra={"app": app})
                await recovery.restore(app, parts.rollouts)
        self._before = found
        held_back = {one.app for one in seen if one.state == "restarting"}.intersection(found)
        for app in sorted(held_back):
            await recovery.hurry(app, parts.rollouts)
        return REPAIR_SOON if held_back or any(found.values()) else REPAIR_EVERY

    async def _end_strays(self, parts: Parts, seen: Sequence[Sighting], *, anew: bool) -> None:
        """A look through all processes; only where something has come to rest, or is in trouble."""
        resting = {one.id for one in seen if one.state in strays.RESTING}
        if anew or parts.rollouts.troubles or resting - self._resting:
            for app in await strays.end(seen, parts.rollouts.platform):
                self._patience.forget(app)
        self._resting = resting

    def _still(self, app: str, wrong: Sequence[str]) -> bool:
        """Whether any of it was wrong before; what restarts meanwhile is seen now and then."""
        return not set(wrong).isdisjoint(self._before.get(app, ()))

    def _wrong(self, parts: Parts, seen: Sequence[Sighting]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        well: dict[str, _Seen] = {}
        for record, own in _by_app(parts, seen):
            if parts.rollouts.active(record.name):
                continue
            runs = record.live and not record.stopped
            known = self._well.get(record.name) == (record, own)
            release = parts.store.release(record.name, record.live) if runs and not known else None
            found[record.name] = lost(release, own) if release else []
            if not found[record.name]:
                well[record.name] = record, own
        self._well = well
        return found


class Patience:
    """When to try again what keeps failing: at once, then after 10, 20, 40 … 600 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next: dict[str, tuple[float, float]] = {}  # when, and how long to wait after that
        self._wrong: dict[str, frozenset[str]] = {}  # what was, at the last try

    def tries(self, what: str, wrong: Collection[str] = ()) -> bool:
        """Whether it is time for another try, which is then counted.

        At once where all that is `wrong` is something else than the last time.
        """
        if wrong and self._wrong.get(what) and self._wrong[what].isdisjoint(wrong):
            self.forget(what)
        due, pause = self._next.get(what, (0.0, _FIRST_PAUSE))
        if self._clock() < due:
            return False
        self._wrong[what] = frozenset(wrong)
        self._next[what] = (self._clock() + pause, min(2 * pause, _LONGEST_PAUSE))
        return True

    def forget(self, what: str) -> None:
        """It is well, and the next time is the first again."""
        self._next.pop(what, None)
        self._wrong.pop(what, None)

    def anew(self) -> Patience:
        """One that has seen nothing."""
        return Patience(self._clock)


class Sweeps:
    """Removes what is left over; an app in which nothing has changed is left alone."""

    def __init__(self) -> None:
        self._clean: dict[str, _Seen] = {}

    async def look(self, parts: Parts) -> None:
        """One look at every app. Raises PlatformError."""
        before, self._clean = self._clean, {}
        for record, own in _by_app(parts, await parts.engine.sightings()):
            name = record.name
            if before.get(name) == (record, own) or await recovery.sweep(name, parts.rollouts):
                self._clean[name] = record, own


def _by_app(parts: Parts, seen: Sequence[Sighting]) -> Iterator[_Seen]:
    """Every app with its containers, in Docker's order."""
    own: dict[str, list[Sighting]] = {}
    for one in seen:
        own.setdefault(one.app, []).append(one)
    for record in parts.store.apps():
        yield record, own.get(record.name, [])


async def _restore_pages(parts: Parts) -> None:
    await parts.status_pages.restore()


async def _maintain(parts: Parts) -> None:
    await parts.certification.maintain()
