"""What every operation is given: the platform, the app it works on, and a place for its events.

Imported inside `cove.rollout` and by the agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec.structs import replace

from cove.errors import PlatformError
from cove.model.app import DEFAULT_NETWORK
from cove.model.events import EventKind
from cove.model.release import Release
from cove.planning.observed import Observed
from cove.ports import AppRecord, ContainerFacts, Platform
from cove.render.compose import (
    companion_digests,
    compose_document,
    earlier_digests,
    project_files,
    secret_environment,
)
from cove.render.naming import Naming
from cove.render.traefik import ProxySettings
from cove.rollout import strays

_RUNNING = ("running", "restarting", "paused")


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

    async def companion(self, service: str) -> tuple[ContainerFacts, ...]:
        """The containers of a companion, by its name in the file."""
        every = await self.platform.engine.containers(self.app)
        return tuple(facts for facts in every if not facts.release and facts.role == service)

    async def remove(self, found: Iterable[ContainerFacts]) -> None:
        """Containers go, once what they wrote last is kept where lines are kept."""
        every, engine, lines = tuple(found), self.platform.engine, self.platform.lines
        if lines is not None:
            running = [facts for facts in every if facts.state in _RUNNING]
            await together(engine.stop(facts.id, 0) for facts in running)
            await lines.drained([facts.id for facts in every])
        await together(engine.remove(facts.id) for facts in every)
        await strays.end_removed([facts.id for facts in every], self.platform)

    async def write_project(
        self,
        numbers: tuple[int, ...],
        companions: Mapping[str, int],
        *,
        tidy: bool = False,
        once: tuple[Release, str] | None = None,
    ) -> None:
        """Makes the app's Compose file hold exactly these releases, and its companions.

        `companions` names the release that defines each. `tidy` deletes configs and secrets that
        nothing in the file mounts; a container that is still to be replaced may need them. `once`
        is a service whose `before` command is to run.
        """
        releases = [self.release(number) for number in numbers]
        defined = {name: self.release(number) for name, number in companions.items()}
        document = compose_document(self.app, releases, defined, self.naming, once)
        services = [s for release in releases for s in release.spec.released()]
        services += [release.spec.service(name) for name, release in defined.items()]
        files = project_files(services)
        await self.platform.composer.write(self.app, document, files, tidy=tidy)

    def environment(self, numbers: Iterable[int], companions: Mapping[str, int]) -> dict[str, str]:
        """The variables of everything the Compose file may hold: Compose fills in all of it."""
        record = self.platform.store.app(self.app)
        serving = {record.live} if record and record.live else set()
        wanted = sorted({*numbers, *companions.values(), *serving})
        return secret_environment([self.release(number) for number in wanted])

    async def remove_volumes(self, names: Iterable[str]) -> None:
        """Deletes volumes that came into being with what is taken back.

        A volume of that name which cove did not make holds somebody's data, and stays.
        """
        made = {self.naming.volume(self.app, name) for name in names}
        for name in sorted(made.intersection(await self.platform.engine.volumes(self.app))):
            await self.platform.engine.remove_volume(name)


async def together(acts: Iterable[Awaitable[None]]) -> None:
    """Does all of it at once; raises the first failure when the last has ended.

    Whoever takes back what failed must not meet what is still under way.
    """
    for result in await asyncio.gather(*acts, return_exceptions=True):
        if result is not None:
            raise result


async def observe(
    record: AppRecord,
    platform: Platform,
    naming: Naming,
    subnets: Mapping[str, str] | None = None,
) -> Observed:
    """A snapshot of what the app runs now. `subnets` are its networks' ranges, where known."""
    containers = await platform.engine.containers(record.name)
    volumes = await platform.engine.volumes(record.name)
    networks = await platform.engine.networks(record.name)
    prefix = naming.volume(record.name, "")
    live = platform.store.release(record.name, record.live) if record.live else None
    return Observed(
        live=live,
        stopped=record.stopped,
        subnets=dict(subnets or {DEFAULT_NETWORK: record.subnet}),
        networks=networks,
        volumes=frozenset(v.removeprefix(prefix) for v in volumes),
        containers=_recognised(containers, live, naming) if live else containers,
    )


def _recognised(
    containers: tuple[ContainerFacts, ...], live: Release, naming: Naming
) -> tuple[ContainerFacts, ...]:
    """The containers; what an earlier cove labelled otherwise is what the live release defines."""
    now = companion_digests(live.spec, live.images, naming)
    earlier = earlier_digests(live.spec, live.images, naming)
    return tuple(
        replace(facts, config=now[facts.role])
        if not facts.release and facts.config in earlier.get(facts.role, ())
        else facts
        for facts in containers
    )
