"""Each app has the requests logged that it asked for, and finds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.agent import Agent, running
from support.appfiles import app_file, host
from support.engine import docker
from support.images import Images
from support.polling import until


class Choosing(Agent):
    """An agent whose proxy logs what each app asks for."""

    choice = "apps"

    def argv(self) -> list[str]:
        return [*super().argv(), "--access-log", self.choice]


@pytest.fixture(scope="module")
def agent(images: Images) -> Iterator[Agent]:
    """With an app for each choice, and one without."""
    with running(Choosing()) as agent:
        for choice in ("full", "errors", "off", None):
            name = f"wants-{choice or 'nothing'}"
            agent.deploy(app_file(name, images.hello, access_log=choice)).expect("live")
        yield agent


def found(agent: Agent, app: str, **query: Any) -> list[dict[str, Any]]:
    """What the proxy logged of an app's requests until now."""
    with agent.stream(f"/v1/apps/{app}/logs", requests=1, tail=-1, **query) as lines:
        return [json.loads(line["text"]) for line in lines]


def ask(agent: Agent, app: str) -> None:
    """A request that succeeds, and one that fails."""
    assert agent.web.get(host(app), "/healthz?mine").status == 200
    assert agent.web.get(host(app), "/mine/none").status == 404


def statuses(agent: Agent, app: str) -> set[int]:
    """The statuses of what was logged of an app."""
    return {line["DownstreamStatus"] for line in found(agent, app)}


def test_each_app_has_what_it_asked_for(agent: Agent) -> None:
    """Every request; those that failed; none; and those that failed where it says nothing."""
    for choice in ("off", "nothing", "errors", "full"):
        ask(agent, f"wants-{choice}")
    until(lambda: statuses(agent, "wants-full") == {200, 404}, "every request of one")
    until(lambda: statuses(agent, "wants-errors") == {404}, "failures of another")
    until(lambda: statuses(agent, "wants-nothing") == {404}, "failures of the third")
    # Asked before the others: what there was of it would have been there by now.
    assert statuses(agent, "wants-off") == set()


def test_the_command_finds_an_apps_requests(agent: Agent) -> None:
    """Among all that the proxy logged, by the app and by a text."""
    ask(agent, "wants-full")
    until(lambda: found(agent, "wants-full", text="/mine/none"), "the request is logged")
    said = agent.cove("logs", "wants-full", "--requests", "--grep", "/mine/none", "--raw")
    assert said.code == 0, said.err
    shown = [json.loads(line) for line in said.out.splitlines()]
    assert shown
    assert {one["RouterName"] for one in shown} == {"wants-full_0@file"}
    assert {one["RequestPath"] for one in shown} == {"/mine/none"}
    plain = agent.cove("logs", "wants-full", "--all")
    assert "RouterName" not in plain.out


def test_a_new_release_chooses_anew_and_the_proxy_stays(agent: Agent, images: Images) -> None:
    """What a deploy asks for is no reason to replace what everybody's requests go through."""
    container = f"{agent.instance}_proxy-proxy-1"
    before = docker("inspect", "--format", "{{.State.StartedAt}}", container)
    name = "changes-its-mind"
    agent.deploy(app_file(name, images.hello)).expect("live")
    ask(agent, name)
    until(lambda: statuses(agent, name) == {404}, "failures alone")
    agent.deploy(app_file(name, images.hello, access_log="full")).expect("live")

    def every() -> bool:
        ask(agent, name)
        return statuses(agent, name) == {200, 404}

    until(every, "every request")
    assert docker("inspect", "--format", "{{.State.StartedAt}}", container) == before
