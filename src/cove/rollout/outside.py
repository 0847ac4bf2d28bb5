"""Whether a release serves, seen without Docker: by the proxy's word and the release's answers.

Imported inside `cove.rollout` and by the agent, for when Docker cannot be asked.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from cove.model.app import Route
from cove.model.release import Release
from cove.ports import Platform
from cove.render.traefik import ProxySettings, routes_to
from cove.rollout.losses import Serves

_PATIENCE = 2.0  # seconds for one answer; somebody waits for all of them


async def serves_outside(release: Release, platform: Platform, settings: ProxySettings) -> Serves:
    """Whether each route is live and leads to something that answers its health check.

    Unknown where the proxy does not answer, and for a release without routes.
    """
    if not release.spec.routes:
        return "unknown"
    led = await platform.proxy.leads(routes_to(release, settings))
    if led is None:
        return "unknown"
    if not led:
        return "no"
    answers = [_answers(release, route, platform) for route in release.spec.routes]
    return "yes" if all(await asyncio.gather(*answers)) else "no"


async def _answers(release: Release, route: Route, platform: Platform) -> bool:
    """Whether any replica that the route leads to is ready."""
    health = release.spec.service(route.service).health
    quick = replace(health, timeout=min(health.timeout, _PATIENCE))
    port = health.port or route.port
    checks = [
        platform.probe.check(placement.address, port, quick, route.domain)
        for placement in release.of(route.service)
    ]
    return any(result.ready for result in await asyncio.gather(*checks))
