"""The proxy's routes to status pages. Pure.

They lead to the agent's public side, which is one process with other work: what may reach it is
bounded here, at the proxy, for each client, for each page and at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cove.errors import InvalidFile
from cove.model import names
from cove.model.app import Route
from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings, host_rule, is_public, priority_of

PAGES: Final = "_pages"  # the file's name; no app's begins so
_SERVICE: Final = "_page"
_HTTPS: Final = 443
# Requests a second, and how many may come at once beyond that. A visit takes one, a reader of
# feeds one in minutes; an IPv6 client is a /64.
_EACH: Final = {
    "average": 5,
    "burst": 30,
    "sourceCriterion": {"ipStrategy": {"ipv6Subnet": 64}},
}
# An answer takes the agent a fifth of a millisecond, on a busy machine half of one: this is 2 to
# 6 % of a core.
# The page is counted by a header of cove's own: Traefik's `requestHost` takes a port for another.
_PAGE: Final = "X-Cove-Page"
_ALL: Final = {"average": 100, "burst": 200, "sourceCriterion": {"requestHeaderName": _PAGE}}
# By client: who opens many requests and reads no answer takes the page from nobody else.
_AT_ONCE: Final = {"amount": 8, "sourceCriterion": {"ipStrategy": {"ipv6Subnet": 64}}}
# About nine seconds: an agent that is restarted listens again after one or two.
_RETRY: Final = {"attempts": 30, "initialInterval": "200ms"}
# Visitors are nobody's business, and a line for each request that is turned away would cost more
# than the answers do.
_UNSEEN: Final = {"accessLogs": False, "metrics": False}
_CHAIN: Final[dict[str, dict[str, Any]]] = {
    "_page_each": {"rateLimit": _EACH},
    "_page_all": {"rateLimit": _ALL},
    "_page_at_once": {"inFlightReq": _AT_ONCE},
    "_page_wait": {"retry": _RETRY},
}


def page_routes(domains: Iterable[str], port: int, settings: ProxySettings) -> ProxyRoutes:
    """The routes of every page; without one, nothing. Raises InvalidFile for what is no domain."""
    routers: dict[str, dict[str, Any]] = {}
    marks: dict[str, dict[str, Any]] = {}
    for domain in sorted(set(domains)):
        if not names.matches(names.DOMAIN, domain):
            raise InvalidFile(f"{domain!r} is not a domain")
        # Named after the domain, so that a router that is there leads where its name says.
        name = f"{_SERVICE}_{domain.replace('.', '_')}"
        routers |= _routers(name, domain, settings)
        marks[_mark(name)] = {"headers": {"customRequestHeaders": {_PAGE: domain}}}
    if not routers:
        return ProxyRoutes({}, {}, {})
    url = f"http://127.0.0.1:{port}"
    service = {"loadBalancer": {"servers": [{"url": url}]}}
    http = {
        "routers": routers,
        "services": {_SERVICE: service},
        "middlewares": {**_CHAIN, **marks, **_to_https(settings)},
    }
    return ProxyRoutes(
        document={"http": http},
        routers={name: router["service"] for name, router in routers.items()},
        services={_SERVICE: (url,)},
    )


def _routers(name: str, domain: str, settings: ProxySettings) -> dict[str, dict[str, Any]]:
    route = Route(domain=domain, service=_SERVICE)
    pattern = settings.alpn and is_public(route, domain)
    encrypted: dict[str, Any] = {
        "rule": host_rule(domain, pattern=pattern),
        "service": _SERVICE,
        "entryPoints": ["websecure"],
        "middlewares": [_mark(name), *_CHAIN],
        "observability": _UNSEEN,
        "tls": {},
    }
    if pattern:
        encrypted["priority"] = priority_of(domain, route)
    plain = {
        "rule": host_rule(domain, pattern=False),
        "service": "noop@internal",
        "entryPoints": ["web"],
        "middlewares": ["_page_https"],
        "observability": _UNSEEN,
    }
    return {name: encrypted, f"{name}_http": plain}


def _mark(router: str) -> str:
    """The middleware that says whose page is asked for, whatever the visitor calls it."""
    return f"{router}_mark"


def _to_https(settings: ProxySettings) -> dict[str, Any]:
    redirect: dict[str, Any] = {"scheme": "https", "permanent": True}
    if settings.https_port != _HTTPS:
        redirect["port"] = str(settings.https_port)
    return {"_page_https": {"redirectScheme": redirect}}


def page_url(domain: str, settings: ProxySettings) -> str:
    """The URL of a page, with the port only where it is not the usual one."""
    port = settings.https_port
    return f"https://{domain}" + ("" if port == _HTTPS else f":{port}") + "/"
