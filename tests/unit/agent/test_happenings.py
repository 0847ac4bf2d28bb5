from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import cast

import pytest

from cove.adapters.sqlite import SqliteStore
from cove.agent.happenings import Happenings, _Warnings
from cove.agent.limits import Limit
from cove.agent.observing import Observer, begin
from cove.agent.platform import Parts
from cove.errors import PlatformError
from cove.ports import ChangeAction, ContainerChange

from support.store import IMAGE, Backwards, Clock, opened, spec


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """A store of its own."""
    with opened() as found:
        yield found


def texts(store: SqliteStore) -> list[str]:
    """What was recorded."""
    return [one.text for one in store.happenings()]


def test_a_burst_is_told_and_then_one_now_and_then() -> None:
    """What is held back is counted, and each thing has a limit of its own."""
    limit = Limit(burst=2, every=10)
    assert [limit.admit("a", float(at)) for at in range(5)] == [0, 0, None, None, None]
    assert limit.admit("b", 5.0) == 0
    assert limit.admit("a", 11.0) == 3
    assert limit.admit("a", 12.0) is None
    assert [limit.admit("a", 1000.0) for _ in range(3)] == [1, 0, None]


def test_things_without_end_are_forgotten() -> None:
    """However many different things there are, few are remembered."""
    limit = Limit()
    for n in range(5000):
        limit.admit(n, 0.0)
    assert len(limit._buckets) <= 1000


async def test_following_gives_each_once(store: SqliteStore) -> None:
    """The past, what comes while the past is read, and what comes later: in order, none twice."""
    happenings = Happenings(store)
    for n in range(3):
        store.add_happening("notice", f"n{n}")
    seen: list[str] = []
    async with aclosing(happenings.follow("", after=None, since=0, tail=2)) as stream:  # type: ignore[type-var]
        async for one in stream:
            assert one
            seen.append(one.text)
            if one.text in ("n1", "n2", "n4"):
                store.add_happening("notice", f"n{len(seen) + 2}")
            if len(seen) == 5:
                break
    assert seen == ["n1", "n2", "n3", "n4", "n6"]


async def test_following_wakes_when_something_happens(store: SqliteStore) -> None:
    """Nothing is asked for meanwhile; of another app nothing is told."""
    happenings = Happenings(store)
    stream = happenings.follow("shop", after=0, since=0, tail=0)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    assert not waiting.done()
    store.add_happening("notice", "elsewhere", "blog")
    store.add_happening("notice", "here", "shop")
    found = await asyncio.wait_for(waiting, 10)
    assert found
    assert found.text == "here"
    await stream.aclose()  # type: ignore[attr-defined]
    assert store._listeners == set()


async def test_following_from_a_number_goes_on_there(store: SqliteStore) -> None:
    """As a client does that lost its agent."""
    for n in range(4):
        store.add_happening("notice", f"n{n}")
    stream = Happenings(store).follow("", after=2, since=0, tail=100)
    found = [await anext(stream), await anext(stream)]
    assert [one.text for one in found if one] == ["n2", "n3"]
    await stream.aclose()  # type: ignore[attr-defined]


def test_recording_never_fails() -> None:
    """A full disk loses the happening, not the agent."""

    class Full:
        def add_happening(self, *_: object) -> None:
            raise PlatformError("the disk is full", code="disk-full")

    Happenings(cast("SqliteStore", Full())).record("notice", "x")


def test_warnings_of_the_log_are_recorded(store: SqliteStore) -> None:
    """Warnings, and what is marked; the same line again and again only now and then."""
    log = logging.getLogger("cove.rollout.recovery")
    handler = _Warnings(Happenings(store))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        log.info("not this")
        log.warning("removing %s", "web-r1")
        log.info("proxy: %s", "ready", extra={"happening": "proxy"})
        for n in range(50):
            log.warning("again %s", n)
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    found = [(one.kind, one.text) for one in store.happenings()]
    assert found[:2] == [("repair", "removing web-r1"), ("proxy", "proxy: ready")]
    assert len(found) == 7


