"""What `cove status` tells of an app's routes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from cove.agent.figures import Figures, figures
from cove.errors import PlatformError
from cove.model.app import Route
from cove.observation.metrics.recent import Recent
from cove.observation.uptime.course import Course

from support.uptime import seen

MONTH = 30 * 86400.0
ROUTE = Route(domain="shop.example.com", service="web", port=80)
OTHER = Route(domain="api.example.com", service="web", port=80, redirect_from=("old.example.com",))
EMPTY = Figures(courses={}, sums={}, ends={}, recent=Recent(), containers={})


def test_without_anything_measured_everything_is_unknown() -> None:
    """And nothing fails."""
    found = EMPTY.of("shop", [ROUTE])
    assert (found.availability, found.rate, found.failed, found.p95) == (None,) * 4
    assert found.expires == 0
    assert EMPTY.course(ROUTE).state == "unknown"
    assert EMPTY.cpu("shop", "web-r1") is None


def test_the_worst_of_several_routes_is_told() -> None:
    """The lowest uptime, and the certificate that ends first, also of a name that redirects."""
    sums = {ROUTE.key: {MONTH: (99.0, 1.0)}, OTHER.key: {MONTH: (50.0, 50.0)}}
    shown = Course(state="up", look=seen(1.0, expires=500.0))
    some = replace(EMPTY, courses={ROUTE.key: shown}, sums=sums, ends={"old.example.com": 300.0})
    assert some.of("shop", [ROUTE]).availability == 0.99
    assert some.of("shop", [ROUTE, OTHER]).availability == 0.5
    assert some.of("shop", [ROUTE]).expires == 500
    assert some.of("shop", [ROUTE, OTHER]).expires == 300


async def test_what_cannot_be_read_is_left_out() -> None:
    """A damaged record of uptime takes nothing else away."""

    def sums(*_: object) -> None:
        raise PlatformError("the disk is full")

    parts = SimpleNamespace(
        observation=SimpleNamespace(
            uptime_store=SimpleNamespace(sums=sums),
            uptime=SimpleNamespace(known=lambda: {ROUTE.key: Course(state="up")}),
        ),
        measuring=SimpleNamespace(recent=Recent()),
        certification=SimpleNamespace(ends=lambda: {ROUTE.domain: 9.0}),
    )
    found = await figures(cast("Any", parts))
    assert found.of("shop", [ROUTE]).availability is None
    assert found.of("shop", [ROUTE]).expires == 9
    assert found.course(ROUTE).state == "up"
