"""Giving a container's network one more address, with `nsenter` and iproute2's `ip`.

Only this package and its tests import it. Nothing is entered but the network namespace, so the
programs are the machine's own and the image needs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_interface
from typing import Any, Final, NamedTuple

import msgspec

from cove.errors import PlatformError

_TIMEOUT: Final = 10.0  # seconds; these commands take milliseconds
_NOT_FOUND: Final = 127  # the shell's convention, which nsenter follows

# The states of a neighbour to forget. Not "incomplete": that would fail the connections which
# wait for its answer.
_KNOWN: Final = ("reachable", "stale", "delay", "probe", "failed")


class Completed(NamedTuple):
    """What a command ended with."""

    code: int
    out: bytes
    err: str


Run = Callable[[Sequence[str]], Awaitable[Completed]]


def hold_error(message: str, hint: str = "") -> PlatformError:
    """The one kind of error this module raises."""
    return PlatformError(message, code="hold-address", hint=hint)


async def run(argv: Sequence[str]) -> Completed:
    """Runs a command to its end. Raises PlatformError where it is missing or hangs."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise _missing(argv[0]) from error
    except OSError as error:
        raise hold_error(f"{argv[0]} could not be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_TIMEOUT):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise hold_error(f"{argv[0]} did not end within {_TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return Completed(process.returncode or 0, out, err.decode(errors="replace").strip())


class Namespace:
    """The network of one process. Addresses must have been checked to be numeric."""

    def __init__(self, pid: int, run: Run) -> None:
        self._enter = ("nsenter", "-t", str(pid), "-n", "--")
        self._run = run

    async def add(self, address: str, prefix: int) -> str:
        """Adds the address beside the one the same network already has; present is fine.

        Returns the hardware address of the interface it is on.
        """
        interfaces = await self._interfaces()
        held = holding_device(interfaces, address)
        if held:
            return hardware(interfaces, held)
        device = device_towards(interfaces, address)
        if not device:
            raise hold_error(f"the container has no interface in the network of {address}")
        done = await self._ip("addr", "add", f"{address}/{prefix}", "dev", device)
        if done.code and not holding_device(await self._interfaces(), address):
            raise hold_error(f"{address} could not be given to the container: {done.err}")
        return hardware(interfaces, device)

    async def remove(self, address: str, prefix: int) -> None:
        """Removes the address; absent is fine."""
        device = holding_device(await self._interfaces(), address)
        if not device:
            return
        done = await self._ip("addr", "del", f"{address}/{prefix}", "dev", device)
        if done.code and holding_device(await self._interfaces(), address):
            raise hold_error(f"{address} could not be taken from the container: {done.err}")

    async def _interfaces(self) -> list[dict[str, Any]]:
        done = await self._ip("-j", "addr", "show")
        if done.code:
            raise hold_error(f"the container's addresses could not be read: {done.err}")
        return msgspec.json.decode(done.out or b"[]", type=list[dict[str, Any]])

    async def _ip(self, *arguments: str) -> Completed:
        done = await self._run((*self._enter, "ip", *arguments))
        if done.code == _NOT_FOUND:
            raise _missing("ip")
        return done


async def introduce(address: str, hardware: str, run: Run) -> None:
    """Tells this host's kernel which hardware has the address now; best effort.

    Connections that wait for it go ahead at once, where they would otherwise wait for the next
    of the questions the kernel asks each second; and one that knew the address as another
    container's does not go on sending there.
    """
    with contextlib.suppress(PlatformError, msgspec.DecodeError):
        done = await run(("ip", "-j", "route", "get", address))
        routes = msgspec.json.decode(done.out or b"[]", type=list[dict[str, Any]])
        device = str(routes[0].get("dev", "")) if routes else ""
        if hardware and device not in {"", "lo"}:
            lladdr = ("lladdr", hardware, "dev", device, "nud", "reachable")
            await run(("ip", "neigh", "replace", address, *lladdr))


async def forget(address: str, run: Run) -> None:
    """Makes this host's kernel forget which hardware had the address; best effort."""
    with contextlib.suppress(PlatformError):
        states = (word for state in _KNOWN for word in ("nud", state))
        await run(("ip", "neigh", "flush", "to", address, *states))


def holding_device(interfaces: Sequence[dict[str, Any]], address: str) -> str:
    """The interface that has the address, from `ip -j addr`; empty: none."""
    wanted = ip_address(address)
    for name, local, _ in _addresses(interfaces):
        if ip_address(local) == wanted:
            return name
    return ""


def device_towards(interfaces: Sequence[dict[str, Any]], address: str) -> str:
    """The interface with an address in the same network as `address`; empty: none."""
    wanted = ip_address(address)
    for name, local, prefix in _addresses(interfaces):
        if wanted in ip_interface(f"{local}/{prefix}").network:
            return name
    return ""


def hardware(interfaces: Sequence[dict[str, Any]], device: str) -> str:
    """The hardware address of an interface; empty when it has none."""
    for interface in interfaces:
        if interface.get("ifname") == device:
            return str(interface.get("address", ""))
    return ""


def _addresses(interfaces: Sequence[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [
        (str(interface["ifname"]), str(info["local"]), int(info["prefixlen"]))
        for interface in interfaces
        if "ifname" in interface  # older versions print {} for what was filtered out
        for info in interface.get("addr_info", ())
        if "local" in info
    ]


def _missing(program: str) -> PlatformError:
    package = "util-linux" if program == "nsenter" else "iproute2"
    return hold_error(f"{program} is not installed", hint=f"install {package}")
