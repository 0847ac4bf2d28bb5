"""Restarting some services of an app."""

from __future__ import annotations

import pytest

from cove.errors import InvalidFile, NotFound, Refused

from support.scenarios import family, problems
from support.site import APP, Site, request
from support.virtual_time import run


@pytest.fixture
def whole(here: Site) -> Site:
    """A family that runs."""
    run(here.finished_deploy(request(family())))
    return here


def containers(here: Site) -> dict[str, str]:
    """The container of each service."""
    return {box.service: box.id for box in here.world.of(APP)}


def restart(here: Site, *services: str) -> str:
    """A restart to its end; the outcome."""

    async def ended() -> str:
        rollout = here.rollouts.restart(APP, "ann", services)
        return str((await here.finished(rollout)).outcome)

    return run(ended())


def test_a_companion_is_replaced_alone(whole):
    """Nothing else is touched, and there is no new release."""
    before = containers(whole)
    assert restart(whole, "worker") == "done"
    after = containers(whole)
    assert {name for name in before if before[name] != after[name]} == {"worker"}
    assert whole.record.live == 1
    assert problems(whole) == []


def test_what_shall_follow_a_companion_does(here):
    """By `restart: true` of its dependency; a service with a domain is told of."""
    follows = "depends_on: {db: {condition: service_started, restart: true}}"
    text = family().replace("depends_on: [db], x-cove", f"{follows}, x-cove")
    text = text.replace(
        "db: {condition: service_healthy}", ("db: {condition: service_healthy, restart: true}")
    )
    run(here.finished_deploy(request(text)))
    here.world.precious.clear()  # it goes for a moment, as was asked
    before = containers(here)

    async def ended() -> tuple[str, ...]:
        rollout = here.rollouts.restart(APP, "ann", ["db"])
        await here.finished(rollout)
        return tuple(here.events(rollout)[0].data["notes"])

    assert run(ended()) == ("shop depends on db and is not replaced with it",)
    after = containers(here)
    assert {name for name in before if before[name] != after[name]} == {"db", "worker"}


def test_a_service_with_a_domain_gets_a_new_release(whole):
    """As the whole app does."""
    assert restart(whole, "shop") == "live"
    assert whole.record.live == 2
    assert problems(whole) == []


def test_one_that_does_not_come_up_is_told(whole):
    """The release serves on; the error has the container's last lines."""
    whole.world.image("acme/worker:1", 21, exits_after=0, log=("no luck",))
    image = whole.world.images["acme/worker:1"]
    for known, behaviour in list(whole.world.behaviours.items()):
        if behaviour.listens_on < 0:
            whole.world.behaviours[known] = whole.world.behaviours[image.id]

    async def ended() -> tuple[str, str]:
        rollout = await whole.finished(whole.rollouts.restart(APP, "ann", ["worker"]))
        return str(rollout.outcome), str(whole.error(rollout)["log"])

    outcome, log = run(ended())
    assert outcome == "kept"
    assert "no luck" in log
    assert whole.world.answers(APP) == {"r1"}


@pytest.mark.parametrize(
    ("services", "error", "said"),
    [
        (("wroker",), NotFound, "has no service wroker; did you mean worker?"),
        (("migrate",), InvalidFile, "migrate runs to its end"),
        (("shop", "db"), InvalidFile, "shop is replaced with a new release, db in place"),
    ],
)
def test_what_cannot_be_restarted_is_refused_at_once(whole, services, error, said):
    """With nothing begun."""
    before = whole.store.rollouts()
    with pytest.raises(error, match=said.replace("?", r"\?")):
        whole.rollouts.restart(APP, "ann", services)
    assert whole.store.rollouts() == before


def test_a_companion_of_a_stopped_app_is_not_started(whole):
    """The app is; the error says how."""

    async def stopped() -> None:
        await whole.finished(whole.rollouts.stop(APP, "ann"))

    run(stopped())
    with pytest.raises(Refused) as caught:
        whole.rollouts.restart(APP, "ann", ["db"])
    assert caught.value.hint == "start it: cove start shop"
