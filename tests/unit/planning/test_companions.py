from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cove.model.app import App, Dependency, EnvValue, File, Service
from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.acts import plan_start
from cove.planning.companions import changes
from cove.planning.observed import Observed
from cove.planning.planner import needs_gap, plan_rollout
from cove.planning.text import title
from cove.render.compose import companion_digests

from support.releases import DATA, NAMING, app, image, observed, release, route, web

HOLD = {"web": "10.201.0.9"}


def service(name: str, *needs: str, **given: Any) -> Service:
    """A companion that depends on others; `db:healthy` says on which condition."""
    parts = [need.partition(":") for need in needs]
    depends = tuple(Dependency(service=s, condition=c or "started") for s, _, c in parts)  # type: ignore[arg-type]
    return Service(**{"name": name, "image": "acme/shop:1", "depends_on": depends, **given})


def shop(**given: Any) -> App:
    """A web service that needs a database and a migration, and a worker beside it."""
    parts: dict[str, Any] = {"db": {}, "worker": {}, "web": {}, **given}
    return app(
        web(
            depends_on=(
                Dependency(service="db", condition="healthy"),
                Dependency(service="migrate", condition="completed"),
            ),
            **parts["web"],
        ),
        service("worker", "db", **parts["worker"]),
        service("migrate", "db:healthy"),
        service("db", mounts=(DATA,), **parts["db"]),
    )


def planned(new: App, live: App | None, **given: Any) -> list[str]:
    """The titles of the plan that makes `new` live in place of `live`."""
    look = observed(release(1, live), **given) if live else observed(**given)
    return [title(step) for step in plan(release(2 if live else 1, new), look).operations]


def plan(new: Release, look: Observed) -> op.Plan:
    """The plan, with a hold where there is a gap."""
    digests = companion_digests(new.spec, new.images, NAMING)
    gap = needs_gap(new.spec, new.images, look, digests)
    return plan_rollout(new, look, HOLD if gap and new.spec.routes else {}, digests)


def test_roles():
    """Who is released, who runs to an end, and who is needed follows from routes and needs."""
    spec = shop()
    assert [s.name for s in spec.released()] == ["web"]
    assert [s.name for s in spec.tasks()] == ["migrate"]
    assert [s.name for s in spec.companions()] == ["db", "migrate", "worker"]
    assert [s.name for s in spec.needed()] == ["db", "migrate"]


def test_the_first_deploy_starts_each_after_its_needs():
    """Database, migration, web, and the worker once the web service is live."""
    steps = planned(shop(), None)
    assert [s for s in steps if "network" not in s] == [
        "write the project with release 1",
        "start db",
        "run migrate to its end",
        "start release 1",
        "wait until release 1 is ready",
        "switch the routes to release 1",
        "start worker",
        "record release 1 as live",
        "remove images no release needs",
    ]


def test_a_new_image_of_the_web_service_touches_nothing_else():
    """Companions whose own configuration is the same are no part of the plan."""
    new = shop()
    steps = planned(new, shop())
    assert not [s for s in steps if "db" in s or "worker" in s]
    assert "run migrate to its end" in steps


def test_the_worker_follows_the_web_service():
    """It is replaced when the new web service has the requests, and before the record."""
    steps = planned(shop(worker={"options": {"command": ["work"]}}), shop())
    assert steps.index("drain release 1") < steps.index("replace worker")
    assert steps.index("replace worker") < steps.index("record release 2 as live")
    assert "hold new requests in the proxy" not in steps


