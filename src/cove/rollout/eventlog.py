"""A rollout's events: kept in the store, and handed live to whoever follows.

Imported inside `cove.rollout` and by the agent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from cove.model.events import Event, EventKind, Outcome
from cove.ports import Store
from cove.rollout.work import Emit


class EventLog:
    """Everything but progress is stored before it is told; progress is only told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: dict[int, set[asyncio.Queue[Event]]] = {}

    def emitter(self, rollout_id: int) -> Emit:
        """The function one rollout emits with."""

        def emit(
            kind: EventKind, index: int = -1, text: str = "", data: dict[str, Any] | None = None
        ) -> None:
            self._emit(rollout_id, kind, index, text, data or {})

        return emit

    def outcome(self, rollout_id: int) -> Outcome | None:
        """How a rollout ended, as its followers were told; None while they were not."""
        for event in reversed(self._store.events(rollout_id)):
            if event.kind == "finished":
                outcome: Outcome = event.data["outcome"]
                return outcome
        return None

    async def follow(self, rollout_id: int, after: int = 0) -> AsyncIterator[Event | None]:
        """Every event after `after`, up to the last one. None marks ten quiet seconds.

        A rollout that has ended before `after` has nothing to tell any more.
        """
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._followers.setdefault(rollout_id, set()).add(queue)
        try:
            seen = after
            for event in self._store.events(rollout_id, after):
                seen = event.seq
                yield event
                if event.kind == "finished":
                    return
            if self._ended(rollout_id):
                return
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), 10)
                except TimeoutError:
                    yield None
                    continue
                if event.seq and event.seq <= seen:
                    continue
                yield event
                if event.kind == "finished":
                    return
        finally:
            self._unfollow(rollout_id, queue)

    def _ended(self, rollout_id: int) -> bool:
        rollout = self._store.rollout(rollout_id)
        return rollout is None or rollout.outcome is not None

    def _emit(
        self, rollout_id: int, kind: EventKind, index: int, text: str, data: dict[str, Any]
    ) -> None:
        if kind == "progress":
            event = Event(seq=0, at=time.time(), kind=kind, index=index, text=text, data=data)
        else:
            event = self._store.add_event(rollout_id, kind, index, text, data)
        for queue in self._followers.get(rollout_id, ()):
            queue.put_nowait(event)

    def _unfollow(self, rollout_id: int, queue: asyncio.Queue[Event]) -> None:
        followers = self._followers.get(rollout_id, set())
        followers.discard(queue)
        if not followers:
            self._followers.pop(rollout_id, None)
