"""Apps of several services on the real parts: web, worker, migration and a database with data."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress

import pytest

from support.agent import Agent, ApiError
from support.appfiles import host
from support.engine import docker, get
from support.family import beats, container, family_file, mark, marked, upgraded
from support.polling import until
from support.traffic import FULL, Traffic

RATE = 40
UPGRADES = 3


@pytest.fixture
def name(agent: Agent) -> Iterator[str]:
    """A family's name; the family is gone afterwards, as it works without end."""
    found = f"family-{secrets.token_hex(3)}"
    yield found
    with suppress(ApiError):  # a test may have removed it
        agent.act(found, "remove", volumes=True)


def test_upgrades_of_a_family_lose_nothing(agent, name):
    """Web and worker are replaced again and again; the database is not even restarted."""
    traffic = upgraded(agent, name, UPGRADES, RATE)
    traffic.assert_lossless()
    assert set(traffic.report.versions) == {"1", "2"}
    found = get(f"/containers/{container(agent, name, 'db')['Id']}/json")
    assert found["RestartCount"] == 0
    recorded = beats(agent, name)
    assert set(recorded) == {"1", "2"}


def test_one_companion_is_restarted_alone(agent, name):
    """A fresh container of the worker, and of nothing else; the database's data stays."""
    agent.deploy(family_file(name, "1")).expect("live")
    mark(agent, name, "kept")
    services = ("web", "worker", "db")
    before = {service: container(agent, name, service)["Id"] for service in services}
    for service in ("worker", "db"):
        said = agent.cove("restart", name, service)
        assert said.code == 0, said.err
    after = {service: container(agent, name, service)["Id"] for service in services}
    assert [s for s in services if before[s] != after[s]] == ["worker", "db"]
    # The web service had a connection to the old one, and finds out with its first answer.
    until(lambda: marked(agent, name) == ["kept"], "what was written is there")
    assert agent.cove("restart", name, "nobody").code == 2


def test_siblings_find_the_release_that_serves(agent, name):
    """The worker reaches the web service by its name, before, during and after an upgrade."""
    agent.deploy(family_file(name, "1")).expect("live")
    until(lambda: beats(agent, name).get("1", (0, 0))[0] > 5, "the worker has visited")
    agent.deploy(family_file(name, "2")).expect("live")
    until(lambda: beats(agent, name).get("2", (0, 0))[0] > 5, "the new worker has visited")
    assert {failed for _, failed in beats(agent, name).values()} == {0}


def test_a_database_upgrade_is_a_step_of_its_own(agent, name):
    """It is named in the plan; requests wait while it happens; what was written is there."""
    agent.deploy(family_file(name, "1")).expect("live")
    before = container(agent, name, "db")["Id"]
    mark(agent, name, "kept")
    with Traffic(agent.web, host(name), RATE, "h1s", FULL) as traffic:
        ended = agent.deploy(family_file(name, "1", database="2")).expect("live")
        traffic.more(50)
    traffic.assert_lossless()
    (plan,) = [event for event in ended.events if event["kind"] == "plan"]
    (step,) = [s for s in plan["data"]["operations"] if s["title"] == "replace db"]
    assert step["cause"].startswith("its image changed")
    assert container(agent, name, "db")["Id"] != before
    assert marked(agent, name) == ["kept"]


def test_a_broken_database_upgrade_is_undone(agent, name):
    """The database that does not start gives way to the one before, and requests have waited."""
    agent.deploy(family_file(name, "1")).expect("live")
    mark(agent, name, "kept")
    broken = {"command": ["sh", "/app/db.sh", "-c", "no_such_setting=1"]}
    with Traffic(agent.web, host(name), RATE, "h1s", FULL) as traffic:
        ended = agent.deploy(family_file(name, "1", db=broken)).expect("kept")
        traffic.more(50)
    traffic.assert_lossless()
    assert ended.error["code"] == "exited"
    assert any("no_such_setting" in line for line in ended.error["log"])
    assert marked(agent, name) == ["kept"]
    assert agent.app(name)["state"] == "running"


def test_a_failed_migration_refuses_the_release(agent, name):
    """Its last words are the error; the old release has never stopped."""
    agent.deploy(family_file(name, "1")).expect("live")
    failing = {"command": ["sh", "-c", "echo cannot migrate; exit 3"]}
    with Traffic(agent.web, host(name), RATE, "h1s", FULL) as traffic:
        ended = agent.deploy(family_file(name, "2", migrate=failing)).expect("kept")
        traffic.more(20)
    traffic.assert_lossless()
    assert ended.error["code"] == "task-failed"
    assert ended.error["log"] == ["cannot migrate"]
    assert set(traffic.report.versions) == {"1"}


