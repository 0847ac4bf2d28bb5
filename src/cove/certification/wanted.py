"""Which names need which certificate: from releases to domains. Pure.

Imported inside `cove.certification`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from cove.model.app import App, Route, is_local_domain
from cove.model.certificates import CertSource
from cove.model.release import Release
from cove.model.statuspage import StatusPage

STATUS_PAGE = "status page"  # in the place of an app's name, and no app's name can have a space


class Wanted(Struct, frozen=True, kw_only=True):
    """A domain, where its certificate comes from, and the apps that route it."""

    domain: str
    source: CertSource
    apps: tuple[str, ...]


def source_of(route: Route, domain: str) -> CertSource | None:
    """Where a domain of a route has its certificate from; None for plain HTTP."""
    if not route.encrypted:
        return None
    if route.tls == "own":
        return "own"
    return "local" if route.tls == "local" or is_local_domain(domain) else "acme"


def of_app(spec: App) -> dict[str, CertSource]:
    """Every domain of an app that is served over TLS."""
    found: dict[str, CertSource] = {}
    for route in spec.routes:
        for domain in (route.domain, *route.redirect_from):
            source = source_of(route, domain)
            # A certificate of the user's own on one path holds for the whole domain.
            if source is not None and found.get(domain) != "own":
                found[domain] = source
    return found


def of_releases(releases: Iterable[Release]) -> dict[str, Wanted]:
    """Every domain that these releases route over TLS."""
    found: dict[str, Wanted] = {}
    for release in releases:
        for domain, source in of_app(release.spec).items():
            before = found.get(domain)
            apps = (*(before.apps if before else ()), release.app)
            chosen = "own" if before and before.source == "own" else source
            found[domain] = Wanted(domain=domain, source=chosen, apps=tuple(dict.fromkeys(apps)))
    return found


def of_pages(pages: Iterable[StatusPage]) -> dict[str, Wanted]:
    """Every domain of a status page; no app has any of them."""
    return {page.domain: _of_page(page.domain) for page in pages}


def source_of_page(domain: str) -> CertSource:
    """Where the domain of a status page has its certificate from."""
    return "local" if is_local_domain(domain) else "acme"


def _of_page(domain: str) -> Wanted:
    return Wanted(domain=domain, source=source_of_page(domain), apps=(STATUS_PAGE,))
