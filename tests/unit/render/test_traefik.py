from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cove.errors import InvalidFile
from cove.model import names
from cove.model.app import COUNTED_APART, App, Route
from cove.ports import ProxyRoutes
from cove.render.traefik import HOLD_LONGEST_PAUSE, ProxySettings, routes_held, routes_to

from support.releases import app, release, route, web

USUAL = ProxySettings()
HIGH = ProxySettings(https_port=8443, http_port=8080)
HOLD = {"web": "10.201.0.9"}


def rendered(*routes: Route, settings: ProxySettings = USUAL) -> dict[str, Any]:
    """The HTTP part of an app with these routes."""
    http: dict[str, Any] = routes_to(release(spec=app(routes=routes)), settings).document["http"]
    return http


def rules(http: dict[str, Any]) -> dict[str, str]:
    """Each router's rule."""
    return {name: router["rule"] for name, router in http["routers"].items()}


def to_one_port(count: int) -> App:
    """An app with so many routes to its only service."""
    return app(routes=tuple(route(domain=f"d{n}.test") for n in range(count)))


def test_each_route_has_a_service_of_its_own():
    """By which the proxy counts; they lead to the same place, also while requests wait."""
    spec = to_one_port(2)
    found = routes_to(release(spec=spec), USUAL)
    places = ("http://10.201.1.2:8000",)
    assert found.services == {"shop_r1-0_web_8000": places, "shop_r1-1_web_8000": places}
    assert found.routers["shop_1"] == "shop_r1-1_web_8000"
    waiting = routes_held(release(spec=spec), HOLD, 60, USUAL).services
    assert set(waiting) == {"shop_hold1-0_web_8000", "shop_hold1-1_web_8000"}
    assert set(waiting.values()) == {("http://10.201.0.9:8000",)}


def test_many_routes_to_one_place_share_a_service():
    """What is counted must be read every ten seconds."""
    assert len(routes_to(release(spec=to_one_port(COUNTED_APART)), USUAL).services) == COUNTED_APART
    spec = to_one_port(COUNTED_APART + 1)
    assert set(routes_to(release(spec=spec), USUAL).services) == {"shop_r1_web_8000"}
    assert set(routes_held(release(spec=spec), HOLD, 60, USUAL).services) == {"shop_hold1_web_8000"}


def test_what_shall_not_be_logged_is_not_even_counted_for_it():
    """None of the app's routers, its redirects among them; of other apps nothing is said."""
    spec = app(routes=(route(redirect_from=("www.shop.test",)),))
    quiet = routes_to(release(spec=replace(spec, access_log="off")), USUAL).document["http"]
    assert len(quiet["routers"]) == 4
    for router in quiet["routers"].values():
        assert router["observability"] == {"accessLogs": False}
    for choice in (None, "errors", "full"):
        loud = routes_to(release(spec=replace(spec, access_log=choice)), USUAL)
        assert "observability" not in str(loud.document)


def test_an_encrypted_route():
    """HTTPS leads to the replicas, HTTP to HTTPS."""
    found = routes_to(release(spec=app(web(replicas=2))), USUAL)
    assert found.document == {
        "http": {
            "routers": {
                "shop_0": {
                    "rule": "Host(`shop.test`)",
                    "service": "shop_r1-0_web_8000",
                    "entryPoints": ["websecure"],
                    "tls": {},
                },
                "shop_0_http": {
                    "rule": "Host(`shop.test`)",
                    "service": "noop@internal",
                    "entryPoints": ["web"],
                    "middlewares": ["shop_https"],
                },
            },
            "services": {
                "shop_r1-0_web_8000": {
                    "loadBalancer": {
                        "servers": [
                            {"url": "http://10.201.1.2:8000"},
                            {"url": "http://10.201.1.3:8000"},
                        ],
                        "serversTransport": "cove",
                    }
                }
            },
            "middlewares": {
                "shop_https": {"redirectScheme": {"scheme": "https", "permanent": True}}
            },
        },
    }
    assert found.routers == {"shop_0": "shop_r1-0_web_8000", "shop_0_http": "noop@internal"}
    assert found.services == {
        "shop_r1-0_web_8000": ("http://10.201.1.2:8000", "http://10.201.1.3:8000")
    }


def test_a_plain_route():
    """Without TLS there is one router, on the plain port."""
    http = rendered(route(tls="off"))
    assert list(http["routers"]) == ["shop_0"]
    assert http["routers"]["shop_0"]["entryPoints"] == ["web"]
    assert "tls" not in http["routers"]["shop_0"]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/", "Host(`shop.test`)"),
        ("/api", "Host(`shop.test`) && (Path(`/api`) || PathPrefix(`/api/`))"),
        ("/api/", "Host(`shop.test`) && (Path(`/api`) || PathPrefix(`/api/`))"),
    ],
)
def test_a_path_ends_at_a_slash(path, rule):
    """/api does not take /apis."""
    assert rules(rendered(route(path=path)))["shop_0"] == rule


