"""The use cases as their callers see them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cove.errors import Locked, NotFound, PlatformError, Refused
from cove.rollout import recovery

from support.scenarios import problems
from support.site import APP, NAMING, Site, request
from support.virtual_time import run

DATA = "volumes: [data:/data]\n"
_SWITCH = 3  # the place of "switch the routes" in a start-first plan


def act(here: Site, verb: str, **given: object) -> str:
    """Stop, start, restart or remove, to its end; the outcome."""

    async def whole() -> str:
        rollout = getattr(here.rollouts, verb)(APP, by="ann", **given)
        return str((await here.finished(rollout)).outcome)

    return run(whole())


def test_events_of_a_deploy(here):
    """The plan, each operation begun and done, and the end with all that clients show."""
    events = here.events(run(here.deploy()))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kinds = [event.kind for event in events]
    assert kinds[:3] == ["started", "done", "plan"]
    planned = len(events[2].data["operations"])
    assert kinds[3:-1] == ["started", "done"] * planned
    data = events[-1].data
    assert (data["outcome"], data["exit_code"], data["error"]) == ("live", 0, None)
    assert (data["release"], data["serving"], data["urls"]) == (1, 1, ["https://shop.test"])


def test_events_of_a_failed_deploy(here):
    """What failed is told where it failed, and what was undone in reverse."""
    here.world.image("acme/shop:1", 1, exits_after=0)
    events = here.events(run(here.deploy(DATA)))
    failed = next(event for event in events if event.kind == "failed")
    undone = [event.index for event in events if event.kind == "undone"]
    assert undone == sorted(undone, reverse=True) == [2, 1, 0]
    assert failed.index == 3
    assert here.store.releases(APP)[0].error == failed.text


def test_one_at_a_time(here):
    """A second rollout of an app is refused while the first is under way."""

    async def both() -> None:
        first = here.rollouts.deploy(request())
        with pytest.raises(Locked):
            here.rollouts.deploy(request())
        assert (await here.finished(first)).outcome == "live"

    run(both())


def test_what_was_refused_before_it_began_leaves_nothing(here):
    """An image that does not exist makes no app."""
    ended = run(here.deploy(image="acme/unknown:1"))
    assert (ended.outcome, here.error(ended)["code"]) == ("failed", "image-missing")
    assert here.store.apps() == ()


def test_no_address_no_record(here, monkeypatch):
    """A refusal after the app had its address range takes the record away again."""
    here.world.port_holders[25] = "exim"
    ended = run(here.deploy('ports: ["25:25"]\n'))
    assert here.error(ended)["code"] == "port-taken"
    assert here.store.apps() == ()


def test_a_failed_first_deploy_keeps_its_history(here):
    """The release and its error can be looked up; everything else is gone."""
    here.world.image("acme/shop:1", 1, exits_after=0)
    run(here.deploy(DATA))
    assert [r.status for r in here.store.releases(APP)] == ["failed"]
    assert problems(here) == []
    assert act(here, "remove", volumes=False) == "done"
    assert here.store.apps() == ()


def test_somebody_elses_volume_survives_a_failed_first_deploy(here):
    """A volume of that name which cove did not make is used, and never deleted."""
    here.world.volumes[NAMING.volume(APP, "data")] = {}
    here.world.image("acme/shop:1", 1, exits_after=0)
    assert run(here.deploy(DATA)).outcome == "failed"
    assert NAMING.volume(APP, "data") in here.world.volumes


def test_secrets_reach_both_releases(here):
    """Compose fills in the whole file, the values of the release that serves included."""
    run(here.deploy("env: {TOKEN: '${TOKEN}'}\n", variables={"TOKEN": "one"}))
    run(here.deploy("env: {TOKEN: '${TOKEN}'}\n", image="acme/shop:2", variables={"TOKEN": "two"}))
    assert [box.environment["TOKEN"] for box in here.world.of(APP)] == ["two"]


def test_stop_and_start(here):
    """A stopped app is reached by nobody and keeps everything."""
    run(here.deploy(DATA))
    before = here.world.snapshot()
    assert act(here, "stop") == "done"
    assert here.world.answers(APP) == {"none"}
    assert problems(here) == []
    assert act(here, "start") == "live"
    assert here.world.snapshot() == before


def test_stop_twice(here):
    """To stop what is stopped changes nothing, even when it fails."""
    run(here.deploy())
    act(here, "stop")
    assert act(here, "stop") == "done"
    assert problems(here) == []


def test_start_of_a_running_app(here):
    """To start what runs changes nothing."""
    run(here.deploy())
    before = here.world.snapshot()
    assert act(here, "start") == "live"
    assert here.world.snapshot() == before


def test_a_start_that_fails_does_not_stop_a_running_app(here):
    """What serves goes on serving."""
    run(here.deploy("replicas: 2\n"))
    lost = next(iter(here.world.of(APP)))
    here.world.boxes.pop(lost.id)
    here.world.incidents.clear()
    here.world.behaviours[lost.image] = type(lost.behaviour)(exits_after=0)
    assert act(here, "start") == "failed"
    assert [b.state for b in here.world.of(APP) if b.service != lost.service] == ["running"]


def test_start_makes_what_is_missing(here):
    """Containers that somebody removed are made again."""
    run(here.deploy())
    act(here, "stop")
    here.world.boxes.clear()
    here.world.files.clear()
    assert act(here, "start") == "live"
    assert problems(here) == []


def test_remove(here):
    """Nothing is left but the data, and the next deploy finds that."""
    run(here.deploy(DATA))
    assert act(here, "remove", volumes=False) == "done"
    assert here.store.apps() == ()
    assert set(here.world.volumes) == {NAMING.volume(APP, "data")}
    assert problems(here) == []
    assert run(here.deploy(DATA)).outcome == "live"
    assert act(here, "remove", volumes=True) == "done"
    assert here.world.volumes == {}


def test_a_removal_that_fails_can_be_asked_again(here):
    """What could not be removed keeps its record, and does not come back by itself."""
    run(here.deploy())

    def stuck(_: int, name: str, act_: str) -> None:
        if name == "remove" and act_ == "before":
            raise PlatformError("Docker refused: device busy", code="docker")

    here.world.on_moment = stuck
    assert act(here, "remove", volumes=False) == "failed"
    assert here.record.stopped
    here.world.on_moment = None
    assert act(here, "remove", volumes=False) == "done"
    assert here.store.apps() == ()


def test_cancel_before_anything(here):
    """A rollout that only fetches ends at once."""

    async def whole() -> str:
        rollout = here.rollouts.deploy(request())
        await asyncio.sleep(0)
        here.rollouts.cancel(rollout.id)
        here.rollouts.cancel(rollout.id)
        return str((await here.finished(rollout)).outcome)

    assert run(whole()) == "cancelled"
    assert here.store.interrupted() == ()


def test_cancel_of_what_is_over(here):
    """It changes nothing; an unknown rollout is not found."""
    ended = run(here.deploy())
    assert here.rollouts.cancel(ended.id).outcome == "live"
    with pytest.raises(NotFound):
        here.rollouts.cancel(99)


def test_a_bug_is_undone_too(here, monkeypatch):
    """Even an exception nobody expected leaves the old release serving, and says it is a bug."""
    run(here.deploy())
    before = here.world.snapshot()
    proxy = here.rollouts.platform.proxy
    publish = proxy.publish

    async def broken(app: str, routes: object) -> None:
        monkeypatch.setattr(proxy, "publish", publish)
        raise KeyError("oops")

    monkeypatch.setattr(proxy, "publish", broken)
    ended = run(here.deploy(image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["exit_code"]) == ("kept", 70)
    assert here.world.snapshot() == before


def test_a_bug_in_undoing_stops_nothing(here, monkeypatch):
    """What can be taken back is, and the app is put right afterwards."""
    run(here.deploy())
    here.world.image("acme/shop:2", 2, exits_after=0)
    composer = here.rollouts.platform.composer
    write = composer.write
    calls = iter(range(9))

    async def broken(*given: Any, tidy: bool) -> None:
        if next(calls) == 1:
            raise KeyError("oops")
        await write(*given, tidy=tidy)

    monkeypatch.setattr(composer, "write", broken)
    ended = run(here.deploy(image="acme/shop:2"))
    assert ended.outcome == "kept"
    assert here.rollouts.unsettled == {APP}
    run(recovery.restore(APP, here.rollouts))
    assert here.rollouts.unsettled == set()
    assert problems(here) == []


def test_a_proxy_that_refuses(here):
    """The old routes stay; the error is the proxy's."""
    run(here.deploy())
    here.rollouts.platform.proxy.refusal = "router shop_0 was refused"
    ended = run(here.deploy(image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "proxy-refused")
    assert here.world.answers(APP) == {"r1"}


def test_what_serves_is_looked_at(here, monkeypatch):
    """The record alone does not say that a release serves: Docker is asked, or else the proxy."""
    run(here.deploy())
    here.rollouts.platform.proxy.refusal = "no"
    engine = here.rollouts.platform.engine

    def told() -> tuple[str, str]:
        data = here.events(run(here.deploy(image="acme/shop:2")))[-1].data
        return data["serves"], data["seen_by"]

    assert told() == ("yes", "docker")

    async def away() -> Any:
        raise PlatformError("Docker does not answer", code="docker-down")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "sightings", away)
        assert told() == ("yes", "proxy")
        here.rollouts.platform.proxy.away = True
        assert told() == ("unknown", "proxy")
    here.rollouts.platform.proxy.away = False
    for box in here.world.of(APP):
        here.world.stop(box)
    assert told() == ("no", "docker")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "sightings", away)
        assert told() == ("no", "proxy")


