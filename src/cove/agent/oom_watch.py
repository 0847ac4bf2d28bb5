"""Processes killed for lack of memory, as the kernel counts them. Imported inside `cove.agent`.

Docker tells of most, not of all: some kernels report nothing to it, and a process beside the main
one may die unnoticed. So the counters that the metrics read are compared, and a death by SIGKILL
under a memory limit counts: with a limit, nothing else kills so.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from cove.adapters.docker import DockerEngine
from cove.agent.container_log import ContainerLog
from cove.observation.metrics.gathering import Look
from cove.ports import ContainerChange

_KILLED: Final = 137  # 128 + SIGKILL
_NANO: Final = 1_000_000_000


class OomWatch:
    """Compares each look of the metrics with the one before."""

    def __init__(self, engine: DockerEngine, containers: ContainerLog) -> None:
        self._engine = engine
        self._containers = containers
        # By container and process: one that is started again counts from 0 again.
        self._kills: dict[tuple[str, int], int] = {}
        self._complete = False  # whether what was not there before has begun since

    def see(self, change: ContainerChange, *, intended: bool) -> None:
        """A change that may have been a lack of memory."""
        if change.action == "die" and change.exit_code == _KILLED and not intended:
            task = asyncio.create_task(self._ask(change))
            task.add_done_callback(lambda done: done.exception())

    def take(self, look: Look) -> None:
        """One look at every counter; what was before this agent's first, nobody needs to know."""
        found = {}
        for subject, usage in look.containers.values():
            key, kills = (subject.id, subject.pid), usage.oom_kills
            found[key] = kills
            if kills > self._kills.get(key, 0 if self._complete else kills):
                self._containers.starved(subject.app, subject.name, time.time())
        self._kills, self._complete = found, look.complete

    async def _ask(self, change: ContainerChange) -> None:
        """Whether a container that was killed has a limit."""
        for facts in await self._engine.containers(change.app):
            if facts.service == change.service and (facts.memory_limit or facts.oom_killed):
                self._containers.starved(change.app, change.service, change.nano / _NANO)
