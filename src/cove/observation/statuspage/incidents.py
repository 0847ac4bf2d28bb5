"""The outages of an app's routes as incidents of the app. Pure. Imported in this package."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

from cove.model.alerts import Window
from cove.model.statuspage import Incident
from cove.model.uptime import Outage, RouteUptime
from cove.observation.alerts.muting import is_open

_Known = tuple[str, float, float]  # a route, when its outage began and ended


def of_app(
    name: str,
    histories: Sequence[tuple[RouteUptime, Sequence[Outage]]],
    windows: Sequence[Window],
    *,
    named: bool,
) -> Iterator[Incident]:
    """Outages that overlap are one incident. `named`: with the routes it is about."""
    found = sorted(
        (
            (view.route, outage.began, outage.ended or math.inf)
            for view, outages in histories
            for outage in outages
        ),
        key=lambda known: known[1],
    )
    for group in _overlapping(found):
        began, ended = group[0][1], max(end for _, _, end in group)
        routes = tuple(dict.fromkeys(public_name(route) for route, _, _ in group))
        yield Incident(
            id=hashlib.sha256(f"{name}\n{began:.3f}".encode()).hexdigest()[:12],
            name=name,
            began=began,
            ended=0.0 if math.isinf(ended) else ended,
            whole=_most_at_once(group) == len(histories),
            routes=routes if named else (),
            maintenance=any(is_open(window, began) for window in windows),
        )


def public_name(route: str) -> str:
    """A domain and path as visitors write it."""
    return route.removesuffix("/")


def _overlapping(found: Sequence[_Known]) -> Iterator[list[_Known]]:
    group: list[_Known] = []
    until = 0.0
    for known in found:
        if group and known[1] > until:
            yield group
            group = []
        until = max(until, known[2]) if group else known[2]
        group.append(known)
    if group:
        yield group


def _most_at_once(group: Sequence[_Known]) -> int:
    """How many routes were down at the same moment; the most are where one begins."""
    return max(
        len({route for route, start, end in group if start <= began < end}) for _, began, _ in group
    )
