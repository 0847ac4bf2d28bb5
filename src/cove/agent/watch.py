"""What the agent looks after between requests. Imported inside `cove.agent` only.

Every few seconds: does the proxy answer and show every route it was given; are certificates due;
is a container left over that no release explains. Nothing here is in the way of a request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cove.agent.observing import observe
from cove.agent.platform import Parts
from cove.errors import CoveError
from cove.model.views import ProxyView
from cove.rollout import recovery

_log = logging.getLogger(__name__)
PROXY_EVERY = 5.0  # seconds
REPAIR_EVERY = 10.0
SWEEP_EVERY = 60.0
RENEW_EVERY = 3600.0


async def watch(parts: Parts) -> None:
    """Runs until cancelled; no failure ends it."""
    await asyncio.gather(
        _every(PROXY_EVERY, _look_at_proxy, parts),
        _every(REPAIR_EVERY, Repairs().look, parts),
        _every(SWEEP_EVERY, _sweep, parts),
        _every(RENEW_EVERY, _maintain, parts),
        parts.certification.run(),
        observe(parts),
    )


async def _every(seconds: float, act: Callable[[Parts], Awaitable[None]], parts: Parts) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await act(parts)
        except (CoveError, OSError) as error:
            _log.warning("%s", error)


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
    """Brings back what somebody removed or stopped behind cove's back."""

    def __init__(self) -> None:
        self._before: dict[str, list[str]] = {}

    async def look(self, parts: Parts) -> None:
        """Repairs an app in which the same is wrong for the second time: Docker may be at work."""
        seen = await parts.engine.sightings()
        found = {}
        for record in parts.store.apps():
            if not record.live or record.stopped or parts.rollouts.active(record.name):
                continue
            release = parts.store.release(record.name, record.live)
            own = [one for one in seen if one.app == record.name]
            found[record.name] = recovery.lost(release, own) if release else []
        for app, wrong in found.items():
            if wrong and wrong == self._before.get(app):
                _log.warning("%s: %s; it is brought back", app, "; ".join(wrong))
                await recovery.restore(app, parts.rollouts)
        self._before = found


async def _sweep(parts: Parts) -> None:
    for app in sorted(parts.rollouts.unsettled):
        await recovery.restore(app, parts.rollouts)
    for record in parts.store.apps():
        await recovery.sweep(record.name, parts.rollouts)


async def _maintain(parts: Parts) -> None:
    await parts.certification.maintain()
