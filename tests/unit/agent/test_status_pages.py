"""Pages as they are set, removed, and found again: the record, the routes, the open port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from cove.agent.status_pages import PageParts, StatusPages
from cove.errors import NotFound, PlatformError, Refused
from cove.model.alerts import AlertSettings
from cove.model.statuspage import ShownApp, StatusPage
from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings

from support.boards import route
from support.certification import Place
from support.store import deploy, opened, spec

PAGE = StatusPage(domain="status.localhost", apps=(ShownApp(app="shop", label="Web shop"),))


class Proxy:
    """What it was given; it may refuse."""

    def __init__(self) -> None:
        self.files: dict[str, ProxyRoutes] = {}
        self.refuses = False

    async def publish(self, app: str, routes: ProxyRoutes) -> None:
        if self.refuses:
            raise PlatformError("the proxy does not answer", code="proxy-down")
        self.files[app] = routes

    async def withdraw(self, app: str) -> None:
        self.files.pop(app, None)

    def domains(self) -> set[str]:
        """The names that are led to pages."""
        routers = (r for routes in self.files.values() for r in routes.document["http"]["routers"])
        return {
            name.removeprefix("_page_").replace("_", ".") for name in routers if "http" not in name
        }


class Port:
    """The listener, without a socket."""

    open = False

    async def start(self) -> None:
        self.open = True

    async def close(self) -> None:
        self.open = False

    port = 300


class Seen:
    """Uptime and alerts, as far as pages ask them."""

    async def histories(self) -> list[Any]:
        return [route()]

    def silences(self) -> AlertSettings:
        return AlertSettings()


class Machine:
    """Everything that pages are made of; `again` is what the next agent makes of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.store = place.store
        self.proxy = Proxy()
        self.pages = self.again()

    def again(self) -> StatusPages:
        seen: Any = Seen()
        proxy: Any = self.proxy
        parts = PageParts(
            store=self.store,
            certification=self.place.certification,
            proxy=proxy,
            uptime=seen,
            alerting=seen,
            settings=ProxySettings,
        )
        made = StatusPages(parts, 300)
        self.port = Port()
        made.listener = self.port  # type: ignore[assignment]
        return made

    async def shows(self, domain: str = PAGE.domain) -> str:
        """What the page says; empty where there is none."""
        found = await self.pages._publisher.answer(domain, "/")
        return found.body.decode() if found else ""


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One with an app and no page."""
    with opened() as store:
        deploy(store, spec())
        yield Machine(Place(store))


async def test_a_page_is_recorded_certified_routed_and_answered(machine):
    """And nothing of that is left once it is removed."""
    assert not machine.port.open
    await machine.pages.put(PAGE)
    assert machine.port.open
    assert machine.proxy.domains() == {PAGE.domain}
    assert PAGE.domain in machine.place.local.certified
    assert "Web shop" in await machine.shows()
    (view,) = machine.pages.views()
    assert (view.shown, view.missing, view.certified) == (("Web shop",), (), True)
    await machine.pages.remove(PAGE.domain)
    assert not machine.port.open
    assert machine.proxy.files == {}
    assert await machine.shows() == ""
    assert machine.store.status_pages() == ()


async def test_what_the_proxy_refuses_is_as_if_it_had_not_been_asked(machine):
    """A new page is not there, a changed one is as it was."""
    machine.proxy.refuses = True
    with pytest.raises(PlatformError):
        await machine.pages.put(PAGE)
    assert machine.store.status_pages() == ()
    assert await machine.shows() == ""
    machine.proxy.refuses = False
    await machine.pages.restore()
    assert not machine.port.open
    await machine.pages.put(PAGE)
    machine.proxy.refuses = True
    with pytest.raises(PlatformError):
        await machine.pages.put(replace(PAGE, title="Other"))
    assert machine.store.status_pages() == (PAGE,)
    assert "Other" not in await machine.shows()


async def test_a_domain_of_an_app_is_refused_before_anything(machine):
    """With nothing changed; and so is a page that is not there, when it is to go."""
    with pytest.raises(Refused):
        await machine.pages.put(replace(PAGE, domain="shop.example.com"))
    assert machine.proxy.files == {}
    assert not machine.port.open
    await machine.pages.put(PAGE)
    with pytest.raises(NotFound, match=r"did you mean status\.localhost\?"):
        await machine.pages.remove("statis.localhost")
    assert machine.proxy.domains() == {PAGE.domain}


async def test_the_next_agent_finds_the_pages_again(machine):
    """It answers at once, and routes what is recorded, whatever the last one left."""
    await machine.pages.put(PAGE)
    machine.store.put_status_page(replace(PAGE, domain="two.localhost"))
    machine.pages = machine.again()
    await machine.pages.listen()
    assert machine.port.open
    assert "Web shop" in await machine.shows("two.localhost")
    assert machine.proxy.domains() == {PAGE.domain}
    await machine.pages.restore()
    assert machine.proxy.domains() == {PAGE.domain, "two.localhost"}
    for domain in machine.proxy.domains():
        machine.store.remove_status_page(domain)
    machine.pages = machine.again()
    await machine.pages.listen()
    await machine.pages.restore()
    assert not machine.port.open
    assert machine.proxy.files == {}


async def test_what_could_not_be_restored_is_tried_again_until_it_is(machine):
    """And then left alone, until the proxy's settings change."""
    machine.store.put_status_page(PAGE)
    machine.proxy.refuses = True
    with pytest.raises(PlatformError):
        await machine.pages.restore()
    machine.proxy.refuses = False
    await machine.pages.restore()
    assert machine.proxy.domains() == {PAGE.domain}
    machine.proxy.files.clear()
    await machine.pages.restore()
    assert machine.proxy.files == {}
    await machine.pages.reroute()
    assert machine.proxy.domains() == {PAGE.domain}


async def test_an_app_that_goes_leaves_the_page(machine):
    """The page stays, and its owner is told what is missing."""
    await machine.pages.put(PAGE)
    machine.store.forget_app("shop")
    (view,) = machine.pages.views()
    assert (view.shown, view.missing) == ((), ("shop",))
