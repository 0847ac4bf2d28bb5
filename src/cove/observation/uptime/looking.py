"""One look at a route: through the proxy, at its containers, and what the two say together.

Imported in this package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from cove.model.app import Health
from cove.model.names import example_of
from cove.model.uptime import Look, Outside, Target
from cove.ports import Probe, ProbeResult
from cove.ports.watching import RouteProbe

_MISSING = 404  # what the proxy says itself where no route fits
_DIRECT = 5.0  # seconds


async def look(target: Target, proxy: RouteProbe, direct: Probe, now: float) -> Look:
    """What is true of a route now. Never raises."""
    outside, inside = await asyncio.gather(proxy.look(target), _readiness(target, direct))
    problem = _problem(target, outside)
    seen = Look(
        at=now,
        state="up",
        seconds=outside.seconds,
        expires=outside.expires,
        answering=sum(result.ready for result in inside),
        replicas=len(inside),
        detail=_partly(inside),
    )
    if not problem and outside.status != _MISSING:
        return seen
    same = await _same_question(target, direct, outside)
    if not problem:
        if not any(result.ready for result in same):
            return seen  # the containers say 404 as well: it is the app's own
        problem = "the proxy answers 404, the containers do not: its route is missing"
    if any(result.ready for result in same):
        return replace(seen, state="route-down", detail=problem)
    why = next((result.detail for result in same if result.detail), "")
    detail = f"{problem}; directly: {why}" if why and why not in problem else problem
    return replace(seen, state="app-down", detail=detail)


def _problem(target: Target, outside: Outside) -> str:
    if outside.problem:
        return outside.problem
    if any(low <= outside.status <= high for low, high in target.status):
        return ""
    return f"GET {target.path} answered {outside.status}"


async def _readiness(target: Target, direct: Probe) -> tuple[ProbeResult, ...]:
    """Each container, as a rollout would ask it."""
    return tuple(
        await asyncio.gather(
            *(
                direct.check(address, target.health.port, target.health, example_of(target.domain))
                for address in target.addresses
            )
        )
    )


async def _same_question(target: Target, direct: Probe, outside: Outside) -> list[ProbeResult]:
    """What the containers say to what the proxy was asked; a 404 does not count as well."""
    status = target.status if outside.status != _MISSING else _without_missing(target.status)
    asked = Health(path=target.inner, timeout=_DIRECT, status=status)
    host = example_of(target.domain)
    checks = [direct.check(a, target.port, asked, host) for a in target.addresses]
    return list(await asyncio.gather(*checks))


def _without_missing(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    parts = [
        part
        for low, high in ranges
        for part in ((low, min(high, _MISSING - 1)), (max(low, _MISSING + 1), high))
    ]
    return tuple((low, high) for low, high in parts if low <= high)


def _partly(inside: Sequence[ProbeResult]) -> str:
    """What is wrong although the route answers."""
    failing = [result for result in inside if not result.ready]
    if not failing:
        return ""
    if len(failing) == len(inside) == 1:
        return f"the readiness check fails: {failing[0].detail}"
    return f"{len(failing)} of {len(inside)} containers fail: {failing[0].detail}"
