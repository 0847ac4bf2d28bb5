"""What keeps failing is tried ever more rarely, told once, and shown."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cove.agent.happenings import Happenings, _Warnings
from cove.agent.platform import Parts
from cove.agent.watch import REPAIR_SOON, Patience, Repairs, Sweeps
from cove.errors import PlatformError
from cove.rollout import recovery

from support.scenarios import problems
from support.site import APP, Site, site
from support.virtual_time import run
from support.world import Box

_OF_A_RUN = ("id", "state", "pid", "started_at")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def here(tmp_path):
    """A machine with an agent."""
    with site(tmp_path) as made:
        yield made


def parts(here: Site) -> Parts:
    """What repairs need of an agent's parts."""
    found = SimpleNamespace(
        engine=here.rollouts.platform.engine, store=here.store, rollouts=here.rollouts
    )
    return cast("Parts", found)


def test_patience_grows_up_to_ten_minutes():
    """The pauses double from ten seconds to ten minutes, and begin anew once all is well."""
    clock = Clock()
    patience = Patience(clock)
    tried = []
    for second in range(4000):
        clock.now = float(second)
        if patience.tries("shop"):
            tried.append(second)
    assert tried == [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030, 3630]
    patience.forget("shop")
    assert patience.tries("shop")


def test_what_cannot_be_repaired_is_told_once_and_remembered(here, caplog):
    """An image that is gone with its container: one error, a reason for the status, then peace."""
    run(here.deploy())
    (box,) = here.world.of(APP)
    here.world.remove(box)
    gone = {name: facts for name, facts in here.world.images.items() if facts.id == box.image}
    for name in gone:
        del here.world.images[name]
    clock = Clock()
    repairs = Repairs(clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            run(repairs.look(parts(here)))
            clock.now += 10
    assert here.rollouts.troubles[APP].specific_code == "image-missing"
    assert [r.levelname for r in caplog.records if "could not be restored" in r.message] == [
        "ERROR"
    ]
    here.world.images.update(gone)
    clock.now += 600
    run(repairs.look(parts(here)))
    assert here.rollouts.troubles == {}
    assert here.world.answers(APP) == {"r1"}


def test_a_docker_that_is_back_is_used_at_once(here, monkeypatch):
    """What failed while Docker was away does not wait for its turn."""
    run(here.deploy())
    clock = Clock()
    repairs = Repairs(clock)
    here.world.remove(here.world.of(APP)[0])
    engine = here.rollouts.platform.engine
    networks = engine.ensure_network

    async def away(*_: Any, **__: Any) -> Any:
        raise PlatformError("Docker does not answer", code="docker-down")

    monkeypatch.setattr(engine, "ensure_network", away)
    for _ in range(3):
        run(repairs.look(parts(here)))
    assert APP in here.rollouts.troubles
    monkeypatch.setattr(engine, "ensure_network", networks)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "sightings", away)
        with pytest.raises(PlatformError):
            run(repairs.look(parts(here)))
    run(repairs.look(parts(here)))
    assert here.rollouts.troubles == {}
    assert here.world.answers(APP) == {"r1"}


def test_a_volume_that_is_gone_is_not_made_anew(here):
    """An empty volume in the place of the data would look as if all were well."""
    run(here.deploy("volumes: [data:/data]\n"))
    here.world.remove(here.world.of(APP)[0])
    here.world.volumes.clear()
    repairs = Repairs(Clock())
    for _ in range(3):
        run(repairs.look(parts(here)))
    trouble = here.rollouts.troubles[APP]
    assert (trouble.specific_code, here.world.volumes) == ("volume-gone", {})
    assert "cove restart" in trouble.hint


