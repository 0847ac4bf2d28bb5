"""Reading memory figures from `/proc/meminfo` and cgroup files; pure functions over their text.

Only this package and its tests import it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, NamedTuple

_KIB: Final = 1024  # meminfo's "kB" are KiB


class CgroupFiles(NamedTuple):
    """Where a cgroup's memory is written, relative to the cgroup root, and under which name."""

    usage: PurePosixPath
    stat: PurePosixPath
    inactive: str


def available(meminfo: str) -> int:
    """Bytes of MemAvailable. Raises ValueError where the kernel does not give it."""
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * _KIB
    msg = "no MemAvailable"
    raise ValueError(msg)


def cgroup_files(membership: str) -> tuple[CgroupFiles, ...]:
    """The places to look for the memory of a process with this `/proc/PID/cgroup`, best first.

    Version 1 comes first: where both are mounted, the memory controller is in only one of them,
    and version 2's files are then absent. A root cgroup is the whole machine, so it is left out.
    """
    found: list[CgroupFiles] = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = PurePosixPath(path.strip("/"))
        # "/../x" is a cgroup outside our own cgroup namespace: not reachable by path
        if not inside.parts or ".." in inside.parts:
            continue
        if "memory" in controllers.split(","):
            found.insert(0, _version1(inside))
        elif not controllers:
            found.append(_version2(inside))
    return tuple(found)


def working_set(usage: str, stat: str, inactive: str) -> int:
    """Bytes that reclaiming unused file cache would not free: usage less inactive file pages."""
    for line in stat.splitlines():
        name, _, value = line.partition(" ")
        if name == inactive:
            return max(0, int(usage) - int(value))
    return int(usage)


def _version1(inside: PurePosixPath) -> CgroupFiles:
    folder = "memory" / inside
    return CgroupFiles(
        folder / "memory.usage_in_bytes", folder / "memory.stat", "total_inactive_file"
    )


def _version2(inside: PurePosixPath) -> CgroupFiles:
    return CgroupFiles(inside / "memory.current", inside / "memory.stat", "inactive_file")
