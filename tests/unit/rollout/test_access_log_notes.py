"""An app that wants more requests logged than this server's proxy logs: told, never caused."""

from __future__ import annotations

import asyncio

import pytest

from cove.model.access import ServerAccessLog
from cove.model.requests import DeployRequest
from cove.render.traefik import ProxySettings

from support.site import Site
from support.virtual_time import run


def wanting(choice: str) -> DeployRequest:
    """A deploy of an app with a choice."""
    return DeployRequest(
        text=f"name: shop\nimage: acme/shop:1\nport: 80\ndomain: shop.test\naccess_log: {choice}\n",
        origin="desk:/shop.yml",
    )


def notes(here: Site, choice: str, server: ServerAccessLog) -> list[str]:
    """What a plan says beside its steps."""
    here.rollouts.proxy = ProxySettings(access_log=server)
    return list(asyncio.run(here.rollouts.plan(wanting(choice))).notes)


def test_a_plan_tells_what_is_logged_instead(here: Site) -> None:
    """And what the server's owner can do: a deploy must not replace everybody's proxy."""
    (found,) = notes(here, "full", "errors")
    assert found == (
        "access_log: full is more than this server's proxy logs, so it is errors; "
        "its owner allows it: cove up --access-log apps"
    )
    (found,) = notes(here, "errors", "off")
    assert "so it is off" in found
    assert found.endswith("cove up --access-log errors")


@pytest.mark.parametrize(
    ("choice", "server"), [("full", "apps"), ("errors", "full"), ("off", "errors"), ("off", "off")]
)
def test_what_is_granted_is_no_news(here: Site, choice: str, server: ServerAccessLog) -> None:
    """The app gets what it wants."""
    assert notes(here, choice, server) == []


def test_a_rollout_tells_it_too(here: Site) -> None:
    """Who deploys without looking at the plan is told as well."""

    async def both() -> list[str]:
        rollout = await here.finished(here.rollouts.deploy(wanting("full")))
        plan = next(event for event in here.events(rollout) if event.kind == "plan")
        return list(plan.data["notes"])

    assert any("access_log: full" in note for note in run(both()))