def test_a_full_disk_at_the_end_keeps_the_lock_only_until_there_is_room(here):
    """The end of a rollout is recorded as soon as it can be."""
    left = iter(range(3))

    def full(_: int, name: str, when: str) -> None:
        if name.startswith("close_rollout") and when == "before" and next(left, None) is not None:
            raise PlatformError("the disk is full", code="disk-full")

    here.world.on_moment = full
    ended = run(here.deploy())
    assert ended.outcome == "live"
    assert [e.kind for e in here.events(ended)].count("finished") == 1


def test_rollback(here):
    """To the release before, or to one that served; never to one that did not."""
    run(here.deploy())
    with pytest.raises(Refused):
        here.rollouts.rollback(APP, None, "ann")
    run(here.deploy(image="acme/shop:2"))
    with pytest.raises(NotFound, match="is live already"):
        here.rollouts.rollback(APP, 2, "ann")
    with pytest.raises(NotFound, match="never served"):
        here.rollouts.rollback(APP, 7, "ann")

    async def back() -> None:
        await here.finished(here.rollouts.rollback(APP, 1, "ann"))

    run(back())
    assert here.world.answers(APP) == {"r3"}
    live = here.store.release(APP, 3)
    assert live is not None
    assert live.images["shop"].reference == "acme/shop:1"


