"""Real certificates for public names, from a real authority, through a real proxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.agent import Agent
from support.appfiles import app_file
from support.images import Images
from support.pebble import Pebble, use
from support.polling import until
from support.web import Web

LONG = 90.0  # seconds; generous, for a busy machine


@pytest.fixture(scope="module")
def pebble(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An authority that validates at the agent's ports."""
    pebble = Pebble(
        tmp_path_factory.mktemp("pebble"),
        agent.http_port,
        agent.https_port,
        blocked=("blocked.example.com",),
    )
    try:
        yield pebble.start()
    finally:
        pebble.stop()


def certs(agent: Agent) -> dict[str, dict[str, Any]]:
    """Every certificate by domain."""
    return {one["domain"]: one for one in agent.api("GET", "/v1/certs")["certs"]}


def trusting(agent: Agent, pebble: Pebble) -> Web:
    """The agent's proxy, believed with the authority's root alone."""
    return replace(agent.web, root=pebble.issuing_root)


def await_state(agent: Agent, domain: str, state: str) -> dict[str, Any]:
    """A domain's line of `cove certs` once it is in a state."""

    def there() -> dict[str, Any] | None:
        found = certs(agent).get(domain, {})
        return found if found.get("state") == state else None

    found = until(there, f"{domain} is {state}", LONG)
    assert found
    return found


def test_a_public_domain_is_certified_by_the_deploy(agent, images: Images, pebble):
    """After the deploy the proxy serves a certificate of the authority for exactly this name."""
    use(agent, pebble)
    ended = agent.deploy(app_file("shop", images.hello, domain="shop.example.com")).expect("live")
    notices = [event["text"] for event in ended.events if event["kind"] == "notice"]
    assert notices == []
    web = trusting(agent, pebble)
    assert web.get("shop.example.com").status == 200
    assert ("DNS", "shop.example.com") in web.certificate("shop.example.com")["subjectAltName"]
    found = certs(agent)["shop.example.com"]
    assert (found["state"], found["source"], found["app"]) == ("valid", "acme", "shop")
    assert "Pebble" in found["issuer"]


