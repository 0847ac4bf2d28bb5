"""Rollouts to break at every moment, and what must hold whatever became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cove.errors import CoveError
from cove.model.events import Rollout

from support.site import APP, NAMING, Site, request, site
from support.virtual_time import run
from support.world import Killed

Begin = Callable[[Site], Rollout]
DATA = "volumes: [data:/data]\n"
REPLICAS = "replicas: 2\n"


def _deploy(text: str, image: int) -> Begin:
    return lambda s: s.rollouts.deploy(request(text, f"acme/shop:{image}"))


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
        "a network": s.world.networks.get(NAMING.network(APP)),
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
    claims = {c for r in (release.spec.routes if release else ()) for c in r.claims()}
    volumes = {
        NAMING.volume(APP, m.source)
        for service in (release.spec.services if release else ())
        for m in service.mounts
    }
    state = "exited" if record.stopped else "running"
    serving = {f"r{record.live}"} if record.live and not record.stopped else {"none"}
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("answers", s.world.answers(APP), serving),
        (
            "containers",
            sorted((b.service, b.state, b.address, sorted(b.extra)) for b in s.world.of(APP)),
            sorted((p.name, state, p.address, []) for p in placements),
        ),
        (
            "project",
            set(s.world.files.get(APP, {}).get("services", ())),
            {p.name for p in placements},
        ),
        ("network", NAMING.network(APP) in s.world.networks, release is not None),
        ("volumes", set(s.world.volumes), volumes),
        ("addresses", s.occupied(), {p.address for p in placements}),
        ("claims", s.claims(), {(c, record.live) for c in claims}),
    )
    return [
        f"{what}: {found} instead of {wanted}" for what, found, wanted in pairs if found != wanted
    ]
