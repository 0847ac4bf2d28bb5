"""Ctrl-C and SIGTERM while a rollout is followed. `cove.cli.follow` imports it.

Signals are recorded rather than raised, so that none can arrive in the middle of an event; only
while a question waits for its answer does Ctrl-C raise.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """A context in which SIGINT and SIGTERM wait to be taken."""

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._previous: dict[int, Any] = {}
        self._asking = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            # A shell starts background jobs with SIGINT ignored; that is respected.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def take(self) -> int:
        """The oldest signal not yet taken; 0 where there is none."""
        return self._pending.pop(0) if self._pending else 0

    def asking(self, *, asking: bool) -> None:
        """Whether a signal is to raise KeyboardInterrupt, because a question waits."""
        self._asking = asking

    def _record(self, number: int, _frame: FrameType | None) -> None:
        if self._asking:
            raise KeyboardInterrupt
        self._pending.append(number)
