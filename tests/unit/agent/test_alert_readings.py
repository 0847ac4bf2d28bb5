from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from cove.adapters.host.usage import disk_used, memory_used
from cove.adapters.sqlite import SqliteStore
from cove.agent.container_log import ContainerLog
from cove.agent.oom_watch import OomWatch
from cove.agent.readings import MachineReadings, RolloutReadings, RouteReadings
from cove.agent.uptime_targets import UptimeTargets
from cove.model.alerts import Reading, RuleChange
from cove.model.happenings import Happening
from cove.model.uptime import Target
from cove.observation.alerts.rules import Rules
from cove.observation.metrics.gathering import Look
from cove.observation.uptime.course import Course
from cove.ports import ChangeAction, ContainerChange, ContainerFacts
from cove.ports.metrics import ContainerUsage, Subject
from cove.render.traefik import ProxySettings

from support.store import begin, deploy, opened, reject
from support.uptime import TARGET, seen, target

NOW = 10_000.0
DAY = 86400.0


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """A store of its own."""
    with opened() as found:
        yield found


def change(action: ChangeAction, at: float = NOW) -> ContainerChange:
    """A change of the only container."""
    return ContainerChange(
        nano=int(at * 1e9),
        action=action,
        container="abc",
        app="shop",
        service="web-r1",
        release=1,
    )


def values(log: ContainerLog, now: float = NOW, rules: Rules | None = None) -> dict[str, float]:
    """The readings by rule."""
    return {r.rule: r.value for r in log.read(rules or Rules(), now)}


def test_deaths_are_counted_within_the_rules_window() -> None:
    """Those that somebody intended do not count; an app may have a window of its own."""
    log = ContainerLog()
    for at in (NOW - 900, NOW - 300, NOW):
        log.see(change("die", at), intended=False)
    log.see(change("die"), intended=True)
    assert values(log) == {"restart-loop": 2}
    short = Rules({("restart-loop", "shop"): RuleChange(window=60)})
    assert values(log, rules=short) == {"restart-loop": 1}
    assert values(log, NOW + 8 * DAY) == {"restart-loop": 0}
    assert values(log, NOW + 8 * DAY) == {}


def test_a_lack_of_memory_counts_whether_the_container_ends_or_not() -> None:
    """Docker tells of each process that is killed for it."""
    log = ContainerLog()
    log.see(change("oom"), intended=False)
    assert values(log) == {"oom": 1}
    log.see(change("die"), intended=False)
    assert values(log) == {"oom": 1, "restart-loop": 1}


def test_a_container_is_unhealthy_until_it_is_well_or_gone() -> None:
    """Its end counts whoever intended it."""
    for end, intended in (("healthy", False), ("die", True), ("destroy", True)):
        log = ContainerLog()
        log.see(change("unhealthy"), intended=False)
        assert values(log)["unhealthy"] == 1
        log.see(change(cast("ChangeAction", end), NOW), intended=intended)
        assert values(log)["unhealthy"] == 0


def test_what_an_earlier_agent_recorded_counts_on() -> None:
    """And the health of what is there now."""
    data = {"service": "web-r1", "action": "die", "oom": True}
    happening = Happening(seq=1, at=NOW, kind="container", text="", app="shop", data=data)
    other = Happening(seq=2, at=NOW, kind="notice", text="", app="shop", data=data)
    facts = ContainerFacts(
        id="x",
        name="x",
        app="shop",
        service="web-r1",
        release=1,
        state="running",
        health="unhealthy",
    )
    log = ContainerLog()
    log.recall([happening, other], [facts])
    assert values(log) == {"restart-loop": 1, "oom": 1, "unhealthy": 1}


class Routes:
    """Uptime that knows one route."""

    def __init__(self, found: Target, course: Course) -> None:
        self.found = found
        self.course = course

    def current(self) -> Any:
        return ((self.found, self.course),)


def read(found: Target, course: Course, **ends: float) -> dict[str, Reading]:
    """The readings of one route by rule and subject."""
    source = RouteReadings(cast("Any", Routes(found, course)), lambda: ends)
    return {f"{r.rule} {r.subject}": r for r in source.read(Rules(), NOW)}


def test_a_route_that_was_not_looked_at_says_nothing() -> None:
    """What an earlier agent saw is no reading; a route that rests is well."""
    assert read(TARGET, Course(state="app-down")) == {}
    paused = read(target(paused="stopped"), Course(state="paused"))
    assert paused["down shop.example.com/"].value == 0


def test_a_route_says_whether_it_is_down_and_when_its_certificate_ends() -> None:
    """Held while a rollout is under way."""
    look = seen(NOW, "app-down", expires=NOW + 3 * DAY)
    found = read(target(rolling=True), Course(state="app-down", look=look, detail="it is dead"))
    assert found["down shop.example.com/"].value == 1
    assert found["down shop.example.com/"].hold
    assert "it is dead" in found["down shop.example.com/"].text
    assert found["certificate shop.example.com"].value == 3


def test_a_certificate_that_no_route_shows_is_known_from_its_file() -> None:
    """What was shown counts before that."""
    look = seen(NOW, expires=NOW + 3 * DAY)
    ends = {"www.example.com": NOW + 5 * DAY, "shop.example.com": NOW + 90 * DAY}
    found = read(TARGET, Course(state="up", look=look), **ends)
    assert found["certificate www.example.com"].value == 5
    assert found["certificate shop.example.com"].value == 3