def test_what_needs_a_power_that_was_taken_is_not_brought_back(here):
    """One event of the app's own says why, however often it is looked at."""
    here.store.grant(APP, "host-bind=/srv", "root")
    run(here.deploy('volumes: ["/srv:/srv"]\n'))
    here.store.revoke(APP, "host-bind=/srv")
    handler = _Warnings(Happenings(here.store))
    logging.getLogger("cove").addHandler(handler)
    clock = Clock()
    repairs = Repairs(clock)
    try:
        for look in range(40):
            if look == 3:  # until then it runs, and nothing is wrong with that
                assert here.world.answers(APP) == {"r1"}
                assert here.rollouts.troubles == {}
                here.world.remove(here.world.of(APP)[0])
            run(repairs.look(parts(here)))
            clock.now += 10
    finally:
        logging.getLogger("cove").removeHandler(handler)
    assert here.world.of(APP) == []
    told = [one.text for one in here.store.last_happenings(100, app=APP) if one.kind == "repair"]
    assert told == ["shop could not be restored: shop has not been given host-bind=/srv"]
    assert here.rollouts.troubles[APP].hint.endswith("cove allow shop host-bind=/srv")


@pytest.mark.parametrize(
    ("restart", "after"), [("no", "exited"), ("on-failure", "exited"), ("always", "running")]
)
def test_what_ended_by_itself_may_rest(here, restart, after):
    """What the file lets end is not started again, not even by a new agent."""
    run(here.deploy(f'restart: "{restart}"\n'))
    (box,) = here.world.of(APP)
    here.world.stop(box)
    repairs = Repairs(Clock())
    for _ in range(3):
        run(repairs.look(parts(here)))
    here.restart()
    run(here.recover())
    assert [b.state for b in here.world.of(APP)] == [after]


def test_a_container_without_its_network_is_made_anew(here):
    """A network deleted by hand comes back, and so does what had its address in it."""
    run(here.deploy())
    here.world.networks.clear()
    repairs = Repairs(Clock())
    for _ in range(3):
        run(repairs.look(parts(here)))
    assert here.world.answers(APP) == {"r1"}


LOOP = """
depends_on: [cache]
services:
  db: {image: "acme/db:1"}
  cache: {image: "acme/db:1", depends_on: [db]}
  beside: {image: "acme/db:1"}
"""


def crashed(here: Site, service: str) -> Box:
    """A container that Docker waits with, before it tries again."""
    (box,) = [b for b in here.world.of(APP) if b.service == service]
    box.state, box.pid = "restarting", 0
    return box


def test_what_docker_makes_wait_is_started_once_what_it_needs_is_back(here):
    """By way of others too, as soon as that is healthy, and once for each time it came back."""
    run(here.deploy(LOOP))
    web, beside = crashed(here, "shop-r1"), crashed(here, "beside")
    repairs = Repairs(Clock())
    run(repairs.look(parts(here)))
    assert (web.state, beside.state) == ("restarting", "restarting")
    (db,) = [b for b in here.world.of(APP) if b.service == "db"]
    here.world.stop(db)
    run(asyncio.sleep(1))
    here.world.start(db)
    assert run(repairs.look(parts(here))) == REPAIR_SOON
    assert web.state == "restarting"  # the database is not healthy yet
    run(asyncio.sleep(2))
    run(repairs.look(parts(here)))
    assert (web.state, beside.state) == ("running", "restarting")
    crashed(here, "shop-r1")
    run(repairs.look(parts(here)))
    assert web.state == "restarting"  # it was tried with this database, which is not why it fails


def test_what_cannot_be_started_before_its_turn_harms_nobody(here, monkeypatch, caplog):
    """Docker tries again in its own time; the agent's log says why."""
    run(here.deploy(LOOP))
    run(asyncio.sleep(2))
    web, cache = crashed(here, "shop-r1"), crashed(here, "cache")
    web.started_at = cache.started_at = 0.0

    async def fails(_: str) -> None:
        raise PlatformError("no such device", code="docker")

    monkeypatch.setattr(here.rollouts.platform.engine, "start", fails)
    run(Repairs(Clock()).look(parts(here)))
    assert caplog.text.count("was not started before its turn: no such device") == 2


def test_what_keeps_restarting_hides_nothing(here):
    """A container that was stopped is brought back, whatever else is seen now and then."""
    run(here.deploy(LOOP))
    (db,) = [b for b in here.world.of(APP) if b.service == "db"]
    here.world.stop(db)
    repairs = Repairs(Clock())
    flapping = here.world.boxes.pop(crashed(here, "beside").id)
    assert run(repairs.look(parts(here))) == REPAIR_SOON
    here.world.boxes[flapping.id] = flapping
    run(repairs.look(parts(here)))
    assert db.state == "running"


