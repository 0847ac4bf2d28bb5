"""From a live release to the routes to look at. Pure. Imported in this package and by the agent."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from cove.model.app import Health, Route
from cove.model.release import Release
from cove.model.uptime import Target

# Without a health path nobody said what `/` has to answer: a page that is not there, or a login,
# is an answer of the app's own.
ANY_ANSWER: Final = ((100, 499),)
_ROOT: Final = "/"


def targets_of(release: Release, url_of: dict[str, str]) -> tuple[Target, ...]:
    """One for each route; `url_of` gives the URL by a route's key."""
    return tuple(
        _target(release, route, url_of.get(route.key, "")) for route in release.spec.routes
    )


def _target(release: Release, route: Route, url: str) -> Target:
    service = release.spec.service(route.service)
    first = next(r for r in release.spec.routes if r.service == route.service)
    health = replace(service.health, port=service.health.port or first.port)
    outer, inner = _paths(route, health)
    asked = bool(health.path) and inner == health.path
    return Target(
        app=release.app,
        route=route.key,
        domain=route.domain,
        url=url,
        encrypted=route.encrypted,
        path=outer,
        inner=inner,
        status=health.status if asked else ANY_ANSWER,
        health=health,
        addresses=tuple(p.address for p in release.of(route.service)),
        port=route.port,
    )


def _paths(route: Route, health: Health) -> tuple[str, str]:
    """What to ask through the proxy, and as what it arrives: the health path where it is led."""
    base = route.path.rstrip(_ROOT)
    strips = route.strip_path and bool(base)
    if health.path and health.port == route.port:
        if strips:
            return base + health.path, health.path
        path = health.path.partition("?")[0]
        if not base or path == base or path.startswith(f"{base}/"):
            return health.path, health.path
    return (base or _ROOT, _ROOT) if strips else (route.path, route.path)
