from __future__ import annotations

from typing import TypeVar

from cove.model.app import PublishedPort
from cove.planning import operations as op
from cove.planning.acts import plan_remove, plan_start, plan_stop
from cove.planning.planner import needs_gap, plan_rollout
from cove.planning.text import render

from support.releases import DATA, SLOW, SUBNET, app, observed, release, route, web

Kind = TypeVar("Kind", bound=op.Operation)
BOTH = " 1  write the project with releases 1 and 2 because"
HOLD = {"web": "10.201.0.9"}


def lines(plan: op.Plan) -> list[str]:
    """The plan as people read it."""
    return render(plan).splitlines()


def step(plan: op.Plan, kind: type[Kind]) -> Kind:
    """Its only operation of a kind."""
    (found,) = [one for one in plan.operations if isinstance(one, kind)]
    return found


def titles(plan: op.Plan) -> list[str]:
    """Its operations without their causes, the pivot marked."""
    return [
        line[2:].partition(" because ")[0] for line in lines(plan) if line[:2].strip().isdigit()
    ]


def test_nothing_is_said_to_run_side_by_side_that_does_not():
    """Services that are replaced in place never have a second copy."""
    beside = app(web(name="db"), web(name="worker"), routes=())
    plan = plan_rollout(release(2, beside), observed(release(1, beside)), {})
    assert lines(plan)[0] == f"{BOTH} deploy of acme/shop:1"
    routed = app(web(name="db"), web())
    plan = plan_rollout(release(2, routed), observed(release(1, beside)), {})
    assert "side by side" not in render(plan)
    assert "serves meanwhile" not in render(plan)


def test_first_deploy():
    """An app that nothing is known of gets its network, and its routes once it is ready."""
    plan = plan_rollout(release(), observed(), {})
    assert lines(plan) == [
        f" 1  create the network {SUBNET} because every app has a private network",
        " 2  write the project with release 1 because deploy of acme/shop:1",
        " 3  start release 1 because nothing serves yet",
        " 4  wait until release 1 is ready because only a release that answers may serve",
        " 5  switch the routes to release 1 because it is ready",
        " 6* record release 1 as live because it serves",
        " 7  remove images no release needs because the last 5 releases stay",
    ]


def test_start_first():
    """The old release serves until the new one has taken the routes and what it began is done."""
    plan = plan_rollout(release(2), observed(release(1)), {})
    assert lines(plan) == [
        f"{BOTH} both run side by side until release 2 serves",
        " 2  start release 2 because release 1 serves meanwhile",
        " 3  wait until release 2 is ready because only a release that answers may serve",
        " 4  switch the routes to release 2 because it is ready",
        " 5  drain release 1 because requests in flight finish",
        " 6* record release 2 as live because it serves",
        " 7  remove the containers of release 1 because it serves no longer",
        " 8  remove images no release needs because the last 5 releases stay",
    ]


def test_stop_first():
    """Requests wait in the proxy while one copy goes and the next comes."""
    spec = app(web(mounts=(DATA,)))
    plan = plan_rollout(release(2, spec), observed(release(1, spec)), HOLD)
    assert lines(plan) == [
        f"{BOTH} release 1 can come back until release 2 serves",
        " 2  hold new requests in the proxy because two copies of web must not run at once",
        " 3  drain release 1 because requests in flight finish before it stops",
        " 4  stop release 1 because its volumes and ports must be free",
        " 5  start release 2 because release 1 has stopped",
        " 6  wait until release 2 is ready because only a release that answers may serve",
        " 7  let the held requests through to release 2 because it is ready, and requests wait",
        " 8  switch the routes to release 2 because it is ready",
        " 9  end the hold because nobody waits any more",
        "10  wait until release 2 is ready because it must stay up with traffic",
        "11* record release 2 as live because it serves",
        "12  remove the containers of release 1 because it serves no longer",
        "13  remove images no release needs because the last 5 releases stay",
    ]


def test_stop_first_knows_both_releases():
    """What is undone leads back to the old release; requests wait at the new one's ports."""
    spec = app(web(mounts=(DATA,)))
    plan = plan_rollout(release(2, spec), observed(release(1, spec)), HOLD)
    held, admitted = step(plan, op.HoldRequests), step(plan, op.AdmitHeld)
    assert (held.release, held.candidate, held.hold) == (1, 2, HOLD)
    assert (admitted.release, admitted.before) == (2, 1)


def test_who_needs_a_hold():
    """A shared volume or host port stops first, but only where something serves."""
    volume, port = web(mounts=(DATA,)), web(ports=(PublishedPort(published=25, target=25),))
    serving = observed(release(1))
    assert not needs_gap(app(), {}, serving, {})
    assert needs_gap(app(volume), {}, serving, {})
    assert needs_gap(app(port), {}, serving, {})
    both = (route(service="a"), route(service="b", path="/b"))
    spec = app(web(name="a"), web(name="b", mounts=(DATA,)), routes=both)
    assert needs_gap(spec, {}, serving, {})
    assert not needs_gap(app(volume), {}, observed(), {})
    assert not needs_gap(app(volume), {}, observed(release(1), stopped=True), {})


def test_several_services_take_the_longest_times():
    """One slow service makes the whole app wait."""
    routes = (route(), route(service="api", path="/api"))
    spec = app(web(), web(name="api", rollout=SLOW), routes=routes)
    plan = plan_rollout(release(2, spec), observed(release(1, spec)), {})
    assert step(plan, op.AwaitReady).settle == 7
    assert step(plan, op.Drain).limit == 30
    assert step(plan, op.Drain).watch == 2


