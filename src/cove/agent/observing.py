"""Deaths, restarts and health of containers, as Docker tells them. Imported inside `cove.agent`.

One connection, on which nothing is sent while nothing happens. What a rollout does to containers
is told by the rollout, and left out here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from cove.agent.platform import Parts
from cove.errors import CoveError
from cove.ports import ContainerChange

_log = logging.getLogger(__name__)
_RETRY: Final = 5.0  # seconds between two tries while Docker is away
_NANO: Final = 1_000_000_000
_SLACK: Final = 2.0  # seconds by which Docker's word on a rollout's act may come after its end
_KILLED: Final = 137  # 128 + SIGKILL
_PAST: Final = 2000  # happenings that are looked through for what containers did
_ROLLOUTS: Final = 20  # the newest of an app that are compared with a change


# Told of every change, and whether it was intended.
Witness = Callable[[ContainerChange, bool], None]


async def observe(parts: Parts) -> None:
    """Runs until cancelled; begins where the last agent's records end."""
    observer = Observer(parts, partial(_alarm, parts))
    since = begin(parts)
    await _recall(parts)
    while True:
        try:
            async for change in parts.engine.changes(since):
                if change.nano > since:
                    since = change.nano
                    observer.see(change)
        except CoveError as error:
            _log.info("containers are not observed: %s", error.message)
        await asyncio.sleep(_RETRY)


def _alarm(parts: Parts, change: ContainerChange, intended: bool) -> None:  # noqa: FBT001 - a Witness
    """Alerts count it, and the routes of its app are looked at now."""
    parts.observation.containers.see(change, intended=intended)
    parts.observation.oom.see(change, intended=intended)
    if not intended:
        parts.observation.uptime.hurry(change.app)


async def _recall(parts: Parts) -> None:
    """What alerts count did not begin with this agent."""
    try:
        past = parts.store.last_happenings(_PAST)
        parts.observation.containers.recall(past, await parts.engine.containers())
    except CoveError as error:
        _log.info("what containers did before is unknown: %s", error.message)


def begin(parts: Parts) -> int:
    """The time from which on changes have not been seen, in nanoseconds since the epoch."""
    last = parts.store.last_with("nano")
    return int(last.data["nano"]) if last else time.time_ns()


class Observer:
    """Remembers of each container only what makes the next change mean something."""

    def __init__(self, parts: Parts, witness: Witness = lambda _, __: None) -> None:
        self._parts = parts
        self._witness = witness
        self._oom: set[str] = set()
        self._died: set[str] = set()
        self._unhealthy: set[str] = set()

    def see(self, change: ContainerChange) -> None:
        """Records the change, if it is one that nobody intended."""
        if change.action == "oom":
            self._parts.measuring.sampler.killed(change.container, change.app, change.service)
        oom = change.container in self._oom
        text, intended = self._words(change), self._intended(change)
        self._witness(change, intended)
        if not text or intended:
            return
        self._parts.happenings.record_rarely(
            (change.app, change.service, change.action),
            "container",
            text,
            app=change.app,
            at=change.nano / _NANO,
            data={
                "service": change.service,
                "action": change.action,
                "exit_code": change.exit_code,
                "nano": change.nano,
                **({"oom": True} if oom and change.action == "die" else {}),
            },
        )

    def _words(self, change: ContainerChange) -> str:
        who = change.container
        if change.action == "oom":
            self._oom.add(who)
            return ""
        if change.action == "die":
            self._died.add(who)
            self._unhealthy.discard(who)
            return self._death(change)
        if change.action == "start" and who in self._died:
            self._died.discard(who)
            return f"{change.service} was started again"
        if change.action == "unhealthy" and who not in self._unhealthy:
            self._unhealthy.add(who)
            return f"{change.service} is unhealthy"
        if change.action == "healthy" and who in self._unhealthy:
            self._unhealthy.discard(who)
            return f"{change.service} is healthy again"
        if change.action == "destroy":
            for known in (self._oom, self._died, self._unhealthy):
                known.discard(who)
        return ""

    def _death(self, change: ContainerChange) -> str:
        if change.container in self._oom:
            self._oom.discard(change.container)
            return f"{change.service} was killed: out of memory"
        if change.exit_code == _KILLED:
            return f"{change.service} was killed"
        return f"{change.service} ended with status {change.exit_code}"

    def _intended(self, change: ContainerChange) -> bool:
        """Whether a rollout did it, or what is no longer live."""
        record = self._parts.store.app(change.app)
        if record is None or record.stopped or not record.live:
            return True
        if change.release and change.release != record.live:
            return True
        at = change.nano / _NANO
        return any(
            rollout.started_at - _SLACK <= at
            and (not rollout.ended_at or at <= rollout.ended_at + _SLACK)
            for rollout in self._parts.store.rollouts(change.app, _ROLLOUTS)
        )
