"""A connection to the Engine that turns from HTTP into plain bytes in both directions.

Imported inside `cove.adapters.docker` only. An HTTP client's response cannot say that there is no
more input while output goes on; a stream of asyncio can.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from typing import Any, Final

from cove.adapters.docker.client import EngineError

BUFFER: Final = 64 * 1024  # bytes read ahead in each direction before the sender waits
_SWITCHED: Final = frozenset({101, 200})  # an Engine behind a proxy may not say that it switched
_LONGEST_ANSWER: Final = 64 * 1024  # bytes of an error's body
_CONNECT: Final = 10.0  # seconds


async def upgrade(socket: str, path: str, body: Any) -> tuple[StreamReader, StreamWriter]:
    """POSTs a JSON body; the connection as it is once the Engine has taken it.

    Raises EngineError where it refused, and OSError.
    """
    async with asyncio.timeout(_CONNECT):
        reader, writer = await asyncio.open_unix_connection(socket, limit=BUFFER)
    try:
        writer.transport.set_write_buffer_limits(high=BUFFER)
        writer.write(_request(path, json.dumps(body).encode()))
        await writer.drain()
        await _accepted(reader)
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _accepted(reader: StreamReader) -> None:
    status, headers = await _head(reader)
    if status not in _SWITCHED:
        raise EngineError(status, await _message(reader, headers, status))


def _request(path: str, body: bytes) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: docker",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: Upgrade",
        "Upgrade: tcp",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


async def _head(reader: StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError("the Engine's answer broke off") from error
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    status = int(first.split(" ", 2)[1])
    pairs = (line.partition(":") for line in lines)
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _message(reader: StreamReader, headers: dict[str, str], status: int) -> str:
    length = headers.get("content-length", "")
    size = min(int(length), _LONGEST_ANSWER) if length.isdecimal() else _LONGEST_ANSWER
    try:
        data = await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        data = error.partial
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace").strip() or f"status {status}"
