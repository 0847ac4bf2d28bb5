"""Reading the machine's own figures from /proc; pure functions over the files' text.

Only this package and its tests import it. The formats are those of proc(5) and of the kernel's
Documentation/admin-guide/iostats.rst and Documentation/accounting/psi.rst.
"""

from __future__ import annotations

import re
from typing import Final

_KIB: Final = 1024
_SECTOR: Final = 512  # bytes, whatever the disk's own sector is (iostats.rst)
_MICRO: Final = 1_000_000
# Disks as a whole. What is built of them (dm, md) or of memory (zram, ram, loop) is left out, or
# everything would count twice.
_DISK: Final = re.compile(r"(?:[shv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|vd[a-z]+)", re.ASCII)
# Network cards. What carries the same bytes once more is left out: bridges, containers' ends,
# tunnels, bonds, VLANs.
_NO_CARD: Final = re.compile(
    r"lo|.*[.@].*|(?:veth|br-|docker|virbr|cni|flannel|cali|ifb|dummy|bond|team|tun|tap|wg).*",
    re.ASCII,
)


def processor(stat: str, ticks: int) -> tuple[int, int, int, int]:
    """(cores, busy, waiting for a disk, stolen) of /proc/stat, times in microseconds."""
    cores = sum(line.startswith("cpu") for line in stat.splitlines()) - 1
    user, nice, system, _, iowait, irq, softirq, steal = map(int, stat.split(None, 9)[1:9])
    # A guest's time is part of the user's (proc(5)).
    busy = user + nice + system + irq + softirq
    unit = _MICRO // ticks
    return max(1, cores), busy * unit, iowait * unit, steal * unit


def memory(meminfo: str) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = {}
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words:
            found[name] = int(words[0]) * (_KIB if words[1:] == ["kB"] else 1)
    return found


def events(vmstat: str) -> dict[str, int]:
    """/proc/vmstat."""
    pairs = (line.split() for line in vmstat.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}  # noqa: PLR2004 (a pair)


def network(table: str, *, cards: bool) -> tuple[int, int]:
    """Bytes received and sent by all interfaces of net/dev but loopback, or by cards alone."""
    received = sent = 0
    for line in table.splitlines()[2:]:
        name, _, rest = line.partition(":")
        name, fields = name.strip(), rest.split()
        skipped = _NO_CARD.fullmatch(name) if cards else name == "lo"
        if not skipped and len(fields) > 8:  # noqa: PLR2004 (the first column of what was sent)
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def disks(diskstats: str) -> dict[str, tuple[int, int, int]]:
    """(bytes read, bytes written, microseconds with work) by disk."""
    found = {}
    for line in diskstats.splitlines():
        fields = line.split()
        if len(fields) > 12 and _DISK.fullmatch(fields[2]):  # noqa: PLR2004 (time with work)
            read, written, busy = int(fields[5]), int(fields[9]), int(fields[12])
            found[fields[2]] = (read * _SECTOR, written * _SECTOR, busy * 1000)
    return found


def pressure(text: str) -> int:
    """Microseconds in which something had to wait; 0 where the kernel does not tell."""
    match = re.match(r"some .*total=(\d+)", text)
    return int(match[1]) if match else 0
