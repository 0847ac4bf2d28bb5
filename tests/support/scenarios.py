"""Rollouts to break at every moment, and what must hold whatever became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cove.errors import CoveError
from cove.model.events import Rollout
from cove.model.release import Release
from cove.render.compose import companion_digests
from cove.render.naming import LABEL_CONFIG

from support.site import APP, NAMING, Site, request, site
from support.virtual_time import run
from support.world import Killed

Begin = Callable[[Site], Rollout]
DATA = "volumes: [data:/data]\n"
REPLICAS = "replicas: 2\n"


_WORKER = """\
  worker: {{image: "acme/worker:{}", depends_on: [db], x-cove: {{rollout: {{settle: 1s}}}}}}
"""


def family(db: int = 1, worker: int = 1) -> str:
    """Companions beside the app: a database, a migration and a worker."""
    return f"""
depends_on:
  db: {{condition: service_healthy}}
  migrate: {{condition: service_completed_successfully}}
services:
  db: {{image: "acme/db:{db}", volumes: ["data:/data"], environment: {{LEVEL: "1"}}}}
  migrate: {{image: "acme/migrate:1", depends_on: [db]}}
{_WORKER.format(worker) if worker else ""}"""


def job(*, task: bool) -> str:
    """A service that the app waits for to end, or one that runs beside it."""
    if task:
        ends = "depends_on: {job: {condition: service_completed_successfully}}\n"
        return ends + "services:\n  job: {image: 'acme/migrate:1'}\n"
    return "services:\n  job: {image: 'acme/worker:1', x-cove: {rollout: {settle: 1s}}}\n"


def crew(workers: int = 1) -> str:
    """A database and so many workers."""
    return f"""
services:
  db: {{image: "acme/db:1", volumes: ["data:/data"]}}
  worker: {{image: "acme/worker:1", scale: {workers}, x-cove: {{rollout: {{settle: 1s}}}}}}
"""


def street(front: int, *, api: bool = False) -> str:
    """Services with domains: `front:1` calls the app by name as it starts, `front:2` a third."""
    called = "api" if front > 1 else APP
    added = '  api: {image: "acme/api:1", x-cove: {domain: api.test}}\n' if api else ""
    return f"""
