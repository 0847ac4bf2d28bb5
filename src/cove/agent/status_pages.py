"""`StatusPages`: what the owner has set becomes routes, certificates, and a port that listens.

Imported inside `cove.agent` only. Without a page nothing listens and nothing is routed. Apps do
not depend on it: a page that cannot be shown is told and tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cove.adapters.publicside import PageListener
from cove.adapters.sqlite import SqliteStore
from cove.adapters.traefik import TraefikProxy
from cove.certification.certifier import Certification
from cove.errors import CoveError, NotFound
from cove.model.statuspage import DEFAULT_TITLE, StatusPage, StatusPageView
from cove.model.suggestions import nearest
from cove.observation.alerts.alerting import Alerting
from cove.observation.statuspage.board import Facts, chosen
from cove.observation.statuspage.publishing import Publisher
from cove.observation.uptime.watching import Uptime
from cove.render.statuspage import PAGES, page_routes, page_url
from cove.render.traefik import ProxySettings

_SETTLED_WITHIN: Final = 20.0  # seconds for a public certificate; it goes on being tried


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """What pages are made of, wired by `cove.agent.platform`."""

    store: SqliteStore
    certification: Certification
    proxy: TraefikProxy
    uptime: Uptime
    alerting: Alerting
    settings: Callable[[], ProxySettings]


class StatusPages:
    """The pages there are, on one port of loopback."""

    def __init__(self, parts: PageParts, port: int) -> None:
        self._parts = parts
        self._publisher = Publisher(self._facts, lambda d: page_url(d, parts.settings()))
        self.listener = PageListener(port, self._publisher.answer)
        self._turn = asyncio.Lock()
        self._settled = False

    async def listen(self) -> None:
        """Answers for the pages that are recorded, before anything else is there.

        Raises CoveError.
        """
        async with self._turn:
            await self._heed()

    async def restore(self) -> None:
        """Routes and certificates as they are recorded, where that was not done or has changed.

        Raises CoveError; what failed is tried again with the next call.
        """
        async with self._turn:
            if self._settled:
                return
            for page in self._parts.store.status_pages():
                await self._parts.certification.ensure_page(page.domain)
            await self._heed()
            await self._route()
            self._settled = True

    async def reroute(self) -> None:
        """The proxy's settings have changed. Raises CoveError."""
        self._settled = False
        await self.restore()

    async def put(self, page: StatusPage) -> tuple[str, ...]:
        """Shows a page, or changes it; returns why its certificate is not there yet.

        Raises Refused (`route-taken`) and PlatformError; everything is then as it was.
        """
        store, certification = self._parts.store, self._parts.certification
        async with self._turn:
            certification.check_page(page.domain)
            before = self.get(page.domain)
            store.put_status_page(page)
            try:
                await self._heed()
                await certification.ensure_page(page.domain)
                await self._route()
            except BaseException:
                self._undo(page.domain, before)
                raise
        return await certification.settle_page(page.domain, _SETTLED_WITHIN)

    async def remove(self, domain: str) -> None:
        """Shows a page no more. Raises NotFound and PlatformError."""
        async with self._turn:
            if not self._parts.store.remove_status_page(domain):
                known = [page.domain for page in self._parts.store.status_pages()]
                raise NotFound(
                    f"there is no status page {domain[:253]}{nearest(domain, known)}",
                    hint="cove status-page list",
                )
            self._settled = False
            await self._route()
            await self._heed()
            self._settled = True
        self._parts.certification.refresh()

    def get(self, domain: str) -> StatusPage | None:
        """A page as it is recorded."""
        pages = self._parts.store.status_pages()
        return next((page for page in pages if page.domain == domain), None)

    def views(self) -> list[StatusPageView]:
        """Every page as its owner sees it."""
        apps = self._apps()
        return [self._view(page, apps) for page in self._parts.store.status_pages()]

    def _view(self, page: StatusPage, apps: tuple[str, ...]) -> StatusPageView:
        missing = self._parts.certification.uncertified()
        return StatusPageView(
            domain=page.domain,
            url=page_url(page.domain, self._parts.settings()),
            title=page.title or DEFAULT_TITLE,
            apps=page.apps,
            every=page.every,
            domains=page.domains,
            maintenance=page.maintenance,
            shown=tuple(one.label or one.app for one in chosen(page, apps)),
            missing=tuple(one.app for one in page.apps if one.app not in apps),
            certified=page.domain not in missing,
        )

    async def _heed(self) -> None:
        """What is recorded is what is answered; the port is open while there is something."""
        if self._show():
            await self.listener.start()
        else:
            await self.listener.close()

    def _show(self) -> bool:
        pages = {page.domain: page for page in self._parts.store.status_pages()}
        self._publisher.show(pages)
        return bool(pages)

    async def _route(self) -> None:
        domains = [page.domain for page in self._parts.store.status_pages()]
        if domains:
            routes = page_routes(domains, self.listener.port, self._parts.settings())
            await self._parts.proxy.publish(PAGES, routes)
        else:
            await self._parts.proxy.withdraw(PAGES)

    def _undo(self, domain: str, before: StatusPage | None) -> None:
        """As it was, by the record; the routes follow with the next `restore`."""
        self._settled = False
        with suppress(CoveError):
            if before is None:
                self._parts.store.remove_status_page(domain)
            else:
                self._parts.store.put_status_page(before)
            self._show()

    def _apps(self) -> tuple[str, ...]:
        return tuple(record.name for record in self._parts.store.apps())

    async def _facts(self) -> Facts:
        histories = await self._parts.uptime.histories()
        windows = self._parts.alerting.silences().windows
        return Facts(time.time(), tuple(histories), windows, self._apps())
