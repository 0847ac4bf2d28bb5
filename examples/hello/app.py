"""A small web app to deploy, break on purpose and watch. Python's standard library only.

Paths
    /            a page with the version, the host name and the number of requests served
    /healthz     "ok"
    /version     the version as text
    /sleep?s=1.5 answers after so many seconds (0 to 60)
    /echo        POST: the length and SHA-256 of the body as JSON
    /events?n=5  server-sent events, one every 200 ms (1 to 100)
    /count       a number kept in DATA_DIR; POST adds one

Environment
    PORT=8000        the port to listen on; 0: any free one, see the log
    VERSION=dev      shown on the page and in the X-Version header of every response
    START_DELAY=0    seconds to wait before listening
    GRACEFUL=1       SIGTERM finishes the requests in flight; 0: exits at once
    ACCESS_LOG=0     1: one line on stderr for every request
    DATA_DIR=        a folder for the counter of /count
    FAULT=           what to do wrong:
        exit                  fails at once with exit status 1
        exit-after:3          listens at once, exits with 1 after 3 seconds
        exit-before-listen:3  exits with 1 after 3 seconds without ever listening
        never-listens         runs, but never listens
        wrong-port            listens on PORT + 1
        loopback-only         listens on 127.0.0.1 only
        health-500            /healthz answers 500
        health-hangs          /healthz never answers
        oom                   never listens, takes memory until killed (2 GB at most)
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import html
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs

MAX_HEAD = 16 * 1024
MAX_BODY = 16 * 1024 * 1024
DRAIN_LIMIT = 60.0
PAGE_SIZE = 1024 * 1024
FAULTS = {
    "exit", "exit-after", "exit-before-listen", "never-listens", "wrong-port",
    "loopback-only", "health-500", "health-hangs", "oom",
}  # fmt: skip
REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    413: "Content Too Large", 431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}  # fmt: skip


def log(message: str) -> None:
    """Write one line to stderr."""
    print(f"hello: {message}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Settings:
    """What the environment asks for; the module's docstring explains each value."""

    port: int
    version: str
    start_delay: float
    graceful: bool
    access_log: bool
    data_dir: Path | None
    fault: str
    fault_seconds: float

    @classmethod
    def from_environment(cls, env: dict[str, str]) -> Settings:
        """Raise ValueError when a number or the fault is not understood."""
        fault, _, seconds = env.get("FAULT", "").partition(":")
        if fault and fault not in FAULTS:
            raise ValueError(f"FAULT={fault} is not one of {', '.join(sorted(FAULTS))}")
        version = env.get("VERSION") or "dev"
        if not version.isprintable():
            raise ValueError("VERSION holds characters that cannot be printed")
        data_dir = env.get("DATA_DIR")
        return cls(
            port=int(env.get("PORT") or 8000),
            version=version,
            start_delay=float(env.get("START_DELAY") or 0),
            graceful=env.get("GRACEFUL") != "0",
            access_log=env.get("ACCESS_LOG") == "1",
            data_dir=Path(data_dir) if data_dir else None,
            fault=fault,
            fault_seconds=float(seconds or 0),
        )


class BadRequest(Exception):
    """The bytes received are no request this server accepts."""

    def __init__(self, status: int) -> None:
        """Keep the status to answer with."""
        super().__init__(status)
        self.status = status


