"""No request is lost while one release takes another's place: strict load, every answer checked."""

from __future__ import annotations

import pytest

from support.agent import Agent
from support.appfiles import app_file, host
from support.images import Images
from support.traffic import FULL, QUICK, Traffic

RATE = 150
# Longer than the longest answer of the load takes; a drain may cut what takes longer.
PATIENT = {"drain": "5s"}


def upgrade(agent: Agent, images: Images, name: str, protocol, **keys) -> Traffic:
    """Replace one release by another under load; the second answers before the load ends."""
    agent.deploy(app_file(name, images.hello, rollout=PATIENT, **keys)).expect("live")
    mix = QUICK if protocol == "h1s" else FULL
    with Traffic(agent.web, host(name), RATE, protocol, mix) as traffic:
        agent.deploy(app_file(name, images.second, rollout=PATIENT, **keys)).expect("live")
        traffic.more(50)
    return traffic


@pytest.mark.parametrize("protocol", ["h1", "h1s", "h2"])
def test_start_first_loses_nothing(agent, images, protocol):
    """The new release takes over beside the old one; every request is answered."""
    name = f"start-{protocol}"
    tls = "off" if protocol == "h1" else "auto"
    traffic = upgrade(agent, images, name, protocol, tls=tls)
    traffic.assert_lossless()
    assert set(traffic.report.versions) == {"dev", "second"}
    assert [c["Labels"]["cove.release"] for c in agent.owned.containers(name).values()] == ["2"]


@pytest.mark.parametrize("protocol", ["h1s", "h2"])
def test_stop_first_holds_requests(agent, images, protocol):
    """Where two copies must not run at once, requests wait for the new one and none fails."""
    name = f"stop-{protocol}"
    volumes = {"volumes": ["kept:/data"], "user": "root", "env": {"DATA_DIR": "/data"}}
    traffic = upgrade(agent, images, name, protocol, **volumes)
    traffic.assert_lossless()
    assert set(traffic.report.versions) == {"dev", "second"}
    assert agent.app(name)["order"] == "stop-first"


def test_two_copies_of_a_stop_first_app_never_run_at_once(agent, images):
    """A start that takes its time still finds the old release stopped, and requests wait for it."""
    name = "alone"
    keys = {"volumes": ["kept:/data"], "user": "root", "rollout": PATIENT}
    agent.deploy(app_file(name, images.hello, **keys)).expect("live")
    old = agent.owned.containers(name)
    with Traffic(agent.web, host(name), RATE) as traffic:
        slow = app_file(name, images.second, env={"START_DELAY": "1"}, **keys)
        rollout = agent.begin(slow)
        with agent.stream(f"/v1/rollouts/{rollout['id']}/events") as events:
            for event in events:
                if event["kind"] == "started" and event["index"] >= 0:
                    states = [c["State"] for c in agent.owned.containers(name).values()]
                    assert states.count("running") <= 1, states
        traffic.more(20)
    traffic.assert_lossless()
    assert not old.keys() & agent.owned.containers(name).keys()


def test_a_failed_stop_first_comes_back_with_its_data(agent, images):
    """The new release fails while requests wait: the old one answers them, its volume intact."""
    name = "comes-back"
    keys = {"volumes": ["kept:/data"], "rollout": PATIENT | {"timeout": "2s"}}
    agent.deploy(app_file(name, images.keeping, **keys)).expect("live")
    for _ in range(3):
        agent.web.get(host(name), "/count", "POST")
    before = agent.world(name)
    with Traffic(agent.web, host(name), RATE) as traffic:
        bad = app_file(name, images.keeping, env={"FAULT": "exit"}, **keys)
        agent.deploy(bad).expect("kept")
        traffic.more(50)
    traffic.assert_lossless()
    assert agent.web.get(host(name), "/count").text == "3\n"
    after = agent.world(name)
    # The same container, stopped and started, so its start is another one.
    assert after["containers"] == before["containers"]
    assert {**after, "apps": []} == {**before, "apps": []}


def test_restart_loses_nothing(agent, images):
    """A restart replaces the containers by equal ones under load."""
    name = "again"
    agent.deploy(app_file(name, images.hello, rollout=PATIENT)).expect("live")
    before = agent.owned.containers(name)
    with Traffic(agent.web, host(name), RATE) as traffic:
        agent.act(name, "restart").expect("live")
        traffic.more(50)
    traffic.assert_lossless()
    after = agent.owned.containers(name)
    assert len(after) == 1
    assert before.keys().isdisjoint(after)


def test_replicas_are_replaced_without_loss(agent, images):
    """Every replica of a service is replaced at once."""
    name = "several"
    keys = {"replicas": 2, "rollout": PATIENT}
    agent.deploy(app_file(name, images.hello, **keys)).expect("live")
    with Traffic(agent.web, host(name), RATE, "h2") as traffic:
        agent.deploy(app_file(name, images.second, **keys)).expect("live")
        traffic.more(50)
    traffic.assert_lossless()
    assert len(agent.owned.containers(name)) == 2


def test_a_rollback_under_load_loses_nothing(agent, images):
    """Going back is a rollout like any other."""
    name = "back"
    agent.deploy(app_file(name, images.hello, rollout=PATIENT)).expect("live")
    agent.deploy(app_file(name, images.second, rollout=PATIENT)).expect("live")
    with Traffic(agent.web, host(name), RATE) as traffic:
        agent.act(name, "rollback").expect("live")
        traffic.more(50)
    traffic.assert_lossless()
    assert agent.web.get(host(name)).version == "dev"
