"""A server behind the proxy that is used in every way HTTP has, and says what it saw."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

PIECE = 64 * 1024


@dataclass
class Upstream:
    """What reached it; `proceed` lets a stream go on to its next piece."""

    port: int = 0
    open: int = 0
    left: list[str] = field(default_factory=list)
    proceed: asyncio.Event = field(default_factory=asyncio.Event)
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def application(self) -> web.Application:
        """The server's routes."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/socket", self._socket)
        app.router.add_get("/events", self._events)
        app.router.add_get("/endless", self._endless)
        app.router.add_route("*", "/upload", self._upload)
        app.router.add_get("/download/{size}", self._download)
        app.router.add_get("/cut", self._cut)
        app.router.add_route("*", "/status/{status}", self._status)
        return app

    async def _status(self, request: web.Request) -> web.Response:
        status = int(request.match_info["status"])
        return web.Response(status=status, text="" if status in (204, 304) else "ok")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        self.left.append("socket")
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await self.proceed.wait()
            self.proceed.clear()
        await response.write_eof()
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"data: still here\n\n")
                await asyncio.sleep(0.05)
        finally:
            self.left.append("endless")

    async def _upload(self, request: web.Request) -> web.Response:
        digest, length = hashlib.sha256(), 0
        try:
            async for piece in request.content.iter_chunked(PIECE):
                digest.update(piece)
                length += len(piece)
                self.seen.set()
        except (OSError, web.HTTPException):
            self.left.append("upload")
            raise
        return web.json_response({"length": length, "sha256": digest.hexdigest()})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        left = int(request.match_info["size"])
        response = web.StreamResponse()
        await response.prepare(request)
        while left:
            await response.write(b"x" * min(PIECE, left))
            left -= min(PIECE, left)
        await response.write_eof()
        return response

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.abort()
        return response


@asynccontextmanager
async def serving(port: int = 0, keep_alive: float = 75.0) -> AsyncIterator[Upstream]:
    """Serves on loopback until the block ends; `keep_alive` is in seconds."""
    upstream = Upstream()
    runner = web.AppRunner(
        upstream.application(), keepalive_timeout=keep_alive, handler_cancellation=True,
        access_log=None, shutdown_timeout=0.1,
    )  # fmt: skip
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    upstream.port = runner.addresses[0][1]
    try:
        yield upstream
    finally:
        await runner.cleanup()
