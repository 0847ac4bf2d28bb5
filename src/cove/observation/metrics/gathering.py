"""One look at all that is measured: the machine, disks, containers, services of the proxy.

Imported inside `cove.observation.metrics` only. Several may look in turns: what is returned are
counters that only ever grow, so each tells what happened since its own last look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from cove.errors import CoveError
from cove.model.logs import AGENT_APP
from cove.observation.metrics.increase import RouteTotals
from cove.ports.metrics import (
    ContainerUsage,
    FileSystem,
    MachineUsage,
    Meters,
    RouteCounts,
    RouteMeters,
    Subject,
    Subjects,
)

AGENT = Subject(id="", app=AGENT_APP, service="agent", name="agent", pid=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where figures come from."""

    meters: Meters
    routes: RouteMeters
    subjects: Subjects
    # The name of a route's series.
    named: Callable[[RouteCounts], str] = lambda one: one.port


class Look(Struct, frozen=True, kw_only=True):
    """What was seen at one moment; `moment` is of a clock that nobody sets."""

    moment: float
    machine: MachineUsage | None
    file_systems: tuple[FileSystem, ...]
    containers: dict[str, tuple[Subject, ContainerUsage]]
    # Whether every container was looked for: one that is new afterwards has just begun.
    complete: bool
    # By app, service and the series' name; None: the proxy did not answer.
    routes: dict[tuple[str, str, str], tuple[int, ...]] | None


class Gatherer:
    """Looks; remembers which containers are attached."""

    def __init__(self, sources: Sources, clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._clock = clock
        self._known: dict[str, Subject] = {}
        self._totals = RouteTotals(sources.named)
        self._alone = asyncio.Lock()

    async def look(self) -> Look:
        """What is to be seen now; what cannot be read is missing, and nothing is raised."""
        async with self._alone:
            complete = await self._find()
            scrape = await self._sources.routes.scrape()
            containers = self._containers()
            return Look(
                moment=self._clock(),
                machine=self._machine(),
                file_systems=self._sources.meters.file_systems(),
                containers=containers,
                complete=complete,
                routes=None if scrape is None else self._totals.take(scrape),
            )

    async def _find(self) -> bool:
        """Attaches what is new; where Docker does not answer, those known are looked at."""
        try:
            found = await self._sources.subjects.running(self._known)
        except CoveError:
            return False
        for subject in found:
            if self._known.get(subject.id) != subject and not self._sources.meters.attach(subject):
                self._known.pop(subject.id, None)
            else:
                self._known[subject.id] = subject
        gone = self._known.keys() - {subject.id for subject in found}
        for container in gone:
            del self._known[container]
        self._sources.meters.keep(self._known.keys())
        return True

    def _containers(self) -> dict[str, tuple[Subject, ContainerUsage]]:
        seen = {AGENT.id: (AGENT, self._sources.meters.own())}
        for container, subject in list(self._known.items()):
            usage = self._sources.meters.container(container)
            if usage is None:  # it ended; if it was started anew, the next look finds it
                del self._known[container]
            else:
                seen[container] = (subject, usage)
        return seen

    def _machine(self) -> MachineUsage | None:
        try:
            return self._sources.meters.machine()
        except CoveError:
            return None
