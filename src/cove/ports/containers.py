"""Docker Engine and Compose: containers, images, networks, volumes, log lines.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from cove.model.app import File

ContainerState = Literal["created", "running", "restarting", "paused", "exited", "dead", "removing"]


ChangeAction = Literal["start", "die", "oom", "healthy", "unhealthy", "destroy"]


class ContainerFacts(Struct, frozen=True, kw_only=True):
    """A container as Docker reports it."""

    id: str
    name: str
    app: str
    service: str  # the Compose service, release suffix included
    release: int  # 0: a companion, which no release owns
    role: str = ""  # the service as the file calls it
    config: str = ""  # what a companion was made of
    state: ContainerState
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    pid: int = 0
    started_at: float = 0.0  # seconds since the epoch
    health: str = ""  # Docker's own: starting, healthy, unhealthy, or none
    image_id: str = ""
    memory_limit: int = 0  # bytes; 0: none
    error: str = ""

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self.state == "running"


class Sighting(Struct, frozen=True, kw_only=True):
    """A container at a glance. Its `addresses` are those in Docker's networks, while it runs.

    `networks` are those of its app in which it has one, by their names inside the app.
    """

    id: str
    name: str
    app: str
    service: str
    release: int
    state: ContainerState
    addresses: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


class Exit(Struct, frozen=True):
    """One end of a container's main process."""

    at: float
    code: int
    oom: bool


class ContainerChange(Struct, frozen=True, kw_only=True):
    """What became of a container. `nano` is nanoseconds since the epoch, as Docker counts."""

    nano: int
    action: ChangeAction
    container: str
    app: str
    service: str
    release: int  # 0: it carries none
    exit_code: int = 0


class ImageFacts(Struct, frozen=True, kw_only=True):
    """An image as it lies on this machine."""

    id: str
    digests: tuple[str, ...]  # repository@digest
    tags: tuple[str, ...]
    ports: tuple[int, ...]
    volumes: tuple[str, ...]
    architecture: str
    os: str
    size: int


class EngineInfo(Struct, frozen=True, kw_only=True):
    """The Docker Engine behind the socket."""

    version: str
    api_version: str
    architecture: str  # Go's names: amd64, arm64, arm, 386 …
    root: str  # where it keeps its data
    containers: int = 0


class LogLine(Struct, frozen=True, kw_only=True):
    """One line a container wrote. `at` is seconds since the epoch."""

    at: float
    service: str
    release: int
    stream: Literal["stdout", "stderr"]
    text: str


# called with (bytes done, bytes in all, what is going on)
Progress = Callable[[int, int, str], None]


class Engine(Protocol):
    """Docker Engine: observing everything, and what Compose cannot do without recreating."""

    async def info(self) -> EngineInfo: ...
    async def image(self, reference: str) -> ImageFacts | None: ...
    async def pull(self, reference: str, platform: str, progress: Progress) -> None:
        """Raises Refused (`image-missing`, `image-login`, `image-platform`, `registry-down`)."""

    async def tag(self, image_id: str, reference: str) -> None: ...
    async def untag(self, reference: str) -> None:
        """Removes a reference, and its bytes when nothing else names them; absent is fine."""

    async def containers(self, app: str = "") -> tuple[ContainerFacts, ...]:
        """This instance's containers, of one app or of all."""

    async def sightings(self) -> tuple[Sighting, ...]:
        """Every container of this instance's apps, in one cheap question."""

    async def start(self, container_id: str) -> None: ...
    async def stop(self, container_id: str, grace: float) -> None: ...
    async def remove(self, container_id: str) -> None:
        """Removes a container with its anonymous volumes, running or not; absent is fine."""

    async def settle(self, limit: float) -> bool:
        """Waits until Docker has done what clients that are gone had asked for.

        Docker carries out what it was asked for, whoever asked: a container whose stop was asked
        for runs on for as long as its grace, and then ends, though the client was killed. Before
        it has settled, what is observed may be about to change. Returns at once where no such
        request is under way, and whether it has settled within `limit` seconds.
        """

    async def exits(self, container_ids: Sequence[str], since: float) -> tuple[Exit, ...]: ...
    async def tail(self, container_id: str, lines: int) -> tuple[str, ...]: ...
    def logs(
        self, facts: ContainerFacts, *, since: float, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]: ...
    def starts(self, app: str, since: float) -> AsyncIterator[ContainerFacts]:
        """Containers of the app as they start, from a time on, until the iterator is closed."""

    async def subnets(self) -> tuple[str, ...]:
        """Every address range a Docker network of this machine holds, in CIDR form."""

    async def networks(self, app: str) -> frozenset[str]:
        """The app's networks that exist, by their names inside the app."""

    async def ensure_network(
        self, app: str, subnet: str, name: str = "default", *, internal: bool = False
    ) -> None: ...
    async def remove_network(self, app: str, name: str = "default") -> None: ...
    async def connect(
        self, container_id: str, app: str, name: str, *aliases: str, like: str = ""
    ) -> None:
        """Puts a container into one more of the app's networks; present is fine.

        It answers there to the aliases. Its place in the network's range is that of `like`, an
        address in another one; without, Docker chooses. One that is there without an alias leaves
        for a moment and comes back, with `like` to the same address: its connections outlast that.
        """

    async def disconnect(self, container_id: str, app: str, name: str) -> None:
        """Takes a container out of one of the app's networks; absent is fine."""

    async def volumes(self, app: str) -> tuple[str, ...]:
        """The full names of the volumes cove made for the app."""

    async def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that full name, whoever made it."""

    async def remove_volume(self, name: str) -> None: ...


class Composer(Protocol):
    """Docker Compose over one app's project."""

    async def write(
        self, app: str, document: Mapping[str, Any], files: Mapping[str, File], *, tidy: bool
    ) -> None:
        """Replaces the project's file atomically, the files it mounts lying beside it before.

        `tidy` deletes files that it does not mount any more.
        """

    async def up(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        """Creates and starts the named services, leaving running ones as they are."""

    async def converge(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        """Makes the named services what the file says, replacing those that differ."""

    async def discard(self, app: str) -> None:
        """Deletes the project's folder; absent is fine."""

    async def settle(self, app: str) -> None:
        """Waits until no Compose process of an earlier agent works on the project."""


class LastLines(Protocol):
    """What keeps the lines that containers write."""

    async def drained(self, containers: Iterable[str]) -> None:
        """Waits, not for long, until all that these wrote, which have ended, is kept.

        Never raises: nothing depends on it.
        """
