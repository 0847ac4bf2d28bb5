"""A container's processes, seen and ended from outside. Imported inside `cove.adapters.host` only.

The Engine has no way to end a command that it runs inside a container, nor does it end one whose
client has gone; and it may forget a container that it has started.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_GRACE: Final = 5.0  # seconds between asking and killing
# In a control group's path: `…/docker/ID`, or `…/docker-ID.scope` where systemd makes it.
_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


async def end(proc: Path, pid: int, container_id: str, *, terminal: bool) -> bool:
    """Asks the process and its group to end, and kills what stays; whether it was there.

    Nothing is done to a process outside the container: its number may have been given anew, or
    mean another process where the Engine numbers processes otherwise.
    """
    try:
        handle = os.pidfd_open(pid)
    except (OSError, OverflowError):
        return False
    try:
        # The number cannot pass to another process unnoticed between this look and the signals:
        # they go through the handle first.
        if container_id not in _cgroups(proc, pid):
            return False
        _send(handle, pid, signal.SIGHUP if terminal else signal.SIGTERM)
        if not await _ended(handle):
            _send(handle, pid, signal.SIGKILL)
    finally:
        os.close(handle)
    return True


def by_container(
    proc: Path, pids: Iterable[int], containers: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """Of these processes the ones in containers with these ids, by container."""
    found: dict[str, list[int]] = {}
    for pid in pids:
        for container in set(_ID.findall(_cgroups(proc, pid))).intersection(containers):
            found.setdefault(container, []).append(pid)
    return {container: tuple(inside) for container, inside in found.items()}


def _cgroups(proc: Path, pid: int) -> str:
    try:
        return (proc / str(pid) / "cgroup").read_text(errors="replace")
    except OSError:
        return ""


def _send(handle: int, pid: int, number: signal.Signals) -> None:
    with suppress(OSError):
        leads = os.getpgid(pid) == pid
        signal.pidfd_send_signal(handle, number)
        if leads:
            os.killpg(pid, number)


async def _ended(handle: int) -> bool:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)  # a handle can be read once its process has ended
    try:
        await asyncio.wait_for(ended.wait(), _GRACE)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
    return True
