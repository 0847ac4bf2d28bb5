"""This machine: addresses, sockets, disk, memory, paths.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from cove.model.app import App
from cove.model.powers import NestedBind


class Listener(Struct, frozen=True):
    """A TCP socket that waits for connections inside a container."""

    address: str
    port: int


class Host(Protocol):
    """Facts and acts of this machine that Docker does not offer."""

    def connections(self, endpoints: Iterable[tuple[str, int]]) -> int:
        """How many TCP connections this host holds open to any of the endpoints."""

    def listeners(self, pid: int) -> tuple[Listener, ...]: ...
    def disk_free(self, path: str) -> int:
        """Bytes an ordinary file could still take; -1 where the path cannot be looked at."""

    def memory_available(self) -> int:
        """Bytes the kernel could give without swapping."""

    def memory_used(self, pid: int) -> int:
        """Bytes of working set of the process's cgroup; 0 when unknown."""

    async def add_address(self, pid: int, address: str, prefix: int) -> None:
        """Gives the process's network a second address; present is fine."""

    async def remove_address(self, pid: int, address: str, prefix: int) -> None:
        """Takes it away; absent is fine."""

    def powers_missing(
        self, app: App, granted: Sequence[str], beside: Sequence[App]
    ) -> tuple[str, ...]:
        """The powers that an app's paths of the host take, symbolic links followed, and lacks.

        A granted path that an app in `beside` could have made a link is taken as written.
        """

    def nested_binds(self, app: App, others: Sequence[App]) -> tuple[NestedBind, ...]:
        """Paths of the app that it or another may turn into links, and others' that it may."""

    def processes_of(self, containers: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Which processes live in the containers' control groups, by container; empty: none.

        Containers are meant by their whole ids.
        """

    async def end_process(self, pid: int, container_id: str, *, terminal: bool) -> bool:
        """Asks a process of a container to end, and kills it after some seconds.

        Whether there was such a process. `terminal`: it hears that its terminal is gone.
        """

    def port_holder(self, port: int) -> str:
        """Who listens on a TCP port of this host, for people; empty: nobody."""
