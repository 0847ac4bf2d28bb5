"""One HTTP/1.1 request on a connection of its own, as checks need it.

Imported inside `cove.adapters.probe`. Nothing is followed, nothing kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import string
from typing import Final
from urllib.parse import quote

from cove import __version__

# RFC 9112, 4: status-line. The reason phrase may be anything.
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?\r?\n")
_SWITCHING: Final = 101  # the only 1xx that is final, RFC 9110, 15.2
_FINAL: Final = 200
MAX_LINE: Final = 65536  # bytes; a line longer than this is no answer
_MAX_LINES: Final = 256  # of one header
# Closing on unread bytes resets the connection, which many servers log as an error. So a small
# body is taken too, but never waited for longer than this many seconds.
_LINGER: Final = 0.2
_LINGER_BYTES: Final = 65536
NOT_HTTP: Final = "the answer was not HTTP"
CUT: Final = "the connection was closed before an answer"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def get(streams: Streams, path: str, host: str, purpose: str) -> int:
    """The status of a GET. Raises ValueError for what is not HTTP, EOFError when it is cut."""
    reader, writer = streams
    writer.write(_request(path, host, purpose))
    await writer.drain()
    status = await _head(reader)
    while status < _FINAL and status != _SWITCHING:
        status = await _head(reader)
    return status


def _request(path: str, host: str, purpose: str) -> bytes:
    lines = (
        # the quoting leaves no space or line end that could begin another header
        f"GET {quote(path, safe=string.punctuation)} HTTP/1.1",
        f"Host: {quote(host, safe='.:[]-_')}",
        f"User-Agent: cove/{__version__} ({purpose})",
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
        raise ValueError(NOT_HTTP) from error
    raise ValueError(NOT_HTTP)


async def _status(reader: asyncio.StreamReader) -> int:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise
        line = error.partial
    match = _STATUS.fullmatch(line)
    if not match:
        raise ValueError(NOT_HTTP)
    return int(match[1])


async def linger(reader: asyncio.StreamReader) -> None:
    """Takes what is left of a small answer."""
    with contextlib.suppress(TimeoutError, OSError, EOFError):
        async with asyncio.timeout(_LINGER):
            await reader.readexactly(_LINGER_BYTES)
