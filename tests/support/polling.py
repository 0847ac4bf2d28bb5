"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
LIMIT = 30.0  # seconds; a guard against hangs, never an assertion about speed


def until(look: Callable[[], _T], what: str, limit: float = LIMIT, pause: float = 0.05) -> _T:
    """Return the first true value `look` returns; fail with `what` when none comes in time."""
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}; last seen: {found!r}")
        time.sleep(pause)
