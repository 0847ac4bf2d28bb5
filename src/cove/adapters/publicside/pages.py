"""`PageListener`: the loopback port that only the proxy is routed to, for pages of cove's own.

Imported inside `cove.adapters.publicside` and by the agent. Every user of this machine can connect
to it and is told what the public is told, nothing else. It reads a head and no body, holds a
bounded number of connections for a bounded time, and has one request in each: a flood or a client
that dawdles costs other pages, not the agent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from cove.errors import CoveError, PlatformError
from cove.model.statuspage import Content

Answer = Callable[[str, str], Awaitable[Content | None]]

_LOOPBACK: Final = "127.0.0.1"
_PATIENCE: Final = 10.0  # seconds for a whole request and its answer
_MOST: Final = 128  # connections; the proxy has 32 at most for each page
_LARGEST_HEAD: Final = 32 << 10  # bytes: cookies of a whole domain may come along
_REQUEST: Final = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]{0,2047}) HTTP/1\.[01]")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_HOST: Final = re.compile(r"([a-z0-9.-]{1,253}?)\.?(?::[0-9]{1,5})?")
_READS: Final = frozenset({"GET", "HEAD"})


class Request(Struct, frozen=True):
    """What of a request matters. `domain` is empty for a host that no page can have."""

    method: str
    path: str
    domain: str
    unchanged: str  # the entity tags that the client has
    packs: bool  # whether it understands gzip


class _Unfit(Exception):
    """A request that is not answered as asked; carries the status."""


class PageListener:
    """`answer` gives the content of a domain and path, or None where there is none."""

    def __init__(self, port: int, answer: Answer, patience: float = _PATIENCE) -> None:
        self.port = port
        self._answer = answer
        self._patience = patience
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, None] = {}  # oldest first

    async def start(self) -> None:
        """Listens, unless it does. Raises PlatformError (`port-taken`)."""
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(
                self._serve, _LOOPBACK, self.port, limit=_LARGEST_HEAD
            )
        except OSError as error:
            raise PlatformError(
                f"the port for status pages cannot be opened: {error.strerror}", code="port-taken"
            ) from error

    async def close(self) -> None:
        """Stops listening, and breaks off what is open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _MOST:
            # The oldest has had the longest: one that is about to be answered takes milliseconds.
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(self._patience):
                writer.write(await self._response(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # who does not ask, or does not listen, is hung up on
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()  # nothing, where it is closed

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return plain("431 Request Header Fields Too Large")
        try:
            request = parse(head)
        except _Unfit as unfit:
            return plain(str(unfit))
        try:
            content = await self._answer(request.domain, request.path)
        except CoveError:
            return plain("503 Service Unavailable", request.method, "Retry-After: 10")
        if content is None:
            return plain("404 Not Found", request.method)
        return response(request, content)


def parse(head: bytes) -> Request:
    """A request's head, taken apart. Raises _Unfit with the status to answer."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise _Unfit("400 Bad Request")
    headers = _headers(lines)
    method, target = match[1].decode(), match[2].decode()
    if method not in _READS:
        raise _Unfit("405 Method Not Allowed")
    if "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0":
        raise _Unfit("413 Content Too Large")
    host = _HOST.fullmatch(headers.get("host", "").strip().lower())
    if host is None:
        raise _Unfit("400 Bad Request")
    return Request(
        method=method,
        path=target.partition("?")[0],
        domain=host[1],
        unchanged=headers.get("if-none-match", ""),
        packs=_packs(headers.get("accept-encoding", "")),
    )


def _headers(lines: list[bytes]) -> dict[str, str]:
    """By their names in lower case. Two hosts, or two lengths, would be one too many."""
    found: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _Unfit("400 Bad Request")
        name = match[1].decode().lower()
        if name in found and name in ("host", "content-length"):
            raise _Unfit("400 Bad Request")
        found[name] = match[2].decode("latin-1")
    return found


def _packs(accepted: str) -> bool:
    """Whether gzip is among the encodings, and not with a weight of 0 (RFC 9110, 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return re.fullmatch(r"\s*q=0(?:\.0*)?\s*", weight) is None
    return False


def response(request: Request, content: Content) -> bytes:
    """The whole answer; the head alone where that was asked, or nothing has changed."""
    shared = (*content.headers, f"ETag: {content.etag}", "Vary: Accept-Encoding")
    tags = {tag.strip() for tag in request.unchanged.split(",")}
    if tags & {content.etag, "*"}:
        return _head("304 Not Modified", *shared)
    body = content.packed if request.packs else content.body
    encoding = ("Content-Encoding: gzip",) if request.packs else ()
    length = f"Content-Length: {len(body)}"
    head = _head("200 OK", f"Content-Type: {content.media}", length, *encoding, *shared)
    return head if request.method == "HEAD" else head + body


def plain(status: str, method: str = "GET", *headers: str) -> bytes:
    """An answer that says no more than its status."""
    body = f"{status.partition(' ')[2].lower()}\n".encode()
    head = _head(
        status,
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *(("Allow: GET, HEAD",) if status.startswith("405") else ()),
        *headers,
    )
    return head if method == "HEAD" else head + body


def _head(status: str, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1")