def test_a_stripped_path():
    """The app sees the rest of the path."""
    http = rendered(route(path="/api", strip_path=True))
    assert http["routers"]["shop_0"]["middlewares"] == ["shop_0_strip"]
    assert http["middlewares"]["shop_0_strip"] == {"stripPrefix": {"prefixes": ["/api"]}}
    assert "middlewares" not in rendered(route(strip_path=True))["routers"]["shop_0"]


def redirect(http: dict[str, Any], url: str) -> str:
    """Where the first redirect leads from a URL."""
    middleware = http["middlewares"]["shop_0_from0"]["redirectRegex"]
    target = re.sub(r"\$\{(\d)\}", r"\\\1", middleware["replacement"])
    return re.sub(middleware["regex"], target, url)


@pytest.mark.parametrize(
    ("settings", "tls", "target"),
    [
        (USUAL, "auto", "https://shop.test/a?b=c"),
        (HIGH, "auto", "https://shop.test:8443/a?b=c"),
        (USUAL, "off", "http://shop.test/a?b=c"),
        (HIGH, "off", "http://shop.test:8080/a?b=c"),
    ],
)
def test_redirects_keep_the_path(settings, tls, target):
    """The canonical host gets the whole rest, at the port the proxy has."""
    http = rendered(route(redirect_from=("www.shop.test",), tls=tls), settings=settings)
    assert redirect(http, "http://www.shop.test:81/a?b=c") == target
    assert redirect(http, "http://wwwxshop.test/a") == "http://wwwxshop.test/a"


def test_a_redirect_is_served_over_both():
    """The browser may speak TLS before it is told where to go."""
    found = routes_to(release(spec=app(routes=(route(redirect_from=("www.shop.test",)),))), USUAL)
    assert found.routers["shop_0_from0"] == found.routers["shop_0_from0_http"] == "noop@internal"


def test_a_wildcard_is_a_pattern_of_one_label_behind_every_name():
    """However long its path, another app's exact name wins; of two wildcards the longer path."""
    http = rendered(route(domain="*.shop.test"), route(domain="*.shop.test", path="/api"))
    whole, part = http["routers"]["shop_0"], http["routers"]["shop_1"]
    pattern = re.fullmatch(r"HostRegexp\(`(.*)`\)", whole["rule"])
    assert pattern
    assert re.match(pattern[1], "any.shop.test")
    for other in ("shop.test", "a.b.shop.test", "anyxshop.test", "any.shop.test.evil.example"):
        assert not re.match(pattern[1], other)
    assert whole["priority"] < part["priority"] < 0
    assert "priority" not in rendered(route())["routers"]["shop_0"]


def test_names_of_public_authorities_are_patterns_where_these_ask_over_tls():
    """Traefik would otherwise take an authority's handshake; the order of rules stays as it was."""
    alpn = ProxySettings(alpn=True)
    public = route(domain="shop.example.com", path="/api", redirect_from=("www.example.com",))
    routers = rendered(public, route(domain="a.test"), settings=alpn)["routers"]
    assert routers["shop_0"]["rule"].startswith(r"HostRegexp(`^shop\.example\.com$`) && ")
    assert routers["shop_0"]["priority"] == len(rules(rendered(public))["shop_0"])
    assert routers["shop_0_from0"]["rule"] == r"HostRegexp(`^www\.example\.com$`)"
    assert routers["shop_0_http"]["rule"].startswith("Host(`shop.example.com`)")
    assert routers["shop_1"]["rule"] == "Host(`a.test`)"


def test_https_at_another_port():
    """The redirect to HTTPS names a port that is not the usual one, as text."""
    http = rendered(route(), settings=HIGH)
    assert http["middlewares"]["shop_https"]["redirectScheme"]["port"] == "8443"


def test_no_routes_is_an_empty_file():
    """An app nobody reaches has no router; Traefik takes an empty document."""
    assert routes_to(release(spec=app(routes=())), USUAL) == ProxyRoutes({}, {}, {})


def held(seconds: float = 40, candidate: App | None = None, *routes: Route) -> ProxyRoutes:
    """An app whose requests wait."""
    new = release(2, candidate) if candidate else None
    old = release(spec=app(routes=routes or (route(),)))
    return routes_held(old, HOLD, seconds, USUAL, new)


