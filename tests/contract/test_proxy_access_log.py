"""The lines that the real Traefik writes about requests, where each app chooses which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from cove.model.access import AccessLog, app_of, failed_or_slow
from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings, routes_to

from support.proxies import RealGate
from support.releases import app, release, route
from support.traffic_upstream import serving


def leading(name: str, port: int, choice: AccessLog | None) -> ProxyRoutes:
    """An app's routes to a server on loopback."""
    routes = (route(domain=f"{name}.test", port=port, tls="off"),)
    made = release(1, replace(app(name=name, routes=routes), access_log=choice))
    placements = tuple(replace(p, address="127.0.0.1") for p in made.placements)
    return routes_to(replace(made, placements=placements), ProxySettings())


def logged(gate: RealGate) -> list[str]:
    """The access log's lines until now."""
    lines = (gate.folder / "log").read_text().splitlines()
    return [line for line in lines if line.startswith("{")]


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[RealGate]:
    """Traefik as cove configures it where apps choose."""
    real = RealGate(tmp_path, "apps")
    try:
        await real.start()
        yield real
    finally:
        await real.stop()


async def test_what_a_line_says_is_understood(gate: RealGate) -> None:
    """Whose request it was and whether it failed; none of an app that wants none logged."""
    asked = [("shop", 200), ("shop", 404), ("quiet", 200), ("quiet", 503)]
    asked += [("nobody", 404), ("none", 404)]
    async with serving() as upstream, aiohttp.ClientSession() as session:
        await gate.proxy.publish("shop", leading("shop", upstream.port, "full"))
        await gate.proxy.publish("quiet", leading("quiet", upstream.port, "off"))
        for name, status in asked:
            url = f"http://127.0.0.1:{gate.ports.http}/status/{status}"
            async with session.get(url, headers={"Host": f"{name}.test"}) as answer:
                assert answer.status == status
    async with asyncio.timeout(10):
        while len(logged(gate)) < 4:  # noqa: ASYNC110 - a file, not an event
            await asyncio.sleep(0.05)
    found = [(app_of(line), failed_or_slow(line)) for line in logged(gate)]
    assert found == [("shop", False), ("shop", True), ("", True), ("", True)]
