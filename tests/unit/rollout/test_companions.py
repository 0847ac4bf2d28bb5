"""Companions that change their role, their number, or nothing at all."""

from __future__ import annotations

import pytest

from cove.render.compose import earlier_digests
from cove.render.naming import LABEL_CONFIG
from cove.rollout import recovery
from cove.rollout.recovery import end_interrupted

from support import sweep as at
from support.scenarios import SCENARIOS, acted, crew, job, moments, prepared_site, problems
from support.site import APP, NAMING, Site
from support.sweep import cancels, death, fails, killed, sweep
from support.virtual_time import run

roles = pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if "becomes" in s.name], ids=lambda s: s.name
)
kept = pytest.mark.parametrize(
    "scenario",
    [s for s in SCENARIOS if s.name.endswith(("workers", "route", "more"))],
    ids=lambda s: s.name,
)


def jobs(here: Site) -> list[tuple[str, str]]:
    """The containers of the service that changes its role: their image and state."""
    return [(b.image, b.state) for b in here.world.of(APP) if b.service == "job"]


@pytest.mark.parametrize("task", [True, False], ids=["to a task", "from a task"])
def test_a_failed_change_of_role_is_undone_at_once(here, task):
    """The worker runs again; the task, which has run, is not run once more."""
    run(here.deploy(job(task=not task)))
    before = jobs(here)
    if task:  # it has run when the release turns out not to answer
        here.world.image("acme/shop:2", 2, listens_on=-1)
    here.world.image("acme/worker:2", 22, exits_after=0.1, listens_on=-1)
    text = job(task=task).replace("acme/worker:1", "acme/worker:2")
    text = text.replace("'acme/migrate:1'", "'acme/migrate:1', volumes: ['new:/new']")
    rollout = run(here.deploy(text, image="acme/shop:2"))
    assert rollout.outcome == "kept"
    assert problems(here) == []
    assert here.rollouts.unsettled == set()
    assert jobs(here) == (before if task else [])


@roles
def test_a_killed_change_of_role_is_undone_from_the_journal(tmp_path, scenario):
    """Whenever the agent dies, what it began is taken back without any repair after it."""
    whole = moments(tmp_path / "whole", scenario)
    found = []
    for index, moment in enumerate(whole):
        if not at.after_change(moment):
            continue
        with prepared_site(tmp_path / str(index), scenario) as site:
            with death(site, index):
                run(acted(site, scenario))
            run(end_interrupted(site.rollouts))
            found += [f"{index}, {moment}: {p}" for p in problems(site)]
    assert found == []


@roles
def test_a_broken_change_of_role(tmp_path, scenario):
    """A change that is refused loses and leaves nothing."""
    sweep(tmp_path, scenario, at.before_any, fails("before"), 5)


@roles
def test_a_cancelled_change_of_role(tmp_path, scenario):
    """To cancel is to undo, or to go on where it is too late."""
    sweep(tmp_path, scenario, at.change, cancels(again=True), 5)


def boxes(here: Site) -> dict[str, str]:
    """The companions' containers, by Compose service."""
    return {b.service: b.id for b in here.world.of(APP) if not b.release and b.service != APP}


def live(here: Site, text: str, *, routed: bool = True) -> dict[str, str]:
    """The companions' containers after a deploy."""
    rollout = run(here.deploy(text, routed=routed))
    assert rollout.outcome == "live", here.error(rollout)
    assert problems(here) == []
    return boxes(here)


def test_routes_come_and_go_and_companions_stay(here):
    """They are put into the network beside theirs and taken out of it as they run."""
    before = live(here, crew(), routed=False)
    assert live(here, crew()) == before
    assert here.ranges() == {"_default"}
    assert all("cove-shop__default" in b.networks for b in here.world.of(APP))
    assert live(here, crew(), routed=False) == before
    assert not any("cove-shop__default" in b.networks for b in here.world.of(APP))
    assert here.ranges() == set()


def test_another_number_of_workers_leaves_those_that_run(here):
    """Copies are added and removed; no other is touched."""
    one = live(here, crew(1))
    three = live(here, crew(3))
    assert one.items() < three.items()
    two = live(here, crew(2))
    assert two == {n: i for n, i in three.items() if n != "worker-3"}
    assert live(here, crew(1)) == one


