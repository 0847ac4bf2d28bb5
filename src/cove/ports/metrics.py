"""What measuring needs of the world.

Imported by observation, by adapters and by the agent. Apart from what rollouts need: serving
depends on nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from cove.model.metrics import MetricQuery, Row, Series


class Subject(Struct, frozen=True, kw_only=True):
    """A container that is to be measured, as Docker tells of it."""

    id: str
    app: str
    service: str  # as the file calls it
    name: str  # the Compose service
    pid: int
    restarts: int = 0


class MachineUsage(Struct, frozen=True, kw_only=True):
    """The machine at one moment. Counters since its boot; microseconds and bytes."""

    cores: int
    cpu: int
    iowait: int
    steal: int
    load: float
    memory_total: int
    memory: int
    swap_total: int
    swap: int
    swapped_in: int
    swapped_out: int
    oom_kills: int
    received: int
    sent: int
    disk_read: int
    disk_written: int
    disk_busy: dict[str, int]  # by disk
    cpu_pressure: int
    memory_pressure: int
    io_pressure: int


class FileSystem(Struct, frozen=True, kw_only=True):
    """A file system that matters. Bytes; `inodes` is the share taken, in thousandths."""

    path: str
    size: int
    used: int
    inodes: int


class ContainerUsage(Struct, frozen=True, kw_only=True):
    """A container at one moment. Counters since its start; microseconds and bytes."""

    cpu: int = 0
    throttled: int = 0
    cpu_limit: int = 0  # thousandths of a core; 0: none
    memory: int = 0
    memory_limit: int = 0  # 0: none
    swap: int = 0
    oom_kills: int = 0
    read: int = 0
    written: int = 0
    processes: int = 0
    received: int = 0
    sent: int = 0


class Meters(Protocol):
    """Reads the kernel's counters. Every method blocks, for less than a millisecond."""

    def machine(self) -> MachineUsage:
        """The machine. Raises PlatformError (`host-facts`)."""

    def file_systems(self) -> tuple[FileSystem, ...]:
        """Those that cove, Docker and the machine itself live on, each once."""

    def attach(self, subject: Subject) -> bool:
        """Opens a container's counters; whether there are any, which there are while it runs."""

    def container(self, container: str) -> ContainerUsage | None:
        """An attached container's counters; None once it has ended, and it is then detached."""

    def own(self) -> ContainerUsage:
        """The process that asks."""

    def keep(self, containers: AbstractSet[str]) -> None:
        """Detaches every other container."""


class RouteCounts(Struct, frozen=True):
    """What a service of the proxy has answered since the proxy's start, in the order of its fields.

    The fields are those of `route` in `cove.model.metrics`.
    """

    app: str
    service: str
    port: str
    release: int  # whose routes they are; 0: of those that wait, as an earlier cove had it
    values: tuple[int, ...]
    route: int | None = None  # which of the release's, in its file's order; None: several
    held: bool = False  # they waited for the next release


class RouteScrape(Struct, frozen=True):
    """The proxy's counters at one moment. Another `born` means that all began anew."""

    born: float
    counts: tuple[RouteCounts, ...]


class RouteMeters(Protocol):
    """Reads the proxy's counters."""

    async def scrape(self) -> RouteScrape | None:
        """All of them; None where the proxy does not answer."""


class Subjects(Protocol):
    """Which containers run."""

    async def running(self, known: Mapping[str, Subject]) -> tuple[Subject, ...]:
        """Those that run, the proxy's among them; what is known is not asked for again.

        Raises PlatformError.
        """


class MetricStore(Protocol):
    """Kept measurements. Every method blocks and may be called from any thread.

    Reading never waits for writing. Each raises PlatformError (`state`, `disk-full`, `data-dir`).
    """

    def add(self, rows: Sequence[Row]) -> None:
        """Keeps what one tick brought; a row that is there already is replaced."""

    def tidy(self, now: int) -> None:
        """Makes the rows of longer times, and deletes those that are old enough."""

    def read(self, query: MetricQuery) -> tuple[Row, ...]:
        """The rows of each series, oldest first, merged over the query's step.

        Rows of a longer time stand in where shorter ones are kept no more.
        """

    def series(self) -> tuple[Series, ...]:
        """All that anything is kept of."""
