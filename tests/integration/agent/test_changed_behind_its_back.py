"""What somebody does to Docker behind cove's back is repaired, or told with what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.agent import Agent
from support.appfiles import app_file, host
from support.engine import docker, image
from support.polling import until

BACK = 90.0  # seconds: two looks, each of them ten seconds after the last


def only(agent: Agent, name: str) -> str:
    """The name of an app's only container."""
    (one,) = agent.owned.containers(name)
    return one


def network_cut(agent: Agent, name: str) -> None:
    """Takes the container out of its network and deletes the network."""
    (network,) = agent.owned.networks(name)
    docker("network", "disconnect", "--force", network, only(agent, name))
    docker("network", "rm", network)


def stopped_without_network(agent: Agent, name: str) -> None:
    """Stops the container, whose network can be deleted then."""
    docker("stop", "--time", "3", only(agent, name))
    docker("network", "rm", *agent.owned.networks(name))


def renamed(agent: Agent, name: str) -> None:
    """Gives the container another name and stops it."""
    docker("rename", only(agent, name), f"{only(agent, name)}-x")
    docker("stop", "--time", "3", only(agent, name))


def removed(agent: Agent, name: str) -> None:
    """Removes the container and its network."""
    docker("rm", "--force", only(agent, name))
    docker("network", "rm", *agent.owned.networks(name))


WAYS = {"cut off": network_cut, "at rest": stopped_without_network, "renamed": renamed}
WAYS |= {"removed": removed}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("agent_runs", [True, False], ids=["seen", "while the agent was down"])
def test_it_comes_back(agent, images, way, agent_runs):
    """The app answers again, from one container in one network."""
    name = f"back-{way.replace(' ', '-')}-{'up' if agent_runs else 'down'}"
    agent.deploy(app_file(name, images.hello)).expect("live")
    if not agent_runs:
        agent.kill9()
    WAYS[way](agent, name)
    if not agent_runs:
        agent.start()
    until(lambda: agent.app(name)["state"] == "running" and answers(agent, name), "all well", BACK)
    assert len(agent.owned.containers(name)) == 1
    assert len(agent.owned.networks(name)) == 1
    agent.deploy(app_file(name, images.second)).expect("live")
    agent.act(name, "remove").expect("done")


def answers(agent: Agent, name: str) -> bool:
    """Whether the app does."""
    return agent.web.get(host(name)).status == 200


def troubled(agent: Agent, name: str, says: str) -> Callable[[], bool]:
    """Whether `cove status` says so."""
    return lambda: says in agent.cove("status").out


def test_a_lost_image_is_told(agent, images):
    """Gone with its container and in no registry: the status says so and what to do, calmly."""
    name = "imageless"
    own = "cove-test/imageless:1"
    container = docker("create", "--pull", "never", images.hello)
    docker("commit", "--change", "ENV VERSION=imageless", container, own)
    docker("rm", container)
    agent.deploy(app_file(name, own)).expect("live")
    docker("rm", "--force", only(agent, name))
    made = image(own)
    assert made
    docker("rmi", "--force", made["Id"])
    until(troubled(agent, name, f"{own} of that release was only on this machine"), "told", BACK)
    assert "build or load it again, then deploy" in agent.cove("status", name).out
    assert agent.app(name)["state"] == "down"
    assert agent.said().count(f"{name} could not be restored") == 1
    agent.deploy(app_file(name, images.hello)).expect("live")
    until(lambda: not agent.app(name)["problem"], "all well", BACK)


def test_a_lost_volume_is_told_and_not_made_anew(agent, images):
    """An empty volume in its place would look as if all were well; `cove restart` accepts it."""
    name = "volumeless"
    agent.deploy(app_file(name, images.hello, volumes=["data:/data"])).expect("live")
    (volume,) = agent.owned.volumes(name)
    docker("rm", "--force", only(agent, name))
    docker("volume", "rm", volume)
    until(troubled(agent, name, f"the volume {volume} is gone"), "the status tells", BACK)
    assert agent.owned.volumes(name) == set()
    assert f"cove restart {name}" in agent.cove("status", name).out
    agent.act(name, "restart").expect("live")
    assert answers(agent, name)
    until(lambda: not agent.app(name)["problem"], "all well", BACK)


@pytest.mark.parametrize("policy", ["no", "on-failure"])
def test_what_ended_by_itself_may_rest(agent, images, policy):
    """A service that its file lets end is started neither by a look nor by a new agent."""
    name = f"resting-{policy}"
    agent.deploy(app_file(name, images.hello, restart=policy)).expect("live")
    marker = f"mark-{policy}"
    agent.deploy(app_file(marker, images.hello)).expect("live")
    docker("stop", "--time", "5", only(agent, name))
    docker("stop", "--time", "5", only(agent, marker))
    until(lambda: answers(agent, marker), "what shall run was brought back", BACK)
    agent.restart()
    (found,) = agent.owned.containers(name).values()
    assert found["State"] == "exited"
    assert agent.app(name)["state"] == "down"
