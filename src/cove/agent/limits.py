"""How often the same thing is told. Pure; imported inside `cove.agent` only."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from msgspec import Struct

BURST: Final = 5  # of the same thing are told one by one,
EVERY: Final = 600.0  # and then one in so many seconds
_MOST: Final = 1000  # things to remember


class _Bucket(Struct):
    """What is left to tell, as of a time; `held` is what was not told since the last."""

    left: float
    at: float
    held: int = 0


class Limit:
    """A few at once, then one now and then, for each thing by itself."""

    def __init__(self, burst: int = BURST, every: float = EVERY) -> None:
        self._burst = burst
        self._every = every
        self._buckets: dict[Hashable, _Bucket] = {}

    def admit(self, key: Hashable, at: float) -> int | None:
        """None: not to be told. Else how many were held back since the last that was."""
        bucket = self._buckets.pop(key, None) or _Bucket(self._burst, at)
        self._buckets[key] = bucket  # the least used are first
        while len(self._buckets) > _MOST:
            del self._buckets[next(iter(self._buckets))]
        passed = max(0.0, at - bucket.at)
        bucket.left = min(float(self._burst), bucket.left + passed / self._every)
        bucket.at = max(at, bucket.at)
        if bucket.left < 1:
            bucket.held += 1
            return None
        bucket.left -= 1
        held, bucket.held = bucket.held, 0
        return held
