"""The public status pages. Imported inside `cove.agent.api`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import replace

from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.platform import Parts
from cove.errors import InvalidFile, NotFound
from cove.model import names
from cove.model.statuspage import ShownApp, StatusPage, StatusPageView
from cove.model.suggestions import nearest

_PAGES: Final = "/v1/status-pages"
_LONGEST: Final = 80  # characters of a title or label
_MOST_APPS: Final = 500
_MOST_PAGES: Final = 50
_HELP: Final = "cove status-page set --help"

Domain = Annotated[str, Meta(max_length=names.MAX_DOMAIN + 1)]
Text = Annotated[str, Meta(max_length=1000)]


class StatusPageChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of a page; None: as it is. One that is not there is made."""

    domain: Domain
    title: Text | None = None
    apps: Annotated[tuple[ShownApp, ...], Meta(max_length=_MOST_APPS)] | None = None
    every: bool | None = None
    domains: bool | None = None
    maintenance: bool | None = None


class StatusPageName(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page, by its domain."""

    domain: Domain


class StatusPageEndpoints:
    """Everything under /v1/status-pages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", _PAGES, {"pages": list[StatusPageView]})
    async def status_pages(self, _: web.Request) -> web.StreamResponse:
        """The public status pages, and what each shows."""
        return answer({"pages": self._parts.status_pages.views()})

    @endpoint("POST", _PAGES, {"page": StatusPageView, "notes": list[str]}, body=StatusPageChange)
    async def set_status_page(self, request: web.Request) -> web.StreamResponse:
        """Show a status page under a domain of its own, or change one."""
        change = await read_body(request, StatusPageChange)
        pages = self._parts.status_pages
        page = self._changed(pages.get(change.domain), change)
        notes = await pages.put(page)
        view = next(view for view in pages.views() if view.domain == page.domain)
        shown = "every app" if page.every else ", ".join(one.app for one in page.apps)
        self._tell(f"the status page {page.domain} shows {shown}")
        return answer({"page": view, "notes": notes})

    @endpoint("POST", f"{_PAGES}/remove", {"domain": str}, body=StatusPageName)
    async def remove_status_page(self, request: web.Request) -> web.StreamResponse:
        """Show a status page no more; its domain is free."""
        domain = (await read_body(request, StatusPageName)).domain
        await self._parts.status_pages.remove(domain)
        self._tell(f"the status page {domain} is removed")
        return answer({"domain": domain})

    def _tell(self, text: str) -> None:
        self._parts.happenings.record("notice", text)

    def _changed(self, before: StatusPage | None, change: StatusPageChange) -> StatusPage:
        """The page as it is to be. Raises InvalidFile and NotFound; nothing has changed then."""
        _check_domain(change.domain)
        if before is None and len(self._parts.store.status_pages()) >= _MOST_PAGES:
            raise InvalidFile(f"there are {_MOST_PAGES} status pages already", code="status-page")
        base = before or StatusPage(domain=change.domain)
        given = {
            key: value
            for key in ("title", "apps", "every", "domains", "maintenance")
            if (value := getattr(change, key)) is not None
        }
        page: StatusPage = replace(base, **given)
        for text in (page.title, *(one.label for one in page.apps)):
            _check_text(text)
        self._check_apps(page.apps if change.apps is not None else ())
        if not page.apps and not page.every:
            raise InvalidFile(
                "it is not said what the status page shows",
                code="status-page",
                hint="--app NAME for an app, --all for every app, those to come included",
            )
        return page

    def _check_apps(self, apps: Iterable[ShownApp]) -> None:
        known = [record.name for record in self._parts.store.apps()]
        seen: set[str] = set()
        for one in apps:
            if one.app not in known:
                near = nearest(one.app, known)
                raise NotFound(f"there is no app {one.app[:80]}{near}", hint="cove status")
            if one.app in seen:
                raise InvalidFile(f"{one.app} is named twice", code="status-page", hint=_HELP)
            seen.add(one.app)


def _check_domain(domain: str) -> None:
    if len(domain) > names.MAX_DOMAIN or not names.matches(names.DOMAIN, domain):
        raise InvalidFile(
            f"{domain[:80]!r} is not a domain such as status.example.com",
            code="status-page",
            hint=_HELP,
        )


def _check_text(text: str) -> None:
    """No character that cannot be seen: it could change how others are read, or end a document."""
    if len(text) > _LONGEST:
        raise InvalidFile(
            f"{text[:20]!r}… is longer than {_LONGEST} characters", code="status-page"
        )
    if not text.isprintable():
        raise InvalidFile(f"{text!r} holds characters that cannot be shown", code="status-page")
