"""What the proxy must carry unharmed, whatever it was tuned for: with the real Traefik."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from cove.adapters.host import LinuxHost
from cove.adapters.traefik import TraefikMeters
from cove.model.metrics import INDEX
from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings, routes_held, routes_to

from support.places import free_port
from support.proxies import RealGate
from support.releases import app, release, route
from support.traffic_upstream import PIECE, Upstream, serving

HOST = "shop.test"
AT_ONCE, ROUNDS = 20, 10
MANY = 40 * (1 << 20)  # bytes; far more than any buffer on the way


def leading(port: int) -> ProxyRoutes:
    """An app's routes to a server on loopback."""
    made = release(1, app(name="shop", routes=(route(domain=HOST, port=port, tls="off"),)))
    placements = tuple(replace(p, address="127.0.0.1") for p in made.placements)
    return routes_to(replace(made, placements=placements), ProxySettings())


def logged(gate: RealGate) -> list[dict[str, Any]]:
    """The access log's lines until now."""
    lines = (gate.folder / "log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[RealGate]:
    """Traefik as cove configures it."""
    real = RealGate(tmp_path)
    try:
        await real.start()
        yield real
    finally:
        await real.stop()


@pytest.fixture
async def upstream(gate: RealGate) -> AsyncIterator[Upstream]:
    """A server that the proxy leads to."""
    async with serving() as upstream:
        await gate.proxy.publish("shop", leading(upstream.port))
        yield upstream


@pytest.fixture
async def client(gate: RealGate) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the proxy."""
    base = f"http://127.0.0.1:{gate.ports.http}"
    headers = {"Host": HOST}
    async with aiohttp.ClientSession(base, headers=headers) as session:
        yield session


async def eventually(look: Callable[[], bool], what: str) -> None:
    """Waits until it is so."""
    try:
        async with asyncio.timeout(30):
            while not look():  # noqa: ASYNC110 - the kernel's tables tell no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within 30 s: {what}") from None


async def test_web_sockets(client, upstream):
    """Messages of every size come back over an upgraded connection, and its end is passed on."""
    async with client.ws_connect("/socket", max_msg_size=0) as socket:
        for message in ("", "hello", "x" * (1 << 20)):
            await socket.send_str(message)
            assert await socket.receive_str() == message
        blob = os.urandom(3 * (1 << 20))
        await socket.send_bytes(blob)
        assert await socket.receive_bytes() == blob
    await eventually(lambda: upstream.left == ["socket"], "the server saw the socket's end")


async def test_events_come_as_they_are_written(client, upstream):
    """A stream of events is not held back until it is long enough or ends."""
    async with client.get("/events") as response:
        for number in range(3):
            assert await response.content.readuntil(b"\n\n") == f"data: {number}\n\n".encode()
            upstream.proceed.set()
        assert await response.content.read() == b""


async def test_a_client_that_leaves(client, upstream):
    """The server learns that nobody reads its stream any more: a drain would wait for it."""
    async with client.get("/endless") as response:
        await response.content.readuntil(b"\n\n")
    await eventually(lambda: upstream.left == ["endless"], "the server saw the client leave")
    host = LinuxHost()
    targets = [("127.0.0.1", upstream.port)]
    await eventually(lambda: not host.connections(targets), "no connection is left")


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_uploads(client, upstream, chunked):
    """A large body arrives whole, with its length told or without."""
    body = os.urandom(PIECE) * (MANY // PIECE)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]

    async with client.post("/upload", data=pieces() if chunked else io.BytesIO(body)) as response:
        said = await response.json()
    assert said == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


async def test_uploads_stream(client, upstream):
    """The server sees the beginning of a body before the client has sent its end."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * PIECE
        await asyncio.wait_for(upstream.seen.wait(), 30)
        yield b"y" * PIECE

    async with client.put("/upload", data=pieces()) as response:
        assert (await response.json())["length"] == 2 * PIECE


async def test_uploads_that_wait_to_be_asked(client, upstream):
    """A client that asks first whether its body is wanted is told to go on."""
    async with client.post("/upload", data=b"z" * PIECE, expect100=True) as response:
        assert (await response.json())["length"] == PIECE


async def test_an_upload_that_breaks_off(client, upstream):
    """The server learns that the rest of a body will not come."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * PIECE
        await asyncio.wait_for(upstream.seen.wait(), 30)
        raise ConnectionResetError("as if the client's network were gone")

    with pytest.raises(aiohttp.ClientError):
        await client.post("/upload", data=pieces())
    host = LinuxHost()
    targets = [("127.0.0.1", upstream.port)]
    await eventually(lambda: not host.connections(targets), "no connection is left")


async def test_large_downloads(client, upstream):
    """A large answer arrives whole."""
    async with client.get(f"/download/{MANY}") as response:
        length = 0
        async for piece in response.content.iter_chunked(PIECE):
            length += len(piece)
    assert length == MANY


async def test_an_answer_that_breaks_off(client, upstream):
    """Half an answer never looks like a whole one."""
    with pytest.raises(aiohttp.ClientError):
        async with client.get("/cut") as response:
            await response.read()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("status", [200, 204, 304, 404, 500, 503])
async def test_answers_with_and_without_a_body(client, upstream, method, status):
    """Each status is passed on, and the connection is good for the next request."""
    for _ in range(3):
        async with client.request(method, f"/status/{status}") as response:
            assert response.status == status
            await response.read()


async def test_idle_connections_close(client, upstream):
    """Soon after the last request no connection to the server is left, so that drains end."""
    answers = await asyncio.gather(*(client.get("/status/200") for _ in range(50)))
    for answer in answers:
        assert answer.status == 200
        answer.release()
    host = LinuxHost()
    targets = [("127.0.0.1", upstream.port)]
    await eventually(lambda: not host.connections(targets), "the idle connections are closed")


async def test_servers_that_close_idle_connections(gate, client):
    """No request is written to a connection that its server has just closed."""
    async with serving(keep_alive=2.0) as upstream:
        await gate.proxy.publish("shop", leading(upstream.port))

        async def visitor(number: int) -> int:
            failed = 0
            for turn in range(4):
                await asyncio.sleep(0.45 + (number + turn) % 10 / 50)
                async with client.post("/upload", data=b"x") as response:
                    failed += response.status != 200
            return failed

        assert sum(await asyncio.gather(*(visitor(number) for number in range(40)))) == 0


async def test_requests_wait_for_a_server(gate, client):
    """A request held for an address nobody has is answered once somebody does, its body whole."""
    port = free_port()
    spec = app(name="shop", routes=(route(domain=HOST, port=port, tls="off"),))
    held = routes_held(release(1, spec), {"web": "127.0.0.1"}, 60, ProxySettings())
    await gate.proxy.publish("shop", held)
    body = os.urandom(PIECE)

    async def ask() -> dict[str, object]:
        async with client.post("/upload", data=body) as response:
            assert response.status == 200
            return dict(await response.json())

    waiting = [asyncio.create_task(ask()) for _ in range(20)]
    await asyncio.sleep(1)
    assert not any(task.done() for task in waiting)
    async with serving(port):
        for said in await asyncio.gather(*waiting):
            assert said == {"length": PIECE, "sha256": hashlib.sha256(body).hexdigest()}


async def test_requests_are_counted(gate, client, upstream):
    """By outcome, with their durations; a socket that stays open says nothing of durations."""
    meters = TraefikMeters(gate.ports.api)
    for status in (200, 200, 204, 304, 404, 404, 503):
        async with client.get(f"/status/{status}") as response:
            await response.read()
    async with client.post("/upload", data=b"x" * 1000) as response:
        await response.read()
    async with client.ws_connect("/socket") as socket:
        await socket.send_str("hello")
        await socket.receive_str()
    await eventually(lambda: upstream.left == ["socket"], "the socket has ended")
    while True:  # a socket is counted a moment after its end
        scrape = await meters.scrape()
        assert scrape
        (counts,) = scrape.counts
        found = {name: counts.values[number] for name, number in INDEX["route"].items()}
        if found["requests"] == 9:
            break
    await meters.close()
    assert (counts.app, counts.release, counts.port) == ("shop", 1, str(upstream.port))
    assert (found["ok"], found["client_errors"], found["server_errors"]) == (6, 2, 1)
    assert sum(value for name, value in found.items() if name.startswith("le_")) == 8
    assert found["received"] >= 1000
    assert found["sent"] > 0
    assert scrape.born > 0


async def test_held_requests_count_once(gate, client):
    """The tries of a request that waits are no answers: only the last one is counted."""
    meters, port = TraefikMeters(gate.ports.api), free_port()
    spec = app(name="shop", routes=(route(domain=HOST, port=port, tls="off"),))
    held = routes_held(release(1, spec), {"web": "127.0.0.1"}, 60, ProxySettings())
    await gate.proxy.publish("shop", held)
    waiting = asyncio.create_task(client.get("/status/200"))
    await asyncio.sleep(1)
    async with serving(port):
        answer = await waiting
        assert answer.status == 200
        answer.release()
    scrape = await meters.scrape()
    await meters.close()
    assert scrape
    assert [counts.values[:4] for counts in scrape.counts] == [(1, 1, 0, 0)]


async def test_only_what_failed_is_logged_and_no_secret(gate, client, upstream):
    """The access log names failed requests, without their query and without any header."""
    for status in (200, 404, 503):
        url = f"/status/{status}?token=hush"
        async with client.get(url, headers={"Authorization": "hush"}) as response:
            await response.read()
    await eventually(lambda: len(logged(gate)) == 2, "both are logged")
    assert [line["DownstreamStatus"] for line in logged(gate)] == [404, 503]
    assert [line["RequestPath"] for line in logged(gate)] == ["/status/404", "/status/503"]
    assert {line["ServiceName"].partition("_")[0] for line in logged(gate)} == {"shop"}
    assert "hush" not in (gate.folder / "log").read_text()


async def test_connections_to_a_container_are_used_again(gate, client):
    """Many requests at once, round after round, do not open a connection each."""
    opened = 0
    everybody = asyncio.Barrier(AT_ONCE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                # All of a round are in flight together, each on a connection of its own.
                await everybody.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    async def ask() -> None:
        async with client.get("/") as response:
            assert response.status == 200

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        await gate.proxy.publish("shop", leading(server.sockets[0].getsockname()[1]))
        for _ in range(ROUNDS):
            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    # A busy machine may let some go idle for too long between two rounds.
    assert AT_ONCE <= opened <= AT_ONCE * ROUNDS // 2


async def test_the_proxys_memory_has_a_limit(gate):
    """By the word of its runtime, which counts it as the kernel does."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{gate.ports.api}/metrics") as response,
    ):
        told = dict(
            line.split(" ") for line in (await response.text()).splitlines() if line[0] != "#"
        )
    assert float(told["go_gc_gomemlimit_bytes"]) == 256 << 20
    assert float(told["go_gc_gogc_percent"]) == 200
