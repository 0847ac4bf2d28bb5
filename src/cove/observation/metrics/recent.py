"""The last minutes of measurements, in memory: what alerts and `cove status` read. For the agent.

Nothing here reads a file, so it is there while the disk is full and the store is away.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from cove.model.metrics import BUCKETS, FIELDS, INDEX, Row
from cove.observation.metrics.gathering import Look
from cove.observation.metrics.percentiles import percentile

SHOWN: Final = 300.0  # seconds that `cove status` tells of
LONGEST: Final = 3600.0  # seconds that anybody may ask for: 360 rows of a route, about 200 KB
_STALE: Final = 60.0  # seconds after which what was measured last says nothing of now
_FIRST_BUCKET: Final = INDEX["route"][BUCKETS[0]]
_MILLI: Final = 1000  # microseconds in a millisecond of span
_NOTHING: Final = (0,) * len(FIELDS["route"])
RouteKey = tuple[str, str, str]  # app, service, the series' name
ContainerKey = tuple[str, str]  # app, Compose service


class Traffic(Struct, frozen=True):
    """What was answered in so many seconds, in the order of the fields of `route`.

    `whole`: that is the whole time asked for, not only what there was since the agent's start.
    """

    values: tuple[int, ...]
    seconds: float
    whole: bool = True

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.values[INDEX["route"]["requests"]]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def failed(self) -> float | None:
        """The share that was answered with 5xx, 0 to 1; None: there were no requests."""
        return (
            self.values[INDEX["route"]["server_errors"]] / self.requests if self.requests else None
        )

    @property
    def p95(self) -> float | None:
        """Seconds within which 95 of 100 were answered; None: there were none."""
        return percentile(self.values[_FIRST_BUCKET:], 0.95)


def together(found: Iterable[Traffic]) -> Traffic | None:
    """Several services of the same time as one; None of none."""
    every = list(found)
    if not every:
        return None
    return Traffic(
        _sum(one.values for one in every), every[0].seconds, all(one.whole for one in every)
    )


class Recent:
    """Takes what each look brought; `keep` says for how many seconds, at most `LONGEST`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._at = 0.0
        self._rows: dict[RouteKey, deque[tuple[float, Row]]] = {}
        self._known: frozenset[RouteKey] | None = None
        self._containers: dict[ContainerKey, Row] = {}
        self.keep = SHOWN

    def take(self, rows: Iterable[Row], look: Look | None) -> None:
        """The rows of a tick, and the look at its end."""
        self._at = self._clock()
        self._since = self._at if self._since is None else self._since
        self._known = None if look is None or look.routes is None else frozenset(look.routes)
        self._containers = {}
        for row in rows:
            one = row.series
            if one.kind == "route":
                key = one.app, one.service, one.name
                self._rows.setdefault(key, deque()).append((self._at, row))
            elif one.kind == "container":
                self._containers[one.app, one.name] = row
        oldest = self._at - min(LONGEST, max(SHOWN, self.keep))
        for key, kept in list(self._rows.items()):
            while kept and kept[0][0] <= oldest:
                kept.popleft()
            if not kept:
                del self._rows[key]

    def routes(self) -> frozenset[RouteKey] | None:
        """The services that the proxy counts for; None: nothing is known of now."""
        return self._known if self._fresh() else None

    def traffic(self, key: RouteKey, window: float = SHOWN) -> Traffic:
        """What a service answered within the last so many seconds, to ten seconds."""
        now = self._clock()
        watched = 0.0 if self._since is None else now - self._since
        found = (row.values for at, row in self._rows.get(key, ()) if at > now - window)
        return Traffic(_sum(found), max(1.0, min(window, watched)), watched >= window)

    def containers(self) -> dict[ContainerKey, Row]:
        """What each container did in the last tick; empty where nothing is known of now."""
        return self._containers if self._fresh() else {}

    def _fresh(self) -> bool:
        return self._since is not None and self._clock() - self._at < _STALE


def cores(row: Row) -> float:
    """Processor time of a container as cores."""
    return row.value("cpu") / (max(1, row.span) * _MILLI)


def _sum(found: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(_NOTHING, *found, strict=True)))