@dataclass
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool
    chunked: bool
    length: int
    body: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Response:
    """One answer: either a whole body, or a stream sent chunk by chunk."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    stream: AsyncIterator[bytes] | None = None
    allow: str = ""


def parse_head(head: bytes) -> Request:
    """Read a request line and its headers. Raise BadRequest."""
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, protocol = first.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, separator, value = line.partition(":")
            if not separator or not name or name != name.strip():
                raise BadRequest(400)
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise BadRequest(400) from None
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    both = "transfer-encoding" in headers and "content-length" in headers
    if both or length < 0 or protocol not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(400)
    if "transfer-encoding" in headers and not chunked:
        raise BadRequest(400)
    if length > MAX_BODY:
        raise BadRequest(413)
    wish = headers.get("connection", "").lower()
    keep_alive = wish == "keep-alive" if protocol == "HTTP/1.0" else wish != "close"
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, keep_alive, chunked, length)


class RequestReader:
    """Turn received bytes into requests, in order."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self.buffer = bytearray()
        self.partial: Request | None = None

    def next(self) -> Request | None:
        """Return the next complete request, None until there is one. Raise BadRequest."""
        if self.partial is None:
            self.partial = self._head()
        request = self.partial
        if request is None:
            return None
        if not (self._chunks(request) if request.chunked else self._whole(request)):
            return None
        self.partial = None
        return request

    def _head(self) -> Request | None:
        end = self.buffer.find(b"\r\n\r\n")
        if end > MAX_HEAD or (end < 0 and len(self.buffer) > MAX_HEAD):
            raise BadRequest(431)
        if end < 0:
            return None
        head = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        return parse_head(head)

    def _whole(self, request: Request) -> bool:
        if len(self.buffer) < request.length:
            return False
        request.body += self.buffer[: request.length]
        del self.buffer[: request.length]
        return True

    def _chunks(self, request: Request) -> bool:
        """Take complete chunks off the buffer; trailers are not supported."""
        while (line_end := self.buffer.find(b"\r\n")) >= 0:
            try:
                size = int(self.buffer[:line_end].split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400) from None
            if size < 0 or len(request.body) + size > MAX_BODY:
                raise BadRequest(413)
            start = line_end + 2
            if len(self.buffer) < start + size + 2:
                return False
            if self.buffer[start + size : start + size + 2] != b"\r\n":
                raise BadRequest(400)
            request.body += self.buffer[start : start + size]
            del self.buffer[: start + size + 2]
            if size == 0:
                return True
        return False


