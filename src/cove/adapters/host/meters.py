"""`HostMeters`: the port `Meters`, fulfilled from /proc and cgroups of either version.

Only the composition roots and tests import it. A container's cgroup files stay open: reading 20
containers takes a third of a millisecond so, and several with the files opened each time. Files of
/proc/PID/net are opened each time: an open one would keep the network of a dead container.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from cove.adapters.host import cgroups, files, procfs
from cove.errors import PlatformError
from cove.ports.metrics import ContainerUsage, FileSystem, MachineUsage, Subject

_LARGEST: Final = 16_384  # bytes; memory.stat of a large machine has four thousand
_THOUSAND: Final = 1000
_MICRO: Final = 1_000_000
# /proc/self/stat, from the third field on, behind the name: proc(5)
_UTIME: Final = 11
_STIME: Final = 12
_THREADS: Final = 17


class _Attached:
    """The open files of one container."""

    def __init__(
        self, version: Literal[1, 2], files: dict[cgroups.Use, int], pid: int, network: str
    ) -> None:
        self.version = version
        self.files = files
        self.pid = pid
        self.network = network  # the inode of its own network; empty: it shares another's

    def texts(self) -> dict[cgroups.Use, str]:
        """What the files hold. Raises OSError once the cgroup is gone."""
        return {
            use: os.pread(file, _LARGEST, 0).decode(errors="replace")
            for use, file in self.files.items()
        }

    def close(self) -> None:
        """Lets the files go."""
        for file in self.files.values():
            os.close(file)


class HostMeters:
    """Fulfils `cove.ports.metrics.Meters`; `paths` are what must never run full."""

    def __init__(
        self,
        paths: Sequence[Path],
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        self._paths = paths
        self._proc = proc
        self._cgroup = cgroup
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._attached: dict[str, _Attached] = {}

    def machine(self) -> MachineUsage:
        """The machine. Raises PlatformError (`host-facts`)."""
        try:
            return self._machine()
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise PlatformError(
                f"the machine's counters could not be read: {error}", code="host-facts"
            ) from error

    def _machine(self) -> MachineUsage:
        cores, cpu, iowait, steal = procfs.processor(self._text("stat"), self._ticks)
        memory = procfs.memory(self._text("meminfo"))
        events = procfs.events(self._optional("vmstat"))
        received, sent = procfs.network(self._optional("net/dev"), cards=True)
        disks = procfs.disks(self._optional("diskstats"))
        return MachineUsage(
            cores=cores,
            cpu=cpu,
            iowait=iowait,
            steal=steal,
            load=float(self._text("loadavg").split()[0]),
            memory_total=memory["MemTotal"],
            memory=memory["MemTotal"] - memory["MemAvailable"],
            swap_total=memory.get("SwapTotal", 0),
            swap=memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
            swapped_in=events.get("pswpin", 0) * self._page,
            swapped_out=events.get("pswpout", 0) * self._page,
            oom_kills=events.get("oom_kill", 0),
            received=received,
            sent=sent,
            disk_read=sum(disk[0] for disk in disks.values()),
            disk_written=sum(disk[1] for disk in disks.values()),
            disk_busy={name: disk[2] for name, disk in disks.items()},
            cpu_pressure=procfs.pressure(self._optional("pressure/cpu")),
            memory_pressure=procfs.pressure(self._optional("pressure/memory")),
            io_pressure=procfs.pressure(self._optional("pressure/io")),
        )

    def file_systems(self) -> tuple[FileSystem, ...]:
        """Those of the paths, each once, under the first path that lies on it."""
        found: dict[int, FileSystem] = {}
        for path in self._paths:
            try:
                device, facts = path.stat().st_dev, os.statvfs(path)
            except OSError:  # Docker may keep its data elsewhere
                continue
            if device in found or not facts.f_blocks:
                continue
            inodes = (facts.f_files - facts.f_favail) * _THOUSAND // max(1, facts.f_files)
            found[device] = FileSystem(
                path=str(path),
                size=facts.f_blocks * facts.f_frsize,
                used=(facts.f_blocks - facts.f_bavail) * facts.f_frsize,
                inodes=inodes if facts.f_files else 0,  # btrfs has no number of them
            )
        return tuple(found.values())

    def attach(self, subject: Subject) -> bool:
        """Opens a container's counters; whether there are any."""
        self._detach(subject.id)
        process = self._proc / str(subject.pid)
        places = cgroups.places(self._optional(f"{subject.pid}/cgroup"))
        if subject.pid <= 0 or places is None:
            return False
        opened: dict[cgroups.Use, int] = {}
        for use, file in places.files.items():
            with contextlib.suppress(OSError):  # not every kernel has every controller
                opened[use] = os.open(self._cgroup / file, os.O_RDONLY | os.O_CLOEXEC)
        network = _link(process / "ns/net")
        shared = {_link(self._proc / "self/ns/net"), *(a.network for a in self._attached.values())}
        own = "" if network in shared else network
        self._attached[subject.id] = _Attached(places.version, opened, subject.pid, own)
        if "cpu" not in opened and "memory" not in opened:
            self._detach(subject.id)
            return False
        return True

    def container(self, container: str) -> ContainerUsage | None:
        """An attached container's counters; None once it has ended."""
        attached = self._attached.get(container)
        if attached is None:
            return None
        try:
            usage = cgroups.usage(attached.version, attached.texts())
        except (OSError, ValueError):
            self._detach(container)
            return None
        if not attached.network:
            return usage
        table = self._optional(f"{attached.pid}/net/dev")
        received, sent = procfs.network(table, cards=False)
        return replace(usage, received=received, sent=sent)

    def own(self) -> ContainerUsage:
        """This process."""
        fields = self._optional("self/stat").rpartition(")")[2].split()
        pages = self._optional("self/statm").split()
        if len(fields) <= _THREADS or len(pages) < 2:  # noqa: PLR2004 (the second is resident)
            return ContainerUsage()
        unit = _MICRO // self._ticks
        return ContainerUsage(
            cpu=(int(fields[_UTIME]) + int(fields[_STIME])) * unit,
            memory=int(pages[1]) * self._page,
            processes=int(fields[_THREADS]),
        )

    def keep(self, containers: AbstractSet[str]) -> None:
        """Detaches every other container."""
        for container in self._attached.keys() - containers:
            self._detach(container)

    def close(self) -> None:
        """Detaches all."""
        self.keep(frozenset())

    def _detach(self, container: str) -> None:
        attached = self._attached.pop(container, None)
        if attached is not None:
            attached.close()

    def _text(self, name: str) -> str:
        return files.text(f"{self._proc}/{name}")

    def _optional(self, name: str) -> str:
        return files.optional(f"{self._proc}/{name}")


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
