"""What every operation is given: the platform, the app it works on, and a place for its events.

Imported inside `cove.rollout` and by the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cove.errors import PlatformError
from cove.model.events import EventKind
from cove.model.release import Release
from cove.planning.observed import Observed
from cove.ports import AppRecord, ContainerFacts, Platform
from cove.render.compose import compose_document
from cove.render.naming import Naming
from cove.render.traefik import ProxySettings


class Emit(Protocol):
    """Tells whoever follows the rollout what happened."""

    def __call__(
        self, kind: EventKind, index: int = -1, text: str = "", data: dict[str, Any] | None = None
    ) -> None:
        """One event; see `cove.model.events` for the kinds and their data."""


@dataclass(frozen=True, slots=True)
class Work:
    """The setting of one rollout."""

    app: str
    platform: Platform
    naming: Naming
    proxy: ProxySettings
    emit: Emit
    now: Callable[[], float]  # seconds since the epoch

    def release(self, number: int) -> Release:
        """A release of the app; PlatformError where the record is gone."""
        found = self.platform.store.release(self.app, number)
        if found is None:
            raise PlatformError(f"release {number} of {self.app} is not recorded", code="state")
        return found

    async def containers(self, number: int) -> tuple[ContainerFacts, ...]:
        """The containers of one release, whatever their state."""
        every = await self.platform.engine.containers(self.app)
        return tuple(facts for facts in every if facts.release == number)

    async def write_project(self, numbers: tuple[int, ...]) -> None:
        """Makes the app's Compose file hold exactly these releases."""
        releases = [self.release(number) for number in numbers]
        document = compose_document(self.app, releases, self.naming)
        await self.platform.composer.write(self.app, document)


async def observe(record: AppRecord, platform: Platform, naming: Naming) -> Observed:
    """A snapshot of what the app runs now."""
    containers = await platform.engine.containers(record.name)
    volumes = await platform.engine.volumes(record.name)
    network = await platform.engine.has_network(record.name)
    prefix = naming.volume(record.name, "")
    return Observed(
        live=platform.store.release(record.name, record.live) if record.live else None,
        stopped=record.stopped,
        subnet=record.subnet,
        network=network,
        volumes=frozenset(v.removeprefix(prefix) for v in volumes),
        containers=containers,
    )
