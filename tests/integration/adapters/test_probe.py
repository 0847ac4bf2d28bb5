from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cove import __version__
from cove.adapters.probe import HttpProbe
from cove.model.app import Health
from cove.ports import ProbeResult

HERE = "127.0.0.1"
READY = ProbeResult(ready=True)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A container's process: what it was asked, and how each connection to it ended."""

    def __init__(self, serve: Serve | bytes) -> None:
        self._serve = serve
        self.port = 0
        self.requests: list[bytes] = []
        self.reset = False
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self._serve, bytes):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._serve)
                await writer.drain()
            else:
                await self._serve(reader, writer)
        except ConnectionError:
            self.reset = True
        except EOFError:
            pass
        finally:
            writer.close()
            self.ended.set()


@asynccontextmanager
async def serving(serve: Serve | bytes) -> AsyncIterator[Server]:
    """A server on a free port of this machine."""
    server = Server(serve)
    listening = await asyncio.start_server(server, HERE, 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


async def check(
    server: Server, path: str = "/healthz", *, host: str = "shop.test", timeout: float = 5.0
) -> ProbeResult:
    """One probe of the server."""
    return await HttpProbe().check(HERE, server.port, Health(path=path, timeout=timeout), host)


async def forever(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing, until the other end closes."""
    while await reader.read(1024):
        pass


async def test_an_accepting_port_is_ready_without_a_path():
    """Nothing is sent, and a server that never speaks is ready."""
    async with serving(forever) as server:
        assert await check(server, "") == READY
        await asyncio.wait_for(server.ended.wait(), 10)
        assert server.requests == []


async def test_the_request_names_the_route_and_cove():
    """The route's host, cove as the agent, no cookie, and no wish to keep the connection."""
    async with serving(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        assert await check(server, "/healthz?deep=1", host="shop.example.com") == READY
        (request,) = server.requests
    first, *fields = request.decode().strip().split("\r\n")
    assert first == "GET /healthz?deep=1 HTTP/1.1"
    assert set(fields) == {
        "Host: shop.example.com",
        f"User-Agent: cove/{__version__} (readiness)",
        "Accept: */*",
        "Connection: close",
    }


async def test_a_request_cannot_be_continued_from_its_parts():
    """Line ends in a path or host become part of them, never another header."""
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server:
        await check(server, "/a b\r\nX: 1\r\n\r\n", host="h\r\nY: 2")
        (request,) = server.requests
    assert b"\r\nX" not in request
    assert b"\r\nY" not in request


@pytest.mark.parametrize("status", [200, 204, 302, 399])
async def test_the_usual_answers_are_ready(status):
    """2xx and 3xx, and a redirect is not followed."""
    answer = f"HTTP/1.1 {status} X\r\nLocation: http://192.0.2.1/\r\n\r\n".encode()
    async with serving(answer) as server:
        assert await check(server) == READY
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [101, 400, 404, 500, 503])
async def test_other_answers_are_reported_with_their_status(status):
    """The detail is what the server said to which request."""
    async with serving(f"HTTP/1.1 {status}\r\n\r\n".encode()) as server:
        assert await check(server) == ProbeResult(
            ready=False, detail=f"GET /healthz answered {status}"
        )


@pytest.mark.parametrize(("status", "ready"), [(200, False), (401, True), (404, True)])
async def test_the_accepted_statuses_are_the_files(status, ready):
    """Ranges are inclusive, and only theirs count."""
    health = Health(path="/", status=((401, 401), (403, 404)))
    async with serving(f"HTTP/1.0 {status} X\r\n\r\n".encode()) as server:
        result = await HttpProbe().check(HERE, server.port, health, "shop.test")
    assert result.ready is ready


async def test_interim_answers_are_passed_over():
    """103 Early Hints is not the answer."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n"
    async with serving(hints) as server:
        assert (await check(server)).detail == "GET /healthz answered 503"


async def test_a_small_body_is_taken_before_closing():
    """A server that writes its body after its header sees no reset."""

    async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        await writer.drain()
        writer.write(b"fine")
        await writer.drain()
        writer.write_eof()
        assert await reader.read() == b""  # raises when the connection was reset

    async with serving(slow_body) as server:
        assert await check(server) == READY
        await asyncio.wait_for(server.ended.wait(), 10)
        assert not server.reset


async def test_an_answer_counts_although_the_connection_stays_open():
    """A server that ignores `Connection: close`, or streams for ever, is ready all the same."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await forever(reader, writer)

    async with serving(endless) as server:
        # shorter than the time a body is waited for
        assert await check(server, timeout=0.1) == READY


async def test_a_closed_port_has_nothing_listening(unused_port):
    """The usual case while a container starts."""
    result = await HttpProbe().check(HERE, unused_port, Health(path="/"), "shop.test")
    assert result == ProbeResult(ready=False, detail=f"nothing listens on port {unused_port}")


@pytest.fixture
async def unused_port() -> int:
    """A port that was free a moment ago."""
    async with serving(forever) as server:
        return server.port


async def test_silence_is_reported_with_the_time_waited():
    """The whole check ends within the timeout."""
    async with serving(forever) as server:
        result = await check(server, timeout=0.05)
    assert result == ProbeResult(ready=False, detail="GET /healthz gave no answer within 0.05 s")


async def test_half_an_answer_is_none():
    """A header that never ends is waited for no longer than the timeout."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-")
        await forever(reader, writer)

    async with serving(half) as server:
        assert not (await check(server, timeout=0.05)).ready


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes before anything was said; unread bytes make it a reset."""
    writer.close()


@pytest.mark.parametrize("serve", [hang_up, b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_connection_closed_early_is_reported(serve):
    """Closed or reset, before the end of the header."""
    async with serving(serve) as server:
        result = await check(server)
    assert result == ProbeResult(ready=False, detail="the connection was closed before an answer")


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"220 mail ready\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5_000,
    ],
    ids=["tls alert", "another protocol", "wrong version", "no status", "long line", "no end"],
)
async def test_what_is_not_http_is_reported(answer):
    """Another protocol on the port, or an answer without end."""
    async with serving(answer) as server:
        result = await check(server)
    assert result == ProbeResult(ready=False, detail="the answer was not HTTP")


@pytest.mark.parametrize(
    ("address", "port", "detail"),
    [
        ("localhost", 80, "'localhost' does not appear to be an IPv4 or IPv6 address"),
        ("127.0.0.1", 70_000, "connect(): port must be 0-65535."),
    ],
)
async def test_nonsense_is_reported_and_never_raised(address, port, detail):
    """No name is looked up, no impossible port dialled."""
    result = await HttpProbe().check(address, port, Health(), "")
    assert result == ProbeResult(ready=False, detail=detail)


async def test_without_a_host_the_address_is_named():
    """HTTP/1.1 wants a Host header in any case."""
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server:
        await check(server, host="")
        assert b"\r\nHost: 127.0.0.1\r\n" in server.requests[0]


async def test_cancelling_a_check_ends_it():
    """Never raising does not mean swallowing the caller's own cancellation."""
    asked = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await forever(reader, writer)

    async with serving(mute) as server:
        task = asyncio.create_task(check(server))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
