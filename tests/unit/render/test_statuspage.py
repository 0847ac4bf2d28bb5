"""The proxy's routes to status pages."""

from __future__ import annotations

import json

import pytest

from cove.errors import InvalidFile
from cove.render.statuspage import page_routes, page_url
from cove.render.traefik import ProxySettings

STATUS = "status.example.com"


def test_a_page_is_led_to_the_public_side_over_tls():
    """Plain HTTP is redirected, and every request passes the bounds."""
    routes = page_routes([STATUS], 300, ProxySettings())
    http = routes.document["http"]
    router = http["routers"]["_page_status_example_com"]
    assert router["rule"] == f"Host(`{STATUS}`)"
    assert (router["entryPoints"], router["tls"]) == (["websecure"], {})
    bounds = {next(iter(http["middlewares"][name])) for name in router["middlewares"]}
    assert bounds == {"headers", "rateLimit", "inFlightReq", "retry"}
    first = http["middlewares"][router["middlewares"][0]]
    assert first == {"headers": {"customRequestHeaders": {"X-Cove-Page": STATUS}}}
    plain = http["routers"]["_page_status_example_com_http"]
    assert plain["entryPoints"] == ["web"]
    redirect = http["middlewares"][plain["middlewares"][0]]
    assert redirect == {"redirectScheme": {"scheme": "https", "permanent": True}}
    unseen = {"accessLogs": False, "metrics": False}
    assert router["observability"] == plain["observability"] == unseen
    assert routes.services == {"_page": ("http://127.0.0.1:300",)}
    assert set(routes.routers) == set(http["routers"])


def test_names_that_differ_are_routers_that_differ():
    """So that a router which is there leads where its name says."""
    routes = page_routes(["a.b-c.test", "a-b.c.test", "a.b.c.test"], 300, ProxySettings())
    assert len(routes.routers) == 6


def test_other_ports_are_named():
    """In the redirect and in the page's own address."""
    settings = ProxySettings(https_port=8443)
    http = page_routes([STATUS], 300, settings).document["http"]
    assert http["middlewares"]["_page_https"]["redirectScheme"]["port"] == "8443"
    assert page_url(STATUS, settings) == f"https://{STATUS}:8443/"
    assert page_url(STATUS, ProxySettings()) == f"https://{STATUS}/"


def test_authorities_that_ask_over_tls_find_their_way():
    """A public name is a pattern then, with the priority it had; a local one needs no authority."""
    settings = ProxySettings(alpn=True)
    http = page_routes([STATUS, "status.localhost"], 300, settings).document["http"]
    public = http["routers"]["_page_status_example_com"]
    assert public["rule"] == r"HostRegexp(`^status\.example\.com$`)"
    assert public["priority"] == len(f"Host(`{STATUS}`)")
    assert http["routers"]["_page_status_localhost"]["rule"] == "Host(`status.localhost`)"


def test_without_a_page_there_is_nothing():
    """No router, no service, no file."""
    assert page_routes([], 300, ProxySettings()).document == {}


@pytest.mark.parametrize("domain", ["*.example.com", "a`) || Host(`b", "{{x}}", "A.test", ""])
def test_only_a_domain_reaches_a_rule(domain):
    """Whoever built the page."""
    with pytest.raises(InvalidFile):
        page_routes([domain], 300, ProxySettings())


def test_no_template_mark_is_written():
    """Files are templates to the proxy."""
    assert "{{" not in json.dumps(page_routes([STATUS], 300, ProxySettings()).document)
