"""What runs on of a container that Docker takes for ended is ended, and the app comes back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cove.agent.platform import Parts
from cove.agent.watch import Patience, Repairs
from cove.rollout import recovery, strays

from support.site import APP, Site, site
from support.virtual_time import run


@pytest.fixture
def here(tmp_path):
    """A machine with an agent, and an app that serves."""
    with site(tmp_path) as made:
        run(made.deploy())
        yield made


def parts(here: Site) -> Parts:
    """What repairs need of an agent's parts."""
    found = SimpleNamespace(
        engine=here.rollouts.platform.engine, store=here.store, rollouts=here.rollouts
    )
    return cast("Parts", found)


def forgotten(here: Site) -> str:
    """The app's container, which Docker has started and takes for ended."""
    (box,) = here.world.of(APP)
    here.world.stop(box)
    here.world.strays[box.id] = 4711
    return box.id


def test_the_app_comes_back(here, caplog):
    """Docker can start the container again once its forgotten process has ended."""
    forgotten(here)
    repairs = Repairs(lambda: 0.0)
    for _ in range(2):
        run(repairs.look(parts(here)))
    assert here.world.strays == {}
    assert here.world.answers(APP) == {"r1"}
    assert here.rollouts.troubles == {}
    assert "ran on although Docker takes it for ended" in caplog.text


def test_it_comes_back_with_the_agent(here):
    """A machine may lose Docker and the agent at once."""
    forgotten(here)
    here.restart()
    run(here.recover())
    assert (here.world.strays, here.world.answers(APP)) == ({}, {"r1"})


def test_one_that_is_seen_late_is_found_by_the_trouble_it_makes(here):
    """It was at rest before; only its start says that something of it still runs."""
    (box,) = here.world.of(APP)
    repairs = Repairs(lambda: 0.0)
    here.world.stop(box)
    run(repairs.look(parts(here)))
    here.world.strays[box.id] = 4711
    run(repairs.look(parts(here)))
    assert here.rollouts.troubles[APP].message == "Docker refused: id already in use"
    for _ in range(2):
        run(repairs.look(parts(here)))
    assert (here.rollouts.troubles, here.world.answers(APP)) == ({}, {"r1"})


def test_what_was_started_meanwhile_is_left_alone(here):
    """What was at rest a moment ago and runs now has processes of its own."""
    (box,) = here.world.of(APP)
    here.world.stop(box)
    seen = run(here.rollouts.platform.engine.sightings())
    here.world.start(box)
    here.world.strays[box.id] = box.pid
    assert run(strays.end(seen, here.rollouts.platform)) == set()
    assert here.world.strays == {box.id: box.pid}


def test_nobody_looks_through_processes_while_nothing_has_come_to_rest(here, monkeypatch):
    """It is one look for each change, and none for what runs."""
    looks: list[Any] = []

    def counted(containers: Any) -> dict[str, tuple[int, ...]]:
        looks.append(containers)
        return {}

    monkeypatch.setattr(here.rollouts.platform.host, "processes_of", counted)
    repairs = Repairs(lambda: 0.0)
    for _ in range(3):
        run(repairs.look(parts(here)))
    assert looks == []


def test_a_container_that_is_removed_leaves_nothing_running(here):
    """Docker removes one that it takes for ended, and would leave its process for ever."""
    forgotten(here)
    work = here.rollouts.work(APP, recovery.told)
    run(work.remove(run(work.containers(1))))
    assert (here.world.strays, here.world.of(APP)) == ({}, [])


def test_patience_does_not_wait_with_other_troubles():
    """What is wrong now has nothing to do with what could not be put right before."""
    patience = Patience(lambda: 0.0)
    assert patience.tries("shop", ["r1 is gone"])
    assert not patience.tries("shop", ["r1 is gone", "db is gone"])
    assert patience.tries("shop", ["db was stopped"])
    assert not patience.tries("shop", ["db was stopped"])
    assert not patience.tries("shop")