def test_nothing_of_an_unknown_app(here):
    """Every verb says that there is no such app."""
    for verb in ("stop", "start", "restart"):
        with pytest.raises(NotFound):
            getattr(here.rollouts, verb)(APP, "ann")
    with pytest.raises(NotFound):
        here.rollouts.remove(APP, "ann", volumes=True)


def test_the_sweep_spares_what_has_just_become_live(here):
    """A record that was read before a rollout must not judge what runs after it."""
    run(here.deploy())

    async def both() -> None:
        rollout = here.rollouts.deploy(request(image="acme/shop:2"))
        sweeps = [recovery.sweep(APP, here.rollouts) for _ in range(3)]
        await asyncio.gather(*sweeps)
        while here.rollouts.active(APP):
            await recovery.sweep(APP, here.rollouts)
            await asyncio.sleep(0.005)
        await here.finished(rollout)
        await recovery.sweep(APP, here.rollouts)

    run(both())
    assert here.world.answers(APP) == {"r2"}
    assert problems(here) == []


def test_a_rollout_waits_for_whoever_puts_the_app_right(here):
    """Restoring and rolling out do not write the same project at once."""
    run(here.deploy())

    async def both() -> str:
        restoring = asyncio.create_task(recovery.restore(APP, here.rollouts))
        await asyncio.sleep(0.005)
        rollout = here.rollouts.deploy(request(image="acme/shop:2"))
        await restoring
        return str((await here.finished(rollout)).outcome)

    assert run(both()) == "live"
    assert problems(here) == []


def test_the_sweep_removes_what_no_release_explains(here):
    """A container that Docker made after its Compose was killed does not stay."""
    run(here.deploy())
    box = here.world.of(APP)[0]
    stray = here.world.create(
        name="stray", app=APP, service="shop-r9", release=9, image=box.image,
        address="10.201.0.30", labels=box.labels, environment={}, behaviour=box.behaviour,
    )  # fmt: skip
    here.world.start(stray)
    run(recovery.sweep(APP, here.rollouts))
    assert here.world.of(APP) == [box]


def test_a_plan_refuses_what_the_deploy_would(here):
    """What would put data out of sight is told before anything is begun."""
    run(here.deploy("volumes: ['one:/data']\n"))
    with pytest.raises(Refused) as caught:
        run(here.rollouts.plan(request("volumes: ['two:/data']\n", "acme/shop:1")))
    assert caught.value.specific_code == "volume-changed"
