"""Shows a rollout's events as they come. `cove.cli.follow` imports it.

On a terminal: one line per finished operation, and a live line with a spinner for the one that
runs. Elsewhere: plain lines, and a sign of life for an operation that takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from cove.cli.output import Output
from cove.cli.text import elapsed, safe, share
from cove.model.events import Event

FIRST_SIGN = 10.0  # seconds until a plain log says that an operation still runs
NEXT_SIGNS = 30.0  # and how often afterwards


class _Running(Struct):
    """The operation under way. Times are seconds since the epoch."""

    index: int
    title: str
    cause: str
    since: float
    sign_at: float
    detail: str = ""


class Progress:
    """The state of the display of one rollout."""

    def __init__(self, out: Output, clock: Callable[[], float] = time.time) -> None:
        self._out = out
        self._clock = clock
        self._plan: list[dict[str, Any]] = []
        self._running: dict[int, _Running] = {}
        self._turn = 0
        self._between = "preparing"  # what goes on while no operation runs
        self.failure = ""  # what the last failed operation said

    def show(self, event: Event) -> None:
        """Displays one event; `finished` only ends the display."""
        if event.kind == "finished":
            self._running.clear()
            self._between = ""
        show = {
            "plan": self._planned,
            "started": self._started,
            "progress": self._progressed,
            "done": self._done,
            "failed": self._failed,
            "undone": self._undone,
            "notice": self._noticed,
        }.get(event.kind)
        if show is not None:
            show(event)
        self.tick()

    def tick(self) -> None:
        """Keeps the display alive; to be called about ten times a second."""
        self._turn += 1
        if not self._running:
            if self._between:
                self._out.live(f"{self._out.err.spinner(self._turn)} {self._between}")
            return
        now = self._clock()
        running = list(self._running.values())[-1]
        if self._out.err.moves:
            self._out.live(f"{self._out.err.spinner(self._turn)} {self._describe(running, now)}")
        elif now >= running.sign_at:
            running.sign_at = now + NEXT_SIGNS
            self._out.note(f"{self._out.err.symbol('more')} {self._describe(running, now)}")

    def _describe(self, running: _Running, now: float) -> str:
        parts = (running.title, running.detail, elapsed(max(0.0, now - running.since)))
        return "  ".join(part for part in parts if part)

    def _operation(self, event: Event) -> tuple[str, str]:
        """The title and cause of the event's operation."""
        if 0 <= event.index < len(self._plan):
            operation = self._plan[event.index]
            title, cause = str(operation.get("title", "")), str(operation.get("cause", ""))
            return safe(title or event.text, colour=False), safe(cause, colour=False)
        return safe(event.text, colour=False), ""

    def _planned(self, event: Event) -> None:
        self._plan = list(event.data.get("operations", ()))
        for note in event.data.get("notes", ()):
            self._remark(str(note))
        self._between = ""

    def _started(self, event: Event) -> None:
        title, cause = self._operation(event)
        self._running[event.index] = _Running(
            event.index, title, cause, event.at, self._clock() + FIRST_SIGN
        )

    def _progressed(self, event: Event) -> None:
        running = self._running.get(event.index)
        if running is None:
            return
        done, total = int(event.data.get("done", 0)), int(event.data.get("total", 0))
        text = safe(str(event.data.get("text", "")), colour=False)
        running.detail = "  ".join(part for part in (share(done, total), text) if part)

    def _done(self, event: Event) -> None:
        self._line("ok", "green", event, cause=True)

    def _failed(self, event: Event) -> None:
        self.failure = event.text
        self._between = "undoing what was begun"
        self._line("fail", "red", event, cause=False)

    def _undone(self, event: Event) -> None:
        self._line("undo", "yellow", event, cause=False, prefix="undone: ")

    def _noticed(self, event: Event) -> None:
        self._remark(event.text)

    def _remark(self, text: str) -> None:
        mark = self._out.err.style(self._out.err.symbol("note"), "yellow")
        self._out.note(f"{mark} {safe(text, colour=False)}")

    def _line(
        self, symbol: str, style: str, event: Event, *, cause: bool, prefix: str = ""
    ) -> None:
        err = self._out.err
        running = self._running.pop(event.index, None)
        title, why = self._operation(event)
        seconds = event.data.get("seconds")
        if seconds is None and running is not None:
            seconds = max(0.0, event.at - running.since)
        text = f"{err.style(err.symbol(symbol), style)} {prefix}{title}"
        if isinstance(seconds, int | float):
            text += f"  {elapsed(seconds)}"
        if cause and why:
            dash = "—" if err.unicode else "-"
            text += err.style(f"  {dash} {_because(why)}", "dim")
        self._out.note(text)


def _because(cause: str) -> str:
    return cause if cause.startswith("because ") else f"because {cause}"
