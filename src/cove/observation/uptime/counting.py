"""Watched time as minutes, and minutes as availability. Pure.

Imported in this package and by what stores minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from cove.model.uptime import DOWN, Change, Minute, Outage
from cove.observation.uptime.course import Watched

MINUTE: Final = 60.0
DAY: Final = 86400.0
SPANS: Final = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY}
KEPT: Final = 90 * DAY


def minutes(app: str, route: str, watched: Watched, seconds: float) -> Iterator[Minute]:
    """A watched time, divided at full minutes; `seconds` is how long the answer took."""
    at = watched.began
    while at < watched.ended:
        minute = int(at // MINUTE)
        end = min(watched.ended, (minute + 1) * MINUTE)
        share = end - at
        last = end == watched.ended
        yield Minute(
            app=app,
            route=route,
            minute=minute,
            up=0.0 if watched.down else share,
            down=share if watched.down else 0.0,
            slowest=seconds if last and not watched.down else 0.0,
        )
        at = end


def summed(found: Iterable[Minute]) -> list[Minute]:
    """One for each route and minute."""
    sums: dict[tuple[str, int], Minute] = {}
    for one in found:
        key = (one.route, one.minute)
        before = sums.get(key)
        if before is None:
            sums[key] = one
            continue
        sums[key] = replace(
            before,
            up=before.up + one.up,
            down=before.down + one.down,
            slowest=max(before.slowest, one.slowest),
        )
    return list(sums.values())


def availability(up: float, down: float) -> float | None:
    """The share of the watched time; None where nobody looked."""
    return up / (up + down) if up + down > 0 else None


def outages(changes: Sequence[Change]) -> list[Outage]:
    """Of a route's changes, oldest first, the same way round.

    From the change to down to the one that ended it. 0 as the end: it is not over.
    """
    found: list[Outage] = []
    begun: Change | None = None
    for change in changes:
        if change.state in DOWN:
            begun = begun or change
        elif begun is not None:
            found.append(_outage(begun, change.at))
            begun = None
    return [*found, _outage(begun, 0.0)] if begun else found


def _outage(begun: Change, ended: float) -> Outage:
    return Outage(
        began=begun.at, ended=ended, state=begun.state, detail=begun.detail, rolling=begun.rolling
    )
