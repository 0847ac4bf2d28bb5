"""Services with a domain that call each other by name as they start."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from support.agent import Agent
from support.appfiles import QUICK, host
from support.engine import docker
from support.images import Images

# Without an answer it ends with an error, and its release with it. The connection is used again
# for each request, so that it must outlast what happens to the container's networks.
CALLER = """
import http.client, http.server, os
caller = http.client.HTTPConnection(os.environ["CALLS"], 8000, timeout=20)
def ask():
    caller.request("GET", "/version")
    return caller.getresponse().read()
print("found", ask().decode(), flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ask()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("", 8000), Answer).serve_forever()
"""


def text(name: str, images: Images, version: str, calls: str, *others: str, **keys: Any) -> str:
    """A Compose file: `web` calls one of the others when it starts, and when it is asked."""
    services = {"web": _service(images, f"web.{name}", {"CALLS": calls})}
    services["web"] |= {
        "entrypoint": ["/usr/local/bin/python3", "-c", CALLER],
        "depends_on": {calls: {"condition": "service_healthy"}},
    }
    for other in others:
        services[other] = _service(images, f"{other}.{name}", {"VERSION": version}) | keys
    # JSON is YAML.
    return json.dumps({"name": name, "services": services, "volumes": {"data": {}}})


def _service(images: Images, name: str, env: dict[str, str]) -> dict[str, Any]:
    own = {"domain": host(name), "port": 8000, "tls": "off", "health": "/", "rollout": QUICK}
    return {"image": images.hello, "environment": env, "x-cove": own}


def found(agent: Agent, name: str) -> list[str]:
    """What `web` found as it started, by its container's log."""
    containers = agent.owned.containers(name).values()
    (web,) = [c for c in containers if c["Labels"]["cove.service"] == "web"]
    return docker("logs", web["Id"]).splitlines()


@pytest.fixture
def name() -> str:
    """An app's name that no other test has."""
    return f"siblings-{secrets.token_hex(3)}"


def test_siblings_of_a_first_release(agent, images, name):
    """A service finds the one it depends on while it starts; nobody answered to that name yet."""
    agent.deploy(text(name, images, "1", "api", "api")).expect("live")
    assert found(agent, name) == ["found 1"]
    assert agent.web.plain(host(f"web.{name}")).text.strip() == "1"


def test_an_upgrade_of_siblings(agent, images, name):
    """Until it has the requests, a new release finds the old one, and so does everybody else."""
    agent.deploy(text(name, images, "1", "api", "api")).expect("live")
    agent.deploy(text(name, images, "2", "api", "api")).expect("live")
    assert found(agent, name) == ["found 1"]
    agent.act(name, "restart").expect("live")
    assert found(agent, name) == ["found 2"]


def test_siblings_that_stop_first(agent, images, name):
    """Where the old release has stopped, the name means the new one at once."""
    data = {"volumes": ["data:/data"]}
    for version in ("1", "2"):
        agent.deploy(text(name, images, version, "api", "api", **data)).expect("live")
        assert found(agent, name) == [f"found {version}"]


def test_a_sibling_that_is_new(agent, images, name):
    """A service that an upgrade adds is found by those that start with it; undone, it is gone."""
    agent.deploy(text(name, images, "1", "api", "api")).expect("live")
    ended = text(name, images, "2", "extra", "api", "extra").replace(
        "def ask", "raise SystemExit(4)#"
    )
    agent.deploy(ended).expect("kept")
    services = {c["Labels"]["cove.service"] for c in agent.owned.containers(name).values()}
    assert services == {"web", "api"}
    agent.deploy(text(name, images, "2", "extra", "api", "extra")).expect("live")
    assert found(agent, name) == ["found 2"]
