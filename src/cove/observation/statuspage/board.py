"""From what was seen to what the public is told. Pure. Imported in this package and by the agent.

A board is made of labels, levels, shares and times. Whatever else is known of an app (addresses,
images, the text of an error, how many requests) is left behind here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct

from cove.model.alerts import Window
from cove.model.statuspage import (
    DAYS,
    DEFAULT_TITLE,
    Board,
    Component,
    Incident,
    Level,
    Part,
    ShownApp,
    StatusPage,
)
from cove.model.uptime import DOWN, Outage, RouteUptime
from cove.observation.statuspage import incidents, maintenance
from cove.observation.uptime.counting import DAY, SPANS, availability

# Routes are looked at once a minute; what is older than this says nothing of now.
_STALE: Final = 300.0  # seconds
_ORDER: Final[tuple[Level, ...]] = get_args(Level)

History = tuple[RouteUptime, tuple[Outage, ...]]


class Facts(Struct, frozen=True):
    """What is known of every route, and which windows are set, at one moment."""

    at: float
    histories: tuple[History, ...]
    windows: tuple[Window, ...] = ()
    apps: tuple[str, ...] = ()  # every app there is, by name


def board(page: StatusPage, url: str, facts: Facts) -> Board:
    """What a page tells of these facts."""
    shown = chosen(page, facts.apps)
    labels = {one.app: one.label or one.app for one in shown}
    windows = maintenance.about(facts.windows, labels) if page.maintenance else ()
    by_app = _by_app(facts.histories)
    components: list[Component] = []
    past: list[Incident] = []
    for one in shown:
        histories = by_app.get(one.app, ())
        if not histories:
            continue
        own = [window for window in windows if window.app in ("", one.app)]
        name = labels[one.app]
        components.append(_component(name, page, facts.at, histories, own))
        past += incidents.of_app(name, histories, own, named=page.domains)
    return Board(
        title=page.title or DEFAULT_TITLE,
        url=url,
        at=facts.at,
        level=worst([component.level for component in components]),
        components=tuple(components),
        incidents=tuple(sorted(past, key=_when, reverse=True)),
        maintenance=maintenance.announced(windows, labels, facts.at),
    )


def chosen(page: StatusPage, apps: Iterable[str]) -> tuple[ShownApp, ...]:
    """The apps on a page that are there, in its order."""
    known = set(apps)
    first = tuple(one for one in page.apps if one.app in known)
    if not page.every:
        return first
    named = {one.app for one in first}
    return (*first, *(ShownApp(app=app) for app in sorted(known - named)))


def worst(levels: Sequence[Level]) -> Level:
    """The worst there is; what its owner has stopped counts only where there is nothing else."""
    active = [level for level in levels if level != "paused"] or levels
    return max(active, key=_ORDER.index, default="unknown")


def _of_routes(levels: Sequence[Level]) -> Level:
    """A service is down where nothing of it works; where a part does, it is degraded."""
    found = worst(levels)
    return "degraded" if found == "down" and set(levels) - {"down", "paused"} else found


def route_level(view: RouteUptime, now: float) -> Level:
    """What is said of one route."""
    if view.state == "paused":
        return "paused"
    if view.state == "unknown" or now - view.checked > _STALE:
        return "unknown"
    if view.state in DOWN:
        return "down"
    return "degraded" if view.detail else "operational"


def _when(incident: Incident) -> tuple[float, str]:
    return incident.began, incident.name


def _by_app(histories: Iterable[History]) -> Mapping[str, tuple[History, ...]]:
    found: dict[str, tuple[History, ...]] = {}
    for history in histories:
        app = history[0].app
        found[app] = (*found.get(app, ()), history)
    return found


def _component(
    name: str, page: StatusPage, now: float, histories: Sequence[History], windows: Sequence[Window]
) -> Component:
    views = [view for view, _ in histories]
    level = _of_routes([route_level(view, now) for view in views])
    if level in ("degraded", "down") and maintenance.any_open(windows, now):
        level = "maintenance"
    return Component(
        name=name,
        level=level,
        availability={span: _worst(v.availability.get(span) for v in views) for span in SPANS},
        days=tuple(_worst(shares) for shares in zip(*(_days(v, now) for v in views), strict=True)),
        routes=tuple(_route(view, now) for view in views) if page.domains else (),
    )


def _route(view: RouteUptime, now: float) -> Part:
    return Part(
        name=incidents.public_name(view.route),
        level=route_level(view, now),
        availability={span: view.availability.get(span) for span in SPANS},
        days=_days(view, now),
    )


def _worst(shares: Iterable[float | None]) -> float | None:
    """An app is as available as the least of its routes, as in `cove status`."""
    return min((share for share in shares if share is not None), default=None)


def _days(view: RouteUptime, now: float) -> tuple[float | None, ...]:
    by_day = {day.day: availability(day.up, day.down) for day in view.days}
    today = int(now // DAY)
    return tuple(by_day.get(number) for number in range(today - DAYS + 1, today + 1))