def test_a_database_upgrade_is_a_step_of_its_own_while_requests_wait():
    """What the web service needs is replaced while nobody uses it and requests are held."""
    live = release(1, shop())
    new = release(2, shop())
    newer = image(reference="postgres:17", run="sha256:9", id="sha256:9")
    new = replace(new, images={**new.images, "db": newer})
    found = plan(new, observed(live))
    steps = [title(step) for step in found.operations]
    upgrade = next(s for s in found.operations if isinstance(s, op.ConvergeService))
    assert upgrade.service == "db"
    assert upgrade.cause == "its image changed: postgres:17"
    assert (upgrade.before, upgrade.release) == (1, 2)
    held = ["hold new requests in the proxy", "stop release 1", "replace db", "start release 2"]
    assert [s for s in steps if s in held] == held


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"options": {"command": ["x"]}}, "its configuration changed: command"),
        ({"environment": {"A": EnvValue("1", sensitive=True)}}, "its configuration changed: env"),
        (
            {"files": (File(target="/c", content=EnvValue("x", sensitive=True)),)},
            "its configuration changed: files",
        ),
        ({"replicas": 2}, "2 of it shall run"),
        ({"rollout": replace(web().rollout, timeout=99)}, ""),
    ],
)
def test_why_a_companion_changes(change, cause):
    """The plan names the keys that differ; what only cove acts on replaces nothing."""
    live, new = release(1, shop()), release(2, shop(worker=change))
    digests = companion_digests(new.spec, new.images, NAMING)
    found = changes(new.spec, new.images, observed(live), digests)
    assert [c.cause[: len(cause)] for c in found] == ([cause] if cause else [])


def test_a_companion_that_rests_is_started():
    """One that ended is brought back by the next rollout."""
    look = observed(release(1, shop()))
    resting = tuple(
        replace(c, state="exited") if c.service == "worker" else c for c in look.containers
    )
    steps = [
        title(s) for s in plan(release(2, shop()), replace(look, containers=resting)).operations
    ]
    assert "start worker" in steps


def test_a_start_lets_nobody_wait_for_a_worker():
    """What the release needs starts before it, the others once it has the requests."""
    live = release(1, shop())
    digests = companion_digests(live.spec, live.images, NAMING)
    found = plan_start(live, observed(live, stopped=True), digests)
    assert [title(s) for s in found.operations if "network" not in title(s)] == [
        "start db",
        "start release 1 again",
        "wait until release 1 is ready",
        "switch the routes to release 1",
        "start worker",
        "record that it is running",
    ]
    by_name = {s.service: s for s in found.operations if isinstance(s, op.ConvergeService)}
    assert (by_name["db"].settle, by_name["worker"].settle) == (0.0, 5.0)


def test_restart_with_the_sibling_it_depends_on():
    """`restart: true` brings the one that depends along."""
    needs = (Dependency(service="db", restart=True),)
    old = shop(worker={"depends_on": needs})
    new = shop(worker={"depends_on": needs}, db={"options": {"command": ["x"]}})
    live = release(1, old)
    digests = companion_digests(new, live.images, NAMING)
    found = changes(new, live.images, observed(live), digests)
    assert [(c.service.name, c.restart) for c in found] == [("db", False), ("worker", True)]


def test_volumes_belong_to_the_step_that_brings_them():
    """A failed first deploy takes its empty volumes away, each with what used it first."""
    found = plan(release(1, shop()), observed())
    volumes = {
        getattr(s, "service", "web"): s.new_volumes
        for s in found.operations
        if isinstance(s, op.ConvergeService | op.RunTask | op.StartRelease)
    }
    assert volumes == {"db": ("data",), "migrate": (), "web": (), "worker": ()}


def test_released_services_find_each_other():
    """Two with routes need the network of names as companions do; one alone does not."""
    api = route(service="api", path="/api")
    spec = app(web(), web(name="api"), routes=(route(), api))
    assert spec.own_networks() == {"default": False, "_default": True}
    assert app(web(replicas=2)).own_networks() == {"default": False}


def test_networks_are_made_once():
    """The default one, those of the file, and one in which siblings find what serves."""
    spec = shop()
    assert spec.own_networks() == {"default": False, "_default": True}
    assert [s for s in planned(spec, None) if "network" in s] == [
        "create the network 10.201.0.0/26",
        "create the network default for siblings: of its own",
    ]
    known = frozenset({"default", "_default"})
    assert not [s for s in planned(spec, shop(), networks=known) if "network" in s]