def test_each_disk_is_read_once(tmp_path: Path) -> None:
    """However many paths lie on it; the rule may name others."""
    folder = tmp_path / "a"
    folder.mkdir()
    machine = MachineReadings(str(tmp_path), str(folder), str(tmp_path / "absent"))
    assert list(machine.read(Rules(), NOW)) == []
    machine.look()
    assert [r.subject for r in machine.read(Rules(), NOW) if r.rule == "disk"] == [str(tmp_path)]
    rules = Rules({("disk", ""): RuleChange(paths=(str(folder),))})
    machine.read(rules, NOW)
    machine.look()
    assert [r.subject for r in machine.read(rules, NOW) if r.rule == "disk"] == [str(folder)]


def test_the_machine_is_read_as_percent(tmp_path: Path) -> None:
    """What cannot be read is unknown."""
    found = disk_used("/")
    assert found
    assert 0 <= found[1] <= 100
    assert disk_used("/no/such/place") is None
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    assert memory_used(meminfo) == 75.0
    meminfo.write_text("MemTotal: 1000 kB\n")
    assert memory_used(meminfo) is None


def test_the_last_rollout_that_ended_counts(store: SqliteStore) -> None:
    """One under way holds; the next that goes well ends it."""
    source = RolloutReadings(store)

    def reading() -> tuple[float, bool]:
        (found,) = source.read(Rules(), NOW)
        return found.value, found.hold

    deploy(store)
    assert reading() == (0, False)
    reject(store)
    assert reading() == (1, False)
    rollout = begin(store)
    assert reading() == (1, True)
    store.close_rollout(rollout, "cancelled")
    assert reading() == (1, False)
    deploy(store)
    assert reading() == (0, False)


def test_routes_to_look_at_come_from_what_is_live(store: SqliteStore) -> None:
    """Stopped and uncertified ones rest, with the reason."""
    uncertified: set[str] = set()
    active: list[str] = []
    targets = UptimeTargets(
        store,
        cast(
            "Any",
            SimpleNamespace(
                active=lambda app: app if app in active else None, proxy=ProxySettings()
            ),
        ),
        cast("Any", SimpleNamespace(uncertified=lambda: uncertified)),
    )
    assert targets() == []
    deploy(store)
    (found,) = targets()
    assert (found.app, found.paused, found.rolling) == ("shop", "", False)
    assert found.url.startswith("https://")
    uncertified.add(found.domain)
    assert targets()[0].paused == "no certificate yet"
    store.set_stopped("shop", stopped=True)
    active.append("shop")
    assert (targets()[0].paused, targets()[0].rolling) == ("stopped", True)


class Engine:
    """Containers as they are set; counts how often it is asked."""

    def __init__(self) -> None:
        self.found: list[ContainerFacts] = []
        self.asked = 0

    async def containers(self, _: str = "") -> list[ContainerFacts]:
        self.asked += 1
        return self.found


def container(id_: str, pid: int = 7, **given: Any) -> ContainerFacts:
    """A container that runs."""
    usual = {"name": id_, "app": "shop", "service": "web-r1", "release": 1, "state": "running"}
    return ContainerFacts(**{"id": id_, "pid": pid, **usual, **given})


def glance(kills: dict[str, int], *, pid: int = 7, complete: bool = True) -> Look:
    """A look of the metrics at containers with these counts."""
    return Look(
        moment=0,
        machine=None,
        file_systems=(),
        containers={
            id_: (
                Subject(id=id_, app="shop", service="web", name=f"web-{id_}", pid=pid),
                ContainerUsage(oom_kills=count),
            )
            for id_, count in kills.items()
        },
        complete=complete,
        routes=None,
    )


def test_the_kernels_count_of_a_container_is_read() -> None:
    """What was before the first look is old; what began since counts from 0."""
    log = ContainerLog()
    watch = OomWatch(cast("Any", Engine()), log)

    def lacking(*, look: Look) -> list[str]:
        watch.take(look)
        return [r.subject for r in log.read(Rules(), time.time()) if r.rule == "oom"]

    assert lacking(look=glance({"r1": 3})) == []
    assert lacking(look=glance({"r1": 3})) == []
    assert lacking(look=glance({"r1": 4})) == ["web-r1"]
    assert lacking(look=glance({"r1": 4, "r2": 2})) == ["web-r1", "web-r2"]


def test_a_container_that_was_started_again_counts_anew() -> None:
    """Its group of processes is another one, however many were killed in the first."""
    log = ContainerLog()
    watch = OomWatch(cast("Any", Engine()), log)
    for look in (glance({"r1": 5}), glance({"r1": 1}, pid=8)):
        watch.take(look)
    assert [r.rule for r in log.read(Rules(), time.time())] == ["oom"]


def test_a_past_that_nobody_watched_is_not_told() -> None:
    """While Docker is away, nobody knows which containers there are."""
    log = ContainerLog()
    watch = OomWatch(cast("Any", Engine()), log)
    for look in (glance({}, complete=False), glance({"r1": 5}), glance({"r1": 5})):
        watch.take(look)
    assert list(log.read(Rules(), time.time())) == []


@pytest.mark.parametrize(
    ("limit", "code", "intended", "expected"),
    [(64, 137, False, 1), (0, 137, False, 0), (64, 1, False, 0), (64, 137, True, 0)],
)
async def test_a_death_by_force_under_a_limit_is_a_lack_of_memory(
    limit, code, intended, expected
) -> None:
    """Unless somebody intended it."""
    engine, log = Engine(), ContainerLog()
    engine.found = [container("a", memory_limit=limit)]
    watch = OomWatch(cast("Any", engine), log)
    watch.see(replace(change("die"), exit_code=code), intended=intended)
    await asyncio.sleep(0)
    assert len(list(log.read(Rules(), NOW))) == expected
