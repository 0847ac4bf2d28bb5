"""`before` commands and siblings' names in a world in memory."""

from __future__ import annotations

from typing import Any

import pytest

from support.scenarios import BEFORE, street
from support.site import APP, Site
from support.virtual_time import run
from support.world import Behaviour

REPLICATED = BEFORE + "replicas: 2\n"


def command(here: Site, **given: Any) -> None:
    """What the command does from now on."""
    settings = {"exits_after": 0.3, "exit_code": 0, "listens_on": -1, "once": True, **given}
    here.world.commands[("migrate",)] = Behaviour(**settings)


def services(here: Site) -> list[str]:
    """The Compose services that have a container."""
    return sorted(box.service for box in here.world.of(APP))


def test_once_a_deploy(here):
    """Whatever the replicas; its container is gone afterwards, and the file forgets it."""
    assert run(here.deploy(REPLICATED)).outcome == "live"
    assert here.world.ran == ["shop-r1-before"]
    assert services(here) == ["shop-r1-1", "shop-r1-2"]
    assert set(here.world.files[APP]["services"]) == {"shop-r1-1", "shop-r1-2"}


def test_never_again(here):
    """Neither a rollback nor a restart nor a start runs it."""

    async def whole() -> None:
        await here.deploy(BEFORE)
        await here.deploy(BEFORE, image="acme/shop:2")
        for verb in ("rollback", "restart", "stop", "start"):
            more = {"number": None} if verb == "rollback" else {}
            rollout = getattr(here.rollouts, verb)(APP, by="ann", **more)
            assert (await here.finished(rollout)).outcome in ("live", "done")

    run(whole())
    assert here.world.ran == ["shop-r1-before", "shop-r2-before"]


def test_its_failure_refuses_the_release(here):
    """Nothing of the release was started, and its last lines are the error."""
    run(here.deploy())
    command(here, exit_code=3, log=("one", "two"))
    ended = run(here.deploy(BEFORE, image="acme/shop:2"))
    assert ended.outcome == "kept"
    error = here.error(ended)
    assert (error["code"], error["log"]) == ("before-failed", ["one", "two"])
    assert error["message"] == "the before command of shop ended with code 3"
    assert services(here) == ["shop-r1"]
    assert "up shop-r2 (before)" not in here.world.moments
    assert here.world.incidents == []


def test_its_time_is_limited(here):
    """One that does not end is ended."""
    command(here, exits_after=-1)
    ended = run(here.deploy(BEFORE.replace("before:", "before_timeout: 3s, before:")))
    assert ended.outcome == "failed"
    assert here.error(ended)["message"] == ("the before command of shop has not ended within 3 s")
    assert services(here) == []


def test_out_of_memory(here):
    """A command that was killed for memory is told as such."""
    command(here, exit_code=137, oom=True)
    assert here.error(run(here.deploy(BEFORE)))["code"] == "oom"


def test_somebody_removes_it(here):
    """A container that is gone has not ended well."""

    def on_moment(index: int, name: str, act: str) -> None:
        if name == "up shop-r1-before" and act == "after":
            here.world.boxes.clear()

    here.world.on_moment = on_moment
    assert here.error(run(here.deploy(BEFORE)))["code"] == "before-failed"


@pytest.mark.parametrize("texts", [(street(1),), (street(1), street(2, api=True)), ("", street(1))])
def test_siblings_find_each_other_as_they_start(here, texts):
    """At a first deploy, and where an upgrade adds the one that is called."""
    for number, text in enumerate(texts, start=1):
        ended = run(here.deploy(text, image=f"acme/shop:{number}"))
        assert ended.outcome == "live", here.error(ended)
    assert here.world.incidents == []


def test_what_starts_beside_another_has_no_name(here):
    """Until it has the requests, its name leads to the release that serves."""
    run(here.deploy(street(1)))
    seen: list[set[int]] = []

    def on_moment(index: int, name: str, act: str) -> None:
        if name.startswith("publish") and act == "before":
            return
        routed = here.world.answers(APP) == {"r1"}
        if routed and name != "connect" and "publish (before)" not in here.world.moments:
            named = [b for b in here.world.of(APP) if any(b.networks.values())]
            introduced = "disconnect (before)" in here.world.moments
            if not introduced:
                seen.append({b.release for b in named})

    here.world.moments.clear()
    here.world.on_moment = on_moment
    assert run(here.deploy(street(1), image="acme/shop:2")).outcome == "live"
    assert seen
    assert all(releases == {1} for releases in seen)
