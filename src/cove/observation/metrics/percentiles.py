"""Percentiles from counts of durations. Pure; imported inside the package and by the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cove.model.metrics import LATENCY_BOUNDS

_BOUNDS: Final = (0.0, *LATENCY_BOUNDS)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Seconds within which this share of requests was answered; None where there were none.

    Within a bucket requests are taken to be spread evenly. What took longer than the last bound
    counts as just that long.
    """
    total = sum(counts)
    if not total:
        return None
    rank, below = share * total, 0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            if number >= len(LATENCY_BOUNDS):
                break
            low, high = _BOUNDS[number], _BOUNDS[number + 1]
            return low + (high - low) * max(0.0, rank - below) / count
        below += count
    return _BOUNDS[-1]