class Connection(asyncio.Protocol):
    """One client's connection: requests are answered one after the other."""

    def __init__(self, site: Site) -> None:
        """Belong to a site; asyncio supplies the transport later."""
        self.site = site
        self.reader = RequestReader()
        self.answering: asyncio.Task[None] | None = None
        self.closing = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the site's connections."""
        self.transport = cast("asyncio.Transport", transport)
        self.site.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Leave the site's connections and stop an answer nobody waits for."""
        self.site.connections.discard(self)
        if not self.site.connections:
            self.site.emptied.set()
        if self.answering:
            self.answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer whatever is complete by now."""
        self.reader.buffer += data
        if self.answering is None:
            self.advance()
        elif len(self.reader.buffer) > MAX_HEAD:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep a half-closed connection open until its last answer is out."""
        self.closing = True
        return self.answering is not None

    def drain(self) -> None:
        """Close now when nothing is in flight, else after the current request."""
        self.closing = True
        if self.answering is None and not self.reader.buffer and not self.reader.partial:
            self.transport.close()

    def advance(self) -> None:
        """Answer complete requests until one needs time or none is left."""
        while self.answering is None and not self.transport.is_closing():
            try:
                request = self.reader.next()
            except BadRequest as error:
                self.closing = True
                text = f"{REASONS[error.status]}\n".encode()
                self._send(None, Response(error.status, text))
                return
            if request is None:
                self._invite_body()
                return
            self._answer(request)

    def _invite_body(self) -> None:
        waiting = self.reader.partial
        if waiting and waiting.headers.pop("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, request: Request) -> None:
        self.closing = self.closing or not request.keep_alive
        response = self.site.respond(request)
        if isinstance(response, Response) and response.stream is None:
            self._send(request, response)
        else:
            self.answering = asyncio.create_task(self._answer_later(request, response))

    async def _answer_later(
        self, request: Request, response: Response | Awaitable[Response]
    ) -> None:
        if not isinstance(response, Response):
            response = await response
        self._send(request, response)
        if response.stream is not None and request.method != "HEAD":
            async for part in response.stream:
                self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.transport.write(b"0\r\n\r\n")
        self.answering = None
        if self.closing:
            self.transport.close()
            return
        self.transport.resume_reading()
        self.advance()

    def _send(self, request: Request | None, response: Response) -> None:
        streamed = response.stream is not None
        size = "Transfer-Encoding: chunked" if streamed else f"Content-Length: {len(response.body)}"
        head = (
            f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
            f"Content-Type: {response.content_type}\r\n{size}\r\n"
            f"X-Version: {self.site.settings.version}\r\nCache-Control: no-store\r\n"
            + (f"Allow: {response.allow}\r\n" if response.allow else "")
            + ("Connection: close\r\n\r\n" if self.closing else "\r\n")
        ).encode("latin-1", "replace")
        with_body = request is None or request.method != "HEAD"
        self.transport.write(head + response.body if with_body else head)
        if self.site.settings.access_log and request:
            log(f"{request.method} {request.path} {response.status} {len(response.body)}")
        if self.closing and not streamed:
            self.transport.close()


def number(query: str, name: str, default: float, most: float) -> float:
    """Read a number from a query string, held between 0 and `most`. Raise ValueError."""
    value = float(parse_qs(query).get(name, [str(default)])[0])
    if not 0 <= value <= most:
        raise ValueError(f"{name} must lie between 0 and {most:g}")
    return value


class Counter:
    """A number in a file that survives a crash at any moment and concurrent writers."""

    def __init__(self, folder: Path) -> None:
        """Keep the file in an existing, writable folder."""
        self._file = folder / "count"
        self._lock = folder / ".count.lock"

    def read(self) -> int:
        """Return the number; 0 when there is no file yet."""
        return int(self._file.read_text()) if self._file.exists() else 0

    def add_one(self) -> int:
        """Add one and return the new number."""
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            value = self.read() + 1
            fresh = self._file.with_suffix(".new")
            with fresh.open("w") as file:
                file.write(f"{value}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
        return value


Route = Callable[[Request], Response | Awaitable[Response]]


class Site:
    """The paths of the app and the state they share."""

    def __init__(self, settings: Settings) -> None:
        """Serve nothing yet."""
        self.settings = settings
        self.connections: set[Connection] = set()
        self.requests = 0
        self.stopping = asyncio.Event()
        self.emptied = asyncio.Event()
        self.counter = Counter(settings.data_dir) if settings.data_dir else None
        self.routes: dict[str, tuple[str, Route]] = {
            "/": ("GET, HEAD", self._page),
            "/healthz": ("GET, HEAD", self._health),
            "/version": ("GET, HEAD", self._version),
            "/sleep": ("GET, HEAD", self._sleep),
            "/events": ("GET, HEAD", self._events),
            "/echo": ("POST", self._echo),
            "/count": ("GET, HEAD, POST", self._count),
        }

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request, now or as soon as the awaitable is done."""
        self.requests += 1
        allow, route = self.routes.get(request.path, ("", None))
        if route is None:
            return Response(404, b"Not Found\n")
        if request.method not in allow.split(", "):
            return Response(405, b"Method Not Allowed\n", allow=allow)
        try:
            return route(request)
        except ValueError as error:
            return Response(400, f"{error}\n".encode())
        except OSError as error:
            log(f"{request.path}: {error}")
            return Response(500, f"{error}\n".encode())

    def _page(self, _request: Request) -> Response:
        page = PAGE.replace("{version}", html.escape(self.settings.version))
        page = page.replace("{host}", html.escape(socket.gethostname()))
        page = page.replace("{requests}", str(self.requests))
        return Response(200, page.encode(), "text/html; charset=utf-8")

    def _health(self, _request: Request) -> Response | Awaitable[Response]:
        if self.settings.fault == "health-500":
            return Response(500, b"unhealthy (FAULT=health-500)\n")
        return self._hang() if self.settings.fault == "health-hangs" else Response(200, b"ok\n")

    async def _hang(self) -> Response:
        await self.stopping.wait()
        return Response(500, b"stopping\n")

    def _version(self, _request: Request) -> Response:
        return Response(200, f"{self.settings.version}\n".encode())

    def _sleep(self, request: Request) -> Awaitable[Response]:
        return self._slept(number(request.query, "s", 1, 60))

    async def _slept(self, seconds: float) -> Response:
        await asyncio.sleep(seconds)
        return Response(200, f"slept {seconds:g} s\n".encode())

    def _events(self, request: Request) -> Response:
        count = int(number(request.query, "n", 5, 100))
        return Response(200, b"", "text/event-stream", stream=self._ticks(count))

    async def _ticks(self, count: int) -> AsyncIterator[bytes]:
        for index in range(1, count + 1):
            yield f"id: {index}\ndata: {self.settings.version}\n\n".encode()
            if index < count:
                await asyncio.sleep(0.2)

    def _echo(self, request: Request) -> Response:
        answer = {"length": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}
        return Response(200, json.dumps(answer).encode() + b"\n", "application/json")

    def _count(self, request: Request) -> Response:
        if self.counter is None:
            return Response(404, b"DATA_DIR is not set\n")
        value = self.counter.add_one() if request.method == "POST" else self.counter.read()
        return Response(200, f"{value}\n".encode())


async def finish(site: Site, server: asyncio.Server) -> None:
    """Stop accepting and let the requests in flight end."""
    server.close()
    log(f"stopping; {len(site.connections)} connections open")
    for connection in list(site.connections):
        connection.drain()
    if site.connections:
        site.emptied.clear()
        await pause(site.emptied, DRAIN_LIMIT)
    log(f"stopped after {site.requests} requests")


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait; return True when the event came before the time was over."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def fill_memory() -> None:
    """Take memory page by page until the kernel ends this process, or 2 GB are taken."""
    log("FAULT=oom: taking memory")
    taken = []
    for _ in range(2048):
        taken.append(bytearray(b"x") * PAGE_SIZE)
        time.sleep(0.0005)
    log(f"FAULT=oom: still alive with {len(taken)} MB; no memory limit?")


async def fail_early(settings: Settings, stopping: asyncio.Event) -> int | None:
    """Act out the faults that come before listening; an exit status when it ends there."""
    if settings.fault == "exit":
        print('Traceback (most recent call last):\n  File "/app/app.py", in main', file=sys.stderr)
        print("RuntimeError: told to fail at start (FAULT=exit)", file=sys.stderr, flush=True)
        return 1
    if settings.fault == "oom":
        fill_memory()
        return 1
    if settings.fault == "never-listens":
        log("FAULT=never-listens: waiting without listening")
        await stopping.wait()
        return 0
    if settings.fault == "exit-before-listen":
        stopped = await pause(stopping, settings.fault_seconds)
        log("FAULT=exit-before-listen: exiting")
        return 0 if stopped else 1
    return None


async def run(settings: Settings) -> int:
    """Run until told to stop; return the exit status."""
    site = Site(settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, site.stopping.set)
    loop.add_signal_handler(
        signal.SIGTERM, site.stopping.set if settings.graceful else lambda: os._exit(0)
    )
    early = await fail_early(settings, site.stopping)
    if early is not None:
        return early
    if settings.start_delay and await pause(site.stopping, settings.start_delay):
        return 0
    return await listen(site)


async def listen(site: Site) -> int:
    """Accept connections until told to stop or the fault says to fail."""
    settings = site.settings
    port = settings.port + (settings.fault == "wrong-port")
    host = "127.0.0.1" if settings.fault == "loopback-only" else "0.0.0.0"  # noqa: S104
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(site), host, port, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    fault = f" with FAULT={settings.fault}" if settings.fault else ""
    log(f"version {settings.version} listens on {host}:{port}{fault}")
    if settings.fault == "exit-after":
        if not await pause(site.stopping, settings.fault_seconds):
            log("FAULT=exit-after: exiting")
            return 1
    else:
        await site.stopping.wait()
    await finish(site, server)
    return 0


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>hello from cove</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark;
  --ink: #12343b; --sea: #2c7a7b; --sand: #f6efe2; --card: #fffdf8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6f1ef; --sea: #7fd1c7; --sand: #0e2226; --card: #15323a; }
}
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; color: var(--ink);
  background: var(--sand); font: 17px/1.6 system-ui, sans-serif; }
main { background: var(--card); border-radius: 20px; padding: 2.4rem 2.6rem;
  width: min(30rem, 100%); box-shadow: 0 12px 40px #0002; }
svg { width: 100%; height: 44px; color: var(--sea); margin-bottom: 1rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: .3rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1.2rem; margin-top: 1.4rem; }
dt { opacity: .65; } dd { font: 600 .95em ui-monospace, monospace; overflow-wrap: anywhere; }
</style></head><body><main>
<svg viewBox="0 0 400 44" fill="none" stroke="currentColor" stroke-width="4"
 stroke-linecap="round" preserveAspectRatio="none" aria-hidden="true">
<path d="M4 16q24-16 49 0t49 0 49 0 49 0 49 0 49 0 49 0 49 0"/>
<path opacity=".45" d="M4 34q24-16 49 0t49 0 49 0 49 0 49 0 49 0 49 0 49 0"/></svg>
<h1>Hello from the harbour</h1>
<p>A small web app, run by cove. Deploy another version and reload: no request is lost.</p>
<dl><dt>Version</dt><dd>{version}</dd>
<dt>Host</dt><dd>{host}</dd>
<dt>Requests</dt><dd>{requests}</dd></dl>
</main></body></html>
"""


def main() -> int:
    """Read the environment, run, and return the exit status."""
    try:
        settings = Settings.from_environment(dict(os.environ))
    except ValueError as error:
        log(f"cannot start: {error}")
        return 2
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
