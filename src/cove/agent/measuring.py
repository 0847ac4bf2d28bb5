"""The measurements' life in the agent: a look every ten seconds, kept and tidied.

Imported inside `cove.agent` only. Nothing depends on it: whatever fails here is told once, and
tried again with the next look.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cove.adapters.docker import DockerClient, DockerSubjects
from cove.adapters.host import HostMeters
from cove.adapters.metricstore import SqliteMetrics
from cove.adapters.traefik import TraefikMeters
from cove.agent.instance import Identity, Instance
from cove.errors import CoveError
from cove.model.metrics import TICK, Row
from cove.observation.metrics import MetricViews, Sampler, Sources
from cove.observation.metrics.gathering import Gatherer, Look
from cove.observation.metrics.recent import Recent
from cove.ports.metrics import RouteCounts
from cove.render.naming import Naming

_log = logging.getLogger(__name__)
_TIDY: Final = 300  # seconds
# Where a full disk hurts: the system, what Docker and cove write.
_PLACES: Final = (Path("/"), Path("/var/lib/docker"), Path("/var"), Path("/home"))


class Measuring:
    """Looks, keeps, and shows."""

    def __init__(
        self,
        instance: Instance,
        identity: Identity,
        client: DockerClient,
        naming: Naming,
        named: Callable[[RouteCounts], str],
    ) -> None:
        # Filled by the threads of the store, told by the loop: what is warned of is also recorded.
        self._moved: list[str] = []
        self.store = SqliteMetrics(instance.folder / "metrics.db", self._moved.append)
        self.views = MetricViews(self.store)
        self.recent = Recent()
        self.routes = TraefikMeters(identity.api_port)
        self._meters = HostMeters((*_PLACES, instance.folder))
        self.sampler = Sampler(
            Gatherer(
                Sources(
                    meters=self._meters,
                    routes=self.routes,
                    subjects=DockerSubjects(client, naming),
                    named=named,
                )
            )
        )
        self._listeners: list[Callable[[Look], None]] = []
        self._tidied = 0.0
        self._said = ""

    def listen(self, listener: Callable[[Look], None]) -> None:
        """Has it called with every look."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Looks at full ten seconds until it is cancelled; no failure ends it."""
        await self._turn()
        while True:
            await asyncio.sleep(TICK - time.time() % TICK)
            await self._turn()

    async def close(self) -> None:
        """Closes files and connections."""
        await self.routes.close()
        self._meters.close()
        self.store.close()

    def _tell(self, found: tuple[Row, ...]) -> None:
        look = self.sampler.look
        self.recent.take(found, look)
        for listener in self._listeners:
            if look is not None:
                listener(look)

    async def _turn(self) -> None:
        try:
            # The tick that has just ended is the one that is told of.
            found = await self.sampler.tick(time.time() - TICK / 2)
            self._tell(found)
            if found:
                await asyncio.to_thread(self.store.add, found)
            if time.monotonic() - self._tidied > _TIDY:
                self._tidied = time.monotonic()
                await asyncio.to_thread(self.store.tidy, int(time.time()) // TICK * TICK)
        except CoveError as error:
            if error.message != self._said:  # a full disk is told once, not every ten seconds
                _log.warning("metrics are not kept: %s", error.message)
            self._said = error.message
        except Exception:  # noqa: BLE001 - the last resort: serving goes on whatever this is
            _log.exception("metrics: a bug in cove")
        else:
            self._said = ""
        while self._moved:
            place = self._moved.pop()
            _log.warning("metrics.db was damaged; it lies at %s, and metrics begin anew", place)
