"""What counters that may begin anew have grown by. Pure; imported inside the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cove.ports.metrics import RouteCounts, RouteScrape

_FORGET: Final = 360  # scrapes, an hour of them, after which a service that is gone is forgotten
Key = tuple[str, str, str, int, int | None, bool]


def increase(before: int, now: int) -> int:
    """How much a counter grew; one that is lower than before has begun at 0 since."""
    return now - before if now >= before else now


def increases(before: Sequence[int], now: Sequence[int]) -> tuple[int, ...]:
    """The same of several that begin anew together."""
    if any(b > n for b, n in zip(before, now, strict=True)):
        return tuple(now)
    return tuple(n - b for b, n in zip(before, now, strict=True))


class RouteTotals:
    """What each service answered since this object was made, over restarts of the proxy.

    Whoever looks may look as often as they like: a total only ever grows. What was counted before
    the first scrape is not known to belong to any time, and is left out.
    """

    def __init__(self, named: Callable[[RouteCounts], str] = lambda one: one.port) -> None:
        self._named = named  # the name of the series
        self._born = 0.0
        self._last: dict[Key, tuple[int, ...]] | None = None
        self._totals: dict[tuple[str, str, str], list[int]] = {}
        self._unseen: dict[tuple[str, str, str], int] = {}

    def take(self, scrape: RouteScrape) -> dict[tuple[str, str, str], tuple[int, ...]]:
        """The totals by app, service and name, after one more scrape."""
        last = self._last
        self._last = {_key(one): one.values for one in scrape.counts}
        if last is not None:
            self._grow(scrape.counts, last if scrape.born == self._born else {})
        self._born = scrape.born
        seen = {self._series(one): len(one.values) for one in scrape.counts}
        for key, fields in seen.items():
            self._totals.setdefault(key, [0] * fields)
        self._forget(set(seen))
        return {key: tuple(total) for key, total in self._totals.items()}

    def _grow(self, counts: Iterable[RouteCounts], last: dict[Key, tuple[int, ...]]) -> None:
        for one in counts:
            nothing = (0,) * len(one.values)
            grown = increases(last.get(_key(one), nothing), one.values)
            total = self._totals.setdefault(self._series(one), list(nothing))
            total[:] = [t + g for t, g in zip(total, grown, strict=True)]

    def _series(self, one: RouteCounts) -> tuple[str, str, str]:
        return one.app, one.service, self._named(one)

    def _forget(self, seen: set[tuple[str, str, str]]) -> None:
        for key in list(self._totals):
            unseen = 0 if key in seen else self._unseen.get(key, 0) + 1
            self._unseen[key] = unseen
            if unseen > _FORGET:
                del self._totals[key], self._unseen[key]


def _key(one: RouteCounts) -> Key:
    return one.app, one.service, one.port, one.release, one.route, one.held