def test_a_half_made_container_goes(here):
    """Compose died before it took its place; the one it was to replace stays."""
    run(here.deploy(LOOP))
    (db,) = [b for b in here.world.of(APP) if b.service == "db"]
    copy = {f.name: getattr(db, f.name) for f in fields(db) if f.name not in _OF_A_RUN}
    here.world.create(**{**copy, "name": f"{db.id}_{db.name}"})
    renamed = next(b for b in here.world.of(APP) if b.service == "cache")
    renamed.name = "somebody-calls-it-so"
    run(recovery.sweep(APP, here.rollouts))
    names = {b.service: (b.name, b.state) for b in here.world.of(APP)}
    assert len(here.world.of(APP)) == len(names) == 4
    assert names["db"] == (db.name, "running")
    assert names["cache"] == ("somebody-calls-it-so", "running")


def test_an_app_is_swept_again_only_when_something_has_changed(here, monkeypatch):
    """A glance at all containers is enough for those that are as they were."""
    run(here.deploy())
    (box,) = here.world.of(APP)
    sweeps, swept = Sweeps(), []
    sweep = recovery.sweep

    async def counted(app: str, rollouts: Any) -> bool:
        swept.append(app)
        return await sweep(app, rollouts)

    monkeypatch.setattr(recovery, "sweep", counted)
    for _ in range(3):
        run(sweeps.look(parts(here)))
    assert swept == [APP]
    copy = {f.name: getattr(box, f.name) for f in fields(box) if f.name not in _OF_A_RUN}
    here.world.create(**{**copy, "name": "stray", "service": "shop-r9", "release": 9})
    for _ in range(3):
        run(sweeps.look(parts(here)))
    assert here.world.of(APP) == [box]
    assert swept == [APP] * 3  # what was just removed may not be all


FILE = """
networks: [default, back]
services:
  db: {image: "acme/db:1", networks: {default: {}, back: {aliases: [store]}}, scale: 2}
"""


@pytest.mark.parametrize("gone", [False, True], ids=["disconnected", "network gone"])
@pytest.mark.parametrize(
    ("full", "alias"),
    [
        ("cove-shop", "db-2,db"),
        ("cove-shop__default", ""),
        ("cove-shop_back", "db-2,db,store"),
        ("cove-shop__back", ""),
    ],
)
def test_one_network_of_several_is_missed(here, full, alias, gone):
    """What can still be reached stays as it is and comes back into the network, by its names."""
    run(here.deploy(FILE))
    before = {b.service: b.id for b in here.world.of(APP)}
    for box in here.world.of(APP):
        box.networks.pop(full)
    if gone:
        del here.world.networks[full]
    repairs = Repairs(Clock())
    for _ in range(3):
        run(repairs.look(parts(here)))
    assert (here.rollouts.troubles, here.world.answers(APP)) == ({}, {"r1"})
    found = {b.service: b for b in here.world.of(APP)}
    assert found.keys() == before.keys()
    assert all(found[n].id == before[n] for n in ("db", "db-2"))
    assert all(b.networks.keys() == set(here.world.networks) for b in found.values())
    assert found["db-2"].networks[full] == alias
    assert found["shop-r1"].networks["cove-shop__default"] == APP
    moments = len(here.world.moments)
    run(repairs.look(parts(here)))
    assert len(here.world.moments) == moments  # it is well, and nothing more is done


def test_an_interrupted_rollout_that_could_not_be_ended_is_ended_later(here, monkeypatch):
    """Its lock does not stay for ever."""
    run(here.deploy())

    async def begun() -> None:
        here.store.open_rollout(APP, "deploy", "ann")

    run(begun())
    here.restart()
    composer = here.rollouts.platform.composer
    settle = composer.settle

    async def fails(app: str) -> None:
        raise PlatformError("no", code="data-dir")

    monkeypatch.setattr(composer, "settle", fails)
    run(here.recover())
    assert here.rollouts.active(APP)
    monkeypatch.setattr(composer, "settle", settle)
    run(Repairs(Clock()).look(parts(here)))
    assert here.rollouts.active(APP) is None
    assert problems(here) == []
