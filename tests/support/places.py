"""Ports and address ranges that no other test process on this machine holds."""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

from support.engine import get

_PORTS = range(20_000, 32_000)  # below Linux's ephemeral range: no outgoing connection takes one
_SECOND_OCTETS = range(200, 255)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port among 200")


class Pool:
    """A /16 of 10.200–254 for one agent's networks, until it is given back."""

    def __init__(self) -> None:
        self._lock: IO[str]
        self.cidr = ""
        folder = Path(tempfile.gettempdir()) / "cove-test-pools"
        folder.mkdir(mode=0o700, exist_ok=True)
        taken = _taken()
        for octet in random.sample(_SECOND_OCTETS, len(_SECOND_OCTETS)):
            if not any(subnet.startswith(f"10.{octet}.") for subnet in taken) and self._take(
                folder / f"{octet}.lock"
            ):
                self.cidr = f"10.{octet}.0.0/16"
                return
        raise AssertionError("every pool is taken: are networks of earlier tests left over?")

    def give_back(self) -> None:
        """Others may take it."""
        self._lock.close()

    def _take(self, path: Path) -> bool:
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True


def _taken() -> list[str]:
    networks = get("/networks")
    configs = [config for n in networks for config in (n.get("IPAM") or {}).get("Config") or ()]
    return [config.get("Subnet", "") for config in configs]