@pytest.mark.parametrize("form", range(6))
def test_what_an_earlier_cove_labelled_stays(here, form):
    """Whichever digest it wrote, the first and the second deploy touch no container."""
    before = live(here, crew(2))
    release = here.store.release(APP, 1)
    assert release is not None
    earlier = earlier_digests(release.spec, release.images, NAMING)
    for box in here.world.of(APP):
        if not box.release:
            forms = sorted(earlier[box.labels["cove.service"]])
            box.labels[LABEL_CONFIG] = forms[form % len(forms)]
            box.made_of = "of another label"
    for text, more in ((crew(2), {}), (crew(3), {"worker-3"})):
        rollout = run(here.deploy(text, image="acme/shop:2"))
        assert rollout.outcome == "live"
        assert {n: i for n, i in boxes(here).items() if n not in more} == before


def renumbered(here: Site) -> None:
    """The first of several workers has the name that an earlier cove gave it."""
    for box in here.world.of(APP):
        if box.service == "worker":
            box.service, box.name = "worker-1", "cove-shop.worker-1"


def test_a_worker_of_an_earlier_name_may_finish(here, monkeypatch):
    """It is asked to end, and only once the one in its place is there."""
    run(here.deploy(crew(2)))
    renumbered(here)
    old = boxes(here)
    here.restart()
    asked: list[tuple[str, float, bool]] = []
    stop = here.rollouts.platform.engine.stop

    async def noted(container: str, grace: float) -> None:
        asked.append((container, grace, "worker" in boxes(here)))
        await stop(container, grace)

    monkeypatch.setattr(here.rollouts.platform.engine, "stop", noted)
    run(here.recover())
    assert asked == [(old["worker-1"], 10.0, True)]
    assert boxes(here).keys() == {"db", "worker", "worker-2"}
    assert boxes(here)["worker-2"] == old["worker-2"]
    assert problems(here) == []


def test_a_worker_of_an_earlier_name_outlives_a_power(here):
    """What could not come back in its place does not end it."""
    here.store.grant(APP, "host-bind=/srv/data", "root")
    bound = crew(2).replace("data:/data", "/srv/data:/data")
    run(here.deploy(bound))
    renumbered(here)
    old = boxes(here)
    here.store.revoke(APP, "host-bind=/srv/data")
    here.restart()
    run(here.recover())
    assert here.rollouts.troubles[APP].specific_code == "power-missing"
    run(recovery.sweep(APP, here.rollouts))
    assert boxes(here) == old
    here.store.grant(APP, "host-bind=/srv/data", "root")
    run(here.recover())
    assert boxes(here).keys() == {"db", "worker", "worker-2"}
    assert problems(here) == []


def test_ranges_of_a_release_that_did_not_come_to_be(here):
    """A refused deploy leaves no address range behind, and no network."""
    run(here.deploy())
    here.world.image("acme/worker:2", 22, exits_after=0.1, listens_on=-1)
    worker = "services:\n  worker: {image: 'acme/worker:2'}\n"
    rollout = run(here.deploy(worker))
    assert rollout.outcome == "kept"
    assert problems(here) == []
    here.world.free_memory, here.world.used_memory = 1, 1 << 30
    assert here.error(run(here.deploy(crew())))["code"] == "memory"
    assert here.ranges() == set()


def test_a_network_that_a_stranger_uses_stays_with_its_range(here):
    """Docker keeps it, so nobody else may get its addresses; the next deploy tries again."""
    run(here.deploy(crew()))
    here.world.strangers.add("cove-shop__default")
    assert run(here.deploy(crew(), routed=False)).outcome == "live"
    assert here.ranges() == {"_default"}
    here.world.strangers.clear()
    assert run(here.deploy(crew(), routed=False)).outcome == "live"
    assert (here.ranges(), problems(here)) == (set(), [])


@kept
def test_what_stays_when_the_agent_dies(tmp_path, scenario):
    """What was begun is ended from the journal, without any repair after it."""
    sweep(tmp_path, scenario, at.after_change, killed(), 3)


@kept
def test_what_stays_when_something_fails(tmp_path, scenario):
    """A change that is refused, or a record that cannot be written, loses and leaves nothing."""
    sweep(tmp_path, scenario, at.before_any, fails("before"), 5)
