"""What a person gets wrong: said clearly, with its exit code, and nothing changed."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent import Agent
from support.appfiles import app_file, host
from support.images import Images
from support.places import free_port
from support.unix_http import request

FILE = 2
KEPT = 3
NEVER_SERVED = 1


@pytest.fixture(scope="module")
def owner(agent: Agent, images: Images) -> str:
    """An app that serves and must not notice anything."""
    agent.deploy(app_file("owner", images.hello)).expect("live")
    return "owner"


@pytest.fixture
def unchanged(agent: Agent, owner: str) -> Iterator[None]:
    """Nothing on the agent or on Docker differs after the test, and the app serves."""
    before = agent.world()
    rollouts = agent.api("GET", "/v1/rollouts", limit=200)["rollouts"]
    yield
    after = agent.world()
    # A first deploy that was refused after its images were looked at leaves its record alone.
    known = {app["name"] for app in before["apps"]}
    after["apps"] = [app for app in after["apps"] if app["name"] in known]
    assert after == before
    assert agent.web.get(host(owner)).status == 200
    assert all(r["outcome"] for r in agent.api("GET", "/v1/rollouts", limit=200)["rollouts"])
    assert len(rollouts) <= len(agent.api("GET", "/v1/rollouts", limit=200)["rollouts"])


INVALID = {
    "unknown-key": (
        "image: a\ndomain: a.localhost\nimgae: b\n",
        r'stdin:3:1: unknown key "imgae"; did you mean "image"',
    ),
    "mistyped": ("image: a\ndomain: a.localhost\nreplicas: many\n", r"stdin:3:11: replicas: "),
    "yaml": ("image: a\n  domain: [\n", r"stdin:2:\d+: "),
    "not-a-mapping": ("- image\n", r"stdin:1:1: "),
    "empty": ("", "stdin"),
    "no-image": ("domain: a.localhost\n", r"stdin:1:1: .*image"),
    "wildcard": ("image: a\ndomain: 'a.*.localhost'\n", r"stdin:2:9: domain: "),
    "upper-case": ("image: a\ndomain: A.localhost\n", r'stdin:2:9: domain: .*"a\.localhost"'),
    "trailing-dot": ("image: a\ndomain: a.localhost.\n", r'stdin:2:9: domain: .*"a\.localhost"'),
    "scheme": ("image: a\ndomain: https://a.localhost\n", r"stdin:2:9: domain: "),
    "template": ("image: a\nroutes: [{domain: a.localhost, path: '/{{x}}'}]\n", r"stdin:2:\d+: "),
    "host-path": ("image: a\nvolumes: ['/etc:/etc']\n", r"stdin:2:\d+: volumes\[0\]: .*host"),
    "power": ("image: a\nprivileged: true\n", r"stdin:2:1: privileged: "),
    "later": ("image: a\nannotations: {}\n", r"stdin:2:1: annotations: .*not supported yet"),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("text", "says"), INVALID.values(), ids=INVALID)
def test_a_file_that_cannot_be_meant(agent, text, says):
    """Each mistake is named with its line, column and key; exit code 2."""
    said = agent.cove("deploy", "-", input=f"{text}name: bad\n" if text[:1].islower() else text)
    assert said.code == FILE, said
    assert re.search(says, said.err), said.err


@pytest.mark.usefixtures("unchanged")
def test_several_mistakes_are_told_at_once(agent):
    """Every finding is listed, so that one try shows them all."""
    said = agent.cove("deploy", "-", "--json", input="name: bad\nimgae: b\nreplicas: 0\n")
    assert said.code == FILE
    assert len(said.json["error"]["problems"]) == 3


@pytest.mark.usefixtures("unchanged")
def test_plan_refuses_what_deploy_refuses(agent):
    """`plan` reads a file as `deploy` does."""
    said = agent.cove("plan", "-", input="name: bad\nimage: a\nimgae: b\n")
    assert (said.code, "stdin:3:1: unknown key" in said.err) == (FILE, True), said


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("routes", [
    [{"domain": host("owner")}],
    [{"domain": "else.localhost", "redirect_from": host("owner")}],
])  # fmt: skip
def test_the_route_of_another_app(agent, images, owner, routes):
    """A taken (domain, path) is refused, naming its owner."""
    said = agent.cove("deploy", "-", "--json", input=app_file("thief", images.hello, routes=routes))
    error = said.json["error"]
    assert (said.code, error["code"]) == (NEVER_SERVED, "route-taken")
    assert f"{host('owner')}/ belongs to the app {owner}" in error["message"]


def test_one_name_from_two_files(agent, images, tmp_path: Path):
    """A second file with an app's name is refused, until it takes the app over."""
    first, second = tmp_path / "first.yml", tmp_path / "second.yml"
    first.write_text(app_file("twice", images.hello, env={"VERSION": "1"}))
    second.write_text(app_file("twice", images.hello, env={"VERSION": "2"}))
    assert agent.cove("deploy", str(first)).code == 0
    before = agent.world()
    said = agent.cove("deploy", str(second), "--json")
    assert (said.code, said.json["error"]["code"]) == (KEPT, "source-differs")
    assert str(first) in said.json["error"]["message"]
    assert agent.world() == before
    assert agent.cove("deploy", str(second), "--take-over").code == 0
    assert agent.web.get(host("twice")).version == "2"
    assert agent.cove("deploy", str(first)).code == KEPT


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("image", "says"), [
    ("portless", "exposes no port"), ("two_ports", "exposes 8000, 9000")
])  # fmt: skip
def test_a_port_that_cannot_be_decided(agent, images, image, says):
    """An image that exposes no port, or several, needs one in the file."""
    text = app_file("undecided", getattr(images, image))
    said = agent.cove("deploy", "-", "--json", input=text)
    error = said.json["error"]
    assert (said.code, error["code"]) == (FILE, "port-undecided")
    assert says in error["message"]
    assert "port: 8000" in error["hint"]


@pytest.mark.usefixtures("unchanged")
def test_a_host_port_that_is_taken(agent, images):
    """A published port that another program holds is refused before anything is started."""
    with socket.create_server(("0.0.0.0", free_port())) as holder:
        port = holder.getsockname()[1]
        text = app_file("ports", images.hello, ports=[f"{port}:8000"])
        said = agent.cove("deploy", "-", "--json", input=text)
    error = said.json["error"]
    assert (said.code, error["code"]) == (NEVER_SERVED, "port-taken"), error
    assert re.search(rf"port {port} .* is taken by .*python", error["message"])


@pytest.mark.usefixtures("unchanged")
def test_a_request_that_is_no_request(agent):
    """The API answers nonsense with its own error, and names unknown fields."""
    nonsense: list[object] = [{"text": 1}, {"text": "", "colour": "red"}, []]
    for body in nonsense:
        status, answer = request(agent.socket, "POST", "/v1/rollouts", body)
        assert (status, answer["error"]["code"]) == (422, "bad-request"), answer


def test_no_agent_is_said_to_be_missing(tmp_path: Path, agent):
    """Without an agent every command ends with exit code 4 and how to start one."""
    said = agent.cove("status", "--json", COVE_DATA_DIR=str(tmp_path / "none"))
    assert said.code == 4
    assert "up -d" in json.loads(said.out)["error"]["hint"]
