"""Companions that change their role, their number, or nothing at all."""

from __future__ import annotations

import pytest

from cove.rollout.recovery import end_interrupted

from support import sweep as at
from support.scenarios import SCENARIOS, acted, job, moments, prepared_site, problems
from support.site import APP, Site
from support.sweep import cancels, death, fails, sweep
from support.virtual_time import run

roles = pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if "becomes" in s.name], ids=lambda s: s.name
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