def test_a_broken_worker_takes_the_release_back(agent, name):
    """A worker that ends at once is found out, and web and worker are what they were."""
    agent.deploy(family_file(name, "1")).expect("live")
    failing = {"command": ["sh", "-c", "sleep 0.5; echo no work; exit 4"], "restart": "no"}
    with Traffic(agent.web, host(name), RATE, "h1s", FULL) as traffic:
        ended = agent.deploy(family_file(name, "2", worker=failing)).expect("kept")
        traffic.more(20)
    traffic.assert_lossless()
    assert ended.error["log"] == ["no work"]
    worker = get(f"/containers/{container(agent, name, 'worker')['Id']}/json")
    assert worker["State"]["Running"]
    assert "VERSION=1" in worker["Config"]["Env"]


def test_stop_and_start_keep_the_data(agent, name):
    """Everything rests and comes back in order; the data is what it was."""
    agent.deploy(family_file(name, "1")).expect("live")
    mark(agent, name, "kept")
    agent.act(name, "stop").expect("done")
    states = {c["State"] for c in agent.owned.containers(name).values()}
    assert states == {"exited"}
    agent.act(name, "start").expect("live")
    assert marked(agent, name) == ["kept"]


@pytest.mark.parametrize("how", ["removed", "stopped"])
def test_what_is_taken_away_by_hand_comes_back(agent, name, how):
    """A container that somebody removes or stops is noticed and brought back, data and all."""
    agent.deploy(family_file(name, "1")).expect("live")
    mark(agent, name, "kept")
    for service in ("worker", "db", "web"):
        victim = container(agent, name, service)["Id"]
        docker(*(("rm", "-f") if how == "removed" else ("stop", "-t", "3")), victim)

    def back() -> bool:
        found = agent.owned.containers(name).values()
        running = {c["Labels"]["cove.service"] for c in found if c["State"] == "running"}
        return running == {"web", "worker", "db"}

    until(back, "everything runs again", 60)
    until(lambda: marked(agent, name) == ["kept"], "the app answers with its data", 30)


def ids(agent: Agent, name: str) -> dict[str, str]:
    """The companions' containers, by Compose service."""
    found = agent.owned.containers(name).values()
    labels = [(c["Labels"], c["Id"]) for c in found if c["Labels"]["cove.service"] in KEPT]
    return {own["com.docker.compose.service"]: id_ for own, id_ in labels}


KEPT = ("db", "worker")


def test_routes_and_copies_come_and_go_and_the_database_stays(agent, name):
    """Neither a first route, nor its end, nor another number of workers replaces a companion."""
    inside = {"x-cove": {"rollout": {"settle": "1s", "drain": "5s", "timeout": "60s"}}}
    agent.deploy(family_file(name, "1", web=inside)).expect("live")
    before = ids(agent, name)
    agent.deploy(family_file(name, "1")).expect("live")
    assert ids(agent, name) == before
    until(lambda: beats(agent, name).get("1", (0, 0))[0] > 5, "the worker visits by name")
    agent.deploy(family_file(name, "1", worker={"scale": 2})).expect("live")
    more = ids(agent, name)
    assert more.keys() - before.keys() == {"worker-2"}
    assert before.items() < more.items()
    agent.deploy(family_file(name, "1")).expect("live")
    assert ids(agent, name) == before
    assert len(agent.owned.networks(name)) == 2
    agent.deploy(family_file(name, "1", web=inside)).expect("live")
    assert ids(agent, name) == before
    assert len(agent.owned.networks(name)) == 1


def test_a_network_that_one_container_lost_is_noticed(agent, name):
    """Each network of the database in turn: it stays as it is and is found by its name again."""
    agent.deploy(family_file(name, "1")).expect("live")
    mark(agent, name, "kept")
    before = container(agent, name, "db")["Id"]

    def networks() -> set[str]:
        found = get(f"/containers/{before}/json")["NetworkSettings"]["Networks"]
        return set(found)

    every = networks()
    assert len(every) == 2
    for network in sorted(every):
        docker("network", "disconnect", "--force", network, before)
        until(lambda: networks() == every, "it is back in its network", 60)
        until(lambda: marked(agent, name) == ["kept"], "the app finds its data", 30)
    assert container(agent, name, "db")["Id"] == before


def test_removal_leaves_nothing(agent, name):
    """Containers, networks, volumes and the app's folder with its files are gone."""
    agent.deploy(family_file(name, "1")).expect("live")
    agent.act(name, "remove", volumes=True).expect("done")
    assert agent.owned.containers(name) == {}
    assert agent.owned.networks(name) == set()
    assert agent.owned.volumes(name) == set()