def test_an_app_without_routes_is_not_drained():
    """Nobody reaches it, so nobody is waited for."""
    spec = app(routes=())
    plan = plan_rollout(release(2, spec), observed(release(1, spec)), {})
    assert titles(plan) == [
        "  write the project with releases 1 and 2",
        "  start release 2",
        "  wait until release 2 is ready",
        "* record release 2 as live",
        "  remove the containers of release 1",
        "  remove images no release needs",
    ]


def test_an_app_that_gives_up_its_routes_is_drained():
    """The last requests of the old release finish although the new one has no routes."""
    plan = plan_rollout(release(2, app(routes=())), observed(release(1)), {})
    assert "  drain release 1" in titles(plan)


def test_deploy_of_a_stopped_app():
    """It starts as if nothing served; what rested goes once the new release is live."""
    plan = plan_rollout(release(2), observed(release(1), stopped=True), {})
    assert titles(plan) == [
        "  write the project with releases 1 and 2",
        "  start release 2",
        "  wait until release 2 is ready",
        "  switch the routes to release 2",
        "* record release 2 as live",
        "  remove the containers of release 1",
        "  remove images no release needs",
    ]
    assert plan.before == 0


def test_only_volumes_that_come_into_being_are_undone():
    """A volume that holds data already is never taken away by a failure."""
    spec = app(web(mounts=(DATA,)))
    fresh = plan_rollout(release(1, spec), observed(), {})
    known = plan_rollout(release(1, spec), observed(volumes=frozenset({"data"})), {})
    assert step(fresh, op.StartRelease).new_volumes == ("data",)
    assert step(known, op.StartRelease).new_volumes == ()


def test_stop():
    """Routes first, so that nobody is cut off; the record before the containers."""
    assert titles(plan_stop(release(1), observed(release(1)))) == [
        "* withdraw the routes",
        "  drain release 1",
        "  record that it is stopped",
        "  stop release 1",
    ]


def test_stop_without_routes():
    """Without routes the record comes first."""
    spec = app(routes=())
    plan = plan_stop(release(1, spec), observed(release(1, spec)))
    assert titles(plan) == ["* record that it is stopped", "  stop release 1"]


def test_stop_of_a_stopped_app():
    """To stop what rests cannot be undone: that would start it."""
    plan = plan_stop(release(1), observed(release(1), stopped=True))
    assert (titles(plan), plan.pivot) == (["  stop release 1"], -1)


def test_start():
    """The kept containers come back, and the routes when they answer."""
    assert titles(plan_start(release(1), observed(release(1), stopped=True))) == [
        "  start release 1 again",
        "  wait until release 1 is ready",
        "  switch the routes to release 1",
        "* record that it is running",
    ]


def test_start_without_containers():
    """Containers that are gone are made again, from a project that is written again."""
    plan = plan_start(
        release(1), observed(release(1), stopped=True, containers=(), networks=frozenset())
    )
    assert titles(plan)[:3] == [
        f"  create the network {SUBNET}",
        "  write the project with release 1",
        "  start release 1",
    ]


def test_start_with_some_containers():
    """One container that is gone is reason enough to make what is missing."""
    spec = app(web(replicas=2))
    whole = observed(release(1, spec), stopped=True)
    some = observed(release(1, spec), stopped=True, containers=whole.containers[:1])
    assert "  start release 1 again" in titles(plan_start(release(1, spec), whole))
    assert "  start release 1" in titles(plan_start(release(1, spec), some))


def test_start_of_a_running_app_takes_nothing_away():
    """A start that fails or is cancelled must not stop what serves."""
    plan = plan_start(release(1), observed(release(1)))
    assert plan.pivot == -1
    assert titles(plan)[-1] == "  switch the routes to release 1"


def test_remove_keeps_data():
    """Volumes stay unless asked for."""
    spec = app(web(mounts=(DATA,)))
    assert titles(plan_remove("shop", observed(release(1, spec)), volumes=False)) == [
        "* withdraw the routes",
        "  drain release 1",
        "  record that it is stopped",
        "  remove its containers",
        "  remove its networks",
        "  remove images no release needs",
        "  forget the app",
    ]


def test_remove_with_volumes():
    """With the data when that is asked for; names in order."""
    look = observed(release(1), volumes=frozenset({"uploads", "data"}))
    plan = plan_remove("shop", look, volumes=True)
    assert "  delete the volumes data, uploads" in titles(plan)
    assert "  delete the volumes" not in titles(plan_remove("shop", observed(), volumes=True))


def test_remove_of_what_does_not_serve():
    """Nothing is undone where nothing served: it could only be half-removed."""
    stopped = plan_remove("shop", observed(release(1), stopped=True), volumes=False)
    never = plan_remove("shop", observed(networks=frozenset({"default"})), volumes=False)
    assert stopped.pivot == never.pivot == -1
    assert titles(never)[0] == "  remove its containers"


def test_remove_without_routes():
    """What is begun stays begun: the record says so before the first container goes."""
    spec = app(routes=())
    plan = plan_remove("shop", observed(release(1, spec)), volumes=False)
    assert titles(plan)[:2] == ["* record that it is stopped", "  remove its containers"]


def test_notes():
    """Opened ports and volumes that are no longer used are said before anything happens."""
    port = PublishedPort(published=2525, target=25)
    new = app(web(ports=(port,)), routes=(route(),))
    plan = plan_rollout(release(2, new), observed(release(1, app(web(mounts=(DATA,))))), HOLD)
    assert lines(plan)[-2:] == [
        "note: web opens port 2525/tcp of this machine to everyone",
        "note: volume data is no longer used; its data is kept",
    ]
