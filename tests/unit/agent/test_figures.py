"""What `cove status` tells of an app's routes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from cove.agent.figures import Figures, figures
from cove.errors import PlatformError
from cove.model.app import COUNTED_APART, App, Route
from cove.model.metrics import FIELDS, Row, Series
from cove.observation.metrics.gathering import Look
from cove.observation.metrics.recent import Recent
from cove.observation.uptime.course import Course

from support.uptime import seen

MONTH = 30 * 86400.0
ROUTE = Route(domain="shop.example.com", service="web", port=80)
OTHER = Route(domain="api.example.com", service="web", port=80, redirect_from=("old.example.com",))
SHOP = App(name="shop", services=(), routes=(ROUTE, OTHER))
EMPTY = Figures(courses={}, sums={}, ends={}, recent=Recent(), containers={})


def test_without_anything_measured_everything_is_unknown() -> None:
    """And nothing fails."""
    found = EMPTY.of(SHOP, [ROUTE])
    assert (found.availability, found.rate, found.failed, found.p95) == (None,) * 4
    assert found.expires == 0
    assert EMPTY.course(ROUTE).state == "unknown"
    assert EMPTY.cpu("shop", "web-r1") is None


def test_the_worst_of_several_routes_is_told() -> None:
    """The lowest uptime, and the certificate that ends first, also of a name that redirects."""
    sums = {ROUTE.key: {MONTH: (99.0, 1.0)}, OTHER.key: {MONTH: (50.0, 50.0)}}
    shown = Course(state="up", look=seen(1.0, expires=500.0))
    some = replace(EMPTY, courses={ROUTE.key: shown}, sums=sums, ends={"old.example.com": 300.0})
    assert some.of(SHOP, [ROUTE]).availability == 0.99
    assert some.of(SHOP, [ROUTE, OTHER]).availability == 0.5
    assert some.of(SHOP, [ROUTE]).expires == 500
    assert some.of(SHOP, [ROUTE, OTHER]).expires == 300


def answered(clock: Any, *names: str) -> Recent:
    """What was counted in the last five minutes: ten requests of each series, and more of each."""
    recent = Recent(clock)
    empty = (0,) * len(FIELDS["route"])
    look = Look(
        moment=0.0, machine=None, file_systems=(), containers={}, complete=True,
        routes={("shop", "web", name): empty for name in names},
    )  # fmt: skip
    recent.take((), look)
    made = [
        Row(Series(kind="route", app="shop", service="web", name=name), 0, 10_000, (n, *empty[1:]))
        for n, name in enumerate(names, 1)
    ]
    recent.take(made, look)
    return recent


def test_each_route_has_its_own_requests() -> None:
    """The app has those of all; a route that answered nothing is known to have had none."""
    recent = answered(lambda: 0.0, "80 shop.example.com/")
    some = replace(EMPTY, recent=recent)
    assert some.of(SHOP, [ROUTE]).rate == 1
    assert some.of(SHOP, [OTHER]).rate == 0
    both = replace(EMPTY, recent=answered(lambda: 0.0, f"80 {ROUTE.key}", f"80 {OTHER.key}"))
    assert [both.of(SHOP, [one]).rate for one in (ROUTE, OTHER)] == [1, 2]
    assert both.of(SHOP, [ROUTE, OTHER]).rate == 3


def test_routes_that_are_counted_together_have_one_figure() -> None:
    """Of too many to one place each shows what all have, and the app that once."""
    routes = tuple(replace(ROUTE, domain=f"d{n}.test") for n in range(COUNTED_APART + 1))
    many = replace(SHOP, routes=routes)
    some = replace(EMPTY, recent=answered(lambda: 0.0, "80"))
    assert some.of(many, routes[:1]).rate == some.of(many, routes).rate == 1


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
    assert found.of(SHOP, [ROUTE]).availability is None
    assert found.of(SHOP, [ROUTE]).expires == 9
    assert found.course(ROUTE).state == "up"
