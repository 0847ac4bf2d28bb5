"""TCP ports on loopback that are this agent's own: chosen, tested, and held.

Imported inside `cove.agent` only.
"""

from __future__ import annotations

import random
import secrets
import socket
from pathlib import Path

from cove.errors import PlatformError

_LOOPBACK = "127.0.0.1"
_FIRST_OWN = 20_000
_FIRST_EPHEMERAL = 32_768  # Linux, net.ipv4.ip_local_port_range
# Between the best known services and the ports that root's programs connect from: rresvport(3)
# takes 512 to 1023.
_FIRST_GUARDED = 256
_FIRST_RESERVED = 512
_TRIES = 100


def free_port() -> int:
    """A TCP port nobody listens on, on loopback.

    Below those that the kernel gives to outgoing connections, one of which could hold it when the
    proxy comes back after a reboot.
    """
    for _ in range(_TRIES):
        port = _FIRST_OWN + secrets.randbelow(_FIRST_EPHEMERAL - _FIRST_OWN)
        if port_free(port, _LOOPBACK):
            return port
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def guarded_port(port: int) -> int:
    """The number of a port as `guarded` takes, nobody listening on it yet."""
    with guarded(port) as found:
        return int(found.getsockname()[1])


def guarded(port: int) -> socket.socket:
    """A socket that listens on loopback for the public side: at `port`, or at a better one.

    One that only root can listen on: whoever else did while the agent is away could prove the
    domains of this server to an authority, have certificates for them, and be its status page.
    Where this machine lets everybody listen everywhere, or this process not there, any free port.
    It listens from here on, so that nobody takes the port until it is served. Raises
    PlatformError (`port-taken`).
    """
    limit = min(unprivileged_start(), _FIRST_RESERVED)
    kept = listening(port, _LOOPBACK) if port else None
    if kept is not None and port < limit:
        return kept
    for better in _shuffled(range(_FIRST_GUARDED, limit)):
        found = None if _named(better) else listening(better, _LOOPBACK)
        if found is not None:
            if kept is not None:
                kept.close()
            return found
    found = kept or listening(free_port(), _LOOPBACK)
    if found is None:
        raise PlatformError("no port on loopback can be had", code="port-taken")
    return found


def unprivileged_start(file: Path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")) -> int:
    """The first port that every user may listen on: ip(7); 1024 before Linux 4.11."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 1024


def _shuffled(ports: range) -> list[int]:
    return random.SystemRandom().sample(ports, len(ports))


def _named(port: int) -> bool:
    """Whether a well-known service may come for it."""
    try:
        socket.getservbyport(port, "tcp")
    except OSError:
        return False
    return True


def port_free(port: int, bind: str) -> bool:
    """Whether somebody else could listen on the port."""
    found = listening(port, bind)
    if found is None:
        return False
    found.close()
    return True


def listening(port: int, bind: str) -> socket.socket | None:
    """A socket that listens there, for every address where `bind` is empty; None: somebody else."""
    family = socket.AF_INET6 if not bind or ":" in bind else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((bind.strip("[]") or "::", port))
        found.listen()
    except OSError:
        found.close()
        return None
    return found