def test_what_left_the_file_is_said():
    """A companion that is no longer in the file goes at the end, and the plan says so."""
    found = plan(release(2, app()), observed(release(1, shop())))
    assert "db is no longer in the file and is removed at the end" in found.notes
    assert "volume data is no longer used; its data is kept" in found.notes


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("postgres:16", "postgres:15", "rolls db back to postgres:15 from postgres:16: data"),
        ("hub:5000/p:16.2-alpine", "hub:5000/p:16.1", "rolls db back to hub:5000/p:16.1 from"),
        ("postgres:15", "postgres:16", "db goes from postgres:15 to postgres:16 on the same"),
        ("postgres:16.1", "postgres:16", "db goes from postgres:16.1 to postgres:16 on"),
        ("postgres:9f1", "postgres:1a", "db goes from postgres:9f1 to postgres:1a on"),
        ("postgres:16", "mysql:9", "db goes from postgres:16 to mysql:9 on the same data"),
        ("postgres", "postgres", "db gets another image of postgres on the same data"),
    ],
)
def test_another_image_on_the_same_data_is_said(old, new, note):
    """Forwards, backwards, or nobody knows where: the data stays where it is."""
    live, wanted = release(1, shop()), release(2, shop())
    had = image(reference=old, run="sha256:8", id="sha256:8")
    has = image(reference=new, run="sha256:9", id="sha256:9")
    live = replace(live, images={**live.images, "db": had, "worker": had})
    wanted = replace(wanted, images={**wanted.images, "db": has, "worker": has})
    (found,) = plan(wanted, observed(live)).notes
    assert found.startswith(note)


def test_fewer_copies_are_said():
    """Nothing is replaced for it, and the plan tells all the same."""
    old, new = shop(worker={"replicas": 3}), shop(worker={"replicas": 1})
    found = plan(release(2, new), observed(release(1, old)))
    assert found.notes == ("2 of 3 copies of worker are removed at the end",)
    assert not [s for s in found.operations if isinstance(s, op.ConvergeService)]


def test_an_app_of_workers_only():
    """Without routes nothing is switched or drained; each service is changed in place."""
    spec = app(service("a"), service("b", "a"), routes=())
    steps = planned(spec, None)
    assert [s for s in steps if "network" not in s] == [
        "write the project with release 1",
        "start a",
        "start b",
        "record release 1 as live",
        "remove images no release needs",
    ]


def test_a_worker_with_data_that_gets_a_route_stops_first():
    """Its container of old has another name: nothing would replace it, and both would share."""
    keeper = service("keeper", mounts=(DATA,))
    old = app(web(), keeper)
    new = app(web(), keeper, routes=(route(), route(service="keeper", domain="k.test")))
    steps = planned(new, old)
    assert steps.index("stop release 1") < steps.index("stop its companions")
    assert steps.index("stop its companions") < steps.index("start release 2")
    assert "hold new requests in the proxy" in steps


def test_a_service_with_data_that_loses_its_route_stops_first():
    """It goes on as a companion only when its release has stopped."""
    keeper = service("keeper", mounts=(DATA,))
    old = app(web(), keeper, routes=(route(), route(service="keeper", domain="k.test")))
    steps = planned(app(web(), keeper), old)
    assert steps.index("stop release 1") < steps.index("start keeper")


def test_an_app_that_gives_up_all_its_routes_and_shares_data():
    """Nobody is held, as nobody will be answered: the routes are withdrawn first."""
    keeper = service("keeper", mounts=(DATA,))
    old = app(keeper, web(), routes=(route(service="keeper"),))
    steps = planned(app(keeper, web(), routes=()), old)
    order = ["withdraw the routes", "drain release 1", "stop release 1", "start keeper"]
    assert [s for s in steps if s in order] == order
