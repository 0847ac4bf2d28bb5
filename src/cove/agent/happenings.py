"""What the agent notices, recorded for whoever asks later, and handed on as it comes.

Imported inside `cove.agent` only. What the agent warns of in its log is recorded by itself; the
same thing again and again is recorded now and then only, so that no loop fills the disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable
from typing import Any, Final

from cove.adapters.sqlite import SqliteStore
from cove.agent.limits import Limit
from cove.errors import CoveError
from cove.model.happenings import Happening, HappeningKind

_QUIET: Final = 10.0  # seconds after which a follower is told that nothing came
_REPAIRS: Final = "cove.rollout.recovery"


class Happenings:
    """Recording and following; recording never fails, since nothing may depend on it."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._limit = Limit()

    def record(
        self, kind: HappeningKind, text: str, *, app: str = "", data: dict[str, Any] | None = None
    ) -> None:
        """Records one; where it cannot be written, it is lost."""
        try:
            self._store.add_happening(kind, text, app, data)
        except CoveError as error:
            # Not as a warning: that would be recorded, and fail again.
            logging.getLogger(__name__).info("not recorded: %s (%s)", text, error.message)

    def record_rarely(
        self,
        key: Hashable,
        kind: HappeningKind,
        text: str,
        *,
        app: str = "",
        at: float | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Records one unless the same, by its key, was recorded too often of late."""
        held = self._limit.admit(key, time.time() if at is None else at)
        if held is not None:
            more = f" (and {held} more times before)" if held else ""
            self.record(kind, text + more, app=app, data=data)

    async def follow(
        self, app: str, *, after: int | None, since: float, tail: int
    ) -> AsyncIterator[Happening | None]:
        """Those there are, then those to come, each once. None marks ten quiet seconds.

        With `after`, all since that number; else the last `tail`, or all since a time for -1.
        """
        came = asyncio.Event()
        end = self._store.listen(came.set)
        try:
            seen = after or 0
            if after is None:
                # In one turn of the loop, so that nothing can come between the two looks.
                newest = self._store.last_happenings(1)
                past = self.recent(app, since=since, tail=tail)
                for happening in past:
                    yield happening
                seen = newest[-1].seq if newest else 0
            while True:
                came.clear()
                while found := self._store.happenings(after=seen, app=app):
                    for happening in found:
                        seen = happening.seq
                        yield happening
                try:
                    await asyncio.wait_for(came.wait(), _QUIET)
                except TimeoutError:
                    yield None
        finally:
            end()

    def recent(self, app: str, *, since: float, tail: int) -> tuple[Happening, ...]:
        """The last `tail`, or all for -1, in order."""
        limit = tail if tail >= 0 else 1 << 31
        return self._store.last_happenings(limit, app=app, since=since)

    def heed_warnings(self) -> None:
        """From now on, what cove's modules warn of is recorded."""
        logging.getLogger("cove").addHandler(_Warnings(self))


class _Warnings(logging.Handler):
    """Warnings and errors of the agent's log; and what is marked with `happening`, its kind.

    A record may be marked with its `app`, too.
    """

    def __init__(self, happenings: Happenings) -> None:
        super().__init__(logging.INFO)
        self._happenings = happenings

    def emit(self, record: logging.LogRecord) -> None:
        """Records the line; one template counts as one thing."""
        kind: HappeningKind | None = getattr(record, "happening", None)
        if kind is None and record.levelno < logging.WARNING:
            return
        usual: HappeningKind = "repair" if record.name == _REPAIRS else "notice"
        app: str = getattr(record, "app", "")
        key = (record.msg, app)
        self._happenings.record_rarely(key, kind or usual, record.getMessage(), app=app)
