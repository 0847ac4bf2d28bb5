"""What happened on the server: from rollouts, from Docker and from the agent, none twice."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from support.agent import BIN, Agent, ApiError
from support.appfiles import app_file
from support.engine import docker
from support.polling import until


def happened(agent: Agent, app: str) -> list[str]:
    """All there is of an app."""
    with agent.stream("/v1/events", app=app, tail=-1) as lines:
        return [str(line["text"]) for line in lines]


def container(agent: Agent, app: str) -> str:
    """Its only container."""
    (name,) = agent.owned.containers(app)
    return str(name)


def test_a_rollout_and_a_death_are_told(agent, images):
    """Begin and end of the deploy; then a kill that nobody announced, and the start after it."""
    agent.deploy(app_file("told", images.hello)).expect("live")
    assert happened(agent, "told")[0] == "a deploy began, by test"
    assert happened(agent, "told")[-1] == "release 1 is live"
    name = container(agent, "told")
    # Docker's word on what the rollout did itself comes within this time.
    until(lambda: _later(agent, "told"), "the rollout is over for good")
    docker("exec", name, "python3", "-c", "import os; os.kill(1, 15)")
    until(lambda: "told-r1 was started again" in happened(agent, "told"), "the restart is told")
    assert happened(agent, "told")[-2:] == [
        "told-r1 ended with status 0",
        "told-r1 was started again",
    ]


def _later(agent: Agent, app: str) -> bool:
    (rollout,) = agent.api("GET", "/v1/rollouts", app=app, limit=1)["rollouts"]
    return time.time() > float(rollout["ended_at"]) + 2.5


def test_what_an_owner_asks_for_is_no_death(agent, images):
    """Stop, start, restart and remove end containers, and only rollouts tell of it."""
    agent.deploy(app_file("asked", images.hello)).expect("live")
    agent.act("asked", "stop").expect("done")
    agent.act("asked", "start").expect("live")
    agent.act("asked", "remove").expect("done")
    agent.deploy(app_file("other", images.hello)).expect("live")
    with agent.stream("/v1/events", tail=-1) as lines:
        kinds = {(line["app"], line["kind"]) for line in lines}
    assert ("asked", "outcome") in kinds
    assert ("asked", "container") not in kinds


def test_following_loses_and_repeats_nothing_over_a_restart(agent, images):
    """One `cove events -f` across kill -9 and a new agent has every number once."""
    agent.deploy(app_file("steady", images.hello)).expect("live")
    follower = subprocess.Popen(
        [str(BIN / "cove"), "events", "steady", "-f", "-n", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=agent.environment,
    )
    try:
        assert follower.stdout
        assert "release 1 is live" in follower.stdout.readline()
        agent.act("steady", "stop").expect("done")
        first = [follower.stdout.readline()]
        while '"outcome"' not in first[-1]:
            first.append(follower.stdout.readline())
        agent.kill9()
        agent.start()
        agent.act("steady", "start").expect("live")
        second = [follower.stdout.readline()]
        while '"outcome"' not in second[-1]:
            second.append(follower.stdout.readline())
    finally:
        follower.send_signal(2)
        follower.communicate(timeout=30)
    got = [json.loads(line)["seq"] for line in first + second]
    with agent.stream("/v1/events", app="steady", tail=-1) as lines:
        all_of_it = [line["seq"] for line in lines]
    assert got == [seq for seq in all_of_it if got[0] <= seq <= got[-1]]
    assert follower.returncode == 0


def test_a_death_while_no_agent_runs_is_told_afterwards(agent, images):
    """Docker remembers, and the agent asks from where its records end."""
    agent.deploy(app_file("alone", images.hello)).expect("live")
    until(lambda: _later(agent, "alone"), "the rollout is over for good")
    name = container(agent, "alone")
    agent.kill9()
    docker("exec", name, "python3", "-c", "import os; os.kill(1, 15)")
    agent.start()
    until(lambda: "alone-r1 ended with status 0" in happened(agent, "alone"), "the death is told")
    assert happened(agent, "alone").count("alone-r1 ended with status 0") == 1
    agent.restart()
    assert happened(agent, "alone").count("alone-r1 ended with status 0") == 1


@pytest.mark.parametrize("query", [{"tail": "-2"}, {"since": "x"}, {"after": "-1", "follow": 1}])
def test_bad_queries_are_refused(agent, query):
    """422, and the agent goes on."""
    with pytest.raises(ApiError) as caught:
        agent.api("GET", "/v1/events", **query)
    assert caught.value.status == 422


def test_an_app_that_never_was_is_told_with_the_nearest(agent, images):
    """An app that was removed still has its past."""
    agent.deploy(app_file("nearby", images.hello)).expect("live")
    said = agent.cove("events", "neraby")
    assert (said.code, "did you mean nearby?" in said.err) == (2, True)
    agent.act("nearby", "remove").expect("done")
    assert "it is removed" in agent.cove("events", "nearby").out
