"""How full this machine's disks and its memory are. Imported by the composition root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cove.adapters.host import files, procfs

_MEMINFO: Final = Path("/proc/meminfo")


def disk_used(path: str) -> tuple[int, float] | None:
    """The device, and how many percent of what ordinary files can take are taken, as df has it.

    None where the path cannot be looked at.
    """
    try:
        device = os.stat(path).st_dev  # noqa: PTH116 - no path is built
        found = os.statvfs(path)
    except OSError:
        return None
    used = found.f_blocks - found.f_bfree
    whole = used + found.f_bavail
    return device, 100.0 * used / whole if whole else 0.0


def memory_used(meminfo: Path = _MEMINFO) -> float | None:
    """How many percent of the memory the kernel could not give without swapping; None: unknown."""
    try:
        figures = procfs.memory(files.text(str(meminfo)))
        return 100.0 * (1 - figures["MemAvailable"] / figures["MemTotal"])
    except (OSError, ValueError, KeyError, ZeroDivisionError):
        return None
