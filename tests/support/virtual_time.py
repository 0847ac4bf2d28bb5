"""An event loop whose clock jumps: waiting takes no time, and everything happens in order.

For code that only sleeps; nothing in it may wait for a thread, a process or a socket.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class InstantLoop(asyncio.SelectorEventLoop):
    """When nothing can run, the clock goes to the next thing that is due.

    The clock goes on from loop to loop: what outlives one has not become younger in the next.
    """

    at = 0.0

    def time(self) -> float:
        return InstantLoop.at

    def _run_once(self) -> None:
        # A timer that was cancelled is nothing to wait for; asyncio would drop it only after that.
        while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            due = self._scheduled[0]._when  # type: ignore[attr-defined]
            InstantLoop.at = max(InstantLoop.at, due)
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run to its end on a clock of its own."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(work)
