"""What is read of the proxy's metrics."""

from __future__ import annotations

from cove.adapters.traefik.metrics import parse
from cove.ports.metrics import RouteCounts


def counted(service: str, requests: int, code: int = 200) -> str:
    """A line of the exposition."""
    labels = f'code="{code}",method="GET",protocol="http",service="{service}@file"'
    return f"traefik_service_requests_total{{{labels}}} {requests}\n"


def whose(one: RouteCounts) -> tuple[str, str, str, int, int | None, bool]:
    """All but the counters."""
    return one.app, one.service, one.port, one.release, one.route, one.held


def only(text: str) -> RouteCounts:
    """What is said of the only service."""
    (found,) = parse(text).counts
    return found


def test_a_name_says_whose_route_it_is() -> None:
    """App, release, its route, and where that leads; a service's name may look like a part."""
    assert whose(only(counted("shop_r12-3_web_8000", 5))) == ("shop", "web", "8000", 12, 3, False)
    assert whose(only(counted("a-r1_r2-0_b_r3-1_9_80", 5))) == (
        *("a-r1", "b_r3-1_9", "80", 2, 0, False),
    )


def test_routes_that_are_not_counted_apart() -> None:
    """There are too many of them, or an earlier cove made the name."""
    assert whose(only(counted("shop_r12_web_8000", 5))) == ("shop", "web", "8000", 12, None, False)
    assert whose(only(counted("shop_hold_web_8000", 5))) == ("shop", "web", "8000", 0, None, True)
    assert whose(only(counted("shop_hold7_web_80", 5))) == ("shop", "web", "80", 7, None, True)


def test_tries_of_a_request_that_waits_are_no_answers() -> None:
    """Nobody is at its address: what a gateway says then is not counted, the answer is."""
    for name in ("shop_hold12-3_web_80", "shop_hold12_web_80", "shop_hold_web_80"):
        text = counted(name, 1) + counted(name, 9, 502) + counted(name, 9, 504)
        assert only(text).values[:4] == (1, 1, 0, 0)
        assert only(text).held
    # A service may be called so, and fail.
    assert only(counted("shop_r1-0_hold_80", 2, 502)).values[:4] == (2, 0, 0, 2)


def test_what_is_not_coves_is_left_out() -> None:
    """The proxy's own services, and those of its base file."""
    assert parse(counted("_challenges", 3) + counted("noop", 1)).counts == ()