def test_held_requests_are_tried_again_and_again():
    """Each request is tried at the hold address for as long as the rollout may take."""
    found = held(90)
    assert found.services == {"shop_hold1-0_web_8000": ("http://10.201.0.9:8000",)}
    router = found.document["http"]["routers"]["shop_0"]
    assert router["middlewares"] == ["shop_hold"]
    retry = found.document["http"]["middlewares"]["shop_hold"]["retry"]
    assert retry == {"attempts": 300, "initialInterval": "200ms"}
    assert held(1).document["http"]["middlewares"]["shop_hold"]["retry"]["attempts"] == 30


def test_the_longest_pause_between_two_tries():
    """Twice the first interval, and half as much by chance: what ends a hold waits for it."""
    assert pytest.approx(0.6) == HOLD_LONGEST_PAUSE


def test_requests_wait_at_the_ports_of_the_candidate():
    """A request keeps the place it waits at: the new release must answer there."""
    assert held(40, app(routes=(route(port=9000),))).services == {
        "shop_hold1-0_web_9000": ("http://10.201.0.9:9000",)
    }
    other = app(web(name="other"), routes=(route(service="other", path="/x"),))
    assert held(40, other).services == {"shop_hold1-0_web_8000": ("http://10.201.0.9:8000",)}


def test_two_routes_to_one_port_may_part():
    """Each route waits where the candidate has it."""
    routes = (route(), route(path="/api"))
    candidate = app(routes=(route(port=9000), route(path="/api", port=9001)))
    found = held(40, candidate, *routes)
    assert found.routers["shop_0"] == "shop_hold1-0_web_9000"
    assert found.routers["shop_1"] == "shop_hold1-1_web_9001"


@pytest.mark.parametrize("domain", ["a`b.test", "a b.test", "{{x}}.test", "a.test\n", "", "A.test"])
def test_nothing_leaves_its_quotes(domain):
    """The last gate: whoever built the model, a rule holds only names."""
    with pytest.raises(InvalidFile):
        rendered(route(domain=domain))
    with pytest.raises(InvalidFile):
        rendered(route(redirect_from=(domain,)))


@pytest.mark.parametrize("path", ["x", "/a`b", "/a b", "/{{.}}", "/a\n", "/a\\b", '/a"'])
def test_no_path_leaves_its_quotes(path):
    """As for domains."""
    with pytest.raises(InvalidFile):
        rendered(route(path=path))


app_names = st.from_regex(names.APP, fullmatch=True)
domains = st.from_regex(r"[a-z0-9]{1,5}(\.[a-z0-9]{1,5}){0,2}", fullmatch=True)
paths = st.sampled_from(["/", "/a", "/a/b", "/a-b_c~%20"])
some_routes = st.lists(
    st.builds(
        Route,
        domain=domains,
        service=st.just("web"),
        path=paths,
        port=st.integers(1, 65535),
        strip_path=st.booleans(),
        redirect_from=st.lists(domains, max_size=2).map(tuple),
        tls=st.sampled_from(["auto", "local", "off"]),
    ),
    min_size=1,
    max_size=4,
)


def everything(name: str, routes: list[Route]) -> list[ProxyRoutes]:
    """An app's documents in each of its forms."""
    spec = app(name=name, routes=routes)
    return [routes_to(release(1, spec), HIGH), routes_held(release(2, spec), HOLD, 60, HIGH)]


@given(app_names, app_names, some_routes)
def test_no_two_apps_share_a_name(first, second, routes):
    """One app's file can never replace a router, service or middleware of another's."""
    if first == second:
        return

    def taken(name: str) -> set[str]:
        documents = [found.document["http"] for found in everything(name, routes)]
        return {key for http in documents for part in http.values() for key in part}

    assert not taken(first) & taken(second)


@given(app_names, some_routes)
def test_no_template_mark(name, routes):
    """Files are Go templates to Traefik: a mark would break every app."""
    for found in everything(name, routes):
        assert "{{" not in json.dumps(found.document, indent=1)


@given(app_names, some_routes)
def test_what_is_expected_is_what_is_written(name, routes):
    """The proxy is asked for exactly the routers and servers of the file; none is lost."""
    for found in everything(name, routes):
        http = found.document["http"]
        assert {n: r["service"] for n, r in http["routers"].items()} == found.routers
        servers = {
            n: tuple(s["url"] for s in one["loadBalancer"]["servers"])
            for n, one in http["services"].items()
        }
        assert servers == found.services
        leads = {r["service"] for r in http["routers"].values()} - {"noop@internal"}
        assert leads == set(found.services)
        used = {m for r in http["routers"].values() for m in r.get("middlewares", ())}
        assert used == set(http.get("middlewares", {}))
