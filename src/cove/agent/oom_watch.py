"""Processes killed for lack of memory, as the kernel counts them. Imported inside `cove.agent`.

Docker tells of most, not of all: some kernels report nothing to it, and a process beside the main
one may die unnoticed. So the counters are read, and a death by SIGKILL under a memory limit
counts: with a limit, nothing else kills so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from cove.adapters.docker import DockerEngine
from cove.adapters.host import LinuxHost
from cove.agent.container_log import ContainerLog
from cove.errors import CoveError
from cove.ports import ContainerChange

_log = logging.getLogger(__name__)
EVERY: Final = 10.0  # seconds between two looks at the counters
_KILLED: Final = 137  # 128 + SIGKILL
_NANO: Final = 1_000_000_000


class OomWatch:
    """Which containers there are is asked anew only after one began or ended."""

    def __init__(self, engine: DockerEngine, host: LinuxHost, containers: ContainerLog) -> None:
        self._engine = engine
        self._host = host
        self._containers = containers
        self._stale = True
        self._first = True
        self._running: dict[str, tuple[str, str, int]] = {}  # id -> app, service, pid
        self._kills: dict[str, int] = {}

    def see(self, change: ContainerChange, *, intended: bool) -> None:
        """A change: there may be other containers, and this may have been a lack of memory."""
        self._stale = self._stale or change.action in ("start", "die", "destroy")
        if change.action == "die" and change.exit_code == _KILLED and not intended:
            task = asyncio.create_task(self._ask(change))
            task.add_done_callback(lambda done: done.exception())

    async def run(self) -> None:
        """Runs until cancelled; a Docker that is away is asked again."""
        while True:
            try:
                await self.look()
            except CoveError as error:
                _log.info("lack of memory is not counted: %s", error.message)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """One look at every counter. Raises PlatformError."""
        if self._stale:
            self._stale = False
            found = await self._engine.containers()
            self._running = {f.id: (f.app, f.service, f.pid) for f in found if f.running and f.pid}
        kills = {id_: self._host.oom_kills(pid) for id_, (_, _, pid) in self._running.items()}
        for id_, count in kills.items():
            # What was before this agent's first look, nobody needs to be told.
            before = self._kills.get(id_, count if self._first else 0)
            if count > before:
                app, service, _ = self._running[id_]
                self._containers.starved(app, service, time.time())
        self._kills, self._first = kills, False

    async def _ask(self, change: ContainerChange) -> None:
        """Whether a container that was killed has a limit."""
        for facts in await self._engine.containers(change.app):
            if facts.service == change.service and (facts.memory_limit or facts.oom_killed):
                self._containers.starved(change.app, change.service, change.nano / _NANO)
