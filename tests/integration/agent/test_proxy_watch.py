"""What happens to the proxy behind the agent's back is noticed, and mended where cove can."""

from __future__ import annotations

import json
import shutil

from support import engine
from support.agent import Agent
from support.appfiles import app_file, host
from support.polling import until


def problem(agent: Agent) -> str:
    """What the agent says is wrong with the proxy."""
    version = agent.version()
    assert version
    return str(version["proxy"]["problem"])


def reachable(agent: Agent, name: str) -> bool:
    """Whether the app is served, by a proxy that may be on its way back."""
    try:
        return agent.web.plain(host(name)).status not in {404, 502}
    except OSError:
        return False


def test_a_file_that_the_proxy_cannot_read_is_noticed(agent, images):
    """A stranger's broken file is named as the problem, and the apps go on being served."""
    agent.deploy(app_file("beside", images.hello)).expect("live")
    broken = agent.data_dir / "proxy/dynamic/broken.yml"
    broken.write_text("http: {routers: [\n")
    until(lambda: "broken.yml" in problem(agent), "the broken file is named")
    assert agent.web.get(host("beside")).status == 200
    broken.unlink()
    until(lambda: not problem(agent), "the problem is over")
    agent.deploy(app_file("beside", images.second)).expect("live")


def test_a_spoilt_route_file_is_written_again(agent, images):
    """An app's file that somebody emptied is restored, and the app stays reachable."""
    name = "spoilt"
    agent.deploy(app_file(name, images.hello)).expect("live")
    path = agent.data_dir / f"proxy/dynamic/{name}.yml"
    whole = path.read_text()
    path.write_text("{}")
    until(lambda: path.read_text() == whole, "the file is as it was")
    until(lambda: agent.web.plain(host(name)).status != 404, "the app is served again")
    assert agent.web.get(host(name)).status == 200


def test_a_deleted_route_file_is_written_again(agent, images):
    """An app's file that somebody deleted comes back; a removed app's does not."""
    name = "deleted"
    agent.deploy(app_file(name, images.hello)).expect("live")
    path = agent.data_dir / f"proxy/dynamic/{name}.yml"
    path.unlink()
    until(path.exists, "the file is back")
    until(lambda: agent.web.plain(host(name)).status != 404, "the app is served again")
    assert agent.web.get(host(name)).status == 200
    path.unlink()
    agent.act(name, "remove").expect("done")
    assert not path.exists()
    assert agent.web.plain(host(name)).status == 404


def test_a_deleted_folder_of_routes_is_made_again(agent, images):
    """The proxy watches the new folder: the app comes back, and its next release goes live."""
    name = "folderless"
    agent.deploy(app_file(name, images.hello)).expect("live")
    shutil.rmtree(agent.data_dir / "proxy/dynamic")
    until((agent.data_dir / f"proxy/dynamic/{name}.yml").exists, "the app's file is back")
    until(lambda: reachable(agent, name), "the app is served again")
    agent.deploy(app_file(name, images.second)).expect("live")


def test_an_upgrade_mends_a_spoilt_file(agent, images):
    """A rollout that fails after somebody spoilt the routes leaves the right ones."""
    name = "both"
    agent.deploy(app_file(name, images.hello)).expect("live")
    path = agent.data_dir / f"proxy/dynamic/{name}.yml"
    whole = json.loads(path.read_text())
    path.write_text("{}")
    agent.deploy(app_file(name, images.hello, env={"FAULT": "exit"})).expect("kept")
    until(lambda: json.loads(path.read_text()) == whole, "the file is as it was")
    until(lambda: agent.web.plain(host(name)).status != 404, "the app is served again")
    agent.deploy(app_file(name, images.second)).expect("live")
    assert agent.web.get(host(name)).version == "second"


def test_a_proxy_that_was_killed_comes_back(agent, images):
    """Docker starts the proxy again, and every route is served as before."""
    name = "outlives"
    agent.deploy(app_file(name, images.hello)).expect("live")
    container = f"{agent.instance}_proxy-proxy-1"
    pid = engine.get(f"/containers/{container}/json")["State"]["Pid"]
    engine.docker("restart", "--time", "0", container)
    assert engine.get(f"/containers/{container}/json")["State"]["Pid"] != pid

    def served() -> bool:
        try:
            return bool(agent.web.get(host(name)).status == 200)
        except OSError:
            return False

    until(served, "the app is served again")
    agent.deploy(app_file(name, images.second)).expect("live")


def test_a_removed_proxy_is_made_again(agent, images):
    """A proxy that somebody removed is seen to be down, and comes back by itself."""
    name = "bereft"
    agent.deploy(app_file(name, images.hello)).expect("live")
    engine.docker("rm", "--force", f"{agent.instance}_proxy-proxy-1")

    def state() -> str:
        version = agent.version()
        assert version
        return str(version["proxy"]["state"])

    until(lambda: state() == "down", "the proxy is seen to be down")
    until(lambda: state() == "ready", "the proxy is back")
    assert agent.web.get(host(name)).version == "dev"
    assert not problem(agent)
