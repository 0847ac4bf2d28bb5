"""An app's part of the proxy's configuration, and what the proxy's API must then show.

Every value that reaches a rule has matched a strict pattern; files are Go templates to Traefik,
so a brace that slipped through would break every app.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cove.errors import InvalidFile
from cove.model import names
from cove.model.access import ServerAccessLog
from cove.model.app import Route, is_local_domain
from cove.model.release import Release
from cove.ports import ProxyRoutes

CERTS_DIR = "/etc/cove/certs"  # inside the proxy's container
TRANSPORT = "cove"  # the servers transport the base configuration defines
# Tried: 30 attempts from 200 ms held every request over a stop-first gap of up to 6 s. The
# interval grows to at most twice the first, so an attempt waits 300 ms on average.
_HOLD_INTERVAL = 0.2
_HOLD_AVERAGE = 0.3
_HOLD_LEAST = 30
# Seconds between two attempts at most: twice the first, and Traefik adds up to half by chance.
HOLD_LONGEST_PAUSE = 3 * _HOLD_INTERVAL
_BEHIND = 100_000  # no rule is as long
_HTTP, _HTTPS = 80, 443  # the ports a URL need not name


class ProxySettings(Struct, frozen=True, kw_only=True):
    """What the routes need to know of the proxy."""

    https_port: int = 443
    http_port: int = 80
    # Whether authorities ask over TLS. Traefik lets an HTTPS router that names a host take every
    # handshake for it, those of authorities too; one whose rule is a pattern leaves them to
    # `challenges_document`.
    alpn: bool = False
    access_log: ServerAccessLog = "errors"  # what it logs at all


def routes_to(release: Release, settings: ProxySettings) -> ProxyRoutes:
    """The routes of a release, leading to its replicas."""
    return _Builder(release, settings, {}, 0).build()


def routes_held(
    release: Release,
    hold: Mapping[str, str],
    seconds: float,
    settings: ProxySettings,
    candidate: Release | None = None,
) -> ProxyRoutes:
    """The same routes leading to addresses nobody answers at yet, tried for `seconds`.

    They wait at the ports of the candidate, which may differ: a request keeps the address and
    port it once waits at.
    """
    return _Builder(release, settings, hold, seconds, candidate).build()


class _Builder:
    """Collects routers, services and middlewares of one app under names no other app can have."""

    def __init__(
        self,
        release: Release,
        settings: ProxySettings,
        hold: Mapping[str, str],
        seconds: float,
        candidate: Release | None = None,
    ) -> None:
        self.release = release
        self.targets = {r.key: r for r in candidate.spec.routes} if candidate else {}
        self.settings = settings
        self.hold = hold
        self.seconds = seconds
        self.routers: dict[str, dict[str, Any]] = {}
        self.services: dict[str, tuple[str, ...]] = {}
        self.middlewares: dict[str, dict[str, Any]] = {}

    def build(self) -> ProxyRoutes:
        for index, route in enumerate(self.release.spec.routes):
            _check(route)
            self._route(index, route)
        http: dict[str, Any] = {"routers": self.routers, "services": self._service_documents()}
        if self.middlewares:
            http["middlewares"] = self.middlewares
        document: dict[str, Any] = {"http": http} if self.routers else {}
        return ProxyRoutes(
            document=document,
            routers={name: router["service"] for name, router in self.routers.items()},
            services=self.services,
        )

    def _route(self, index: int, route: Route) -> None:
        name = f"{self.release.app}_{index}"
        middlewares = []
        if self.hold:
            middlewares.append(self._middleware(f"{self.release.app}_hold", _retry(self.seconds)))
        if route.strip_path and route.path != "/":
            strip = {"stripPrefix": {"prefixes": [route.path.rstrip("/")]}}
            middlewares.append(self._middleware(f"{name}_strip", strip))
        service = self._service(index, route)
        self._router(name, route, route.domain, service, middlewares)
        if route.encrypted:
            self._to_https(f"{name}_http", route)
        for number, domain in enumerate(route.redirect_from):
            self._redirect(f"{name}_from{number}", domain, route)

    def _redirect(self, name: str, domain: str, route: Route) -> None:
        """The canonical host keeps the path and the query."""
        ports = self.settings
        scheme, port, usual = (
            ("https", ports.https_port, _HTTPS)
            if route.encrypted
            else ("http", ports.http_port, _HTTP)
        )
        suffix = f":{port}" if port != usual else ""
        # The domain matches a strict pattern; only its dots mean something to a regular expression.
        middleware = {
            "redirectRegex": {
                "regex": rf"^https?://{re.escape(domain)}(?::[0-9]+)?/(.*)",
                "replacement": f"{scheme}://{route.domain}{suffix}/${{1}}",
                "permanent": True,
            }
        }
        chain = [self._middleware(name, middleware)]
        whole = Route(domain=domain, service=route.service, tls=route.tls)
        self._router(f"{name}_http", replace(whole, tls="off"), domain, "noop@internal", chain)
        if route.encrypted:
            self._router(name, whole, domain, "noop@internal", chain)

    def _to_https(self, name: str, route: Route) -> None:
        port = self.settings.https_port
        redirect: dict[str, Any] = {"scheme": "https", "permanent": True}
        if port != _HTTPS:
            redirect["port"] = str(port)
        chain = [self._middleware(f"{self.release.app}_https", {"redirectScheme": redirect})]
        plain = replace(route, tls="off")
        self._router(name, plain, route.domain, "noop@internal", chain)

    def _router(
        self, name: str, route: Route, domain: str, service: str, middlewares: list[str]
    ) -> None:
        pattern = names.is_wildcard(domain) or (self.settings.alpn and is_public(route, domain))
        router: dict[str, Any] = {
            "rule": host_rule(domain, pattern=pattern) + _path(route),
            "service": service,
            "entryPoints": ["websecure" if route.encrypted else "web"],
        }
        if pattern:
            router["priority"] = priority_of(domain, route)
        if middlewares:
            router["middlewares"] = middlewares
        if self.release.spec.access_log == "off":
            router["observability"] = {"accessLogs": False}
        if route.encrypted:
            router["tls"] = {}
        self.routers[name] = router

    def _middleware(self, name: str, document: dict[str, Any]) -> str:
        self.middlewares[name] = document
        return name

    def _service(self, index: int, route: Route) -> str:
        """The proxy counts by service, so a route that is counted apart has one of its own."""
        target = self.targets.get(route.key, route)
        held = self.hold.get(target.service)
        release = self.release
        number = f"{release.number}-{index}" if release.spec.apart(route) else f"{release.number}"
        if held:
            name = f"{release.app}_hold{number}_{target.service}_{target.port}"
            self.services[name] = (f"http://{held}:{target.port}",)
        else:
            name = f"{release.app}_r{number}_{route.service}_{route.port}"
            self.services[name] = release.upstreams(route)
        return name

    def _service_documents(self) -> dict[str, Any]:
        return {
            name: {
                "loadBalancer": {
                    "servers": [{"url": url} for url in urls],
                    "serversTransport": TRANSPORT,
                }
            }
            for name, urls in self.services.items()
        }


def host_rule(domain: str, *, pattern: bool) -> str:
    """The domain matches a strict pattern; only its dots mean something to a regular expression."""
    if not pattern:
        return f"Host(`{domain}`)"
    if names.is_wildcard(domain):
        return f"HostRegexp(`^[a-z0-9_-]+{re.escape(domain.removeprefix('*'))}$`)"
    return f"HostRegexp(`^{re.escape(domain)}$`)"


def _path(route: Route) -> str:
    path = route.path.rstrip("/")
    # PathPrefix alone would let /api match /apis too.
    return f" && (Path(`{path}`) || PathPrefix(`{path}/`))" if path else ""


def priority_of(domain: str, route: Route) -> int:
    """What Traefik gives a rule by itself is its length, so a pattern would beat another's name.

    One name keeps what its plain rule has; a wildcard comes after every name there can be.
    """
    length = len(host_rule(domain, pattern=False) + _path(route))
    return length - _BEHIND if names.is_wildcard(domain) else length


def is_public(route: Route, domain: str) -> bool:
    """Whether a public authority certifies the name for this route."""
    return route.encrypted and route.tls == "auto" and not is_local_domain(domain)


def _retry(seconds: float) -> dict[str, Any]:
    attempts = max(_HOLD_LEAST, round(seconds / _HOLD_AVERAGE))
    return {"retry": {"attempts": attempts, "initialInterval": f"{_HOLD_INTERVAL * 1000:.0f}ms"}}


def _check(route: Route) -> None:
    """The last gate before a rule: whoever built the model, no value may leave its quotes."""
    for domain in (route.domain, *route.redirect_from):
        if not (names.matches(names.DOMAIN, domain) or names.matches(names.WILDCARD, domain)):
            raise InvalidFile(f"{domain!r} is not a domain")
    if not names.matches(names.PATH, route.path):
        raise InvalidFile(f"{route.path!r} is not a path")
