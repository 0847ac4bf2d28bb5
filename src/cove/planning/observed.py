"""What runs now, as the planner sees it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cove.model.release import Release
from cove.ports import ContainerFacts


class Observed(Struct, frozen=True, kw_only=True):
    """A snapshot of one app: taken once, before planning."""

    live: Release | None
    stopped: bool
    subnets: Mapping[str, str]  # the address range of each network
    networks: frozenset[str]  # those that exist, by their names inside the app
    volumes: frozenset[str]
    containers: tuple[ContainerFacts, ...]

    def of_release(self, number: int) -> tuple[ContainerFacts, ...]:
        """The containers that belong to one release."""
        return tuple(c for c in self.containers if c.release == number)

    def companion(self, service: str) -> tuple[ContainerFacts, ...]:
        """The containers of a companion, by its name in the file."""
        return tuple(c for c in self.containers if not c.release and c.role == service)

    @property
    def serving(self) -> Release | None:
        """The live release, if it is not stopped."""
        return None if self.stopped else self.live
