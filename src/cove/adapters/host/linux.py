"""`LinuxHost`: the port `Host`, fulfilled from /proc, /sys/fs/cgroup and iproute2.

Only the composition roots and tests import it. The agent must run in the machine's own network,
PID and mount namespaces, with the rights of root for acts and for other users' sockets.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cove.adapters.host import memory, processes, sockets
from cove.adapters.host.addresses import (
    Namespace,
    Run,
    forget,
    hold_error,
    introduce,
    run,
)
from cove.adapters.host.binds import nested_binds, real_powers_missing
from cove.adapters.host.files import optional
from cove.errors import PlatformError
from cove.model.app import App
from cove.model.powers import NestedBind
from cove.ports import Listener

_TABLES: Final = ("tcp", "tcp6")


class LinuxHost:
    """This machine. `proc` and `cgroup` are where procfs and the cgroup root are mounted."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
        run: Run = run,
    ) -> None:
        self._proc = proc
        self._cgroup = cgroup
        self._run = run

    def connections(self, endpoints: Iterable[tuple[str, int]]) -> int:
        """How many TCP connections this host holds open to any of the endpoints.

        Open is what may still carry a request or its answer: established, half-closed by either
        side, or still dialling. The kernel gives the table a page at a time, so one that moves
        between two pages may be missed: trust zero only when it is read twice in a row.
        """
        remotes = frozenset[str]().union(*(sockets.encode(*endpoint) for endpoint in endpoints))
        if not remotes:
            return 0
        return sum(sockets.count(table, remotes) for table in self._tables(self._proc))

    def listeners(self, pid: int) -> tuple[Listener, ...]:
        """The TCP sockets that wait for connections in the network of a process.

        A process that has ended has none. `::` may stand for IPv4 as well.
        """
        tables = [optional(self._proc / str(pid) / "net" / name) for name in _TABLES]
        return tuple(s.listener for table in tables for s in sockets.listening(table))

    def disk_free(self, path: str) -> int:
        """Bytes that a process without root's reserve could write to the path's file system."""
        try:
            facts = os.statvfs(path)
        except OSError as error:
            raise _unknown(f"the free space of {path}", error) from error
        return facts.f_bavail * facts.f_frsize

    def memory_available(self) -> int:
        """Bytes the kernel could give without swapping."""
        try:
            return memory.available((self._proc / "meminfo").read_text())
        except (OSError, ValueError) as error:
            raise _unknown("the available memory", error) from error

    def memory_used(self, pid: int) -> int:
        """Bytes of working set of the process's cgroup; 0 when unknown."""
        for files in memory.cgroup_files(optional(self._proc / str(pid) / "cgroup")):
            usage = optional(self._cgroup / files.usage)
            if usage:
                return memory.working_set(
                    usage, optional(self._cgroup / files.stat), files.inactive
                )
        return 0

    async def add_address(self, pid: int, address: str, prefix: int) -> None:
        """Gives the process's network a second address; present is fine.

        It goes to the interface that has an address in the same network. Raises PlatformError
        (`hold-address`), also when the process has ended or is in the machine's own network.
        """
        address = _checked(address, prefix)
        if not self._alive(pid):
            raise hold_error(f"the container that was to get {address} has ended")
        self._refuse_own_network(pid)
        hardware = await Namespace(pid, self._run).add(address, prefix)
        await introduce(address, hardware, self._run)

    async def remove_address(self, pid: int, address: str, prefix: int) -> None:
        """Takes it away; absent is fine, and so is a process that has ended.

        Raises PlatformError (`hold-address`).
        """
        address = _checked(address, prefix)
        if not self._alive(pid):
            await forget(address, self._run)
            return
        self._refuse_own_network(pid)
        try:
            await Namespace(pid, self._run).remove(address, prefix)
        except PlatformError:
            if self._alive(pid):
                raise
        await forget(address, self._run)

    def powers_missing(
        self, app: App, granted: Sequence[str], beside: Sequence[App]
    ) -> tuple[str, ...]:
        """The powers that an app's paths of the host take, symbolic links followed, and lacks."""
        return real_powers_missing(app, granted, beside)

    def nested_binds(self, app: App, others: Sequence[App]) -> tuple[NestedBind, ...]:
        """Paths of the app that it or another may turn into links, and others' that it may."""
        return nested_binds(app, others)

    def port_holder(self, port: int) -> str:
        """Who listens on a TCP port of this host, for people; empty: nobody.

        Several processes may hold one socket: the oldest by number is named.
        """
        inodes = sockets.holders(self._tables(self._proc), port)
        if not inodes:
            return ""
        links = {f"socket:[{inode}]" for inode in inodes}
        for pid in self._processes():
            if self._holds(pid, links):
                name = _printable(optional(self._proc / str(pid) / "comm").strip())
                return f"{name or 'a process'} (pid {pid})"
        return "another process"

    def held_by_others(self, port: int) -> bool:
        """Whether a user other than root and the one of this process listens on a TCP port."""
        return bool(sockets.owners(self._tables(self._proc), port) - {0, os.geteuid()})

    def processes_of(self, containers: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Which processes live in the containers' control groups, by container; empty: none."""
        return processes.by_container(self._proc, self._processes(), containers)

    async def end_process(self, pid: int, container_id: str, *, terminal: bool) -> bool:
        """Ends a command that somebody ran inside a container; whether there was such a process.

        What does not heed the signal is killed after some seconds.
        """
        return await processes.end(self._proc, pid, container_id, terminal=terminal)

    def _tables(self, root: Path) -> tuple[str, str]:
        try:
            first = (root / "net" / "tcp").read_text()
        except OSError as error:
            raise _unknown("this machine's connections", error) from error
        return first, optional(root / "net" / "tcp6")  # absent where IPv6 is switched off

    def _processes(self) -> list[int]:
        return sorted(int(entry.name) for entry in self._proc.iterdir() if entry.name.isdigit())

    def _holds(self, pid: int, links: set[str]) -> bool:
        try:
            with os.scandir(self._proc / str(pid) / "fd") as entries:
                return any(_link(Path(entry.path)) in links for entry in entries)
        except OSError:  # it ended, or is not ours to look at
            return False

    def _alive(self, pid: int) -> bool:
        return pid > 0 and bool(_link(self._proc / str(pid) / "ns" / "net"))

    def _refuse_own_network(self, pid: int) -> None:
        own = _link(self._proc / "self" / "ns" / "net")
        if own == _link(self._proc / str(pid) / "ns" / "net"):
            raise hold_error("the container shares this machine's network: it has no own address")


def _checked(address: str, prefix: int) -> str:
    try:
        numeric = ip_address(address)
    except ValueError as error:
        raise hold_error(f"{address!r} is not an IP address") from error
    if not 0 < prefix <= numeric.max_prefixlen:
        raise hold_error(f"/{prefix} is not a network of {address}")
    return str(numeric)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _unknown(what: str, error: Exception) -> PlatformError:
    return PlatformError(f"{what} could not be read: {error}", code="host-facts")
