"""What the machine is, and what its processes cost. For bench/; imports nothing of cove."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MIB = 1 << 20


def facts() -> dict[str, str]:
    """The facts a figure is worthless without."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "system": _system(),
        "kernel": platform.release(),
        "processor": f"{os.cpu_count()} cores, {_first('cpuinfo', 'model name') or 'unknown'}",
        "memory": f"{int(_first('meminfo', 'MemTotal').split()[0]) // 1024} MiB",
        "python": platform.python_version(),
        "loadavg": " ".join(f"{one:.2f}" for one in os.getloadavg()),
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _first(name: str, key: str) -> str:
    for line in (PROC / name).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""


@dataclass(frozen=True)
class Memory:
    """Of one process, in MiB. PSS counts pages that others map too by their share."""

    rss: float
    pss: float
    anonymous: float


def memory(pid: int) -> Memory:
    """What a process holds now. Raise OSError when it is gone."""
    sizes = {}
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
        key, _, value = line.partition(":")
        sizes[key] = int(value.split()[0]) / 1024
    return Memory(rss=sizes["Rss"], pss=sizes["Pss"], anonymous=sizes["Anonymous"])


def cpu_seconds(pid: int) -> float:
    """The processor time of a process's threads, to the nanosecond. Raise OSError without it."""
    tasks = (PROC / str(pid) / "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Busy:
    """The share of the whole machine that was busy since the object was made."""

    def __init__(self) -> None:
        """Start to measure."""
        self._before = _times()

    def share(self) -> float:
        """From 0 to 1."""
        spent = [now - then for now, then in zip(_times(), self._before, strict=True)]
        idle = spent[3] + spent[4]  # idle and iowait, proc(5)
        return 1 - idle / sum(spent) if sum(spent) else 0.0


def _times() -> list[int]:
    return [int(word) for word in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
