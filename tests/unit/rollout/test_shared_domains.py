"""Apps that share a domain: allowed, and said before it happens."""

from __future__ import annotations

import asyncio

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
