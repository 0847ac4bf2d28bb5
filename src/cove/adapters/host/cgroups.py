"""A container's cgroup, of either version: where its files are and what their text means.

Pure; only this package and its tests import it. The files are described in the kernel's
Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from cove.ports.metrics import ContainerUsage

Use = Literal[
    "cpu", "throttling", "quota", "period", "memory", "memory_stat", "memory_limit", "swap", "oom",
    "io", "processes",
]  # fmt: skip
_UNLIMITED: Final = 1 << 60  # version 1 says "no limit" with a number near 2^63
_NANO: Final = 1000  # nanoseconds in a microsecond

# By controller; several controllers may share one mount.
_VERSION1: Final[dict[str, dict[Use, str]]] = {
    "cpuacct": {"cpu": "cpuacct.usage"},
    "cpu": {
        "throttling": "cpu.stat",
        "quota": "cpu.cfs_quota_us",
        "period": "cpu.cfs_period_us",
    },
    "memory": {
        "memory": "memory.usage_in_bytes",
        "memory_stat": "memory.stat",
        "memory_limit": "memory.limit_in_bytes",
        "oom": "memory.oom_control",
    },
    "blkio": {"io": "blkio.throttle.io_service_bytes_recursive"},
    "pids": {"processes": "pids.current"},
}
_VERSION2: Final[dict[Use, str]] = {
    "cpu": "cpu.stat",
    "quota": "cpu.max",
    "memory": "memory.current",
    "memory_stat": "memory.stat",
    "memory_limit": "memory.max",
    "swap": "memory.swap.current",
    "oom": "memory.events",
    "io": "io.stat",
    "processes": "pids.current",
}


class Places(Struct, frozen=True):
    """A cgroup's files, relative to where cgroups are mounted."""

    version: Literal[1, 2]
    files: dict[Use, PurePosixPath]


def places(membership: str) -> Places | None:
    """Of a process with this `/proc/PID/cgroup`; None where it is in the machine's own group.

    Where both versions are mounted, the controllers are in only one of them: version 1 is meant
    as soon as it has the memory.
    """
    files: dict[Use, PurePosixPath] = {}
    unified: PurePosixPath | None = None
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        inside = PurePosixPath(path.strip("/"))
        # "/../x" is outside our own cgroup namespace: not reachable by path.
        if not inside.parts or ".." in inside.parts:
            continue
        if not names:
            unified = inside
        for controller in names.split(","):
            for use, name in _VERSION1.get(controller, {}).items():
                files[use] = PurePosixPath(controller) / inside / name
    if "memory" in files:
        return Places(1, files)
    if unified is None:
        return None
    return Places(2, {use: unified / name for use, name in _VERSION2.items()})


def usage(version: Literal[1, 2], texts: dict[Use, str]) -> ContainerUsage:
    """What the files say; what a kernel does not tell is 0."""
    return _usage1(texts) if version == 1 else _usage2(texts)


def _usage1(texts: dict[Use, str]) -> ContainerUsage:
    stat = texts.get("memory_stat", "")
    read, written = _io1(texts.get("io", ""))
    quota, period = _number(texts.get("quota", "")), _number(texts.get("period", ""))
    limit = _number(texts.get("memory_limit", ""))
    return ContainerUsage(
        cpu=_number(texts.get("cpu", "")) // _NANO,
        throttled=_field(texts.get("throttling", ""), "throttled_time") // _NANO,
        cpu_limit=quota * 1000 // period if quota > 0 and period > 0 else 0,
        memory=_working_set(texts.get("memory", ""), _field(stat, "total_inactive_file")),
        memory_limit=limit if limit < _UNLIMITED else 0,
        swap=_field(stat, "total_swap"),
        oom_kills=_field(texts.get("oom", ""), "oom_kill"),
        read=read,
        written=written,
        processes=_number(texts.get("processes", "")),
    )


def _usage2(texts: dict[Use, str]) -> ContainerUsage:
    cpu, stat = texts.get("cpu", ""), texts.get("memory_stat", "")
    read, written = _io2(texts.get("io", ""))
    quota, _, period = texts.get("quota", "").strip().partition(" ")
    limited = quota.isdecimal() and _number(period) > 0
    return ContainerUsage(
        cpu=_field(cpu, "usage_usec"),
        throttled=_field(cpu, "throttled_usec"),
        cpu_limit=int(quota) * 1000 // _number(period) if limited else 0,
        memory=_working_set(texts.get("memory", ""), _field(stat, "inactive_file")),
        memory_limit=_number(texts.get("memory_limit", "")),  # "max" is none
        swap=_number(texts.get("swap", "")),
        oom_kills=_field(texts.get("oom", ""), "oom_kill"),
        read=read,
        written=written,
        processes=_number(texts.get("processes", "")),
    )


def _working_set(usage: str, inactive: int) -> int:
    return max(0, _number(usage) - inactive)


def _io1(text: str) -> tuple[int, int]:
    """Lines of `MAJOR:MINOR Read BYTES`, and of their sums."""
    read = written = 0
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:  # noqa: PLR2004 (the last line is a sum, of two words)
            read += int(words[2]) if words[1] == "Read" else 0
            written += int(words[2]) if words[1] == "Write" else 0
    return read, written


def _io2(text: str) -> tuple[int, int]:
    """Lines of `MAJOR:MINOR rbytes=… wbytes=… …`."""
    pairs = [word.partition("=") for line in text.splitlines() for word in line.split()[1:]]
    read = sum(int(value) for key, _, value in pairs if key == "rbytes")
    return read, sum(int(value) for key, _, value in pairs if key == "wbytes")


def _field(text: str, name: str) -> int:
    """The number behind a name at a line's beginning; 0 where there is none."""
    _, found, rest = f"\n{text}".partition(f"\n{name} ")
    return _number(rest.partition("\n")[0]) if found else 0


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.removeprefix("-").isdecimal() else 0
