"""What is known of routes, and the pages that are made of it, for tests."""

from __future__ import annotations

from collections.abc import Iterable

from cove.model.alerts import Window
from cove.model.statuspage import Board, ShownApp, StatusPage
from cove.model.uptime import Day, Outage, RouteUptime, UptimeState
from cove.observation.statuspage.board import Facts, History, board

DAY = 86400
NOW = 20_800 * DAY + 43_200.0  # a noon of UTC, on a Sunday
TODAY = int(NOW // DAY)
URL = "https://status.example.com/"
SECRET = "10.201.0.7 registry.test/shop:1 GET /healthz answered 502"


def route(
    app: str = "shop",
    name: str = "shop.example.com/",
    state: UptimeState = "up",
    *,
    detail: str = "",
    checked: float = NOW - 30,
    shares: dict[int, float] | None = None,
    outages: Iterable[tuple[float, float]] = (),
    availability: float | None = 1.0,
) -> History:
    """A route with everything that is known of it; `shares` by how many days ago."""
    by_day = {0: 1.0} if shares is None else shares
    view = RouteUptime(
        app=app,
        route=name,
        url=f"https://{name}",
        state=state,
        since=NOW - DAY,
        detail=detail,
        checked=checked,
        seconds=0.1,
        expires=NOW + 60 * DAY,
        answering=1,
        replicas=2,
        rolling=False,
        availability=dict.fromkeys(("24h", "7d", "30d", "90d"), availability),
        outage=None,
        days=tuple(
            Day(day=TODAY - ago, up=share * 1000, down=(1 - share) * 1000)
            for ago, share in sorted(by_day.items(), reverse=True)
        ),
    )
    return view, tuple(
        Outage(began=began, ended=ended, state="app-down", detail=SECRET, rolling=False)
        for began, ended in outages
    )


def facts(*histories: History, windows: Iterable[Window] = (), apps: Iterable[str] = ()) -> Facts:
    """What is known of these routes, and of these apps beside theirs."""
    known = sorted({view.app for view, _ in histories} | set(apps))
    return Facts(NOW, histories, tuple(windows), tuple(known))


def page(*apps: str, **given: object) -> StatusPage:
    """A page that shows these apps, or every one."""
    shown = tuple(ShownApp(app=app) for app in apps)
    usual: dict[str, object] = {"domain": "status.example.com", "every": not apps, "apps": shown}
    return StatusPage(**(usual | given))  # type: ignore[arg-type]


def told(*histories: History, windows: Iterable[Window] = (), **given: object) -> Board:
    """What a page tells of these routes."""
    return board(page(**given), URL, facts(*histories, windows=windows))