services:
  front:
    image: "acme/front:{front}"
    depends_on: {{{called}: {{condition: service_healthy}}}}
    x-cove: {{domain: front.test, rollout: {{settle: 0s, drain: 5s, timeout: 5s}}}}
{added}"""


BEFORE = "rollout: {settle: 0s, drain: 5s, timeout: 5s, before: migrate}\n"


def _deploy(text: str, image: int, *, routed: bool = True) -> Begin:
    return lambda s: s.rollouts.deploy(request(text, f"acme/shop:{image}", routed=routed))


@dataclass(frozen=True)
class Scenario:
    """What is done before, without any fault, and then the rollout that is broken."""

    name: str
    act: Begin
    before: tuple[Begin, ...] = ()
    text: str = ""  # of the deploys
    removes: bool = False


def _stop(s: Site) -> Rollout:
    return s.rollouts.stop(APP, "ann")


def _start(s: Site) -> Rollout:
    return s.rollouts.start(APP, "ann")


def _restart(s: Site) -> Rollout:
    return s.rollouts.restart(APP, "ann")


def _restart_worker(s: Site) -> Rollout:
    return s.rollouts.restart(APP, "ann", ["worker"])


def _rollback(s: Site) -> Rollout:
    return s.rollouts.rollback(APP, None, "ann")


def _remove(*, volumes: bool) -> Begin:
    return lambda s: s.rollouts.remove(APP, "ann", volumes=volumes)


SCENARIOS = (
    Scenario("first deploy", _deploy(DATA, 1), text=DATA),
    Scenario("start-first", _deploy("", 2), (_deploy("", 1),)),
    Scenario("two replicas", _deploy(REPLICAS, 2), (_deploy(REPLICAS, 1),), REPLICAS),
    Scenario("stop-first", _deploy(DATA, 2), (_deploy(DATA, 1),), DATA),
    Scenario("deploy of a stopped app", _deploy(DATA, 2), (_deploy(DATA, 1), _stop), DATA),
    Scenario("rollback", _rollback, (_deploy("", 1), _deploy("", 2))),
    Scenario("restart", _restart, (_deploy(DATA, 1),), DATA),
    Scenario("stop", _stop, (_deploy("", 1),)),
    Scenario("start", _start, (_deploy(DATA, 1), _stop), DATA),
    Scenario("first deploy of a family", _deploy(family(), 1), text=family()),
    Scenario("web service of a family", _deploy(family(), 2), (_deploy(family(), 1),), family()),
    Scenario("worker of a family", _deploy(family(worker=2), 2), (_deploy(family(), 1),), family()),
    Scenario("database of a family", _deploy(family(2), 2), (_deploy(family(), 1),), family()),
    Scenario("a companion leaves", _deploy(family(worker=0), 2), (_deploy(family(), 1),), family()),
    Scenario(
        "a worker becomes a task",
        _deploy(job(task=True), 2),
        (_deploy(job(task=False), 1),),
        job(task=True),
    ),
    Scenario(
        "a task becomes a worker",
        _deploy(job(task=False), 2),
        (_deploy(job(task=True), 1),),
        job(task=False),
    ),
    Scenario("more workers", _deploy(crew(3), 2), (_deploy(crew(1), 1),), crew(3)),
    Scenario("fewer workers", _deploy(crew(1), 2), (_deploy(crew(3), 1),), crew(1)),
    Scenario("a first route", _deploy(crew(), 2), (_deploy(crew(), 1, routed=False),), crew()),
    Scenario("no route any more", _deploy(crew(), 2, routed=False), (_deploy(crew(), 1),), crew()),
    Scenario("restart of a worker", _restart_worker, (_deploy(family(), 1),), family()),
    Scenario("stop of a family", _stop, (_deploy(family(), 1),), family()),
    Scenario("start of a family", _start, (_deploy(family(), 1), _stop), family()),
    Scenario(
        "remove a family", _remove(volumes=True), (_deploy(family(), 1),), family(), removes=True
    ),
    Scenario("first deploy of siblings", _deploy(street(1), 1), text=street(1)),
    Scenario("siblings", _deploy(street(1), 2), (_deploy(street(1), 1),), street(1)),
    Scenario(
        "siblings get another", _deploy(street(2, api=True), 2), (_deploy(street(1), 1),), street(1)
    ),
    Scenario(
        "siblings stop first",
        _deploy(DATA + street(1), 2),
        (_deploy(DATA + street(1), 1),),
        DATA + street(1),
    ),
    Scenario("one becomes two", _deploy(street(1), 2), (_deploy("", 1),), street(1)),
    Scenario("a command before the first release", _deploy(BEFORE + DATA, 1), text=BEFORE + DATA),
    Scenario("a command before", _deploy(BEFORE, 2), (_deploy(BEFORE, 1),), BEFORE),
    Scenario(
        "a command before, alone with the data",
        _deploy(BEFORE + DATA, 2),
        (_deploy(BEFORE + DATA, 1),),
        BEFORE + DATA,
    ),
    Scenario("remove", _remove(volumes=False), (_deploy("", 1),), removes=True),
    Scenario("remove with volumes", _remove(volumes=True), (_deploy(DATA, 1),), DATA, removes=True),
)


async def prepared(s: Site, scenario: Scenario) -> None:
    """The app as it is before the rollout that is broken."""
    for begin in scenario.before:
        rollout = await s.finished(begin(s))
        assert rollout.outcome in ("live", "done"), s.events(rollout)
    assert s.world.incidents == []
    s.world.moments.clear()


async def acted(s: Site, scenario: Scenario) -> Rollout | None:
    """The rollout to its end; None when it could not even begin, or the agent died."""
    try:
        return await s.finished(scenario.act(s))
    except (Killed, CoveError):
        return None


def moments(folder: Path, scenario: Scenario) -> list[str]:
    """Every moment of the rollout when nothing goes wrong, in order."""
    with prepared_site(folder, scenario) as s:
        rollout = run(acted(s, scenario))
        assert rollout is not None
        assert rollout.outcome in ("live", "done")
        assert problems(s) == [], problems(s)
        return list(s.world.moments)


@contextmanager
def prepared_site(folder: Path, scenario: Scenario) -> Iterator[Site]:
    """A site of its own on which the scenario has come to its rollout."""
    with site(folder) as s:
        run(prepared(s, scenario))
        yield s


def problems(s: Site) -> list[str]:
    """What is not as the record says, or was lost on the way; empty when all is well."""
    return [
        *s.world.incidents,
        *_unfinished(s),
        *(_gone(s) if s.store.app(APP) is None else _there(s)),
    ]


def _unfinished(s: Site) -> list[str]:
    return [f"rollout {j.rollout.id} has not ended" for j in s.store.interrupted()]


def _gone(s: Site) -> list[str]:
    left = {
        "containers": [b.name for b in s.world.of(APP)],
        "routes": s.world.routes.get(APP),
        "a network": s.world.networks,
        "a project": s.world.files.get(APP),
        "claims": s.claims(),
    }
    return [
        f"the app is forgotten but left {what}: {value}" for what, value in left.items() if value
    ]


def _there(s: Site) -> list[str]:
    record = s.record
    release = s.store.release(APP, record.live) if record.live else None
    placements = release.placements if release else ()
    # A task that has run may leave its container or not: nobody needs it any more.
    tasks = {t.name for t in release.spec.tasks()} if release else set()
    companions = set(release.companions()) - tasks if release else set()
    boxes = [b for b in s.world.of(APP) if b.service not in tasks or b.state != "exited"]
    own = release.spec.own_networks() if release else {}
    networks = {NAMING.network(APP, name) for name in own}
    claims = {c for r in (release.spec.routes if release else ()) for c in r.claims()}
    volumes = {
        NAMING.volume(APP, m.source)
        for service in (release.spec.services if release else ())
        for m in service.mounts
        if m.kind == "volume"
    }
    state = "exited" if record.stopped else "running"
    routed = release is not None and release.spec.routes and not record.stopped
    serving = {f"r{record.live}"} if routed else {"none"}
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("answers", s.world.answers(APP), serving),
        (
            "containers",
            sorted((b.service, b.state, b.address, sorted(b.extra)) for b in boxes),
            sorted(
                [
                    *((p.name, state, p.address, []) for p in placements),
                    *((name, state, "", []) for name in companions),
                ]
            ),
        ),
        (
            "project",
            set(s.world.files.get(APP, {}).get("services", ())),
            {*(p.name for p in placements), *companions, *tasks},
        ),
        ("names", {b.name for b in boxes}, {NAMING.container(APP, b.service) for b in boxes}),
        ("in flight", s.world.in_flight.next(), None),
        ("companions", _made_of(s, tasks), _wanted(release, tasks)),
        ("siblings", _found_as(s), _known_as(release)),
        ("networks", set(s.world.networks), networks),
        ("ranges", s.ranges(), set(own) - {"default"}),
        ("volumes", set(s.world.volumes), volumes),
        ("addresses", s.occupied(), {p.address for p in placements}),
        ("claims", s.claims(), {(c, record.live) for c in claims}),
    )
    return [
        f"{what}: {found} instead of {wanted}" for what, found, wanted in pairs if found != wanted
    ]


def _made_of(s: Site, tasks: set[str]) -> dict[str, str]:
    boxes = [b for b in s.world.of(APP) if not b.release and b.service not in tasks]
    return {box.service: box.labels[LABEL_CONFIG] for box in boxes}


def _wanted(release: Release | None, tasks: set[str]) -> dict[str, str]:
    """What each companion is to be made of."""
    found = companion_digests(release.spec, release.images, NAMING) if release else {}
    services = release.companions() if release else {}
    return {name: found[s.name] for name, s in services.items() if s.name not in tasks}


def _found_as(s: Site) -> set[tuple[str, str]]:
    """The releases' containers that siblings find, with the names they find them by."""
    return {(b.service, alias) for b in s.world.of(APP) for alias in b.networks.values() if alias}


def _known_as(release: Release | None) -> set[tuple[str, str]]:
    if release is None or "_default" not in release.spec.own_networks():
        return set()
    return {(placement.name, placement.service) for placement in release.placements}
