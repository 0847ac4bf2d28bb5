"""Commands before a release, and names that nobody answers to."""

from __future__ import annotations

from typing import TypeVar

import pytest

from cove.model.app import App, Dependency, RolloutPolicy, Service
from cove.planning import operations as op
from cove.planning.acts import plan_start
from cove.planning.planner import plan_rollout
from cove.planning.text import title

from support.releases import DATA, app, observed, release, route, web

Kind = TypeVar("Kind", bound=op.Operation)
MIGRATES = RolloutPolicy(before=("migrate",), before_timeout=30.0)
HOLD = {"web": "10.201.0.9"}
ROUTES = (route(), route(domain="api.test", service="api"))


def pair(**given: object) -> App:
    """A web service that calls another with a domain."""
    needs = (Dependency(service="api", condition="healthy"),)
    return app(
        web(depends_on=needs, **given), Service(name="api", image="acme/api:1"), routes=ROUTES
    )


def steps(plan: op.Plan, kind: type[Kind]) -> list[Kind]:
    """Its operations of a kind."""
    return [one for one in plan.operations if isinstance(one, kind)]


def order(plan: op.Plan) -> list[str]:
    """The titles of what concerns releases and their commands."""
    kinds = (op.RunBefore, op.StopRelease, op.StartRelease, op.Confirm, op.ConvergeService)
    return [title(step) for step in plan.operations if isinstance(step, kinds)]


def test_a_command_runs_while_the_old_release_serves():
    """In start-first nothing has been touched when it runs."""
    spec = app(web(rollout=MIGRATES, replicas=2))
    plan = plan_rollout(release(2, spec), observed(release(1)), {})
    assert order(plan) == [
        "run the before command of web",
        "start release 2",
        "record release 2 as live",
    ]
    (step,) = steps(plan, op.RunBefore)
    assert (step.limit, step.releases) == (30.0, (1, 2))
    assert step.cause == "release 2 must not start before it has ended"


def test_a_command_has_the_data_for_itself():
    """In stop-first the old release has stopped, and the command's volumes are undone with it."""
    spec = app(web(rollout=MIGRATES, mounts=(DATA,)))
    plan = plan_rollout(release(2, spec), observed(release(1)), HOLD)
    assert order(plan) == [
        "stop release 1",
        "run the before command of web",
        "start release 2",
        "record release 2 as live",
    ]
    assert steps(plan, op.RunBefore)[0].new_volumes == ("data",)
    assert steps(plan, op.StartRelease)[0].new_volumes == ()


def test_a_command_finds_what_the_release_needs():
    """A database runs before it, and everything it needs is in the project."""
    needs = (Dependency(service="db", condition="healthy"),)
    spec = app(web(rollout=MIGRATES, depends_on=needs), Service(name="db", image="acme/db:1"))
    plan = plan_rollout(release(1, spec), observed(), {})
    assert order(plan)[:3] == ["start db", "run the before command of web", "start release 1"]
    assert steps(plan, op.RunBefore)[0].companions == {"db": 1}


def test_commands_of_several_services():
    """One after another, those that others depend on first."""
    spec = pair(rollout=MIGRATES)
    spec = app(
        spec.service("web"),
        Service(name="api", image="acme/api:1", rollout=MIGRATES),
        routes=ROUTES,
    )
    plan = plan_rollout(release(1, spec), observed(), {})
    assert [step.service for step in steps(plan, op.RunBefore)] == ["api", "web"]


def test_what_was_a_release_before_runs_no_command():
    """A rollback or restart starts it as it was."""
    spec = app(web(rollout=MIGRATES))
    plan = plan_rollout(release(3, spec), observed(release(2)), {}, before=False)
    assert steps(plan, op.RunBefore) == []


@pytest.mark.parametrize(
    ("old", "new", "hold", "named"),
    [
        (None, pair(), {}, ("web", "api")),
        (pair(), pair(), {}, ()),
        (pair(mounts=(DATA,)), pair(mounts=(DATA,)), HOLD, ("web", "api")),
        (app(), pair(), {}, ("web", "api")),
        (app(web(), Service(name="db", image="acme/db:1")), pair(), {}, ("api",)),
        (app(web(), Service(name="api", image="acme/api:1")), pair(), {}, ()),
        (app(), app(), {}, ()),
    ],
    ids=[
        "first deploy",
        "upgrade",
        "stop-first",
        "nobody had a name",
        "one more",
        "a companion has the name",
        "no siblings",
    ],
)
def test_names_given_at_the_start(old, new, hold, named):
    """Those that nobody answers to then, and no others."""
    seen = observed(release(1, old)) if old else observed()
    plan = plan_rollout(release(2, new), seen, hold)
    assert steps(plan, op.StartRelease)[0].named == named


def test_names_of_a_start():
    """A stopped app whose containers are gone gets its names with new ones."""
    live = release(1, pair())
    plan = plan_start(live, observed(live, stopped=True, containers=()))
    assert [step.named for step in steps(plan, op.StartRelease)] == [("web", "api")]
