"""What cove.ports promises of the proxy, held against the fake and a real Traefik."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cove.errors import PlatformError
from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings, routes_held, routes_to

from support.proxies import NOBODY, FakeGate, Gate, RealGate, spoiled, upstream
from support.releases import app, release, route

HOST = "shop.test"


@pytest.fixture(params=["fake", "real"])
async def gate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gate]:
    """A proxy that has no routes yet."""
    if request.param == "fake":
        yield FakeGate()
        return
    real = RealGate(tmp_path)
    try:
        await real.start()
        yield real
    finally:
        await real.stop()


def leading(port: int, *, name: str = "shop", host: str = HOST, number: int = 1) -> ProxyRoutes:
    """An app's routes to a server on loopback."""
    spec = app(name=name, routes=(route(domain=host, port=port, tls="off"),))
    made = release(number, spec)
    placements = tuple(replace(p, address="127.0.0.1") for p in made.placements)
    return routes_to(replace(made, placements=placements), ProxySettings())


async def test_published_is_live(gate):
    """Once publish returns, the very next request takes the new way; so each time."""
    async with upstream() as one, upstream() as two:
        assert await gate.ask(HOST) == NOBODY
        for number, port in enumerate((one, two, one, two), start=1):
            await gate.proxy.publish("shop", leading(port, number=number))
            assert await gate.ask(HOST) == f"127.0.0.1:{port}"


async def test_publishing_again(gate):
    """To publish what is there already is fine."""
    async with upstream() as port:
        for _ in range(2):
            await gate.proxy.publish("shop", leading(port))
        assert await gate.ask(HOST) == f"127.0.0.1:{port}"


async def test_withdrawn_is_gone(gate):
    """Once withdraw returns, nobody answers; an app that is not there can be withdrawn."""
    await gate.proxy.withdraw("shop")
    async with upstream() as port:
        await gate.proxy.publish("shop", leading(port))
        for _ in range(2):
            await gate.proxy.withdraw("shop")
            assert await gate.ask(HOST) == NOBODY


async def test_a_refusal_changes_nothing(gate):
    """Routes that the proxy does not take leave the old ones in place."""
    async with upstream() as one, upstream() as two:
        await gate.proxy.publish("shop", leading(one))
        with pytest.raises(PlatformError) as caught:
            await gate.proxy.publish("shop", spoiled(leading(two, number=2)))
        assert caught.value.specific_code == "proxy-refused"
        await gate.proxy.publish("other", leading(two, name="other", host="other.test"))
        assert await gate.ask(HOST) == f"127.0.0.1:{one}"


async def test_a_refused_first_publication(gate):
    """Where nothing was before, nothing is afterwards."""
    async with upstream() as port:
        with pytest.raises(PlatformError):
            await gate.proxy.publish("shop", spoiled(leading(port)))
        await gate.proxy.publish("other", leading(port, name="other", host="other.test"))
        assert await gate.ask(HOST) == NOBODY


async def test_apps_apart(gate):
    """One app's routes come and go without another's."""
    async with upstream() as one, upstream() as two:
        await gate.proxy.publish("shop", leading(one))
        await gate.proxy.publish("other", leading(two, name="other", host="other.test"))
        assert await gate.ask("other.test") == f"127.0.0.1:{two}"
        await gate.proxy.withdraw("shop")
        assert await gate.ask(HOST) == NOBODY
        assert await gate.ask("other.test") == f"127.0.0.1:{two}"


async def test_routes_that_go(gate):
    """A domain that the new routes lack is no longer answered."""
    async with upstream() as port:
        both = app(routes=tuple(route(domain=d, port=port, tls="off") for d in (HOST, "b.test")))
        made = release(1, both)
        placements = tuple(replace(p, address="127.0.0.1") for p in made.placements)
        routes = routes_to(replace(made, placements=placements), ProxySettings())
        await gate.proxy.publish("shop", routes)
        assert await gate.ask("b.test") == f"127.0.0.1:{port}"
        await gate.proxy.publish("shop", leading(port, number=2))
        assert await gate.ask("b.test") == NOBODY
        assert await gate.ask(HOST) == f"127.0.0.1:{port}"


async def test_holding(gate):
    """Routes that wait are taken as any others, and let go again."""
    async with upstream() as port:
        spec = app(routes=(route(port=port, tls="off"),))
        held = routes_held(release(1, spec), {"web": "127.0.0.1"}, 60, ProxySettings())
        await gate.proxy.publish("shop", held)
        assert await gate.ask(HOST) == f"127.0.0.1:{port}"
        await gate.proxy.publish("shop", leading(port, number=2))
        assert await gate.ask(HOST) == f"127.0.0.1:{port}"


async def test_no_routes(gate):
    """An app may have none."""
    await gate.proxy.publish("shop", routes_to(release(spec=app(routes=())), ProxySettings()))
    assert await gate.ask(HOST) == NOBODY


async def test_whether_it_leads_there(gate):
    """It says of routes whether they are the live ones, and nothing once it is gone."""
    async with upstream() as one, upstream() as two:
        first, second = leading(one), leading(two, number=2)
        assert await gate.proxy.leads(first) is False
        await gate.proxy.publish("shop", first)
        assert await gate.proxy.leads(first) is True
        assert await gate.proxy.leads(second) is False
        await gate.stop()
        assert await gate.proxy.leads(first) is None