class Scene:
    """An app whose release 1 is live, and an observer."""

    def __init__(self) -> None:
        self.clock = Clock(1_000.0)
        self.store = SqliteStore(":memory:", Backwards(), now=self.clock)
        self.store.reserve_subnet("shop", "x", ())
        rollout = self.store.open_rollout("shop", "deploy", "ann")
        images = {"web": IMAGE}
        self.store.create_release(
            rollout, spec=spec(), images=images, why="", source="x", hold=False
        )
        self.store.confirm("shop", 1)
        self.store.close_rollout(rollout, "live")
        self.killed: list[tuple[str, str, str]] = []
        sampler = SimpleNamespace(killed=lambda *who: self.killed.append(who))
        parts = SimpleNamespace(
            store=self.store,
            happenings=Happenings(self.store),
            measuring=SimpleNamespace(sampler=sampler),
        )
        self.parts = cast("Parts", parts)
        self.observer = Observer(self.parts)
        self.clock.at = 2_000.0

    def change(self, action: ChangeAction, *, code: int = 0, release: int = 1) -> None:
        """Docker says something, now."""
        change = ContainerChange(
            nano=int(self.clock.at * 1e9),
            action=action,
            container="abc",
            app="shop",
            service=f"web-r{release}",
            release=release,
            exit_code=code,
        )
        self.observer.see(change)

    def told(self) -> list[str]:
        """What was recorded of containers."""
        return [one.text for one in self.store.happenings() if one.kind == "container"]


def test_deaths_and_restarts_are_told() -> None:
    """How it ended, and that it runs again."""
    scene = Scene()
    scene.change("die", code=3)
    scene.change("start")
    scene.change("oom")
    scene.change("die", code=137)
    scene.change("start")
    scene.change("die", code=137)
    assert scene.told() == [
        "web-r1 ended with status 3",
        "web-r1 was started again",
        "web-r1 was killed: out of memory",
        "web-r1 was started again",
        "web-r1 was killed",
    ]
    assert scene.killed == [("abc", "shop", "web-r1")]  # and counted among the measurements


def test_health_is_told_when_it_changes() -> None:
    """A container that was never unhealthy does not become healthy again."""
    scene = Scene()
    actions: tuple[ChangeAction, ...] = ("healthy", "unhealthy", "unhealthy", "healthy", "healthy")
    for action in actions:
        scene.change(action)
    assert scene.told() == ["web-r1 is unhealthy", "web-r1 is healthy again"]


def test_what_a_rollout_does_is_not_told_again() -> None:
    """During a rollout, of another release, of an app that is stopped or gone."""
    scene = Scene()
    scene.change("die", release=7)
    rollout = scene.store.open_rollout("shop", "restart", "ann")
    scene.change("die")
    scene.clock.at += 10
    scene.store.close_rollout(rollout, "live")
    scene.clock.at -= 5  # a change that is seen late
    scene.change("die")
    scene.clock.at += 100
    scene.store.set_stopped("shop", stopped=True)
    scene.change("die")
    scene.store.forget_app("shop")
    scene.change("die")
    assert scene.told() == []


def test_a_crash_loop_cannot_fill_the_disk() -> None:
    """A day of dying every ten seconds leaves some hundred lines, which tell how often."""
    scene = Scene()
    for _ in range(8640):
        scene.change("die", code=1)
        scene.clock.at += 10
    told = scene.told()
    assert len(told) < 160
    assert told[:5] == ["web-r1 ended with status 1"] * 5
    assert "more times before" in told[5]


def test_observing_goes_on_where_it_left_off() -> None:
    """From the last change that was recorded, or from now."""
    scene = Scene()
    assert begin(scene.parts) > 10**18
    scene.change("die", code=1)
    assert begin(scene.parts) == 2_000 * 10**9
