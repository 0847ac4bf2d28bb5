"""Names in a certificate that belong to another app. Imported inside `cove.certification`.

Proxies choose a certificate by every name in it, whichever domain it was given for: one that also
names another app's domain could be shown to those who ask for that app. Wildcards give way to
exact names, so that names are compared as they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from cove.certification import wanted
from cove.errors import Refused
from cove.model.app import App
from cove.model.certificates import CertFacts
from cove.model.release import Release
from cove.model.statuspage import StatusPage
from cove.ports import CertificateFiles

_ALONE: Final = (
    "bring one for the app's own domains alone, or the same for both apps, one of them stopped "
    "meanwhile"
)


def check(
    spec: App,
    brought: Iterable[CertFacts],
    releases: Iterable[Release],
    files: CertificateFiles,
    resting: Collection[str],
) -> None:
    """Raises Refused (`route-taken`) for a name that two certificates of different apps have.

    `brought` are those that the app brings; of the others' only what lies ready is known. Two apps
    can be given a renewed one while one of them is `resting`.
    """
    mine = {facts.domain: facts for facts in brought}
    for release in releases:
        if release.app != spec.name:
            sources = wanted.of_app(release.spec)
            given = {d: files.facts("own", d) for d, s in sources.items() if s == "own"}
            theirs = {domain: facts for domain, facts in given.items() if facts}
            rests = release.app in resting
            _compare(spec.name, mine, release.app, sources, theirs, rests=rests)
            _compare(release.app, theirs, spec.name, wanted.of_app(spec), mine, rests=rests)


def check_pages(spec: App, brought: Iterable[CertFacts], pages: Iterable[StatusPage]) -> None:
    """Raises Refused (`route-taken`) where a certificate that the app brings names a page."""
    domains = {page.domain for page in pages}
    for facts in brought:
        for name in sorted(domains & {*facts.names}):
            raise _names_page(spec.name, facts.domain, name)


def check_page(domain: str, releases: Iterable[Release], files: CertificateFiles) -> None:
    """The same for a page that is to come."""
    for release in releases:
        for name, source in wanted.of_app(release.spec).items():
            facts = files.facts("own", name) if source == "own" else None
            if facts is not None and domain in facts.names:
                raise _names_page(release.app, name, domain)


def _names_page(bringer: str, brought_for: str, page: str) -> Refused:
    return Refused(
        f"the certificate that the app {bringer} brings for {brought_for} is also for {page}, the "
        "domain of the status page: it could be shown there",
        code="route-taken",
        hint="bring one for the app's own domains alone, or give the page another domain",
    )


def _compare(
    bringer: str,
    brought: dict[str, CertFacts],
    owner: str,
    domains: Iterable[str],
    has: dict[str, CertFacts],
    *,
    rests: bool,
) -> None:
    """Raises Refused where one app's certificates name another's domains."""
    for facts in brought.values():
        for name in sorted({*facts.names} & {*domains}):
            same = name in has and (rests or has[name].fingerprint == facts.fingerprint)
            if not same:
                raise Refused(
                    f"the certificate that the app {bringer} brings for {facts.domain} is also for "
                    f"{name}, a domain of the app {owner}: it could be shown there",
                    code="route-taken",
                    hint=_ALONE,
                )
