"""`HttpProbe`: the port `Probe`, a readiness check from outside the container.

Only the composition roots and tests import it. It speaks HTTP/1.1 itself: one request on one
connection, nothing followed, nothing kept, and an error a person can act upon for each way it
can fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import string
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

from cove import __version__
from cove.model.app import Health
from cove.ports import ProbeResult

# RFC 9112, 4: status-line. The reason phrase may be anything.
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?\r?\n")
_SWITCHING: Final = 101  # the only 1xx that is final, RFC 9110, 15.2
_FINAL: Final = 200
_MAX_LINE: Final = 65536  # bytes; a line longer than this is no answer
_MAX_LINES: Final = 256  # of one header
# Closing on unread bytes resets the connection, which many servers log as an error. So a small
# body is taken too, but never waited for longer than this many seconds.
_LINGER: Final = 0.2
_LINGER_BYTES: Final = 65536
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
_NOT_HTTP: Final = "the answer was not HTTP"
_CUT: Final = "the connection was closed before an answer"

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
                status = await _get(streams, health.path, host or _bracketed(address))
                result = _judge(status, health)
                await _linger(streams[0])
        except TimeoutError:
            late = _late(port, health, connected=connected)
            return result or ProbeResult(ready=False, detail=late)
        except (OSError, ValueError, EOFError, OverflowError) as error:
            return ProbeResult(ready=False, detail=_explain(error, port, connected=connected))
        return result


@contextlib.asynccontextmanager
async def _dial(address: str, port: int) -> AsyncIterator[_Streams]:
    ip_address(address)  # a name would be looked up; ValueError here
    reader, writer = await asyncio.open_connection(address, port, limit=_MAX_LINE)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # close() would wait for what the other end never takes


async def _get(streams: _Streams, path: str, host: str) -> int:
    reader, writer = streams
    writer.write(_request(path, host))
    await writer.drain()
    status = await _head(reader)
    while status < _FINAL and status != _SWITCHING:
        status = await _head(reader)
    return status


def _request(path: str, host: str) -> bytes:
    lines = (
        # the quoting leaves no space or line end that could begin another header
        f"GET {quote(path, safe=string.punctuation)} HTTP/1.1",
        f"Host: {quote(host, safe='.:[]-_')}",
        f"User-Agent: cove/{__version__} (readiness)",
        "Accept: */*",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


async def _head(reader: asyncio.StreamReader) -> int:
    """The status of one response, its header having been read.

    Raises ValueError for what is not HTTP, EOFError when it is cut short.
    """
    try:
        status = await _status(reader)
        for _ in range(_MAX_LINES):
            if not (await reader.readuntil(b"\n")).strip(b"\r\n"):
                return status
    except asyncio.LimitOverrunError as error:
        raise ValueError(_NOT_HTTP) from error
    raise ValueError(_NOT_HTTP)


async def _status(reader: asyncio.StreamReader) -> int:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise
        line = error.partial
    match = _STATUS.fullmatch(line)
    if not match:
        raise ValueError(_NOT_HTTP)
    return int(match[1])


def _judge(status: int, health: Health) -> ProbeResult:
    if any(low <= status <= high for low, high in health.status):
        return ProbeResult(ready=True)
    return ProbeResult(ready=False, detail=f"GET {health.path} answered {status}")


async def _linger(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(TimeoutError, OSError, EOFError):
        async with asyncio.timeout(_LINGER):
            await reader.readexactly(_LINGER_BYTES)


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
        return _CUT if connected else f"port {port} closed the connection"
    if isinstance(error, OSError) and error.errno:
        return f"port {port}: {os.strerror(error.errno)}"
    return str(error)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
