"""Apps that share a domain: allowed, and said before it happens."""

from __future__ import annotations

import asyncio

import pytest

from cove.errors import Refused
from cove.model.requests import DeployRequest

from support.site import Site, request

SHARED = "shop.test/ belongs to the app shop"


def other(path: str, domain: str = "shop.test") -> DeployRequest:
    """A deploy of another app on a path."""
    return DeployRequest(
        text=f"name: blog\nimage: acme/shop:2\nport: 80\n"
        f"routes: [{{domain: {domain}, path: {path}}}]\nrollout: {{settle: 0s, drain: 5s}}\n",
        origin="desk:/blog.yml",
    )


def test_a_plan_tells_of_a_shared_domain(here: Site) -> None:
    """Requests to the longer path would no longer reach the app that has the shorter one."""
    asyncio.run(here.deploy())
    assert SHARED in asyncio.run(here.rollouts.plan(other("/login"))).notes


def test_domains_of_ones_own_are_no_news(here: Site) -> None:
    """Neither the app's own claims nor a domain that only ends or begins alike."""
    asyncio.run(here.deploy())
    assert not asyncio.run(here.rollouts.plan(request(image="acme/shop:2"))).notes
    for domain in ("p.test", "www.shop.test", "shop.test.test"):
        assert not asyncio.run(here.rollouts.plan(other("/login", domain))).notes


def test_a_rollout_tells_of_a_shared_domain(here: Site) -> None:
    """Who deploys without looking at the plan is told as well."""

    async def both() -> list[str]:
        await here.deploy()
        rollout = await here.finished(here.rollouts.deploy(other("/login")))
        plan = next(event for event in here.events(rollout) if event.kind == "plan")
        return list(plan.data["notes"])

    assert SHARED in asyncio.run(both())


def test_a_certificate_of_ones_own_is_not_for_a_domain_of_others(here: Site) -> None:
    """It would be shown to those who ask for the other app, whose own would not be renewed."""
    asyncio.run(here.deploy())
    text = (
        "name: blog\nimage: acme/shop:2\nport: 80\nroutes: [{domain: shop.test, path: /login, "
        "tls: {cert: c.pem, key: k.pem}}]\n"
    )
    pem = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"
    files = {"c.pem": pem.format("CERTIFICATE"), "k.pem": pem.format("PRIVATE KEY")}
    brought = DeployRequest(text=text, origin="desk:/blog.yml", files=files)
    with pytest.raises(Refused, match="for the app shop") as caught:
        here.rollouts.deploy(brought)
    assert caught.value.specific_code == "route-taken"
    alone = DeployRequest(
        text=text.replace("shop.test", "blog.test"), origin="desk:/blog.yml", files=files
    )
    assert asyncio.run(here.rollouts.plan(alone)).urls
