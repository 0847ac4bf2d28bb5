"""Figures of apps and routes for `cove status`: uptime, requests, certificates.

Imported inside `cove.agent` only. What cannot be said is None: no part that measures is needed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from cove.agent.platform import Parts
from cove.errors import PlatformError
from cove.model.app import App, Route
from cove.model.metrics import Row, route_name
from cove.observation.metrics.recent import ContainerKey, Recent, Traffic, cores, together
from cove.observation.uptime.counting import SPANS, availability
from cove.observation.uptime.course import Course

_SPAN: Final = SPANS["30d"]
_UNKNOWN: Final = Course()


class RouteFigures(Struct, frozen=True, kw_only=True):
    """What there is to say of some routes together."""

    availability: float | None
    rate: float | None
    failed: float | None
    p95: float | None
    expires: float


class Figures(Struct, frozen=True, kw_only=True):
    """Everything that was seen, at one moment."""

    courses: Mapping[str, Course]  # by route
    sums: Mapping[str, Mapping[float, tuple[float, float]]]  # by route and span
    ends: Mapping[str, float]  # of certificates, by domain
    recent: Recent
    containers: Mapping[ContainerKey, Row]

    def course(self, route: Route) -> Course:
        """What is known of a route."""
        return self.courses.get(route.key, _UNKNOWN)

    def of(self, spec: App, routes: Iterable[Route]) -> RouteFigures:
        """Of these routes of an app; of one that is not counted apart, what all its like have."""
        every = list(routes)
        sums = (self.sums.get(route.key, {}).get(_SPAN, (0.0, 0.0)) for route in every)
        shares = [share for up, down in sums if (share := availability(up, down)) is not None]
        ends = [end for route in every if (end := self._expires(route))]
        traffic = self._traffic(spec, every)
        return RouteFigures(
            availability=min(shares, default=None),
            rate=traffic.rate if traffic else None,
            failed=traffic.failed if traffic else None,
            p95=traffic.p95 if traffic else None,
            expires=min(ends, default=0.0),
        )

    def cpu(self, app: str, container: str) -> float | None:
        """Cores that a container used."""
        row = self.containers.get((app, container))
        return None if row is None else cores(row)

    def _traffic(self, spec: App, routes: Iterable[Route]) -> Traffic | None:
        """What the proxy was never asked for is known to have had no requests."""
        if self.recent.routes() is None:
            return None
        series = {
            (
                spec.name,
                route.service,
                route_name(route.port, route.key if spec.apart(route) else ""),
            )
            for route in routes
        }
        return together(self.recent.traffic(key) for key in sorted(series))

    def _expires(self, route: Route) -> float:
        """The nearest end of the certificate that was shown and those of names that redirect."""
        look = self.course(route).look
        own = (look.expires if look else 0.0) or self.ends.get(route.domain, 0.0)
        others = (self.ends.get(domain, 0.0) for domain in route.redirect_from)
        return min((end for end in (own, *others) if end), default=0.0)


async def figures(parts: Parts) -> Figures:
    """What is to be seen now. Never raises for want of a part."""
    store = parts.observation.uptime_store
    try:
        sums = await asyncio.to_thread(store.sums, time.time(), (_SPAN,))
    except PlatformError:  # told by who looks at routes
        sums = {}
    recent = parts.measuring.recent
    return Figures(
        courses=parts.observation.uptime.known(),
        sums=sums,
        ends=parts.certification.ends(),
        recent=recent,
        containers=recent.containers(),
    )
