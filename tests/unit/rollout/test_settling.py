"""What is done about requests that Docker still works on when something is taken back."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from cove.errors import PlatformError

from support.inflight import LINGER
from support.scenarios import crew, family, problems
from support.site import APP, Site, request, site
from support.virtual_time import InstantLoop, run
from support.world import Act, broken


@pytest.fixture
def here(tmp_path):
    """A machine with an agent."""
    with site(tmp_path) as made:
        yield made


def told(here: Site, number: int) -> list[str]:
    """The notices of a rollout."""
    return [e.text for e in here.store.events(number) if e.kind == "notice"]


def test_a_stop_that_nobody_waits_for_any_more_comes_to_its_end_first(here):
    """Compose died as the database stopped: it is started again, once it has stopped."""
    run(here.deploy(family()))
    (before,) = [b.id for b in here.world.of(APP) if b.service == "db"]
    begun: list[float] = []

    def on_moment(_: int, name: str, act: Act) -> None:
        if (name, act) == ("converge db, stop", "sent"):
            begun.append(InstantLoop.at)
            raise broken()

    here.world.on_moment = on_moment
    rollout = run(here.deploy(family(2), image="acme/shop:2"))
    assert rollout.outcome == "kept"
    assert (problems(here), here.rollouts.unsettled) == ([], set())
    (db,) = [b for b in here.world.of(APP) if b.service == "db"]
    assert db.id == before
    assert db.started_at >= here.world.now() - (InstantLoop.at - begun[0]) + LINGER


def test_who_cancels_during_a_stop_loses_nothing(here):
    """The connection on which the stop was asked for is closed, and the stop goes on."""
    run(here.deploy("volumes: [data:/data]\n"))

    async def main() -> None:
        rollout = here.rollouts.deploy(request("volumes: [data:/data]\n", "acme/shop:2"))

        def on_moment(_: int, name: str, act: Act) -> None:
            if (name, act) == ("stop", "sent"):
                asyncio.get_running_loop().call_soon(here.rollouts.cancel, rollout.id)

        here.world.on_moment = on_moment
        await here.finished(rollout)

    run(main())
    assert (problems(here), here.rollouts.unsettled) == ([], set())
    assert "stop (sent)" in here.world.moments


def test_patience_with_docker_ends(here, monkeypatch):
    """What can be taken back is taken back, and what was not waited for is told."""
    run(here.deploy())
    limits = []

    async def never(limit: float) -> bool:
        limits.append(limit)
        return False

    monkeypatch.setattr(here.rollouts.platform.engine, "settle", never)
    here.world.image("acme/shop:2", 2, listens_on=-1)
    rollout = run(here.deploy("stop_grace_period: 100s\n", image="acme/shop:2"))
    assert rollout.outcome == "kept"
    assert limits
    assert min(limits) > 100
    assert any("Docker still works" in text for text in told(here, rollout.id))
    assert problems(here) == []


def test_a_docker_that_cannot_be_asked_keeps_nothing_from_being_undone(here, monkeypatch):
    """The app is looked after once more, later."""
    run(here.deploy())

    async def fails(limit: float) -> bool:
        raise PlatformError("Docker does not answer", code="docker-down")

    here.world.image("acme/shop:2", 2, listens_on=-1)
    with monkeypatch.context() as patch:
        patch.setattr(here.rollouts.platform.engine, "settle", fails)
        rollout = run(here.deploy(image="acme/shop:2"))
        assert rollout.outcome == "kept"
        assert APP in here.rollouts.unsettled
        here.restart()
        patch.setattr(here.rollouts.platform.engine, "settle", fails)
        run(here.recover())
    assert problems(here) == []


def test_a_new_agent_waits_for_what_no_journal_tells_of(here):
    """Its predecessor died as it put an app right, outside of any rollout."""
    run(here.deploy(crew()))
    (worker,) = [b for b in here.world.of(APP) if b.service == "worker"]
    stops = here.world.in_flight.asked(partial(here.world.stop, worker), worker.id)
    with pytest.raises(PlatformError), stops:
        raise broken()
    here.restart()
    run(here.recover())
    assert problems(here) == []


def test_half_a_replacement_is_not_taken_for_the_companion(here):
    """Compose died between making the new container and giving it its name."""
    run(here.deploy(family()))

    def on_moment(_: int, name: str, act: Act) -> None:
        if (name, act) == ("converge db, rename", "before"):
            raise broken()

    here.world.on_moment = on_moment
    rollout = run(here.deploy(family(2), image="acme/shop:2"))
    assert rollout.outcome == "kept"
    assert (problems(here), here.rollouts.unsettled) == ([], set())
