"""What runs now, as the planner sees it."""

from __future__ import annotations

from msgspec import Struct

from cove.model.release import Release
from cove.ports import ContainerFacts


class Observed(Struct, frozen=True, kw_only=True):
    """A snapshot of one app: taken once, before planning."""

    live: Release | None
    stopped: bool
    subnet: str
    network: bool
    volumes: frozenset[str]
    containers: tuple[ContainerFacts, ...]

    def of_release(self, number: int) -> tuple[ContainerFacts, ...]:
        """The containers that belong to one release."""
        return tuple(c for c in self.containers if c.release == number)

    @property
    def serving(self) -> Release | None:
        """The live release, if it is not stopped."""
        return None if self.stopped else self.live
