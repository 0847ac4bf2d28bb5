"""What the agent looks after between requests. Imported inside `cove.agent` only.

Every few seconds: does the proxy answer and show every route it was given; are certificates due;
is a container left over that no release explains. Nothing here is in the way of a request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cove.agent.platform import Parts
from cove.errors import CoveError
from cove.model.views import ProxyView
from cove.rollout import recovery

_log = logging.getLogger(__name__)
PROXY_EVERY = 5.0  # seconds
SWEEP_EVERY = 60.0
RENEW_EVERY = 3600.0


async def watch(parts: Parts) -> None:
    """Runs until cancelled; no failure ends it."""
    await asyncio.gather(
        _every(PROXY_EVERY, _look_at_proxy, parts),
        _every(SWEEP_EVERY, _sweep, parts),
        _every(RENEW_EVERY, _maintain, parts),
        parts.certification.run(),
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
        _log.log(logging.WARNING if view.problem else logging.INFO, "proxy: %s", _told(view))


def _told(view: ProxyView) -> str:
    return f"{view.state}; {view.problem}" if view.problem else view.state


async def _sweep(parts: Parts) -> None:
    for app in sorted(parts.rollouts.unsettled):
        await recovery.restore(app, parts.rollouts)
    for record in parts.store.apps():
        await recovery.sweep(record.name, parts.rollouts)


async def _maintain(parts: Parts) -> None:
    await parts.certification.maintain()
