"""One domain, one certificate: what apps that share a domain must agree on.

Proxies choose a certificate by the domain alone, so that one brought along for a path would be
shown to those who ask for the other app, and end the renewals of what cove has obtained.
Imported inside `cove.rollout`.
"""

from __future__ import annotations

from cove.errors import InvalidFile, Refused
from cove.model.app import App, Route
from cove.ports import Store
from cove.rollout.preflight import current


def check_certificates(spec: App, store: Store) -> None:
    """Raises Refused (`route-taken`) where another app has another certificate for a domain.

    Either brings its own, or the two bring different ones. Of a stopped app's own nothing is
    shown: two apps can be given a renewed one while one of them rests. Raises InvalidFile
    (`certificate`) where the app itself brings two.
    """
    mine = _certificates(spec)
    for claim, owner in store.claims_beside(spec.name, sorted(mine)).items():
        domain = claim.partition("/")[0]
        record = store.app(owner)
        for release in current(record, store) if record else ():
            theirs = _certificates(release.spec).get(domain)
            if theirs is None or theirs == mine[domain]:
                continue
            if not (theirs and mine[domain] and record and record.stopped):
                raise _clash(domain, spec.name, owner, mine[domain], theirs)


def _certificates(spec: App) -> dict[str, str]:
    """Every domain served over TLS: the certificate that the app brings, or empty."""
    found: dict[str, str] = {}
    for route in spec.routes:
        brought = _brought(route)
        for domain in (route.domain, *route.redirect_from) if route.encrypted else ():
            before = found.get(domain, "")
            if before and brought and before != brought:
                raise InvalidFile(
                    f"{spec.name} brings two certificates for {domain}",
                    code="certificate",
                    hint="give its routes the same `tls: {cert, key}`",
                )
            # One on one path holds for the whole domain.
            found[domain] = before or brought
    return found


def _brought(route: Route) -> str:
    """The certificate and its chain, however its lines end."""
    return "\n".join(route.certificate.chain.split()) if route.certificate else ""


def _clash(domain: str, app: str, owner: str, mine: str, theirs: str) -> Refused:
    if not theirs:
        text = f"has a certificate that cove obtained for the app {owner}; one of {app}'s own"
        hint = f"leave `tls` out for {domain}, or choose another domain"
    elif not mine:
        text = f"has a certificate that the app {owner} brings; one that cove obtains for {app}"
        hint = f"bring the same with `tls: {{cert, key}}` for {domain}, or choose another domain"
    else:
        text = f"has a certificate that the app {owner} brings; another one of {app}'s own"
        hint = f"bring the same; to give both a new one: cove stop {owner}, then deploy both"
    return Refused(f"{domain} {text} would take its place", code="route-taken", hint=hint)
