"""`HttpProbe`: the port `Probe`, a readiness check from outside the container.

Imported inside `cove.adapters.probe`. It speaks HTTP/1.1 itself: one request on one connection,
nothing followed, nothing kept, and an error a person can act upon for each way it can fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Final

from cove.adapters.probe.http import CUT, MAX_LINE, Streams, get, linger
from cove.model.app import Health
from cove.ports import ProbeResult

_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


class HttpProbe:
    """Asks a container whether it is ready: over HTTP, or by its port accepting a connection."""

    async def check(self, address: str, port: int, health: Health, host: str) -> ProbeResult:
        """Whether the container at a numeric address is ready, within `health.timeout` seconds.

        Never raises; `host` is sent as the Host header. Without `health.path`, an accepted
        connection is enough, even one that the container closes at once.
        """
        connected = False
        result: ProbeResult | None = None
        try:
            async with asyncio.timeout(health.timeout), _dial(address, port) as streams:
                connected = True
                if not health.path:
                    return ProbeResult(ready=True)
                status = await get(streams, health.path, host or _bracketed(address), "readiness")
                result = _judge(status, health)
                await linger(streams[0])
        except TimeoutError:
            late = _late(port, health, connected=connected)
            return result or ProbeResult(ready=False, detail=late)
        except (OSError, ValueError, EOFError, OverflowError) as error:
            return ProbeResult(ready=False, detail=_explain(error, port, connected=connected))
        return result


@contextlib.asynccontextmanager
async def _dial(address: str, port: int) -> AsyncIterator[Streams]:
    ip_address(address)  # a name would be looked up; ValueError here
    reader, writer = await asyncio.open_connection(address, port, limit=MAX_LINE)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # close() would wait for what the other end never takes


def _judge(status: int, health: Health) -> ProbeResult:
    if any(low <= status <= high for low, high in health.status):
        return ProbeResult(ready=True)
    return ProbeResult(ready=False, detail=f"GET {health.path} answered {status}")


def _late(port: int, health: Health, *, connected: bool) -> str:
    within = f"within {health.timeout:g} s"
    if connected:
        return f"GET {health.path} gave no answer {within}"
    return f"port {port} accepted no connection {within}"


def _explain(error: Exception, port: int, *, connected: bool) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on port {port}"
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return "no route to the container"
    if isinstance(error, EOFError | ConnectionError):
        return CUT if connected else f"port {port} closed the connection"
    if isinstance(error, OSError) and error.errno:
        return f"port {port}: {os.strerror(error.errno)}"
    return str(error)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
